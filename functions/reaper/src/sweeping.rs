//! The sweep: what is in a cell held against the table, one shard a minute, and what does not match repaired.

use std::time::Duration;

use domain::limits::{DUE_SHARDS, REAP_CONCURRENCY};
use domain::{Repair, Sweep};
use futures::StreamExt;
use futures::stream::iter;
use gateway::{Call, TableAndCells};
use jiff::{SignedDuration, Timestamp};
use lifecycle::{Finding, HomeCell, Mended, RouteTable, SurveyError};
use serde::Serialize;
use store::{Row, WriteError};
use tokio::time::Instant;

use crate::lane::Lane;
use crate::run::is_late;

/// What a sweep did, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Repairs {
    /// Shards that were held against the table.
    pub swept_shards: usize,
    /// Shards of which the cluster showed less than half of what should be there: nothing followed.
    pub doubted_shards: usize,
    /// What had no record and has one now.
    pub orphans_adopted: usize,
    /// What had no record, and was of no use to anybody, ended.
    pub orphans_ended: usize,
    /// Namespaces and routes of what had ended, removed.
    pub late_removed: usize,
    /// Applications that failed, because what they ran in was gone.
    pub failed: usize,
    /// Applications that say now what is wrong with them.
    pub troubled: usize,
    /// Applications that are well again.
    pub recovered: usize,
    /// Routes made again.
    pub routes_remade: usize,
    /// Routes that nobody knew, removed.
    pub routes_removed: usize,
    /// Judged things that wait under the brake.
    pub held: usize,
    /// Repairs and shards left for the next run: others were first, time was short, or something was out of reach.
    pub left: usize,
    /// Repairs that the table failed under.
    pub errors: usize,
}

impl Repairs {
    /// What there is to come back for.
    fn not_done(&self) -> usize {
        self.doubted_shards + self.left + self.errors
    }

    fn count(&mut self, mended: Mended) {
        match mended {
            Mended::Nothing => {}
            Mended::Adopted => self.orphans_adopted += 1,
            Mended::Cleared => self.late_removed += 1,
            Mended::Failed => self.failed += 1,
            Mended::Troubled => self.troubled += 1,
            Mended::Recovered => self.recovered += 1,
            Mended::RouteMade => self.routes_remade += 1,
            Mended::RouteRemoved => self.routes_removed += 1,
            Mended::OrphanEnded => self.orphans_ended += 1,
            Mended::NotNow => self.left += 1,
        }
    }
}

/// What is repaired of one cell in one run.
struct Sweeping<'a> {
    powers: &'a TableAndCells,
    call: &'a Call,
    home: &'a HomeCell,
    repairs: &'a mut Repairs,
}

/// Puts back the routes that the proxy of the lane's cell has lost.
pub(crate) async fn restore(lane: &Lane<'_>, repairs: &mut Repairs) {
    if let Some(mut sweeping) = Sweeping::of(lane, repairs).filter(|_| lane.breaker.reach().routes_lost) {
        sweeping.restore_routes().await;
    }
}

/// Holds the shards of the lane's cell that are due against the table. `sweep` is how far that has come, as it was read.
pub(crate) async fn run(lane: &Lane<'_>, sweep: Option<Row<Sweep>>, repairs: &mut Repairs) {
    if let Some(mut sweeping) = Sweeping::of(lane, repairs)
        && let Some(taken) = sweeping.take(sweep).await
    {
        sweeping.sweep(taken, lane.breaker.reach().proxy).await;
    }
}

impl<'a> Sweeping<'a> {
    /// Where the cluster can be reached.
    fn of(lane: &Lane<'a>, repairs: &'a mut Repairs) -> Option<Self> {
        let home = lane.powers.lifecycle.cells().find(|home| home.cell.name == *lane.cell);
        home.filter(|_| lane.breaker.reach().cluster).map(|home| Self {
            powers: lane.powers,
            call: lane.call,
            home,
            repairs,
        })
    }

    /// Makes the route of everything that runs and is ready again. The marker comes last: what dies over this, or has no
    /// time for all of it, does it again in the next run, but for the routes that are there by then.
    async fn restore_routes(&mut self) {
        let Some(table) = self.routes().await.filter(|table| !table.marked) else {
            return;
        };
        let before = self.repairs.not_done();
        for shard in 0..DUE_SHARDS {
            let Some(findings) = self.survey(shard, Some(&table)).await else {
                self.repairs.left += 1;
                continue;
            };
            let lost = findings.into_iter().filter(|finding| is_lost_route(&finding.repair));
            self.mend(lost.collect()).await;
        }
        if self.repairs.not_done() > before {
            return;
        }
        if let Err(error) = self.home.routes.mark().await {
            self.call.note("marking the route proxy", &error);
            self.repairs.left += 1;
        }
    }

