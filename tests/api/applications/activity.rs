//! `POST /applications/{template}/{id}/activity`.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tests::{App, Launched};

const MINUTE: Duration = Duration::from_secs(60);

async fn running(app: &App, limits: serde_json::Value) -> Launched {
    app.template("notebook", "layby/notebook:1").await;
    let body = app.post("/applications/notebook").json(&limits).await.expect(200);
    let launched = Launched {
        template: "notebook".to_owned(),
        id: body["id"].as_str().unwrap().to_owned(),
        token: body["token"].as_str().unwrap().to_owned(),
    };
    app.read_until(&launched, "deployed").await;
    launched
}

fn path(launched: &Launched) -> String {
    format!("{}/activity", launched.path())
}

#[tokio::test]
async fn what_reports_itself_used_is_not_culled_and_says_when_it_was_used_last() {
    App::run(async |app| {
        let used = running(app, json!({"cull-timeout": 600_000})).await;
        let mut reported = app.now()..=app.now();
        for _ in 0..3 {
            app.advance(MINUTE * 9).await;
            let before = app.now();
            let answer = app.post(&path(&used)).key(&used.token).await;
            assert_eq!((answer.status.as_u16(), answer.text()), (204, String::new()));
            reported = before..=app.now();
            app.adapter().reap().await;
        }
        assert_eq!(app.read(&used).await["status"], "deployed");
        app.advance(MINUTE * 11).await;
        app.adapter().reap().await;
        let seen = app.read_until_ended(&used).await;
        let reason = seen["reason"].as_str().unwrap();
        let (_, rest) = reason.split_once("last used ").unwrap();
        let last_use: Timestamp = rest.split_once(',').unwrap().0.parse().unwrap();
        // It is told in whole seconds.
        let from = *reported.start() - SignedDuration::from_secs(1);
        assert!((from..=*reported.end()).contains(&last_use), "{reason}: {reported:?}");
    })
    .await;
}

#[tokio::test]
async fn it_never_prolongs_the_maximum_age() {
    App::run(async |app| {
        let used = running(app, json!({"max-age": 1_200_000})).await;
        for _ in 0..3 {
            app.advance(MINUTE * 7).await;
            app.post(&path(&used)).key(app.apps()).await;
            app.adapter().reap().await;
        }
        let seen = app.read_until_ended(&used).await;
        assert!(seen["reason"].as_str().unwrap().starts_with("Ended by its maximum age"));
    })
    .await;
}

#[tokio::test]
async fn it_is_written_at_most_every_half_minute() {
    App::run(async |app| {
        let used = running(app, json!({})).await;
        let calls = async || {
            app.post(&path(&used)).key(&used.token).await;
            let log = app.log();
            log.last().unwrap()["store_calls"].as_u64().unwrap()
        };
        app.advance(MINUTE).await;
        // The token of a launch is looked for among the keys first.
        assert_eq!(calls().await, 3, "a key, a read and a write");
        assert_eq!(calls().await, 2, "nothing is written");
        app.advance(MINUTE / 2).await;
        assert_eq!(calls().await, 3);
    })
    .await;
}

#[tokio::test]
async fn there_is_nothing_to_say_in_it() {
    App::run(async |app| {
        let used = running(app, json!({})).await;
        let report = |body: &str| app.post(&path(&used)).key(&used.token).body(body.to_owned());
        for body in ["", "{}"] {
            assert_eq!(report(body).await.status.as_u16(), 204, "{body}");
        }
        for (body, wrong) in [
            (r#"{"last-activity": "2026-01-01T00:00:00Z"}"#, "last-activity"),
            (r#"{"at": 1, "by": 2}"#, "at"),
            ("[]", ""),
            ("\"now\"", ""),
            ("{", ""),
        ] {
            let sentence = report(body).await.problem(400, "malformedRequest");
            assert!(sentence.contains(wrong), "{body}: {sentence}");
        }
    })
    .await;
}

#[tokio::test]
async fn only_its_own_token_and_keys_report_and_only_what_has_not_ended() {
    App::run(async |app| {
        let (used, other) = (running(app, json!({})).await, app.launch("notebook").await);
        for key in [&other.token, "wrong"] {
            app.post(&path(&used)).key(key).await.problem(403, "unauthorized");
        }
        assert_eq!(
            app.post(&path(&other)).key(app.apps()).await.status.as_u16(),
            204,
            "it still starts"
        );
        app.post("/applications/other/00000000000000000000000000000000/activity")
            .key(app.apps())
            .await
            .problem(404, "noRecord");
        app.delete(&used.path()).key(app.apps()).await.expect(202);
        app.post(&path(&used)).key(&used.token).await.problem(409, "hasEnded");
    })
    .await;
}
