//! Deleting: what holds an object, what goes with it, and collections.

use serde_json::{Value, json};

use crate::server::{Server, eventually};

checks! {
    a_deleted_object_is_gone_and_the_answer_names_it
    preconditions_protect_another_object_of_the_same_name
    finalizers_hold_an_object_until_they_are_taken_off
    what_an_object_owns_goes_after_it
    foreground_deletion_waits_for_what_blocks_it
    orphans_stay_and_have_no_owner
    what_has_another_owner_stays
    wrong_options_of_a_deletion_are_refused
    a_collection_is_deleted_as_it_is_selected
    a_dry_run_of_a_collection_deletes_nothing
    what_holds_an_object_of_a_collection_holds_it
    namespaces_that_a_cluster_needs_stay
}

const MAPS: &str = "/api/v1/namespaces/{}/configmaps";
const A: &str = "/api/v1/namespaces/{}/configmaps/a";
const CHILD: &str = "/api/v1/namespaces/{}/configmaps/child";

async fn make(server: &Server, metadata: Value) -> Value {
    server.made(MAPS, json!({ "metadata": metadata })).await
}

/// Makes `child`, which `owner` owns, with more metadata.
async fn make_child(server: &Server, owners: &[&Value], more: Value) {
    let references = owners.iter().map(|owner| {
        let metadata = &owner["metadata"];
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "name": metadata["name"], "uid": metadata["uid"],
            "blockOwnerDeletion": true,
        })
    });
    let mut metadata = more;
    metadata["name"] = "child".into();
    metadata["ownerReferences"] = references.collect();
    make(server, metadata).await;
}

async fn gone(server: &Server, path: &str) {
    eventually(path, async || (server.get(path).await.code == 404).then_some(())).await;
}

async fn going(server: &Server, path: &str) -> Value {
    eventually(path, async || {
        let seen = server.get(path).await.body;
        seen["metadata"]["deletionTimestamp"].is_string().then_some(seen)
    })
    .await
}

async fn a_deleted_object_is_gone_and_the_answer_names_it(server: &Server) {
    let made = make(server, json!({"name": "a"})).await;
    let answer = server.delete(A, Value::Null).await;
    assert_eq!((answer.code, &answer.body["status"]), (200, &json!("Success")));
    let details = json!({"name": "a", "kind": "configmaps", "uid": made["metadata"]["uid"]});
    assert_eq!(answer.body["details"], details);
    assert_eq!(server.get(A).await.code, 404);
    // Some kinds answer with what they were.
    let accounts = "/api/v1/namespaces/{}/serviceaccounts";
    server.made(accounts, json!({"metadata": {"name": "a"}})).await;
    let answer = server.delete(&format!("{accounts}/a"), Value::Null).await;
    assert_eq!((answer.code, &answer.body["kind"]), (200, &json!("ServiceAccount")));
}

async fn preconditions_protect_another_object_of_the_same_name(server: &Server) {
    let made = make(server, json!({"name": "a"})).await;
    let text = |field: &str| made["metadata"][field].as_str().unwrap().to_owned();
    let (uid, version) = (text("uid"), text("resourceVersion"));
    let start = "Operation cannot be fulfilled on ConfigMap \"a\":";
    let answer = server.delete(A, json!({"preconditions": {"uid": "other"}})).await;
    let message = format!(
        "{start} the UID in the precondition (other) does not match the UID in record ({uid}). The object might have been \
         deleted and then recreated"
    );
    assert_eq!(answer.refusal(), (409, "Conflict", message.as_str()));
    let answer = server
        .delete(A, json!({"preconditions": {"resourceVersion": "1"}}))
        .await;
    let message = format!(
        "{start} the ResourceVersion in the precondition (1) does not match the ResourceVersion in record ({version}). The \
         object might have been modified"
    );
    assert_eq!(answer.refusal(), (409, "Conflict", message.as_str()));
    assert_eq!(answer.body["details"], json!({"name": "a", "kind": "ConfigMap"}));
    let own = json!({"preconditions": {"uid": uid, "resourceVersion": version}});
    assert_eq!(server.delete(A, own).await.code, 200);

    let namespace = &server.namespace;
    let answer = server
        .delete("/api/v1/namespaces/{}", json!({"preconditions": {"uid": "other"}}))
        .await;
    let (code, reason, message) = answer.refusal();
    assert_eq!((code, reason), (409, "Conflict"));
    let start = format!(
        "Operation cannot be fulfilled on namespaces \"{namespace}\": Precondition failed: UID in precondition: other, UID in \
         object meta: "
    );
    assert!(message.starts_with(&start), "{message}");
}

