//! The older services' clients, unmodified: every call of the library and of the command line of binder-client 1.0.3, the
//! client of binder-deploy-kubernetes; the command line of k8s-claimer 0.1.0; and the lines for curl in enrober's README.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is how a test fails")]

mod claimer;
mod command_line;
mod enrober;
mod library;

use std::time::Duration;

use http::Uri;
use real::Binder;
use serde_json::{Value, json};
use tests::{App, Http};

/// An id that no application has.
const UNKNOWN_ID: &str = "00000000000000000000000000000000";
/// Between two looks at something that is on its way.
const PACE: Duration = Duration::from_secs(2);
/// Looks at something that is on its way.
const LOOKS_MAX: usize = 60;
/// What an application may be idle by default, and the time until the next run of the reaper.
const IDLE: Duration = Duration::from_secs(61 * 60);

/// Runs `test` with the client and an installation that has a template, `course`.
async fn run(test: impl AsyncFnOnce(&App, &Binder)) {
    App::run(async |app| {
        app.template("course", "layby/notebook:1").await;
        let binder = Binder::install().unwrap();
        test(app, &binder).await;
    })
    .await;
}

/// Host and port of the API, as the client takes them.
fn address(app: &App) -> (String, u16) {
    let api: Uri = app.ready().api.parse().unwrap();
    (api.host().unwrap().to_owned(), api.port_u16().unwrap())
}

/// The page that people see at a location, which has no scheme.
async fn page(location: &Value) -> (u16, String) {
    let url = format!("http://{}/", location.as_str().unwrap());
    let answer = Http::new("").get(&url).await;
    (answer.status.as_u16(), answer.text())
}

/// The health of an installation in which nothing is wrong, without its times.
fn all_runs() -> Value {
    json!([
        { "name": "database", "status": "running" },
        { "name": "cluster-default", "status": "running" },
        { "name": "proxy-default", "status": "running" },
    ])
}
