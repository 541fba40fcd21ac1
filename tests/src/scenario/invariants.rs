//! What must always hold between table, cluster and route proxy.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::meddling;
use crate::{Answer, App};
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Application, ApplicationId, Brake};
use http::Method;
use jiff::Timestamp;
use net::{Net, Peer};
use serde_json::Value;
use store::Row;

/// An application's row as it is stored, as far as invariants speak of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// `pending`, `starting`, `running`, `ending` or `ended`.
    pub state: String,
    /// Whether anybody comes back to it.
    pub due: bool,
    /// The namespace that it recorded.
    pub namespace_uid: Option<String>,
    /// Whether it waits under the brake.
    pub held: bool,
}

impl Stored {
    /// Whether it has no tombstone.
    pub fn is_live(&self) -> bool {
        !["ending", "ended"].contains(&self.state.as_str())
    }
}

/// Every application's row, by id: one scan, past the lists and their indexes.
pub async fn rows(app: &App) -> BTreeMap<String, Stored> {
    scanned(app).await.iter().filter_map(stored).collect()
}

/// What every shard of every counter counts, by its key.
pub async fn counters(app: &App) -> BTreeMap<String, i64> {
    let items = scanned(app).await;
    let counter = |item: &HashMap<String, AttributeValue>| {
        let key = item["pk"].as_s().unwrap().clone();
        key.starts_with("QUOTA#")
            .then(|| (key, item["n"].as_n().unwrap().parse().unwrap()))
    };
    items.iter().filter_map(counter).collect()
}

/// Every row of the table, as far as is looked at here.
async fn scanned(app: &App) -> Vec<HashMap<String, AttributeValue>> {
    let table = app.adapter().config().table;
    let pages = dynamodb(app)
        .scan()
        .table_name(table)
        .consistent_read(true)
        .projection_expression("pk, n, #state, due_key, namespace_uid, held_since")
        .expression_attribute_names("#state", "state")
        .into_paginator()
        .items()
        .send();
    pages.collect::<Result<Vec<_>, _>>().await.unwrap()
}

fn stored(item: &HashMap<String, AttributeValue>) -> Option<(String, Stored)> {
    let text = |name: &str| item.get(name).map(|value| value.as_s().unwrap().clone());
    let id = text("pk")?.strip_prefix("APP#")?.to_owned();
    let row = Stored {
        state: text("state").unwrap(),
        due: item.contains_key("due_key"),
        namespace_uid: text("namespace_uid"),
        held: item.contains_key("held_since"),
    };
    Some((id, row))
}

/// A client of the installation's table that knows nothing of its rows.
pub(super) fn dynamodb(app: &App) -> Client {
    let mut settings = net::Settings::default();
    // A look of the test's own may take as long as a busy machine needs.
    settings.timeouts.store = crate::TEST_MAX;
    Client::new(&sdk(app, &Net::new(settings).unwrap()))
}

