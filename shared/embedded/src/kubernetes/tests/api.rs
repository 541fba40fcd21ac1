//! Paths, callers, discovery, and creating and reading single objects.

use http::Method;
use serde_json::{Value, json};

use super::super::machine::Outcome;
use super::Cluster;

#[test]
fn a_namespace_is_created_as_the_real_server_does() {
    let mut cluster = Cluster::new();
    let namespace = cluster.namespace("n");
    assert_eq!(namespace["kind"], "Namespace");
    assert_eq!(namespace["apiVersion"], "v1");
    assert_eq!(
        namespace["metadata"]["labels"],
        json!({"kubernetes.io/metadata.name": "n"})
    );
    assert_eq!(namespace["metadata"]["creationTimestamp"], "2026-01-01T00:00:00Z");
    assert_eq!(namespace["spec"], json!({"finalizers": ["kubernetes"]}));
    assert_eq!(namespace["status"], json!({"phase": "Active"}));
    assert_eq!(cluster.get("/api/v1/namespaces/n/serviceaccounts/default").0, 200);
    assert_eq!(cluster.get("/api/v1/namespaces/n/configmaps/kube-root-ca.crt").0, 200);
    let (code, status) = cluster.post("/api/v1/namespaces", json!({"metadata": {"name": "n"}}));
    assert_eq!(
        (code, status["message"].as_str()),
        (409, Some("namespaces \"n\" already exists"))
    );
    assert_eq!(status["reason"], "AlreadyExists");
}

#[test]
fn the_cluster_is_known_by_the_uid_of_kube_system() {
    let uid = |cluster: &mut Cluster, name: &str| {
        cluster.get(&format!("/api/v1/namespaces/{name}")).1["metadata"]["uid"].clone()
    };
    let (mut one, mut two) = (Cluster::new(), Cluster::new());
    assert_eq!(uid(&mut one, "kube-system"), uid(&mut two, "kube-system"));
    assert_ne!(uid(&mut one, "kube-system"), uid(&mut one, "default"));
}

#[test]
fn names_are_generated_where_only_a_beginning_is_given() {
    let mut cluster = Cluster::new();
    let make = |cluster: &mut Cluster| {
        let path = "/api/v1/namespaces/default/configmaps";
        cluster.post(path, json!({"metadata": {"generateName": "made-"}})).1["metadata"]["name"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let (one, two) = (make(&mut cluster), make(&mut cluster));
    assert!(one.starts_with("made-") && one.len() == 10 && one != two, "{one} {two}");
    let (code, status) = cluster.post("/api/v1/namespaces/default/configmaps", json!({"metadata": {}}));
    assert_eq!(code, 422);
    assert_eq!(
        status["message"],
        "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required"
    );
    assert_eq!(status["details"]["causes"][0]["reason"], "FieldValueRequired");
}

#[test]
fn a_wrong_token_is_refused_and_none_is_the_administrators_as_kubectl_proxy_has_it() {
    let mut cluster = Cluster::new();
    for token in ["Bearer wrong", "secret", "Bearer ", "Basic secret"] {
        let mut request = Cluster::request(Method::GET, "/api/v1/pods", "", &Value::Null);
        request.headers_mut().insert("authorization", token.parse().unwrap());
        let Outcome::Answer(answer) = cluster.send(request) else {
            panic!()
        };
        let status: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!(
            (answer.status().as_u16(), &status["message"]),
            (401, &json!("Unauthorized")),
            "{token}"
        );
    }
    for path in ["/readyz", "/api/v1/pods"] {
        let mut request = Cluster::request(Method::GET, path, "", &Value::Null);
        request.headers_mut().remove("authorization");
        let Outcome::Answer(answer) = cluster.send(request) else {
            panic!()
        };
        assert_eq!(answer.status(), 200, "{path}");
    }
}

#[test]
fn what_is_not_served_is_not_found_and_what_is_not_simulated_is_refused() {
    let mut cluster = Cluster::new();
    for path in ["/apis/x.io/v1/things", "/nothing"] {
        assert_eq!(cluster.get(path), (404, json!("404 page not found\n")), "{path}");
    }
    for path in [
        "/api/v1/widgets",
        "/api/v2/pods",
        "/api/v1/pods/p",
        "/api/v1/namespaces/n/nodes",
        "/api/v1/namespaces//pods",
    ] {
        let (code, status) = cluster.get(path);
        assert_eq!((code, &status["reason"]), (404, &json!("NotFound")), "{path}");
    }
    let template = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "web"}]}});
    let job = json!({"metadata": {"name": "j"}, "spec": {"completionMode": "Indexed", "completions": 1, "template": template}});
    let (code, status) = cluster.post("/apis/batch/v1/namespaces/default/jobs", job);
    assert_eq!(
        (code, &status["kind"], &status["status"]),
        (501, &json!("Status"), &json!("Failure"))
    );
    assert_eq!(cluster.get("/apis/apps/v1/deployments").1["items"], json!([]));
    let (code, status) = cluster.put("/api/v1/namespaces/default/configmaps", json!({}));
    assert_eq!((code, &status["reason"]), (405, &json!("MethodNotAllowed")));
    assert_eq!(
        cluster
            .raw(Method::POST, "/api/v1/namespaces", "application/yaml", &json!({}))
            .status(),
        415
    );
    assert_eq!(cluster.get("/api/v1/pods?labelSelectr=a").0, 400);
}

