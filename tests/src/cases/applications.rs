//! Applications.

use api::{
    APPLICATION_ACTIVITY, APPLICATION_LAUNCH, APPLICATION_LIST, APPLICATION_LOGS, APPLICATION_READ, APPLICATION_STOP,
    Code,
};
use domain::limits::TAKE_BUDGET;
use futures::FutureExt;
use serde_json::json;

use super::{BROKEN, COUNTED, Case, Here, NOTEBOOK, REST, Setting, UNKNOWN_ID, fresh, pending, pools};
use crate::{Answer, App, Http, Launched};

/// Looks until an application has reached its next rest.
const LOOKS_MAX: usize = 60;

pub fn cases() -> Vec<Case> {
    [
        launches(),
        launch_refusals(),
        reads(),
        lists(),
        stops(),
        logs(),
        activities(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn launches() -> Vec<Case> {
    let launch = &APPLICATION_LAUNCH;
    vec![
        Case::success(launch, 200, |_, door| {
            async { door.post("/applications/notebook").await }.boxed()
        }),
        Case::success(launch, 200, |app, door| {
            let key = fresh("key");
            let body = json!({ "template-name": NOTEBOOK });
            async move {
                let ask = door.post("/applications").json(&body).key(app.apps());
                ask.header("idempotency-key", &key).await
            }
            .boxed()
        }),
        Case::success(launch, 200, |app, door| {
            async {
                let key = fresh("replayed");
                app.post("/applications/notebook")
                    .header("idempotency-key", &key)
                    .await
                    .expect(200);
                app.advance(REST).await;
                door.post("/applications/notebook")
                    .header("idempotency-key", &key)
                    .await
            }
            .boxed()
        }),
        Case::success(launch, 200, |app, door| {
            async {
                let key = fresh("gone");
                app.template("gone", "layby/notebook:1").await;
                let launched = app.post("/applications/gone").header("idempotency-key", &key).await;
                launched.expect(200);
                app.delete("/templates/gone").key(app.admin()).await.expect(200);
                door.post("/applications/gone").header("idempotency-key", &key).await
            }
            .boxed()
        }),
        Case::success(launch, 200, |app, door| {
            async {
                pools::filled(app).await;
                door.post("/applications/pooled").await
            }
            .boxed()
        }),
        Case::success(launch, 200, |_, door| {
            async { door.post("/applications/notebook").await }.boxed()
        })
        .with(Setting::LosingCluster),
        Case::success(launch, 200, |_, door| {
            async { door.post("/applications/notebook").await }.boxed()
        })
        .with(Setting::RefusingCluster),
        Case::success(launch, 200, |app, door| {
            async { door.post("/applications/notebook").key(app.apps()).await }.boxed()
        })
        .with(Setting::KeyedLaunches),
        Case::success(launch, 200, |_, door| {
            async { door.post("/applications/notebook").await }.boxed()
        })
        .with(Setting::Registry),
        Case::unauthorised(launch, |_, door| {
            async { door.post("/applications/notebook").await }.boxed()
        })
        .with(Setting::KeyedLaunches),
    ]
}

fn launch_refusals() -> Vec<Case> {
    let launch = &APPLICATION_LAUNCH;
    vec![
        Case::refusal(launch, Code::MalformedRequest, |_, door| {
            async {
                door.post("/applications/notebook")
                    .json(&json!({ "cull-timeout": 0 }))
                    .await
            }
            .boxed()
        }),
        Case::refusal(launch, Code::MissingParameter, |_, door| {
            async { door.post("/applications").await }.boxed()
        }),
        Case::refusal(launch, Code::RegistryError, |_, door| {
            async { door.post("/applications/unknown").await }.boxed()
        }),
        Case::refusal(launch, Code::RegistryUnreachable, |_, door| {
            async { door.post("/applications/notebook").await }.boxed()
        })
        .with(Setting::RegistryDown),
        Case::refusal(launch, Code::QuotaExceeded, |app, door| {
            async {
                let one = json!({ "image-source": "layby/notebook:1", "quota": 1 });
                app.template_of("single", &one).await;
                app.post("/applications/single").await;
                door.post("/applications/single").await
            }
            .boxed()
        }),
        Case::refusal(launch, Code::QuotaExceeded, |_, door| {
            async { door.post("/applications/notebook").await }.boxed()
        })
        .with(Setting::NoRoom),
        Case::refusal(launch, Code::BadIdempotencyKey, |_, door| {
            async {
                door.post("/applications/notebook")
                    .header("idempotency-key", "short")
                    .await
            }
            .boxed()
        }),
        Case::refusal(launch, Code::IdempotencyKeyReused, |app, door| {
            async {
                let key = fresh("reused");
                app.post("/applications/notebook")
                    .header("idempotency-key", &key)
                    .await
                    .expect(200);
                let other = json!({ "cull-timeout": 1000 });
                door.post("/applications/notebook")
                    .header("idempotency-key", &key)
                    .json(&other)
                    .await
            }
            .boxed()
        }),
        Case::refusal(launch, Code::IdempotencyKeyEnded, |app, door| {
            async {
                let key = fresh("ended");
                let answer = app.post("/applications/notebook").header("idempotency-key", &key).await;
                let launched = Launched::of(NOTEBOOK, &answer);
                app.delete(&launched.path()).key(&launched.token).await.expect(202);
                door.post("/applications/notebook")
                    .header("idempotency-key", &key)
                    .await
            }
            .boxed()
        }),
        Case::refusal(launch, Code::BadKubeRequest, |_, door| {
            async { door.post("/applications/notebook").await }.boxed()
        })
        .with(Setting::NoCells),
    ]
}

fn reads() -> Vec<Case> {
    let read = &APPLICATION_READ;
    vec![
        Case::success(read, 200, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                read_until(app, door, &launched, "running").await
            }
            .boxed()
        }),
        Case::success(read, 200, |app, door| {
            async {
                let launched = app.launch(COUNTED).await;
                app.delete(&launched.path()).key(&launched.token).await.expect(202);
                app.advance(std::time::Duration::from_secs(61)).await;
                read_until(app, door, &launched, "ended").await
            }
            .boxed()
        })
        .only(Here::Clock),
        Case::success(read, 200, |app, door| {
            async {
                let launched = app.launch(BROKEN).await;
                app.advance(std::time::Duration::from_secs(301)).await;
                read_until(app, door, &launched, "ended").await
            }
            .boxed()
        })
        .only(Here::Clock),
        Case::success(read, 200, |app, door| {
            async {
                let launched = pending(app).await;
                door.get(&launched.path()).await
            }
            .boxed()
        })
        .with(Setting::LosingCluster),
        Case::refusal(read, Code::MalformedRequest, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                door.get(&format!("{}?wait=26", launched.path())).await
            }
            .boxed()
        }),
        Case::refusal(read, Code::NoRecord, |_, door| {
            async { door.get(&format!("/applications/notebook/{UNKNOWN_ID}")).await }.boxed()
        }),
    ]
}

