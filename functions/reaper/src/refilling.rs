//! Filling pools up.

use domain::limits::{POOL_REFILL_MAX, POOLS_A_RUN, REAP_CONCURRENCY};
use domain::{Application, ApplicationId, Pool, Template};
use futures::StreamExt;
use futures::stream::iter;
use gateway::{Call, Problem, TableAndCells, TemplateError};
use lifecycle::Refilled;
use store::Row;

use crate::Report;
use crate::run::is_over;

/// Pools that are refilled at a time.
const POOLS_AT_ONCE: usize = 4;

/// What came of one pool.
enum Filled {
    /// It has what it needs, or somebody else sees to it.
    Done(Refilled),
    /// It could not be worked on; it is tried again in the next run.
    Failed,
    /// The run has no time left for it.
    Left,
}

/// Makes what pools lack and ends what they do not need, as far as the run's time allows.
pub(crate) async fn run(powers: &TableAndCells, call: &Call, report: &mut Report) {
    let mut pools = match all(powers, call).await {
        Ok(pools) => pools,
        Err(error) => {
            call.note("reading the pools", &error);
            report.errors += 1;
            return;
        }
    };
    // Where time does not suffice for all, each run begins with another one.
    let minute = report.now.as_second().div_euclid(60).unsigned_abs() as usize;
    let first = minute % pools.len().max(1);
    pools.rotate_left(first);
    // Collected first: a stream that holds the closure cannot be shown to be `Send` for every lifetime.
    let fills: Vec<_> = pools.into_iter().map(|pool| fill(powers, call, pool)).collect();
    let mut fills = iter(fills).buffer_unordered(POOLS_AT_ONCE);
    while let Some(filled) = fills.next().await {
        match filled {
            Filled::Done(refilled) => {
                report.pools.ready += refilled.ready;
                report.pools.starting += refilled.starting;
                report.pools.made += refilled.made.len();
                report.pools.ended += refilled.ended;
                report.pools.without_room += refilled.without_room;
                report.errors += refilled.errors;
            }
            Filled::Failed => report.errors += 1,
            Filled::Left => report.pools.left += 1,
        }
    }
}

async fn all(powers: &TableAndCells, call: &Call) -> Result<Vec<Row<Pool>>, store::Error> {
    let (mut pools, mut after) = (Vec::new(), None);
    loop {
        let page = powers.store.pools(after.as_deref()).await?;
        pools.extend(page.items);
        after = page.next;
        if after.is_none() || pools.len() >= POOLS_A_RUN || is_over(call) {
            return Ok(pools);
        }
    }
}

async fn fill(powers: &TableAndCells, call: &Call, pool: Row<Pool>) -> Filled {
    if is_over(call) {
        return Filled::Left;
    }
    let Some(template) = template(powers, call, &pool.value).await else {
        return Filled::Failed;
    };
    let fresh: Result<Vec<ApplicationId>, Problem> = (0..POOL_REFILL_MAX)
        .map(|_| call.random().map(ApplicationId::from_bytes))
        .collect();
    let Ok(fresh) = fresh else {
        return Filled::Failed;
    };
    let look = call.look();
    match powers.lifecycle.refill(&pool, template.as_ref(), fresh, &look).await {
        Ok(refilled) => {
            begin(powers, call, &refilled.made).await;
            Filled::Done(refilled)
        }
        Err(error) => {
            call.note("refilling a pool", &error);
            Filled::Failed
        }
    }
}

/// Begins spares that were made, each with a look of its own: by the time of the last, that of the refill is old.
async fn begin(powers: &TableAndCells, call: &Call, made: &[Row<Application>]) {
    // Collected first: a stream that holds the closure cannot be shown to be `Send` for every lifetime.
    let begun: Vec<_> = made.iter().map(|row| begin_one(powers, call, row.clone())).collect();
    iter(begun)
        .buffer_unordered(REAP_CONCURRENCY)
        .for_each(|()| async {})
        .await;
}

async fn begin_one(powers: &TableAndCells, call: &Call, row: Row<Application>) {
    if !is_over(call) {
        powers.lifecycle.advance_or_keep(row, &call.look()).await;
    }
}

/// The template of a pool: `Some(None)` where there certainly is none any more, `None` where that cannot be told.
async fn template(powers: &TableAndCells, call: &Call, pool: &Pool) -> Option<Option<Template>> {
    match powers.templates.find(&pool.template).await {
        Ok(template) => Some(Some(template)),
        Err(TemplateError::Missing { is_certain: true, .. }) => Some(None),
        Err(error) => {
            call.note("finding a pool's template", &error);
            None
        }
    }
}
