//! What was injected and what was found, in numbers.

use std::collections::BTreeMap;
use std::fmt;

use super::weather::Injected;

/// How many sentences of each round are told of what does not agree.
const WRONG_TOLD: usize = 5;

/// What was injected and what was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// How often something was injected, by what it was.
    pub injected: Injected,
    /// What was found, by what it was.
    pub found: BTreeMap<&'static str, u64>,
    /// Ends, by the word of their reason.
    pub ends: BTreeMap<String, u64>,
    /// What does not agree, in sentences.
    pub wrong: Vec<String>,
}

impl Findings {
    /// Counts something that was injected.
    pub fn inject(&self, what: &'static str, number: usize) {
        *self.injected.lock().unwrap().entry(what).or_default() += number as u64;
    }

    /// Counts something that was found.
    pub fn find(&mut self, what: &'static str, number: usize) {
        *self.found.entry(what).or_default() += number as u64;
    }

    /// Keeps sentences about what does not agree, the first few of `place` in full.
    pub fn disagree(&mut self, place: &str, sentences: Vec<String>) {
        let more = sentences.len().saturating_sub(WRONG_TOLD);
        let told = sentences.into_iter().take(WRONG_TOLD);
        self.wrong.extend(told.map(|sentence| format!("{place}: {sentence}")));
        if more > 0 {
            self.wrong.push(format!("{place}: and {more} more"));
        }
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{:<44} {:>8}", "injected", "times")?;
        for (what, number) in &*self.injected.lock().unwrap() {
            writeln!(f, "  {what:<42} {number:>8}")?;
        }
        writeln!(f, "{:<44} {:>8}", "found", "times")?;
        for (what, number) in &self.found {
            writeln!(f, "  {what:<42} {number:>8}")?;
        }
        writeln!(f, "{:<44} {:>8}", "ends by reason", "")?;
        for (why, number) in &self.ends {
            writeln!(f, "  {why:<42} {number:>8}")?;
        }
        if self.wrong.is_empty() {
            return f.write_str("everything agrees");
        }
        writeln!(f, "does not agree:")?;
        for sentence in &self.wrong {
            writeln!(f, "  {sentence}")?;
        }
        Ok(())
    }
}
