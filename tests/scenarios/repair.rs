//! What does not match between table, cluster and proxy is repaired by the sweep, whoever made it so.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use domain::{Application, ApplicationId, Look, Template, limits};
use http::{Method, Response};
use net::{Fault, Faults, Peer};
use serde_json::{Value, json};
use tests::process::Process;
use tests::scenario::{invariants, meddling};
use tests::{App, Http, Launched};

const TEMPLATE: &str = "notebook";
/// Longer than a pass over all shards takes.
const PASS: Duration = Duration::from_secs(17 * 60);
/// A target at which nothing listens.
const ELSEWHERE: &str = "http://127.0.0.1:9";
/// Runs until what is ending has ended.
const RUNS_MAX: usize = 10;

/// An application that runs for as long as these tests look at it.
async fn deployed(app: &App, image: &str) -> Launched {
    let body = json!({"image-source": image, "cull-timeout": 86_400_000, "max-age": 86_400_000});
    app.template_of(TEMPLATE, &body).await;
    let one = app.launch(TEMPLATE).await;
    app.read_until(&one, "deployed").await;
    one
}

/// What is repaired, as a report has it and as the figures of a run's log line do.
const FIGURES: [(&str, &str); 7] = [
    ("routes-remade", "RepairRoutesMade"),
    ("routes-removed", "RepairRoutesRemoved"),
    ("orphans-adopted", "RepairOrphansAdopted"),
    ("late-removed", "RepairLateRemoved"),
    ("failed", "RepairFailed"),
    ("troubled", "RepairTroubled"),
    ("recovered", "RepairRecovered"),
];

/// One run, and what its sweep repaired, which its figures tell as well.
async fn reap(app: &App) -> BTreeMap<String, u64> {
    let report = app.reap().await;
    assert_eq!(report["errors"], 0, "{report}");
    let repairs = report["lanes"][0]["repairs"].as_object().unwrap();
    let lines = app.log();
    let line = lines.iter().rfind(|line| line["function"] == "reaper").unwrap();
    for (kind, figure) in FIGURES {
        assert_eq!(line[figure].as_f64(), repairs[kind].as_f64(), "{figure}: {line}");
    }
    let numbers = repairs
        .iter()
        .map(|(name, number)| (name.clone(), number.as_u64().unwrap()));
    numbers.filter(|(_, number)| *number > 0).collect()
}

/// Time passes until every shard was swept: what was repaired, by kind.
async fn pass(app: &App) -> BTreeMap<String, u64> {
    let mut all = BTreeMap::new();
    for _ in 0..2 {
        app.advance(PASS).await;
        for (name, number) in reap(app).await {
            *all.entry(name).or_default() += number;
        }
    }
    assert!(all.remove("swept-shards") >= Some(16), "{all:?}");
    all
}

fn repaired<const N: usize>(kinds: [(&str, u64); N]) -> BTreeMap<String, u64> {
    kinds.map(|(name, number)| (name.to_owned(), number)).into()
}

async fn row(app: &App, one: &Launched) -> Application {
    invariants::row(app, &one.id).await.unwrap().value
}

/// Runs until the application's ending is done, and nothing of it is left.
async fn ends(app: &App, one: &Launched) -> Value {
    for _ in 0..RUNS_MAX {
        app.advance(Duration::from_secs(2)).await;
        reap(app).await;
    }
    invariants::routed(app).await;
    app.read_until_ended(one).await
}

/// What the proxy answers an application's visitor.
async fn visited(app: &App, one: &Launched) -> u16 {
    let http = Http::new(&app.ready().proxy);
    http.get(&format!("/user/{}/", one.id)).await.status.into()
}

