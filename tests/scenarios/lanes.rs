//! Cells beside each other, and parts of them that are out of reach for long.

use std::sync::Arc;
use std::time::Duration;

use domain::{Application, ApplicationId, CellName, Look, Reason, State, Template, limits};
use futures::{StreamExt, stream};
use gateway::Config;
use http::Method;
use jiff::SignedDuration;
use net::{Fault, Faults, Peer};
use serde_json::{Value, json};
use tests::App;
use tests::scenario::invariants;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::process::Process;

const TEMPLATE: &str = "notebook";
/// Runs until nothing is due.
const RUNS_MAX: usize = 10;
/// How long a run may take with a cell in it that never answers: some tries of a few seconds.
const HELD_UP_MAX: Duration = Duration::from_secs(20);
/// Rows written at a time.
const WRITERS: usize = 16;
/// A week.
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// An address that refuses every connection at once.
const REFUSING: &str = "http://127.0.0.1:1";

/// The installation's cell behind another, whose cluster and proxy are at `address`.
fn with_a_dead_cell(app: &App, address: &str) -> Config {
    let mut config = app.adapter().config();
    let mut dead = config.cells[0].clone();
    dead.name = CellName::parse("dead").unwrap();
    dead.api = address.to_owned();
    dead.proxy_api = address.to_owned();
    config.cells.insert(0, dead);
    config
}

/// Launches into the first cell of the process, and gives the application's id.
async fn launched_by(process: &Process) -> String {
    let launched = process.ask(Method::POST, "/applications/notebook", &[], "").await;
    let launched: Value = serde_json::from_slice(launched.unwrap().body()).unwrap();
    launched["id"].as_str().unwrap().to_owned()
}

fn none() -> Faults {
    Arc::new(|_, _| Fault::Pass)
}

fn lane<'a>(report: &'a Value, cell: &str) -> &'a Value {
    let lanes = report["lanes"].as_array().unwrap();
    lanes.iter().find(|lane| lane["cell"] == cell).unwrap()
}

#[tokio::test]
async fn a_dead_cell_holds_up_nobody_and_its_rows_wait_as_they_are() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let process = Process::other(app, with_a_dead_cell(app, REFUSING), none()).await;
        let stranded = &launched_by(&process).await;
        let healthy = app.launch(TEMPLATE).await;
        app.advance(Duration::from_secs(60)).await;
        let before = invariants::row(app, stranded).await.unwrap();
        assert_eq!(before.value.cell.as_str(), "dead");
        for run in 0..3 {
            let report = process.reap().await.unwrap();
            assert_eq!((&report["errors"], &report["left"]), (&json!(0), &json!(1)), "{report}");
            let nothing = json!({"cluster": false, "proxy": false, "routes-lost": false});
            assert_eq!(lane(&report, "dead")["reach"], nothing);
            assert_eq!(
                (&lane(&report, "dead")["left"], &lane(&report, "default")["left"]),
                (&json!(1), &json!(0))
            );
            assert_eq!(report["deployed"], json!(usize::from(run == 0)), "{report}");
            app.advance(Duration::from_secs(10)).await;
        }
        let after = invariants::row(app, stranded).await.unwrap();
        assert_eq!(
            (after.version, after.attempt),
            (before.version, before.attempt),
            "{after:?}"
        );
        assert_eq!(app.read(&healthy).await["phase"], "running");

        // Its launch's deadline is a promise, and needs no cluster.
        app.advance(limits::LAUNCH_MAX).await;
        let report = process.reap().await.unwrap();
        assert_eq!(report["failed"], 1, "{report}");
        let failed = invariants::row(app, stranded).await.unwrap().value;
        assert!(
            matches!(failed.reason(), Some(Reason::DeadlinePassed { .. })),
            "{failed:?}"
        );
    })
    .await;
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how long a run takes is mechanical time")]
async fn a_cell_that_never_answers_holds_up_nobody_either() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let stranded = launched_by(&Process::other(app, with_a_dead_cell(app, REFUSING), none()).await).await;
        let idle = app.launch(TEMPLATE).await;
        app.read_until(&idle, "deployed").await;
        app.advance(Duration::from_secs(61 * 60)).await;
        let young = app.launch(TEMPLATE).await;
        app.advance(Duration::from_secs(5)).await;

        // The system accepts connections for whoever never does.
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", silent.local_addr().unwrap());
        let process = Process::other(app, with_a_dead_cell(app, &address), none()).await;
        let began = Instant::now();
        let report = process.reap().await.unwrap();
        assert!(began.elapsed() < HELD_UP_MAX, "{:?}", began.elapsed());
        assert_eq!(
            (&report["errors"], &report["culled"], &report["deployed"]),
            (&json!(0), &json!(1), &json!(1)),
            "{report}"
        );
        let nothing = json!({"cluster": false, "proxy": false, "routes-lost": false});
        assert_eq!(lane(&report, "dead")["reach"], nothing);
        assert_eq!(lane(&report, "default")["left"], 0);
        assert_eq!(app.read(&young).await["phase"], "running");
        assert_eq!(app.read(&idle).await["status"], "deleted");
        // Its promise needs no answer.
        let failed = invariants::row(app, &stranded).await.unwrap().value;
        assert!(
            matches!(failed.reason(), Some(Reason::DeadlinePassed { .. })),
            "{failed:?}"
        );
    })
    .await;
}

