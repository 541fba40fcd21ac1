//! Server-side apply: who wants what of an object, and what becomes of what nobody wants any more.

use http::Request;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Service, ServiceAccount};
use k8s_openapi::api::rbac::v1::Role;
use kube::api::{Api, Patch, PatchParams};
use kube::client::Body;
use serde_json::{Value, json};

use crate::managers::{Kind, as_manager, created, entries, fields_of, merged};
use crate::server::{Server, refused};

checks! {
    applying_makes_what_is_missing_and_then_changes_it
    applying_the_same_again_changes_nothing
    an_applier_owns_what_it_sends_and_no_defaults
    a_body_may_be_yaml
    what_an_applier_sends_no_more_is_removed
    what_two_appliers_share_stays_until_both_let_go
    an_element_goes_with_its_applier
    an_element_goes_even_if_another_wrote_into_it
    each_applier_has_its_values_of_a_set
    what_is_atomic_is_owned_as_one
    changing_what_another_applied_is_a_conflict
    changing_what_others_wrote_names_all_of_them
    force_takes_over
    an_update_takes_over_what_was_applied
    a_status_is_applied_apart
    an_object_without_managers_was_there_before_the_first_apply
    kubectl_takes_over_what_it_applied_as_a_client
    a_dry_run_of_applying_keeps_nothing
    applying_needs_a_manager
    a_body_that_cannot_be_applied_is_refused
    applying_asks_for_the_version_and_the_uid_that_it_is_told
}

/// Applies `object` as `manager`.
async fn tried<K: Kind>(server: &Server, params: &PatchParams, mut object: Value) -> kube::Result<Value> {
    object["apiVersion"] = K::api_version(&()).into();
    object["kind"] = K::kind(&()).into();
    let name = object["metadata"]["name"].as_str().unwrap().to_owned();
    let api: Api<K> = server.api();
    let object = api.patch(&name, params, &Patch::Apply(object)).await?;
    Ok(serde_json::to_value(object).unwrap())
}

async fn applied<K: Kind>(server: &Server, manager: &str, object: Value) -> Value {
    tried::<K>(server, &as_manager(manager), object).await.unwrap()
}

fn map_of(data: Value) -> Value {
    json!({ "metadata": { "name": "c" }, "data": data })
}

/// Sends an apply as it is and gives the status code with the answer.
async fn sent(server: &Server, query: &str, body: &str) -> (u16, Value) {
    let path = format!("/api/v1/namespaces/{}/configmaps/c?{query}", server.namespace);
    let request = Request::patch(path).header("content-type", "application/apply-patch+yaml");
    let answer = server
        .client
        .send(request.body(Body::from(body.as_bytes().to_vec())).unwrap())
        .await
        .unwrap();
    let code = answer.status().as_u16();
    let bytes = answer.into_body().collect_bytes().await.unwrap();
    (code, serde_json::from_slice(&bytes).unwrap())
}

async fn applying_makes_what_is_missing_and_then_changes_it(server: &Server) {
    let body = |value: &str| {
        let metadata = json!({ "name": "c" });
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "a": value } }).to_string()
    };
    let (code, made) = sent(server, "fieldManager=one", &body("1")).await;
    assert_eq!(
        (code, &made["metadata"]["name"], &made["data"]),
        (201, &json!("c"), &json!({ "a": "1" }))
    );
    let (code, changed) = sent(server, "fieldManager=one", &body("2")).await;
    assert_eq!((code, &changed["metadata"]["uid"]), (200, &made["metadata"]["uid"]));
    assert_eq!(changed["data"], json!({ "a": "2" }));
    let entry = &changed["metadata"]["managedFields"][0];
    let known = ["manager", "operation", "apiVersion", "fieldsType"].map(|field| entry[field].as_str().unwrap());
    assert_eq!(known, ["one", "Apply", "v1", "FieldsV1"]);
    assert!(
        entry["time"].is_string() && entry.get("subresource").is_none(),
        "{entry}"
    );
    assert_eq!(entry["fieldsV1"], json!({ "f:data": { "f:a": {} } }));
}

