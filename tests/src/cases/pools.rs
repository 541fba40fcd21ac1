//! Pools.

use std::time::Duration;

use api::{Code, POOL_DELETE, POOL_PUT, POOL_READ};
use futures::FutureExt;
use serde_json::{Value, json};

use super::{ADMIN, Case, POOLED, Setting};
use crate::App;

/// Runs until a pool has a spare.
const RUNS_MAX: usize = 40;
/// Domain time between two of them. All together are longer than no spare is made after two have failed, as those have
/// that the cases before left to themselves.
const PACE: Duration = Duration::from_secs(5);

pub fn cases() -> Vec<Case> {
    [puts(), reads(), deletes()].into_iter().flatten().collect()
}

fn one() -> Value {
    json!({ "size": 1 })
}

/// Gives the template that most cases use a pool with a spare that is ready.
pub async fn filled(app: &App) {
    app.pool(POOLED, 1).await;
    let mut seen = Value::Null;
    for _ in 0..RUNS_MAX {
        let report = app.reap().await;
        app.advance(PACE).await;
        let pool = app.get("/pools/pooled").key(app.admin()).await.expect(200);
        if pool["available"] == 1 {
            return;
        }
        seen = json!([pool, report]);
    }
    panic!("the pool does not fill up: {seen}");
}

fn puts() -> Vec<Case> {
    let put = &POOL_PUT;
    vec![
        Case::success(put, 200, |app, door| {
            async {
                filled(app).await;
                door.put("/pools/pooled").key(ADMIN).json(&one()).await
            }
            .boxed()
        }),
        Case::success(put, 200, |_, door| {
            async { door.put("/pools/pooled").key(ADMIN).json(&one()).await }.boxed()
        })
        .with(Setting::Registry),
        Case::refusal(put, Code::MalformedRequest, |_, door| {
            async { door.put("/pools/pooled").key(ADMIN).json(&json!({ "size": -1 })).await }.boxed()
        }),
        Case::refusal(put, Code::DoesNotExist, |_, door| {
            async { door.put("/pools/unknown").key(ADMIN).json(&one()).await }.boxed()
        }),
        Case::refusal(put, Code::RegistryUnreachable, |_, door| {
            async { door.put("/pools/pooled").key(ADMIN).json(&one()).await }.boxed()
        })
        .with(Setting::RegistryDown),
        Case::refusal(put, Code::Conflict, |_, door| {
            async { door.put("/pools/pooled").key(ADMIN).json(&one()).await }.boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(put, |app, door| {
            async { door.put("/pools/pooled").key(app.apps()).json(&one()).await }.boxed()
        }),
    ]
}

fn reads() -> Vec<Case> {
    let read = &POOL_READ;
    vec![
        Case::success(read, 200, |app, door| {
            async {
                filled(app).await;
                door.get("/pools/pooled").key(ADMIN).await
            }
            .boxed()
        }),
        Case::success(read, 200, |_, door| {
            async { door.get("/pools/pooled").key(ADMIN).await }.boxed()
        })
        .with(Setting::Registry),
        Case::refusal(read, Code::DoesNotExist, |_, door| {
            async { door.get("/pools/unknown").key(ADMIN).await }.boxed()
        }),
        Case::refusal(read, Code::RegistryUnreachable, |_, door| {
            async { door.get("/pools/pooled").key(ADMIN).await }.boxed()
        })
        .with(Setting::RegistryDown),
        Case::unauthorised(read, |app, door| {
            async { door.get("/pools/pooled").key(app.apps()).await }.boxed()
        }),
    ]
}

fn deletes() -> Vec<Case> {
    let delete = &POOL_DELETE;
    vec![
        Case::success(delete, 200, |app, door| {
            async {
                filled(app).await;
                door.delete("/pools/pooled").key(ADMIN).await
            }
            .boxed()
        }),
        Case::success(delete, 200, |_, door| {
            async { door.delete("/pools/broken").key(ADMIN).await }.boxed()
        }),
        Case::success(delete, 200, |_, door| {
            async { door.delete("/pools/broken").key(ADMIN).await }.boxed()
        })
        .with(Setting::Registry),
        Case::refusal(delete, Code::DoesNotExist, |_, door| {
            async { door.delete("/pools/unknown").key(ADMIN).await }.boxed()
        }),
        Case::refusal(delete, Code::RegistryUnreachable, |_, door| {
            async { door.delete("/pools/broken").key(ADMIN).await }.boxed()
        })
        .with(Setting::RegistryDown),
        Case::refusal(delete, Code::Conflict, |app, door| {
            async {
                app.pool(POOLED, 1).await;
                door.delete("/pools/pooled").key(ADMIN).await
            }
            .boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(delete, |app, door| {
            async { door.delete("/pools/pooled").key(app.apps()).await }.boxed()
        }),
    ]
}
