//! When a key was last used.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use net::{Fault, Faults, Peer};
use serde_json::Value;
use tests::App;
use tests::cases::settings::action;

use super::{made, shown};
use crate::own::Own;

fn notes_use(peer: Peer, request: &Request<Bytes>) -> bool {
    let is_put = peer == Peer::Store && action(request) == "PutItem";
    is_put && String::from_utf8_lossy(request.body()).contains("KEYUSE#")
}

/// Counts the notes, and lets them meet `fault`.
fn counting(fault: fn() -> Fault) -> (Faults, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    let faults: Faults = Arc::new(move |peer, request| {
        if notes_use(peer, request) {
            counted.fetch_add(1, Ordering::SeqCst);
            fault()
        } else {
            Fault::Pass
        }
    });
    (faults, count)
}

async fn last_use(app: &App, name: &str) -> Option<Timestamp> {
    let list = app.get("/keys").key(app.admin()).await.expect(200);
    let keys: Vec<Value> = list.as_array().unwrap().clone();
    let one = keys.into_iter().find(|key| key["name"] == name).unwrap();
    one["last_used_at"].as_str().map(|text| text.parse().unwrap())
}

#[tokio::test]
async fn a_use_is_noted_at_most_every_ten_minutes_however_many_note_it() {
    App::run(async |app| {
        let answer = made(app, "ci").await;
        assert_eq!(last_use(app, "ci").await, None);
        let (faults, noted) = counting(|| Fault::Pass);
        let own = Own::open(app, &api::TEMPLATE_LIST, app.adapter().config(), faults).await;
        let use_it = async || own.http.get("/templates").key(shown(&answer)).await.expect(200);
        use_it().await;
        let first = last_use(app, "ci").await.unwrap();
        assert!((app.now() - first).get_milliseconds() < 60_000, "{first}");

        app.advance(Duration::from_secs(5 * 60)).await;
        use_it().await;
        app.get("/templates").key(shown(&answer)).await.expect(200);
        assert_eq!(last_use(app, "ci").await, Some(first), "by this hand or another's");
        assert_eq!(noted.load(Ordering::SeqCst), 1);

        app.advance(Duration::from_secs(5 * 60 + 1)).await;
        for _ in 0..3 {
            use_it().await;
        }
        assert!(last_use(app, "ci").await > Some(first));
        assert_eq!(noted.load(Ordering::SeqCst), 2);
    })
    .await;
}

#[tokio::test]
async fn a_new_key_of_the_same_name_was_never_used() {
    App::run(async |app| {
        let answer = made(app, "ci").await;
        app.get("/templates").key(shown(&answer)).await.expect(200);
        assert!(last_use(app, "ci").await.is_some());
        app.delete("/keys/ci").key(app.admin()).await.expect(204);
        made(app, "ci").await;
        assert_eq!(last_use(app, "ci").await, None);
    })
    .await;
}

#[tokio::test]
async fn a_use_that_cannot_be_noted_fails_no_request_and_is_not_tried_each_time() {
    App::run(async |app| {
        let answer = made(app, "ci").await;
        let (faults, noted) = counting(|| Fault::Refuse);
        let own = Own::open(app, &api::TEMPLATE_LIST, app.adapter().config(), faults).await;
        own.http.get("/templates").key(shown(&answer)).await.expect(200);
        let tried = noted.load(Ordering::SeqCst);
        assert!((1..=3).contains(&tried), "{tried}");
        own.http.get("/templates").key(shown(&answer)).await.expect(200);
        assert_eq!(noted.load(Ordering::SeqCst), tried);
        assert_eq!(last_use(app, "ci").await, None);
    })
    .await;
}

#[tokio::test]
async fn who_may_not_call_uses_a_key_all_the_same_and_a_wrong_or_expired_one_is_not_used() {
    App::run(async |app| {
        let answer = made(app, "ci").await;
        let (faults, noted) = counting(|| Fault::Pass);
        let own = Own::open(app, &api::KEY_LIST, app.adapter().config(), faults).await;
        for key in ["wrong", app.admin()] {
            own.http.get("/keys").key(key).await;
        }
        assert_eq!(noted.load(Ordering::SeqCst), 0);
        own.http
            .get("/keys")
            .key(shown(&answer))
            .await
            .problem(403, "unauthorized");
        assert_eq!(noted.load(Ordering::SeqCst), 1);
    })
    .await;
}
