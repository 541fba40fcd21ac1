//! What is let in: validation, defaults, accounts, pod security.

use serde_json::{Value, json};

use super::Cluster;

const PODS: &str = "/api/v1/namespaces/n/pods";

fn cluster() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.namespace("n");
    cluster
}

fn named(spec: Value) -> Value {
    json!({"metadata": {"name": "p"}, "spec": spec})
}

#[test]
fn a_pod_gets_the_defaults_that_readers_rely_on() {
    let mut cluster = cluster();
    let limits = json!({"memory": "64Mi", "cpu": "100m"});
    let pod = cluster.pod(
        "p",
        "web",
        json!({"containers": [
        {"name": "c", "image": "web", "ports": [{"containerPort": 80}], "resources": {"limits": limits}},
        {"name": "d", "image": "web:1", "resources": {"limits": {"cpu": 1}}}]}),
    );
    let spec = &pod["spec"];
    assert_eq!(
        (&spec["restartPolicy"], &spec["terminationGracePeriodSeconds"]),
        (&json!("Always"), &json!(30))
    );
    assert_eq!(spec["serviceAccountName"], "default");
    assert_eq!(
        (
            &spec["containers"][0]["imagePullPolicy"],
            &spec["containers"][1]["imagePullPolicy"]
        ),
        (&json!("Always"), &json!("IfNotPresent"))
    );
    assert_eq!(spec["containers"][0]["ports"][0]["protocol"], "TCP");
    assert_eq!(spec["containers"][0]["resources"]["requests"], limits);
    assert_eq!(spec["containers"][1]["resources"]["limits"]["cpu"], "1");
    assert_eq!(pod["status"], json!({"phase": "Pending", "qosClass": "Burstable"}));
    assert_eq!(pod["metadata"]["generation"], 1);
}

