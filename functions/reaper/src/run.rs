//! One run over all that is due.

use std::time::Duration;

use domain::limits::REAP_ROWS_MAX;
use futures::FutureExt;
use futures::future::join_all;
use gateway::{Call, Everything, Problem, Reply};
use tokio::time::Instant;

use crate::ask::Ask;
use crate::{Report, environments, lane, leasing, refilling};

/// What a run leaves of its time: nothing is begun with less.
const MARGIN: Duration = Duration::from_secs(10);
/// What the lanes leave of it, for the pools.
const LANES_MARGIN: Duration = Duration::from_secs(40);

/// Works on every cell's lanes and on that of the leases, all at the same time, so that what is wrong in one holds up no
/// other; then on the pools, which see by then what failed in the lanes, and have some of the run's time to themselves.
/// A shard that cannot be read is left for the next run; when none can, the run has failed.
pub async fn run(powers: Everything, call: Call) -> Result<Reply, Problem> {
    let Everything {
        homes: powers,
        environments,
        leasing,
    } = powers;
    let ask = Ask::of(&call)?;
    if let Some(confirm) = &ask.confirm {
        confirm.write(&powers, &call).await?;
    }
    let mut report = Report::new(call.look().now, ask.dry_run);
    let rows_max = REAP_ROWS_MAX / (2 * powers.cells.len() + 1);
    let part = || Report::new(report.now, ask.dry_run);
    let lanes = powers.cells.iter().map(|cell| {
        let lane = lane::run(&powers, &call, &cell.name, part(), rows_max);
        lane.boxed()
    });
    let kept = powers.cells.iter().map(|cell| {
        let lane = environments::run(&environments, &call, &cell.name, part(), rows_max);
        lane.boxed()
    });
    let leases = leasing::run(&leasing, &call, part(), rows_max).boxed();
    let lanes: Vec<_> = lanes.chain(kept).chain([leases]).collect();
    let (mut unread, mut read) = (None, 0);
    for lane in join_all(lanes).await {
        report.merge(lane.report);
        read += lane.read;
        unread = lane.unread.or(unread);
    }
    if !report.dry_run {
        refilling::run(&powers, &call, &mut report).boxed().await;
    }
    match unread {
        Some(error) if read == 0 => Err(error.into()),
        _ if report.dry_run => Reply::ok(&report),
        _ => Ok(Reply::ok(&report)?.with_metrics(report.metrics())),
    }
}

/// Whether too little of the run's time is left to begin anything in a lane.
pub(crate) fn is_late(call: &Call) -> bool {
    is_left_less(call, LANES_MARGIN)
}

/// Whether too little of the run's time is left to begin anything at all.
pub(crate) fn is_over(call: &Call) -> bool {
    is_left_less(call, MARGIN)
}

#[expect(clippy::disallowed_methods, reason = "a run's deadline is mechanical time")]
fn is_left_less(call: &Call, than: Duration) -> bool {
    Instant::now() + than >= call.deadline()
}
