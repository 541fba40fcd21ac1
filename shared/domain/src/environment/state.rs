//! An environment, from its row's first write to its tombstone.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::application::after;
use crate::environment::{EnvironmentAsk, EnvironmentChange, EnvironmentName, HostNames};
use crate::limits::{MESSAGE_MAX, SKEW_MAX};
use crate::{CellName, Refusal};

/// Counts what was asked of environments of one name, over all of them. It stands on the row and on everything that is
/// made of it: a lower one is late, and never survives. It begins with the moment of the first ask, so that none comes
/// again when the row is long forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// A namespace with routing keys and host names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// What it is called.
    pub name: EnvironmentName,
    /// The cell that its namespace is in.
    pub cell: CellName,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// The generation by which it was asked for: its namespace is told from that of an earlier environment by it.
    pub born: Generation,
    /// What was asked of it last.
    pub generation: Generation,
    /// What its namespace was last made to be; nothing before it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Generation>,
    /// The uid of its namespace, once it is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_uid: Option<String>,
    /// Its host names.
    #[serde(default, skip_serializing_if = "HostNames::is_empty")]
    pub hosts: HostNames,
    /// Its routing keys, sealed.
    pub sealed_keys: String,
    /// When it ends by itself, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether it may be neither deleted nor expire.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub protect: bool,
    /// Whether its deployments have no pods.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asleep: bool,
    /// The generation that said last whether they have.
    pub sleep_asked: Generation,
    /// Where it is in its life.
    #[serde(flatten)]
    pub state: EnvironmentState,
    /// What keeps its next step from being done, as the last look saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// Where an environment is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EnvironmentState {
    /// It is wanted. Next: its namespace is made to be as was asked last.
    Live,
    /// It is not wanted any more. Next: its namespace is deleted, and looked for until it is gone.
    Ending {
        /// Since when.
        since: Timestamp,
        /// Why.
        why: EnvironmentEnd,
    },
    /// Its namespace is gone, and its host names are free. The row tells late calls that it is.
    Ended {
        /// Since when.
        at: Timestamp,
        /// Why.
        why: EnvironmentEnd,
    },
}

/// Why an environment ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentEnd {
    /// Somebody deleted it.
    Deleted,
    /// Its time was over.
    Expired,
    /// The namespace of its name is somebody else's. Nothing was made.
    Taken,
}

impl Generation {
    /// The first of an environment that is asked for at `now`, above `last`, where one of its name is remembered.
    pub fn first(now: Timestamp, last: Option<Generation>) -> Self {
        let moment = u64::try_from(now.as_millisecond()).unwrap_or_default();
        Self(moment.max(last.map_or(0, |last| last.0.saturating_add(1))))
    }

    /// The next one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Environment {
    /// The environment that `ask` makes, after `last` of its name, where one is remembered.
    pub fn new(
        ask: EnvironmentAsk,
        cell: CellName,
        sealed_keys: String,
        last: Option<Generation>,
        now: Timestamp,
    ) -> Self {
        let born = Generation::first(now, last);
        Self {
            name: ask.name,
            cell,
            created_at: now,
            born,
            generation: born,
            applied: None,
            namespace_uid: None,
            hosts: ask.hosts,
            sealed_keys,
            expires_at: ask.lifetime.end(),
            protect: ask.protect,
            asleep: ask.asleep,
            sleep_asked: born,
            state: EnvironmentState::Live,
            trouble: None,
        }
    }

    /// Whether it is wanted.
    pub fn is_live(&self) -> bool {
        self.state == EnvironmentState::Live
    }

    /// When it ends by itself, if it does: somewhat after its time, because clocks differ.
    pub fn ends_at(&self) -> Option<Timestamp> {
        let end = self.expires_at.filter(|_| self.is_live() && !self.protect);
        end.map(|end| after(end, SKEW_MAX))
    }

