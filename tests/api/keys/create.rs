//! `POST /keys`.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use net::{Fault, Peer};
use serde_json::{Value, json};
use tests::cases::settings::action;
use tests::{Answer, App};

use super::{made, shown};
use crate::own::Own;

async fn ask(app: &App, body: &Value) -> Answer {
    app.post("/keys").key(app.admin()).json(body).await
}

async fn ask_with(app: &App, idempotency_key: &str, body: &Value) -> Answer {
    let asked = app.post("/keys").key(app.admin()).json(body);
    asked.header("idempotency-key", idempotency_key).await
}

fn apps(name: &str) -> Value {
    json!({ "name": name, "scopes": ["apps"] })
}

#[tokio::test]
async fn a_key_is_shown_once_and_good_at_once_for_what_it_says() {
    App::run(async |app| {
        let answer = made(app, "ci").await;
        let created: Timestamp = answer["created_at"].as_str().unwrap().parse().unwrap();
        assert!(created <= app.now());
        assert_eq!(
            answer,
            json!({ "name": "ci", "scopes": ["apps"], "created_at": answer["created_at"], "key": answer["key"] })
        );
        assert!(shown(&answer).len() >= 43);
        app.get("/templates").key(shown(&answer)).await.expect(200);
        app.get("/keys").key(shown(&answer)).await.problem(403, "unauthorized");

        let admin = ask(app, &json!({ "name": "second", "scopes": ["admin"] }))
            .await
            .expect(201);
        let listed = app.get("/keys").key(shown(&admin)).await;
        assert!(!listed.text().contains(shown(&answer)));
    })
    .await;
}

