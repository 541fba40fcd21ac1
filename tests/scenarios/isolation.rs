//! What is not ours, or not what it should be, is left alone.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use net::{Fault, Faults};
use serde_json::{Value, json};
use tests::App;

use crate::process::Process;
use tests::scenario::invariants;

fn none() -> Faults {
    Arc::new(|_, _| Fault::Pass)
}

#[tokio::test]
async fn nothing_is_made_in_a_cluster_of_another_identity() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let mut config = app.adapter().config();
        config.cells[0].identity = "00000000-0000-4000-8000-000000000000".to_owned();
        let stranger = Process::other(app, config, none()).await;
        let answer = stranger
            .ask(Method::POST, "/applications/notebook", &[], "")
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "the row is written, so the launch stands");
        let body: Value = serde_json::from_slice(answer.body()).unwrap();
        let id = body["id"].as_str().unwrap();
        assert!(invariants::namespaces(app).await.is_empty(), "{:?}", stranger.calls());
        let row = invariants::row(app, id).await.unwrap();
        assert_eq!(row.value.status().as_str(), "pending", "{row:?}");
        // A process that was told the right identity goes on.
        app.advance(Duration::from_secs(5)).await;
        app.reap().await;
        assert_eq!(invariants::namespaces(app).await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_deleted_in_a_cluster_of_another_identity() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let one = app.launch("notebook").await;
        app.read_until(&one, "deployed").await;
        let mut config = app.adapter().config();
        config.cells[0].identity = "00000000-0000-4000-8000-000000000000".to_owned();
        let stranger = Process::other(app, config, none()).await;
        let key = [("authorization", one.token.as_str())];
        let answer = stranger.ask(Method::DELETE, &one.path(), &key, "").await.unwrap();
        assert_eq!(answer.status(), 202);
        assert_eq!(invariants::namespaces(app).await.len(), 1, "{:?}", stranger.calls());
        app.read_until_ended(&one).await;
        invariants::routed(app).await;
    })
    .await;
}

#[tokio::test]
async fn a_namespace_of_the_same_name_that_is_not_ours_is_never_touched() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        // The name is only known once it is launched: the cluster is out of reach until somebody else has taken it.
        app.outages().begin(net::Peer::Cluster);
        let one = app.launch("notebook").await;
        let foreign = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": one.id } });
        let made = invariants::cluster(app, Method::POST, "/api/v1/namespaces", Some(&foreign))
            .await
            .expect(201);
        app.outages().end(net::Peer::Cluster);
        let ended = app.read_until_ended(&one).await;
        assert_eq!(ended["status"], "failed");
        assert!(
            ended["reason"].as_str().unwrap().contains("belongs to somebody else"),
            "{ended}"
        );
        let path = format!("/api/v1/namespaces/{}", one.id);
        let seen = invariants::cluster(app, Method::GET, &path, None).await.expect(200);
        assert_eq!(seen["metadata"]["uid"], made["metadata"]["uid"]);
        assert!(seen["metadata"]["deletionTimestamp"].is_null());
    })
    .await;
}
