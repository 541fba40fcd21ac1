//! What is neither an application nor a template.

use std::time::Duration;

use api::{Code, FALLBACK, HEALTH_READ, HEALTHZ_READ, REAPER, VERSION_READ};
use futures::FutureExt;
use http::Method;

use super::{BROKEN, Case, Here, NOTEBOOK, REST, Setting, fresh, pending, preload};
use crate::App;
use crate::scenario::meddling;

/// More than an application may be idle.
const IDLE: Duration = Duration::from_secs(3_700);
/// More than a launch may take.
const HOPELESS: Duration = Duration::from_secs(301);

pub fn cases() -> Vec<Case> {
    vec![
        Case::success(&HEALTH_READ, 200, |app, door| {
            async { door.get("/health").key(app.apps()).await }.boxed()
        }),
        Case::unauthorised(&HEALTH_READ, |_, door| async { door.get("/health").await }.boxed()),
        Case::success(&HEALTHZ_READ, 200, |_, door| {
            async { door.get("/healthz").await }.boxed()
        }),
        Case::success(&VERSION_READ, 200, |_, door| {
            async { door.get("/version").await }.boxed()
        }),
        Case::run(&REAPER, |_| async { "{}" }.boxed()),
        Case::run(&REAPER, |app| {
            async {
                pending(app).await;
                "{}"
            }
            .boxed()
        })
        .with(Setting::LosingCluster),
        Case::run(&REAPER, |app| {
            async {
                preload::pending(app).await;
                "{}"
            }
            .boxed()
        })
        .only(Here::Outage),
        Case::run(&REAPER, |app| {
            async {
                app.launch(NOTEBOOK).await;
                app.launch(BROKEN).await;
                app.advance(HOPELESS).await;
                "{}"
            }
            .boxed()
        })
        .only(Here::Clock),
        Case::run(&REAPER, |app| async { of_pools(app).await }.boxed()),
        Case::run(&REAPER, |app| async { of_pools(app).await }.boxed()).with(Setting::NoRoom),
        Case::run(&REAPER, |app| async { of_pools(app).await }.boxed()).with(Setting::Registry),
        Case::run(&REAPER, |app| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                app.read_until(&launched, "deployed").await;
                app.advance(IDLE).await;
                "{}"
            }
            .boxed()
        })
        .only(Here::Clock),
        Case::run(&REAPER, |app| {
            async {
                let launched = app.launch(NOTEBOOK).await;
                app.read_until(&launched, "deployed").await;
                meddling::lose_routes(app);
                "{}"
            }
            .boxed()
        }),
        Case::run(&REAPER, |app| {
            async {
                app.launch(NOTEBOOK).await;
                app.advance(REST).await;
                r#"{"dry-run": true}"#
            }
            .boxed()
        }),
        Case::success(&FALLBACK, 200, |_, door| async { door.get("/version").await }.boxed()),
        Case::refusal(&FALLBACK, Code::NotFound, |_, door| {
            async { door.get("/nowhere").await }.boxed()
        }),
        Case::refusal(&FALLBACK, Code::MethodNotAllowed, |_, door| {
            async { door.ask(Method::PATCH, "/version").await }.boxed()
        }),
    ]
}

/// A pool with spares of an older revision, and one that is not wanted any more.
async fn of_pools(app: &App) -> &'static str {
    app.template("refilled", &format!("layby/notebook:{}", fresh("tag")))
        .await;
    app.pool("refilled", 2).await;
    app.pool(BROKEN, 0).await;
    "{}"
}