#[tokio::test]
async fn an_answer_says_everything_that_was_asked_for() {
    App::run(async |app| {
        let end = app.now() + SignedDuration::from_hours(1);
        let body = json!({
            "name": "tenants", "scopes": ["leases", "envs", "leases"], "organisations": ["acme", "beta", "acme"],
            "expires_at": end.to_string(),
        });
        let answer = ask(app, &body).await.expect(201);
        assert_eq!(answer["scopes"], json!(["envs", "leases"]));
        assert_eq!(answer["organisations"], json!(["acme", "beta"]));
        assert_eq!(
            answer["expires_at"].as_str().unwrap().parse::<Timestamp>().unwrap(),
            end
        );
        app.get("/templates")
            .key(shown(&answer))
            .await
            .problem(403, "unauthorized");
        app.get("/health").key(shown(&answer)).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused_in_a_sentence() {
    App::run(async |app| {
        let at = |hours: i64| (app.now() + SignedDuration::from_hours(hours)).to_string();
        let many: Vec<String> = (0..=100).map(|number| format!("o{number}")).collect();
        let cases = [
            (json!({}), 400, "missing field `name`"),
            (json!({ "name": "k" }), 400, "missing field `scopes`"),
            (json!({ "name": "K", "scopes": ["apps"] }), 400, "a key's name is a DNS label"),
            (json!({ "name": "k", "scopes": [] }), 400, "one of apps, envs, leases, admin"),
            (json!({ "name": "k", "scopes": "apps" }), 400, "'scopes'"),
            (
                json!({ "name": "k", "scopes": ["root"] }),
                400,
                "'scopes[0]' is not as expected: unknown variant `root`, expected one of `apps`, `envs`, `leases`, `admin`",
            ),
            (json!({ "name": "k", "scopes": ["apps"], "scope": 1 }), 400, "unknown field `scope`"),
            (json!({ "name": "k", "scopes": ["apps"], "expires_at": at(-1) }), 400, "which is past"),
            (json!({ "name": "k", "scopes": ["apps"], "expires_at": at(24 * 3651) }), 400, "at most 3650 days"),
            (json!({ "name": "k", "scopes": ["apps"], "expires_at": "soon" }), 400, "'expires_at'"),
            (json!({ "name": "k", "scopes": ["envs"], "organisations": [] }), 400, "0 entries"),
            (json!({ "name": "k", "scopes": ["envs"], "organisations": many }), 400, "101 entries"),
            (json!({ "name": "k", "scopes": ["envs"], "organisations": ["A b"] }), 400, "an organisation is a DNS label"),
            (json!({ "name": "k", "scopes": ["apps"], "organisations": ["acme"] }), 422, "the scope 'envs'"),
            (json!({ "name": "k", "scopes": ["envs", "admin"], "organisations": ["acme"] }), 422, "'admin'"),
        ];
        for (body, status, part) in cases {
            let kind = if status == 400 { "malformedRequest" } else { "ruleRefused" };
            let sentence = ask(app, &body).await.problem(status, kind);
            assert!(sentence.contains(part), "{body}: {sentence}");
        }
        app.delete("/keys/k").key(app.admin()).await.problem(404, "doesNotExist");
    })
    .await;
}

#[tokio::test]
async fn of_many_that_want_one_name_one_gets_it() {
    App::run(async |app| {
        let answers = join_all((0..8).map(|_| async { ask(app, &apps("wanted")).await })).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        assert_eq!(
            statuses.iter().filter(|status| **status == 201).count(),
            1,
            "{statuses:?}"
        );
        for lost in answers.iter().filter(|answer| answer.status != 201) {
            assert_eq!(
                lost.problem(409, "nameTaken"),
                "There is a key with the name 'wanted'; choose another name, or delete that key first"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn the_same_idempotency_key_shows_the_same_key() {
    App::run(async |app| {
        let first = ask_with(app, "once", &apps("ci")).await.expect(201);
        app.advance(Duration::from_secs(23 * 60 * 60)).await;
        assert_eq!(ask_with(app, "once", &apps("ci")).await.expect(201), first);
        let sentence = ask_with(app, "once", &apps("other"))
            .await
            .problem(422, "idempotencyKeyReused");
        assert!(sentence.contains("another request"), "{sentence}");
        ask_with(app, "twice", &apps("ci")).await.problem(409, "nameTaken");
        app.delete("/keys/ci").key(app.admin()).await.expect(204);
        ask_with(app, "twice", &apps("ci")).await.expect(201);
        ask_with(app, "once", &apps("ci"))
            .await
            .problem(409, "idempotencyKeyEnded");
        app.delete("/keys/ci").key(app.admin()).await.expect(204);
        app.advance(Duration::from_secs(2 * 60 * 60)).await;
        let again = ask_with(app, "once", &apps("ci")).await.expect(201);
        assert_ne!(again["key"], first["key"]);
    })
    .await;
}

#[tokio::test]
async fn a_key_that_has_expired_is_not_shown_again() {
    App::run(async |app| {
        let end = app.now() + SignedDuration::from_hours(1);
        let body = json!({ "name": "brief", "scopes": ["apps"], "expires_at": end.to_string() });
        ask_with(app, "once", &body).await.expect(201);
        app.advance(Duration::from_secs(2 * 60 * 60)).await;
        ask_with(app, "once", &body).await.problem(409, "idempotencyKeyEnded");
    })
    .await;
}

#[tokio::test]
async fn of_one_idempotency_key_asked_many_times_at_once_comes_one_key() {
    App::run(async |app| {
        let answers = join_all((0..8).map(|_| async { ask_with(app, "once", &apps("ci")).await })).await;
        let keys: BTreeSet<String> = answers
            .iter()
            .map(|answer| shown(&answer.expect(201)).to_owned())
            .collect();
        assert_eq!(keys.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_key_whose_answer_was_lost_is_made_once() {
    App::run(async |app| {
        let lost = std::sync::atomic::AtomicBool::new(false);
        let faults: net::Faults = std::sync::Arc::new(move |peer, request| {
            let is_first = || !lost.swap(true, std::sync::atomic::Ordering::SeqCst);
            if peer == Peer::Store && action(request) == "TransactWriteItems" && is_first() {
                Fault::LoseAnswer
            } else {
                Fault::Pass
            }
        });
        let own = Own::open(app, &api::KEY_CREATE, app.adapter().config(), faults).await;
        let answer = own
            .http
            .post("/keys")
            .key(app.admin())
            .json(&apps("ci"))
            .await
            .expect(201);
        app.get("/templates").key(shown(&answer)).await.expect(200);
    })
    .await;
}
