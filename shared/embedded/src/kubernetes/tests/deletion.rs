//! DELETE, finalizers, owners, and the end of namespaces.

use serde_json::{Value, json};

use super::Cluster;

const MAPS: &str = "/api/v1/namespaces/n/configmaps";

fn with_map(metadata: Value) -> (Cluster, Value) {
    let mut cluster = Cluster::new();
    cluster.namespace("n");
    let made = cluster.post(MAPS, json!({"metadata": metadata})).1;
    (cluster, made)
}

#[test]
fn a_deleted_object_is_gone_and_the_answer_names_it() {
    let (mut cluster, made) = with_map(json!({"name": "a"}));
    let (code, status) = cluster.delete(&format!("{MAPS}/a"), Value::Null);
    assert_eq!(code, 200);
    assert_eq!(
        status,
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
               "details": {"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]}})
    );
    let (code, status) = cluster.delete(&format!("{MAPS}/a"), Value::Null);
    assert_eq!(
        (code, status["message"].as_str()),
        (404, Some("configmaps \"a\" not found"))
    );
}

#[test]
fn preconditions_protect_another_object_of_the_same_name() {
    let (mut cluster, made) = with_map(json!({"name": "a"}));
    let (code, status) = cluster.delete(&format!("{MAPS}/a"), json!({"preconditions": {"uid": "other"}}));
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")));
    let uid = made["metadata"]["uid"].as_str().unwrap();
    let why = format!("the UID in the precondition (other) does not match the UID in record ({uid})");
    assert!(status["message"].as_str().unwrap().contains(&why));
    assert_eq!(
        cluster
            .delete(&format!("{MAPS}/a"), json!({"preconditions": {"resourceVersion": "1"}}))
            .0,
        409
    );
    let (code, status) = cluster.delete("/api/v1/namespaces/n", json!({"preconditions": {"uid": "other"}}));
    assert_eq!(code, 409);
    let message = status["message"].as_str().unwrap();
    let start = "Operation cannot be fulfilled on namespaces \"n\": Precondition failed: UID in precondition: other, UID in object meta: ";
    assert!(message.starts_with(start), "{message}");
    assert_eq!(
        cluster
            .delete(&format!("{MAPS}/a"), json!({"preconditions": {"uid": uid}}))
            .0,
        200
    );
}

#[test]
fn finalizers_hold_an_object_until_they_are_taken_off() {
    let (mut cluster, _) = with_map(json!({"name": "a", "finalizers": ["x.io/hold"]}));
    let one = format!("{MAPS}/a");
    let (code, going) = cluster.delete(&one, Value::Null);
    assert_eq!(
        (code, &going["metadata"]["deletionTimestamp"]),
        (200, &json!("2026-01-01T00:00:00Z"))
    );
    assert_eq!(going["metadata"]["deletionGracePeriodSeconds"], 0);
    let (code, status) = cluster.merge(&one, json!({"metadata": {"finalizers": ["x.io/hold", "x.io/more"]}}));
    assert_eq!(
        (code, &status["details"]["causes"][0]["field"]),
        (422, &json!("metadata.finalizers"))
    );
    assert_eq!(cluster.merge(&one, json!({"metadata": {"finalizers": null}})).0, 200);
    assert_eq!(cluster.get(&one).0, 404);
}

#[test]
fn a_namespace_is_terminating_until_what_is_in_it_is_gone() {
    let (mut cluster, _) = with_map(json!({"name": "a"}));
    cluster.pod("p", "web", json!({}));
    cluster.pass(2.0);
    let (code, namespace) = cluster.delete("/api/v1/namespaces/n", Value::Null);
    assert_eq!(
        (code, &namespace["kind"], &namespace["status"]["phase"]),
        (200, &json!("Namespace"), &json!("Terminating"))
    );
    assert!(namespace["metadata"]["deletionTimestamp"].is_string());
    let (code, status) = cluster.post(MAPS, json!({"metadata": {"name": "late"}}));
    assert_eq!(code, 403);
    assert_eq!(
        status["message"],
        "configmaps \"late\" is forbidden: unable to create new content in namespace n because it is being terminated"
    );
    assert_eq!(status["details"]["causes"][0]["reason"], "NamespaceTerminating");
    assert_eq!(cluster.delete("/api/v1/namespaces/n", Value::Null).0, 200);
    cluster.pass(0.5);
    assert_eq!(cluster.get(&format!("{MAPS}/a")).0, 404);
    assert_eq!(cluster.seen("p")["metadata"]["deletionGracePeriodSeconds"], 30);
    let held = cluster.get("/api/v1/namespaces/n").1;
    let (_, message) = super::condition(&held, "NamespaceContentRemaining");
    assert_eq!(message, "Some resources are remaining: pods. has 1 resource instances");
    cluster.pass(1.0);
    assert_eq!(cluster.get("/api/v1/namespaces/n").0, 404);
    assert_eq!(cluster.get("/api/v1/pods").1["items"], json!([]));
    let (code, status) = cluster.post(MAPS, json!({"metadata": {"name": "late"}}));
    assert_eq!(
        (code, status["message"].as_str()),
        (404, Some("namespaces \"n\" not found"))
    );
    assert_eq!(cluster.machine.next_tick(), None);
    cluster.namespace("n");
}

#[test]
fn a_held_object_holds_its_namespace_without_anything_being_due() {
    let (mut cluster, _) = with_map(json!({"name": "a", "finalizers": ["x.io/hold"]}));
    cluster.delete("/api/v1/namespaces/n", Value::Null);
    cluster.pass(5.0);
    let held = cluster.get("/api/v1/namespaces/n").1;
    assert_eq!(super::condition(&held, "NamespaceFinalizersRemaining").0, "True");
    assert_eq!(cluster.machine.next_tick(), None);
    cluster.merge(&format!("{MAPS}/a"), json!({"metadata": {"finalizers": []}}));
    cluster.pass(0.1);
    assert_eq!(cluster.get("/api/v1/namespaces/n").0, 404);
}

#[test]
fn a_namespace_with_a_finalizer_stays_after_its_contents() {
    let mut cluster = Cluster::new();
    cluster.post(
        "/api/v1/namespaces",
        json!({"metadata": {"name": "n", "finalizers": ["x.io/hold"]}}),
    );
    cluster.delete("/api/v1/namespaces/n", Value::Null);
    cluster.pass(2.0);
    assert_eq!(cluster.get("/api/v1/namespaces/n").1["spec"], json!({}));
    cluster.merge("/api/v1/namespaces/n", json!({"metadata": {"finalizers": null}}));
    assert_eq!(cluster.get("/api/v1/namespaces/n").0, 404);
}

fn owned_by(owner: &Value) -> Value {
    let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"]});
    json!({"metadata": {"name": "child", "ownerReferences": [reference]}})
}

#[test]
fn what_an_object_owns_goes_after_it() {
    let (mut cluster, owner) = with_map(json!({"name": "a"}));
    cluster.post(MAPS, owned_by(&owner));
    cluster.delete(&format!("{MAPS}/a"), Value::Null);
    cluster.pass(0.1);
    assert_eq!(cluster.get(&format!("{MAPS}/child")).0, 404);
    cluster.post(MAPS, owned_by(&owner));
    cluster.pass(0.1);
    assert_eq!(cluster.get(&format!("{MAPS}/child")).0, 404);
}

#[test]
fn foreground_deletion_waits_for_what_is_owned() {
    let (mut cluster, owner) = with_map(json!({"name": "a"}));
    let mut child = owned_by(&owner);
    child["metadata"]["finalizers"] = json!(["x.io/hold"]);
    child["metadata"]["ownerReferences"][0]["blockOwnerDeletion"] = true.into();
    cluster.post(MAPS, child);
    let (_, going) = cluster.delete(&format!("{MAPS}/a"), json!({"propagationPolicy": "Foreground"}));
    assert_eq!(going["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    cluster.pass(1.0);
    assert_eq!(cluster.get(&format!("{MAPS}/a")).0, 200);
    assert!(cluster.get(&format!("{MAPS}/child")).1["metadata"]["deletionTimestamp"].is_string());
    cluster.merge(&format!("{MAPS}/child"), json!({"metadata": {"finalizers": null}}));
    cluster.pass(0.1);
    assert_eq!(cluster.get(&format!("{MAPS}/a")).0, 404);
}

#[test]
fn orphans_stay() {
    let (mut cluster, owner) = with_map(json!({"name": "a"}));
    cluster.post(MAPS, owned_by(&owner));
    assert_eq!(
        cluster
            .delete(&format!("{MAPS}/a?propagationPolicy=Orphan"), Value::Null)
            .0,
        200
    );
    cluster.pass(1.0);
    assert_eq!(
        cluster.get(&format!("{MAPS}/child")).1["metadata"]["ownerReferences"],
        Value::Null
    );
    assert_eq!(
        cluster
            .delete(&format!("{MAPS}/child?propagationPolicy=Sideways"), Value::Null)
            .0,
        422
    );
}

#[test]
fn pods_go_after_their_grace_and_at_once_without_one() {
    let (mut cluster, _) = with_map(json!({"name": "a"}));
    cluster.pod("p", "web", json!({}));
    cluster.pod("q", "web", json!({}));
    cluster.pass(2.0);
    let (code, going) = cluster.delete("/api/v1/namespaces/n/pods/p", Value::Null);
    assert_eq!(
        (code, &going["metadata"]["deletionTimestamp"]),
        (200, &json!("2026-01-01T00:00:32Z"))
    );
    assert_eq!(cluster.machine.listeners().count(), 2);
    cluster.pass(0.9);
    assert_eq!(cluster.get("/api/v1/namespaces/n/pods/p").0, 200);
    cluster.pass(0.2);
    assert_eq!(cluster.get("/api/v1/namespaces/n/pods/p").0, 404);
    assert_eq!(cluster.machine.listeners().count(), 1);
    let (code, gone) = cluster.delete("/api/v1/namespaces/n/pods/q?gracePeriodSeconds=0", Value::Null);
    assert_eq!((code, &gone["kind"]), (200, &json!("Pod")));
    assert_eq!(cluster.get("/api/v1/namespaces/n/pods/q").0, 404);
    cluster.pod("r", "web", json!({}));
    cluster.pass(2.0);
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "r"}});
    let (code, status) = cluster.post("/api/v1/namespaces/n/pods/r/eviction", eviction);
    assert_eq!((code, &status["status"]), (201, &json!("Success")));
    cluster.pass(1.1);
    assert_eq!(cluster.get("/api/v1/namespaces/n/pods/r").0, 404);
}

#[test]
fn an_object_with_another_owner_stays_without_the_one_that_went() {
    let (mut cluster, gone) = with_map(json!({"name": "a"}));
    let stays = cluster.post(MAPS, json!({"metadata": {"name": "b"}})).1;
    let mut child = owned_by(&gone);
    let other = owned_by(&stays)["metadata"]["ownerReferences"][0].clone();
    child["metadata"]["ownerReferences"].as_array_mut().unwrap().push(other);
    cluster.post(MAPS, child);
    cluster.delete(&format!("{MAPS}/a"), Value::Null);
    cluster.pass(0.1);
    let left = cluster.get(&format!("{MAPS}/child")).1;
    assert_eq!(left["metadata"]["ownerReferences"].as_array().unwrap().len(), 1);
    assert_eq!(left["metadata"]["ownerReferences"][0]["name"], "b");
}

#[test]
fn what_a_namespace_must_have_is_put_back() {
    let (mut cluster, _) = with_map(json!({"name": "a"}));
    assert_eq!(cluster.delete(MAPS, Value::Null).0, 200);
    assert_eq!(cluster.get(MAPS).1["items"][0]["metadata"]["name"], "kube-root-ca.crt");
    assert_eq!(cluster.machine.next_tick(), None);
}
