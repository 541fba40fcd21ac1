//! Pools under many launches at once, deaths at every call, and in cells that are full.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::{Application, TemplateName};
use futures::future::join_all;
use http::Method;
use net::Peer;
use serde_json::{Value, json};
use store::Row;
use tests::scenario::invariants;
use tests::{App, Launched, on_a_large_stack};

use crate::process::{Fate, Process};
use crate::quotas::{launch_by, with_room};

const TEMPLATE: &str = "notebook";
const PATH: &str = "/applications/notebook";
/// Domain time between two runs.
const PACE: Duration = Duration::from_secs(2);
/// More than the end of a spare takes.
const SPARE_ENDS: Duration = Duration::from_secs(120);
/// Runs until a pool is as it should be.
const RUNS_MAX: usize = 30;
/// Calls of one flow. One that makes more has lost a bound.
const CALLS_MAX: usize = 60;

async fn spares(app: &App) -> Vec<Row<Application>> {
    let name = TemplateName::parse(TEMPLATE).unwrap();
    let lifecycle = app.adapter().lifecycle().unwrap();
    lifecycle.store().spares(&name, app.now()).await.unwrap()
}

async fn ready(app: &App) -> BTreeSet<String> {
    let spares = spares(app).await.into_iter();
    let ready = spares.filter(|row| row.value.is_ready_spare());
    ready.map(|row| row.value.id.to_string()).collect()
}

/// Gives the template a pool of this size, and runs the reaper until it has it.
async fn filled(app: &App, size: usize) -> BTreeSet<String> {
    app.pool(TEMPLATE, size as u32).await;
    for _ in 0..RUNS_MAX {
        let (ready, all) = (ready(app).await, spares(app).await.len());
        if (ready.len(), all) == (size, size) {
            return ready;
        }
        assert_eq!(app.reap().await["errors"], 0);
        app.advance(PACE).await;
    }
    panic!("the pool does not fill up: {:?}", spares(app).await);
}

async fn status(app: &App, id: &str) -> String {
    let row = invariants::row(app, id).await.unwrap();
    row.value.status().as_str().to_owned()
}

#[tokio::test]
async fn of_many_launches_at_once_each_spare_goes_to_one_and_the_others_start_their_own() {
    const LAUNCHES: usize = 64;
    const SIZE: usize = 10;
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let spares = filled(app, SIZE).await;
        let launched = join_all((0..LAUNCHES).map(|_| app.launch(TEMPLATE))).await;
        let ids: BTreeSet<String> = launched.iter().map(|one| one.id.clone()).collect();
        assert_eq!(ids.len(), LAUNCHES, "nobody shares");
        assert_eq!(ids.intersection(&spares).count(), SIZE);
        for one in &launched {
            let is_deployed = status(app, &one.id).await == "deployed";
            assert_eq!(is_deployed, spares.contains(&one.id), "{}", one.id);
        }
        filled(app, SIZE).await;
        for one in &launched {
            app.read_until(one, "deployed").await;
        }
        invariants::routed(app).await;
    })
    .await;
}

#[tokio::test]
async fn a_spare_whose_pod_died_never_goes_out_and_is_replaced() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let dead = filled(app, 2).await;
        for id in &dead {
            evict(app, id).await;
        }
        app.advance(Duration::from_secs(1)).await;
        let launched = app.launch(TEMPLATE).await;
        assert!(!dead.contains(&launched.id));
        assert_eq!(app.read_until(&launched, "deployed").await["id"], launched.id.as_str());
        // Spares are looked at every five minutes.
        app.advance(Duration::from_secs(301)).await;
        app.reap().await;
        app.advance(SPARE_ENDS).await;
        let healthy = filled(app, 2).await;
        assert!(healthy.is_disjoint(&dead));
        invariants::routed(app).await;
    })
    .await;
}

async fn evict(app: &App, id: &str) {
    let pods = format!("/api/v1/namespaces/{id}/pods");
    let list = invariants::cluster(app, Method::GET, &pods, None).await.expect(200);
    let pod = list["items"][0]["metadata"]["name"].as_str().unwrap();
    let eviction = json!({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": id},
    });
    let path = format!("{pods}/{pod}/eviction");
    invariants::cluster(app, Method::POST, &path, Some(&eviction))
        .await
        .expect(201);
}