async fn finalizers_hold_an_object_until_they_are_taken_off(server: &Server) {
    make(server, json!({"name": "a", "finalizers": ["x.io/one", "x.io/two"]})).await;
    let answer = server.delete(A, Value::Null).await;
    assert_eq!((answer.code, &answer.body["kind"]), (200, &json!("ConfigMap")));
    let since = answer.body["metadata"]["deletionTimestamp"].clone();
    assert!(since.is_string());
    assert_eq!(answer.body["metadata"]["deletionGracePeriodSeconds"], 0);
    // It can be changed, but not be kept.
    assert_eq!(
        server.merge(A, json!({"data": {"k": "v"}})).await.body["data"]["k"],
        "v"
    );
    let kept = server.merge(A, json!({"metadata": {"deletionTimestamp": null}})).await;
    assert_eq!(kept.body["metadata"]["deletionTimestamp"], since);
    let more = json!({"metadata": {"finalizers": ["x.io/one", "x.io/two", "x.io/three"]}});
    let answer = server.merge(A, more).await;
    let message = "ConfigMap \"a\" is invalid: metadata.finalizers: Forbidden: no new finalizers can be added if the object is \
                   being deleted, found new finalizers []string{\"x.io/three\"}";
    assert_eq!(answer.refusal(), (422, "Invalid", message));
    assert_eq!(server.delete(A, Value::Null).await.code, 200);
    let again = server.post(MAPS, json!({"metadata": {"name": "a"}})).await;
    let message = "object is being deleted: configmaps \"a\" already exists";
    assert_eq!(again.refusal(), (409, "AlreadyExists", message));
    let one = server.merge(A, json!({"metadata": {"finalizers": ["x.io/two"]}})).await;
    assert_eq!(one.body["metadata"]["finalizers"], json!(["x.io/two"]));
    assert_eq!(server.get(A).await.code, 200);
    let last = server.merge(A, json!({"metadata": {"finalizers": null}})).await;
    assert_eq!((last.code, &last.body["metadata"]["name"]), (200, &json!("a")));
    assert_eq!(server.get(A).await.code, 404);
}

async fn what_an_object_owns_goes_after_it(server: &Server) {
    for options in [Value::Null, json!({"propagationPolicy": "Background"})] {
        let owner = make(server, json!({"name": "a"})).await;
        make_child(server, &[&owner], json!({})).await;
        assert_eq!(server.delete(A, options).await.body["status"], "Success");
        assert_eq!(server.get(A).await.code, 404);
        gone(server, CHILD).await;
        // Whose owner is gone already goes too.
        make_child(server, &[&owner], json!({})).await;
        gone(server, CHILD).await;
    }
}

async fn foreground_deletion_waits_for_what_blocks_it(server: &Server) {
    let owner = make(server, json!({"name": "a"})).await;
    make_child(server, &[&owner], json!({"finalizers": ["x.io/hold"]})).await;
    let answer = server.delete(A, json!({"propagationPolicy": "Foreground"})).await;
    let metadata = &answer.body["metadata"];
    assert_eq!(
        (answer.code, &metadata["finalizers"]),
        (200, &json!(["foregroundDeletion"]))
    );
    assert!(metadata["deletionTimestamp"].is_string());
    going(server, CHILD).await;
    assert_eq!(server.get(A).await.code, 200);
    server.merge(CHILD, json!({"metadata": {"finalizers": null}})).await;
    gone(server, A).await;
}

async fn orphans_stay_and_have_no_owner(server: &Server) {
    for options in ["propagationPolicy=Orphan", "orphanDependents=true"] {
        let owner = make(server, json!({"name": "a"})).await;
        make_child(server, &[&owner], json!({})).await;
        let answer = server.delete(&format!("{A}?{options}"), Value::Null).await;
        assert_eq!(
            (answer.code, &answer.body["metadata"]["finalizers"]),
            (200, &json!(["orphan"]))
        );
        gone(server, A).await;
        let child = server.get(CHILD).await;
        assert_eq!(
            (child.code, &child.body["metadata"]["ownerReferences"]),
            (200, &Value::Null)
        );
        server.delete(CHILD, Value::Null).await;
    }
}

async fn what_has_another_owner_stays(server: &Server) {
    let (one, two) = (
        make(server, json!({"name": "a"})).await,
        make(server, json!({"name": "b"})).await,
    );
    make_child(server, &[&one, &two], json!({})).await;
    server.delete(A, Value::Null).await;
    eventually("the other owner is left", async || {
        let child = server.get(CHILD).await.body;
        let owners = child["metadata"]["ownerReferences"]
            .as_array()
            .expect("it stays")
            .clone();
        (owners.len() == 1).then(|| assert_eq!(owners[0]["name"], "b"))
    })
    .await;
}

