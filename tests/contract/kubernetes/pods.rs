//! Pods: given to nodes, running, Ready, changed, and ended.

use http::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use serde_json::{Value, json};

use crate::looks::{condition, text};
use crate::server::{Server, eventually};
use crate::wire::{JSON, JSON_PATCH};

checks! {
    a_pod_is_given_a_node_and_becomes_ready
    a_pod_that_fits_no_node_says_why
    a_pod_with_a_node_of_its_own_is_not_scheduled
    a_finished_container_ends_its_pod_by_the_restart_policy
    a_log_is_of_a_container_that_was_started
    a_status_and_a_spec_are_written_apart
    a_pod_changes_only_in_its_image_deadline_and_tolerations
    a_pod_is_bound_once
    an_evicted_pod_ends
    a_pod_without_a_node_goes_at_once
    a_pod_with_a_node_goes_once_its_containers_have_ended
    a_deletion_may_be_hurried_and_not_delayed
}

fn pod(name: &str, spec: Value) -> Value {
    let mut whole = json!({ "containers": [{ "name": "c", "image": "web" }] });
    json_patch::merge(&mut whole, &spec);
    json!({ "metadata": { "name": name }, "spec": whole })
}

/// A pod that no node takes.
fn nowhere(name: &str) -> Value {
    pod(name, json!({ "nodeSelector": { "layby.dev/check": "none" } }))
}

fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready")["status"] == "True"
}

async fn a_pod_is_given_a_node_and_becomes_ready(server: &Server) {
    let pod = serde_json::from_value(pod("web", json!({}))).unwrap();
    let pods = server.api::<Pod>();
    let made: Pod = pods.create(&PostParams::default(), &pod).await.unwrap();
    assert_eq!(made.status.unwrap().phase.as_deref(), Some("Pending"));
    eventually("the pod is Ready", async || {
        let pod = pods.get("web").await.unwrap();
        let status = pod.status.unwrap();
        let conditions = status.conditions.unwrap_or_default();
        let is_ready = conditions
            .iter()
            .any(|one| one.type_ == "Ready" && one.status == "True");
        let runs = status.phase.as_deref() == Some("Running") && status.pod_ip.is_some();
        (is_ready && runs && pod.spec.unwrap().node_name.is_some()).then_some(())
    })
    .await;
}

async fn a_pod_that_fits_no_node_says_why(server: &Server) {
    server.post("pods", nowhere("picky")).await.done();
    let seen = server
        .until("pods/picky", "unschedulable", |pod| {
            !condition(pod, "PodScheduled").is_null()
        })
        .await;
    let scheduled = condition(&seen, "PodScheduled");
    assert_eq!(
        (text(&scheduled["status"]), text(&scheduled["reason"])),
        ("False", "Unschedulable")
    );
    let message = text(&scheduled["message"]);
    assert!(
        message.contains("node(s) didn't match Pod's node affinity/selector"),
        "{message}"
    );
    assert!(
        message.ends_with("Preemption is not helpful for scheduling."),
        "{message}"
    );
    assert_eq!(seen["status"]["phase"], "Pending");
    let huge =
        json!({ "containers": [{ "name": "c", "image": "web", "resources": { "requests": { "cpu": "1000" } } }] });
    server.post("pods", pod("huge", huge)).await.done();
    let seen = server
        .until("pods/huge", "unschedulable", |pod| {
            !condition(pod, "PodScheduled").is_null()
        })
        .await;
    let message = text(&condition(&seen, "PodScheduled")["message"]);
    assert!(message.contains("Insufficient cpu"), "{message}");
    assert!(
        message.ends_with("Preemption is not helpful for scheduling."),
        "{message}"
    );
}

async fn a_pod_with_a_node_of_its_own_is_not_scheduled(server: &Server) {
    server
        .post("pods", pod("lost", json!({ "nodeName": "nowhere" })))
        .await
        .done();
    server.post("pods", pod("web", json!({}))).await.done();
    server.until("pods/web", "Ready", is_ready).await;
    let lost = server.get("pods/lost").await.done();
    assert_eq!(
        (text(&lost["status"]["phase"]), text(&lost["spec"]["nodeName"])),
        ("Pending", "nowhere")
    );
}