#[test]
fn bodies_that_do_not_fit_their_schema_are_bad_requests() {
    let mut cluster = Cluster::new();
    let path = "/api/v1/namespaces/default/pods";
    let pod = |spec: Value| json!({"metadata": {"name": "p"}, "spec": spec});
    let quantity = json!({"containers": [{"name": "c", "image": "i", "resources": {"limits": {"memory": "512MB"}}}]});
    let (code, status) = cluster.post(path, pod(quantity));
    assert_eq!(code, 400);
    assert_eq!(
        status["message"],
        "Pod in version \"v1\" cannot be handled as a Pod: quantities must match the regular expression \
         '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
    );
    assert_eq!(cluster.post(path, pod(json!({"containers": "none"}))).0, 400);
    assert_eq!(
        cluster
            .post(path, json!({"kind": "Secret", "metadata": {"name": "p"}}))
            .0,
        400
    );
    assert_eq!(
        cluster
            .post(path, json!({"metadata": {"name": "p", "namespace": "other"}}))
            .0,
        400
    );
    assert_eq!(cluster.post(path, json!([])).0, 400);
    let odd = pod(json!({"containers": [{"name": "c", "image": "i", "colour": "red"}]}));
    let (code, status) = cluster.post(&format!("{path}?fieldValidation=Strict"), odd.clone());
    assert_eq!(code, 400);
    assert!(
        status["message"]
            .as_str()
            .unwrap()
            .ends_with("strict decoding error: unknown field \"spec.containers[0].colour\"")
    );
    let (code, stored) = cluster.post(path, odd);
    assert_eq!((code, &stored["spec"]["containers"][0]["colour"]), (201, &Value::Null));
}

#[test]
fn metadata_alone_is_given_to_those_who_ask_for_it() {
    let mut cluster = Cluster::new();
    let mut request = Cluster::request(Method::GET, "/api/v1/namespaces/default/configmaps", "", &Value::Null);
    let accept = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    request.headers_mut().insert("accept", accept.parse().unwrap());
    let Outcome::Answer(answer) = cluster.send(request) else {
        panic!()
    };
    let list: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert_eq!(list["items"][0]["kind"], "PartialObjectMetadata");
    assert_eq!(list["items"][0]["data"], Value::Null);
}

#[test]
fn discovery_lists_groups_and_resources() {
    let mut cluster = Cluster::new();
    assert_eq!(cluster.get("/version").1["gitVersion"], "v1.35.4");
    assert_eq!(cluster.get("/api").1["versions"], json!(["v1"]));
    let groups = cluster.get("/apis").1;
    let names: Vec<&str> = groups["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "apps",
            "authentication.k8s.io",
            "authorization.k8s.io",
            "batch",
            "coordination.k8s.io",
            "networking.k8s.io",
            "rbac.authorization.k8s.io"
        ]
    );
    let core = cluster.get("/api/v1").1;
    let pods = core["resources"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "pods")
        .unwrap();
    assert_eq!(
        (&pods["shortNames"], &pods["kind"], &pods["namespaced"]),
        (&json!(["po"]), &json!("Pod"), &json!(true))
    );
    assert_eq!(
        cluster.get("/openapi/v3").1["paths"]["api/v1"]["serverRelativeURL"],
        "/openapi/v3/api/v1"
    );
    let paths = cluster.get("/openapi/v3/apis/apps/v1").1["paths"].clone();
    let patch = &paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["parameters"][0]["name"], "fieldValidation");
    assert_eq!(
        cluster.get("/apis/batch").1["preferredVersion"]["groupVersion"],
        "batch/v1"
    );
    let (code, review) = cluster.post(
        "/apis/authentication.k8s.io/v1/selfsubjectreviews",
        json!({"metadata": {}}),
    );
    assert_eq!(
        (code, &review["status"]["userInfo"]["username"]),
        (201, &json!("admin"))
    );
}

#[test]
fn the_same_calls_at_the_same_times_give_the_same_answers() {
    let life = || {
        let mut cluster = Cluster::new();
        cluster.namespace("n");
        cluster.pod("p", "web", json!({}));
        cluster.pass(3.0);
        cluster.get("/api/v1/pods").1
    };
    assert_eq!(life(), life());
}
