//! ReplicaSets by themselves: which pods are theirs, and which go first.

use serde_json::{Value, json};

use crate::looks::{condition, text};
use crate::server::{Server, eventually};

checks! {
    a_replicaset_adopts_pods_that_match
    a_replicaset_lets_go_of_a_pod_that_no_longer_matches
    pods_that_are_not_ready_go_first
    a_replicaset_says_that_its_pods_are_refused
    an_orphaned_pod_stays
    a_finished_pod_is_replaced
}

fn set(name: &str, replicas: u32, image: &str) -> Value {
    let labels = json!({ "app": name });
    json!({
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "c", "image": image }] } },
        },
    })
}

fn pod(name: &str, app: &str, image: &str) -> Value {
    json!({
        "metadata": { "name": name, "labels": { "app": app } },
        "spec": { "containers": [{ "name": "c", "image": image }] },
    })
}

async fn a_replicaset_adopts_pods_that_match(server: &Server) {
    for (name, app) in [("mine", "web"), ("other", "other")] {
        server.post("pods", pod(name, app, "web")).await.done();
    }
    let made = server.post("replicasets", set("web", 2, "web")).await.done();
    assert_eq!(
        (&made["spec"]["replicas"], &made["status"]),
        (&json!(2), &json!({ "replicas": 0 }))
    );
    let seen = server
        .until("replicasets/web", "full", |web| web["status"]["availableReplicas"] == 2)
        .await;
    assert_eq!(seen["status"]["replicas"], 2);
    let mine = server.get("pods/mine").await.done();
    let owner = json!([{
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": made["metadata"]["uid"], "controller": true,
        "blockOwnerDeletion": true,
    }]);
    assert_eq!(mine["metadata"]["ownerReferences"], owner);
    assert!(server.get("pods/other").await.done()["metadata"]["ownerReferences"].is_null());
    assert_eq!(server.items("pods").await.len(), 3);
    // One that comes later is one too many.
    server.post("pods", pod("late", "web", "web")).await.done();
    eventually("one too many is gone", async || {
        (server.items("pods").await.len() == 3).then_some(())
    })
    .await;
    assert_eq!(server.get("pods/late").await.code, 404);
}

async fn a_replicaset_lets_go_of_a_pod_that_no_longer_matches(server: &Server) {
    server.post("replicasets", set("web", 1, "web")).await.done();
    server
        .until("replicasets/web", "full", |web| web["status"]["readyReplicas"] == 1)
        .await;
    let name = text(&server.items("pods").await[0]["metadata"]["name"]).to_owned();
    let place = format!("pods/{name}");
    server
        .merge(&place, json!({ "metadata": { "labels": { "app": "debug" } } }))
        .await
        .done();
    let freed = server
        .until(&place, "free", |pod| pod["metadata"]["ownerReferences"].is_null())
        .await;
    assert!(freed["metadata"]["deletionTimestamp"].is_null());
    eventually("another in its place", async || {
        (server.items("pods?labelSelector=app%3Dweb").await.len() == 1).then_some(())
    })
    .await;
    // The ReplicaSet goes, and what is no longer its own stays.
    server.remove("replicasets/web", Some("Background")).await;
    eventually("its own pod is gone", async || {
        (server.items("pods").await.len() == 1).then_some(())
    })
    .await;
    assert_eq!(server.get(&place).await.code, 200);
}

async fn pods_that_are_not_ready_go_first(server: &Server) {
    server.post("pods", pod("bad", "web", "never-ready")).await.done();
    server.post("replicasets", set("web", 2, "web")).await.done();
    let is_half = |web: &Value| web["status"]["replicas"] == 2 && web["status"]["readyReplicas"] == 1;
    server.until("replicasets/web", "half ready", is_half).await;
    server
        .merge("replicasets/web", json!({ "spec": { "replicas": 1 } }))
        .await
        .done();
    server.until_gone("pods/bad").await;
    let seen = server
        .until("replicasets/web", "of one", |web| web["status"]["replicas"] == 1)
        .await;
    assert_eq!(
        (&seen["status"]["readyReplicas"], &seen["metadata"]["generation"]),
        (&json!(1), &json!(2))
    );
}

async fn a_replicaset_says_that_its_pods_are_refused(server: &Server) {
    let mut web = set("web", 1, "web");
    web["spec"]["template"]["spec"]["serviceAccountName"] = json!("nobody");
    server.post("replicasets", web).await.done();
    let failed = |web: &Value| !condition(web, "ReplicaFailure").is_null();
    let seen = server.until("replicasets/web", "failing", failed).await;
    let failure = condition(&seen, "ReplicaFailure");
    assert_eq!(
        (text(&failure["status"]), text(&failure["reason"])),
        ("True", "FailedCreate")
    );
    let message = text(&failure["message"]);
    assert!(
        message.starts_with("pods \"web-") && message.contains("is forbidden"),
        "{message}"
    );
    assert_eq!(seen["status"]["replicas"], 0);
    server
        .post("serviceaccounts", json!({ "metadata": { "name": "nobody" } }))
        .await
        .done();
    let well = |web: &Value| web["status"]["readyReplicas"] == 1 && condition(web, "ReplicaFailure").is_null();
    server.until("replicasets/web", "well", well).await;
}

async fn an_orphaned_pod_stays(server: &Server) {
    server.post("replicasets", set("web", 1, "web")).await.done();
    server
        .until("replicasets/web", "full", |web| web["status"]["readyReplicas"] == 1)
        .await;
    let pod = server.items("pods").await.remove(0);
    server.remove("replicasets/web", Some("Orphan")).await;
    server.until_gone("replicasets/web").await;
    let place = format!("pods/{}", text(&pod["metadata"]["name"]));
    let seen = server
        .until(&place, "free", |pod| pod["metadata"]["ownerReferences"].is_null())
        .await;
    assert!(seen["metadata"]["deletionTimestamp"].is_null());
}

async fn a_finished_pod_is_replaced(server: &Server) {
    server.post("replicasets", set("web", 1, "web")).await.done();
    server
        .until("replicasets/web", "full", |web| web["status"]["readyReplicas"] == 1)
        .await;
    let place = format!(
        "pods/{}/status",
        text(&server.items("pods").await[0]["metadata"]["name"])
    );
    let failed = json!({ "status": { "phase": "Failed", "reason": "Evicted" } });
    server.merge(&place, failed).await.done();
    server
        .until("replicasets/web", "full again", |web| {
            web["status"]["readyReplicas"] == 1
        })
        .await;
    eventually("another beside it", async || {
        (server.items("pods").await.len() == 2).then_some(())
    })
    .await;
}
