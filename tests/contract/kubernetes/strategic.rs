//! Strategic merge patches: lists whose elements have a key, directives, and wrong ones.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::server::{Server, refused};

checks! {
    ports_are_merged_by_number
    containers_are_merged_by_name
    an_element_is_deleted_by_its_key
    a_list_or_a_map_is_replaced_on_demand
    a_map_is_emptied_on_demand
    null_removes_and_may_miss
    the_order_of_elements_can_be_set
    finalizers_are_a_set
    only_what_is_retained_stays
    a_list_without_a_key_is_replaced
    owners_are_merged_by_uid
    conditions_are_merged_by_type
    what_a_merge_makes_must_be_valid
    a_wrong_strategic_patch_is_refused
    a_strategic_patch_is_of_something_and_of_its_version
}

/// Makes an object of the check's namespace.
async fn made<K>(server: &Server, object: Value) -> K
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope> + Clone + Serialize + DeserializeOwned,
    K: std::fmt::Debug,
    K::DynamicType: Default,
{
    let object = serde_json::from_value(object).unwrap();
    server.api::<K>().create(&PostParams::default(), &object).await.unwrap()
}

/// Patches the object of that name and gives what it is then.
async fn patched<K>(server: &Server, name: &str, patch: Value) -> kube::Result<Value>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope> + Clone + Serialize + DeserializeOwned,
    K: std::fmt::Debug,
    K::DynamicType: Default,
{
    let api: Api<K> = server.api();
    let object = api
        .patch(name, &PatchParams::default(), &Patch::Strategic(patch))
        .await?;
    Ok(serde_json::to_value(object).unwrap())
}

async fn service_with(server: &Server, ports: Value) {
    let service = json!({ "metadata": { "name": "s" }, "spec": { "clusterIP": "None", "ports": ports } });
    made::<Service>(server, service).await;
}

async fn config_map_with(server: &Server, metadata: Value) {
    let mut object = json!({ "metadata": metadata });
    object["metadata"]["name"] = "c".into();
    made::<ConfigMap>(server, object).await;
}

/// Numbers and names of a service's ports.
fn ports(service: &Value) -> Vec<String> {
    let ports = service["spec"]["ports"].as_array().unwrap();
    let shown = |port: &Value| format!("{}/{}", port["port"], port["name"].as_str().unwrap_or(""));
    ports.iter().map(shown).collect()
}

async fn ports_are_merged_by_number(server: &Server) {
    service_with(
        server,
        json!([{ "port": 1, "name": "one" }, { "port": 2, "name": "two" }]),
    )
    .await;
    let patch = json!({ "spec": { "ports": [{ "port": 2, "targetPort": 8 }, { "port": 3, "name": "three" }] } });
    let service = patched::<Service>(server, "s", patch).await.unwrap();
    assert_eq!(ports(&service), ["1/one", "2/two", "3/three"]);
    assert_eq!(service["spec"]["ports"][1]["targetPort"], 8);
}

async fn containers_are_merged_by_name(server: &Server) {
    let variables = json!([{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }]);
    let deployment = json!({
        "metadata": { "name": "d" },
        "spec": {
            "replicas": 0,
            "selector": { "matchLabels": { "app": "d" } },
            "template": {
                "metadata": { "labels": { "app": "d" } },
                "spec": {
                    "containers": [{ "name": "web", "image": "i:1", "env": variables }, { "name": "log", "image": "l:1" }],
                },
            },
        },
    });
    made::<Deployment>(server, deployment).await;
    let web = json!({ "name": "web", "image": "i:2", "env": [{ "name": "B", "value": "3" }] });
    let containers = json!([{ "name": "new", "image": "n:1" }, web, { "name": "log", "$patch": "delete" }]);
    let patch = json!({ "spec": { "template": { "spec": { "containers": containers } } } });
    let deployment = patched::<Deployment>(server, "d", patch).await.unwrap();
    let containers = &deployment["spec"]["template"]["spec"]["containers"];
    let shown: Vec<_> = containers
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (&one["name"], &one["image"]))
        .collect();
    assert_eq!(shown, [(&json!("new"), &json!("n:1")), (&json!("web"), &json!("i:2"))]);
    let variables = json!([{ "name": "A", "value": "1" }, { "name": "B", "value": "3" }]);
    assert_eq!(containers[1]["env"], variables);
    assert_eq!(deployment["metadata"]["generation"], 2);
}

