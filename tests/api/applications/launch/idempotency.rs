//! `Idempotency-Key` on a launch.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use net::{Fault, Peer};
use serde_json::{Value, json};
use tests::cases::settings::action;
use tests::{Answer, App, Launched};

use crate::own::Own;

/// Long enough for anybody.
const KEY: &str = "a-key-of-22-characters";

async fn launch(app: &App, key: &str, body: &Value) -> Answer {
    app.post("/applications/notebook")
        .header("idempotency-key", key)
        .json(body)
        .await
}

async fn count(app: &App) -> usize {
    let list = app.get("/applications/").key(app.apps()).await.expect(200);
    list.as_array().unwrap().len()
}

#[tokio::test]
async fn the_same_key_and_body_get_the_same_application_and_token() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let body = json!({ "cull-timeout": 60_000 });
        let first = launch(app, KEY, &body).await.expect(200);
        let launched = Launched::of("notebook", &launch(app, KEY, &body).await);
        assert_eq!(launch(app, KEY, &body).await.expect(200), first);
        app.read_until(&launched, "deployed").await;
        let slashed = app
            .post("/applications/notebook/")
            .header("idempotency-key", KEY)
            .json(&body)
            .await;
        assert_eq!(
            slashed.expect(200),
            first,
            "also while it runs, and with a trailing slash"
        );
        assert_eq!(count(app).await, 1);
    })
    .await;
}

#[tokio::test]
async fn another_body_or_another_template_is_422() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.template("other", "layby/notebook:1").await;
        launch(app, KEY, &json!({})).await.expect(200);
        let sentence = "This Idempotency-Key came with another request before; use a new key for a new request";
        let other_body = launch(app, KEY, &json!({ "cull-timeout": 1000 })).await;
        assert_eq!(other_body.problem(422, "idempotencyKeyReused"), sentence);
        let other_template = app
            .post("/applications/other")
            .header("idempotency-key", KEY)
            .json(&json!({}))
            .await;
        assert_eq!(other_template.problem(422, "idempotencyKeyReused"), sentence);
        assert_eq!(count(app).await, 1);
    })
    .await;
}

#[tokio::test]
async fn what_has_ended_since_is_409_and_the_key_is_free_after_a_day() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = Launched::of("notebook", &launch(app, KEY, &json!({})).await);
        app.delete(&launched.path()).key(&launched.token).await.expect(202);
        let sentence = "What this Idempotency-Key launched has ended since; use a new key to launch again";
        assert_eq!(
            launch(app, KEY, &json!({})).await.problem(409, "idempotencyKeyEnded"),
            sentence
        );
        app.read_until_ended(&launched).await;
        launch(app, KEY, &json!({})).await.problem(409, "idempotencyKeyEnded");
        app.advance(Duration::from_secs(25 * 60 * 60)).await;
        let again = Launched::of("notebook", &launch(app, KEY, &json!({})).await);
        assert_ne!(again.id, launched.id);
    })
    .await;
}

#[tokio::test]
async fn the_key_outlives_its_template() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let first = launch(app, KEY, &json!({})).await.expect(200);
        app.delete("/templates/notebook").key(app.admin()).await.expect(200);
        assert_eq!(launch(app, KEY, &json!({})).await.expect(200), first);
        let other = launch(app, KEY, &json!({ "cull-timeout": 1000 })).await;
        other.problem(422, "idempotencyKeyReused");
        let unused = launch(app, "another-key-of-22-characters", &json!({})).await;
        unused.problem(404, "registryError");
    })
    .await;
}

#[tokio::test]
async fn nobody_needs_22_characters_and_a_key_needs_one() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let short = launch(app, "a-key-of-21-character", &json!({})).await;
        assert_eq!(
            short.problem(400, "badIdempotencyKey"),
            "An Idempotency-Key here has 22 to 255 characters; this one has 21"
        );
        let long = launch(app, &"x".repeat(256), &json!({})).await;
        assert_eq!(
            long.problem(400, "badIdempotencyKey"),
            "An Idempotency-Key here has 22 to 255 characters; this one has 256"
        );
        launch(app, &"x".repeat(255), &json!({})).await.expect(200);
        let keyed = || app.post("/applications/notebook").key(app.apps());
        keyed().header("idempotency-key", "1").await.expect(200);
        let empty = keyed().header("idempotency-key", "").await;
        assert_eq!(
            empty.problem(400, "badIdempotencyKey"),
            "An Idempotency-Key here has 1 to 255 characters; this one has 0"
        );
        let umlaut = app
            .post("/applications/notebook")
            .header("idempotency-key", "sch\u{f6}n-und-lang-genug-f\u{fc}r-alle")
            .await;
        assert_eq!(
            umlaut.problem(400, "badIdempotencyKey"),
            "An Idempotency-Key is plain ASCII text"
        );
    })
    .await;
}

#[tokio::test]
async fn two_callers_with_one_key_get_two_applications() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let ask = || app.post("/applications/notebook").header("idempotency-key", KEY);
        let answers = [ask().await, ask().key(app.apps()).await, ask().key(app.admin()).await];
        let ids: BTreeSet<String> = answers
            .iter()
            .map(|answer| Launched::of("notebook", answer).id)
            .collect();
        assert_eq!(ids.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn identical_requests_at_once_make_one_application() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        for at_once in [2, 32] {
            let key = format!("{KEY}-{at_once}");
            let before = count(app).await;
            let body = json!({});
            let answers = join_all((0..at_once).map(|_| launch(app, &key, &body))).await;
            let bodies: BTreeSet<String> = answers.iter().map(|answer| answer.expect(200).to_string()).collect();
            assert_eq!(bodies.len(), 1, "{bodies:?}");
            assert_eq!(count(app).await, before + 1);
        }
    })
    .await;
}

#[tokio::test]
async fn a_refusal_or_an_outage_before_the_write_leaves_the_key_free() {
    App::run(async |app| {
        launch(app, KEY, &json!({})).await.problem(404, "registryError");
        app.template("notebook", "layby/notebook:1").await;
        app.outages().begin(Peer::Store);
        launch(app, KEY, &json!({})).await.problem(503, "badDatabase");
        app.outages().end(Peer::Store);
        launch(app, KEY, &json!({ "cull-timeout": 5000 })).await.expect(200);
        assert_eq!(count(app).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_launch_whose_answer_was_lost_is_finished_by_the_same_key() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let losing: net::Faults = Arc::new(|peer, request| match (peer, action(request)) {
            (Peer::Store, "TransactWriteItems") => Fault::LoseAnswer,
            _ => Fault::Pass,
        });
        let own = Own::open(app, &api::APPLICATION_LAUNCH, app.adapter().config(), losing).await;
        let first = own
            .http
            .post("/applications/notebook")
            .header("idempotency-key", KEY)
            .json(&json!({}))
            .await;
        first.problem(503, "badDatabase");
        assert_eq!(count(app).await, 1, "it was written all the same");
        let launched = Launched::of("notebook", &launch(app, KEY, &json!({})).await);
        app.advance(Duration::from_secs(31)).await;
        app.read_until(&launched, "deployed").await;
        assert_eq!(count(app).await, 1);
    })
    .await;
}