async fn applying_the_same_again_changes_nothing(server: &Server) {
    let made = applied::<ConfigMap>(server, "one", map_of(json!({ "a": "1" }))).await;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let again = applied::<ConfigMap>(server, "one", map_of(json!({ "a": "1" }))).await;
    assert_eq!(made["metadata"], again["metadata"]);
}

async fn an_applier_owns_what_it_sends_and_no_defaults(server: &Server) {
    let container = json!({ "name": "c", "image": "registry.invalid/c:1", "ports": [{ "containerPort": 80 }] });
    let spec = json!({ "containers": [container], "nodeSelector": { "none": "has-it" } });
    let metadata = json!({ "name": "p", "labels": { "a": "1" } });
    let pod = applied::<Pod>(server, "one", json!({ "metadata": metadata, "spec": spec })).await;
    assert_eq!(pod["spec"]["containers"][0]["ports"][0]["protocol"], "TCP");
    let port = r#"k:{"containerPort":80,"protocol":"TCP"}"#;
    let container = json!({
        ".": {}, "f:name": {}, "f:image": {}, "f:ports": { port: { ".": {}, "f:containerPort": {} } },
    });
    let expected = json!({
        "f:metadata": { "f:labels": { "f:a": {} } },
        "f:spec": { "f:containers": { r#"k:{"name":"c"}"#: container }, "f:nodeSelector": {} },
    });
    assert_eq!(fields_of(&pod, "one"), expected);
}

async fn a_body_may_be_yaml(server: &Server) {
    let body = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: c }\ndata:\n  a: |\n    1\n    2\n";
    let (code, made) = sent(server, "fieldManager=one", body).await;
    assert_eq!((code, &made["data"]), (201, &json!({ "a": "1\n2\n" })));
    let (code, status) = sent(server, "fieldManager=one", "a: [").await;
    assert_eq!((code, &status["reason"]), (400, &json!("BadRequest")));
    assert!(
        status["message"].as_str().unwrap().starts_with("error decoding YAML: "),
        "{status}"
    );
}

async fn what_an_applier_sends_no_more_is_removed(server: &Server) {
    let mut both = map_of(json!({ "a": "1", "b": "1" }));
    both["metadata"]["labels"] = json!({ "l": "1" });
    applied::<ConfigMap>(server, "one", both).await;
    merged::<ConfigMap>(server, "two", "c", json!({ "data": { "c": "1" } })).await;
    let map = applied::<ConfigMap>(server, "one", map_of(json!({ "b": "1" }))).await;
    assert_eq!(map["data"], json!({ "b": "1", "c": "1" }));
    assert_eq!(map["metadata"].get("labels"), None);
    assert_eq!(fields_of(&map, "one"), json!({ "f:data": { "f:b": {} } }));
    let map = applied::<ConfigMap>(server, "one", json!({ "metadata": { "name": "c" } })).await;
    assert_eq!(map["data"], json!({ "c": "1" }));
    assert_eq!(fields_of(&map, "one"), Value::Null);
}

async fn what_two_appliers_share_stays_until_both_let_go(server: &Server) {
    applied::<ConfigMap>(server, "one", map_of(json!({ "a": "1" }))).await;
    let map = applied::<ConfigMap>(server, "two", map_of(json!({ "a": "1" }))).await;
    let owned = json!({ "f:data": { "f:a": {} } });
    assert_eq!((fields_of(&map, "one"), fields_of(&map, "two")), (owned.clone(), owned));
    let two = map["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["manager"] == "two");
    assert_eq!(two.unwrap().get("time"), None, "nothing changed when it came");
    let map = applied::<ConfigMap>(server, "one", json!({ "metadata": { "name": "c" } })).await;
    assert_eq!(map["data"], json!({ "a": "1" }));
    let map = applied::<ConfigMap>(server, "two", json!({ "metadata": { "name": "c" } })).await;
    assert_eq!(map.get("data"), None);
}

fn service_with(ports: Value) -> Value {
    json!({ "metadata": { "name": "s" }, "spec": { "clusterIP": "None", "ports": ports } })
}

fn ports(service: &Value) -> Vec<i64> {
    let ports = service["spec"]["ports"].as_array().unwrap();
    ports.iter().map(|port| port["port"].as_i64().unwrap()).collect()
}

async fn an_element_goes_with_its_applier(server: &Server) {
    applied::<Service>(
        server,
        "one",
        service_with(json!([{ "port": 1, "name": "a" }, { "port": 2, "name": "b" }])),
    )
    .await;
    let two = json!({ "metadata": { "name": "s" }, "spec": { "ports": [{ "port": 3, "name": "c" }] } });
    let service = applied::<Service>(server, "two", two).await;
    assert_eq!(ports(&service), [1, 2, 3]);
    let service = applied::<Service>(server, "one", service_with(json!([{ "port": 2, "name": "b" }]))).await;
    assert_eq!(ports(&service), [2, 3]);
    let order = json!([{ "port": 4, "name": "d" }, { "port": 2, "name": "b" }]);
    let service = applied::<Service>(server, "one", service_with(order)).await;
    assert_eq!(ports(&service), [4, 2, 3]);
}

async fn an_element_goes_even_if_another_wrote_into_it(server: &Server) {
    let two = json!([{ "port": 1, "name": "a" }, { "port": 2, "name": "b" }]);
    applied::<Service>(server, "one", service_with(two)).await;
    let patch = json!({ "spec": { "ports": [{ "port": 1, "targetPort": 8 }] } });
    server
        .api::<Service>()
        .patch("s", &as_manager("two"), &Patch::Strategic(patch))
        .await
        .unwrap();
    let service = applied::<Service>(server, "one", service_with(json!([{ "port": 2, "name": "b" }]))).await;
    assert_eq!(ports(&service), [2]);
    assert_eq!(fields_of(&service, "two"), Value::Null);
}

async fn each_applier_has_its_values_of_a_set(server: &Server) {
    let with = |finalizers: Value| json!({ "metadata": { "name": "c", "finalizers": finalizers } });
    applied::<ConfigMap>(server, "one", with(json!(["layby.dev/a", "layby.dev/b"]))).await;
    let map = applied::<ConfigMap>(server, "two", with(json!(["layby.dev/c"]))).await;
    assert_eq!(
        map["metadata"]["finalizers"],
        json!(["layby.dev/a", "layby.dev/b", "layby.dev/c"])
    );
    let owned = json!({ "f:metadata": { "f:finalizers": { r#"v:"layby.dev/c""#: {} } } });
    assert_eq!(fields_of(&map, "two"), owned);
    let map = applied::<ConfigMap>(server, "one", with(json!(["layby.dev/b"]))).await;
    assert_eq!(map["metadata"]["finalizers"], json!(["layby.dev/b", "layby.dev/c"]));
    let map = merged::<ConfigMap>(server, "three", "c", json!({ "metadata": { "finalizers": null } })).await;
    assert!(entries(&map).is_empty(), "{map}");
}

async fn what_is_atomic_is_owned_as_one(server: &Server) {
    let with = |verb: &str| {
        let rules = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": [verb] }]);
        json!({ "metadata": { "name": "r" }, "rules": rules })
    };
    let role = applied::<Role>(server, "one", with("get")).await;
    assert_eq!(fields_of(&role, "one"), json!({ "f:rules": {} }));
    let status = refused(tried::<Role>(server, &as_manager("two"), with("list")).await);
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"one\": .rules"
    );
    let service =
        json!({ "metadata": { "name": "s" }, "spec": { "selector": { "a": "1" }, "ports": [{ "port": 1 }] } });
    let service = applied::<Service>(server, "one", service).await;
    assert_eq!(fields_of(&service, "one")["f:spec"]["f:selector"], json!({}));
    let account = |pulls: Value| json!({ "metadata": { "name": "a" }, "imagePullSecrets": pulls });
    applied::<ServiceAccount>(server, "one", account(json!([{ "name": "x" }]))).await;
    let status = refused(tried::<ServiceAccount>(server, &as_manager("two"), account(json!([{ "name": "y" }]))).await);
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"one\": .imagePullSecrets"
    );
}

async fn changing_what_another_applied_is_a_conflict(server: &Server) {
    let before = applied::<ConfigMap>(server, "one", map_of(json!({ "a": "1" }))).await;
    let status = refused(tried::<ConfigMap>(server, &as_manager("two"), map_of(json!({ "a": "2" }))).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"one\": .data.a"
    );
    let details = status.details.unwrap();
    assert_eq!((details.kind.as_str(), details.name.as_str()), ("", ""));
    let [cause] = details.causes.as_slice() else {
        panic!("{:?}", details.causes)
    };
    assert_eq!(
        (cause.reason.as_str(), cause.field.as_str(), cause.message.as_str()),
        ("FieldManagerConflict", ".data.a", "conflict with \"one\"")
    );
    let after = server.api::<ConfigMap>().get("c").await.unwrap();
    assert_eq!(serde_json::to_value(after).unwrap()["metadata"], before["metadata"]);
}

async fn changing_what_others_wrote_names_all_of_them(server: &Server) {
    let one = applied::<Service>(server, "one", service_with(json!([{ "port": 1, "name": "a" }]))).await;
    assert_eq!(fields_of(&one, "one")["f:spec"]["f:clusterIP"], json!({}));
    let labels = json!({ "metadata": { "labels": { "l": "1" } } });
    merged::<Service>(server, "two", "s", labels).await;
    let mut wanted = service_with(json!([{ "port": 1, "name": "b" }]));
    wanted["metadata"]["labels"] = json!({ "l": "2" });
    let status = refused(tried::<Service>(server, &as_manager("three"), wanted).await);
    assert_eq!(
        status.message,
        "Apply failed with 2 conflicts: conflicts with \"one\":\n\
         - .spec.ports[port=1,protocol=\"TCP\"].name\n\
         conflicts with \"two\" using v1:\n\
         - .metadata.labels.l"
    );
    let causes = status.details.unwrap().causes;
    let mut fields: Vec<_> = causes.iter().map(|cause| cause.field.as_str()).collect();
    fields.sort_unstable();
    assert_eq!(
        fields,
        [".metadata.labels.l", ".spec.ports[port=1,protocol=\"TCP\"].name"]
    );
}

async fn force_takes_over(server: &Server) {
    applied::<ConfigMap>(server, "one", map_of(json!({ "a": "1", "b": "1" }))).await;
    let params = as_manager("two").force();
    let map = tried::<ConfigMap>(server, &params, map_of(json!({ "a": "2" })))
        .await
        .unwrap();
    assert_eq!(map["data"], json!({ "a": "2", "b": "1" }));
    assert_eq!(fields_of(&map, "one"), json!({ "f:data": { "f:b": {} } }));
    assert_eq!(fields_of(&map, "two"), json!({ "f:data": { "f:a": {} } }));
}

async fn an_update_takes_over_what_was_applied(server: &Server) {
    applied::<ConfigMap>(server, "one", map_of(json!({ "a": "1", "b": "1" }))).await;
    let map = merged::<ConfigMap>(server, "one", "c", json!({ "data": { "a": "2" } })).await;
    let mut known = entries(&map);
    known.sort_by(|left, right| left.1.cmp(&right.1));
    let entry = |operation: &str, field: &str| {
        (
            "one".to_owned(),
            operation.to_owned(),
            json!({ "f:data": { field: {} } }),
        )
    };
    assert_eq!(known, [entry("Apply", "f:b"), entry("Update", "f:a")]);
    let status = refused(tried::<ConfigMap>(server, &as_manager("one"), map_of(json!({ "a": "1", "b": "1" }))).await);
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"one\" using v1: .data.a"
    );
    let map = applied::<ConfigMap>(server, "one", map_of(json!({ "a": "2", "b": "1" }))).await;
    assert_eq!(entries(&map).len(), 2, "both own it now: {map}");
}

async fn a_status_is_applied_apart(server: &Server) {
    let containers = json!([{ "name": "a", "image": "registry.invalid/a:1" }]);
    let spec = json!({ "containers": containers, "nodeSelector": { "none": "has-it" } });
    let pod = json!({ "metadata": { "name": "p" }, "spec": spec, "status": { "message": "not from here" } });
    let pod = applied::<Pod>(server, "one", pod).await;
    assert_eq!(
        (pod["status"].get("message"), fields_of(&pod, "one").get("f:status")),
        (None, None)
    );
    let status = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "p" },
        "status": { "message": "m", "conditions": [{ "type": "layby.dev/C", "status": "True" }] },
    });
    let api: Api<Pod> = server.api();
    let pod = api
        .patch_status("p", &as_manager("two"), &Patch::Apply(status))
        .await
        .unwrap();
    let pod = serde_json::to_value(pod).unwrap();
    let condition = json!({ r#"k:{"type":"layby.dev/C"}"#: { ".": {}, "f:status": {}, "f:type": {} } });
    let owned = json!({ "f:status": { "f:conditions": condition, "f:message": {} } });
    assert_eq!(fields_of(&pod, "two"), owned);
    let known = pod["metadata"]["managedFields"].as_array().unwrap().iter();
    assert!(
        known
            .clone()
            .any(|one| one["manager"] == "two" && one["subresource"] == "status")
    );
    let none = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "none" }, "status": {} });
    let status = refused(api.patch_status("none", &as_manager("two"), &Patch::Apply(none)).await);
    assert_eq!((status.code, status.reason.as_str()), (404, "NotFound"));
}