async fn an_element_is_deleted_by_its_key(server: &Server) {
    service_with(
        server,
        json!([{ "port": 1, "name": "one" }, { "port": 2, "name": "two" }]),
    )
    .await;
    let patch = json!({ "spec": { "ports": [{ "$patch": "delete", "port": 1 }, { "$patch": "delete", "port": 9 }] } });
    let service = patched::<Service>(server, "s", patch).await.unwrap();
    assert_eq!(ports(&service), ["2/two"]);
}

async fn a_list_or_a_map_is_replaced_on_demand(server: &Server) {
    service_with(
        server,
        json!([{ "port": 1, "name": "one" }, { "port": 2, "name": "two" }]),
    )
    .await;
    let patch = json!({
        "metadata": { "labels": { "$patch": "replace", "a": "1" } },
        "spec": { "ports": [{ "port": 3, "name": "three" }, { "$patch": "replace" }] },
    });
    let service = patched::<Service>(server, "s", patch).await.unwrap();
    assert_eq!(ports(&service), ["3/three"]);
    assert_eq!(service["metadata"].get("labels"), None, "there were none to replace");
    for patch in [json!({ "a": "1" }), json!({ "$patch": "replace", "b": "2" })] {
        let patch = json!({ "metadata": { "labels": patch } });
        patched::<Service>(server, "s", patch).await.unwrap();
    }
    let service = patched::<Service>(server, "s", json!({})).await.unwrap();
    assert_eq!(service["metadata"]["labels"], json!({ "b": "2" }));
}

async fn a_map_is_emptied_on_demand(server: &Server) {
    config_map_with(server, json!({ "labels": { "a": "1" }, "annotations": { "b": "2" } })).await;
    let patch = json!({ "metadata": { "labels": { "$patch": "delete" } } });
    let map = patched::<ConfigMap>(server, "c", patch).await.unwrap();
    assert_eq!(map["metadata"].get("labels"), None);
    assert_eq!(map["metadata"]["annotations"], json!({ "b": "2" }));
}

async fn null_removes_and_may_miss(server: &Server) {
    config_map_with(server, json!({ "labels": { "a": "1", "b": "2" } })).await;
    let patch = json!({ "metadata": { "labels": { "a": null, "c": null }, "annotations": { "d": null } } });
    let map = patched::<ConfigMap>(server, "c", patch).await.unwrap();
    assert_eq!(map["metadata"]["labels"], json!({ "b": "2" }));
    assert_eq!(map["metadata"].get("annotations"), None);
}

async fn the_order_of_elements_can_be_set(server: &Server) {
    let three = json!([{ "port": 1, "name": "one" }, { "port": 2, "name": "two" }, { "port": 3, "name": "three" }]);
    service_with(server, three).await;
    let order = json!([{ "port": 3 }, { "port": 1 }]);
    let patch = json!({ "spec": { "$setElementOrder/ports": order } });
    let service = patched::<Service>(server, "s", patch).await.unwrap();
    assert_eq!(ports(&service), ["2/two", "3/three", "1/one"]);
    let order = json!([{ "port": 4 }, { "port": 1 }, { "port": 2 }, { "port": 3 }]);
    let patch = json!({ "spec": { "$setElementOrder/ports": order, "ports": [{ "port": 4, "name": "four" }] } });
    let service = patched::<Service>(server, "s", patch).await.unwrap();
    assert_eq!(ports(&service), ["4/four", "1/one", "2/two", "3/three"]);
    let patch =
        json!({ "spec": { "$setElementOrder/ports": [{ "port": 1 }], "ports": [{ "port": 5, "name": "five" }] } });
    let status = refused(patched::<Service>(server, "s", patch).await);
    assert_eq!(status.code, 500);
    assert!(
        status.message.starts_with("The order in patch list:"),
        "{}",
        status.message
    );
}

