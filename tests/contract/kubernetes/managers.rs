//! `managedFields`: who wrote which field, for writes of every kind.

use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service};
use k8s_openapi::api::rbac::v1::Role;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::server::{Server, refused};

checks! {
    a_manager_owns_what_it_created_and_its_defaults
    a_service_is_owned_without_what_the_server_allocates
    a_role_is_owned_with_its_rules_as_one
    a_namespace_is_owned_with_the_label_that_it_gets
    a_manager_is_named_by_the_option_or_by_the_agent
    a_write_takes_what_it_changes
    every_patch_is_recorded
    what_is_removed_is_nobodys
    a_write_that_changes_nothing_is_not_recorded
    a_write_of_a_status_is_recorded_apart
    managed_fields_can_be_reset
    managed_fields_can_be_written
    metadata_alone_has_its_managers
    the_oldest_of_many_updates_are_merged
    a_wrong_manager_is_refused
}

/// The kinds that live in a namespace.
pub(crate) trait Kind:
    kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
    + Clone
    + std::fmt::Debug
    + Serialize
    + DeserializeOwned
{
}

impl<K> Kind for K where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned
{
}

/// Creates an object as `manager`.
pub(crate) async fn created<K: Kind>(server: &Server, manager: &str, object: Value) -> Value {
    let params = PostParams {
        field_manager: Some(manager.to_owned()),
        ..PostParams::default()
    };
    let object = serde_json::from_value(object).unwrap();
    let object: K = server.api().create(&params, &object).await.unwrap();
    serde_json::to_value(object).unwrap()
}

/// Merges a patch as `manager`.
pub(crate) async fn merged<K: Kind>(server: &Server, manager: &str, name: &str, patch: Value) -> Value {
    let api: Api<K> = server.api();
    let object = api
        .patch(name, &as_manager(manager), &Patch::Merge(patch))
        .await
        .unwrap();
    serde_json::to_value(object).unwrap()
}

/// Options that name the manager.
pub(crate) fn as_manager(manager: &str) -> PatchParams {
    PatchParams {
        field_manager: Some(manager.to_owned()),
        ..PatchParams::default()
    }
}