async fn an_object_without_managers_was_there_before_the_first_apply(server: &Server) {
    created::<ConfigMap>(server, "maker", map_of(json!({ "a": "1" }))).await;
    merged::<ConfigMap>(server, "maker", "c", json!({ "metadata": { "managedFields": [{}] } })).await;
    let status = refused(tried::<ConfigMap>(server, &as_manager("one"), map_of(json!({ "a": "2" }))).await);
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using v1: .data.a"
    );
    let map = applied::<ConfigMap>(server, "one", map_of(json!({ "b": "1" }))).await;
    assert_eq!(
        fields_of(&map, "before-first-apply"),
        json!({ "f:data": { ".": {}, "f:a": {} } })
    );
    assert_eq!(fields_of(&map, "one"), json!({ "f:data": { "f:b": {} } }));
}

async fn kubectl_takes_over_what_it_applied_as_a_client(server: &Server) {
    let last = "kubectl.kubernetes.io/last-applied-configuration";
    let config = json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "a": "1", "b": "1" } });
    let mut made = map_of(json!({ "a": "1", "b": "1" }));
    made["metadata"]["annotations"] = json!({ last: config.to_string() });
    created::<ConfigMap>(server, "kubectl-client-side-apply", made).await;
    merged::<ConfigMap>(server, "two", "c", json!({ "data": { "b": "2" } })).await;
    let wanted = map_of(json!({ "a": "3" }));
    let status = refused(tried::<ConfigMap>(server, &as_manager("one"), wanted.clone()).await);
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using v1: .data.a"
    );
    let both = map_of(json!({ "a": "3", "b": "3" }));
    let status = refused(tried::<ConfigMap>(server, &as_manager("kubectl"), both).await);
    assert_eq!(
        status.message,
        "Apply failed with 1 conflict: conflict with \"two\" using v1: .data.b"
    );
    let map = applied::<ConfigMap>(server, "kubectl", wanted).await;
    assert_eq!(map["data"], json!({ "a": "3", "b": "2" }));
    let kept: Value = serde_json::from_str(map["metadata"]["annotations"][last].as_str().unwrap()).unwrap();
    let metadata = json!({ "name": "c" });
    let wanted = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": { "a": "3" } });
    assert_eq!(kept, wanted);
    assert_eq!(fields_of(&map, "kubectl"), json!({ "f:data": { "f:a": {} } }));
}