/// What reaches the installation's table by `net`.
pub(crate) fn sdk(app: &App, net: &Net) -> SdkConfig {
    let credentials = Credentials::new("local", "local", None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("local"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(net.aws(Peer::Store))
        .endpoint_url(&app.ready().dynamodb)
        .build()
}

/// The row of one application.
pub async fn row(app: &App, id: &str) -> Option<Row<Application>> {
    let id = ApplicationId::parse(id).unwrap();
    app.adapter()
        .lifecycle()
        .unwrap()
        .store()
        .application(&id, app.now())
        .await
        .unwrap()
}

/// The brake of the installation's cell.
pub async fn brake(app: &App) -> Option<Brake> {
    let lifecycle = app.adapter().lifecycle().unwrap();
    let cell = lifecycle.cells().next().unwrap().cell.name.clone();
    let rows = lifecycle.store().cell_rows(&cell).await.unwrap();
    rows.brake.map(|row| row.value)
}

/// A request to the cluster, as its administrator.
pub async fn cluster(app: &App, method: Method, path: &str, body: Option<&Value>) -> Answer {
    super::cluster::ask(app, method, path, body).await
}

/// The namespaces of the installation's applications: name and uid.
pub async fn namespaces(app: &App) -> BTreeMap<String, String> {
    let own = app.adapter().config().installation;
    let path = format!("/api/v1/namespaces?labelSelector=layby.dev/installation={own},layby.dev/application");
    let list = cluster(app, Method::GET, &path, None).await.expect(200);
    let text = |item: &Value, field: &str| item["metadata"][field].as_str().unwrap().to_owned();
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| (text(item, "name"), text(item, "uid"))).collect()
}

/// The applications that the proxy has routes for, with what it tells of each.
pub async fn routes(app: &App) -> BTreeMap<String, Value> {
    let told = meddling::proxy(app, Method::GET, "", &Value::Null).await.expect(200);
    let told = told.as_object().unwrap().iter();
    told.filter_map(|(path, route)| Some((path.strip_prefix("/user/")?.to_owned(), route.clone())))
        .collect()
}

/// Whether the proxy has a route for an application.
pub async fn has_route(app: &App, id: &str) -> bool {
    routes(app).await.contains_key(id)
}

/// What the proxy knows of the last activity of an application, where it has a route for it.
pub async fn last_activity(app: &App, id: &str) -> Option<Timestamp> {
    let known = routes(app).await.get(id)?["last_activity"].as_str()?.parse();
    Some(known.unwrap())
}

/// What holds at every moment: somebody comes back to what has not ended and nobody to what has, what runs does so in
/// the namespace that it recorded, and what has ended has neither route nor namespace.
pub async fn always(app: &App) {
    checked(app).await;
}

async fn checked(app: &App) -> (BTreeMap<String, Stored>, BTreeMap<String, String>) {
    let (rows, namespaces, routes) = (rows(app).await, namespaces(app).await, routes(app).await);
    for (id, row) in &rows {
        let ended = row.state == "ended";
        assert_eq!(row.due, !ended, "{id}: {row:?}");
        assert!(!ended || !routes.contains_key(id), "{id} has ended and has a route");
        assert!(
            !ended || !namespaces.contains_key(id),
            "{id} has ended and has a namespace"
        );
        assert!(
            row.state != "running" || row.namespace_uid.as_ref() == namespaces.get(id),
            "{id} does not run in the namespace that it recorded: {row:?}, {namespaces:?}"
        );
    }
    let unknown: Vec<_> = namespaces.keys().filter(|id| !rows.contains_key(*id)).collect();
    assert!(unknown.is_empty(), "namespaces without a row: {unknown:?}");
    (rows, namespaces)
}

/// What holds once nothing is on its way: besides [`always`], what lives has all of its objects and nothing else has
/// any. What has lost its route to a restarted proxy is allowed: putting it back is a repair.
pub async fn at_rest(app: &App) -> BTreeMap<String, Stored> {
    let (rows, namespaces) = checked(app).await;
    let ending = rows.iter().find(|(_, row)| row.state == "ending");
    assert!(ending.is_none(), "still ending: {ending:?}");
    let with_objects = |row: &Stored| ["starting", "running", "orphaned"].contains(&row.state.as_str());
    let living: BTreeSet<&String> = rows
        .iter()
        .filter(|(_, row)| with_objects(row))
        .map(|(id, _)| id)
        .collect();
    assert_eq!(namespaces.keys().collect::<BTreeSet<_>>(), living);
    rows
}

/// Besides [`at_rest`], exactly what runs, or was found to run, has a route.
pub async fn routed(app: &App) -> BTreeMap<String, Stored> {
    let (rows, routes) = (at_rest(app).await, routes(app).await);
    for (id, row) in &rows {
        let runs = ["running", "orphaned"].contains(&row.state.as_str());
        assert_eq!(routes.contains_key(id), runs, "{id}: {row:?}");
    }
    rows
}
