//! Many that seem unused at once, and a proxy that says so wrongly.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::ApplicationId;
use futures::{StreamExt, stream};
use http::{Method, Response};
use jiff::SignedDuration;
use net::{Fault, Faults, Peer};
use serde_json::{Value, json};
use tests::{App, Http, Launched};

use crate::process::Process;
use tests::scenario::{invariants, meddling};

const TEMPLATE: &str = "notebook";
/// More than an application may be idle.
const IDLE: Duration = Duration::from_secs(61 * 60);
/// How often what waits under the brake is judged again, and a little more.
const AGAIN: Duration = Duration::from_secs(301);
/// Launches under way at once.
const LAUNCHERS: usize = 8;
/// Reads until all run.
const READS_MAX: usize = 20;

/// `count` applications that run.
async fn deployed(app: &App, count: usize) -> Vec<Launched> {
    app.template(TEMPLATE, "layby/notebook:1").await;
    let launched = stream::iter(0..count).map(|_| app.launch(TEMPLATE)).buffered(LAUNCHERS);
    let launched: Vec<Launched> = launched.collect().await;
    for _ in 0..READS_MAX {
        app.advance(Duration::from_secs(2)).await;
        app.reap().await;
        if statuses(app).await == vec!["deployed"; count] {
            return launched;
        }
    }
    panic!("they do not come up: {:?}", statuses(app).await);
}

async fn statuses(app: &App) -> Vec<String> {
    let all = app.get("/applications/").key(app.apps()).await.expect(200);
    let all = all.as_array().unwrap().iter();
    all.map(|one| one["status"].as_str().unwrap().to_owned()).collect()
}

async fn ended(app: &App) -> usize {
    statuses(app).await.iter().filter(|status| *status == "deleted").count()
}

async fn visit(app: &App, one: &Launched) {
    let page = Http::new(&app.ready().proxy).get(&format!("/user/{}/", one.id)).await;
    assert_eq!(page.status, 200);
}

async fn confirm(app: &App, at_most: u64) -> Value {
    let event = json!({"confirm": {"cell": "default", "at-most": at_most}});
    app.post("/_local/reap").json(&event).await.expect(200)
}

/// What a report says of culls, and of the brake of its one lane.
fn said(report: &Value) -> Value {
    let brake = &report["lanes"][0]["brake"];
    json!([report["culled"], report["held"], brake["tripped"], brake["waiting"]])
}

#[tokio::test]
async fn an_idle_mass_waits_until_it_is_confirmed_and_what_is_used_meanwhile_stays() {
    App::run(async |app| {
        let launched = deployed(app, 30).await;
        app.advance(IDLE).await;
        for one in &launched[..5] {
            visit(app, one).await;
        }
        let report = app.reap().await;
        assert_eq!(said(&report), json!([0, 25, true, 25]), "{report}");
        assert_eq!((&report["kept"], ended(app).await), (&json!(5), 0));
        let told = app.read(&launched[5]).await;
        assert_eq!(
            (&told["status"], &told["phase"]),
            (&json!("deployed"), &json!("running"))
        );
        assert!(told["events"].to_string().contains("held"), "{told}");
        let line = app
            .log()
            .into_iter()
            .rev()
            .find(|line| line["function"] == "reaper")
            .unwrap();
        assert_eq!(
            (&line["BrakeTripped"], &line["BrakeWaiting"]),
            (&json!(1.0), &json!(25.0))
        );

        // Nobody says anything: they wait on, and one of them is used again.
        visit(app, &launched[5]).await;
        app.advance(AGAIN).await;
        let report = app.reap().await;
        assert_eq!(said(&report), json!([0, 24, true, 24]), "{report}");
        let released = invariants::row(app, &launched[5].id).await.unwrap();
        assert_eq!(released.value.held_since, None);

        // A word for three of them, and for no more.
        confirm(app, 3).await;
        app.advance(AGAIN).await;
        assert_eq!(said(&app.reap().await), json!([3, 21, true, 21]));
        confirm(app, 500).await;
        app.advance(AGAIN).await;
        let report = app.reap().await;
        assert_eq!(said(&report), json!([21, 0, false, 0]), "{report}");
        assert_eq!(ended(app).await, 24);
        for one in &launched[..6] {
            assert_eq!(app.read(one).await["status"], "deployed");
        }
    })
    .await;
}

