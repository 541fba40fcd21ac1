//! Preloads.

use domain::{CellName, PlannedStep, Subject, TemplateName};
use futures::StreamExt;
use futures::stream::iter;

use crate::Report;
use crate::lane::{Acted, Lane};
use crate::run::is_late;

/// Preloads that are brought on at a time: a slow cluster is not to hold up what comes after them.
const AT_ONCE: usize = 4;

/// Brings on what is due of preloads, where their cluster can be reached.
pub(crate) async fn run(lane: &Lane<'_>, steps: &[PlannedStep], report: &mut Report) {
    // Collected first: a stream that holds the closure cannot be shown to be `Send` for every lifetime.
    let preloads: Vec<_> = steps
        .iter()
        .filter_map(|step| match &step.due.subject {
            Subject::Preload(template, cell) => Some(bring_on(lane, template, cell)),
            Subject::Application(_) | Subject::Environment(_) | Subject::Cluster(_) => None,
        })
        .collect();
    let mut preloads = iter(preloads).buffer_unordered(AT_ONCE);
    while let Some(brought) = preloads.next().await {
        match brought {
            Ok(()) => report.preloads += 1,
            Err(acted) => report.add(acted),
        }
    }
}

/// Otherwise, what became of it instead.
async fn bring_on(lane: &Lane<'_>, template: &TemplateName, cell: &CellName) -> Result<(), Acted> {
    if is_late(lane.call) || !lane.breaker.reach().cluster {
        return Err(Acted::Left);
    }
    let look = lane.call.look();
    let lifecycle = &lane.powers.lifecycle;
    let advanced = lifecycle.advance_preload_by_name(template, cell, &look).await;
    advanced.map(drop).map_err(|error| lane.failed(&error))
}
