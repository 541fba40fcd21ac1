//! Figures in the log lines, as CloudWatch adds them up.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::limits::BRAKE_LEAST;
use http::Method;
use jiff::SignedDuration;
use net::Peer;
use serde_json::{Value, json};
use tests::App;
use tests::scenario::{invariants, meddling};

const MINUTE: Duration = Duration::from_secs(60);

/// The sums of all figures of all lines so far, and how many values each has.
fn sums(app: &App) -> BTreeMap<String, (f64, usize)> {
    let mut sums: BTreeMap<String, (f64, usize)> = BTreeMap::new();
    for line in app.log() {
        let named = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().cloned();
        for metric in named.unwrap_or_default() {
            let name = metric["Name"].as_str().unwrap();
            let values = match &line[name] {
                Value::Array(values) => values.clone(),
                value => vec![value.clone()],
            };
            let sum = sums.entry(name.to_owned()).or_default();
            for value in values {
                sum.0 += value.as_f64().unwrap();
                sum.1 += 1;
            }
        }
    }
    sums
}

#[tokio::test]
async fn launches_count_by_outcome_each_try_for_itself_and_ends_by_reason() {
    App::run(async |app| {
        let quota = json!({"image-source": "layby/notebook:1", "quota": 2, "cull-timeout": 600_000});
        app.put("/templates/small")
            .json(&quota)
            .key(app.admin())
            .await
            .expect(200);
        app.template("broken", "layby/pull-error:1").await;
        let (one, two) = (app.launch("small").await, app.launch("small").await);
        for _ in 0..3 {
            app.post("/applications/small").await.problem(429, "quotaExceeded");
        }
        app.post("/applications/unknown").await.problem(404, "registryError");
        app.launch("broken").await;
        app.read_until(&one, "deployed").await;
        app.read_until(&two, "deployed").await;
        app.delete(&two.path()).key(app.apps()).await.expect(202);
        for _ in 0..12 {
            app.advance(MINUTE).await;
            app.reap().await;
        }
        app.outages().begin(Peer::Store);
        app.post("/applications/small").await.problem(503, "badDatabase");
        app.outages().end(Peer::Store);

        let sums = sums(app);
        let sum = |name: &str| sums.get(name).map_or(0.0, |(sum, _)| *sum);
        assert_eq!(sum("LaunchTries"), 8.0);
        assert_eq!(sum("LaunchTriesTaken"), 3.0);
        assert_eq!(sum("LaunchTriesRefused"), 3.0);
        assert_eq!(sum("LaunchTriesFailed"), 1.0);
        assert_eq!((sum("LaunchesDeployed"), sum("LaunchesFailed")), (2.0, 1.0));
        assert_eq!(sums["TimeToLocation"].1, 2, "one value a launch");
        assert!(sum("TimeToLocation") > 0.0);
        assert_eq!((sum("CulledIdle"), sum("StoppedByCaller")), (1.0, 1.0));
        assert_eq!(sum("BrakeTripped"), 0.0);
    })
    .await;
}

/// What one figure adds up to so far.
fn sum(app: &App, name: &str) -> f64 {
    sums(app).get(name).map_or(0.0, |(sum, _)| *sum)
}

/// Lets every shard be due, and gives what the run's figures of repairs add up to.
async fn swept(app: &App, name: &str) -> f64 {
    let before = sum(app, name);
    meddling::set_sweep(app, 0, app.now() - SignedDuration::from_hours(1)).await;
    assert_eq!(app.reap().await["errors"], 0);
    sum(app, name) - before
}