#[test]
fn wrong_pods_are_invalid_field_by_field() {
    let mut cluster = cluster();
    for (spec, field) in [
        (json!({}), "spec.containers"),
        (json!({"containers": [{"name": "c"}]}), "spec.containers[0].image"),
        (json!({"containers": [{"image": "i"}]}), "spec.containers[0].name"),
        (
            json!({"containers": [{"name": "C_", "image": "i"}]}),
            "spec.containers[0].name",
        ),
        (
            json!({"containers": [{"name": "c", "image": "i"}, {"name": "c", "image": "i"}]}),
            "spec.containers[1].name",
        ),
        (
            json!({"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 70000}]}]}),
            "spec.containers[0].ports[0].containerPort",
        ),
        (
            json!({"containers": [{"name": "c", "image": "i"}], "restartPolicy": "Perhaps"}),
            "spec.restartPolicy",
        ),
        (
            json!({"containers": [{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]}),
            "spec.containers[0].volumeMounts[0].name",
        ),
        (
            json!({"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}]}),
            "spec.containers[0].resources.requests",
        ),
        (
            json!({"containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "-1"}}}]}),
            "spec.containers[0].resources.requests[cpu]",
        ),
    ] {
        let (code, status) = cluster.post(PODS, named(spec));
        assert_eq!(
            (code, &status["details"]["causes"][0]["field"]),
            (422, &json!(field)),
            "{status}"
        );
    }
}

#[test]
fn names_and_labels_follow_the_rules_of_their_kind() {
    let mut cluster = cluster();
    for (path, name) in [
        ("/api/v1/namespaces", "a.b"),
        ("/api/v1/namespaces", "A"),
        ("/api/v1/namespaces/n/configmaps", "a_b"),
        ("/api/v1/namespaces/n/services", "1a"),
    ] {
        let body = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}});
        let (code, status) = cluster.post(path, body);
        assert_eq!(
            (code, &status["details"]["causes"][0]["field"]),
            (422, &json!("metadata.name")),
            "{name}"
        );
    }
    let (_, status) = cluster.post("/api/v1/namespaces", json!({"metadata": {"name": "A"}}));
    assert_eq!(
        status["message"],
        "Namespace \"A\" is invalid: metadata.name: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case \
         alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
         regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
    );
    let role = json!({"metadata": {"name": "system:a"}, "rules": []});
    assert_eq!(
        cluster.post("/apis/rbac.authorization.k8s.io/v1/clusterroles", role).0,
        201
    );
    let labels = |labels: Value| json!({"metadata": {"name": "l", "labels": labels}});
    assert_eq!(
        cluster
            .post("/api/v1/namespaces/n/configmaps", labels(json!({"a": "b c"})))
            .0,
        422
    );
    assert_eq!(
        cluster
            .post("/api/v1/namespaces/n/configmaps", labels(json!({"-a": "b"})))
            .0,
        422
    );
    assert_eq!(
        cluster
            .post("/api/v1/namespaces/n/configmaps", labels(json!({"a": 1})))
            .0,
        400
    );
}

#[test]
fn a_violating_pod_is_forbidden_and_a_warned_one_is_let_in_with_a_warning() {
    let mut cluster = cluster();
    let labels = |enforce: &str, warn: &str| json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": enforce, "pod-security.kubernetes.io/warn": warn}}});
    cluster.merge("/api/v1/namespaces/n", labels("restricted", "restricted"));
    let pod = named(json!({"containers": [{"name": "c", "image": "web"}]}));
    let (code, status) = cluster.post(PODS, pod.clone());
    assert_eq!((code, &status["reason"]), (403, &json!("Forbidden")));
    let message = status["message"].as_str().unwrap();
    let start = "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"c\" \
                 must set securityContext.allowPrivilegeEscalation=false), ";
    assert!(message.starts_with(start), "{message}");
    cluster.merge("/api/v1/namespaces/n", labels("baseline", "restricted"));
    let answer = cluster.raw(http::Method::POST, PODS, "application/json", &pod);
    assert_eq!(answer.status(), 201);
    let warning = answer.headers()["warning"].to_str().unwrap();
    assert!(
        warning.starts_with("299 - \"would violate PodSecurity \\\"restricted:latest\\\""),
        "{warning}"
    );
}

#[test]
fn a_pod_needs_its_account() {
    let mut cluster = cluster();
    let spec = json!({"serviceAccountName": "who", "containers": [{"name": "c", "image": "web"}]});
    let (code, status) = cluster.post(PODS, named(spec));
    assert_eq!(code, 403);
    assert_eq!(
        status["message"],
        "pods \"p\" is forbidden: error looking up service account n/who: serviceaccount \"who\" not found"
    );
}

#[test]
fn what_a_node_does_not_simulate_is_refused_rather_than_ignored() {
    let mut cluster = cluster();
    let container = json!({"name": "c", "image": "web"});
    for (field, value) in [
        ("initContainers", json!([container])),
        ("affinity", json!({"nodeAffinity": {}})),
        ("schedulerName", json!("mine")),
        ("priorityClassName", json!("high")),
        (
            "volumes",
            json!([{"name": "v", "persistentVolumeClaim": {"claimName": "x"}}]),
        ),
    ] {
        let mut spec = json!({"containers": [container]});
        spec[field] = value;
        assert_eq!(cluster.post(PODS, named(spec)).0, 501, "{field}");
    }
    let service = json!({"metadata": {"name": "s"}, "spec": {"type": "LoadBalancer", "ports": [{"port": 80}]}});
    assert_eq!(cluster.post("/api/v1/namespaces/n/services", service).0, 501);
}

#[test]
fn stored_kinds_get_their_defaults() {
    let mut cluster = cluster();
    let policy =
        json!({"metadata": {"name": "np"}, "spec": {"podSelector": {}, "egress": [{"ports": [{"port": 53}]}]}});
    let (code, policy) = cluster.post("/apis/networking.k8s.io/v1/namespaces/n/networkpolicies", policy);
    assert_eq!(
        (code, &policy["spec"]["policyTypes"]),
        (201, &json!(["Ingress", "Egress"]))
    );
    assert_eq!(policy["spec"]["egress"][0]["ports"][0]["protocol"], "TCP");
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}});
    let (code, service) = cluster.post("/api/v1/namespaces/n/services", service);
    assert_eq!(
        (
            code,
            &service["spec"]["ports"][0]["targetPort"],
            &service["spec"]["type"]
        ),
        (201, &json!(80), &json!("ClusterIP"))
    );
    let big = json!({"metadata": {"name": "big"}, "data": {"k": "x".repeat(1_100_000)}});
    assert_eq!(cluster.post("/api/v1/namespaces/n/configmaps", big).0, 422);
}
