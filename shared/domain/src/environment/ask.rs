//! What is asked of an environment.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::application::later;
use crate::environment::HostName;
use crate::limits::{ENVIRONMENT_LIFE_MAX, HOSTS_MAX};
use crate::{EnvironmentName, Refusal};

/// The host names of an environment, in the order in which they were given: each once, at most
/// [`HOSTS_MAX`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostNames(Vec<HostName>);

impl HostNames {
    /// Reads what a request lists.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a name that is none, for one that comes twice, and for too many.
    pub fn read(texts: &[String]) -> Result<Self, Refusal> {
        if texts.len() > HOSTS_MAX {
            return Err(Refusal::Malformed(format!(
                "an environment has at most {HOSTS_MAX} host names"
            )));
        }
        let hosts: Vec<HostName> = texts
            .iter()
            .map(|text| HostName::read(text))
            .collect::<Result<_, _>>()?;
        let mut seen = BTreeSet::new();
        match hosts.iter().find(|host| !seen.insert(*host)) {
            Some(twice) => Err(Refusal::Malformed(format!(
                "Duplicate HostNames: '{twice}' is listed twice"
            ))),
            None => Ok(Self(hosts)),
        }
    }

    /// Each, in order.
    pub fn iter(&self) -> impl Iterator<Item = &HostName> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `host` is among them.
    pub fn has(&self, host: &HostName) -> bool {
        self.0.contains(host)
    }

    /// Those of them that `others` does not have.
    pub fn without<'a>(&'a self, others: &'a HostNames) -> impl Iterator<Item = &'a HostName> {
        self.0.iter().filter(|host| !others.has(host))
    }
}

/// How long an environment lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Until somebody deletes it.
    Forever,
    /// Until then.
    Until(Timestamp),
}

impl Lifetime {
    /// What `ttl` (seconds from `now` on) and `expiresAt` say; nothing when neither does. An `expiresAt` or `ttl` of
    /// `null` means for ever.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when both are said, or when that is past, or too far away.
    pub fn read(
        ttl: Option<Option<u64>>,
        expires_at: Option<Option<Timestamp>>,
        now: Timestamp,
    ) -> Result<Option<Self>, Refusal> {
        let until = match (ttl, expires_at) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => {
                return Err(Refusal::Malformed(
                    "say either 'ttl' or 'expiresAt', not both".to_owned(),
                ));
            }
            (Some(None), None) | (None, Some(None)) => return Ok(Some(Self::Forever)),
            (Some(Some(seconds)), None) => later(
                now,
                SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX)),
            ),
            (None, Some(Some(until))) => until,
        };
        let most = SignedDuration::try_from(ENVIRONMENT_LIFE_MAX).unwrap_or(SignedDuration::MAX);
        if until <= now || until > later(now, most) {
            return Err(Refusal::Malformed(format!(
                "an environment ends in the future, and in at most {} days",
                ENVIRONMENT_LIFE_MAX.as_secs() / (24 * 60 * 60)
            )));
        }
        Ok(Some(Self::Until(until)))
    }

    /// When it ends, if it does.
    pub fn end(self) -> Option<Timestamp> {
        match self {
            Self::Forever => None,
            Self::Until(until) => Some(until),
        }
    }
}

/// A new environment that somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentAsk {
    /// What it shall be called.
    pub name: EnvironmentName,
    /// Its host names.
    pub hosts: HostNames,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Whether it may be neither deleted nor expire.
    pub protect: bool,
    /// Whether its deployments have no pods.
    pub asleep: bool,
}

/// What shall be otherwise about an environment; what is not said stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EnvironmentChange {
    /// Its host names, as a whole.
    pub hosts: Option<HostNames>,
    /// How long it lives.
    pub lifetime: Option<Lifetime>,
    /// Whether it may be neither deleted nor expire.
    pub protect: Option<bool>,
    /// Whether its deployments have no pods.
    pub asleep: Option<bool>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    fn hosts(texts: &[&str]) -> Result<HostNames, Refusal> {
        HostNames::read(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_host_is_listed_once_in_whatever_case() {
        assert!(
            hosts(&["a", "A"])
                .unwrap_err()
                .to_string()
                .starts_with("Duplicate HostNames")
        );
        let (one, other) = (hosts(&["a", "b"]).unwrap(), hosts(&["b", "c"]).unwrap());
        let names: Vec<&str> = other.without(&one).map(HostName::as_str).collect();
        assert_eq!(names, ["c"]);
        let many: Vec<String> = (0..=HOSTS_MAX).map(|number| format!("h{number}")).collect();
        assert!(HostNames::read(&many).is_err());
        assert!(HostNames::read(&many[1..]).is_ok());
    }

    #[test]
    fn a_lifetime_is_said_in_one_of_two_ways_and_ends_in_the_future() {
        let read = |ttl, expires_at| Lifetime::read(ttl, expires_at, at(100));
        assert_eq!(read(None, None), Ok(None));
        assert_eq!(read(Some(Some(60)), None), Ok(Some(Lifetime::Until(at(160)))));
        assert_eq!(read(None, Some(Some(at(101)))), Ok(Some(Lifetime::Until(at(101)))));
        assert_eq!(read(None, Some(None)), Ok(Some(Lifetime::Forever)));
        assert_eq!(read(Some(None), None), Ok(Some(Lifetime::Forever)));
        for (ttl, expires_at) in [
            (Some(Some(0)), None),
            (Some(Some(u64::MAX)), None),
            (None, Some(Some(at(100)))),
            (Some(Some(1)), Some(Some(at(200)))),
        ] {
            assert!(read(ttl, expires_at).is_err(), "{ttl:?} {expires_at:?}");
        }
    }
}
