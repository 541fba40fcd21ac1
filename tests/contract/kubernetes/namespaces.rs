//! Namespaces: their phases, and the end of what is in them.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{DeleteParams, PostParams};
use serde_json::{Value, json};

use crate::server::{Server, eventually};

checks! {
    a_deleted_namespace_ends_with_its_contents
    a_terminating_namespace_takes_nothing_new
    a_namespace_says_what_it_begins_with
    what_holds_a_namespace_up_is_in_its_conditions
    a_finalizer_of_its_own_holds_an_empty_namespace
    what_every_namespace_has_is_put_back
    a_namespace_is_finalized_by_hand
}

async fn a_deleted_namespace_ends_with_its_contents(server: &Server) {
    let contents = serde_json::from_value(json!({ "metadata": { "name": "contents" } })).unwrap();
    let contents: ConfigMap = server.api().create(&PostParams::default(), &contents).await.unwrap();
    assert!(contents.metadata.uid.is_some());
    let namespaces = server.cluster::<Namespace>();
    let deleted = namespaces.delete(&server.namespace, &DeleteParams::default()).await;
    let deleted = deleted.unwrap().left().expect("the namespace itself is answered");
    assert_eq!(deleted.status.unwrap().phase.as_deref(), Some("Terminating"));
    eventually("the namespace is gone", async || {
        let namespace = namespaces.get_opt(&server.namespace).await.unwrap();
        namespace.is_none().then_some(())
    })
    .await;
    assert!(server.api::<ConfigMap>().get_opt("contents").await.unwrap().is_none());
}

async fn a_terminating_namespace_takes_nothing_new(server: &Server) {
    let namespaces = server.cluster::<Namespace>();
    let held = json!({ "metadata": { "name": "held", "finalizers": ["layby.dev/check"] } });
    let held: ConfigMap = serde_json::from_value(held).unwrap();
    server.api().create(&PostParams::default(), &held).await.unwrap();
    namespaces
        .delete(&server.namespace, &DeleteParams::default())
        .await
        .unwrap();
    let late = serde_json::from_value(json!({ "metadata": { "name": "late" } })).unwrap();
    let refused = server.api::<ConfigMap>().create(&PostParams::default(), &late).await;
    let kube::Error::Api(status) = refused.unwrap_err() else {
        panic!("not refused by the server");
    };
    assert_eq!((status.code, status.reason.as_str()), (403, "Forbidden"));
    assert!(
        status.message.contains("because it is being terminated"),
        "{}",
        status.message
    );
    let free = kube::api::Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    server
        .api::<ConfigMap>()
        .patch("held", &kube::api::PatchParams::default(), &free)
        .await
        .unwrap();
}

async fn a_namespace_says_what_it_begins_with(server: &Server) {
    let seen = server.get("/api/v1/namespaces/{}").await.body;
    let name = json!({"kubernetes.io/metadata.name": server.namespace});
    assert_eq!(seen["metadata"]["labels"], name);
    assert_eq!(
        (&seen["spec"], &seen["status"]),
        (&json!({"finalizers": ["kubernetes"]}), &json!({"phase": "Active"}))
    );
    // The label with its name cannot be another.
    let wrong = json!({"metadata": {"labels": {"kubernetes.io/metadata.name": "wrong", "own": "x"}}});
    let labels = server.merge("/api/v1/namespaces/{}", wrong).await.body["metadata"]["labels"].clone();
    assert_eq!(
        labels,
        json!({"kubernetes.io/metadata.name": server.namespace, "own": "x"})
    );
}

