//! What runs: first the promises, then the judgements, and over these the brake.

use domain::limits::{REAP_CONCURRENCY, REAP_READ};
use domain::{Act, Application, ApplicationId, Brake, Outcome, Suspect, act};
use futures::StreamExt;
use futures::stream::iter;
use lifecycle::{Candidate, Judged};
use store::Row;

use crate::Report;
use crate::lane::{Acted, Lane};
use crate::report::BrakeReport;
use crate::run::is_late;

/// Works on what runs and is due. Where the `brake` could not be read nobody is judged, and nothing is told of it;
/// promises are kept all the same.
pub(crate) async fn run(
    lane: &Lane<'_>,
    ids: &[ApplicationId],
    brake: Option<Option<Row<Brake>>>,
    report: &mut Report,
) -> Option<BrakeReport> {
    let mut rows = Vec::new();
    for ids in ids.chunks(REAP_READ) {
        rows.extend(lane.read(ids, report).await);
    }
    let (reach, now) = (lane.breaker.reach(), lane.call.look().now);
    let (judged, others): (Vec<_>, Vec<_>) = rows
        .into_iter()
        .partition(|row| act(&row.value, reach, now) == Act::Judge);
    // Promises need no answer of a proxy that may be slow.
    lane.act_on_all(others, report).await;
    let Some(brake) = brake else {
        report.left += judged.len();
        return None;
    };
    let candidates = judge(lane, judged, report).await;
    Some(rule(lane, candidates, brake, report).await)
}

/// Judges these, records what is kept, and gives the candidates.
async fn judge(lane: &Lane<'_>, rows: Vec<Row<Application>>, report: &mut Report) -> Vec<Candidate> {
    if rows.is_empty() {
        return Vec::new();
    }
    if is_late(lane.call) || !lane.breaker.reach().proxy {
        report.left += rows.len();
        return Vec::new();
    }
    let ids: Vec<ApplicationId> = rows.iter().map(|row| row.value.id.clone()).collect();
    // Nobody is judged by a moment after the proxy was asked: a use in between would not be seen.
    let asked_at = lane.call.look().now;
    let uses = lane.powers.lifecycle.last_uses(lane.cell, &ids).await;
    let judge_one = |row: Row<Application>| {
        let (activity, look) = (uses.of(&row.value.id), lane.call.look());
        async move { lane.powers.lifecycle.judge(row, activity, asked_at, &look).await }
    };
    let mut judged = iter(rows).map(judge_one).buffer_unordered(REAP_CONCURRENCY);
    let mut candidates = Vec::new();
    while let Some(judged) = judged.next().await {
        report.judged += 1;
        match judged {
            Ok(Judged::Kept) => report.kept += 1,
            Ok(Judged::Candidate(candidate)) => candidates.push(candidate),
            Ok(Judged::Overtaken) => report.overtaken += 1,
            Err(error) => report.add(lane.failed(&error)),
        }
    }
    candidates
}

/// Lets the brake rule over all candidates together; then those that may go are culled, and the others wait.
async fn rule(
    lane: &Lane<'_>,
    candidates: Vec<Candidate>,
    row: Option<Row<Brake>>,
    report: &mut Report,
) -> BrakeReport {
    let before = BrakeReport::of(row.as_ref());
    if candidates.is_empty() && !before.tripped {
        return before;
    }
    let suspects: Vec<Suspect> = candidates.iter().map(Candidate::suspect).collect();
    let look = lane.call.look();
    let ruling = match lane.powers.lifecycle.rule(lane.cell, row, &suspects, &look).await {
        Ok(ruling) => ruling,
        Err(error) => {
            lane.call.note("ruling over what may be culled", &error);
            report.errors += 1;
            report.left += candidates.len();
            return before;
        }
    };
    let ruled = candidates.into_iter().zip(ruling.may_cull);
    let mut acted = iter(ruled)
        .map(|(candidate, may_cull)| settle(lane, candidate, may_cull))
        .buffer_unordered(REAP_CONCURRENCY);
    while let Some(acted) = acted.next().await {
        report.add(acted);
    }
    BrakeReport::from(&ruling.brake)
}

/// Culls a candidate, or lets it wait.
async fn settle(lane: &Lane<'_>, candidate: Candidate, may_cull: bool) -> Acted {
    if is_late(lane.call) {
        return Acted::Left;
    }
    if may_cull {
        return lane.end(candidate.row, Outcome::Deleted, candidate.reason).await;
    }
    match lane.powers.lifecycle.hold(candidate, &lane.call.look()).await {
        Ok(true) => Acted::Held,
        Ok(false) => Acted::Overtaken,
        Err(error) => lane.failed(&error),
    }
}
