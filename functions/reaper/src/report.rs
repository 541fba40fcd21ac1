//! What a run did.

use domain::{Application, Outcome, PlannedStep, State};
use gateway::{Metric, Unit};
use jiff::Timestamp;
use serde::Serialize;

/// What a run found and did, in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// The run's `now`.
    pub now: Timestamp,
    /// Whether it only planned.
    pub dry_run: bool,
    /// Rows that were due.
    pub due: usize,
    /// Rows that somebody else was working on by the time this run came to them.
    pub overtaken: usize,
    /// Launches that now have a location.
    pub deployed: usize,
    /// Applications in use, or not idle for long enough.
    pub kept: usize,
    /// Applications culled or ended by their age.
    pub culled: usize,
    /// Applications that failed.
    pub failed: usize,
    /// Endings that are done: only the record is left.
    pub ended: usize,
    /// Rows that wait for something outside and are looked at again.
    pub waiting: usize,
    /// Rows that could not be worked on; they are tried again.
    pub errors: usize,
    /// Rows of the pages read that are left for the next run: over this run's bound of rows or of time.
    pub left: usize,
    /// How long the oldest due row had been due.
    pub lag_ms: u64,
    /// What would be done, in a dry run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<PlannedStep>,
}

impl Report {
    pub(crate) fn new(now: Timestamp, dry_run: bool) -> Self {
        Self {
            now,
            dry_run,
            due: 0,
            overtaken: 0,
            deployed: 0,
            kept: 0,
            culled: 0,
            failed: 0,
            ended: 0,
            waiting: 0,
            errors: 0,
            left: 0,
            lag_ms: 0,
            plan: Vec::new(),
        }
    }

    /// Counts what became of one application.
    pub(crate) fn count(&mut self, before: &Application, after: &Application) {
        let tombstone = before.is_live() && !after.is_live();
        match &after.state {
            State::Ended { ended } | State::Ending { ended, .. } if tombstone => match ended.outcome {
                Outcome::Deleted => self.culled += 1,
                Outcome::Failed => self.failed += 1,
            },
            State::Ended { .. } => self.ended += 1,
            State::Running { .. } if matches!(before.state, State::Running { .. }) => self.kept += 1,
            State::Running { .. } => self.deployed += 1,
            State::Pending | State::Starting { .. } | State::Ending { .. } => self.waiting += 1,
        }
    }

    /// The figures for CloudWatch.
    pub(crate) fn metrics(&self) -> [Metric; 4] {
        let count = |name, value: usize| Metric {
            name,
            unit: Unit::Count,
            value: value as f64,
        };
        [
            Metric {
                name: "ReaperLag",
                unit: Unit::Milliseconds,
                value: self.lag_ms as f64,
            },
            count("ReaperDue", self.due),
            count("ReaperErrors", self.errors),
            count("ReaperLeft", self.left),
        ]
    }
}
