//! The scheduled function.

use std::sync::Arc;
use std::time::Duration;

use net::{Fault, Peer};
use serde_json::{Value, json};
use tests::App;

use crate::own::Own;

/// The reaper by itself, over the same parts.
async fn reaper(app: &App) -> Own {
    Own::open(app, &api::REAPER, app.adapter().config(), Arc::new(|_, _| Fault::Pass)).await
}

/// A report's numbers without those that are nought, and without those that time decides.
fn numbers(mut report: Value) -> Value {
    let fields = report.as_object_mut().unwrap();
    assert!(fields.remove("now").is_some() && fields.remove("lag-ms").is_some());
    fields.retain(|_, value| *value != json!(0));
    report
}

#[tokio::test]
async fn a_run_with_nothing_due_says_so() {
    App::run(async |app| {
        let report = app.reap().await;
        let expected = json!({
            "now": report["now"], "dry-run": false, "due": 0, "overtaken": 0, "deployed": 0, "kept": 0, "culled": 0,
            "failed": 0, "ended": 0, "waiting": 0, "errors": 0, "left": 0, "lag-ms": 0,
        });
        assert_eq!(report, expected);
    })
    .await;
}

#[tokio::test]
async fn a_dry_run_prints_the_plan_and_changes_nothing() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let (idle, young) = (app.launch("notebook").await, app.launch("notebook").await);
        app.read_until(&idle, "deployed").await;
        app.advance(Duration::from_secs(3700)).await;
        let own = reaper(app).await;
        let planned = own.run(r#"{"dry-run": true}"#).await.expect(200);
        assert_eq!(
            (&planned["dry-run"], &planned["due"], &planned["culled"]),
            (&json!(true), &json!(2), &json!(0))
        );
        let mut plan: Vec<(&str, &str)> = planned["plan"]
            .as_array()
            .unwrap()
            .iter()
            .map(|step| (step["id"].as_str().unwrap(), step["act"].as_str().unwrap()))
            .collect();
        // The two may be in different shards, which have no order among them.
        plan.sort_by_key(|(_, act)| *act);
        assert_eq!(plan, [(young.id.as_str(), "advance"), (idle.id.as_str(), "judge")]);
        assert_eq!(
            own.run(r#"{"dry-run": true}"#).await.expect(200)["plan"],
            planned["plan"]
        );
        assert_eq!(app.read(&idle).await["status"], "deployed");

        let done = numbers(own.run("{}").await.expect(200));
        assert_eq!(done, json!({ "dry-run": false, "due": 2, "culled": 1, "deployed": 1 }));
    })
    .await;
}

#[tokio::test]
async fn what_is_in_use_is_kept_and_what_is_idle_is_culled_with_the_reason() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let (used, idle) = (app.launch("notebook").await, app.launch("notebook").await);
        for launched in [&used, &idle] {
            app.read_until(launched, "deployed").await;
        }
        app.advance(Duration::from_secs(3000)).await;
        let page = tests::Http::new(&app.ready().proxy)
            .get(&format!("/user/{}/", used.id))
            .await;
        assert_eq!(page.status, 200);
        app.advance(Duration::from_secs(1000)).await;
        assert_eq!(
            numbers(app.reap().await),
            json!({ "dry-run": false, "due": 2, "kept": 1, "culled": 1 })
        );
        assert_eq!(app.read(&used).await["status"], "deployed");
        let ended = app.read_until_ended(&idle).await;
        let reason = ended["reason"].as_str().unwrap();
        assert!(reason.starts_with("Culled for inactivity: last used "), "{reason}");
        assert!(
            reason.contains(", its limit is 1 h. A request that succeeds, or a message"),
            "{reason}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_cannot_tell_culls_nobody() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        app.read_until(&launched, "deployed").await;
        app.advance(Duration::from_secs(3700)).await;
        app.outages().begin(Peer::Proxy);
        assert_eq!(
            numbers(app.reap().await),
            json!({ "dry-run": false, "due": 1, "kept": 1 })
        );
        app.outages().end(Peer::Proxy);
        app.advance(Duration::from_secs(61)).await;
        assert_eq!(app.reap().await["culled"], 1);
    })
    .await;
}

#[tokio::test]
async fn the_schedules_own_event_asks_for_nothing_and_a_wrong_one_is_refused() {
    App::run(async |app| {
        let own = reaper(app).await;
        let event = json!({
            "version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "resources": [], "detail": {},
        });
        assert_eq!(own.run(&event.to_string()).await.expect(200)["dry-run"], false);
        let refused = own.run(r#"{"dry-run": "yes"}"#).await;
        let sentence = refused.problem(400, "malformedRequest");
        assert_eq!(
            sentence,
            "'dry-run' is not as expected: invalid type: string \"yes\", expected a boolean"
        );
    })
    .await;
}

#[tokio::test]
async fn without_the_table_a_run_fails_and_the_next_does_the_work() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.launch("notebook").await;
        app.advance(Duration::from_secs(30)).await;
        app.outages().begin(Peer::Store);
        app.post("/_local/reap").await.expect(503);
        app.outages().end(Peer::Store);
        assert_eq!(app.reap().await["deployed"], 1);
    })
    .await;
}