    /// Takes the sweep for as long as this run may last, if a shard is due and nobody else is at it.
    async fn take(&mut self, row: Option<Row<Sweep>>) -> Option<Row<Sweep>> {
        let look = self.call.look();
        let begun = || Sweep::begun(self.home.cell.name.clone(), look.now);
        let sweep = row.as_ref().map_or_else(begun, |row| row.value.clone());
        if sweep.is_taken(look.now) || sweep.due(look.now).is_none() {
            return None;
        }
        let taken = sweep.taken(over_at(self.call, look.now));
        match self.powers.store.put_sweep(row.as_ref(), &taken, &look).await {
            Ok(row) => Some(row),
            Err(WriteError::Overtaken) => None,
            Err(WriteError::Store(error)) => {
                self.call.note("taking the sweep", &error);
                self.repairs.errors += 1;
                None
            }
        }
    }

    /// Does the shards that are due, each of which counts once it was done. What is to be judged waits until the end,
    /// so that the brake rules over all of it together.
    async fn sweep(&mut self, mut row: Row<Sweep>, with_routes: bool) {
        let table = if with_routes { self.routes().await } else { None };
        let mut judged = Vec::new();
        for _ in 0..DUE_SHARDS {
            let look = self.call.look();
            let Some(shard) = row.value.due(look.now) else { break };
            if is_late(self.call) {
                break;
            }
            let findings = self.survey(shard, table.as_ref()).await;
            let is_done = findings.is_some();
            let (to_judge, certain): (Vec<_>, Vec<_>) = findings
                .unwrap_or_default()
                .into_iter()
                .partition(|finding| is_judgement(&finding.repair));
            self.mend(certain).await;
            judged.extend(to_judge);

            let next = if is_done {
                row.value.done(look.now)
            } else {
                row.value.failed(look.now)
            };
            match self.powers.store.put_sweep(Some(&row), &next, &look).await {
                Ok(written) => row = written,
                Err(WriteError::Overtaken) => break,
                Err(WriteError::Store(error)) => {
                    self.call.note("recording the sweep", &error);
                    self.repairs.errors += 1;
                    break;
                }
            }
            if !is_done {
                self.repairs.left += 1;
                break;
            }
            self.repairs.swept_shards += 1;
        }
        self.judge(judged).await;
    }

    /// What does not match in one shard; none when it could not be found out. A shard that is doubted has no findings.
    async fn survey(&mut self, shard: u16, routes: Option<&RouteTable>) -> Option<Vec<Finding>> {
        if is_late(self.call) {
            return None;
        }
        let look = self.call.look();
        let survey = self.powers.lifecycle.survey(&self.home.cell.name, shard, routes, &look);
        match survey.await {
            Ok(survey) if survey.doubtful => {
                self.repairs.doubted_shards += 1;
                Some(Vec::new())
            }
            Ok(survey) => Some(survey.findings),
            Err(error) => {
                self.call.note("surveying a shard", &error);
                if matches!(error, SurveyError::Own(_)) {
                    self.repairs.errors += 1;
                }
                None
            }
        }
    }

    /// Removes what was judged to be of no use to anybody, as far as the brake allows.
    async fn judge(&mut self, mut judged: Vec<Finding>) {
        let look = self.call.look();
        let number = judged.len() as u64;
        let may = self
            .powers
            .lifecycle
            .may_remove(&self.home.cell.name, number, &look)
            .await
            .unwrap_or_else(|error| {
                self.call.note("asking the brake", &error);
                self.repairs.errors += 1;
                0
            });
        let may = usize::try_from(may).unwrap_or(usize::MAX).min(judged.len());
        self.repairs.held += judged.len() - may;
        judged.truncate(may);
        self.mend(judged).await;
    }

    async fn mend(&mut self, findings: Vec<Finding>) {
        let (powers, call, home) = (self.powers, self.call, self.home);
        let mut mended = iter(findings)
            .map(|finding| async move {
                if is_late(call) {
                    return Ok(Mended::NotNow);
                }
                powers.lifecycle.mend(&home.cell.name, finding, &call.look()).await
            })
            .buffer_unordered(REAP_CONCURRENCY);
        while let Some(mended) = mended.next().await {
            match mended {
                Ok(mended) => self.repairs.count(mended),
                Err(error) => {
                    call.note("repairing", &error);
                    self.repairs.errors += 1;
                }
            }
        }
    }

    /// All routes, if the proxy tells them.
    async fn routes(&self) -> Option<RouteTable> {
        let table = self.home.routes.list().await;
        table.map_err(|error| self.call.note("listing the routes", &error)).ok()
    }
}

fn is_lost_route(repair: &Repair) -> bool {
    matches!(repair, Repair::MakeRoute { .. })
}

/// Whether a repair is a judgement, which the brake rules over.
fn is_judgement(repair: &Repair) -> bool {
    matches!(repair, Repair::UnknownRoute | Repair::UselessOrphan(_))
}

/// When this run is over, or dead, in domain time.
#[expect(clippy::disallowed_methods, reason = "a run's deadline is mechanical time")]
fn over_at(call: &Call, now: Timestamp) -> Timestamp {
    let left: Duration = call.deadline().saturating_duration_since(Instant::now());
    let left = SignedDuration::try_from(left).unwrap_or_default();
    now.checked_add(left).unwrap_or(Timestamp::MAX)
}
