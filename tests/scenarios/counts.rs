//! What the program `counts` prints, in small.

use tests::counts::{
    Measure, of_a_crowd, of_a_pass, of_environments, of_leases, of_many_due, of_many_living, of_one_application,
    of_pools_and_quotas,
};
use tests::in_time;

fn all_hold(measures: &[Measure]) {
    let broken: Vec<String> = measures
        .iter()
        .filter(|one| !one.holds())
        .map(Measure::to_string)
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}

#[tokio::test]
async fn launches_reads_and_stops_keep_within_their_counts() {
    in_time(async {
        let measures = of_one_application().await;
        all_hold(&measures);
        let deployed = measures
            .iter()
            .find(|one| one.operation == "read of a deployed application")
            .unwrap();
        assert_eq!(
            (deployed.took.store, deployed.took.cluster, deployed.took.proxy),
            (1, 0, 0)
        );
    })
    .await;
}

#[tokio::test]
async fn launches_out_of_a_pool_and_under_quotas_keep_within_their_counts() {
    in_time(async {
        all_hold(&of_pools_and_quotas().await);
    })
    .await;
}

#[tokio::test]
async fn a_run_with_nothing_due_asks_the_same_few_questions_however_much_lives() {
    in_time(async {
        let measures = of_many_living(120).await;
        all_hold(&measures);
        let runs = measures.iter().filter(|one| one.operation.starts_with("reaper"));
        assert_eq!(runs.map(|one| one.took.store).collect::<Vec<_>>(), [27, 27]);
    })
    .await;
}

#[tokio::test]
async fn a_cluster_costs_as_much_however_many_there_are() {
    in_time(async {
        let measures = of_leases(&[1, 30]).await;
        all_hold(&measures);
    })
    .await;
}

#[tokio::test]
async fn of_a_hundred_callers_at_once_ten_get_ten_clusters_and_nobody_is_told_wrong() {
    in_time(async {
        let crowd = of_a_crowd(100, 10).await;
        assert!(crowd.holds(), "{crowd}");
        assert!(crowd.granted > 0 && crowd.none >= 90, "{crowd}");
    })
    .await;
}

#[tokio::test]
async fn a_pass_over_what_is_as_it_should_be_costs_lists_alone() {
    in_time(async { all_hold(&[of_a_pass(64).await]) }).await;
}

#[tokio::test]
async fn due_rows_cost_a_bounded_number_of_requests_each() {
    in_time(async {
        let many = of_many_due(250).await;
        all_hold(&[many.measure]);
        assert_eq!(many.runs, 1);
    })
    .await;
}

#[tokio::test]
async fn environments_and_deployments_keep_within_their_counts() {
    in_time(async {
        all_hold(&of_environments().await);
    })
    .await;
}
