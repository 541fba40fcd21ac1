//! One cell's lane: what is due there, in its order.

use std::sync::atomic::{AtomicUsize, Ordering};

use domain::limits::{PROMISES_A_RUN, REAP_CONCURRENCY, REAP_READ};
use domain::{
    Act, Application, ApplicationId, Brake, CellName, Outcome, PlannedStep, ReapRules, Reason, Subject, act, plan,
};
use futures::StreamExt;
use futures::stream::iter;
use gateway::{Call, TableAndCells};
use lifecycle::Turn;
use store::{CellRows, Row};

use crate::breaker::Breaker;
use crate::reading::{probe, read_due};
use crate::report::{BrakeReport, LaneReport};
use crate::run::is_late;
use crate::sweeping::Repairs;
use crate::{Report, judging, preloading, sweeping};

/// What came of one lane.
pub(crate) struct LaneRun {
    /// Its part of the run's report.
    pub(crate) report: Report,
    /// Shards that could be read.
    pub(crate) read: usize,
    /// Why one could not be.
    pub(crate) unread: Option<store::Error>,
}

/// What the steps of a lane share.
pub(crate) struct Lane<'a> {
    pub(crate) powers: &'a TableAndCells,
    pub(crate) call: &'a Call,
    pub(crate) cell: &'a CellName,
    pub(crate) breaker: Breaker,
    /// Tombstones that were written for promises.
    promised: AtomicUsize,
}

/// What became of one due row.
pub(crate) enum Acted {
    Moved(Box<(Application, Application)>),
    Held,
    Overtaken,
    Failed,
    Left,
    PromiseLeft,
}

/// Works on the lane of `cell`, at most `rows_max` rows of it: lost routes, endings, launches, what runs, preloads; then
/// its sweep.
pub(crate) async fn run(
    powers: &TableAndCells,
    call: &Call,
    cell: &CellName,
    mut report: Report,
    rows_max: usize,
) -> LaneRun {
    let of_cell = domain::Lane::Applications(cell.clone());
    let (due, reach, rows) = futures::join!(
        read_due(&powers.store, call, &of_cell, report.now, rows_max),
        probe(powers, call, cell),
        powers.store.cell_rows(cell)
    );
    let rows = rows.map_err(|error| {
        call.note("reading a cell's rows", &error);
        report.errors += 1;
    });
    report.errors += usize::from(of_cell.shards()) - due.read;
    report.due = due.items.len();
    let planned = plan(due.items, ReapRules { rows_left: rows_max }, report.now);
    report.left = planned.left;
    report.lag_ms = planned.lag_ms;
    let lane = Lane {
        powers,
        call,
        cell,
        breaker: Breaker::new(reach),
        promised: AtomicUsize::new(0),
    };
    let (brake, repairs) = if report.dry_run {
        report.judged = applications(&planned.steps, PlannedStep::JUDGE).len();
        report.plan = planned.steps;
        let brake = rows.ok().map(|rows| BrakeReport::of(rows.brake.as_ref()));
        (brake, Repairs::default())
    } else {
        lane.work(&planned.steps, rows.ok(), &mut report).await
    };
    report.errors += repairs.errors;
    report.lanes.push(LaneReport {
        cell: cell.clone(),
        reach,
        brake,
        repairs,
        left: report.left,
    });
    LaneRun {
        report,
        read: due.read,
        unread: due.unread,
    }
}

impl BrakeReport {
    /// As it was read.
    pub(crate) fn of(row: Option<&Row<Brake>>) -> Self {
        row.map(|row| Self::from(&row.value)).unwrap_or_default()
    }
}

