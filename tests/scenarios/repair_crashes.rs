//! A run that dies before, or loses the answer to, every single call of a repair. The next run reaches the same end.

use std::time::Duration;

use domain::{ApplicationId, limits, shard_of};
use http::Method;
use net::Peer;
use serde_json::{Value, json};
use tests::scenario::{invariants, meddling};
use tests::{App, Launched, on_a_large_stack};

use crate::process::{Fate, Process, RUN_MAX};

const TEMPLATE: &str = "notebook";
/// Dies half a minute after it was ready, and is well again before [`WELL`] has passed.
const SICKLY: &str = "sickly";
/// Long enough for it to have died, and short enough for it not to be well again.
const SICK: Duration = Duration::from_secs(40);
/// Long enough for it to be well again.
const WELL: Duration = Duration::from_secs(180);
/// Calls of one run. One that makes more has lost a bound.
const CALLS_MAX: usize = 80;
/// Longer than a run may last: what a dead one took is anybody's again.
const TAKEN: Duration = RUN_MAX.saturating_add(Duration::from_secs(1));

/// What does not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Broken {
    /// A route leads elsewhere.
    Misrouted,
    /// The proxy has lost its routes.
    Unrouted,
    /// The namespace of what runs is gone.
    Lost,
    /// What runs has no row.
    Orphaned,
    /// What has ended has a namespace and a route.
    Late,
    /// What runs keeps dying.
    Sick,
    /// What kept dying is well again.
    Well,
    /// A route leads to what nobody knows.
    Stray,
    /// What was found without a row, an hour ago, is of no use to anybody.
    Useless,
    /// A preload that is over has a namespace.
    LatePreload,
}

impl Broken {
    /// Whether it is broken without an application.
    fn is_by_itself(self) -> bool {
        matches!(self, Broken::Stray | Broken::Useless | Broken::LatePreload)
    }

    /// Whether repairing it is a judgement, for which the brake is asked.
    fn is_judged(self) -> bool {
        matches!(self, Broken::Stray | Broken::Useless)
    }

    fn template(self) -> &'static str {
        match self {
            Broken::Sick | Broken::Well => SICKLY,
            _ => TEMPLATE,
        }
    }
}

#[test]
fn a_corrected_route() {
    on_a_large_stack(|| every_call(Broken::Misrouted));
}

#[test]
fn routes_put_back() {
    on_a_large_stack(|| every_call(Broken::Unrouted));
}

#[test]
fn a_failure() {
    on_a_large_stack(|| every_call(Broken::Lost));
}

#[test]
fn an_adoption() {
    on_a_large_stack(|| every_call(Broken::Orphaned));
}

#[test]
fn a_late_removal() {
    on_a_large_stack(|| every_call(Broken::Late));
}

#[test]
fn a_trouble_that_is_told() {
    on_a_large_stack(|| every_call(Broken::Sick));
}

#[test]
fn a_recovery_that_is_told() {
    on_a_large_stack(|| every_call(Broken::Well));
}

#[test]
fn the_removal_of_an_unknown_route() {
    on_a_large_stack(|| every_call(Broken::Stray));
}

#[test]
fn the_end_of_an_orphan_of_no_use() {
    on_a_large_stack(|| every_call(Broken::Useless));
}

#[test]
fn the_late_removal_of_a_preload() {
    on_a_large_stack(|| every_call(Broken::LatePreload));
}

async fn every_call(broken: Broken) {
    let app = App::start(local::Options::embedded()).await;
    app.template(TEMPLATE, "layby/notebook:1").await;
    app.template(SICKLY, "layby/dies-after-30s").await;
    app.reap().await;
    let undisturbed = Process::start(&app, Fate::Lives).await;
    let report = point(&app, broken, &undisturbed).await.unwrap();
    let repairs = report["lanes"][0]["repairs"].as_object().unwrap();
    let repaired = repairs
        .iter()
        .filter(|(kind, number)| *kind != "swept-shards" && **number != 0);
    assert_eq!(repaired.count(), 1, "{report}");
    let calls = undisturbed.calls();
    assert!((8..CALLS_MAX).contains(&calls.len()), "{calls:?}");
    assert!(calls.iter().any(|(peer, _)| *peer == Peer::Cluster), "{calls:?}");
    for (number, call) in calls.iter().enumerate() {
        for fate in [Fate::DiesBefore(number), Fate::LosesAnswer(number)] {
            // Putting all routes back is the longest run: it lists every shard, and lists leave nothing behind.
            if broken == Broken::Unrouted && call.0 == Peer::Cluster {
                continue;
            }
            println!("{broken:?}, {fate:?}: {call:?}");
            let process = Process::start(&app, fate).await;
            point(&app, broken, &process).await;
        }
    }
    app.stop().await;
}

