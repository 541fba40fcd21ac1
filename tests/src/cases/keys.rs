//! API keys.

use api::{Code, KEY_CREATE, KEY_DELETE, KEY_LIST};
use futures::FutureExt;
use serde_json::{Value, json};

use super::{ADMIN, Case, Setting, fresh};
use crate::{Answer, App, Http};

pub fn cases() -> Vec<Case> {
    [creations(), others()].into_iter().flatten().collect()
}

fn asked(name: &str) -> Value {
    json!({ "name": name, "scopes": ["apps"] })
}

/// Makes a key with this `Idempotency-Key`.
async fn bound(door: &Http, key: &str, body: &Value) -> Answer {
    door.post("/keys")
        .key(ADMIN)
        .header("idempotency-key", key)
        .json(body)
        .await
}

/// Sees to it that there is no key of this name.
async fn without(app: &App, name: &str) {
    let answer = app.delete(&format!("/keys/{name}")).key(app.admin()).await;
    assert!([204, 404].contains(&answer.status.as_u16()), "{}", answer.text());
}

/// Sees to it that there is a key of this name.
async fn with(app: &App, name: &str) {
    let answer = app.post("/keys").key(app.admin()).json(&asked(name)).await;
    assert!([201, 409].contains(&answer.status.as_u16()), "{}", answer.text());
}

fn creations() -> Vec<Case> {
    vec![
        Case::success(&KEY_CREATE, 201, |app, door| {
            async {
                without(app, "made").await;
                door.post("/keys").key(ADMIN).json(&asked("made")).await
            }
            .boxed()
        }),
        Case::success(&KEY_CREATE, 201, |app, door| {
            async {
                without(app, "made-once").await;
                let key = fresh("key");
                bound(door, &key, &asked("made-once")).await.expect(201);
                bound(door, &key, &asked("made-once")).await
            }
            .boxed()
        }),
        Case::refusal(&KEY_CREATE, Code::MalformedRequest, |_, door| {
            let body = json!({ "name": "k", "scopes": ["apps", "everything"] });
            async move { door.post("/keys").key(ADMIN).json(&body).await }.boxed()
        }),
        Case::refusal(&KEY_CREATE, Code::RuleRefused, |_, door| {
            let body = json!({ "name": "k", "scopes": ["apps"], "organisations": ["acme"] });
            async move { door.post("/keys").key(ADMIN).json(&body).await }.boxed()
        }),
        Case::refusal(&KEY_CREATE, Code::NameTaken, |app, door| {
            async {
                with(app, "taken").await;
                door.post("/keys").key(ADMIN).json(&asked("taken")).await
            }
            .boxed()
        }),
        Case::refusal(&KEY_CREATE, Code::BadIdempotencyKey, |_, door| {
            async { bound(door, "", &asked("never-made")).await }.boxed()
        }),
        Case::refusal(&KEY_CREATE, Code::IdempotencyKeyReused, |app, door| {
            async {
                without(app, "reused").await;
                let key = fresh("key");
                bound(door, &key, &asked("reused")).await.expect(201);
                bound(door, &key, &asked("another")).await
            }
            .boxed()
        }),
        Case::refusal(&KEY_CREATE, Code::IdempotencyKeyEnded, |app, door| {
            async {
                let key = fresh("key");
                without(app, "ended").await;
                bound(door, &key, &asked("ended")).await.expect(201);
                without(app, "ended").await;
                bound(door, &key, &asked("ended")).await
            }
            .boxed()
        }),
        Case::unauthorised(&KEY_CREATE, |app, door| {
            async { door.post("/keys").key(app.apps()).json(&asked("never-made")).await }.boxed()
        }),
    ]
}

fn others() -> Vec<Case> {
    vec![
        Case::success(&KEY_LIST, 200, |_, door| {
            async { door.get("/keys?limit=1").key(ADMIN).await }.boxed()
        }),
        Case::refusal(&KEY_LIST, Code::MalformedRequest, |_, door| {
            async { door.get("/keys?limit=0").key(ADMIN).await }.boxed()
        }),
        Case::refusal(&KEY_LIST, Code::BadCursor, |_, door| {
            async { door.get("/keys?cursor=forged").key(ADMIN).await }.boxed()
        }),
        Case::unauthorised(&KEY_LIST, |app, door| {
            async { door.get("/keys").key(app.apps()).await }.boxed()
        }),
        Case::success(&KEY_DELETE, 204, |app, door| {
            async {
                with(app, "unwanted").await;
                door.delete("/keys/unwanted").key(ADMIN).await
            }
            .boxed()
        }),
        Case::refusal(&KEY_DELETE, Code::DoesNotExist, |_, door| {
            async { door.delete("/keys/unknown").key(ADMIN).await }.boxed()
        }),
        Case::refusal(&KEY_DELETE, Code::Conflict, |_, door| {
            async { door.delete("/keys/second-admin").key(ADMIN).await }.boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(&KEY_DELETE, |app, door| {
            async { door.delete("/keys/second-admin").key(app.apps()).await }.boxed()
        }),
    ]
}