#[tokio::test]
async fn a_spare_is_no_application_to_anybody() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let spares = filled(app, 1).await;
        for id in &spares {
            let path = format!("{PATH}/{id}");
            app.get(&path).await.problem(404, "noRecord");
            app.delete(&path).key(app.apps()).await.problem(404, "noRecord");
            app.get(&format!("{path}/logs"))
                .key(app.apps())
                .await
                .problem(404, "noRecord");
            app.post(&format!("{path}/activity"))
                .key(app.apps())
                .await
                .problem(404, "noRecord");
        }
        for path in ["/applications", PATH] {
            assert_eq!(app.get(path).key(app.apps()).await.expect(200), json!([]), "{path}");
        }
        app.pool(TEMPLATE, 0).await;
        app.reap().await;
        app.advance(SPARE_ENDS).await;
        app.reap().await;
        assert_eq!(app.get("/applications").key(app.apps()).await.expect(200), json!([]));
        let rows = invariants::routed(app).await;
        assert!(rows.values().all(|row| row.state == "ended"), "{rows:?}");
    })
    .await;
}

#[tokio::test]
async fn without_cluster_or_proxy_a_launch_leaves_the_pool_alone() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let spares = filled(app, 1).await;
        for peer in [Peer::Cluster, Peer::Proxy] {
            app.outages().begin(peer);
            let launched = app.launch(TEMPLATE).await;
            app.outages().end(peer);
            assert!(!spares.contains(&launched.id), "{peer:?}");
            app.advance(PACE).await;
            app.read_until(&launched, "deployed").await;
        }
        assert_eq!(ready(app).await, spares);
        assert!(spares.contains(&app.launch(TEMPLATE).await.id));
        invariants::routed(app).await;
    })
    .await;
}

#[tokio::test]
async fn spares_count_in_their_cell() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let process = with_room(app, Some(3), None).await;
        app.pool(TEMPLATE, 5).await;
        let mut reports = Vec::new();
        for _ in 0..4 {
            reports.push(process.reap().await.unwrap());
            app.advance(Duration::from_secs(40)).await;
        }
        assert_eq!(
            (
                reports[0]["pools"]["made"].clone(),
                reports[0]["pools"]["without-room"].clone()
            ),
            (json!(3), json!(2))
        );
        assert_eq!(ready(app).await.len(), 3);
        // Three spares fill the cell: they go out, and there is no room for anything else.
        for _ in 0..3 {
            assert_eq!(launch_by(&process).await.0, 200);
        }
        let (status, wait, problem) = launch_by(&process).await;
        assert_eq!(
            (status, problem["type"].as_str()),
            (429, Some("quotaExceeded")),
            "{problem}"
        );
        assert!((1..=3600).contains(&wait.unwrap()));
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .contains("the cell 'default' may have 3"),
            "{problem}"
        );
        assert_eq!(process.reap().await.unwrap()["errors"], 0);
    })
    .await;
}

/// A process whose templates come from a registry, which answers with this status.
async fn of_registry(app: &App, status: u16) -> Process {
    let mut config = app.adapter().config();
    config.registry_url = Some("http://registry.invalid".parse().unwrap());
    let answer = move || {
        let body = json!({ "image-source": "layby/notebook:1" }).to_string();
        http::Response::builder().status(status).body(body.into()).unwrap()
    };
    let faults: net::Faults = std::sync::Arc::new(move |peer, _| match peer {
        Peer::Outside => net::Fault::Answer(answer()),
        _ => net::Fault::Pass,
    });
    Process::other(app, config, faults).await
}