async fn a_finished_container_ends_its_pod_by_the_restart_policy(server: &Server) {
    let with = |policy: &str, image: &str, command: Value| {
        let container = json!({ "name": "c", "image": image, "command": command });
        json!({ "restartPolicy": policy, "containers": [container] })
    };
    server
        .post("pods", pod("well", with("OnFailure", "web", json!(["true"]))))
        .await
        .done();
    server
        .post("pods", pod("ill", with("Never", "crash-loop", json!(null))))
        .await
        .done();
    let well = server
        .until("pods/well", "over", |pod| pod["status"]["phase"] == "Succeeded")
        .await;
    let ended = &well["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&ended["exitCode"], text(&ended["reason"])), (&json!(0), "Completed"));
    assert_eq!(
        (condition(&well, "Ready")["reason"].as_str(), is_ready(&well)),
        (Some("PodCompleted"), false)
    );
    let ill = server
        .until("pods/ill", "over", |pod| pod["status"]["phase"] == "Failed")
        .await;
    let ended = &ill["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&ended["exitCode"], text(&ended["reason"])), (&json!(1), "Error"));
}

async fn a_log_is_of_a_container_that_was_started(server: &Server) {
    server.post("pods", nowhere("web")).await.done();
    let silent = server.get("pods/web/log").await;
    assert_eq!((silent.code, &silent.body), (204, &json!("")));
    let refused = server.get("pods/web/log?container=other").await;
    assert_eq!(
        refused.refusal(),
        (400, "BadRequest", "container other is not valid for pod web")
    );
    let refused = server.get("pods/none/log").await;
    assert_eq!(refused.refusal(), (404, "NotFound", "pods \"none\" not found"));
    let refused = server.get("pods/web/log?sinceSeconds=0").await;
    let message = "PodLogOptions \"web\" is invalid: sinceSeconds: Invalid value: 0: must be greater than 0";
    assert_eq!(refused.refusal(), (422, "Invalid", message));
    assert_eq!(server.get("pods/web/log?sinceSeconds=5").await.code, 204);
    let two = json!({ "containers": [{ "name": "a", "image": "web" }, { "name": "b", "image": "web" }] });
    server.post("pods", pod("two", two)).await.done();
    let refused = server.get("pods/two/log").await;
    let message = "a container name must be specified for pod two, choose one of: [a b]";
    assert_eq!(refused.refusal(), (400, "BadRequest", message));
}

async fn a_status_and_a_spec_are_written_apart(server: &Server) {
    server.post("pods", nowhere("web")).await.done();
    let both = json!({
        "metadata": { "labels": { "a": "b" }, "ownerReferences": [{ "apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y" }] },
        "spec": { "containers": [{ "name": "c", "image": "other" }] },
        "status": { "message": "hello" },
    });
    let written = server.merge("pods/web/status", both).await.done();
    assert_eq!(written["spec"]["containers"][0]["image"], "web");
    assert_eq!(
        (
            text(&written["status"]["message"]),
            text(&written["metadata"]["labels"]["a"])
        ),
        ("hello", "b")
    );
    assert!(written["metadata"]["ownerReferences"].is_null());
    let other = json!({ "metadata": { "labels": { "a": "c" } }, "status": { "message": "bye" } });
    let written = server.merge("pods/web", other).await.done();
    assert_eq!(
        (
            text(&written["status"]["message"]),
            text(&written["metadata"]["labels"]["a"])
        ),
        ("hello", "c")
    );
    assert_eq!(written["metadata"]["generation"], 1);
    let mut whole = written.clone();
    // Of any version: the scheduler writes into the status as well, at a time of its own.
    whole["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    whole["status"] = json!({ "phase": "Running" });
    let put = server.put("pods/web/status", whole).await.done();
    assert_eq!(
        (text(&put["status"]["phase"]), &put["status"]["message"]),
        ("Running", &Value::Null)
    );
}

async fn a_pod_changes_only_in_its_image_deadline_and_tolerations(server: &Server) {
    server.post("pods", nowhere("web")).await.done();
    for (pointer, value) in [
        ("/spec/restartPolicy", "Never"),
        ("/spec/nodeName", "x"),
        ("/spec/containers/0/name", "d"),
    ] {
        let patch = json!([{ "op": "add", "path": pointer, "value": value }]);
        let refused = server.send(Method::PATCH, "pods/web", JSON_PATCH, patch).await;
        let (code, reason, message) = refused.refusal();
        assert_eq!(
            (code, reason, refused.fields()),
            (422, "Invalid", vec!["spec"]),
            "{pointer}"
        );
        let sentence = "Pod \"web\" is invalid: spec: Forbidden: pod updates may not change fields other than \
                        `spec.containers[*].image`,";
        assert!(message.starts_with(sentence), "{message}");
    }
    let toleration = json!({ "key": "a", "operator": "Exists", "effect": "NoSchedule" });
    let patch = json!([
        { "op": "replace", "path": "/spec/containers/0/image", "value": "web:2" },
        { "op": "add", "path": "/spec/tolerations/-", "value": toleration },
        { "op": "add", "path": "/spec/activeDeadlineSeconds", "value": 1000 },
    ]);
    let changed = server.send(Method::PATCH, "pods/web", JSON_PATCH, patch).await.done();
    assert_eq!(changed["spec"]["containers"][0]["image"], "web:2");
    assert_eq!(changed["metadata"]["generation"], 2);
    let refused = server
        .merge("pods/web", json!({ "spec": { "activeDeadlineSeconds": 2000 } }))
        .await;
    let message = "Pod \"web\" is invalid: spec.activeDeadlineSeconds: Invalid value: 2000: must be less than or equal to previous \
                   value";
    assert_eq!(refused.refusal(), (422, "Invalid", message));
    let refused = server
        .merge("pods/web", json!({ "spec": { "activeDeadlineSeconds": null } }))
        .await;
    assert_eq!(
        (refused.refusal().0, refused.fields()),
        (422, vec!["spec.activeDeadlineSeconds"])
    );
    let patch = json!([{ "op": "remove", "path": "/spec/tolerations/2" }]);
    let refused = server.send(Method::PATCH, "pods/web", JSON_PATCH, patch).await;
    assert_eq!(refused.refusal().0, 422);
}

async fn a_pod_is_bound_once(server: &Server) {
    server.post("pods", nowhere("web")).await.done();
    // Not one that another check has made and nobody plays.
    let nodes = server.items("/api/v1/nodes").await;
    let played = |node: &&Value| !text(&node["metadata"]["name"]).starts_with("check-");
    let node = &nodes.iter().find(played).unwrap()["metadata"]["name"];
    let to = |name: &str, target: Value| json!({ "apiVersion": "v1", "kind": "Binding", "metadata": { "name": name }, "target": target });
    let refused = server
        .post("pods/none/binding", to("none", json!({ "kind": "Node", "name": node })))
        .await;
    assert_eq!(refused.refusal(), (404, "NotFound", "pods \"none\" not found"));
    // What the scheduler is about to say of the pod would be written over the word of the binding.
    server
        .until("pods/web", "waiting", |pod| {
            condition(pod, "PodScheduled")["reason"] == "Unschedulable"
        })
        .await;
    let bound = server
        .post("pods/web/binding", to("web", json!({ "kind": "Node", "name": node })))
        .await;
    assert_eq!((bound.code, text(&bound.body["status"])), (201, "Success"));
    // What the scheduler thought of the pod counts no more.
    let seen = server.until("pods/web", "Ready", is_ready).await;
    assert_eq!(
        (
            &seen["spec"]["nodeName"],
            text(&condition(&seen, "PodScheduled")["status"])
        ),
        (node, "True")
    );
    let refused = server
        .post(
            "pods/web/binding",
            to("web", json!({ "kind": "Node", "name": "other" })),
        )
        .await;
    let message = format!(
        "Operation cannot be fulfilled on pods/binding \"web\": pod web is already assigned to node \"{}\"",
        text(node)
    );
    assert_eq!(refused.refusal(), (409, "Conflict", message.as_str()));
    assert_eq!(server.get("pods/web/binding").await.refusal().0, 405);
}

async fn an_evicted_pod_ends(server: &Server) {
    server.post("pods", pod("web", json!({}))).await.done();
    server.until("pods/web", "Ready", is_ready).await;
    server
        .merge("pods/web", json!({ "metadata": { "finalizers": ["layby.dev/check"] } }))
        .await
        .done();
    let eviction = |name: &str| json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name } });
    let refused = server.post("pods/none/eviction", eviction("none")).await;
    assert_eq!(refused.refusal(), (404, "NotFound", "pods \"none\" not found"));
    let refused = server.post("pods/web/eviction", eviction("other")).await;
    let message = "name in URL does not match name in Eviction object";
    assert_eq!(refused.refusal(), (400, "BadRequest", message));
    let evicted = server.post("pods/web/eviction", eviction("web")).await;
    assert_eq!((evicted.code, text(&evicted.body["status"])), (201, "Success"));
    let seen = server.get("pods/web").await.done();
    assert!(!seen["metadata"]["deletionTimestamp"].is_null());
    let target = condition(&seen, "DisruptionTarget");
    assert_eq!(
        (text(&target["status"]), text(&target["reason"])),
        ("True", "EvictionByEvictionAPI")
    );
    assert_eq!(target["message"], "Eviction API: evicting");
    server
        .merge("pods/web", json!({ "metadata": { "finalizers": null } }))
        .await
        .done();
    server.until_gone("pods/web").await;
}

