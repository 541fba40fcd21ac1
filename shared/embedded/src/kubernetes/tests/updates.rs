//! PUT, PATCH, the status subresource and dry runs.

use http::Method;
use serde_json::{Value, json};

use super::Cluster;

const PATH: &str = "/api/v1/namespaces/default/configmaps/a";

fn with_map() -> (Cluster, Value) {
    let mut cluster = Cluster::new();
    let body = json!({"metadata": {"name": "a"}, "data": {"k": "1"}});
    let (code, made) = cluster.post("/api/v1/namespaces/default/configmaps", body);
    assert_eq!(code, 201);
    (cluster, made)
}

#[test]
fn a_stale_version_is_a_conflict_and_a_fresh_one_is_stored() {
    let (mut cluster, made) = with_map();
    let mut changed = made.clone();
    changed["data"]["k"] = json!("2");
    let (code, stored) = cluster.put(PATH, changed.clone());
    assert_eq!(code, 200);
    assert_ne!(
        stored["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );
    changed["data"]["k"] = json!("3");
    let (code, status) = cluster.put(PATH, changed);
    assert_eq!(code, 409);
    assert_eq!(
        status["message"],
        "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to the \
         latest version and try again"
    );
    assert_eq!(status["details"], json!({"name": "a", "kind": "configmaps"}));
    let unversioned = json!({"metadata": {"name": "a"}, "data": {"k": "4"}});
    assert_eq!(cluster.put(PATH, unversioned).1["data"]["k"], "4");
}

#[test]
fn what_the_server_gave_stays_and_another_uid_is_refused() {
    let (mut cluster, made) = with_map();
    let body = json!({"metadata": {"name": "a", "creationTimestamp": "2000-01-01T00:00:00Z", "generation": 9}});
    let (_, stored) = cluster.put(PATH, body);
    assert_eq!(stored["metadata"]["uid"], made["metadata"]["uid"]);
    assert_eq!(
        stored["metadata"]["creationTimestamp"],
        made["metadata"]["creationTimestamp"]
    );
    assert_eq!(stored["metadata"]["generation"], Value::Null);
    let (code, status) = cluster.put(PATH, json!({"metadata": {"name": "a", "uid": "other"}}));
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")));
    let (code, status) = cluster.put(PATH, json!({"metadata": {"name": "b"}}));
    assert_eq!(
        (code, status["message"].as_str()),
        (
            400,
            Some("the name of the object (b) does not match the name on the URL (a)")
        )
    );
    assert_eq!(
        cluster
            .put(
                "/api/v1/namespaces/default/configmaps/z",
                json!({"metadata": {"name": "z"}})
            )
            .0,
        404
    );
}

#[test]
fn a_write_that_changes_nothing_has_no_new_version() {
    let (mut cluster, made) = with_map();
    let (code, same) = cluster.put(PATH, made.clone());
    assert_eq!((code, &same), (200, &made));
    assert_eq!(cluster.merge(PATH, json!({"data": {"k": "1"}})), (200, made));
}

#[test]
fn leases_must_be_replaced_by_version() {
    let mut cluster = Cluster::new();
    let path = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let (_, lease) = cluster.post(
        path,
        json!({"metadata": {"name": "l"}, "spec": {"holderIdentity": "a"}}),
    );
    let one = format!("{path}/l");
    let (code, status) = cluster.put(&one, json!({"metadata": {"name": "l"}}));
    assert_eq!(
        (code, &status["details"]["causes"][0]["field"]),
        (422, &json!("metadata.resourceVersion"))
    );
    assert_eq!(cluster.put(&one, lease).0, 200);
}

#[test]
fn patches_of_both_json_kinds_are_applied() {
    let (mut cluster, _) = with_map();
    let (code, patched) = cluster.merge(
        PATH,
        json!({"data": {"k": null, "l": "2"}, "metadata": {"labels": {"x": "y"}}}),
    );
    assert_eq!(
        (code, &patched["data"], &patched["metadata"]["labels"]["x"]),
        (200, &json!({"l": "2"}), &json!("y"))
    );
    let mut json_patch = |patch: Value| {
        let response = cluster.raw(Method::PATCH, PATH, "application/json-patch+json", &patch);
        (
            response.status().as_u16(),
            serde_json::from_slice::<Value>(response.body()).unwrap(),
        )
    };
    let (code, patched) = json_patch(
        json!([{"op": "test", "path": "/data/l", "value": "2"}, {"op": "replace", "path": "/data/l", "value": "3"}]),
    );
    assert_eq!((code, &patched["data"]["l"]), (200, &json!("3")));
    assert_eq!(
        json_patch(json!([{"op": "test", "path": "/data/l", "value": "9"}])).0,
        422
    );
    assert_eq!(json_patch(json!({"op": "no list"})).0, 400);
    let stale = json!({"metadata": {"resourceVersion": "1"}, "data": {"k": "9"}});
    assert_eq!(cluster.merge(PATH, stale).0, 409);
    let other = cluster.raw(Method::PATCH, PATH, "application/json", &json!({}));
    assert_eq!(other.status(), 415);
}

#[test]
fn immutable_fields_stay() {
    let mut cluster = Cluster::new();
    let path = "/api/v1/namespaces/default/secrets";
    let (_, secret) = cluster.post(path, json!({"metadata": {"name": "s"}, "stringData": {"a": "b"}}));
    assert_eq!(
        (&secret["data"]["a"], &secret["type"], &secret["stringData"]),
        (&json!("Yg=="), &json!("Opaque"), &Value::Null)
    );
    assert_eq!(cluster.merge(&format!("{path}/s"), json!({"type": "other"})).0, 422);
    assert_eq!(
        cluster
            .merge(&format!("{path}/s"), json!({"data": {"a": "not base64"}}))
            .0,
        422
    );
    assert_eq!(cluster.merge(&format!("{path}/s"), json!({"immutable": true})).0, 200);
    assert_eq!(
        cluster.merge(&format!("{path}/s"), json!({"data": {"a": "Yw=="}})).0,
        422
    );
    cluster.namespace("n");
    cluster.pod("p", "web", json!({}));
    let (code, status) = cluster.merge(
        "/api/v1/namespaces/n/pods/p",
        json!({"spec": {"restartPolicy": "Never"}}),
    );
    assert_eq!(
        (code, &status["details"]["causes"][0]["reason"]),
        (422, &json!("FieldValueForbidden"))
    );
    let (code, pod) = cluster.merge(
        "/api/v1/namespaces/n/pods/p",
        json!({"metadata": {"labels": {"a": "b"}}}),
    );
    assert_eq!(code, 200, "{pod}");
}

#[test]
fn a_status_is_changed_through_its_subresource_only() {
    let mut cluster = Cluster::new();
    let path = "/apis/networking.k8s.io/v1/namespaces/default/ingresses";
    let status = json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}});
    let (_, made) = cluster.post(path, json!({"metadata": {"name": "i"}, "spec": {}, "status": status}));
    assert_eq!(
        (&made["status"], &made["metadata"]["generation"]),
        (&json!({}), &json!(1))
    );
    let one = format!("{path}/i");
    assert_eq!(cluster.merge(&one, json!({"status": status})).1["status"], json!({}));
    let (code, shown) = cluster.merge(
        &format!("{one}/status"),
        json!({"status": status, "spec": {"ingressClassName": "x"}}),
    );
    assert_eq!((code, &shown["status"], &shown["spec"]), (200, &status, &json!({})));
    let (_, changed) = cluster.merge(&one, json!({"spec": {"ingressClassName": "x"}}));
    assert_eq!(
        (&changed["metadata"]["generation"], &changed["status"]),
        (&json!(2), &status)
    );
}

#[test]
fn a_dry_run_shows_what_would_be_and_keeps_nothing() {
    let (mut cluster, made) = with_map();
    let (code, shown) = cluster.post(
        "/api/v1/namespaces/default/configmaps?dryRun=All",
        json!({"metadata": {"name": "b"}}),
    );
    assert_eq!((code, shown["metadata"]["uid"].is_string()), (201, true));
    assert_eq!(cluster.get("/api/v1/namespaces/default/configmaps/b").0, 404);
    assert_eq!(
        cluster
            .merge(&format!("{PATH}?dryRun=All"), json!({"data": {"k": "2"}}))
            .1["data"]["k"],
        "2"
    );
    assert_eq!(cluster.delete(&format!("{PATH}?dryRun=All"), Value::Null).0, 200);
    assert_eq!(cluster.delete(PATH, json!({"dryRun": ["All"]})).0, 200);
    assert_eq!(cluster.get(PATH), (200, made));
    assert_eq!(cluster.delete(&format!("{PATH}?dryRun=Some"), Value::Null).0, 422);
}
