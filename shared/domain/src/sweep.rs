//! The sweep over what is in a cell: one shard a minute, so that it comes round in a quarter of an hour.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::CellName;
use crate::application::later;
use crate::limits::{DUE_SHARDS, SWEEP_PACE, SWEEP_TRIES_MAX};

/// How far the sweep over one cell has come. Whoever sweeps takes it first, and a shard counts only once it was done: a
/// run that dies leaves it to the next one after [`Sweep::taken_until`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Sweep {
    /// The cell.
    pub cell: CellName,
    /// The shard that comes next.
    pub next_shard: u16,
    /// How often this shard could not be done.
    #[serde(default)]
    pub tries: u32,
    /// When the pass that it is part of began.
    pub pass_started: Timestamp,
    /// When the last whole pass was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub passed_at: Option<Timestamp>,
    /// Until when a run may be at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_until: Option<Timestamp>,
}

impl Sweep {
    /// The first pass over `cell`, beginning at `now`.
    pub fn begun(cell: CellName, now: Timestamp) -> Self {
        Self {
            cell,
            next_shard: 0,
            tries: 0,
            pass_started: now,
            passed_at: None,
            taken_until: None,
        }
    }

    /// The shard that is due at `now`, if one is: the first of a pass at its start, and one more each
    /// [`SWEEP_PACE`]. Runs that were missed are caught up with.
    pub fn due(&self, now: Timestamp) -> Option<u16> {
        (now >= self.due_at()).then_some(self.next_shard)
    }

    /// Whether another run may be at it at `now`.
    pub fn is_taken(&self, now: Timestamp) -> bool {
        self.taken_until.is_some_and(|until| now < until)
    }

    /// The same sweep, taken by a run that is over, or dead, at `until`.
    pub fn taken(&self, until: Timestamp) -> Self {
        Self {
            taken_until: Some(until),
            ..self.clone()
        }
    }

    /// The same sweep with its next shard done. It is let go where no other shard is due at `now`.
    pub fn done(&self, now: Timestamp) -> Self {
        let mut next = Self {
            next_shard: self.next_shard + 1,
            tries: 0,
            ..self.clone()
        };
        if next.next_shard >= DUE_SHARDS {
            next.next_shard = 0;
            // Of passes that were missed, one is made up for.
            next.pass_started = later(self.pass_started, pace(DUE_SHARDS)).max(later(now, pace(1)));
            next.passed_at = Some(now);
        }
        if next.due(now).is_none() {
            next.taken_until = None;
        }
        next
    }

    /// The same sweep, let go, whose next shard could not be done. The next run tries it again; after
    /// [`SWEEP_TRIES_MAX`] it is left for the next pass, so that it does not keep the others from their turn.
    pub fn failed(&self, now: Timestamp) -> Self {
        let mut next = Self {
            tries: self.tries + 1,
            ..self.clone()
        };
        if next.tries >= SWEEP_TRIES_MAX {
            next = next.done(now);
        }
        next.taken_until = None;
        next
    }

    fn due_at(&self) -> Timestamp {
        later(self.pass_started, pace(self.next_shard))
    }
}

/// How long that many shards may take.
fn pace(shards: u16) -> SignedDuration {
    SignedDuration::try_from(SWEEP_PACE * u32::from(shards)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    fn begun() -> Sweep {
        Sweep::begun(CellName::parse("default").unwrap(), at(0))
    }

    /// The shards that a run at `seconds` does, and what is left.
    fn run(mut sweep: Sweep, seconds: i64) -> (Vec<u16>, Sweep) {
        let mut shards = Vec::new();
        while let Some(shard) = sweep.due(at(seconds)) {
            shards.push(shard);
            sweep = sweep.taken(at(seconds + 300)).done(at(seconds));
        }
        assert!(!sweep.is_taken(at(seconds)), "{sweep:?}");
        (shards, sweep)
    }

    #[test]
    fn one_shard_a_minute_and_all_within_a_quarter_of_an_hour() {
        let mut sweep = begun();
        for minute in 0..48 {
            let (shards, next) = run(sweep, minute * 60);
            assert_eq!(shards, [u16::try_from(minute % 16).unwrap()]);
            sweep = next;
        }
        assert_eq!(sweep.passed_at, Some(at(47 * 60)));
    }

    #[test]
    fn runs_that_come_a_moment_early_or_late_lose_a_run_a_pass_at_most() {
        let (mut sweep, mut swept) = (begun(), 0);
        for minute in 0..34 {
            let (shards, next) = run(sweep, minute * 60 + if minute % 2 == 0 { 5 } else { -5 });
            swept += shards.len();
            sweep = next;
        }
        assert!((32..=34).contains(&swept), "{swept}");
    }

    #[test]
    fn after_a_week_one_pass_is_made_up_for_and_no_more() {
        let (shards, sweep) = run(begun(), 7 * 24 * 3_600);
        assert_eq!(shards, (0..16).collect::<Vec<_>>());
        let (shards, _) = run(sweep, 7 * 24 * 3_600 + 60);
        assert_eq!(shards.len(), 1);
    }

    #[test]
    fn what_another_run_took_is_left_to_it_until_it_must_be_over() {
        let taken = begun().taken(at(300));
        assert!(taken.is_taken(at(299)) && !taken.is_taken(at(300)));
        assert_eq!(taken.due(at(300)), Some(0), "it was not done");
    }

    #[test]
    fn a_shard_that_cannot_be_done_is_tried_again_and_then_left_for_the_next_pass() {
        let mut sweep = begun().taken(at(300));
        for _ in 1..SWEEP_TRIES_MAX {
            sweep = sweep.failed(at(1));
            assert_eq!((sweep.due(at(1)), sweep.is_taken(at(1))), (Some(0), false));
        }
        let left = sweep.failed(at(1));
        assert_eq!((left.due(at(1)), left.due(at(60)), left.tries), (None, Some(1), 0));
    }
}
