//! What a run did.

use domain::{Application, Brake, CellName, Outcome, PlannedStep, Reach, State};
use gateway::{Metric, Unit};
use jiff::Timestamp;
use serde::Serialize;

use crate::environments::EnvironmentsReport;
use crate::leasing::LeasesReport;
use crate::sweeping::Repairs;

/// What a run found and did, in numbers. Each lane has one of its own; the run's is all of them together.
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
    /// Applications that were judged; in a dry run, that would be.
    pub judged: usize,
    /// Applications in use, or not idle for long enough.
    pub kept: usize,
    /// Applications judged to have no use that wait under the brake.
    pub held: usize,
    /// Applications culled or ended by their age.
    pub culled: usize,
    /// Applications that failed.
    pub failed: usize,
    /// Endings that are done: only the record is left.
    pub ended: usize,
    /// Rows that wait for something outside and are looked at again.
    pub waiting: usize,
    /// Preloads that were brought on.
    pub preloads: usize,
    /// Rows that could not be worked on; they are tried again.
    pub errors: usize,
    /// Rows that are left for a next run: over this run's bounds, or what they need is out of reach.
    pub left: usize,
    /// Those of them whose age has ended: a run writes only so many tombstones.
    pub promises_left: usize,
    /// How long the oldest due row had been due.
    pub lag_ms: u64,
    /// What pools lacked and had too much of.
    pub pools: PoolsReport,
    /// Environments.
    pub environments: EnvironmentsReport,
    /// Clusters that can be leased.
    pub leases: LeasesReport,
    /// Each cell's lane.
    pub lanes: Vec<LaneReport>,
    /// What would be done, in a dry run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<PlannedStep>,
}

/// What a run did to pools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PoolsReport {
    /// Spares that were ready when the run came to them.
    pub ready: usize,
    /// Spares that were starting then.
    pub starting: usize,
    /// Spares that were made.
    pub made: usize,
    /// Spares that were ended, because their pools do not need them.
    pub ended: usize,
    /// Spares that were not made, because no cell has room.
    pub without_room: usize,
    /// Pools that the run had no time left for.
    pub left: usize,
}

/// How a lane was found and left.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LaneReport {
    /// The cell.
    pub cell: CellName,
    /// What of it could be reached when the run began.
    pub reach: Reach,
    /// Its brake, where it could be read.
    pub brake: Option<BrakeReport>,
    /// What its sweep did.
    pub repairs: Repairs,
    /// Rows that are left for a next run.
    pub left: usize,
}

/// How a cell's brake stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct BrakeReport {
    /// Whether it holds.
    pub tripped: bool,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// How many wait to be confirmed, or to be used again.
    pub waiting: u64,
}

impl From<&Brake> for BrakeReport {
    fn from(brake: &Brake) -> Self {
        Self {
            tripped: brake.tripped.is_some(),
            since: brake.tripped.as_ref().map(|tripped| tripped.since),
            waiting: brake.waiting(),
        }
    }
}

impl Report {
    pub(crate) fn new(now: Timestamp, dry_run: bool) -> Self {
        Self {
            now,
            dry_run,
            due: 0,
            overtaken: 0,
            deployed: 0,
            judged: 0,
            kept: 0,
            held: 0,
            culled: 0,
            failed: 0,
            ended: 0,
            waiting: 0,
            preloads: 0,
            errors: 0,
            left: 0,
            promises_left: 0,
            lag_ms: 0,
            pools: PoolsReport::default(),
            environments: EnvironmentsReport::default(),
            leases: LeasesReport::default(),
            lanes: Vec::new(),
            plan: Vec::new(),
        }
    }