    /// Whether nothing is left of it.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, EnvironmentState::Ended { .. })
    }

    /// Since when nothing is left of it, if so.
    pub fn ended_at(&self) -> Option<Timestamp> {
        match self.state {
            EnvironmentState::Ended { at, .. } => Some(at),
            _ => None,
        }
    }

    /// Its phase in a word, as callers are told.
    pub fn phase(&self) -> &'static str {
        match self.state {
            EnvironmentState::Live if self.applied.is_none() => "making",
            EnvironmentState::Live if self.applied != Some(self.generation) => "changing",
            EnvironmentState::Live if self.asleep => "asleep",
            EnvironmentState::Live => "ready",
            EnvironmentState::Ending { .. } => "deleting",
            EnvironmentState::Ended { .. } => "gone",
        }
    }

    /// The environment after `change`.
    pub fn changed(&self, change: &EnvironmentChange) -> Self {
        let lifetime = change.lifetime.map(|lifetime| lifetime.end());
        let next = Self {
            hosts: change.hosts.clone().unwrap_or_else(|| self.hosts.clone()),
            expires_at: lifetime.unwrap_or(self.expires_at),
            protect: change.protect.unwrap_or(self.protect),
            asleep: change.asleep.unwrap_or(self.asleep),
            ..self.clone()
        };
        if next.asleep != self.asleep {
            let next = next.asked();
            Self {
                sleep_asked: next.generation,
                ..next
            }
        } else if next.hosts != self.hosts {
            next.asked()
        } else {
            next
        }
    }

    /// The environment with other routing keys.
    pub fn rotated(&self, sealed_keys: String) -> Self {
        Self {
            sealed_keys,
            ..self.asked()
        }
    }

    /// The environment of which something more is asked that its namespace must follow.
    fn asked(&self) -> Self {
        Self {
            generation: self.generation.next(),
            trouble: None,
            ..self.clone()
        }
    }

    /// The environment whose namespace, of this uid, is as was asked.
    pub fn applied(&self, namespace_uid: String) -> Self {
        Self {
            applied: Some(self.generation),
            namespace_uid: Some(namespace_uid),
            trouble: None,
            ..self.clone()
        }
    }

    /// The environment whose namespace was deleted behind its back: it is to be made again.
    pub fn lost(&self) -> Self {
        Self {
            applied: None,
            ..self.troubled("its namespace was deleted, and is made again")
        }
    }

    /// The environment that somebody deletes at `now`. One that ends already ends as it does.
    ///
    /// # Errors
    /// [`Refusal::Rule`] while it is protected.
    pub fn deleted(&self, now: Timestamp) -> Result<Self, Refusal> {
        if self.is_live() && self.protect {
            return Err(Refusal::Rule(format!(
                "the environment '{}' is protected; take 'protect' off first",
                self.name
            )));
        }
        Ok(self.ending(EnvironmentEnd::Deleted, now))
    }

    /// The environment that ends from `now` on, unless it does already.
    pub fn ending(&self, why: EnvironmentEnd, now: Timestamp) -> Self {
        if !self.is_live() {
            return self.clone();
        }
        Self {
            state: EnvironmentState::Ending { since: now, why },
            generation: self.generation.next(),
            trouble: None,
            ..self.clone()
        }
    }

    /// The environment of which nothing is left from `now` on. Its keys are forgotten.
    pub fn ended(&self, now: Timestamp) -> Self {
        let why = match &self.state {
            EnvironmentState::Ending { why, .. } | EnvironmentState::Ended { why, .. } => why.clone(),
            EnvironmentState::Live => EnvironmentEnd::Deleted,
        };
        Self {
            state: EnvironmentState::Ended { at: now, why },
            sealed_keys: String::new(),
            trouble: None,
            ..self.clone()
        }
    }

    /// The environment whose next step could not be done for this reason.
    pub fn troubled(&self, message: &str) -> Self {
        Self {
            trouble: Some(message.chars().take(MESSAGE_MAX).collect()),
            ..self.clone()
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::environment::Lifetime;
    use crate::fixture::at;

    /// One without hosts that is asked for at `at(0)`.
    pub(in crate::environment) fn asked() -> Environment {
        let ask = EnvironmentAsk {
            name: EnvironmentName::parse("org:env").unwrap(),
            hosts: HostNames::default(),
            lifetime: Lifetime::Forever,
            protect: false,
            asleep: false,
        };
        Environment::new(ask, CellName::parse("home").unwrap(), "sealed".into(), None, at(0))
    }

    #[test]
    fn a_generation_is_above_every_one_that_was() {
        let first = Generation::first(at(5), None);
        assert_eq!(first.0, u64::try_from(at(5).as_millisecond()).unwrap());
        assert_eq!(Generation::first(at(5), Some(first)), first.next());
        assert!(Generation::first(at(6), Some(first)) > first.next());
    }

    #[test]
    fn only_what_its_namespace_must_follow_is_a_generation() {
        let environment = asked().applied("uid".into());
        assert_eq!(environment.phase(), "ready");
        let protected = environment.changed(&EnvironmentChange {
            protect: Some(true),
            lifetime: Some(Lifetime::Until(at(60))),
            ..EnvironmentChange::default()
        });
        assert_eq!(
            (protected.generation, protected.phase()),
            (environment.generation, "ready")
        );
        assert_eq!(protected.expires_at, Some(at(60)));
        let asleep = protected.changed(&EnvironmentChange {
            asleep: Some(true),
            ..EnvironmentChange::default()
        });
        assert_eq!(
            (asleep.generation, asleep.phase()),
            (environment.generation.next(), "changing")
        );
        assert_eq!(
            (asleep.expires_at, asleep.applied("uid".into()).phase()),
            (Some(at(60)), "asleep")
        );
        let rotated = environment.rotated("others".into());
        assert_eq!((rotated.phase(), rotated.sealed_keys.as_str()), ("changing", "others"));
    }

    #[test]
    fn what_is_protected_is_not_deleted_and_what_ends_ends_once() {
        let mut environment = asked();
        environment.protect = true;
        assert!(environment.deleted(at(1)).is_err());
        let expired = environment.ending(EnvironmentEnd::Expired, at(2));
        assert_eq!(expired.deleted(at(3)), Ok(expired.clone()));
        let ended = expired.ended(at(4));
        assert_eq!(
            ended.state,
            EnvironmentState::Ended {
                at: at(4),
                why: EnvironmentEnd::Expired
            }
        );
        assert_eq!((ended.sealed_keys.as_str(), ended.phase()), ("", "gone"));
        assert!(ended.generation > environment.generation);
    }
}