#[tokio::test]
async fn ends_count_by_their_reason_and_what_is_repaired_by_its_kind() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let short = json!({"image-source": "layby/notebook:1", "max-age": 600_000});
        app.template_of("short", &short).await;
        let (lost, unknown) = (app.launch("notebook").await, app.launch("notebook").await);
        let old = app.launch("short").await;
        for launched in [&lost, &unknown, &old] {
            app.read_until(launched, "deployed").await;
        }
        app.reap().await;
        app.advance(10 * MINUTE).await;
        app.reap().await;
        assert_eq!(sum(app, "EndedByAge"), 1.0);

        let namespace = format!("/api/v1/namespaces/{}", lost.id);
        invariants::cluster(app, Method::DELETE, &namespace, None)
            .await
            .expect(200);
        app.advance(Duration::from_secs(5)).await;
        assert_eq!(swept(app, "RepairFailed").await, 1.0);
        assert_eq!(sum(app, "LostRunning"), 1.0);

        meddling::lose_row(app, &unknown.id).await;
        assert_eq!(swept(app, "RepairOrphansAdopted").await, 1.0);
        app.advance(61 * MINUTE).await;
        app.reap().await;
        assert_eq!(sum(app, "CulledOrphans"), 1.0);
        assert_eq!((sum(app, "CulledIdle"), sum(app, "LaunchesFailed")), (0.0, 0.0));
    })
    .await;
}

#[tokio::test]
async fn what_is_tried_again_counts_each_time() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.outages().begin(Peer::Cluster);
        let launched = app.launch("notebook").await;
        assert_eq!(sum(app, "StepsTriedAgain"), 1.0);
        app.advance(Duration::from_secs(2)).await;
        app.read(&launched).await;
        assert_eq!(sum(app, "StepsTriedAgain"), 2.0);
        app.outages().end(Peer::Cluster);
        app.read_until(&launched, "deployed").await;
        assert_eq!(sum(app, "StepsTriedAgain"), 2.0);
    })
    .await;
}

#[tokio::test]
async fn the_brake_is_told_in_every_run_while_it_holds() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        for _ in 0..=BRAKE_LEAST {
            app.launch("notebook").await;
        }
        for _ in 0..3 {
            app.advance(Duration::from_secs(5)).await;
            app.reap().await;
        }
        app.advance(61 * MINUTE).await;
        let told = async || {
            let before = (sum(app, "BrakeTripped"), sum(app, "BrakeWaiting"));
            app.reap().await;
            let after = (sum(app, "BrakeTripped"), sum(app, "BrakeWaiting"));
            (after.0 - before.0, after.1 - before.1)
        };
        let waiting = BRAKE_LEAST as f64 + 1.0;
        assert_eq!(told().await, (1.0, waiting));
        app.advance(MINUTE).await;
        assert_eq!(told().await, (1.0, waiting), "also while nothing is judged");
        let event = json!({"confirm": {"cell": "default", "at-most": 500}});
        app.post("/_local/reap").json(&event).await.expect(200);
        app.advance(5 * MINUTE).await;
        assert_eq!(told().await, (0.0, 0.0));
        assert_eq!(sum(app, "CulledIdle"), waiting);
    })
    .await;
}

#[tokio::test]
async fn a_launch_out_of_a_pool_is_deployed_in_no_time() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.put("/pools/notebook")
            .json(&json!({"size": 2}))
            .key(app.admin())
            .await
            .expect(200);
        for _ in 0..5 {
            app.advance(MINUTE).await;
            app.reap().await;
        }
        app.launch("notebook").await;
        app.reap().await;
        let sums = sums(app);
        assert_eq!(sums["LaunchesFromPool"].0, 1.0);
        assert_eq!(sums["LaunchesDeployed"].0, 1.0, "spares are no launches");
        assert_eq!(sums["TimeToLocation"], (0.0, 1));
        assert!(
            sums["SparesReady"].0 >= 2.0 && sums["SparesStarting"].0 >= 1.0,
            "{sums:?}"
        );
        assert_eq!(sum(app, "SparesEnded"), 0.0);
        app.pool("notebook", 0).await;
        for _ in 0..2 {
            app.reap().await;
            app.advance(MINUTE).await;
        }
        assert_eq!(sum(app, "SparesEnded"), 2.0);
        assert_eq!(sum(app, "LaunchesFailed"), 0.0);
    })
    .await;
}

#[tokio::test]
async fn every_figure_that_is_told_is_explained() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        app.read_until(&launched, "deployed").await;
        app.reap().await;
        let explained = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/README.md")).unwrap();
        let told = sums(app);
        assert!(told.len() > 10, "{told:?}");
        for name in told.keys() {
            assert!(
                explained.contains(&format!("`{name}`")),
                "infra/README.md does not explain {name}"
            );
        }
    })
    .await;
}