impl Lane<'_> {
    async fn work(
        &self,
        steps: &[PlannedStep],
        rows: Option<CellRows>,
        report: &mut Report,
    ) -> (Option<BrakeReport>, Repairs) {
        let mut repairs = Repairs::default();
        // First: nobody gets through to what has lost its route.
        sweeping::restore(self, &mut repairs).await;
        self.bring_on(&applications(steps, PlannedStep::FINISH), report).await;
        self.bring_on(&applications(steps, PlannedStep::ADVANCE), report).await;
        let running = applications(steps, PlannedStep::JUDGE);
        let (brake, sweep) = match rows {
            Some(rows) => (Some(rows.brake), Some(rows.sweep)),
            None => (None, None),
        };
        let brake = judging::run(self, &running, brake, report).await;
        preloading::run(self, steps, report).await;
        if let Some(sweep) = sweep {
            sweeping::run(self, sweep, &mut repairs).await;
        }
        (brake, repairs)
    }

    /// Reads these rows and brings each on.
    async fn bring_on(&self, ids: &[ApplicationId], report: &mut Report) {
        for ids in ids.chunks(REAP_READ) {
            let rows = self.read(ids, report).await;
            self.act_on_all(rows, report).await;
        }
    }

    /// Reads rows that the index proposed: each itself says whether it is still due.
    pub(crate) async fn read(&self, ids: &[ApplicationId], report: &mut Report) -> Vec<Row<Application>> {
        if is_late(self.call) {
            report.left += ids.len();
            return Vec::new();
        }
        let now = self.call.look().now;
        match self.powers.store.applications_by_id(ids, now).await {
            Ok(rows) => {
                let is_due = |row: &Row<Application>| row.due_at.is_some_and(|due_at| due_at <= now);
                let due: Vec<_> = rows.into_values().filter(is_due).collect();
                report.overtaken += ids.len() - due.len();
                due
            }
            Err(error) => {
                self.call.note("reading rows", &error);
                report.errors += ids.len();
                Vec::new()
            }
        }
    }

    /// Does to each row what is due, several at a time.
    pub(crate) async fn act_on_all(&self, rows: Vec<Row<Application>>, report: &mut Report) {
        let mut acted = iter(rows)
            .map(|row| self.act_on(row))
            .buffer_unordered(REAP_CONCURRENCY);
        while let Some(acted) = acted.next().await {
            report.add(acted);
        }
    }

    async fn act_on(&self, row: Row<Application>) -> Acted {
        if is_late(self.call) {
            return Acted::Left;
        }
        let look = self.call.look();
        match act(&row.value, self.breaker.reach(), look.now) {
            Act::End(outcome, reason) => self.keep_promise(row, outcome, reason).await,
            Act::Advance => {
                let before = row.value.clone();
                match self.powers.lifecycle.advance(row, &look).await {
                    Ok(Turn::Ours(after)) => {
                        self.breaker.tell(&before, &after, look.now);
                        Acted::Moved(Box::new((before, after.value)))
                    }
                    Ok(Turn::Theirs(_)) => Acted::Overtaken,
                    Err(error) => self.failed(&error),
                }
            }
            // It began to run since the index was read.
            Act::Judge => Acted::Overtaken,
            Act::Leave => Acted::Left,
        }
    }

    /// Ends an application as it was promised. A run writes only so many tombstones: after a week of silence there may
    /// be very many to write, and a cluster that cannot delete so many namespaces at once.
    async fn keep_promise(&self, row: Row<Application>, outcome: Outcome, reason: Reason) -> Acted {
        if self.promised.fetch_add(1, Ordering::Relaxed) >= PROMISES_A_RUN {
            return Acted::PromiseLeft;
        }
        self.end(row, outcome, reason).await
    }

    /// Writes the tombstone and goes on with the ending as far as it can be reached.
    pub(crate) async fn end(&self, row: Row<Application>, outcome: Outcome, reason: Reason) -> Acted {
        let before = row.value.clone();
        let look = self.call.look();
        match self.powers.lifecycle.write_tombstone(row, outcome, reason, &look).await {
            Ok(Some(row)) => self.go_on(before, row).await,
            Ok(None) => Acted::Overtaken,
            Err(error) => self.failed(&error),
        }
    }

    /// Goes on with an ending whose tombstone was just written; what cannot be done now is due by itself.
    async fn go_on(&self, before: Application, row: Row<Application>) -> Acted {
        let look = self.call.look();
        let entombed = row.value.clone();
        if is_late(self.call) || act(&entombed, self.breaker.reach(), look.now) != Act::Advance {
            return Acted::Moved(Box::new((before, entombed)));
        }
        match self.powers.lifecycle.go_on(row, &look).await {
            Ok(after) => {
                self.breaker.tell(&entombed, &after, look.now);
                Acted::Moved(Box::new((before, after.value)))
            }
            Err(error) => {
                self.call.note("ending an application", &error);
                Acted::Moved(Box::new((before, entombed)))
            }
        }
    }

    /// What a step's error means for the report.
    pub(crate) fn failed(&self, error: &lifecycle::Error) -> Acted {
        match error {
            lifecycle::Error::Overtaken | lifecycle::Error::Gone => Acted::Overtaken,
            lifecycle::Error::Store(_)
            | lifecycle::Error::UnknownCell(_)
            | lifecycle::Error::NoCell
            | lifecycle::Error::Sealed => {
                self.call.note("working on a row", error);
                Acted::Failed
            }
        }
    }
}

impl Report {
    /// Counts what became of one due row.
    pub(crate) fn add(&mut self, acted: Acted) {
        match acted {
            Acted::Moved(pair) => self.count(&pair.0, &pair.1),
            Acted::Held => self.held += 1,
            Acted::Overtaken => self.overtaken += 1,
            Acted::Failed => self.errors += 1,
            Acted::Left => self.left += 1,
            Acted::PromiseLeft => {
                self.left += 1;
                self.promises_left += 1;
            }
        }
    }
}

/// The applications with which a plan means to do this, in its order.
fn applications(steps: &[PlannedStep], act: &str) -> Vec<ApplicationId> {
    let steps = steps.iter().filter(|step| step.act == act);
    steps
        .filter_map(|step| match &step.due.subject {
            Subject::Application(id) => Some(id.clone()),
            Subject::Preload(..) | Subject::Environment(_) | Subject::Cluster(_) => None,
        })
        .collect()
}
