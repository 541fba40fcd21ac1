//! Prints how many requests each operation makes, and ends with 1 when one makes more than it may. No stopwatch.

use std::process::ExitCode;

use tests::counts::{
    ManyDue, of_a_crowd, of_a_pass, of_environments, of_leases, of_many_due, of_many_living, of_one_application,
    of_pools_and_quotas,
};

/// Living applications beside which a run of the reaper finds nothing due.
const LIVING: u64 = 2_000;
/// Clusters beside which one is leased.
const CLUSTERS: [u64; 3] = [10, 100, 1_000];
/// Callers who ask at once for one of so many clusters.
const CROWD: (u64, u64) = (1_000, 100);
/// Applications over which a pass of the sweep finds nothing to repair. Each has a pod that listens.
const SWEPT: u64 = 10_000;
/// Due rows that the reaper works off.
const DUE: u64 = 10_000;
/// How much memory may grow over the runs, in bytes.
const GROWTH_MAX: u64 = 64 << 20;
/// A unit for people, in bytes.
const MIB: u64 = 1 << 20;

fn per_application(requests: u64) -> f64 {
    requests as f64 / SWEPT as f64
}

#[tokio::main]
async fn main() -> ExitCode {
    println!("{:<44} {:>6} {:>7} {:>6}", "requests to", "table", "cluster", "proxy");
    let mut holds = true;
    for measure in of_one_application()
        .await
        .into_iter()
        .chain(of_pools_and_quotas().await)
        .chain(of_many_living(LIVING).await)
        .chain(of_environments().await)
        .chain(of_leases(&CLUSTERS).await)
    {
        println!("{measure}");
        holds &= measure.holds();
    }
    let crowd = of_a_crowd(CROWD.0, CROWD.1).await;
    println!("{crowd}");
    holds &= crowd.holds();
    let ManyDue {
        measure,
        runs,
        memory_before,
        memory_peak,
    } = of_many_due(DUE).await;
    let growth = memory_peak.saturating_sub(memory_before);
    println!("{measure}, in {runs} runs");
    println!(
        "resident memory {} MiB before, {} MiB at most: {} MiB more, of at most {}",
        memory_before / MIB,
        memory_peak / MIB,
        growth / MIB,
        GROWTH_MAX / MIB
    );
    holds &= measure.holds() && growth <= GROWTH_MAX;
    // Last, because its pods take memory of their own.
    let pass = of_a_pass(SWEPT).await;
    println!("{pass}");
    println!(
        "of a pass, requests per application: {:.4} to the table, {:.4} to the cluster, {:.4} to the proxy",
        per_application(pass.took.store),
        per_application(pass.took.cluster),
        per_application(pass.took.proxy)
    );
    holds &= pass.holds();
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