/// Manager, operation and fields of each entry.
pub(crate) fn entries(object: &Value) -> Vec<(String, String, Value)> {
    let entries = object["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let entry = |one: Value| (text(&one["manager"]), text(&one["operation"]), one["fieldsV1"].clone());
    entries.into_iter().map(entry).collect()
}

/// The fields of the one entry with that manager.
pub(crate) fn fields_of(object: &Value, manager: &str) -> Value {
    let mut found: Vec<_> = entries(object)
        .into_iter()
        .filter(|(name, ..)| name == manager)
        .collect();
    assert!(found.len() < 2, "{manager} has several entries");
    found.pop().map(|(_, _, fields)| fields).unwrap_or_default()
}

async fn a_manager_owns_what_it_created_and_its_defaults(server: &Server) {
    let container = json!({
        "name": "c", "image": "registry.invalid/c:1",
        "env": [{ "name": "E", "value": "1" }],
        "ports": [{ "containerPort": 80 }],
        "resources": { "limits": { "memory": "64Mi" } },
    });
    let spec = json!({ "containers": [container], "nodeSelector": { "none": "has-it" } });
    let metadata = json!({ "name": "p", "labels": { "a": "1" }, "annotations": { "b": "2" } });
    let pod = created::<Pod>(server, "maker", json!({ "metadata": metadata, "spec": spec })).await;
    let entry = &pod["metadata"]["managedFields"][0];
    let known = ["manager", "operation", "apiVersion", "fieldsType"].map(|field| entry[field].as_str().unwrap());
    assert_eq!(known, ["maker", "Update", "v1", "FieldsV1"]);
    assert_eq!(entry["time"], pod["metadata"]["creationTimestamp"]);
    let port = r#"k:{"containerPort":80,"protocol":"TCP"}"#;
    let container = json!({
        ".": {}, "f:name": {}, "f:image": {}, "f:imagePullPolicy": {},
        "f:env": { ".": {}, r#"k:{"name":"E"}"#: { ".": {}, "f:name": {}, "f:value": {} } },
        "f:ports": { ".": {}, port: { ".": {}, "f:containerPort": {}, "f:protocol": {} } },
        "f:resources": {
            ".": {}, "f:limits": { ".": {}, "f:memory": {} }, "f:requests": { ".": {}, "f:memory": {} },
        },
        "f:terminationMessagePath": {}, "f:terminationMessagePolicy": {},
    });
    let expected = json!({
        "f:metadata": { "f:labels": { ".": {}, "f:a": {} }, "f:annotations": { ".": {}, "f:b": {} } },
        "f:spec": {
            "f:containers": { r#"k:{"name":"c"}"#: container },
            "f:dnsPolicy": {}, "f:enableServiceLinks": {}, "f:nodeSelector": {}, "f:restartPolicy": {},
            "f:schedulerName": {}, "f:securityContext": {}, "f:terminationGracePeriodSeconds": {},
        },
    });
    assert_eq!(entries(&pod), [("maker".to_owned(), "Update".to_owned(), expected)]);
}

async fn a_service_is_owned_without_what_the_server_allocates(server: &Server) {
    let spec = json!({ "selector": { "a": "1" }, "ports": [{ "port": 80 }] });
    let service = created::<Service>(server, "maker", json!({ "metadata": { "name": "s" }, "spec": spec })).await;
    let port = json!({ ".": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {} });
    let expected = json!({ "f:spec": {
        "f:internalTrafficPolicy": {}, "f:selector": {}, "f:sessionAffinity": {}, "f:type": {},
        "f:ports": { ".": {}, r#"k:{"port":80,"protocol":"TCP"}"#: port },
    }});
    assert_eq!(fields_of(&service, "maker"), expected);
}

async fn a_role_is_owned_with_its_rules_as_one(server: &Server) {
    let rules = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }]);
    let role = created::<Role>(server, "maker", json!({ "metadata": { "name": "r" }, "rules": rules })).await;
    assert_eq!(fields_of(&role, "maker"), json!({ "f:rules": {} }));
}

async fn a_namespace_is_owned_with_the_label_that_it_gets(server: &Server) {
    let namespaces = server.cluster::<k8s_openapi::api::core::v1::Namespace>();
    let own = namespaces.get(&server.namespace).await.unwrap();
    let own = serde_json::to_value(own).unwrap();
    let expected = json!({ "f:metadata": { "f:labels": { ".": {}, "f:kubernetes.io/metadata.name": {} } } });
    assert_eq!(entries(&own), [("unknown".to_owned(), "Update".to_owned(), expected)]);
}

async fn a_manager_is_named_by_the_option_or_by_the_agent(server: &Server) {
    let path = format!("/api/v1/namespaces/{}/configmaps", server.namespace);
    for (query, agent, name) in [
        ("", Some("kubectl/v1.35 (linux/amd64) x"), "kubectl"),
        ("?fieldManager=option", Some("kubectl/v1.35"), "option"),
        ("", None, "unknown"),
    ] {
        let mut request = http::Request::post(format!("{path}{query}")).header("content-type", "application/json");
        if let Some(agent) = agent {
            request = request.header("user-agent", agent);
        }
        let body = json!({ "metadata": { "generateName": "m-" }, "data": { "a": "1" } });
        let request = request.body(serde_json::to_vec(&body).unwrap()).unwrap();
        let map: Value = server.client.request(request).await.unwrap();
        assert_eq!(entries(&map)[0].0, name);
    }
}

async fn a_write_takes_what_it_changes(server: &Server) {
    let made = json!({ "metadata": { "name": "c" }, "data": { "a": "1", "b": "1" } });
    let mut map = created::<ConfigMap>(server, "one", made).await;
    map["data"] = json!({ "a": "1", "b": "2", "c": "2" });
    let map: ConfigMap = serde_json::from_value(map).unwrap();
    let params = PostParams {
        field_manager: Some("two".to_owned()),
        ..PostParams::default()
    };
    let map = server.api::<ConfigMap>().replace("c", &params, &map).await.unwrap();
    let map = serde_json::to_value(map).unwrap();
    assert_eq!(fields_of(&map, "one"), json!({ "f:data": { ".": {}, "f:a": {} } }));
    assert_eq!(fields_of(&map, "two"), json!({ "f:data": { "f:b": {}, "f:c": {} } }));
    let map = merged::<ConfigMap>(server, "two", "c", json!({ "metadata": { "labels": { "l": "1" } } })).await;
    let both = json!({ "f:data": { "f:b": {}, "f:c": {} }, "f:metadata": { "f:labels": { ".": {}, "f:l": {} } } });
    assert_eq!(fields_of(&map, "two"), both);
}

async fn every_patch_is_recorded(server: &Server) {
    created::<ConfigMap>(
        server,
        "maker",
        json!({ "metadata": { "name": "c" }, "data": { "a": "1" } }),
    )
    .await;
    let api: Api<ConfigMap> = server.api();
    let merge = Patch::Merge(json!({ "data": { "m": "1" } }));
    api.patch("c", &as_manager("merge"), &merge).await.unwrap();
    let strategic = Patch::Strategic(json!({ "data": { "s": "1" } }));
    api.patch("c", &as_manager("strategic"), &strategic).await.unwrap();
    let operations = serde_json::from_value(json!([{ "op": "add", "path": "/data/j", "value": "1" }])).unwrap();
    let map = api
        .patch("c", &as_manager("json"), &Patch::Json::<()>(operations))
        .await
        .unwrap();
    let map = serde_json::to_value(map).unwrap();
    for (manager, field) in [("merge", "f:m"), ("strategic", "f:s"), ("json", "f:j")] {
        assert_eq!(
            fields_of(&map, manager),
            json!({ "f:data": { field: {} } }),
            "{manager}"
        );
    }
}

async fn what_is_removed_is_nobodys(server: &Server) {
    let made = json!({ "metadata": { "name": "c" }, "data": { "a": "1", "b": "1" } });
    created::<ConfigMap>(server, "one", made).await;
    let map = merged::<ConfigMap>(server, "two", "c", json!({ "data": { "a": null } })).await;
    let left = json!({ "f:data": { ".": {}, "f:b": {} } });
    assert_eq!(entries(&map), [("one".to_owned(), "Update".to_owned(), left)]);
    let map = merged::<ConfigMap>(server, "two", "c", json!({ "data": null })).await;
    assert!(entries(&map).is_empty(), "{map}");
}

async fn a_write_that_changes_nothing_is_not_recorded(server: &Server) {
    let made = created::<ConfigMap>(
        server,
        "one",
        json!({ "metadata": { "name": "c" }, "data": { "a": "1" } }),
    )
    .await;
    let map = merged::<ConfigMap>(server, "two", "c", json!({ "data": { "a": "1" } })).await;
    assert_eq!(map["metadata"], made["metadata"]);
}

async fn a_write_of_a_status_is_recorded_apart(server: &Server) {
    let containers = json!([{ "name": "a", "image": "registry.invalid/a:1" }]);
    let spec = json!({ "containers": containers, "nodeSelector": { "none": "has-it" } });
    created::<Pod>(server, "maker", json!({ "metadata": { "name": "p" }, "spec": spec })).await;
    let at = "2026-01-02T03:04:05Z";
    let condition = json!({
        "type": "layby.dev/C", "status": "True", "lastProbeTime": at, "lastTransitionTime": at,
    });
    let patch = json!({ "status": { "message": "m", "conditions": [condition] } });
    let api: Api<Pod> = server.api();
    let pod = api
        .patch_status("p", &as_manager("maker"), &Patch::Strategic(patch))
        .await
        .unwrap();
    let pod = serde_json::to_value(pod).unwrap();
    let apart = pod["metadata"]["managedFields"].as_array().unwrap().iter();
    let apart: Vec<_> = apart
        .filter(|one| one["manager"] == "maker" && one["subresource"] == "status")
        .collect();
    let [apart] = apart.as_slice() else { panic!("{pod}") };
    let condition = json!({
        ".": {}, "f:lastProbeTime": {}, "f:lastTransitionTime": {}, "f:status": {}, "f:type": {},
    });
    let status = &apart["fieldsV1"]["f:status"];
    assert_eq!(status["f:message"], json!({}));
    assert_eq!(status["f:conditions"][r#"k:{"type":"layby.dev/C"}"#], condition);
    assert_eq!(apart["fieldsV1"].as_object().unwrap().len(), 1);
}

async fn managed_fields_can_be_reset(server: &Server) {
    created::<ConfigMap>(
        server,
        "one",
        json!({ "metadata": { "name": "c" }, "data": { "a": "1" } }),
    )
    .await;
    for reset in [json!([{}]), json!([])] {
        let map = merged::<ConfigMap>(server, "two", "c", json!({ "metadata": { "managedFields": reset } })).await;
        assert!(entries(&map).is_empty(), "{map}");
    }
    let map = merged::<ConfigMap>(server, "two", "c", json!({ "data": { "b": "1" } })).await;
    assert!(
        entries(&map).is_empty(),
        "an object without managers gets none by updates: {map}"
    );
}

async fn managed_fields_can_be_written(server: &Server) {
    let mut map = created::<ConfigMap>(
        server,
        "one",
        json!({ "metadata": { "name": "c" }, "data": { "a": "1" } }),
    )
    .await;
    map["metadata"]["managedFields"][0]["manager"] = "other".into();
    let map = merged::<ConfigMap>(server, "two", "c", json!({ "metadata": map["metadata"] })).await;
    assert_eq!(entries(&map).len(), 1);
    assert_eq!(fields_of(&map, "other"), json!({ "f:data": { ".": {}, "f:a": {} } }));
    let wrong = json!([{ "manager": "x", "operation": "Grow", "apiVersion": "v1", "fieldsType": "FieldsV1" }]);
    let map = merged::<ConfigMap>(server, "two", "c", json!({ "metadata": { "managedFields": wrong } })).await;
    assert_eq!(entries(&map)[0].0, "other", "what cannot be read changes nothing");
}

async fn metadata_alone_has_its_managers(server: &Server) {
    created::<ConfigMap>(
        server,
        "one",
        json!({ "metadata": { "name": "c" }, "data": { "a": "1" } }),
    )
    .await;
    let api: Api<ConfigMap> = server.api();
    let one = serde_json::to_value(api.get_metadata("c").await.unwrap()).unwrap();
    assert_eq!(fields_of(&one, "one"), json!({ "f:data": { ".": {}, "f:a": {} } }));
    let list = api
        .list_metadata(&kube::api::ListParams::default().fields("metadata.name=c"))
        .await
        .unwrap();
    let listed = serde_json::to_value(&list.items[0]).unwrap();
    assert_eq!(entries(&listed), entries(&one));
}

async fn the_oldest_of_many_updates_are_merged(server: &Server) {
    created::<ConfigMap>(
        server,
        "m00",
        json!({ "metadata": { "name": "c" }, "data": { "m00": "1" } }),
    )
    .await;
    let mut map = Value::Null;
    for number in 1..=11 {
        let name = format!("m{number:02}");
        map = merged::<ConfigMap>(server, &name, "c", json!({ "data": { &name: "1" } })).await;
    }
    let managers: Vec<_> = entries(&map).into_iter().map(|(manager, ..)| manager).collect();
    assert_eq!(managers.len(), 10, "{managers:?}");
    assert!(managers.contains(&"ancient-changes".to_owned()), "{managers:?}");
    let ancient = fields_of(&map, "ancient-changes");
    assert_eq!(
        ancient["f:data"].as_object().unwrap().len(),
        4,
        "the map and three fields: {ancient}"
    );
}

async fn a_wrong_manager_is_refused(server: &Server) {
    created::<ConfigMap>(server, "one", json!({ "metadata": { "name": "c" } })).await;
    let path = format!("/api/v1/namespaces/{}/configmaps/c", server.namespace);
    let refusal = async |query: &str| {
        let request = http::Request::patch(format!("{path}?{query}"));
        let request = request
            .header("content-type", "application/merge-patch+json")
            .body(b"{}".to_vec())
            .unwrap();
        refused(server.client.request::<Value>(request).await)
    };
    let status = refusal(&format!("fieldManager={}", "x".repeat(129))).await;
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert_eq!(
        status.message,
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Too long: may not be more than 128 bytes"
    );
    let status = refusal("force=true").await;
    assert_eq!(
        status.message,
        "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch"
    );
    let status = refusal("fieldManager=a%07b").await;
    assert_eq!(status.code, 422);
    assert!(
        status.message.contains("invalid character U+0007 (at position 1)"),
        "{}",
        status.message
    );
}