async fn read_until(app: &App, door: &Http, launched: &Launched, phase: &str) -> Answer {
    for _ in 0..LOOKS_MAX {
        app.advance(REST).await;
        let answer = door.get(&launched.path()).await;
        if answer.expect(200)["phase"] == phase {
            return answer;
        }
    }
    panic!("it never came to be {phase}")
}

fn lists() -> Vec<Case> {
    let list = &APPLICATION_LIST;
    vec![
        Case::success(list, 200, |app, door| {
            async {
                app.launch(NOTEBOOK).await;
                door.get("/applications/notebook?limit=1").key(app.apps()).await
            }
            .boxed()
        }),
        Case::success(list, 200, |app, door| {
            async {
                app.launch(NOTEBOOK).await;
                door.get("/applications?limit=1").key(app.apps()).await
            }
            .boxed()
        }),
        Case::refusal(list, Code::MalformedRequest, |app, door| {
            async { door.get("/applications?limit=0").key(app.apps()).await }.boxed()
        }),
        Case::refusal(list, Code::BadCursor, |app, door| {
            async { door.get("/applications/notebook?cursor=forged").key(app.apps()).await }.boxed()
        }),
        Case::unauthorised(list, |_, door| async { door.get("/applications").await }.boxed()),
        Case::unauthorised(list, |_, door| {
            async { door.get("/applications/notebook").key("wrong").await }.boxed()
        }),
    ]
}