async fn wrong_options_of_a_deletion_are_refused(server: &Server) {
    make(server, json!({"name": "a"})).await;
    let supported = "\"Foreground\", \"Background\", \"Orphan\", \"nil\"";
    for path in [A, MAPS] {
        for (options, cause) in [
            (
                json!({"propagationPolicy": "Sideways"}),
                format!("Unsupported value: \"Sideways\": supported values: {supported}"),
            ),
            (
                json!({"propagationPolicy": "Orphan", "orphanDependents": true}),
                "Invalid value: \"Orphan\": orphanDependents and deletionPropagation cannot be both set".to_owned(),
            ),
        ] {
            let answer = server.delete(path, options).await;
            assert_eq!(answer.code, 422, "{answer:?}");
            assert_eq!(answer.causes(), [("propagationPolicy", cause.as_str())]);
            assert_eq!(answer.body["details"]["group"], "meta.k8s.io");
        }
    }
    assert_eq!(server.get(A).await.code, 200);
}

async fn make_three(server: &Server) {
    for (name, tier) in [("a", "front"), ("b", "front"), ("c", "back")] {
        make(server, json!({"name": name, "labels": {"tier": tier}})).await;
    }
}

async fn a_collection_is_deleted_as_it_is_selected(server: &Server) {
    make_three(server).await;
    let answer = server
        .delete(&format!("{MAPS}?labelSelector=tier=front"), Value::Null)
        .await;
    assert_eq!(
        (answer.names(), &answer.body["kind"]),
        (vec!["a", "b"], &json!("ConfigMapList"))
    );
    let left = server.get(&format!("{MAPS}?labelSelector=tier")).await;
    assert_eq!(left.names(), ["c"]);
    let none = server
        .delete(&format!("{MAPS}?labelSelector=tier=front"), Value::Null)
        .await;
    assert_eq!(none.names(), [""; 0]);
    let answer = server
        .delete(&format!("{MAPS}?fieldSelector=metadata.name=c"), Value::Null)
        .await;
    assert_eq!(answer.names(), ["c"]);
    let answer = server
        .delete(&format!("{MAPS}?fieldSelector=data.k=v"), Value::Null)
        .await;
    assert_eq!((answer.refusal().0, answer.refusal().1), (400, "BadRequest"));
    make_three(server).await;
    let page = server.delete(&format!("{MAPS}?limit=2"), Value::Null).await;
    assert_eq!(page.names(), ["a", "b"]);
    assert!(page.body["metadata"]["continue"].is_string());
    assert!(server.delete(MAPS, Value::Null).await.names().contains(&"c"));
    let left = server.get(&format!("{MAPS}?labelSelector=tier")).await;
    assert_eq!(left.names(), [""; 0]);
    let nowhere = server
        .delete("/api/v1/namespaces/absent-namespace/configmaps", Value::Null)
        .await;
    assert_eq!(nowhere.names(), [""; 0]);
}

async fn a_dry_run_of_a_collection_deletes_nothing(server: &Server) {
    make_three(server).await;
    let path = format!("{MAPS}?labelSelector=tier");
    for answer in [
        server.delete(&format!("{path}&dryRun=All"), Value::Null).await,
        server.delete(&path, json!({"dryRun": ["All"]})).await,
    ] {
        assert_eq!(answer.names(), ["a", "b", "c"]);
    }
    assert_eq!(server.get(&path).await.names(), ["a", "b", "c"]);
}

async fn what_holds_an_object_of_a_collection_holds_it(server: &Server) {
    make_three(server).await;
    let held = json!({"metadata": {"finalizers": ["x.io/hold"]}});
    server.merge(&format!("{MAPS}/b"), held).await;
    let path = format!("{MAPS}?labelSelector=tier");
    assert_eq!(server.delete(&path, Value::Null).await.names(), ["a", "b", "c"]);
    let left = server.get(&path).await;
    assert_eq!(left.names(), ["b"]);
    assert!(left.body["items"][0]["metadata"]["deletionTimestamp"].is_string());
    server
        .merge(&format!("{MAPS}/b"), json!({"metadata": {"finalizers": null}}))
        .await;
    assert_eq!(server.get(&path).await.names(), [""; 0]);
}

async fn namespaces_that_a_cluster_needs_stay(server: &Server) {
    for name in ["default", "kube-system", "kube-public"] {
        let answer = server.delete(&format!("/api/v1/namespaces/{name}"), Value::Null).await;
        let message = format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted");
        assert_eq!(answer.refusal(), (403, "Forbidden", message.as_str()));
    }
}
