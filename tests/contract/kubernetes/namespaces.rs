//! Namespaces: their phases, and the end of what is in them.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

use crate::server::{Server, eventually};

checks! {
    a_deleted_namespace_ends_with_its_contents
    a_terminating_namespace_takes_nothing_new
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
