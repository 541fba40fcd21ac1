//! A launch while something is out of reach.

use net::Peer;
use serde_json::{Value, json};
use tests::App;

use super::super::{apart, said};

const CLUSTER: &str = "The cluster cannot be reached at the moment; the launch goes on by itself when it can.";
const PROXY: &str = "The route proxy cannot be reached at the moment; this goes on by itself when it can.";

#[tokio::test]
async fn without_the_table_nothing_is_launched_and_the_caller_is_told_to_come_back() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.outages().begin(Peer::Store);
        let answer = app.post("/applications/notebook").await;
        app.outages().end(Peer::Store);
        let sentence = answer.problem(503, "badDatabase");
        assert_eq!(sentence, "The database cannot be reached or is busy; try again shortly");
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert_eq!(app.get("/applications/").key(app.apps()).await.expect(200), json!([]));
    })
    .await;
}

#[tokio::test]
async fn without_the_cluster_a_launch_is_pending_says_why_and_goes_on_by_itself() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.outages().begin(Peer::Cluster);
        let launched = app.launch("notebook").await;
        let expected = json!({
            "id": launched.id, "template-name": "notebook", "status": "pending", "phase": "waiting", "reason": CLUSTER,
        });
        let happened = said(&[("launched", "Launched."), ("waits", CLUSTER)]);
        assert_eq!(apart(app.read(&launched).await), (expected, happened));
        app.outages().end(Peer::Cluster);
        app.read_until(&launched, "deployed").await;
    })
    .await;
}

#[tokio::test]
async fn without_the_route_proxy_a_launch_waits_says_why_and_goes_on_by_itself() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.outages().begin(Peer::Proxy);
        let launched = app.launch("notebook").await;
        let mut seen = Value::Null;
        for _ in 0..20 {
            app.advance(std::time::Duration::from_secs(2)).await;
            seen = app.read(&launched).await;
            if seen["reason"] == PROXY {
                break;
            }
        }
        let expected = json!({
            "id": launched.id, "template-name": "notebook", "status": "deploying", "phase": "starting", "reason": PROXY,
        });
        let (seen, happened) = apart(seen);
        assert_eq!(seen, expected);
        assert_eq!(happened.last(), Some(&("waits".to_owned(), PROXY.to_owned())));
        app.outages().end(Peer::Proxy);
        app.read_until(&launched, "deployed").await;
    })
    .await;
}

#[tokio::test]
async fn the_reaper_too_brings_on_what_waited() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.outages().begin(Peer::Cluster);
        let launched = app.launch("notebook").await;
        app.outages().end(Peer::Cluster);
        let mut deployed = 0;
        for _ in 0..10 {
            app.advance(std::time::Duration::from_secs(2)).await;
            deployed += app.reap().await["deployed"].as_u64().unwrap();
        }
        assert_eq!(deployed, 1, "nobody read it meanwhile");
        assert_eq!(app.read(&launched).await["status"], "deployed");
    })
    .await;
}