async fn a_dry_run_of_applying_keeps_nothing(server: &Server) {
    let params = PatchParams {
        dry_run: true,
        ..as_manager("one")
    };
    let map = tried::<ConfigMap>(server, &params, map_of(json!({ "a": "1" })))
        .await
        .unwrap();
    assert_eq!(fields_of(&map, "one"), json!({ "f:data": { "f:a": {} } }));
    assert!(server.api::<ConfigMap>().get_opt("c").await.unwrap().is_none());
    let made = applied::<ConfigMap>(server, "one", map_of(json!({ "a": "1" }))).await;
    let map = tried::<ConfigMap>(server, &params, map_of(json!({ "a": "2" })))
        .await
        .unwrap();
    assert_eq!(map["data"], json!({ "a": "2" }));
    let kept = server.api::<ConfigMap>().get("c").await.unwrap();
    assert_eq!(serde_json::to_value(kept).unwrap(), made);
}

async fn applying_needs_a_manager(server: &Server) {
    let body = json!({ "apiVersion": "v1", "kind": "ConfigMap" }).to_string();
    let (code, status) = sent(server, "", &body).await;
    assert_eq!((code, &status["reason"]), (422, &json!("Invalid")));
    let expected =
        "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch";
    assert_eq!(status["message"], expected);
}

