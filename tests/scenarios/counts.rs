//! What the program `counts` prints, in small.

use tests::counts::{Measure, of_many_due, of_many_living, of_one_application};
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
async fn a_run_with_nothing_due_asks_each_shard_once_however_much_lives() {
    in_time(async {
        let measures = of_many_living(120).await;
        all_hold(&measures);
        let runs = measures.iter().filter(|one| one.operation.starts_with("reaper"));
        assert_eq!(runs.map(|one| one.took.store).collect::<Vec<_>>(), [16, 16]);
    })
    .await;
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