async fn a_pod_without_a_node_goes_at_once(server: &Server) {
    server.post("pods", nowhere("web")).await.done();
    let deleted = server.remove("pods/web", None).await;
    assert_eq!(
        (
            text(&deleted["kind"]),
            &deleted["metadata"]["deletionGracePeriodSeconds"]
        ),
        ("Pod", &json!(0))
    );
    assert_eq!(server.get("pods/web").await.code, 404);
}

async fn a_pod_with_a_node_goes_once_its_containers_have_ended(server: &Server) {
    server
        .post("pods", pod("web", json!({ "terminationGracePeriodSeconds": 20 })))
        .await
        .done();
    server.until("pods/web", "Ready", is_ready).await;
    let deleted = server.remove("pods/web", None).await;
    let metadata = &deleted["metadata"];
    assert_eq!(
        (&metadata["deletionGracePeriodSeconds"], &metadata["generation"]),
        (&json!(20), &json!(2))
    );
    assert!(!metadata["deletionTimestamp"].is_null());
    server.until_gone("pods/web").await;
}

async fn a_deletion_may_be_hurried_and_not_delayed(server: &Server) {
    // A node without a kubelet lets nothing end.
    server
        .post("pods", pod("web", json!({ "nodeName": "nowhere" })))
        .await
        .done();
    let grace = |seconds: i64| json!({ "gracePeriodSeconds": seconds });
    let seconds = |pod: &Value| pod["metadata"]["deletionGracePeriodSeconds"].clone();
    let send = async |options: Value| {
        let answer = server.send(Method::DELETE, "pods/web", JSON, options).await;
        answer.done()
    };
    assert_eq!(seconds(&send(grace(30)).await), 30);
    assert_eq!(seconds(&send(grace(60)).await), 30);
    assert_eq!(seconds(&send(grace(10)).await), 10);
    assert_eq!(server.get("pods/web").await.code, 200);
    send(grace(0)).await;
    assert_eq!(server.get("pods/web").await.code, 404);
}