async fn delete(app: &App, path: &str) {
    invariants::cluster(app, Method::DELETE, path, None).await.expect(200);
    app.advance(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn what_matches_is_left_alone() {
    App::run(async |app| {
        let one = deployed(app, "layby/notebook:1").await;
        reap(app).await;
        let before = invariants::row(app, &one.id).await.unwrap();
        assert_eq!(pass(app).await, repaired([]));
        assert_eq!(invariants::row(app, &one.id).await.unwrap().version, before.version);
        invariants::routed(app).await;
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_lost_its_routes_has_them_back_after_one_run() {
    App::run(async |app| {
        let ones = [
            deployed(app, "layby/notebook:1").await,
            deployed(app, "layby/notebook:1").await,
        ];
        reap(app).await;
        meddling::lose_routes(app);
        for one in &ones {
            assert_eq!(visited(app, one).await, 404);
        }
        assert_eq!(reap(app).await, repaired([("routes-remade", 2)]));
        for one in &ones {
            assert_eq!(visited(app, one).await, 200);
            assert!(row(app, one).await.remade.is_some());
        }
        app.advance(Duration::from_secs(1)).await;
        assert_eq!(reap(app).await, repaired([]), "the marker is back");
        invariants::routed(app).await;
    })
    .await;
}

#[tokio::test]
async fn a_route_that_leads_elsewhere_is_corrected() {
    App::run(async |app| {
        let one = deployed(app, "layby/notebook:1").await;
        reap(app).await;
        let target = meddling::target(app, &one.id).await.unwrap();
        let installation = app.adapter().config().installation;
        let tampered = json!({"target": ELSEWHERE, "layby": installation});
        let path = format!("/user/{}", one.id);
        meddling::proxy(app, Method::POST, &path, &tampered).await;
        assert_eq!(visited(app, &one).await, 503);
        assert_eq!(pass(app).await, repaired([("routes-remade", 1)]));
        assert_eq!(meddling::target(app, &one.id).await, Some(target));
        let last = row(app, &one).await.events.pop().unwrap();
        assert_eq!(last.what.word(), "route-remade");
    })
    .await;
}

#[tokio::test]
async fn what_runs_in_a_namespace_that_is_gone_has_failed() {
    App::run(async |app| {
        let one = deployed(app, "layby/notebook:1").await;
        reap(app).await;
        delete(app, &format!("/api/v1/namespaces/{}", one.id)).await;
        assert_eq!(pass(app).await, repaired([("failed", 1)]));
        let ended = ends(app, &one).await;
        assert_eq!(ended["status"], "failed");
        assert!(
            ended["reason"].as_str().unwrap().contains("namespace is gone"),
            "{ended}"
        );
    })
    .await;
}

#[tokio::test]
async fn what_has_lost_its_pod_has_failed() {
    App::run(async |app| {
        let one = deployed(app, "layby/notebook:1").await;
        reap(app).await;
        let pods = format!("/api/v1/namespaces/{}/pods", one.id);
        let list = invariants::cluster(app, Method::GET, &pods, None).await.expect(200);
        let name = list["items"][0]["metadata"]["name"].as_str().unwrap();
        delete(app, &format!("{pods}/{name}")).await;
        assert_eq!(pass(app).await, repaired([("failed", 1)]));
        let ended = ends(app, &one).await;
        assert!(ended["reason"].as_str().unwrap().contains("pod is gone"), "{ended}");
    })
    .await;
}

#[tokio::test]
async fn what_was_evicted_has_failed() {
    App::run(async |app| {
        let one = deployed(app, "layby/evicted").await;
        reap(app).await;
        assert_eq!(pass(app).await, repaired([("failed", 1)]));
        let ended = ends(app, &one).await;
        assert!(ended["reason"].as_str().unwrap().contains("Evicted"), "{ended}");
    })
    .await;
}

/// Its container dies 15 to 20 s before the run in which all shards are due, and is well half a minute later.
#[tokio::test]
async fn what_keeps_dying_says_so_and_says_so_no_more_when_it_is_well() {
    App::run(async |app| {
        let one = deployed(app, "layby/dies-after-2025s").await;
        reap(app).await;
        app.advance(PASS).await;
        reap(app).await;
        app.advance(PASS).await;
        let sick = reap(app).await;
        assert_eq!((sick.get("troubled"), sick.get("swept-shards")), (Some(&1), Some(&16)));
        let told = app.read(&one).await;
        assert_eq!(
            (&told["status"], &told["phase"]),
            (&json!("deployed"), &json!("running"))
        );
        assert!(told["reason"].as_str().unwrap().contains("keeps dying"), "{told}");
        assert_eq!(pass(app).await, repaired([("recovered", 1)]));
        let told = app.read(&one).await;
        assert!(told["reason"].is_null(), "{told}");
        assert_eq!(visited(app, &one).await, 200, "a restart keeps the pod's address");
        let words: Vec<&str> = row(app, &one)
            .await
            .events
            .iter()
            .map(|event| event.what.word())
            .collect();
        assert_eq!(words[words.len() - 2..], ["troubled", "recovered"]);
    })
    .await;
}

#[tokio::test]
async fn what_has_lost_its_row_gets_one_and_ends_when_nobody_uses_it() {
    App::run(async |app| {
        let (used, unused) = (
            deployed(app, "layby/notebook:1").await,
            deployed(app, "layby/notebook:1").await,
        );
        reap(app).await;
        for one in [&used, &unused] {
            meddling::lose_row(app, &one.id).await;
        }
        assert_eq!(pass(app).await, repaired([("orphans-adopted", 2)]));
        let told = app.read(&used).await;
        assert_eq!(
            (&told["status"], &told["phase"]),
            (&json!("deployed"), &json!("orphaned"))
        );
        assert!(told["reason"].as_str().unwrap().contains("without a record"), "{told}");
        // An hour from when it was found, of which the last visit is forty minutes old.
        for _ in 0..2 {
            app.advance(Duration::from_secs(35 * 60)).await;
            assert_eq!(visited(app, &used).await, 200);
            reap(app).await;
        }
        assert_eq!(app.read(&used).await["phase"], "orphaned");
        let ended = ends(app, &unused).await;
        assert_eq!(ended["status"], "deleted");
        assert!(ended["reason"].as_str().unwrap().contains("not used from"), "{ended}");
        app.advance(Duration::from_secs(61 * 60)).await;
        reap(app).await;
        ends(app, &used).await;
    })
    .await;
}

#[tokio::test]
async fn an_orphan_that_nobody_can_use_ends_after_its_grace() {
    App::run(async |app| {
        let id = ApplicationId::from_bytes([0xab; 16]);
        let installation = app.adapter().config().installation;
        meddling::make_namespace(app, id.as_str(), installation.as_str()).await;
        reap(app).await;
        assert_eq!(pass(app).await, repaired([("orphans-adopted", 1)]));
        assert_eq!(pass(app).await, repaired([]));
        let ended: u64 = [pass(app).await, pass(app).await]
            .iter()
            .filter_map(|repairs| repairs.get("orphans-ended"))
            .sum();
        assert_eq!(ended, 1);
        let one = Launched {
            template: "unknown".to_owned(),
            id: id.to_string(),
            token: String::new(),
        };
        assert!(
            ends(app, &one).await["reason"]
                .as_str()
                .unwrap()
                .contains("not used from")
        );
    })
    .await;
}

#[tokio::test]
async fn what_comes_after_the_end_goes_at_once() {
    App::run(async |app| {
        let one = deployed(app, "layby/notebook:1").await;
        app.delete(&one.path()).key(&one.token).await.expect(202);
        app.read_until_ended(&one).await;
        reap(app).await;
        let installation = app.adapter().config().installation;
        meddling::make_namespace(app, &one.id, installation.as_str()).await;
        let route = json!({"target": ELSEWHERE, "layby": installation});
        meddling::proxy(app, Method::POST, &format!("/user/{}", one.id), &route).await;
        assert_eq!(pass(app).await, repaired([("late-removed", 1)]));
        app.advance(Duration::from_secs(5)).await;
        invariants::routed(app).await;
    })
    .await;
}

#[tokio::test]
async fn a_route_that_nobody_knows_is_removed() {
    App::run(async |app| {
        reap(app).await;
        let installation = app.adapter().config().installation;
        let route = json!({"target": ELSEWHERE, "layby": installation});
        let path = format!("/user/{}", ApplicationId::from_bytes([0xcd; 16]));
        meddling::proxy(app, Method::POST, &path, &route).await;
        assert_eq!(pass(app).await, repaired([("routes-removed", 1)]));
        assert_eq!(meddling::proxy(app, Method::GET, &path, &json!({})).await.status, 404);
    })
    .await;
}

#[tokio::test]
async fn what_is_another_installations_is_not_seen() {
    App::run(async |app| {
        deployed(app, "layby/notebook:1").await;
        reap(app).await;
        let id = ApplicationId::from_bytes([0xef; 16]);
        meddling::make_namespace(app, id.as_str(), "another").await;
        let namespace = format!("/api/v1/namespaces/{id}");
        let before = invariants::cluster(app, Method::GET, &namespace, None)
            .await
            .expect(200);
        let theirs = [
            (format!("/user/{id}"), json!({"target": ELSEWHERE, "layby": "another"})),
            (
                format!("/user/{}", ApplicationId::from_bytes([2; 16])),
                json!({"target": ELSEWHERE}),
            ),
            (
                "/layby/another".to_owned(),
                json!({"target": ELSEWHERE, "layby": "another"}),
            ),
        ];
        for (path, route) in &theirs {
            meddling::proxy(app, Method::POST, path, route).await;
        }
        assert_eq!(pass(app).await, repaired([]));
        let after = invariants::cluster(app, Method::GET, &namespace, None)
            .await
            .expect(200);
        assert_eq!(after["metadata"], before["metadata"]);
        for (path, _) in &theirs {
            assert_eq!(
                meddling::proxy(app, Method::GET, path, &json!({})).await.status,
                200,
                "{path}"
            );
        }
        assert!(invariants::row(app, id.as_str()).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_table_that_is_restored_agrees_with_its_cell_again() {
    App::run(async |app| {
        // In the backup; stopped, and removed, after it was taken.
        let lost = deployed(app, "layby/notebook:1").await;
        let backup = meddling::copy_row(app, &lost.id).await;
        app.delete(&lost.path()).key(&lost.token).await.expect(202);
        app.read_until_ended(&lost).await;
        // Launched after it was taken.
        let unknown = deployed(app, "layby/notebook:1").await;
        reap(app).await;
        meddling::restore_row(app, backup).await;
        meddling::lose_row(app, &unknown.id).await;
        assert_eq!(app.read(&lost).await["status"], "deployed", "as it was in the backup");
        assert_eq!(pass(app).await, repaired([("failed", 1), ("orphans-adopted", 1)]));
        let ended = ends(app, &lost).await;
        assert_eq!(ended["status"], "failed");
        assert_eq!(app.read(&unknown).await["phase"], "orphaned");
        assert_eq!(visited(app, &unknown).await, 200);
    })
    .await;
}

/// As many running applications of one shard as make an empty list doubtful. With `objects` they are in the cluster.
async fn many_of_one_shard(app: &App, objects: bool) {
    reap(app).await;
    let template: Template = serde_json::from_value(json!({"name": TEMPLATE, "image-source": "i"})).unwrap();
    let lifecycle = app.adapter().lifecycle().unwrap();
    let home = lifecycle.cells().next().unwrap();
    for number in 0..limits::DOUBT_LEAST as u8 {
        let id = ApplicationId::from_bytes([0x10 * (number % 16), 0, number, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        let launched = Application::launch(id, &template, &home.cell, None, None, app.now());
        let namespace_uid = if objects {
            home.cluster.make_objects(&launched).await.unwrap().namespace_uid
        } else {
            "u".to_owned()
        };
        let running = launched.deployed(namespace_uid, "h/user/x".to_owned(), app.now());
        let by = format!("test/{number}");
        let look = Look { now: app.now(), by };
        let due_at = app.now() + jiff::SignedDuration::from_hours(24);
        let store = lifecycle.store();
        store.launch(&running, due_at, &look, None, &[]).await.unwrap();
    }
}

#[tokio::test]
async fn a_cluster_that_shows_nothing_of_many_is_not_believed_while_they_are_there() {
    App::run(async |app| {
        many_of_one_shard(app, true).await;
        let empty: Faults = Arc::new(|peer, request| {
            let is_list = ["/api/v1/namespaces", "/api/v1/pods"].contains(&request.uri().path());
            if peer == Peer::Cluster && request.method() == Method::GET && is_list {
                let nothing = Bytes::from_static(br#"{"kind":"List","apiVersion":"v1","metadata":{},"items":[]}"#);
                Fault::Answer(Response::new(nothing))
            } else {
                Fault::Pass
            }
        });
        let blind = Process::other(app, app.adapter().config(), empty).await;
        let mut doubted = 0;
        for _ in 0..2 {
            app.advance(PASS).await;
            let report = blind.reap().await.unwrap();
            doubted += report["lanes"][0]["repairs"]["doubted-shards"].as_u64().unwrap();
        }
        assert_eq!(doubted, 1);
        let rows = invariants::rows(app).await;
        assert!(rows.values().all(|row| row.state == "running"), "{rows:?}");
    })
    .await;
}

#[tokio::test]
async fn a_cluster_of_which_many_are_really_gone_is_believed_when_it_says_so_of_each() {
    App::run(async |app| {
        many_of_one_shard(app, false).await;
        let many = limits::DOUBT_LEAST as u64;
        assert_eq!(pass(app).await, repaired([("failed", many)]));
    })
    .await;
}
