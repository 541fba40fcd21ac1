//! Several actors at once, on the same rows.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use http::Method;
use net::{Fault, Faults, Peer};
use serde_json::Value;
use tests::{App, Launched};
use tokio::sync::Notify;

use crate::process::{Fate, Process};
use tests::scenario::invariants;

const TEMPLATE: &str = "notebook";
/// Applications that two reapers share.
const MANY: usize = 12;
/// Readers of one application at a time.
const READERS: usize = 10;
/// Runs until everything due is done.
const RUNS_MAX: usize = 30;
/// Domain time between two runs.
const PACE: Duration = Duration::from_secs(5);

async fn deployed(app: &App, count: usize) -> Vec<Launched> {
    let mut launched = Vec::new();
    for _ in 0..count {
        launched.push(app.launch(TEMPLATE).await);
    }
    for one in &launched {
        app.read_until(one, "deployed").await;
    }
    launched
}

fn sum(reports: &[Value], field: &str) -> u64 {
    reports.iter().map(|report| report[field].as_u64().unwrap()).sum()
}

/// Runs both reapers at the same time, over time, until neither finds anything, and gives all of their reports.
async fn reap_together(app: &App, one: &Process, other: &Process) -> Vec<Value> {
    let mut reports = Vec::new();
    for _ in 0..RUNS_MAX {
        let (first, second) = futures::join!(one.reap(), other.reap());
        let both = [first.unwrap(), second.unwrap()];
        let quiet = sum(&both, "due") == 0;
        reports.extend(both);
        let moving = |state: &str| ["pending", "starting", "ending"].contains(&state);
        if quiet && !invariants::rows(app).await.values().any(|row| moving(&row.state)) {
            return reports;
        }
        app.advance(PACE).await;
    }
    panic!("two reapers do not come to rest: {reports:?}");
}

#[tokio::test]
async fn two_reapers_at_once_cull_every_application_exactly_once() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let applications = deployed(app, MANY).await;
        app.advance(Duration::from_secs(61 * 60)).await;
        let (one, other) = (
            Process::start(app, Fate::Lives).await,
            Process::start(app, Fate::Lives).await,
        );
        let reports = reap_together(app, &one, &other).await;
        let done = ["culled", "ended", "failed", "errors"].map(|field| sum(&reports, field));
        assert_eq!(done[0], MANY as u64, "{reports:?}");
        assert_eq!(done[2..], [0, 0], "{reports:?}");
        let brake = invariants::brake(app).await.unwrap();
        assert_eq!(
            (brake.culled, brake.tripped),
            (MANY as u64, None),
            "each is reserved once"
        );
        for application in &applications {
            assert_eq!(app.read(application).await["phase"], "ended");
        }
        assert!(invariants::namespaces(app).await.is_empty());
        invariants::routed(app).await;
    })
    .await;
}

#[tokio::test]
async fn of_many_readers_one_brings_a_launch_on() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let one = app.launch(TEMPLATE).await;
        app.advance(Duration::from_secs(5)).await;
        let process = Process::start(app, Fate::Lives).await;
        let path = one.path();
        let answers = join_all((0..READERS).map(|_| process.ask(Method::GET, &path, &[], ""))).await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.as_ref().is_some_and(|answer| answer.status() == 200))
        );
        assert_eq!(process.calls_to(Peer::Cluster), 1, "{:?}", process.calls());
        assert_eq!(process.calls_to(Peer::Proxy), 1, "{:?}", process.calls());
        assert_eq!(app.read(&one).await["status"], "deployed");
        invariants::routed(app).await;
    })
    .await;
}

#[tokio::test]
async fn the_same_launch_asked_for_at_once_is_one_application() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let process = Process::start(app, Fate::Lives).await;
        let key = [("idempotency-key", "one-launch-however-often-asked")];
        let asked = (0..READERS).map(|_| process.ask(Method::POST, "/applications/notebook", &key, "{}"));
        let answers = join_all(asked).await;
        let bodies: BTreeSet<String> = answers
            .iter()
            .map(|answer| String::from_utf8_lossy(answer.as_ref().unwrap().body()).into_owned())
            .collect();
        assert_eq!(bodies.len(), 1, "{bodies:?}");
        assert_eq!(invariants::rows(app).await.len(), 1);
        let made = process
            .calls()
            .into_iter()
            .filter(|(_, what)| what == "POST /api/v1/namespaces")
            .count();
        assert_eq!(made, 1);
        invariants::at_rest(app).await;
    })
    .await;
}

#[tokio::test]
async fn two_reapers_amid_launches_and_stops_leave_everything_in_order() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let (one, other) = (
            Process::start(app, Fate::Lives).await,
            Process::start(app, Fate::Lives).await,
        );
        let over = AtomicBool::new(false);
        let reaping = async {
            let mut reports = Vec::new();
            while !over.load(Ordering::SeqCst) {
                let (first, second) = futures::join!(one.reap(), other.reap());
                reports.extend([first.unwrap(), second.unwrap()]);
                app.advance(PACE).await;
            }
            reports
        };
        let people = async {
            let lives = (0..MANY).map(|number| async move {
                let launched = app.launch(TEMPLATE).await;
                if number % 2 == 0 {
                    app.delete(&launched.path()).key(&launched.token).await.expect(202);
                } else {
                    app.read(&launched).await;
                }
                launched
            });
            let launched = join_all(lives).await;
            over.store(true, Ordering::SeqCst);
            launched
        };
        let (reports, launched) = futures::join!(reaping, people);
        assert_eq!(sum(&reports, "errors"), 0, "{reports:?}");
        let reports = reap_together(app, &one, &other).await;
        assert_eq!(sum(&reports, "errors"), 0, "{reports:?}");
        for (number, one) in launched.iter().enumerate() {
            let wanted = if number % 2 == 0 { "ended" } else { "running" };
            assert_eq!(app.read(one).await["phase"], wanted);
        }
        invariants::routed(app).await;
    })
    .await;
}

