//! Environments over time: made, changed, put to sleep, expired, removed, also by processes that die over it.

mod deployments;
mod races;

use std::fmt::Debug;
use std::time::Duration;

use domain::Scope;
use http::Method;
use serde_json::{Value, json};
use tests::process::{Fate, Process};
use tests::scenario::invariants;
use tests::{App, on_a_large_stack};

const PATH: &str = "/environments/acme:one";
const NAMESPACE: &str = "/api/v1/namespaces/acme-one";
const MINUTE: Duration = Duration::from_secs(60);
/// Domain time between two looks, or two runs.
const PACE: Duration = Duration::from_secs(2);
/// Looks or runs until an end is there.
const ROUNDS_MAX: usize = 40;
/// Calls of one flow. One that makes more has lost a bound.
const CALLS_MAX: usize = 40;

/// What is done by a process that dies over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Create,
    Patch,
    Rotate,
    Sleep,
    Delete,
}

fn key(app: &App) -> &str {
    &app.ready().keys[Scope::Envs.as_str()]
}

async fn made(app: &App) -> Value {
    let asked = json!({"environmentName": "acme:one", "hostNames": ["one.example"]});
    app.post("/environments").key(key(app)).json(&asked).await.expect(201)
}

/// What the cluster has of it, if anything.
async fn namespace(app: &App) -> Option<Value> {
    let answer = invariants::cluster(app, Method::GET, NAMESPACE, None).await;
    (answer.status == 200).then(|| answer.json())
}

/// The environment, once it is in this phase; its reaper and looks go on over time.
async fn until(app: &App, phase: &str) -> Value {
    for _ in 0..ROUNDS_MAX {
        let answer = app.get(PATH).key(key(app)).await;
        match answer.status.as_u16() {
            404 if phase == "gone" => return Value::Null,
            200 if answer.json()["phase"] == phase => return answer.json(),
            200 | 404 => {}
            _ => panic!("{answer:?}"),
        }
        app.advance(PACE).await;
        app.reap().await;
    }
    panic!("never {phase}: {:?}", app.get(PATH).key(key(app)).await);
}

/// What the row says is what the namespace has, and nothing more.
async fn agrees(app: &App, environment: &Value) {
    let namespace = namespace(app).await.expect("it has its namespace");
    let hosts = environment["hostNames"].as_array().cloned().unwrap_or_default();
    let hosts: Vec<&str> = hosts.iter().filter_map(Value::as_str).collect();
    assert_eq!(
        namespace["metadata"]["annotations"]["hostNames"],
        hosts.join(" "),
        "{namespace}"
    );
    let secret = format!("{NAMESPACE}/secrets/routing");
    let secret = invariants::cluster(app, Method::GET, &secret, None).await.expect(200);
    // The API shows the stored bytes in base64, and so do the routers' callers.
    assert_eq!(secret["data"]["public-api-key"], environment["publicSecret"]);
    assert_eq!(secret["data"]["private-api-key"], environment["privateSecret"]);
}

#[tokio::test]
async fn an_environment_is_made_changed_and_removed() {
    App::run(async |app| {
        let made = made(app).await;
        assert_eq!(
            (made["name"].as_str(), made["phase"].as_str()),
            (Some("acme-one"), Some("ready"))
        );
        agrees(app, &made).await;

        let hosts = json!({"hostNames": ["one.example", "two.example"]});
        let changed = app.patch(PATH).key(key(app)).json(&hosts).await.expect(200);
        assert_eq!(
            changed["publicSecret"], made["publicSecret"],
            "keys never change on PATCH"
        );
        agrees(app, &changed).await;
        let other = json!({"environmentName": "acme:two", "hostNames": ["TWO.example"]});
        app.post("/environments")
            .key(key(app))
            .json(&other)
            .await
            .problem(409, "hostTaken");

        let rotated = app.post(&format!("{PATH}/keys")).key(key(app)).await.expect(200);
        assert_ne!(rotated["publicSecret"], made["publicSecret"]);
        agrees(app, &rotated).await;

        app.delete(PATH).key(key(app)).await.expect(204);
        until(app, "gone").await;
        assert_eq!(namespace(app).await, None);
        app.post("/environments").key(key(app)).json(&other).await.expect(201);
    })
    .await;
}

