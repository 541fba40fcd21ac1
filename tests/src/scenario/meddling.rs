//! What happens behind an installation's back: rows, routes and namespaces that come and go by another hand.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{ApplicationId, Sweep, shard_of};
use gateway::SecretsFrom;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use store::Row;

use super::invariants::{self, cluster, dynamodb};
use crate::{Answer, App, Http};

/// An application's row as it is stored.
pub type Item = HashMap<String, AttributeValue>;

fn key(id: &str) -> Item {
    [("pk", format!("APP#{id}")), ("sk", "APP".to_owned())]
        .map(|(name, text)| (name.to_owned(), AttributeValue::S(text)))
        .into()
}

/// Takes a copy of an application's row.
pub async fn copy_row(app: &App, id: &str) -> Item {
    let request = dynamodb(app).get_item().table_name(app.adapter().config().table);
    let read = request.set_key(Some(key(id))).consistent_read(true).send().await;
    read.unwrap().item.expect("the row is there")
}

/// Puts a row back as it was, as from a backup.
pub async fn restore_row(app: &App, row: Item) {
    let request = dynamodb(app).put_item().table_name(app.adapter().config().table);
    request.set_item(Some(row)).send().await.unwrap();
}

/// Deletes an application's row.
pub async fn lose_row(app: &App, id: &str) {
    let request = dynamodb(app).delete_item().table_name(app.adapter().config().table);
    request.set_key(Some(key(id))).send().await.unwrap();
}

/// The proxy begins again with an empty table, as after a restart of the real one.
pub fn lose_routes(app: &App) {
    let proxy = app.adapter().proxy().expect("the proxy is embedded");
    let token = proxy_token(app);
    proxy.with_machine(|machine| *machine = embedded::proxy::Machine::new(token));
}

/// A request to the proxy's API below `/api/routes`.
pub async fn proxy(app: &App, method: Method, path: &str, body: &Value) -> Answer {
    let config = app.adapter().config();
    let ask = Http::new(&config.cells[0].proxy_api).ask(method, &format!("/api/routes{path}"));
    ask.key(&format!("token {}", proxy_token(app))).json(body).await
}

fn proxy_token(app: &App) -> String {
    let config = app.adapter().config();
    let SecretsFrom::Given(secrets) = config.secrets else {
        panic!("the adapter is handed its secrets");
    };
    secrets.cells[&config.cells[0].name].proxy_token.clone()
}

/// Where the proxy leads an application's visitors.
pub async fn target(app: &App, id: &str) -> Option<String> {
    let route = invariants::routes(app).await.remove(id)?;
    Some(route["target"].as_str().unwrap().to_owned())
}

/// Makes a namespace with the labels of an application of `installation`.
pub async fn make_namespace(app: &App, id: &str, installation: &str) {
    namespace(app, id, installation, "layby.dev/application").await;
}

/// Makes a namespace with the labels of a preload of `installation`.
pub async fn make_preload_namespace(app: &App, id: &str, installation: &str) {
    namespace(app, id, installation, "layby.dev/preload").await;
}

async fn namespace(app: &App, id: &str, installation: &str, owner: &str) {
    let shard = shard_of(&ApplicationId::parse(id).unwrap());
    let labels = json!({
        "layby.dev/installation": installation,
        owner: id,
        "layby.dev/shard": format!("{shard:02}"),
    });
    let namespace = json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": id, "labels": labels },
    });
    let made = cluster(app, Method::POST, "/api/v1/namespaces", Some(&namespace)).await;
    made.expect(201);
}

/// How far the sweep has come.
pub async fn sweep(app: &App) -> Option<Row<Sweep>> {
    let lifecycle = app.adapter().lifecycle().unwrap();
    let cell = lifecycle.cells().next().unwrap().cell.name.clone();
    lifecycle.store().cell_rows(&cell).await.unwrap().sweep
}

/// Writes how far the sweep has come: `shard` is next, and alone is due for a minute from `now`.
pub async fn set_sweep(app: &App, shard: u16, now: Timestamp) {
    let lifecycle = app.adapter().lifecycle().unwrap();
    let cell = lifecycle.cells().next().unwrap().cell.name.clone();
    let old = sweep(app).await;
    let pass_started = now - SignedDuration::from_mins(i64::from(shard));
    let next = Sweep {
        next_shard: shard,
        ..Sweep::begun(cell, pass_started)
    };
    let look = domain::Look {
        now,
        by: format!("meddling/{now}/{shard}"),
    };
    lifecycle.store().put_sweep(old.as_ref(), &next, &look).await.unwrap();
}
