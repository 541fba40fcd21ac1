//! A rule said no.

use thiserror::Error;

/// Why a rule refused what was asked. The text is for the caller: a sentence with the values in it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// A name, id or other single value is not of its form.
    #[error("{0}")]
    Malformed(String),
    /// Nobody, or somebody without the needed scope, called.
    #[error("{0}")]
    Forbidden(String),
    /// What is asked contradicts itself or a rule, though each value is well formed.
    #[error("{0}")]
    Rule(String),
}

impl Refusal {
    /// A value that is not of its form, with the rule that it breaks.
    pub(crate) fn bad_name(value: &str, rule: &str) -> Self {
        Self::Malformed(format!("'{}' is not allowed: {rule}", shown(value)))
    }
}

/// `value` as a message may carry it: without control characters, and short.
pub(crate) fn shown(value: &str) -> String {
    const SHOWN_MAX: usize = 80;
    let mut text: String = value.chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect();
    if value.chars().count() > SHOWN_MAX {
        text.push('…');
    }
    text
}