#[tokio::test]
async fn a_brake_that_holds_keeps_no_promise_from_being_kept() {
    App::run(async |app| {
        let launched = deployed(app, 22).await;
        app.template_of(
            "short",
            &json!({"image-source": "layby/notebook:1", "max-age": 7_000_000}),
        )
        .await;
        let short = app.launch("short").await;
        app.read_until(&short, "deployed").await;
        app.advance(IDLE).await;
        visit(app, &short).await;
        assert_eq!(said(&app.reap().await), json!([0, 22, true, 22]));
        app.advance(Duration::from_secs(3_400)).await;
        visit(app, &short).await;
        let report = app.reap().await;
        assert_eq!(
            (&report["culled"], &report["lanes"][0]["brake"]["tripped"]),
            (&json!(1), &json!(true))
        );
        let told = app.read_until_ended(&short).await;
        assert!(told["reason"].as_str().unwrap().contains("maximum age"), "{told}");
        assert_eq!(app.read(&launched[0]).await["status"], "deployed");
    })
    .await;
}

#[tokio::test]
async fn a_few_are_culled_as_ever_and_reserved_once() {
    App::run(async |app| {
        deployed(app, 3).await;
        app.advance(IDLE).await;
        assert_eq!(said(&app.reap().await), json!([3, 0, false, 0]));
        let brake = invariants::brake(app).await.unwrap();
        assert_eq!((brake.culled, brake.tripped), (3, None));
    })
    .await;
}

/// Lets every shard of the sweep be due, and gives the run's report.
async fn swept(app: &App) -> Value {
    meddling::set_sweep(app, 0, app.now() - SignedDuration::from_hours(1)).await;
    let report = app.reap().await;
    assert_eq!(report["errors"], 0, "{report}");
    report
}

#[tokio::test]
async fn orphans_of_a_table_that_lost_its_rows_wait_until_they_are_confirmed() {
    App::run(async |app| {
        let launched = deployed(app, 24).await;
        for one in &launched {
            meddling::lose_row(app, &one.id).await;
        }
        let report = swept(app).await;
        assert_eq!(report["lanes"][0]["repairs"]["orphans-adopted"], 24, "{report}");
        app.advance(IDLE).await;
        visit(app, &launched[0]).await;
        let report = swept(app).await;
        assert_eq!(said(&report), json!([0, 23, true, 23]), "{report}");
        assert_eq!(app.read(&launched[1]).await["phase"], "orphaned");
        confirm(app, 500).await;
        app.advance(AGAIN).await;
        let report = app.reap().await;
        assert_eq!(said(&report), json!([23, 0, false, 0]), "{report}");
        assert_eq!(ended(app).await, 23);
        assert_eq!(app.read(&launched[0]).await["phase"], "orphaned");
    })
    .await;
}

#[tokio::test]
async fn routes_that_nobody_knows_wait_where_they_are_many() {
    App::run(async |app| {
        app.reap().await;
        let installation = app.adapter().config().installation;
        let route = json!({"target": "http://127.0.0.1:9", "layby": installation});
        let ids: Vec<String> = (1..=24)
            .map(|number| ApplicationId::from_bytes([number * 10; 16]).to_string())
            .collect();
        for id in &ids {
            meddling::proxy(app, Method::POST, &format!("/user/{id}"), &route).await;
        }
        let routed = async || {
            let routes = invariants::routes(app).await;
            ids.iter().filter(|id| routes.contains_key(*id)).count()
        };
        let waits = async || {
            let report = swept(app).await;
            let repairs = &report["lanes"][0]["repairs"];
            (
                repairs["held"].clone(),
                repairs["routes-removed"].clone(),
                routed().await,
            )
        };
        assert_eq!(waits().await, (json!(24), json!(0), 24));
        app.advance(AGAIN).await;
        assert_eq!(waits().await, (json!(24), json!(0), 24));
        let report = app.reap().await;
        assert_eq!(said(&report), json!([0, 0, true, 24]), "{report}");
        confirm(app, 10).await;
        assert_eq!(waits().await, (json!(14), json!(10), 14));
        confirm(app, 500).await;
        assert_eq!(waits().await, (json!(0), json!(14), 0));
        assert_eq!(said(&app.reap().await), json!([0, 0, false, 0]));
    })
    .await;
}

