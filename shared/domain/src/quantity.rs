//! Kubernetes quantities, checked when a template is written instead of when a pod is refused.

use serde::{Deserialize, Serialize};

use crate::Refusal;
use crate::refusal::shown;

/// An amount of CPU or memory as Kubernetes writes it: `500m`, `2`, `512Mi`, `1.5G`. More than zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "String")]
pub struct Quantity(String);

/// JSON numbers are accepted too (`"cpu": 2`).
#[derive(Deserialize)]
#[serde(untagged)]
enum Wire {
    Text(String),
    Number(serde_json::Number),
}

/// Suffixes and their factor. <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>
const SUFFIXES: [(&str, f64); 16] = [
    ("n", 1e-9),
    ("u", 1e-6),
    ("m", 1e-3),
    ("", 1.0),
    ("k", 1e3),
    ("M", 1e6),
    ("G", 1e9),
    ("T", 1e12),
    ("P", 1e15),
    ("E", 1e18),
    ("Ki", 1024.0),
    ("Mi", 1_048_576.0),
    ("Gi", 1_073_741_824.0),
    ("Ti", 1_099_511_627_776.0),
    ("Pi", 1_125_899_906_842_624.0),
    ("Ei", 1_152_921_504_606_846_976.0),
];

impl Quantity {
    /// # Errors
    /// [`Refusal::Malformed`] with what could have been meant: `512MB` is answered with `512Mi` or `512M`.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        match split(text) {
            Some((number, suffix)) if factor(suffix).is_some() => {
                if number > 0.0 {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(refused(text, "it must be more than zero"))
                }
            }
            Some((_, suffix)) => Err(refused(text, &suggestion(text, suffix))),
            None => Err(refused(
                text,
                "write a number and a unit, such as '512Mi' of memory or '500m' of CPU",
            )),
        }
    }

    /// As written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In base units (bytes, or whole CPUs), near enough to compare two of them.
    pub fn amount(&self) -> f64 {
        split(&self.0)
            .and_then(|(number, suffix)| Some(number * factor(suffix)?))
            .unwrap_or_default()
    }
}

/// The number and what follows it; an exponent belongs to the number. `None` when there is no number.
fn split(text: &str) -> Option<(f64, &str)> {
    let digits = |t: &str| t.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(t.len());
    let end = digits(text);
    let exponent = text[end..].strip_prefix(['e', 'E']).map_or(0, |rest| {
        let sign = usize::from(rest.starts_with(['+', '-']));
        let figures = rest[sign..].bytes().take_while(u8::is_ascii_digit).count();
        if figures > 0 && figures <= 2 && sign + figures == rest.len() {
            1 + sign + figures
        } else {
            0
        }
    });
    let (number, suffix) = text.split_at(end + exponent);
    Some((number.parse().ok()?, suffix))
}

fn factor(suffix: &str) -> Option<f64> {
    SUFFIXES
        .iter()
        .find(|(known, _)| *known == suffix)
        .map(|(_, factor)| *factor)
}

fn suggestion(text: &str, suffix: &str) -> String {
    let number = &text[..text.len() - suffix.len()];
    let mut letters = suffix.trim().chars().map(|c| c.to_ascii_uppercase());
    // An 'e' before a figure is an exponent, and no unit was meant by it.
    let exponent = suffix.len() > 1 && suffix[1..].starts_with(|c: char| c.is_ascii_digit());
    match letters.next().filter(|_| !exponent) {
        Some(unit) if "KMGTPE".contains(unit) => {
            let decimal = if unit == 'K' { 'k' } else { unit };
            format!("write '{number}{unit}i' (powers of 1024) or '{number}{decimal}' (powers of 1000)")
        }
        _ => format!(
            "'{}' is no unit of Kubernetes: write '512Mi' of memory or '500m' of CPU",
            shown(suffix)
        ),
    }
}

fn refused(text: &str, why: &str) -> Refusal {
    Refusal::Malformed(format!("'{}' is not a quantity: {why}", shown(text)))
}

impl TryFrom<Wire> for Quantity {
    type Error = Refusal;
    fn try_from(wire: Wire) -> Result<Self, Refusal> {
        match wire {
            Wire::Text(text) => Self::parse(&text),
            Wire::Number(number) => Self::parse(&number.to_string()),
        }
    }
}

impl From<Quantity> for String {
    fn from(quantity: Quantity) -> String {
        quantity.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubernetes_own_forms_are_kept_as_written() {
        for (text, amount) in [
            ("1", 1.0),
            ("0.5", 0.5),
            ("500m", 0.5),
            ("512Mi", 536_870_912.0),
            ("1.5G", 1.5e9),
            ("12e6", 12e6),
            ("1E3", 1000.0),
            ("2E", 2e18),
        ] {
            let quantity = Quantity::parse(text).unwrap();
            assert_eq!(quantity.as_str(), text);
            assert!((quantity.amount() - amount).abs() < amount * 1e-9, "{text}");
        }
    }

    #[test]
    fn the_old_samples_512mb_is_refused_with_what_was_meant() {
        let refusal = Quantity::parse("512MB").unwrap_err().to_string();
        assert_eq!(
            refusal,
            "'512MB' is not a quantity: write '512Mi' (powers of 1024) or '512M' (powers of 1000)"
        );
        let exponent = Quantity::parse("1.5e3Mi").unwrap_err().to_string();
        assert!(
            exponent.ends_with("write '512Mi' of memory or '500m' of CPU"),
            "{exponent}"
        );
        assert!(
            Quantity::parse("512kb")
                .unwrap_err()
                .to_string()
                .contains("'512Ki' (powers of 1024) or '512k'")
        );
    }

    #[test]
    fn nonsense_nothing_and_zero_are_refused() {
        for bad in [
            "", "x", "Mi", "0", "0Mi", "-1", "+1", "1 Mi", "1..2", "1mm", "ten", "1e", "NaN", "inf",
        ] {
            assert!(Quantity::parse(bad).is_err(), "{bad}");
        }
    }
}
