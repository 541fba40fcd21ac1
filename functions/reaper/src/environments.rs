//! The lane of a cell's environments: their namespaces are made to be as was asked, they expire, they are removed.
//!
//! The end of an environment is a promise, so no brake holds it; what a run has no room for is the next one's. Each is
//! worked on by itself, and one that cannot be brought on comes up later and later.

use domain::{CellName, Lane, NamespaceName, PlannedStep, ReapRules, Subject, plan};
use futures::StreamExt;
use futures::stream::iter;
use gateway::{Call, Metric, Unit};
use jiff::Timestamp;
use lifecycle::Environments;
use serde::Serialize;

use crate::Report;
use crate::lane::LaneRun;
use crate::reading::read_due;
use crate::run::is_late;

/// Environments that are worked on at a time.
const AT_ONCE: usize = 16;
/// Minutes between two comparisons of namespaces and rows.
const COMPARED_EVERY: i64 = 30;

/// What a run found and did of environments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct EnvironmentsReport {
    /// Environments that were due.
    pub due: usize,
    /// Environments whose namespace is now as was asked.
    pub applied: usize,
    /// Environments that have expired.
    pub expired: usize,
    /// Environments of which nothing is left now.
    pub ended: usize,
    /// Namespaces that no environment has, and that are being deleted.
    pub strays_removed: usize,
    /// Namespaces that no environment has, and that are left alone because they are too many.
    pub strays_held: usize,
    /// Environments that have lost their namespace, and are made again.
    pub lost: usize,
    /// Environments that could not be worked on; they are tried again.
    pub errors: usize,
    /// Environments that are left for a next run.
    pub left: usize,
}

/// What became of one due environment.
enum Brought {
    On { applied: bool, expired: bool, ended: bool },
    Failed,
    Left,
}

/// Works on what is due of a cell's environments, at most `rows_max` of them.
pub(crate) async fn run(
    environments: &Environments,
    call: &Call,
    cell: &CellName,
    mut report: Report,
    rows_max: usize,
) -> LaneRun {
    let lane = Lane::Environments(cell.clone());
    let due = read_due(environments.store(), call, &lane, report.now, rows_max).await;
    let planned = plan(due.items, ReapRules { rows_left: rows_max }, report.now);
    report.lag_ms = planned.lag_ms;
    report.environments = EnvironmentsReport {
        due: planned.steps.len() + planned.left,
        left: planned.left,
        errors: usize::from(lane.shards()) - due.read,
        ..EnvironmentsReport::default()
    };
    if report.dry_run {
        report.plan = planned.steps;
    } else {
        bring_on_all(environments, call, &planned.steps, &mut report.environments).await;
        if is_time_to_compare(report.now) && !is_late(call) {
            compare(environments, call, cell, &mut report.environments).await;
        }
    }
    LaneRun {
        report,
        read: due.read,
        unread: due.unread,
    }
}

fn is_time_to_compare(now: Timestamp) -> bool {
    (now.as_second() / 60) % COMPARED_EVERY == 0
}

async fn compare(environments: &Environments, call: &Call, cell: &CellName, report: &mut EnvironmentsReport) {
    match environments.compare(cell, &call.look()).await {
        Ok(strays) => {
            report.strays_removed += strays.removed;
            report.strays_held += strays.held;
            report.lost += strays.lost;
        }
        Err(error) => {
            call.note("comparing the namespaces of environments with their rows", &error);
            report.errors += 1;
        }
    }
}

async fn bring_on_all(
    environments: &Environments,
    call: &Call,
    steps: &[PlannedStep],
    report: &mut EnvironmentsReport,
) {
    // Collected first: a stream that holds the closure cannot be shown to be `Send` for every lifetime.
    let due: Vec<_> = steps
        .iter()
        .filter_map(|step| match &step.due.subject {
            Subject::Environment(namespace) => Some(bring_on(environments, call, namespace)),
            Subject::Application(_) | Subject::Preload(..) | Subject::Cluster(_) => None,
        })
        .collect();
    let mut due = iter(due).buffer_unordered(AT_ONCE);
    while let Some(brought) = due.next().await {
        match brought {
            Brought::On {
                applied,
                expired,
                ended,
            } => {
                report.applied += usize::from(applied);
                report.expired += usize::from(expired);
                report.ended += usize::from(ended);
            }
            Brought::Failed => report.errors += 1,
            Brought::Left => report.left += 1,
        }
    }
}

async fn bring_on(environments: &Environments, call: &Call, namespace: &NamespaceName) -> Brought {
    if is_late(call) {
        return Brought::Left;
    }
    let failed = |error: &(dyn std::error::Error + 'static)| {
        call.note("working on an environment", error);
        Brought::Failed
    };
    let nothing = Brought::On {
        applied: false,
        expired: false,
        ended: false,
    };
    let row = match environments.store().environment(namespace).await {
        Ok(Some(row)) => row,
        Ok(None) => return nothing,
        Err(error) => return failed(&error),
    };
    let before = row.value.clone();
    match environments.advance(row, &call.look()).await {
        Ok(row) => Brought::On {
            applied: row.value.applied != before.applied,
            expired: before.is_live() && !row.value.is_live(),
            ended: !before.has_ended() && row.value.has_ended(),
        },
        Err(lifecycle::Error::Gone) => nothing,
        Err(error) => failed(&error),
    }
}

impl EnvironmentsReport {
    /// Adds what another part of the run did.
    pub(crate) fn merge(&mut self, part: EnvironmentsReport) {
        let EnvironmentsReport {
            due,
            applied,
            expired,
            ended,
            strays_removed,
            strays_held,
            lost,
            errors,
            left,
        } = part;
        self.due += due;
        self.applied += applied;
        self.expired += expired;
        self.ended += ended;
        self.strays_removed += strays_removed;
        self.strays_held += strays_held;
        self.lost += lost;
        self.errors += errors;
        self.left += left;
    }

    /// The figures for CloudWatch.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let count = |name, value: usize| Metric {
            name,
            unit: Unit::Count,
            value: value as f64,
        };
        vec![
            count("EnvironmentErrors", self.errors),
            count("EnvironmentsExpired", self.expired),
            count("EnvironmentsEnded", self.ended),
            count("EnvironmentStraysHeld", self.strays_held),
            count("EnvironmentsLost", self.lost),
        ]
    }
}
