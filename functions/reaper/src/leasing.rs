//! The lane of clusters that can be leased: they are taken in, leases end, clusters are cleaned and compared.
//!
//! The end of a lease is a promise, so no brake holds it; what a run has no room for is the next one's. Each cluster is
//! worked on by itself, and one that is sick comes up later and later.

use domain::{Cluster, ClusterName, ClusterState, Lane, PlannedStep, ReapRules, Subject, Validity, limits, plan};
use futures::StreamExt;
use futures::stream::iter;
use gateway::{Call, Metric, Unit};
use jiff::Timestamp;
use lifecycle::Leasing;
use serde::Serialize;

use crate::Report;
use crate::lane::LaneRun;
use crate::reading::read_due;
use crate::run::is_late;

/// Clusters that are worked on at a time. A sick one takes a place for as long as its time-outs last.
const AT_ONCE: usize = 16;

/// What a run found and did of clusters that can be leased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LeasesReport {
    /// Clusters that were due.
    pub due: usize,
    /// Clusters that were brought on.
    pub moved: usize,
    /// Clusters that became free.
    pub freed: usize,
    /// Clusters that were quarantined.
    pub quarantined: usize,
    /// Clusters that could not be worked on; they are tried again.
    pub errors: usize,
    /// Clusters that are left for a next run.
    pub left: usize,
    /// How all clusters were when the run began, where that could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<Clusters>,
}

/// How clusters are, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Clusters {
    /// Clusters that are free.
    pub free: usize,
    /// Clusters that somebody holds.
    pub leased: usize,
    /// Those whose lease ends within ten minutes.
    pub ending_soon: usize,
    /// Clusters on their way: taken in, given back, cleaned, compared.
    pub under_way: usize,
    /// Clusters that are kept from everybody.
    pub quarantined: usize,
}

/// What became of one due cluster.
enum Brought {
    Moved(Box<Cluster>),
    Kept,
    Failed,
    Left,
}

/// Works on what is due of clusters, at most `rows_max` of them.
pub(crate) async fn run(leasing: &Leasing, call: &Call, mut report: Report, rows_max: usize) -> LaneRun {
    let (due, clusters) = futures::join!(
        read_due(leasing.store(), call, &Lane::Leases, report.now, rows_max),
        survey(leasing, call, report.now)
    );
    let planned = plan(due.items, ReapRules { rows_left: rows_max }, report.now);
    report.lag_ms = planned.lag_ms;
    report.leases = LeasesReport {
        due: planned.steps.len() + planned.left,
        left: planned.left,
        errors: usize::from(Lane::Leases.shards()) - due.read,
        clusters,
        ..LeasesReport::default()
    };
    if report.dry_run {
        report.plan = planned.steps;
    } else {
        bring_on_all(leasing, call, &planned.steps, &mut report.leases).await;
    }
    LaneRun {
        report,
        read: due.read,
        unread: due.unread,
    }
}

async fn bring_on_all(leasing: &Leasing, call: &Call, steps: &[PlannedStep], report: &mut LeasesReport) {
    // Collected first: a stream that holds the closure cannot be shown to be `Send` for every lifetime.
    let clusters: Vec<_> = steps
        .iter()
        .filter_map(|step| match &step.due.subject {
            Subject::Cluster(name) => Some(bring_on(leasing, call, name)),
            Subject::Application(_) | Subject::Preload(..) | Subject::Environment(_) => None,
        })
        .collect();
    let mut clusters = iter(clusters).buffer_unordered(AT_ONCE);
    while let Some(brought) = clusters.next().await {
        match brought {
            Brought::Moved(cluster) => {
                report.moved += 1;
                report.freed += usize::from(cluster.is_free());
                report.quarantined += usize::from(is_quarantined(&cluster));
            }
            Brought::Kept => {}
            Brought::Failed => report.errors += 1,
            Brought::Left => report.left += 1,
        }
    }
}

async fn bring_on(leasing: &Leasing, call: &Call, name: &ClusterName) -> Brought {
    if is_late(call) {
        return Brought::Left;
    }
    let failed = |error: &(dyn std::error::Error + 'static)| {
        call.note("working on a cluster", error);
        Brought::Failed
    };
    let row = match leasing.store().cluster(name).await {
        Ok(Some(row)) => row,
        Ok(None) => return Brought::Kept,
        Err(error) => return failed(&error),
    };
    let before = row.value.word();
    match leasing.advance(row, &call.look()).await {
        Ok(after) if after.value.word() != before => Brought::Moved(Box::new(after.value)),
        Ok(_) | Err(lifecycle::Error::Gone) => Brought::Kept,
        Err(error) => failed(&error),
    }
}

/// How the clusters are: the newest of them, as many as one list has.
async fn survey(leasing: &Leasing, call: &Call, now: Timestamp) -> Option<Clusters> {
    let page = match leasing.store().clusters(limits::LIST_MAX, None).await {
        Ok(page) => page,
        Err(error) => {
            call.note("listing the clusters", &error);
            return None;
        }
    };
    let mut all = Clusters::default();
    for row in &page.items {
        match &row.value.state {
            ClusterState::Free => all.free += 1,
            ClusterState::Granting { lease, .. } | ClusterState::Leased { lease } => {
                all.leased += 1;
                all.ending_soon += usize::from(matches!(lease.validity(now), Validity::EndsWithin(_)));
            }
            ClusterState::Quarantined { .. } => all.quarantined += 1,
            ClusterState::Retired { .. } => {}
            ClusterState::Intake
            | ClusterState::Ending { .. }
            | ClusterState::Cleaning { .. }
            | ClusterState::Verifying { .. } => all.under_way += 1,
        }
    }
    Some(all)
}

fn is_quarantined(cluster: &Cluster) -> bool {
    matches!(cluster.state, ClusterState::Quarantined { .. })
}

impl LeasesReport {
    /// Adds what another part of the run did.
    pub(crate) fn merge(&mut self, part: LeasesReport) {
        let LeasesReport {
            due,
            moved,
            freed,
            quarantined,
            errors,
            left,
            clusters,
        } = part;
        self.due += due;
        self.moved += moved;
        self.freed += freed;
        self.quarantined += quarantined;
        self.errors += errors;
        self.left += left;
        self.clusters = self.clusters.or(clusters);
    }

    /// The figures for CloudWatch.
    pub(crate) fn metrics(&self) -> Vec<Metric> {
        let count = |name, value: usize| Metric {
            name,
            unit: Unit::Count,
            value: value as f64,
        };
        let mut metrics = vec![
            count("LeaseErrors", self.errors),
            count("ClustersFreed", self.freed),
            count("ClustersQuarantinedNow", self.quarantined),
        ];
        if let Some(clusters) = &self.clusters {
            metrics.extend([
                count("ClustersFree", clusters.free),
                count("ClustersLeased", clusters.leased),
                count("ClustersUnderWay", clusters.under_way),
                count("ClustersQuarantined", clusters.quarantined),
                count("LeasesEndingSoon", clusters.ending_soon),
            ]);
        }
        metrics
    }
}