async fn finalizers_are_a_set(server: &Server) {
    config_map_with(server, json!({ "finalizers": ["layby.dev/a", "layby.dev/b"] })).await;
    let patch = json!({ "metadata": { "finalizers": ["layby.dev/c", "layby.dev/a"] } });
    let map = patched::<ConfigMap>(server, "c", patch).await.unwrap();
    assert_eq!(
        map["metadata"]["finalizers"],
        json!(["layby.dev/c", "layby.dev/a", "layby.dev/b"])
    );
    let gone = json!(["layby.dev/b", "layby.dev/c", "layby.dev/x"]);
    let patch = json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": gone } });
    let map = patched::<ConfigMap>(server, "c", patch).await.unwrap();
    assert_eq!(map["metadata"]["finalizers"], json!(["layby.dev/a"]));
    let patch = json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["layby.dev/a"] } });
    patched::<ConfigMap>(server, "c", patch).await.unwrap();
}

async fn only_what_is_retained_stays(server: &Server) {
    config_map_with(server, json!({ "labels": { "a": "1", "b": "2", "c": "3" } })).await;
    let patch = json!({ "metadata": { "labels": { "$retainKeys": ["a", "b"], "a": "4" } } });
    let map = patched::<ConfigMap>(server, "c", patch).await.unwrap();
    assert_eq!(map["metadata"]["labels"], json!({ "a": "4", "b": "2" }));
    let patch = json!({ "metadata": { "labels": { "$retainKeys": ["a"], "b": "5" } } });
    let status = refused(patched::<ConfigMap>(server, "c", patch).await);
    assert_eq!((status.code, status.reason.as_str()), (400, "BadRequest"));
    assert_eq!(status.message, "invalid patch format of retainKeys");
}

async fn a_list_without_a_key_is_replaced(server: &Server) {
    let account = json!({
        "metadata": { "name": "a" },
        "secrets": [{ "name": "x" }, { "name": "y" }],
        "imagePullSecrets": [{ "name": "x" }, { "name": "y" }],
    });
    made::<ServiceAccount>(server, account).await;
    let patch = json!({ "secrets": [{ "name": "z" }], "imagePullSecrets": [{ "name": "z" }] });
    let account = patched::<ServiceAccount>(server, "a", patch).await.unwrap();
    assert_eq!(
        account["secrets"],
        json!([{ "name": "z" }, { "name": "x" }, { "name": "y" }])
    );
    assert_eq!(account["imagePullSecrets"], json!([{ "name": "z" }]));
}

async fn owners_are_merged_by_uid(server: &Server) {
    config_map_with(server, json!({})).await;
    let owner = |uid: &str, name: &str| json!({ "apiVersion": "v1", "kind": "Node", "name": name, "uid": uid });
    let own = json!({ "metadata": { "ownerReferences": [owner("u1", "one")] } });
    patched::<ConfigMap>(server, "c", own).await.unwrap();
    let params = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    let patch = json!({ "metadata": { "ownerReferences": [owner("u2", "two"), { "uid": "u1", "name": "other" }] } });
    let map = server
        .api::<ConfigMap>()
        .patch("c", &params, &Patch::Strategic(patch))
        .await
        .unwrap();
    let owners = map.metadata.owner_references.unwrap();
    let mut owners: Vec<_> = owners.iter().map(|one| (one.uid.as_str(), one.name.as_str())).collect();
    owners.sort_unstable();
    assert_eq!(owners, [("u1", "other"), ("u2", "two")]);
}

