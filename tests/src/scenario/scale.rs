//! How a script's time passes.

use std::time::Duration;

/// How a script's time passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// The clock is wound: an hour takes no time. Needs embedded parts.
    Wound,
    /// An hour takes an hour divided by this, and so does every limit that the script sets. Works on real parts, for
    /// scripts that rest on no limit of layby's own, such as the launch deadline.
    Waited(u32),
}

impl Scale {
    /// What a duration of the script is in domain time.
    pub fn of(self, written: Duration) -> Duration {
        match self {
            Scale::Wound => written,
            Scale::Waited(by) => written / by,
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
    }
}
