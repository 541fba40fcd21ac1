//! How a script's time passes.

use std::time::Duration;

/// From here on a duration is one of people, and below it one of machines.
const MINUTE: Duration = Duration::from_secs(60);

/// How a script's time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// The clock is wound: an hour takes no time. Needs embedded parts.
    Wound,
    /// An hour takes an hour divided by this, and so does every limit that the script sets. Less than a minute is waited
    /// for as it is written: it is the time of pods, which nothing divides. Works on real parts, for scripts that rest
    /// on no limit of layby's own, such as the launch deadline.
    Waited(u32),
}

impl Scale {
    /// What a duration of the script is in domain time.
    pub fn of(self, written: Duration) -> Duration {
        match self {
            Scale::Wound => written,
            Scale::Waited(_) if written < MINUTE => written,
            Scale::Waited(by) => written / by,
        }
    }

    /// What can be expected of a reason: where limits are divided, its words up to the first number.
    pub fn words(self, reason: &str) -> &str {
        match self {
            Scale::Wound => reason,
            Scale::Waited(_) => reason.split(|c: char| c.is_ascii_digit()).next().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_divides_and_winding_does_not() {
        let hour = Duration::from_secs(3600);
        assert_eq!(Scale::Wound.of(hour), hour);
        assert_eq!(Scale::Waited(900).of(hour), Duration::from_secs(4));
        let moment = Duration::from_secs(5);
        assert_eq!(Scale::Waited(900).of(moment), moment);
        assert_eq!(Scale::Wound.words("its limit is 1 h"), "its limit is 1 h");
        assert_eq!(Scale::Waited(900).words("its limit is 1 h"), "its limit is ");
    }
}