async fn conditions_are_merged_by_type(server: &Server) {
    let containers = json!([{ "name": "a", "image": "registry.invalid/a:1" }]);
    let spec = json!({ "containers": containers, "nodeSelector": { "none": "has-it" } });
    made::<Pod>(server, json!({ "metadata": { "name": "p" }, "spec": spec })).await;
    let api: Api<Pod> = server.api();
    for status in ["True", "False"] {
        let condition = json!({ "type": "layby.dev/Checked", "status": status });
        let patch = json!({ "status": { "conditions": [condition] } });
        api.patch_status("p", &PatchParams::default(), &Patch::Strategic(patch))
            .await
            .unwrap();
    }
    let last = json!({ "status": { "conditions": [{ "type": "layby.dev/Last", "status": "True" }] } });
    let pod = api
        .patch_status("p", &PatchParams::default(), &Patch::Strategic(last))
        .await
        .unwrap();
    let conditions = pod.status.unwrap().conditions.unwrap();
    let ours = conditions.iter().filter(|one| one.type_.starts_with("layby.dev/"));
    let mut ours: Vec<_> = ours.map(|one| (one.type_.as_str(), one.status.as_str())).collect();
    ours.sort_unstable();
    assert_eq!(ours, [("layby.dev/Checked", "False"), ("layby.dev/Last", "True")]);
}

async fn what_a_merge_makes_must_be_valid(server: &Server) {
    service_with(server, json!([{ "port": 1, "name": "one" }])).await;
    let status = refused(patched::<Service>(server, "s", json!({ "spec": { "ports": [{ "port": 0 }] } })).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    let patch = json!({ "metadata": { "labels": "none" } });
    let status = refused(patched::<Service>(server, "s", patch).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert!(status.message.contains("patch: Invalid value"), "{}", status.message);
}

async fn a_wrong_strategic_patch_is_refused(server: &Server) {
    service_with(server, json!([{ "port": 1, "name": "one" }])).await;
    let refusal = async |patch: Value| {
        let status = refused(patched::<Service>(server, "s", patch).await);
        (status.code, status.reason.clone(), status.message.clone())
    };
    let (code, _, message) = refusal(json!({ "spec": { "ports": [{ "name": "two" }] } })).await;
    assert_eq!(
        (code, message.as_str()),
        (500, "map: map[name:two] does not contain declared merge key: port")
    );
    let (code, _, message) = refusal(json!({ "spec": { "ports": [{ "$patch": "delete" }] } })).await;
    assert_eq!(
        (code, message.as_str()),
        (500, "map: map[$patch:delete] does not contain declared merge key: port")
    );
    let (code, _, message) = refusal(json!({ "spec": { "ports": [{ "$patch": "merge", "port": 1 }] } })).await;
    assert_eq!(
        (code, message.as_str()),
        (500, "merging lists cannot yet be specified in the patch")
    );
    patched::<Service>(server, "s", json!({ "metadata": { "labels": { "a": "1" } } }))
        .await
        .unwrap();
    let (code, _, message) = refusal(json!({ "metadata": { "labels": { "$patch": "grow" } } })).await;
    assert_eq!(
        (code, message.as_str()),
        (500, "unknown patch type: grow in map: map[$patch:grow]")
    );
    let (code, reason, message) = refusal(json!([1])).await;
    assert_eq!((code, reason.as_str()), (400, "BadRequest"), "{message}");
}

async fn a_strategic_patch_is_of_something_and_of_its_version(server: &Server) {
    let status = refused(patched::<ConfigMap>(server, "none", json!({})).await);
    assert_eq!((status.code, status.reason.as_str()), (404, "NotFound"));
    config_map_with(server, json!({})).await;
    let stale = json!({ "metadata": { "resourceVersion": "1" }, "data": { "a": "1" } });
    let status = refused(patched::<ConfigMap>(server, "c", stale).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    let before = patched::<ConfigMap>(server, "c", json!({ "data": { "a": "1" } }))
        .await
        .unwrap();
    let after = patched::<ConfigMap>(server, "c", json!({ "data": { "a": "1" } }))
        .await
        .unwrap();
    assert_eq!(
        before["metadata"]["resourceVersion"],
        after["metadata"]["resourceVersion"]
    );
}
