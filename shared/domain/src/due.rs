//! The dead-man's switch: when somebody else must take over.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::application::after;
use crate::limits::{ATTEMPTS_DOUBLED_MAX, DUE_SHARDS, ENVIRONMENT_SHARDS, LEASE_SHARDS, LOOK_AGAIN, TAKE_BUDGET};
use crate::{ApplicationId, CellName, ClusterName, NamespaceName, TemplateName};

/// A queue of due rows that stand or fall together: a dead cluster holds up its own lane only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Applications of one cell.
    Applications(CellName),
    /// Environments of one cell.
    Environments(CellName),
    /// Clusters that can be leased.
    Leases,
}

impl Lane {
    /// How many shards its queue has, so that many may be due at once: there are fewer clusters than applications.
    pub fn shards(&self) -> u16 {
        match self {
            Lane::Applications(_) => DUE_SHARDS,
            Lane::Environments(_) => ENVIRONMENT_SHARDS,
            Lane::Leases => LEASE_SHARDS,
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Lane::Applications(cell) => write!(f, "app@{cell}"),
            Lane::Environments(cell) => write!(f, "env@{cell}"),
            Lane::Leases => f.write_str("lease"),
        }
    }
}

/// What is due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// An application.
    #[serde(rename = "id")]
    Application(ApplicationId),
    /// The preload of a template's image in a cell.
    Preload(TemplateName, CellName),
    /// An environment, by its namespace.
    Environment(NamespaceName),
    /// A cluster that can be leased.
    Cluster(ClusterName),
}

/// A due row as the index proposes it. The row itself decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// What it is.
    #[serde(flatten)]
    pub subject: Subject,
    /// Its state's word, as the index has it.
    pub state: String,
    /// The version that the index has.
    pub version: u64,
    /// Whether it waits under the brake.
    pub held: bool,
    /// When it is, or was, due.
    pub due_at: Timestamp,
    /// Since when it has been due without an actor finishing; does not move with takes.
    pub due_since: Timestamp,
}

/// An application that somebody must come back to, as the index proposes it, whenever it is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Living {
    /// Which.
    pub id: ApplicationId,
    /// Its state's word; an ending is among them until nothing is left of it.
    pub state: String,
    /// The version that the index has.
    pub version: u64,
    /// When it is, or was, due.
    pub due_at: Timestamp,
    /// Whether it is a spare.
    pub spare: bool,
    /// Whether it runs, and says that something is wrong with it.
    pub troubled: bool,
}

/// How many applications of a lane have no tombstone. Spares, which nobody judges, are not among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All of them.
    pub living: u64,
    /// Those that wait under the brake.
    pub held: u64,
}

/// The shard of the due and day indexes that an application's rows are in: the same for its whole life.
pub fn shard_of(id: &ApplicationId) -> u16 {
    let head = u16::from_str_radix(&id.as_str()[..4], 16).unwrap_or_default();
    head % DUE_SHARDS
}

/// When somebody else must take over from an actor that takes a row at `now`. `attempt` counts the tries that failed.
pub fn due_after_take(now: Timestamp, attempt: u32) -> Timestamp {
    let budget = TAKE_BUDGET * 2u32.pow(attempt.min(ATTEMPTS_DOUBLED_MAX));
    after(now, budget)
}

/// When a row is looked at again that may have something new soon.
pub fn due_soon(now: Timestamp) -> Timestamp {
    after(now, LOOK_AGAIN)
}

/// When a row whose step failed is tried again: soon at first, then less and less often, so that a row that cannot
/// be helped does not stand in the way of others.
pub fn due_after_failure(now: Timestamp, attempt: u32) -> Timestamp {
    let pause = std::time::Duration::from_secs(1) * 2u32.pow(attempt.min(ATTEMPTS_DOUBLED_MAX + 4));
    after(now, pause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_row_backs_off_up_to_a_bound() {
        let now = Timestamp::UNIX_EPOCH;
        let takes: Vec<i64> = [0, 1, 5, 99]
            .iter()
            .map(|n| due_after_take(now, *n).as_second())
            .collect();
        assert_eq!(takes, [60, 120, 960, 960]);
        let failures: Vec<i64> = [0, 1, 8, 99]
            .iter()
            .map(|n| due_after_failure(now, *n).as_second())
            .collect();
        assert_eq!(failures, [1, 2, 256, 256]);
    }

    #[test]
    fn shards_cover_all_and_nothing_else() {
        let seen: std::collections::BTreeSet<u16> = (0..=255u8)
            .map(|b| shard_of(&ApplicationId::from_bytes([b; 16])))
            .collect();
        assert_eq!(seen, (0..DUE_SHARDS).collect());
    }
}