fn stops() -> Vec<Case> {
    let stop = &APPLICATION_STOP;
    vec![
        Case::success(stop, 202, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                door.delete(&launched.path()).key(app.apps()).await
            }
            .boxed()
        }),
        Case::success(stop, 202, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                app.read_until(&launched, "deployed").await;
                door.delete(&launched.path()).key(&launched.token).await
            }
            .boxed()
        }),
        Case::success(stop, 202, |app, door| {
            async {
                let launched = app.launch(COUNTED).await;
                app.read_until(&launched, "deployed").await;
                app.delete(&launched.path()).key(&launched.token).await.expect(202);
                app.advance(TAKE_BUDGET).await;
                door.delete(&launched.path()).key(&launched.token).await
            }
            .boxed()
        })
        .only(Here::Clock),
        Case::refusal(stop, Code::NoRecord, |app, door| {
            let path = format!("/applications/notebook/{UNKNOWN_ID}");
            async move { door.delete(&path).key(app.apps()).await }.boxed()
        }),
        Case::refusal(stop, Code::Conflict, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                door.delete(&launched.path()).key(app.apps()).await
            }
            .boxed()
        })
        .with(Setting::Overtaking),
        Case::refusal(stop, Code::BadKubeRequest, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                door.delete(&launched.path()).key(app.apps()).await
            }
            .boxed()
        })
        .with(Setting::NoCells),
        Case::unauthorised(stop, |app, door| {
            async {
                let (one, other) = (app.launch(NOTEBOOK).await, app.launch(NOTEBOOK).await);
                door.delete(&one.path()).key(&other.token).await
            }
            .boxed()
        }),
    ]
}

fn logs() -> Vec<Case> {
    let logs = &APPLICATION_LOGS;
    vec![
        Case::success(logs, 200, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                app.read_until(&launched, "deployed").await;
                door.get(&format!("{}/logs?tail=1", launched.path()))
                    .key(app.apps())
                    .await
            }
            .boxed()
        }),
        Case::refusal(logs, Code::MalformedRequest, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                door.get(&format!("{}/logs?tail=-1", launched.path()))
                    .key(app.apps())
                    .await
            }
            .boxed()
        }),
        Case::refusal(logs, Code::NoRecord, |app, door| {
            let path = format!("/applications/notebook/{UNKNOWN_ID}/logs");
            async move { door.get(&path).key(app.apps()).await }.boxed()
        }),
        Case::refusal(logs, Code::BadKubeRequest, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                door.get(&format!("{}/logs", launched.path())).key(app.apps()).await
            }
            .boxed()
        })
        .with(Setting::NoCells),
        Case::unauthorised(logs, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                door.get(&format!("{}/logs", launched.path()))
                    .key(&launched.token)
                    .await
            }
            .boxed()
        }),
    ]
}

fn activities() -> Vec<Case> {
    let activity = &APPLICATION_ACTIVITY;
    vec![
        Case::success(activity, 204, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                app.read_until(&launched, "deployed").await;
                door.post(&format!("{}/activity", launched.path()))
                    .key(app.apps())
                    .await
            }
            .boxed()
        }),
        Case::success(activity, 204, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                door.post(&format!("{}/activity", launched.path()))
                    .key(&launched.token)
                    .await
            }
            .boxed()
        }),
        Case::refusal(activity, Code::MalformedRequest, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                door.post(&format!("{}/activity", launched.path()))
                    .key(&launched.token)
                    .json(&json!({ "last-activity": "now" }))
                    .await
            }
            .boxed()
        }),
        Case::refusal(activity, Code::NoRecord, |app, door| {
            let path = format!("/applications/notebook/{UNKNOWN_ID}/activity");
            async move { door.post(&path).key(app.apps()).await }.boxed()
        }),
        Case::refusal(activity, Code::HasEnded, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                app.delete(&launched.path()).key(app.apps()).await.expect(202);
                door.post(&format!("{}/activity", launched.path()))
                    .key(app.apps())
                    .await
            }
            .boxed()
        }),
        Case::refusal(activity, Code::Conflict, |app, door| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                app.read_until(&launched, "deployed").await;
                door.post(&format!("{}/activity", launched.path()))
                    .key(app.apps())
                    .await
            }
            .boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(activity, |app, door| {
            async {
                let (one, other) = (app.launch(NOTEBOOK).await, app.launch(NOTEBOOK).await);
                door.post(&format!("{}/activity", one.path())).key(&other.token).await
            }
            .boxed()
        }),
    ]
}
