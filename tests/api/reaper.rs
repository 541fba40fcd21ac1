//! The scheduled function.

use std::sync::Arc;
use std::time::Duration;

use net::{Fault, Peer};
use serde_json::{Value, json};
use tests::App;
use tests::scenario::invariants;

use crate::own::Own;

/// The reaper by itself, over the same parts.
async fn reaper(app: &App) -> Own {
    Own::open(app, &api::REAPER, app.adapter().config(), Arc::new(|_, _| Fault::Pass)).await
}

/// A report's numbers without those that are nought, those that time decides, and those of lanes, pools and leases.
fn numbers(mut report: Value) -> Value {
    let fields = report.as_object_mut().unwrap();
    for field in ["now", "lag-ms", "lanes", "pools", "environments", "leases"] {
        assert!(fields.remove(field).is_some(), "{field}");
    }
    fields.retain(|_, value| *value != json!(0));
    report
}

#[tokio::test]
async fn a_run_with_nothing_due_says_so() {
    App::run(async |app| {
        app.reap().await;
        let report = app.reap().await;
        let names = [
            "due",
            "overtaken",
            "deployed",
            "judged",
            "kept",
            "held",
            "culled",
            "failed",
            "ended",
            "waiting",
            "preloads",
            "errors",
            "left",
            "promises-left",
            "lag-ms",
        ];
        assert!(names.iter().all(|name| report[name] == json!(0)), "{report}");
        assert_eq!(report["dry-run"], false);
        let lane = &report["lanes"][0];
        assert_eq!(lane["cell"], "default");
        assert_eq!(
            lane["reach"],
            json!({"cluster": true, "proxy": true, "routes-lost": false})
        );
        assert_eq!(lane["brake"], json!({"tripped": false, "waiting": 0}));
        assert_eq!(
            (&lane["left"], report["lanes"].as_array().unwrap().len()),
            (&json!(0), 1)
        );
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
            (
                &planned["dry-run"],
                &planned["due"],
                &planned["judged"],
                &planned["culled"]
            ),
            (&json!(true), &json!(2), &json!(1), &json!(0))
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
        let expected = json!({ "dry-run": false, "due": 2, "judged": 1, "culled": 1, "deployed": 1 });
        assert_eq!(done, expected);
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
            json!({ "dry-run": false, "due": 2, "judged": 2, "kept": 1, "culled": 1 })
        );
        assert_eq!(app.read(&used).await["status"], "deployed");
        let ended = app.read_until_ended(&idle).await;
        let reason = ended["reason"].as_str().unwrap();
        assert!(reason.starts_with("Culled for inactivity: last used "), "{reason}");
        assert!(
            reason.contains(", its limit is 1 h. A request ") && reason.ends_with("would have kept it."),
            "{reason}"
        );
    })
    .await;
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_culls_nobody_and_rows_wait_as_they_are() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        app.read_until(&launched, "deployed").await;
        app.advance(Duration::from_secs(3700)).await;
        app.outages().begin(Peer::Proxy);
        assert_eq!(
            numbers(app.reap().await),
            json!({ "dry-run": false, "due": 1, "left": 1 })
        );
        app.outages().end(Peer::Proxy);
        assert_eq!(app.reap().await["culled"], 1, "it goes on at once");
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
async fn a_confirmation_is_written_and_the_run_goes_on() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.launch("notebook").await;
        app.advance(Duration::from_secs(30)).await;
        let own = reaper(app).await;
        let report = own
            .run(r#"{"confirm": {"cell": "default", "at-most": 500}}"#)
            .await
            .expect(200);
        assert_eq!(report["deployed"], 1);
        let brake = invariants::brake(app).await.unwrap();
        assert_eq!(brake.confirmed.unwrap().left, 500);
    })
    .await;
}

#[tokio::test]
async fn a_wrong_confirmation_is_refused_with_what_is_wrong() {
    App::run(async |app| {
        let own = reaper(app).await;
        let future = app.now() + jiff::SignedDuration::from_secs(60);
        let in_future = format!(r#"{{"confirm": {{"cell": "default", "before": "{future}", "at-most": 1}}}}"#);
        let cases = [
            (
                r#"{"confirm": {"cell": "other", "at-most": 1}}"#,
                "There is no cell 'other' to confirm for; there is 'default'",
            ),
            (
                r#"{"confirm": {"cell": "default", "at-most": 0}}"#,
                "'at-most' is 0: it is a whole number from 1 to 100000",
            ),
            (
                r#"{"confirm": {"cell": "default", "at-most": 100001}}"#,
                "it is a whole number from 1 to 100000",
            ),
            (
                r#"{"confirm": {"cell": "default", "at-most": -1}}"#,
                "'confirm.at-most' is not as expected",
            ),
            (r#"{"confirm": {"cell": "default"}}"#, "missing field `at-most`"),
            (
                r#"{"confirm": {"cell": "default", "at-most": 1, "force": true}}"#,
                "unknown field `force`",
            ),
            (
                r#"{"confirm": {"cell": "default", "before": "soon", "at-most": 1}}"#,
                "'confirm.before' is not as expected",
            ),
            (in_future.as_str(), "which is in the future"),
            (
                r#"{"dry-run": true, "confirm": {"cell": "default", "at-most": 1}}"#,
                "A dry run changes nothing, so it cannot confirm anything",
            ),
            (r#"{"dryrun": true}"#, "A run knows no 'dryrun'"),
        ];
        for (event, sentence) in cases {
            let refused = own.run(event).await;
            let said = refused.problem(400, "malformedRequest");
            assert!(said.contains(sentence), "{event}: {said}");
        }
        assert_eq!(invariants::brake(app).await, None, "nothing was written");
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