    /// Adds the report of a part of the run. Every field is named, so that none is forgotten.
    pub(crate) fn merge(&mut self, part: Report) {
        let Report {
            now: _,
            dry_run: _,
            due,
            overtaken,
            deployed,
            judged,
            kept,
            held,
            culled,
            failed,
            ended,
            waiting,
            preloads,
            errors,
            left,
            promises_left,
            lag_ms,
            pools,
            environments,
            leases,
            lanes,
            plan,
        } = part;
        self.due += due;
        self.overtaken += overtaken;
        self.deployed += deployed;
        self.judged += judged;
        self.kept += kept;
        self.held += held;
        self.culled += culled;
        self.failed += failed;
        self.ended += ended;
        self.waiting += waiting;
        self.preloads += preloads;
        self.errors += errors;
        self.left += left;
        self.promises_left += promises_left;
        self.lag_ms = self.lag_ms.max(lag_ms);
        self.pools.made += pools.made;
        self.pools.ended += pools.ended;
        self.pools.without_room += pools.without_room;
        self.pools.left += pools.left;
        self.environments.merge(environments);
        self.leases.merge(leases);
        self.lanes.extend(lanes);
        self.plan.extend(plan);
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
            State::Orphaned { .. } => self.kept += 1,
            State::Pending | State::Starting { .. } | State::Ending { .. } => self.waiting += 1,
        }
    }

    /// The figures for CloudWatch.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let count = |name, value: usize| Metric {
            name,
            unit: Unit::Count,
            value: value as f64,
        };
        let repaired = |of: fn(&Repairs) -> usize| self.lanes.iter().map(|lane| of(&lane.repairs)).sum();
        let mut metrics = vec![
            Metric {
                name: "ReaperLag",
                unit: Unit::Milliseconds,
                value: self.lag_ms as f64,
            },
            count("ReaperDue", self.due),
            count("ReaperErrors", self.errors),
            count("ReaperLeft", self.left),
            count("SparesReady", self.pools.ready),
            count("SparesStarting", self.pools.starting),
            count("RepairRoutesMade", repaired(|repairs| repairs.routes_remade)),
            count("RepairRoutesRemoved", repaired(|repairs| repairs.routes_removed)),
            count("RepairOrphansAdopted", repaired(|repairs| repairs.orphans_adopted)),
            count("RepairLateRemoved", repaired(|repairs| repairs.late_removed)),
            count("RepairFailed", repaired(|repairs| repairs.failed)),
            count("RepairTroubled", repaired(|repairs| repairs.troubled)),
            count("RepairRecovered", repaired(|repairs| repairs.recovered)),
        ];
        metrics.extend(self.environments.metrics());
        metrics.extend(self.leases.metrics());
        let waiting: u64 = self.brakes().map(|brake| brake.waiting).sum();
        metrics.push(count("BrakeWaiting", usize::try_from(waiting).unwrap_or(usize::MAX)));
        metrics.extend(
            self.is_tripped()
                .map(|tripped| count("BrakeTripped", usize::from(tripped))),
        );
        metrics
    }

    /// Whether the brake of some cell holds. None: no cell's is known to, and not all could be read.
    fn is_tripped(&self) -> Option<bool> {
        let tripped = self.brakes().any(|brake| brake.tripped);
        (tripped || self.brakes().count() == self.lanes.len()).then_some(tripped)
    }

    /// The brakes that could be read.
    fn brakes(&self) -> impl Iterator<Item = &BrakeReport> {
        self.lanes.iter().filter_map(|lane| lane.brake.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tripped_of(lanes: &[Option<bool>]) -> Option<f64> {
        let mut report = Report::new(Timestamp::UNIX_EPOCH, false);
        report.lanes.extend(lanes.iter().map(|tripped| LaneReport {
            cell: CellName::parse("default").unwrap(),
            reach: Reach {
                cluster: true,
                proxy: true,
                routes_lost: false,
            },
            brake: tripped.map(|tripped| BrakeReport {
                tripped,
                ..BrakeReport::default()
            }),
            repairs: Repairs::default(),
            left: 0,
        }));
        let metrics = report.metrics();
        let tripped = metrics.iter().find(|metric| metric.name == "BrakeTripped");
        tripped.map(|metric| metric.value)
    }

    #[test]
    fn a_brake_that_cannot_be_read_is_not_said_to_be_let_go() {
        assert_eq!(tripped_of(&[Some(false), Some(false)]), Some(0.0));
        assert_eq!(tripped_of(&[Some(false), None]), None);
        assert_eq!(tripped_of(&[Some(true), None]), Some(1.0));
    }
}