/// Everything about pods and namespaces fails, though the cluster says that it is there.
fn failing() -> Faults {
    Arc::new(|peer, request| {
        let concerns = request.uri().path().starts_with("/api/v1/namespaces");
        if peer == Peer::Cluster && concerns {
            Fault::Refuse
        } else {
            Fault::Pass
        }
    })
}

#[tokio::test]
async fn what_fails_again_and_again_is_left_alone_for_the_rest_of_a_run() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        let waiting = 60;
        app.outages().begin(Peer::Cluster);
        for _ in 0..waiting {
            app.launch(TEMPLATE).await;
        }
        app.outages().end(Peer::Cluster);
        app.advance(Duration::from_secs(5)).await;
        let process = Process::other(app, app.adapter().config(), failing()).await;
        let report = process.reap().await.unwrap();
        let tried = report["waiting"].as_u64().unwrap();
        let most = u64::from(limits::BREAKER_FAILURES) + limits::REAP_CONCURRENCY as u64;
        assert!((5..=most).contains(&tried), "{report}");
        assert_eq!(report["left"].as_u64().unwrap(), waiting - tried, "{report}");
    })
    .await;
}

/// Applications that were launched a week ago and whose age has ended, straight in the table.
async fn too_old(app: &App, count: u64) {
    let lifecycle = app.adapter().lifecycle().unwrap();
    let template: Template =
        serde_json::from_value(json!({"name": TEMPLATE, "image-source": "layby/notebook:1"})).unwrap();
    let cell = lifecycle.cells().next().unwrap().cell.clone();
    let (store, now) = (lifecycle.store(), app.now());
    let writes = (0..count).map(|number| {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&(number as u16).to_be_bytes());
        id[8..].copy_from_slice(&number.to_be_bytes());
        let launched_at = now - WEEK;
        let mut application =
            Application::launch(ApplicationId::from_bytes(id), &template, &cell, None, None, launched_at);
        application.state = State::Running {
            namespace_uid: "00000000-0000-4000-8000-000000000000".to_owned(),
            deployed_at: launched_at,
        };
        application.location = Some(cell.location(&application.id));
        let by = format!("lanes/{number}");
        async move {
            let look = Look { now, by };
            store.launch(&application, now, &look, None, &[]).await.unwrap();
        }
    });
    stream::iter(writes).buffer_unordered(WRITERS).collect::<Vec<_>>().await;
}

#[tokio::test]
async fn after_a_week_of_silence_the_tombstones_are_paced() {
    App::run(async |app| {
        let count = limits::PROMISES_A_RUN as u64 + 80;
        too_old(app, count).await;
        let report = app.reap().await;
        assert_eq!(report["culled"], limits::PROMISES_A_RUN, "{report}");
        assert_eq!((&report["left"], &report["promises-left"]), (&json!(80), &json!(80)));
        for _ in 0..RUNS_MAX {
            app.advance(Duration::from_secs(60)).await;
            let report = app.reap().await;
            assert_eq!(report["errors"], 0, "{report}");
            if report["due"] == 0 {
                break;
            }
        }
        let rows = invariants::at_rest(app).await;
        assert!(rows.values().all(|row| row.state == "ended"), "{rows:?}");
    })
    .await;
}