#[tokio::test]
async fn pools_of_an_external_registrys_templates_end_only_when_it_says_that_there_is_none() {
    App::run(async |app| {
        let registry = of_registry(app, 200).await;
        let key = [("authorization", app.admin())];
        let answer = registry
            .ask(Method::PUT, "/pools/notebook", &key, r#"{"size": 2}"#)
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{answer:?}");
        for _ in 0..3 {
            assert_eq!(registry.reap().await.unwrap()["errors"], 0);
            app.advance(Duration::from_secs(31)).await;
        }
        let spares = ready(app).await;
        assert_eq!(spares.len(), 2);
        let (_, _, launched) = launch_by(&registry).await;
        assert!(spares.contains(launched["id"].as_str().unwrap()));

        let failing = of_registry(app, 500).await;
        failing.reap().await.unwrap();
        assert_eq!(ready(app).await.len(), 1, "what is not known ends nothing");
        let empty = of_registry(app, 404).await;
        assert_eq!(empty.reap().await.unwrap()["pools"]["ended"], 2);
        assert!(ready(app).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn two_reapers_at_once_make_what_is_missing_once() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let (one, other) = (
            Process::start(app, Fate::Lives).await,
            Process::start(app, Fate::Lives).await,
        );
        app.pool(TEMPLATE, 6).await;
        let (first, second) = futures::join!(one.reap(), other.reap());
        let made = |report: Option<Value>| report.unwrap()["pools"]["made"].as_u64().unwrap();
        assert_eq!(made(first) + made(second), 6);
        assert_eq!(spares(app).await.len(), 6);
    })
    .await;
}

#[test]
fn a_launch_out_of_the_pool_that_dies_anywhere_leaves_one_application_and_a_full_pool() {
    on_a_large_stack(|| {
        every_call(BOTH, async |app, process, key| {
            let before = filled(app, 2).await;
            let rows_before = invariants::rows(app).await;
            let headers = [("idempotency-key", key)];
            let answered = process.ask(Method::POST, PATH, &headers, "").await;
            let id = match answered {
                Some(answer) => {
                    assert_eq!(answer.status(), 200, "{answer:?}");
                    let body: Value = serde_json::from_slice(answer.body()).unwrap();
                    body["id"].as_str().unwrap().to_owned()
                }
                // Whoever got no answer asks again with the same key.
                None => Launched::of(TEMPLATE, &app.post(PATH).header("idempotency-key", key).await).id,
            };
            assert!(before.contains(&id), "a spare was ready");
            assert_eq!(status(app, &id).await, "deployed");
            let left = ready(app).await;
            assert_eq!(left.len(), 1, "one spare was taken: {before:?} {left:?}");
            let made = invariants::rows(app).await.len() - rows_before.len();
            assert_eq!(made, 1, "one takes its place");
            filled(app, 2).await;
            invariants::routed(app).await;
            let path = format!("{PATH}/{id}");
            app.delete(&path).key(app.apps()).await.expect(202);
            // It has ended before the next one is taken.
            app.advance(SPARE_ENDS).await;
            app.reap().await;
        })
    });
}

#[test]
fn a_refill_that_dies_anywhere_is_finished_by_the_next() {
    on_a_large_stack(|| every_call(DEATHS, refilled_after));
}

#[test]
fn a_refill_that_loses_any_answer_comes_to_the_same() {
    on_a_large_stack(|| every_call(LOSSES, refilled_after));
}

/// Replaces a spare of an older revision in the process, as far as it lives; then others finish that.
async fn refilled_after(app: &App, process: &Process, key: &str) {
    // What is due besides is done before: the calls that count are those of the refill.
    app.reap().await;
    app.pool(TEMPLATE, 1).await;
    let tag: String = key.chars().filter(char::is_ascii_alphanumeric).collect();
    app.template(TEMPLATE, &format!("layby/notebook:{tag}")).await;
    if let Some(report) = process.reap().await {
        assert_eq!(report["errors"], 0, "{report}");
    }
    invariants::always(app).await;
    // Whoever took the pool, or a row of it, has it to itself for a while.
    app.advance(SPARE_ENDS).await;
    app.reap().await;
    app.advance(SPARE_ENDS).await;
    filled(app, 1).await;
    invariants::routed(app).await;
}

const DEATHS: &[fn(usize) -> Fate] = &[Fate::DiesBefore];
const LOSSES: &[fn(usize) -> Fate] = &[Fate::LosesAnswer];
const BOTH: &[fn(usize) -> Fate] = &[Fate::DiesBefore, Fate::LosesAnswer];

/// Plays the flow once undisturbed to learn its calls, then for each call once with each of these fates.
async fn every_call(fates: &[fn(usize) -> Fate], flow: impl AsyncFn(&App, &Process, &str)) {
    let app = App::start(local::Options::embedded()).await;
    app.template(TEMPLATE, "layby/notebook:1").await;
    let undisturbed = Process::start(&app, Fate::Lives).await;
    flow(&app, &undisturbed, "an-undisturbed-launch-by-key").await;
    let calls = undisturbed.calls();
    assert!((5..CALLS_MAX).contains(&calls.len()), "{calls:?}");
    for number in 0..calls.len() {
        for fate in fates {
            let fate = fate(number);
            println!("{fate:?}");
            let process = Process::start(&app, fate).await;
            flow(&app, &process, &format!("{fate:-<32?}")).await;
        }
    }
    app.stop().await;
}
