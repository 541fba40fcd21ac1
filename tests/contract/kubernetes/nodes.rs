//! Nodes that a client makes and plays itself, and Leases, by which nodes and leaders say that they live.

use serde_json::{Value, json};

use crate::looks::{condition, text};
use crate::server::{Server, eventually};

checks! {
    a_new_node_takes_nothing_until_it_is_ready
    a_cordoned_node_takes_nothing_new
    a_client_can_play_a_kubelet
    a_lease_is_renewed_by_replacement
}

/// Keeps the pods of other checks, which run meanwhile, off a node that nobody plays.
const OWN: &str = "layby.dev/check";

/// A node of the check's own, which is not ready: its path, and what is made. Of one that says nothing of itself the
/// real controller takes the taint away before it is ready.
fn node(server: &Server) -> (String, Value) {
    let name = format!("{}-node", server.namespace);
    let room = json!({ "cpu": "4", "memory": "8Gi", "pods": "10" });
    let conditions = &ready("False")["status"]["conditions"];
    let node = json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/hostname": name } },
        "spec": { "taints": [{ "key": OWN, "effect": "NoSchedule" }] },
        "status": { "capacity": room, "allocatable": room, "conditions": conditions },
    });
    (format!("/api/v1/nodes/{name}"), node)
}

fn ready(status: &str) -> Value {
    json!({ "status": { "conditions": [{
        "type": "Ready", "status": status, "reason": "KubeletReady", "message": "kubelet is posting ready status",
        "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z",
    }] } })
}

fn pod(node: &str) -> Value {
    json!({
        "metadata": { "name": "web" },
        "spec": {
            "nodeSelector": { "kubernetes.io/hostname": node.trim_start_matches("/api/v1/nodes/") },
            "tolerations": [{ "key": OWN, "operator": "Exists" }],
            "containers": [{ "name": "c", "image": "web" }],
        },
    })
}

fn has_taint(node: &Value, key: &str) -> bool {
    let mut taints = node["spec"]["taints"].as_array().into_iter().flatten();
    taints.any(|taint| taint["key"] == key && taint["effect"] == "NoSchedule")
}

fn has_only_own_taint(node: &Value) -> bool {
    let taints = node["spec"]["taints"].as_array();
    taints.is_some_and(|taints| taints.iter().all(|taint| taint["key"] == OWN))
}

async fn a_new_node_takes_nothing_until_it_is_ready(server: &Server) {
    let (place, node) = node(server);
    let made = server.post("/api/v1/nodes", node.clone()).await.done();
    assert!(has_taint(&made, "node.kubernetes.io/not-ready"), "{}", made["spec"]);
    let refused = server.post("/api/v1/nodes", node).await;
    assert_eq!((refused.refusal().0, refused.refusal().1), (409, "AlreadyExists"));
    server.post("pods", pod(&place)).await.done();
    let seen = server
        .until("pods/web", "waiting", |pod| !condition(pod, "PodScheduled").is_null())
        .await;
    assert_eq!(condition(&seen, "PodScheduled")["reason"], "Unschedulable");
    server.merge(&format!("{place}/status"), ready("True")).await.done();
    server.until(&place, "untainted", has_only_own_taint).await;
    server
        .until("pods/web", "given the node", |pod| pod["spec"]["nodeName"].is_string())
        .await;
    server.merge(&format!("{place}/status"), ready("False")).await.done();
    server
        .until(&place, "tainted", |node| {
            has_taint(node, "node.kubernetes.io/not-ready")
        })
        .await;
    let deleted = server.remove(&place, None).await;
    assert_eq!(
        (text(&deleted["kind"]), text(&deleted["status"])),
        ("Status", "Success")
    );
    assert_eq!(server.get(&place).await.code, 404);
}

