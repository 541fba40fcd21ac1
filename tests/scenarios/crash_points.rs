//! A process that dies before, or after, every single call of a launch, a cull and a stop, or loses that call's answer.
//! Whoever comes next, a look or the reaper, reaches the same end.

use std::time::Duration;

use http::Method;
use jiff::SignedDuration;
use net::Peer;
use serde_json::{Value, json};
use tests::{App, Launched, on_a_large_stack};

use crate::process::{Fate, Next, Process};
use tests::scenario::{invariants, meddling};

const TEMPLATE: &str = "notebook";
/// Domain time between two looks, or two runs.
const PACE: Duration = Duration::from_secs(2);
/// Looks or runs until the end is there.
const ROUNDS_MAX: usize = 10;
/// Calls of one flow. One that makes more has lost a bound.
const CALLS_MAX: usize = 60;

/// What is done by a process that dies over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Launch,
    Cull,
    Stop,
}

#[test]
fn a_launch_that_dies_anywhere_is_finished_by_looks() {
    on_a_large_stack(|| every_call(Flow::Launch, Next::Look));
}

#[test]
fn a_launch_that_dies_anywhere_is_finished_by_the_reaper() {
    on_a_large_stack(|| every_call(Flow::Launch, Next::Reaper));
}

#[test]
fn a_cull_that_dies_anywhere_is_finished_by_looks() {
    on_a_large_stack(|| every_call(Flow::Cull, Next::Look));
}

#[test]
fn a_cull_that_dies_anywhere_is_finished_by_the_reaper() {
    on_a_large_stack(|| every_call(Flow::Cull, Next::Reaper));
}

#[test]
fn a_stop_that_dies_anywhere_is_finished_by_looks() {
    on_a_large_stack(|| every_call(Flow::Stop, Next::Look));
}

#[test]
fn a_stop_that_dies_anywhere_is_finished_by_the_reaper() {
    on_a_large_stack(|| every_call(Flow::Stop, Next::Reaper));
}

/// Plays the flow once undisturbed to learn its calls, then once for each call and each thing that can happen there.
async fn every_call(flow: Flow, next: Next) {
    let app = App::start(local::Options::embedded()).await;
    app.template(TEMPLATE, "layby/notebook:1").await;
    // The first run marks the route proxy, and the sweep has its own crashes.
    app.reap().await;
    let undisturbed = Process::start(&app, Fate::Lives).await;
    point(&app, flow, next, &undisturbed, "undisturbed").await;
    let calls = undisturbed.calls();
    assert!((10..CALLS_MAX).contains(&calls.len()), "{calls:?}");
    assert!(calls.iter().any(|(peer, _)| *peer == Peer::Proxy), "{calls:?}");

    let fates = (0..calls.len()).flat_map(|number| fates(number, next));
    for fate in fates {
        println!("{flow:?}, {next:?} next, {fate:?}");
        let process = Process::start(&app, fate).await;
        point(&app, flow, next, &process, &format!("{fate:?}")).await;
        process.has_met_its_fate();
    }
    app.stop().await;
}

/// What can happen at the call with this number. What a process leaves behind when it dies after a call is what it
/// leaves when it dies before its next one, so dying before each covers both; a lost answer that it survives needs
/// nobody next.
fn fates(number: usize, next: Next) -> Vec<Fate> {
    match next {
        Next::Look => vec![Fate::DiesBefore(number), Fate::LosesAnswer(number)],
        Next::Reaper => vec![Fate::DiesBefore(number)],
    }
}

async fn point(app: &App, flow: Flow, next: Next, process: &Process, key: &str) {
    match flow {
        Flow::Launch => launch(app, next, process, key).await,
        Flow::Cull => cull(app, next, process).await,
        Flow::Stop => stop(app, next, process).await,
    }
    invariants::routed(app).await;
}

/// The whole launch in the process, as far as it lives; then the end by `next`: one row, which runs.
async fn launch(app: &App, next: Next, process: &Process, key: &str) {
    let before = invariants::rows(app).await;
    let key = format!("{key:-<32}");
    let launched = launch_by(process, &key).await;
    let mut id = launched;
    if let Some(id) = &id {
        look_until(app, process, id, |seen| seen["status"] == "deployed").await;
    }
    if next == Next::Look && id.is_none() {
        // Whoever got no answer asks again with the same key.
        let again = app.post(&path(TEMPLATE)).header("idempotency-key", &key).await;
        id = Some(Launched::of(TEMPLATE, &again).id);
    }
    let rows = invariants::rows(app).await;
    let mut made: Vec<String> = rows.into_keys().filter(|id| !before.contains_key(id)).collect();
    assert!(made.len() <= 1, "one launch made {made:?}");
    let made = made.pop();
    assert!(
        id.is_none() || id == made,
        "the answer said {id:?} and the table has {made:?}"
    );
    let Some(id) = made else {
        // It died before its row was written: nothing at all has happened.
        return;
    };
    finish(app, next, &id, "deployed", "running").await;
    assert_eq!(
        invariants::row(app, &id).await.unwrap().value.status().as_str(),
        "deployed"
    );
}

