//! One run over all that is due.

use std::time::Duration;

use domain::limits::{DUE_SHARDS, REAP_CONCURRENCY, REAP_ROWS_MAX};
use domain::{Due, Lane, PlannedStep, ReapRules, plan};
use futures::StreamExt;
use futures::stream::iter;
use gateway::{Call, Problem, Reply, TableAndCells};
use lifecycle::Turn;
use serde::Deserialize;
use tokio::time::Instant;

use crate::Report;

/// What a run leaves of its time: no row is begun with less.
const MARGIN: Duration = Duration::from_secs(10);

/// What a run is asked for. The schedule's own event asks for nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Ask {
    /// Only plan, and print the plan.
    dry_run: bool,
}

/// Pages through every lane and shard, plans each page, and acts on it. A shard that cannot be read is left for the next
/// run; when none can, the run has failed.
pub async fn run(powers: TableAndCells, call: Call) -> Result<Reply, Problem> {
    let ask: Ask = call.body()?;
    let now = call.look().now;
    let mut report = Report::new(now, ask.dry_run);
    let (mut unread, mut read) = (None, 0);
    for cell in &powers.cells {
        let lane = Lane::Applications(cell.name.clone());
        for shard in 0..DUE_SHARDS {
            match run_shard(&powers, &call, &lane, shard, &mut report).await {
                Ok(()) => read += 1,
                Err(error) => {
                    call.note("reading what is due", &error);
                    report.errors += 1;
                    unread = Some(error);
                }
            }
        }
    }
    match unread {
        Some(error) if read == 0 => Err(error.into()),
        _ if report.dry_run => Reply::ok(&report),
        _ => Ok(Reply::ok(&report)?.with_metrics(report.metrics())),
    }
}

async fn run_shard(
    powers: &TableAndCells,
    call: &Call,
    lane: &Lane,
    shard: u16,
    report: &mut Report,
) -> Result<(), store::Error> {
    let mut after: Option<String> = None;
    loop {
        let page = powers.store.due(lane, shard, report.now, after.as_deref()).await?;
        let rules = ReapRules {
            rows_left: REAP_ROWS_MAX.saturating_sub(report.due),
        };
        report.due += page.items.len();
        let planned = plan(page.items, rules, report.now);
        report.left += planned.left;
        report.lag_ms = report.lag_ms.max(planned.lag_ms);
        if report.dry_run {
            report.plan.extend(planned.steps);
        } else {
            act(powers, call, planned.steps, report).await;
        }
        after = page.next;
        if after.is_none() || is_late(call) || report.due >= REAP_ROWS_MAX {
            return Ok(());
        }
    }
}

/// What became of one due row.
enum Acted {
    Moved(Box<(domain::Application, domain::Application)>),
    Overtaken,
    Failed,
    Left,
}

async fn act(powers: &TableAndCells, call: &Call, steps: Vec<PlannedStep>, report: &mut Report) {
    let mut acted = iter(steps)
        .map(|step| async move {
            if is_late(call) {
                Acted::Left
            } else {
                act_on(powers, call, &step.due).await
            }
        })
        .buffer_unordered(REAP_CONCURRENCY);
    while let Some(acted) = acted.next().await {
        match acted {
            Acted::Moved(pair) => report.count(&pair.0, &pair.1),
            Acted::Overtaken => report.overtaken += 1,
            Acted::Failed => report.errors += 1,
            Acted::Left => report.left += 1,
        }
    }
}

/// Brings one row on. The index only proposed it: the row itself says whether it is still due.
async fn act_on(powers: &TableAndCells, call: &Call, due: &Due) -> Acted {
    let look = call.look();
    let row = match powers.store.application(&due.id, look.now).await {
        Ok(Some(row)) if row.due_at.is_some_and(|due_at| due_at <= look.now) => row,
        Ok(_) => return Acted::Overtaken,
        Err(error) => {
            call.note("reading a row", &error);
            return Acted::Failed;
        }
    };
    let before = row.value.clone();
    match powers.lifecycle.advance(row, &look).await {
        Ok(Turn::Ours(after)) => Acted::Moved(Box::new((before, after.value))),
        Ok(Turn::Theirs(_)) | Err(lifecycle::Error::Overtaken | lifecycle::Error::Gone) => Acted::Overtaken,
        Err(error @ (lifecycle::Error::Store(_) | lifecycle::Error::UnknownCell(_))) => {
            call.note("working on a row", &error);
            Acted::Failed
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a run's deadline is mechanical time")]
fn is_late(call: &Call) -> bool {
    Instant::now() + MARGIN >= call.deadline()
}