async fn a_cordoned_node_takes_nothing_new(server: &Server) {
    let (place, node) = node(server);
    server.post("/api/v1/nodes", node).await.done();
    server.merge(&format!("{place}/status"), ready("True")).await.done();
    server.until(&place, "untainted", has_only_own_taint).await;
    server
        .merge(&place, json!({ "spec": { "unschedulable": true } }))
        .await
        .done();
    server
        .until(&place, "cordoned", |node| {
            has_taint(node, "node.kubernetes.io/unschedulable")
        })
        .await;
    server.post("pods", pod(&place)).await.done();
    let seen = server
        .until("pods/web", "waiting", |pod| !condition(pod, "PodScheduled").is_null())
        .await;
    let message = text(&condition(&seen, "PodScheduled")["message"]);
    assert!(message.contains("1 node(s) were unschedulable"), "{message}");
    server
        .merge(&place, json!({ "spec": { "unschedulable": null } }))
        .await
        .done();
    server
        .until("pods/web", "given the node", |pod| pod["spec"]["nodeName"].is_string())
        .await;
    server.until(&place, "untainted again", has_only_own_taint).await;
    server.remove(&place, None).await;
}

async fn a_client_can_play_a_kubelet(server: &Server) {
    let (place, node) = node(server);
    server.post("/api/v1/nodes", node).await.done();
    server.merge(&format!("{place}/status"), ready("True")).await.done();
    server.post("pods", pod(&place)).await.done();
    let bound = server
        .until("pods/web", "given the node", |pod| pod["spec"]["nodeName"].is_string())
        .await;
    assert_eq!(bound["status"]["phase"], "Pending");
    let status = json!({ "status": {
        "phase": "Running", "podIP": "10.1.2.3",
        "conditions": [{ "type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z" }],
        "containerStatuses": [{
            "name": "c", "image": "web", "imageID": "x", "ready": true, "restartCount": 0,
            "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } },
        }],
    } });
    server.merge("pods/web/status", status).await.done();
    let seen = server.get("pods/web").await.done();
    assert_eq!(
        (text(&seen["status"]["phase"]), &seen["status"]["podIPs"]),
        ("Running", &json!([{ "ip": "10.1.2.3" }]))
    );
    // It is told to end the pod, and deletes it once it has.
    let deleted = server.remove("pods/web", None).await;
    assert_eq!(deleted["metadata"]["deletionGracePeriodSeconds"], 30);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(server.get("pods/web").await.done()["status"]["phase"], "Running");
    let now = json!({ "gracePeriodSeconds": 0 });
    server.delete("pods/web", now).await.done();
    assert_eq!(server.get("pods/web").await.code, 404);
    server.remove(&place, None).await;
}

async fn a_lease_is_renewed_by_replacement(server: &Server) {
    let at = |second: u8| format!("2026-01-01T00:00:0{second}.000000Z");
    let spec = json!({ "holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": at(1) });
    let made = server
        .post("leases", json!({ "metadata": { "name": "leader" }, "spec": spec }))
        .await
        .done();
    assert_eq!((&made["spec"], &made["metadata"]["generation"]), (&spec, &Value::Null));
    let mut renewed = made.clone();
    renewed["spec"]["renewTime"] = json!(at(2));
    let kept = server.put("leases/leader", renewed.clone()).await.done();
    assert_eq!(kept["spec"]["renewTime"], at(2));
    assert_ne!(kept["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
    let refused = server.put("leases/leader", renewed.clone()).await;
    let message = "Operation cannot be fulfilled on leases.coordination.k8s.io \"leader\": the object has been modified; please \
                   apply your changes to the latest version and try again";
    assert_eq!(refused.refusal(), (409, "Conflict", message));
    renewed["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let refused = server.put("leases/leader", renewed).await;
    assert_eq!(
        (refused.refusal().0, refused.fields()),
        (422, vec!["metadata.resourceVersion"])
    );
    let wrong = json!({ "spec": { "leaseDurationSeconds": 0 } });
    let refused = server.merge("leases/leader", wrong).await;
    let message = "Lease.coordination.k8s.io \"leader\" is invalid: spec.leaseDurationSeconds: Invalid value: 0: must be greater \
                   than 0";
    assert_eq!(refused.refusal(), (422, "Invalid", message));
    // Of two who take over what they both saw, one has it.
    let take = async |holder: &str| {
        let mut taken = kept.clone();
        taken["spec"]["holderIdentity"] = json!(holder);
        server.put("leases/leader", taken).await.code
    };
    let mut codes = [take("b").await, take("c").await];
    codes.sort_unstable();
    assert_eq!(codes, [200, 409]);
    eventually("the first has it", async || {
        let lease = server.get("leases/leader").await.done();
        (lease["spec"]["holderIdentity"] == "b").then_some(())
    })
    .await;
}
