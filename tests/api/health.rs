//! `GET /health`.

use net::Peer;
use serde_json::{Value, json};
use tests::App;

/// Name and status of each dependency, once each says when it was asked.
async fn told(app: &App) -> Vec<(Value, Value)> {
    let answer = app.get("/health/").key(app.admin()).await.expect(200);
    let told = answer.as_array().unwrap().iter();
    told.map(|one| {
        assert_eq!(one.as_object().unwrap().len(), 3, "{one}");
        let at: jiff::Timestamp = one["timestamp"].as_str().unwrap().parse().unwrap();
        assert!(at <= app.now());
        (one["name"].clone(), one["status"].clone())
    })
    .collect()
}

fn all(states: [&str; 3]) -> Vec<(Value, Value)> {
    let names = ["database", "cluster-default", "proxy-default"].into_iter();
    names
        .zip(states)
        .map(|(name, state)| (json!(name), json!(state)))
        .collect()
}

#[tokio::test]
async fn each_dependency_is_told_by_name_and_whatever_is_down_the_answer_is_200() {
    App::run(async |app| {
        assert_eq!(told(app).await, all(["running"; 3]));
        for (number, peer) in [Peer::Store, Peer::Cluster, Peer::Proxy].into_iter().enumerate() {
            let mut states = ["running"; 3];
            states[number] = "down";
            app.outages().begin(peer);
            assert_eq!(told(app).await, all(states), "{peer:?}");
            app.outages().end(peer);
        }
        assert_eq!(told(app).await, all(["running"; 3]));
    })
    .await;
}

#[tokio::test]
async fn any_key_may_ask() {
    App::run(async |app| {
        app.get("/health").key(app.apps()).await.expect(200);
        let sentence = app.get("/health").await.problem(403, "unauthorized");
        assert_eq!(sentence, "this needs an API key in the Authorization header");
    })
    .await;
}
