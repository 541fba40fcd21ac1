//! A lease: who holds a cluster, by which epoch, and until when.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize};

use crate::application::{after, later};
use crate::leasing::ClusterPool;
use crate::limits::{GRANT_JOINED, LEASE_TIME_MAX, LEASE_WARNINGS, SKEW_MAX};
use crate::{LeaseId, Refusal};

/// Counts who had a cluster: it rises whenever the cluster is taken and whenever it becomes free, and never falls. What
/// carries a lower epoch than the cluster is of the past.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl Epoch {
    /// The one after it.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How long a lease is asked for: whole seconds, from 1 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LeaseTime(u32);

impl LeaseTime {
    /// The time, if it is one that the wire could have said.
    pub const fn new(seconds: u64) -> Option<Self> {
        if seconds >= 1 && seconds <= LEASE_TIME_MAX.as_secs() {
            Some(Self(seconds as u32))
        } else {
            None
        }
    }

    /// A default from [`crate::limits`].
    pub(crate) const fn of(duration: Duration) -> Self {
        Self(duration.as_secs() as u32)
    }

    /// In seconds.
    pub fn seconds(self) -> u32 {
        self.0
    }

    /// As a duration to reckon with.
    pub fn duration(self) -> SignedDuration {
        SignedDuration::from_secs(i64::from(self.0))
    }
}

impl<'de> Deserialize<'de> for LeaseTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = LeaseTime;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a whole number of seconds, 1 to {}", LEASE_TIME_MAX.as_secs())
            }
            fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<LeaseTime, E> {
                LeaseTime::new(value).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Unsigned(value), &self))
            }
            fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<LeaseTime, E> {
                let time = u64::try_from(value).ok().and_then(LeaseTime::new);
                time.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Signed(value), &self))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Who holds a cluster, or is about to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// What its token is derived from.
    pub id: LeaseId,
    /// The digest of its token. The token itself is nowhere.
    pub token_sha256: String,
    /// The caller that holds it, in a word.
    pub holder: String,
    /// When it was granted.
    pub granted_at: Timestamp,
    /// Until when it holds.
    pub expires_at: Timestamp,
}

/// What a lease is worth at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// It holds, and for long.
    Holds,
    /// It holds for less than this, one of the moments at which its holder is warned.
    EndsWithin(Duration),
    /// It does not hold any more, though perhaps nobody has taken it away yet.
    Over,
}

impl Lease {
    /// Whether anybody may still rely on it at `now`, whatever their clock says.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        after(now, SKEW_MAX) < self.expires_at
    }

    /// Whether it may be taken away at `now`: nobody relies on it any more, whatever their clock says.
    pub fn is_over_at(&self, now: Timestamp) -> bool {
        now >= self.taken_away_at()
    }

    /// When it may be taken away.
    pub fn taken_away_at(&self) -> Timestamp {
        after(self.expires_at, SKEW_MAX)
    }

    /// What it is worth at `now`.
    pub fn validity(&self, now: Timestamp) -> Validity {
        if !self.holds_at(now) {
            return Validity::Over;
        }
        let within = LEASE_WARNINGS
            .into_iter()
            .find(|warning| after(now, *warning) >= self.expires_at);
        within.map_or(Validity::Holds, Validity::EndsWithin)
    }

    /// Whether a look at `now` may join in making its credential as it was granted. Later it is granted anew first:
    /// otherwise whoever ends it would not know that somebody is at it.
    pub fn may_be_joined(&self, now: Timestamp) -> bool {
        now < after(self.granted_at, GRANT_JOINED)
    }

    /// The same lease for as long as it was granted for, from `now` on.
    #[must_use]
    pub fn from_now_on(&self, now: Timestamp) -> Self {
        Self {
            granted_at: now,
            expires_at: later(now, self.expires_at.duration_since(self.granted_at)),
            ..self.clone()
        }
    }

    /// The same lease until `time` from `now`, but no longer than its pool allows in all, and never shorter than it is.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a time over the pool's; [`Refusal::Rule`] when it lasts as long as it ever may
    /// already.
    pub fn renewed(&self, time: LeaseTime, pool: &ClusterPool, now: Timestamp) -> Result<Self, Refusal> {
        pool.check_time(time)?;
        let end = later(self.granted_at, pool.max_total.duration());
        if self.expires_at >= end {
            return Err(Refusal::Rule(format!(
                "a lease in the pool '{}' lasts {} s at most with all its renewals, and this one does",
                pool.name,
                pool.max_total.seconds()
            )));
        }
        let wanted = later(now, time.duration()).min(end);
        Ok(Self {
            expires_at: wanted.max(self.expires_at),
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ClusterPoolName;
    use crate::fixture::at;

    fn lease() -> Lease {
        Lease {
            id: LeaseId::from_bytes([1; 16]),
            token_sha256: "t".into(),
            holder: "key:ci".into(),
            granted_at: at(0),
            expires_at: at(3_600),
        }
    }

    fn seconds(text: &str) -> Result<u32, String> {
        let time = serde_json::from_str::<LeaseTime>(text);
        time.map(LeaseTime::seconds).map_err(|error| error.to_string())
    }

    #[test]
    fn a_time_is_a_whole_positive_number_of_seconds() {
        assert_eq!(seconds("1"), Ok(1));
        for bad in ["0", "-1", "1.0", "1.5", "\"60\"", "null", "true", "99999999999"] {
            let said = seconds(bad).unwrap_err();
            assert!(
                said.contains("a whole number of seconds, 1 to 2592000"),
                "{bad}: {said}"
            );
        }
    }

    #[test]
    fn between_what_may_be_relied_on_and_what_may_be_taken_is_both_clocks_error() {
        let lease = lease();
        assert!(lease.holds_at(at(3_597)) && !lease.holds_at(at(3_598)));
        assert!(!lease.is_over_at(at(3_601)) && lease.is_over_at(at(3_602)));
    }

    #[test]
    fn a_lease_that_waited_to_be_fetched_is_no_shorter() {
        let fetched = lease().from_now_on(at(20));
        assert_eq!((fetched.granted_at, fetched.expires_at), (at(20), at(3_620)));
    }

    #[test]
    fn whoever_comes_late_to_a_grant_grants_anew() {
        assert!(lease().may_be_joined(at(24)) && !lease().may_be_joined(at(25)));
    }

    #[test]
    fn its_holder_is_warned_twice() {
        let lease = lease();
        let minutes = |minutes: u64| Validity::EndsWithin(Duration::from_secs(minutes * 60));
        assert_eq!(lease.validity(at(2_999)), Validity::Holds);
        assert_eq!(lease.validity(at(3_000)), minutes(10));
        assert_eq!(lease.validity(at(3_480)), minutes(2));
        assert_eq!(lease.validity(at(3_598)), Validity::Over);
    }

    #[test]
    fn a_renewal_lengthens_up_to_the_total_and_never_shortens() {
        let mut pool = ClusterPool::new(ClusterPoolName::parse("ci").unwrap());
        pool.max_total = LeaseTime::new(7_200).unwrap();
        let time = |seconds| LeaseTime::new(seconds).unwrap();
        let until = |lease: &Lease, seconds, now| lease.renewed(time(seconds), &pool, at(now)).unwrap().expires_at;
        assert_eq!(until(&lease(), 3_600, 600), at(4_200));
        assert_eq!(until(&lease(), 60, 600), at(3_600));
        assert_eq!(until(&lease(), 7_200, 600), at(7_200));
        let whole = lease().renewed(time(7_200), &pool, at(600)).unwrap();
        assert!(whole.renewed(time(60), &pool, at(700)).is_err());
    }
}