async fn what_holds_a_namespace_up_is_in_its_conditions(server: &Server) {
    let hold = |finalizers: Value| json!({"metadata": {"name": "held", "finalizers": finalizers}});
    let (maps, secrets) = ("/api/v1/namespaces/{}/configmaps", "/api/v1/namespaces/{}/secrets");
    server.made(maps, hold(json!(["x.io/one"]))).await;
    server.made(secrets, hold(json!(["x.io/one", "x.io/two"]))).await;
    server.delete("/api/v1/namespaces/{}", Value::Null).await;
    let condition = |namespace: &Value, name: &str| {
        let conditions = namespace["status"]["conditions"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        conditions
            .into_iter()
            .find(|one| one["type"] == name)
            .unwrap_or_default()
    };
    let held = eventually("its conditions", async || {
        let seen = server.get("/api/v1/namespaces/{}").await.body;
        (condition(&seen, "NamespaceFinalizersRemaining")["status"] == "True").then_some(seen)
    })
    .await;
    for (name, status, reason, message) in [
        (
            "NamespaceContentRemaining",
            "True",
            "SomeResourcesRemain",
            "Some resources are remaining: configmaps. has 1 resource instances, secrets. has 1 resource instances",
        ),
        (
            "NamespaceFinalizersRemaining",
            "True",
            "SomeFinalizersRemain",
            "Some content in the namespace has finalizers remaining: x.io/one in 2 resource instances, x.io/two in 1 resource \
             instances",
        ),
        (
            "NamespaceDeletionContentFailure",
            "False",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
    ] {
        let one = condition(&held, name);
        assert_eq!(
            (&one["status"], &one["reason"], &one["message"]),
            (&json!(status), &json!(reason), &json!(message))
        );
    }
    let again = server.delete("/api/v1/namespaces/{}", Value::Null).await;
    assert_eq!(
        (again.code, &again.body["status"]["phase"]),
        (200, &json!("Terminating"))
    );
    for path in [maps, secrets] {
        let free = json!({"metadata": {"finalizers": null}});
        assert_eq!(server.merge(&format!("{path}/held"), free).await.code, 200);
    }
    eventually("the namespace is gone", async || {
        (server.get("/api/v1/namespaces/{}").await.code == 404).then_some(())
    })
    .await;
}

async fn a_finalizer_of_its_own_holds_an_empty_namespace(server: &Server) {
    let held = json!({"metadata": {"finalizers": ["x.io/hold"]}});
    assert_eq!(server.merge("/api/v1/namespaces/{}", held).await.code, 200);
    server.delete("/api/v1/namespaces/{}", Value::Null).await;
    eventually("nothing is in it", async || {
        let seen = server.get("/api/v1/namespaces/{}").await.body;
        (seen["spec"] == json!({})).then_some(())
    })
    .await;
    let free = json!({"metadata": {"finalizers": null}});
    assert_eq!(server.merge("/api/v1/namespaces/{}", free).await.code, 200);
    assert_eq!(server.get("/api/v1/namespaces/{}").await.code, 404);
}

async fn what_every_namespace_has_is_put_back(server: &Server) {
    for path in [
        "/api/v1/namespaces/{}/serviceaccounts/default",
        "/api/v1/namespaces/{}/configmaps/kube-root-ca.crt",
    ] {
        let there = async || {
            let seen = server.get(path).await;
            (seen.code == 200).then_some(seen.body)
        };
        let first = eventually(path, there).await;
        assert_eq!(server.delete(path, Value::Null).await.code, 200);
        let second = eventually(path, there).await;
        assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
    }
    let map = server
        .get("/api/v1/namespaces/{}/configmaps/kube-root-ca.crt")
        .await
        .body;
    assert!(map["data"]["ca.crt"].is_string());
}

async fn a_namespace_is_finalized_by_hand(server: &Server) {
    let name = server.another_namespace("by-hand").await;
    let path = format!("/api/v1/namespaces/{name}");
    let held = json!({"metadata": {"name": "held", "finalizers": ["x.io/hold"]}});
    server.made(&format!("{path}/configmaps"), held).await;
    server.delete(&path, Value::Null).await;
    let body = json!({"metadata": {"name": name}, "spec": {"finalizers": []}});
    eventually("it is not written meanwhile", async || {
        let answer = server.put(&format!("{path}/finalize"), body.clone()).await;
        matches!(answer.code, 200).then_some(())
    })
    .await;
    assert_eq!(server.get(&path).await.code, 404);
}