/// Breaks it, lets the process repair it as far as it lives, and another run do the rest. Gives the process's report.
async fn point(app: &App, broken: Broken, process: &Process) -> Option<Value> {
    let one = if broken.is_by_itself() {
        nobodys(app)
    } else {
        let one = app.launch(broken.template()).await;
        app.read_until(&one, "deployed").await;
        one
    };
    let target = meddling::target(app, &one.id).await;
    meddle(app, broken, &one).await;
    be_due(app, &one).await;
    let report = process.reap().await;
    if process.is_dead() {
        app.advance(TAKEN).await;
    }
    // What an answer was lost of may be left for the run after, and what ends soon after its launch waits a while.
    for pause in [Duration::from_secs(5), limits::TAKE_BUDGET] {
        app.advance(pause).await;
        if broken.is_judged() {
            // A shard is done before all that was judged in it is: then the next pass finds it again.
            be_due(app, &one).await;
        }
        let report = app.reap().await;
        assert_eq!(report["errors"], 0, "{report}");
    }
    mended(app, broken, &one, target).await;
    let marker = format!("/layby/{}", app.adapter().config().installation);
    let marked = meddling::proxy(app, Method::GET, &marker, &json!({})).await;
    assert_eq!(marked.status, 200);
    if !broken.is_by_itself() {
        app.delete(&one.path()).key(app.apps()).await;
        app.read_until_ended(&one).await;
    }
    report
}

/// Holds what is there against what must be there in the end.
async fn mended(app: &App, broken: Broken, one: &Launched, target: Option<String>) {
    if let Broken::Sick | Broken::Well = broken {
        // By the end it is well, whoever was to say so.
        app.advance(WELL).await;
        be_due(app, one).await;
        app.reap().await;
        let row = invariants::row(app, &one.id).await.unwrap();
        assert_eq!(row.value.waiting, None, "{row:?}");
    }
    let rows = invariants::routed(app).await;
    let state = rows.get(&one.id).map(|row| row.state.as_str());
    let expected = match broken {
        Broken::Misrouted | Broken::Unrouted | Broken::Sick | Broken::Well => Some("running"),
        Broken::Orphaned => Some("orphaned"),
        Broken::Lost | Broken::Late | Broken::Useless => Some("ended"),
        Broken::Stray | Broken::LatePreload => None,
    };
    assert_eq!(state, expected);
    match broken {
        Broken::Misrouted | Broken::Unrouted => {
            assert_eq!(meddling::target(app, &one.id).await, target);
            let row = invariants::row(app, &one.id).await.unwrap();
            assert!(
                row.value.remade.is_some(),
                "what the proxy says of its use is none: {row:?}"
            );
        }
        Broken::Stray => assert!(!invariants::has_route(app, &one.id).await),
        Broken::LatePreload => {
            let gone = invariants::cluster(app, Method::GET, &namespace(one), None).await;
            gone.expect(404);
        }
        _ => {}
    }
}

/// Lets the shard of `one` be swept by the next run.
async fn be_due(app: &App, one: &Launched) {
    let shard = shard_of(&ApplicationId::parse(&one.id).unwrap());
    meddling::set_sweep(app, shard, app.now()).await;
}

/// What was never launched, under an id of its own.
fn nobodys(app: &App) -> Launched {
    Launched {
        template: "unknown".to_owned(),
        id: ApplicationId::from_bytes(app.now().as_nanosecond().to_be_bytes()).to_string(),
        token: String::new(),
    }
}

fn namespace(one: &Launched) -> String {
    format!("/api/v1/namespaces/{}", one.id)
}

async fn meddle(app: &App, broken: Broken, one: &Launched) {
    let installation = app.adapter().config().installation;
    let elsewhere = json!({"target": "http://127.0.0.1:9", "layby": installation});
    let route = format!("/user/{}", one.id);
    match broken {
        Broken::Misrouted => drop(meddling::proxy(app, Method::POST, &route, &elsewhere).await),
        Broken::Unrouted => meddling::lose_routes(app),
        Broken::Lost => {
            let gone = invariants::cluster(app, Method::DELETE, &namespace(one), None).await;
            gone.expect(200);
            app.advance(Duration::from_secs(5)).await;
        }
        Broken::Orphaned => meddling::lose_row(app, &one.id).await,
        Broken::Late => {
            app.delete(&one.path()).key(&one.token).await.expect(202);
            app.read_until_ended(one).await;
            meddling::make_namespace(app, &one.id, installation.as_str()).await;
            meddling::proxy(app, Method::POST, &route, &elsewhere).await;
        }
        Broken::Sick => app.advance(SICK).await,
        Broken::Well => {
            app.advance(SICK).await;
            be_due(app, one).await;
            app.reap().await;
            assert!(app.read(one).await["reason"].is_string());
            app.advance(WELL).await;
        }
        Broken::Stray => {
            // Each is judged by itself: those before it count no more.
            app.advance(limits::BRAKE_WINDOW).await;
            meddling::proxy(app, Method::POST, &route, &elsewhere).await;
        }
        Broken::Useless => {
            meddling::make_namespace(app, &one.id, installation.as_str()).await;
            be_due(app, one).await;
            app.reap().await;
            app.advance(limits::ORPHAN_GRACE).await;
        }
        Broken::LatePreload => {
            meddling::make_preload_namespace(app, &one.id, installation.as_str()).await;
            app.advance(limits::PRELOAD_GRACE).await;
        }
    }
}
