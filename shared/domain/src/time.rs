//! Durations as the wire writes them.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serialize};

use crate::limits::MILLIS_MAX;

/// A duration in whole milliseconds, 1 … 604,800,000. Read from a number or a numeric string, because the older
/// client's command line sends every argument as a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Millis(u64);

impl Millis {
    /// The duration, if it is one that the wire could have said.
    pub fn new(value: u64) -> Option<Self> {
        (1..=MILLIS_MAX).contains(&value).then_some(Self(value))
    }

    /// A default from [`crate::limits`], cut to what the wire could have said.
    pub const fn of(duration: Duration) -> Self {
        let ms = duration.as_millis() as u64;
        Self(if ms > MILLIS_MAX { MILLIS_MAX } else { ms })
    }

    /// In milliseconds.
    pub fn get(self) -> u64 {
        self.0
    }

    /// As a duration to reckon with.
    pub fn duration(self) -> SignedDuration {
        SignedDuration::from_millis(self.0 as i64)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Millis;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "a whole number of milliseconds, 1 to {MILLIS_MAX}")
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<Millis, E> {
                Millis::new(value).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(value), &self))
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<Millis, E> {
                let unsigned = u64::try_from(value);
                unsigned
                    .ok()
                    .and_then(Millis::new)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Signed(value), &self))
            }
            fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Millis, E> {
                Err(E::invalid_value(serde::de::Unexpected::Float(value), &self))
            }
            fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<Millis, E> {
                let digits = !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit());
                let number = if digits { value.parse().ok() } else { None };
                number
                    .and_then(Millis::new)
                    .ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(value), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// `duration` for a sentence: its whole seconds, minutes, hours or days in words, the two largest units.
pub(crate) fn in_words(duration: SignedDuration) -> String {
    let ms = duration.as_millis().max(0);
    if ms < 1000 {
        return format!("{ms} ms");
    }
    let seconds = (ms / 1000) as u64;
    let units = [(86_400, "d"), (3_600, "h"), (60, "min"), (1, "s")];
    let mut rest = seconds;
    let mut words = Vec::new();
    for (size, unit) in units {
        if rest >= size {
            words.push(format!("{} {unit}", rest / size));
            rest %= size;
        }
    }
    words.truncate(2);
    words.join(" ")
}

/// An instant for a sentence: RFC 3339 in UTC, whole seconds.
pub(crate) fn instant(at: jiff::Timestamp) -> String {
    format!("{:.0}", at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_come_as_a_number_or_a_numeric_string() {
        assert_eq!(serde_json::from_str::<Millis>("1000").unwrap().get(), 1000);
        assert_eq!(serde_json::from_str::<Millis>("\"1000\"").unwrap().get(), 1000);
        assert_eq!(serde_json::from_str::<Millis>("604800000").unwrap().get(), MILLIS_MAX);
    }

    #[test]
    fn zero_negative_fractional_too_large_and_words_are_refused() {
        for bad in [
            "0",
            "-1",
            "1.5",
            "604800001",
            "\"\"",
            "\"-1\"",
            "\"1.5\"",
            "\"soon\"",
            "\"+1\"",
            "null",
            "true",
            "[]",
        ] {
            assert!(serde_json::from_str::<Millis>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_read_well() {
        for (ms, words) in [
            (1, "1 ms"),
            (1_000, "1 s"),
            (61_000, "1 min 1 s"),
            (3_600_000, "1 h"),
            (90_061_000, "1 d 1 h"),
        ] {
            assert_eq!(in_words(SignedDuration::from_millis(ms)), words);
        }
        assert_eq!(
            instant("2026-11-21T10:00:00.123Z".parse().unwrap()),
            "2026-11-21T10:00:00Z"
        );
    }
}
