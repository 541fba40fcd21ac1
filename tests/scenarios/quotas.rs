//! Installations and cells that are full, and that have room again.

use std::sync::Arc;
use std::time::Duration;

use domain::{CellName, limits};
use gateway::{Config, SecretsFrom};
use http::Method;
use net::Fault;
use serde_json::Value;
use tests::scenario::invariants;
use tests::{App, Launched};

use crate::process::Process;

const TEMPLATE: &str = "notebook";
const PATH: &str = "/applications/notebook";

/// A process whose first cell may have so many applications, so many of which may be starting.
pub async fn with_room(app: &App, capacity: Option<u32>, starts: Option<u32>) -> Process {
    limited(app, app.adapter().config(), capacity, starts).await
}

async fn limited(app: &App, mut config: Config, capacity: Option<u32>, starts: Option<u32>) -> Process {
    config.cells[0].capacity = capacity;
    config.cells[0].starts = starts;
    Process::other(app, config, Arc::new(|_, _| Fault::Pass)).await
}

/// The installation's configuration with a second cell, in front of the same cluster.
fn with_a_second_cell(app: &App) -> Config {
    let mut config = app.adapter().config();
    let mut second = config.cells[0].clone();
    second.name = CellName::parse("second").unwrap();
    if let SecretsFrom::Given(secrets) = &mut config.secrets {
        let same = secrets.cells[&config.cells[0].name].clone();
        secrets.cells.insert(second.name.clone(), same);
    }
    config.cells.push(second);
    config
}

/// Launches by a process: the status, how long to wait, and the body.
pub async fn launch_by(process: &Process) -> (u16, Option<u64>, Value) {
    let answer = process.ask(Method::POST, PATH, &[], "").await.unwrap();
    let wait = answer
        .headers()
        .get("retry-after")
        .map(|wait| wait.to_str().unwrap().parse().unwrap());
    (
        answer.status().as_u16(),
        wait,
        serde_json::from_slice(answer.body()).unwrap(),
    )
}

async fn launched_by(process: &Process) -> Launched {
    let (status, _, body) = launch_by(process).await;
    assert_eq!(status, 200, "{body}");
    Launched {
        template: TEMPLATE.to_owned(),
        id: body["id"].as_str().unwrap().to_owned(),
        token: body["token"].as_str().unwrap().to_owned(),
    }
}

/// That there is no room, for this reason.
async fn refused_by(process: &Process, reason: &str) {
    let (status, wait, problem) = launch_by(process).await;
    assert_eq!((status, &problem["type"]), (429, &"quotaExceeded".into()), "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
    assert!(wait.is_some_and(|wait| wait <= 3_600), "{wait:?}");
}

/// The cells in which the next launches are.
async fn cells_of(app: &App, process: &Process, launches: usize) -> Vec<String> {
    let mut cells = Vec::new();
    for _ in 0..launches {
        let launched = launched_by(process).await;
        let row = invariants::row(app, &launched.id).await.unwrap();
        cells.push(row.value.cell.to_string());
    }
    cells
}

#[tokio::test]
async fn where_one_cell_is_full_the_next_is_taken() {
    App::run(async |app| {
        app.template(TEMPLATE, "layby/never-ready:1").await;
        for (capacity, starts) in [(Some(1), None), (None, Some(1))] {
            let process = limited(app, with_a_second_cell(app), capacity, starts).await;
            assert_eq!(cells_of(app, &process, 3).await, ["default", "second", "second"]);
        }
    })
    .await;
}

#[tokio::test]
async fn only_so_many_start_in_a_cell_until_one_runs_or_has_failed() {
    const FULL: &str = "in the cell 'default' 2 applications may be starting at once, and are";
    App::run(async |app| {
        let process = with_room(app, None, Some(2)).await;
        app.template(TEMPLATE, "layby/never-ready:1").await;
        let never = launched_by(&process).await;
        app.template(TEMPLATE, "layby/slow-60s:1").await;
        let slow = launched_by(&process).await;
        refused_by(&process, FULL).await;
        app.advance(Duration::from_secs(30)).await;
        app.reap().await;
        refused_by(&process, FULL).await;

        app.read_until(&slow, "deployed").await;
        let next = launched_by(&process).await;
        refused_by(&process, FULL).await;

        app.read_until(&next, "deployed").await;
        launched_by(&process).await;
        refused_by(&process, FULL).await;
        app.advance(limits::LAUNCH_MAX).await;
        assert_eq!(app.read(&never).await["status"], "failed");
        launched_by(&process).await;

        let counters = invariants::counters(app).await;
        assert_eq!(counters["QUOTA#starts:default#00"], 2, "{counters:?}");
    })
    .await;
}

#[tokio::test]
async fn a_spare_that_starts_takes_a_place_of_those_that_start() {
    App::run(async |app| {
        let process = with_room(app, None, Some(1)).await;
        app.template(TEMPLATE, "layby/notebook:1").await;
        app.pool(TEMPLATE, 2).await;
        let report = process.reap().await.unwrap();
        assert_eq!(
            (&report["pools"]["made"], &report["pools"]["without-room"]),
            (&1.into(), &1.into()),
            "{report}"
        );
        refused_by(&process, "1 applications may be starting at once").await;
        app.advance(Duration::from_secs(5)).await;
        process.reap().await.unwrap();
        // The first is ready and goes out; the second starts.
        launched_by(&process).await;
        refused_by(&process, "1 applications may be starting at once").await;
    })
    .await;
}

#[tokio::test]
async fn an_installations_quota_holds_over_all_templates_and_binds_no_key() {
    App::run_with(&[("LAYBY_QUOTA", "2")], async |app| {
        app.template(TEMPLATE, "layby/notebook:1").await;
        app.template("other", "layby/notebook:1").await;
        let key = "a-key-that-is-long-enough";
        let keyed = || app.post(PATH).header("idempotency-key", key);
        let first = Launched::of(TEMPLATE, &keyed().await);
        let second = app.launch("other").await;
        let sentence = app.post(PATH).await.problem(429, "quotaExceeded");
        assert!(sentence.contains("2 applications at once"), "{sentence}");
        assert_eq!(
            Launched::of(TEMPLATE, &keyed().await).id,
            first.id,
            "what stands is told however full it is"
        );

        let other = "another-key-that-is-long-enough";
        let late = || app.post(PATH).header("idempotency-key", other);
        late().await.problem(429, "quotaExceeded");
        app.delete(&second.path()).key(&second.token).await.expect(202);
        app.read_until_ended(&second).await;
        let launched = Launched::of(TEMPLATE, &late().await);
        assert_ne!(launched.id, first.id);
        late().await.expect(200);
    })
    .await;
}