/// Refuses everything about one application in the cluster.
fn poisoned(id: &str) -> Faults {
    let id = id.to_owned();
    Arc::new(move |peer, request| {
        let concerns = || request.uri().path().contains(&id);
        if peer == Peer::Cluster && concerns() {
            Fault::Refuse
        } else {
            Fault::Pass
        }
    })
}

#[tokio::test]
async fn a_row_that_cannot_be_helped_is_tried_less_and_less_and_holds_up_nobody() {
    App::run(async |app| {
        app.template("stuck", "layby/never-ready:1").await;
        app.template(TEMPLATE, "layby/notebook:1").await;
        let poison = app.launch("stuck").await;
        let process = Process::other(app, app.adapter().config(), poisoned(&poison.id)).await;
        let healthy = app.launch(TEMPLATE).await;
        let mut deployed = 0;
        // Four minutes, a run a second for the first ten and then every ten seconds: less than the launch may take.
        for run in 0..33 {
            app.advance(Duration::from_secs(if run < 10 { 1 } else { 10 })).await;
            let report = process.reap().await.unwrap();
            assert_eq!(report["errors"], 0, "{report}");
            deployed += report["deployed"].as_u64().unwrap();
        }
        assert_eq!(deployed, 1);
        assert_eq!(app.read(&healthy).await["phase"], "running");
        let tries = process
            .calls()
            .into_iter()
            .filter(|(_, what)| what.contains(&poison.id))
            .count();
        // Each try is three attempts at most; pauses double from a second, so four minutes hold eight or nine.
        assert!((3..=3 * 9).contains(&tries), "{tries} attempts");
        let row = invariants::row(app, &poison.id).await.unwrap();
        assert!(row.attempt >= 5, "{row:?}");
        assert_eq!(app.adapter().reap().await.1["errors"], 0);
    })
    .await;
}

/// Delays the create of a namespace for longer than a stop takes, and calls `then` at what comes after it.
fn late(then: impl Fn() -> Fault + Send + Sync + 'static) -> Faults {
    Arc::new(move |_, request| match (request.method(), request.uri().path()) {
        (&Method::POST, "/api/v1/namespaces") => Fault::Delay(Duration::from_secs(1)),
        (&Method::POST, path) if path.ends_with("/serviceaccounts") => then(),
        _ => Fault::Pass,
    })
}

/// Stops the one application as soon as its row is there, and gives its id.
async fn stop_at_once(app: &App) -> String {
    let id = loop {
        tokio::time::sleep(Duration::from_millis(50)).await;
        if let Some(id) = invariants::rows(app).await.into_keys().next() {
            break id;
        }
    };
    let path = format!("/applications/{TEMPLATE}/{id}");
    app.delete(&path).key(app.apps()).await.expect(202);
    assert!(
        invariants::namespaces(app).await.is_empty(),
        "the create was not late enough"
    );
    id
}

#[tokio::test]
async fn a_create_that_arrives_after_the_tombstone_is_taken_back_by_its_maker() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let maker = Process::other(app, app.adapter().config(), late(|| Fault::Pass)).await;
        let launch = maker.ask(Method::POST, "/applications/notebook", &[], "");
        let (launched, id) = futures::join!(launch, stop_at_once(app));
        assert_eq!(launched.unwrap().status(), 200);
        app.advance(PACE).await;
        assert!(
            invariants::namespaces(app).await.is_empty(),
            "the late namespace is still there"
        );
        let reports = reap_together(app, &maker, &maker).await;
        assert_eq!(sum(&reports, "errors"), 0, "{reports:?}");
        assert_eq!(invariants::routed(app).await[&id].state, "ended");
    })
    .await;
}

#[tokio::test]
async fn a_create_that_arrives_after_the_tombstone_is_removed_though_its_maker_died() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let died = Arc::new(Notify::new());
        let dying = Arc::clone(&died);
        let faults = late(move || {
            dying.notify_one();
            Fault::Delay(Duration::from_secs(3600))
        });
        let maker = Process::other(app, app.adapter().config(), faults).await;
        let launch = async {
            tokio::select! {
                answer = maker.ask(Method::POST, "/applications/notebook", &[], "") => panic!("it lived: {answer:?}"),
                () = died.notified() => {}
            }
        };
        let ((), id) = futures::join!(launch, stop_at_once(app));
        assert_eq!(
            invariants::namespaces(app).await.len(),
            1,
            "the late create took effect"
        );
        let healthy = Process::start(app, Fate::Lives).await;
        reap_together(app, &healthy, &healthy).await;
        assert_eq!(invariants::routed(app).await[&id].state, "ended");
    })
    .await;
}