async fn a_body_that_cannot_be_applied_is_refused(server: &Server) {
    let refusal = async |mut body: Value| {
        for (name, value) in [("apiVersion", "v1"), ("kind", "ConfigMap")] {
            if body.get(name).is_none() {
                body[name] = value.into();
            }
        }
        let (code, status) = sent(server, "fieldManager=one", &body.to_string()).await;
        (code, status["message"].as_str().unwrap_or_default().to_owned())
    };
    let managers = json!([{ "manager": "x", "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1" }]);
    let refused = refusal(json!({ "metadata": { "managedFields": managers } })).await;
    assert_eq!(refused, (400, "metadata.managedFields must be nil".to_owned()));
    let (code, message) = refusal(json!({ "apiVersion": "v2" })).await;
    assert_eq!(
        (code, message.as_str()),
        (400, "invalid object type: /v2, Kind=ConfigMap")
    );
    let (code, message) = refusal(json!({ "kind": "Secret" })).await;
    assert_eq!((code, message.as_str()), (400, "invalid object type: /v1, Kind=Secret"));
    let (code, message) = refusal(json!({})).await;
    let nameless = "the name of the object (c based on URL) was undeterminable: name must be provided";
    assert_eq!((code, message.as_str()), (400, nameless));
    let (code, message) = refusal(json!({ "metadata": { "name": "d" } })).await;
    assert_eq!(code, 400);
    assert_eq!(
        message,
        "the name of the object (d) does not match the name on the URL (c)"
    );
    let (code, message) = refusal(json!({ "metadata": { "name": "c", "namespace": "other" } })).await;
    assert_eq!(code, 400, "{message}");
    let (code, message) = refusal(json!({ "grown": 1 })).await;
    assert_eq!(code, 500);
    assert!(message.ends_with(": .grown: field not declared in schema"), "{message}");
    let twice = json!([{ "port": 1, "name": "a" }, { "port": 1, "name": "b" }]);
    let status = crate::server::refused(tried::<Service>(server, &as_manager("one"), service_with(twice)).await);
    assert_eq!(status.code, 500);
    assert!(
        status
            .message
            .ends_with(": .spec.ports: duplicate entries for key [port=1,protocol=\"TCP\"]"),
        "{}",
        status.message
    );
}

async fn applying_asks_for_the_version_and_the_uid_that_it_is_told(server: &Server) {
    let mut map = map_of(json!({ "a": "1" }));
    map["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000".into();
    let status = refused(tried::<ConfigMap>(server, &as_manager("one"), map.clone()).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    assert!(
        status
            .message
            .contains("uid mismatch: the provided object specified uid"),
        "{}",
        status.message
    );
    let made = applied::<ConfigMap>(server, "one", map_of(json!({ "a": "1" }))).await;
    let status = refused(tried::<ConfigMap>(server, &as_manager("one"), map).await);
    assert_eq!((status.code, status.reason.as_str()), (422, "Invalid"));
    assert!(status.message.ends_with("field is immutable"), "{}", status.message);
    let mut map = map_of(json!({ "a": "2" }));
    map["metadata"]["resourceVersion"] = "1".into();
    let status = refused(tried::<ConfigMap>(server, &as_manager("one"), map.clone()).await);
    assert_eq!((status.code, status.reason.as_str()), (409, "Conflict"));
    map["metadata"]["resourceVersion"] = made["metadata"]["resourceVersion"].clone();
    let map = applied::<ConfigMap>(server, "one", map).await;
    assert_eq!(map["data"], json!({ "a": "2" }));
}