/// What a proxy answers when it is asked for all of its routes.
const LIES: [&str; 5] = ["nothing wrong", "1970", "an empty table", "an error", "less than half"];

/// A proxy that tells the lie of this number, of these applications.
fn lying(number: Arc<AtomicU8>, ids: Vec<String>, installation: String) -> Faults {
    Arc::new(move |peer, request| {
        let is_list = request.method() == Method::GET && request.uri().path().trim_end_matches('/') == "/api/routes";
        let lie = LIES[usize::from(number.load(Ordering::SeqCst))];
        if peer != Peer::Proxy || !is_list || lie == LIES[0] {
            return Fault::Pass;
        }
        let told = |ids: &[String], last: &str| {
            let route = |id: &String| {
                let route = json!({"target": "http://127.0.0.1:9", "layby": installation, "last_activity": last});
                (format!("/user/{id}"), route)
            };
            Value::Object(ids.iter().map(route).collect()).to_string()
        };
        let long_ago = "2000-01-01T00:00:00.000Z";
        let (status, body) = match lie {
            "1970" => (200, told(&ids, "1970-01-01T00:00:00.000Z")),
            "an empty table" => (200, "{}".to_owned()),
            "less than half" => (200, told(&ids[..ids.len() / 2 - 1], long_ago)),
            _ => (500, "{}".to_owned()),
        };
        let answer = Response::builder().status(status).body(Bytes::from(body)).unwrap();
        Fault::Answer(answer)
    })
}

#[tokio::test]
async fn whatever_a_lying_proxy_says_nobody_is_culled_for_it() {
    App::run(async |app| {
        let launched = deployed(app, 12).await;
        let ids = launched.iter().map(|one| one.id.clone()).collect();
        let (lie, config) = (Arc::new(AtomicU8::new(0)), app.adapter().config());
        let faults = lying(Arc::clone(&lie), ids, config.installation.as_str().to_owned());
        let process = Process::other(app, config, faults).await;
        app.advance(IDLE).await;
        for one in &launched {
            visit(app, one).await;
        }
        for (number, what) in LIES.iter().enumerate().skip(1) {
            lie.store(u8::try_from(number).unwrap(), Ordering::SeqCst);
            let report = process.reap().await.unwrap();
            let told = (&report["kept"], &report["culled"], &report["held"], &report["errors"]);
            assert_eq!(told, (&json!(12), &json!(0), &json!(0), &json!(0)), "{what}: {report}");
            app.advance(Duration::from_secs(61)).await;
        }
        lie.store(0, Ordering::SeqCst);
        let report = process.reap().await.unwrap();
        assert_eq!(
            (&report["kept"], &report["culled"]),
            (&json!(12), &json!(0)),
            "{report}"
        );
        assert_eq!(statuses(app).await, vec!["deployed"; 12]);
    })
    .await;
}

#[tokio::test]
async fn a_list_that_leaves_a_route_out_does_not_cost_what_is_known_of_its_use() {
    App::run(async |app| {
        let one = deployed(app, 1).await.remove(0);
        let known = invariants::last_activity(app, &one.id).await;
        let empty: Faults = Arc::new(|peer, request| match (peer, request.uri().path()) {
            (Peer::Proxy, "/api/routes") => Fault::Answer(Response::new(Bytes::from_static(b"{}"))),
            _ => Fault::Pass,
        });
        let lied_to = Process::other(app, app.adapter().config(), empty).await;
        let mut swept = 0;
        for _ in 0..2 {
            app.advance(Duration::from_secs(17 * 60)).await;
            let report = lied_to.reap().await.unwrap();
            let repairs = &report["lanes"][0]["repairs"];
            assert_eq!(repairs["routes-remade"], 0, "{report}");
            swept += repairs["swept-shards"].as_u64().unwrap();
        }
        assert!(swept >= 16, "{swept}");
        let row = invariants::row(app, &one.id).await.unwrap();
        assert_eq!(row.value.remade, None);
        assert_eq!(invariants::last_activity(app, &one.id).await, known);
    })
    .await;
}