#[tokio::test]
async fn an_environment_expires_as_promised_unless_it_is_protected() {
    App::run(async |app| {
        let asked = json!({"environmentName": "acme:one", "ttl": 600, "protect": true});
        app.post("/environments").key(key(app)).json(&asked).await.expect(201);
        app.delete(PATH).key(key(app)).await.problem(422, "ruleRefused");
        app.advance(11 * MINUTE).await;
        app.reap().await;
        assert_eq!(until(app, "ready").await["protect"], true);
        let taken_off = json!({"protect": false});
        app.patch(PATH).key(key(app)).json(&taken_off).await.expect(200);
        app.reap().await;
        until(app, "gone").await;
        assert_eq!(namespace(app).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_namespace_that_is_somebody_elses_is_never_adopted_changed_or_deleted() {
    App::run(async |app| {
        let theirs = json!({"metadata": {"name": "acme-one", "annotations": {"hostNames": "theirs"}}});
        invariants::cluster(app, Method::POST, "/api/v1/namespaces", Some(&theirs))
            .await
            .expect(201);
        let before = namespace(app).await;
        let asked = json!({"environmentName": "acme:one", "hostNames": ["one.example"]});
        app.post("/environments")
            .key(key(app))
            .json(&asked)
            .await
            .problem(409, "nameTaken");
        until(app, "gone").await;
        assert_eq!(namespace(app).await, before);
        let other = json!({"environmentName": "acme:two", "hostNames": ["one.example"]});
        app.post("/environments").key(key(app)).json(&other).await.expect(201);
    })
    .await;
}

#[test]
fn an_environment_that_is_made_is_made_whoever_dies_over_it() {
    on_a_large_stack(|| every_call(Flow::Create));
}

#[test]
fn an_environment_that_is_changed_follows_whoever_dies_over_it() {
    on_a_large_stack(|| every_call(Flow::Patch));
}

#[test]
fn keys_that_are_rotated_are_those_of_its_namespace_whoever_dies_over_it() {
    on_a_large_stack(|| every_call(Flow::Rotate));
}

#[test]
fn an_environment_falls_asleep_whoever_dies_over_it() {
    on_a_large_stack(|| every_call(Flow::Sleep));
}

#[test]
fn an_environment_that_is_deleted_goes_whoever_dies_over_it() {
    on_a_large_stack(|| every_call(Flow::Delete));
}

/// Plays the flow once undisturbed to learn its calls, then once for each call and each thing that can happen there.
async fn every_call(flow: Flow) {
    let app = App::start(local::Options::embedded()).await;
    app.reap().await;
    at_every_call(&app, flow, async |process, _| point(&app, flow, process).await).await;
    app.stop().await;
}

/// Plays `point` in a process that lives, to learn its calls, then in one that dies before each of them, and in one that
/// loses the answer to it. Each is given a word of its own.
async fn at_every_call(app: &App, flow: impl Debug, point: impl AsyncFn(&Process, &str)) {
    let undisturbed = Process::start(app, Fate::Lives).await;
    point(&undisturbed, &format!("{flow:?} undisturbed")).await;
    let calls = undisturbed.calls();
    assert!((3..CALLS_MAX).contains(&calls.len()), "{calls:?}");
    for number in 0..calls.len() {
        for fate in [Fate::DiesBefore(number), Fate::LosesAnswer(number)] {
            println!("{flow:?}, {fate:?} of {}", calls.len());
            let process = Process::start(app, fate).await;
            point(&process, &format!("{flow:?} {fate:?}")).await;
            process.has_met_its_fate();
        }
    }
}

/// The flow in the process, as far as it lives; then the end by looks and the reaper; then everything is gone again.
async fn point(app: &App, flow: Flow, process: &Process) {
    if flow != Flow::Create {
        made(app).await;
    }
    let before = app.get(PATH).key(key(app)).await;
    let asked = match flow {
        Flow::Create => {
            let body = json!({"environmentName": "acme:one", "hostNames": ["one.example"]});
            ask(app, process, Method::POST, "/environments", &body).await
        }
        Flow::Patch => {
            ask(
                app,
                process,
                Method::PATCH,
                PATH,
                &json!({"hostNames": ["two.example"]}),
            )
            .await
        }
        Flow::Rotate => ask(app, process, Method::POST, &format!("{PATH}/keys"), &json!({})).await,
        Flow::Sleep => ask(app, process, Method::PATCH, PATH, &json!({"asleep": true})).await,
        Flow::Delete => ask(app, process, Method::DELETE, PATH, &json!({})).await,
    };
    let is_told = asked.is_some_and(|status| status < 300);
    // Whoever died may have been making something for as long as anybody may.
    app.advance(2 * MINUTE).await;
    app.reap().await;
    let after = app.get(PATH).key(key(app)).await;
    if flow == Flow::Delete {
        if is_told || after.status == 404 || after.json()["phase"] == "deleting" {
            until(app, "gone").await;
            assert_eq!(namespace(app).await, None);
            return;
        }
    } else if after.status == 404 {
        assert!(flow == Flow::Create && !is_told, "{flow:?} {after:?}");
        assert_eq!(namespace(app).await, None, "nothing is made without a row");
        return;
    }
    let wanted = match flow {
        Flow::Sleep if is_told || after.json()["asleep"] == true => "asleep",
        _ => "ready",
    };
    let settled = until(app, wanted).await;
    if flow == Flow::Patch && is_told {
        assert_eq!(settled["hostNames"], json!(["two.example"]));
    }
    if flow == Flow::Rotate && is_told {
        assert_ne!(settled["publicSecret"], before.json()["publicSecret"]);
    }
    agrees(app, &settled).await;
    app.delete(PATH).key(key(app)).await.expect(204);
    until(app, "gone").await;
}

/// The status of an answer of the process, if it lives to give one.
async fn ask(app: &App, process: &Process, method: Method, path: &str, body: &Value) -> Option<u16> {
    let headers = [("authorization", key(app))];
    let answer = process.ask(method, path, &headers, &body.to_string()).await?;
    Some(answer.status().as_u16())
}