async fn launch_by(process: &Process, key: &str) -> Option<String> {
    let answer = process
        .ask(Method::POST, &path(TEMPLATE), &[("idempotency-key", key)], "")
        .await?;
    assert_eq!(answer.status(), 200, "{answer:?}");
    let body: Value = serde_json::from_slice(answer.body()).unwrap();
    body["id"].as_str().map(str::to_owned)
}

/// Looks in the process, over time, until `done` or its death.
async fn look_until(app: &App, process: &Process, id: &str, done: impl Fn(&Value) -> bool) {
    for _ in 0..ROUNDS_MAX {
        let Some(answer) = process
            .ask(Method::GET, &format!("{}/{id}", path(TEMPLATE)), &[], "")
            .await
        else {
            return;
        };
        let seen: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(answer.status(), 200, "{seen}");
        if done(&seen) {
            return;
        }
        app.advance(PACE).await;
    }
    panic!("a process that lives does not get there");
}

/// Runs in the process, over time, until the application has ended or the process has died.
async fn cull(app: &App, next: Next, process: &Process) {
    let one = deployed(app).await;
    app.advance(Duration::from_secs(61 * 60)).await;
    meddling::set_sweep(app, 0, app.now() + SignedDuration::from_hours(1)).await;
    let (mut culled, mut dead) = (0, false);
    for _ in 0..ROUNDS_MAX {
        let Some(report) = process.reap().await else {
            dead = true;
            break;
        };
        assert_eq!(report["errors"], 0, "{report}");
        culled += report["culled"].as_u64().unwrap();
        if phase(app, &one.id).await == "ended" {
            break;
        }
        app.advance(PACE).await;
    }
    assert!(dead || culled == 1, "culled {culled} times");
    let judged = invariants::row(app, &one.id)
        .await
        .is_some_and(|row| !row.value.is_live());
    // Looks judge nobody: without a tombstone it still runs, and that is the reaper's.
    finish(
        app,
        if judged { next } else { Next::Reaper },
        &one.id,
        "deleted",
        "ended",
    )
    .await;
    let reason = app.read(&one).await["reason"].as_str().unwrap().to_owned();
    assert!(reason.starts_with("Culled for inactivity"), "{reason}");
}

/// The stop in the process and looks after it; then the end by `next`, or the same stop again where it left no trace.
async fn stop(app: &App, next: Next, process: &Process) {
    let one = deployed(app).await;
    // Soon after its launch the end would wait for whoever may be making something of it.
    app.advance(domain::limits::TAKE_BUDGET).await;
    let stopped = process
        .ask(Method::DELETE, &one.path(), &[("authorization", &one.token)], "")
        .await;
    if let Some(answer) = stopped {
        assert_eq!(answer.status(), 202, "{answer:?}");
        look_until(app, process, &one.id, |seen| seen["phase"] == "ended").await;
    }
    if invariants::row(app, &one.id)
        .await
        .is_some_and(|row| row.value.is_live())
    {
        invariants::routed(app).await;
        app.delete(&one.path()).key(&one.token).await.expect(202);
    }
    finish(app, next, &one.id, "deleted", "ended").await;
    assert_eq!(app.read(&one).await["reason"], "Stopped by the token of its launch.");
}

/// Lets `next` look or run, over time, until the application has this status and phase.
async fn finish(app: &App, next: Next, id: &str, status: &str, wanted: &str) {
    if phase(app, id).await != wanted {
        invariants::always(app).await;
        app.advance(domain::limits::TAKE_BUDGET).await;
    }
    for _ in 0..ROUNDS_MAX {
        if phase(app, id).await == wanted {
            break;
        }
        app.advance(PACE).await;
        match next {
            Next::Look => drop(app.get(&format!("{}/{id}", path(TEMPLATE))).await.expect(200)),
            Next::Reaper => assert_eq!(app.reap().await["errors"], 0),
        }
    }
    let row = invariants::row(app, id).await.unwrap();
    let seen = json!([row.value.status(), row.value.phase()]);
    assert_eq!(seen, json!([status, wanted]), "{row:?}");
}

async fn phase(app: &App, id: &str) -> String {
    let row = invariants::row(app, id).await.unwrap();
    serde_json::to_value(row.value.phase())
        .unwrap()
        .as_str()
        .unwrap()
        .to_owned()
}

async fn deployed(app: &App) -> Launched {
    let one = app.launch(TEMPLATE).await;
    app.read_until(&one, "deployed").await;
    one
}

fn path(template: &str) -> String {
    format!("/applications/{template}")
}
