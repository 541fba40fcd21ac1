//! Services: their addresses in the cluster, and their ports.

use serde_json::{Value, json};

use crate::server::Server;
use crate::wire::Answer;

checks! {
    a_service_is_given_an_address_and_what_it_leaves_out
    a_headless_service_has_no_address
    an_address_is_given_once
    a_dry_run_takes_no_address
    an_address_that_cannot_be_given_is_refused
    a_service_keeps_its_address
    an_external_name_has_no_address
    families_are_those_of_the_cluster
    ports_are_told_apart
    a_pod_is_given_what_it_leaves_out
}

const SERVICES: &str = "/api/v1/namespaces/{}/services";

/// A service on port 80.
fn service(name: &str, mut spec: Value) -> Value {
    if spec["ports"].is_null() {
        spec["ports"] = json!([{ "port": 80 }]);
    }
    json!({ "metadata": { "name": name }, "spec": spec })
}

/// A service that asks for this address.
fn at(name: &str, address: &str) -> Value {
    service(name, json!({ "clusterIP": address }))
}

/// The one thing that is wrong with a service.
fn cause(answer: &Answer) -> (&str, &str) {
    assert_eq!(answer.refusal().0, 422, "{answer:?}");
    let [cause] = answer.causes()[..] else {
        panic!("not one cause: {answer:?}");
    };
    cause
}

async fn a_service_is_given_an_address_and_what_it_leaves_out(server: &Server) {
    let spec = json!({ "selector": { "a": "b" }, "ports": [{ "port": 80 }] });
    let made = server.made(SERVICES, service("web", spec)).await;
    let address = made["spec"]["clusterIP"].as_str().unwrap();
    assert!(address.starts_with("10.96."), "{address}");
    let spec = json!({
        "clusterIP": address, "clusterIPs": [address],
        "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
        "ports": [{ "port": 80, "protocol": "TCP", "targetPort": 80 }],
        "selector": { "a": "b" }, "sessionAffinity": "None", "type": "ClusterIP",
    });
    assert_eq!(
        (&made["spec"], &made["status"]),
        (&spec, &json!({ "loadBalancer": {} }))
    );
    let another = server.made(SERVICES, service("another", json!({}))).await;
    assert_ne!(another["spec"]["clusterIP"], address);
    let sticky = service("sticky", json!({ "sessionAffinity": "ClientIP" }));
    let sticky = server.made(SERVICES, sticky).await;
    let config = json!({ "clientIP": { "timeoutSeconds": 10800 } });
    assert_eq!(sticky["spec"]["sessionAffinityConfig"], config);
}

async fn a_headless_service_has_no_address(server: &Server) {
    let headless = json!({ "clusterIP": "None", "selector": { "a": "b" } });
    let made = server.made(SERVICES, service("headless", headless)).await;
    let spec = &made["spec"];
    assert_eq!(
        (&spec["clusterIP"], &spec["clusterIPs"]),
        (&json!("None"), &json!(["None"]))
    );
    assert_eq!(
        (&spec["ipFamilies"], &spec["ipFamilyPolicy"]),
        (&json!(["IPv4"]), &json!("SingleStack"))
    );
    // Without a selector nobody knows which addresses it will be given.
    let bare = json!({ "metadata": { "name": "bare" }, "spec": { "clusterIP": "None" } });
    let made = server.made(SERVICES, bare).await;
    let spec = &made["spec"];
    assert_eq!(spec["ipFamilyPolicy"], "RequireDualStack");
    assert_eq!(spec["ipFamilies"], json!(["IPv4", "IPv6"]));
    let moved = json!({ "spec": { "clusterIP": "10.96.0.70", "ports": [{ "port": 80 }] } });
    let answer = server.merge(&format!("{SERVICES}/headless"), moved).await;
    let expected = "Invalid value: [\"10.96.0.70\"]: may not change once set";
    assert_eq!(cause(&answer), ("spec.clusterIPs[0]", expected));
}

async fn an_address_is_given_once(server: &Server) {
    // The first 256 addresses are given to nobody who does not ask for them.
    let address = "10.96.0.71";
    let first = server.made(SERVICES, at("first", address)).await;
    assert_eq!(first["spec"]["clusterIPs"], json!([address]));
    let taken = "Invalid value: [\"10.96.0.71\"]: failed to allocate IP 10.96.0.71: provided IP is already allocated";
    let answer = server.post(SERVICES, at("second", address)).await;
    assert_eq!(cause(&answer), ("spec.clusterIPs", taken));
    assert_eq!(server.delete(&format!("{SERVICES}/first"), Value::Null).await.code, 200);
    server.made(SERVICES, at("second", address)).await;
    // That of the API itself is always taken.
    let answer = server.post(SERVICES, at("api", "10.96.0.1")).await;
    assert!(
        cause(&answer).1.ends_with("provided IP is already allocated"),
        "{answer:?}"
    );
}

async fn a_dry_run_takes_no_address(server: &Server) {
    let dry = format!("{SERVICES}?dryRun=All");
    let address = "10.96.0.77";
    for _ in 0..2 {
        assert_eq!(
            server.made(&dry, at("dry", address)).await["spec"]["clusterIP"],
            address
        );
    }
    server.made(SERVICES, at("taken", address)).await;
    // Nothing is looked for or looked up.
    server.made(&dry, at("dry", address)).await;
    let any = server.made(&dry, service("dry", json!({}))).await;
    assert_eq!(any["spec"]["clusterIPs"], json!(["10.96.0.0"]));
    let outside = "Invalid value: [\"10.97.0.1\"]: failed to allocate IP 10.97.0.1: the provided IP (10.97.0.1) is not in the \
                   valid range. The range of valid IPs is 10.96.0.0/16";
    let answer = server.post(&dry, at("dry", "10.97.0.1")).await;
    assert_eq!(cause(&answer), ("spec.clusterIPs", outside));
}

async fn an_address_that_cannot_be_given_is_refused(server: &Server) {
    for (spec, field, message) in [
        (
            json!({ "clusterIP": "10.97.0.1" }),
            "spec.clusterIPs",
            "Invalid value: [\"10.97.0.1\"]: failed to allocate IP 10.97.0.1: the provided network does not match the current \
             range",
        ),
        (
            json!({ "clusterIP": "10.96.0.0" }),
            "spec.clusterIPs",
            "Invalid value: [\"10.96.0.0\"]: failed to allocate IP 10.96.0.0: the provided network does not match the current \
             range",
        ),
        (
            json!({ "clusterIP": "web" }),
            "spec.clusterIPs[0]",
            "Invalid value: \"web\": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)",
        ),
        (
            json!({ "clusterIP": "fd00::1" }),
            "spec.clusterIPs[0]",
            "Invalid value: [\"fd00::1\"]: IPv6 is not configured on this cluster",
        ),
        (
            json!({ "clusterIPs": ["10.96.0.72"] }),
            "spec.clusterIPs",
            "Invalid value: [\"10.96.0.72\"]: must be empty when `clusterIP` is not specified",
        ),
        (
            json!({ "clusterIP": "10.96.0.72", "clusterIPs": ["10.96.0.73"] }),
            "spec.clusterIPs",
            "Invalid value: [\"10.96.0.73\"]: first value must match `clusterIP`",
        ),
        (
            json!({ "clusterIP": "10.96.0.72", "clusterIPs": ["10.96.0.72", "10.96.0.73"] }),
            "spec.clusterIPs",
            "Invalid value: [\"10.96.0.72\",\"10.96.0.73\"]: may specify no more than one IP for each IP family",
        ),
    ] {
        let answer = server.post(SERVICES, service("wrong", spec)).await;
        assert_eq!(cause(&answer), (field, message));
    }
}

async fn a_service_keeps_its_address(server: &Server) {
    let own = format!("{SERVICES}/web");
    let made = server.made(SERVICES, at("web", "10.96.0.74")).await;
    let spec = json!({ "ports": [{ "port": 81 }], "sessionAffinity": "ClientIP" });
    let replaced = server.put(&own, service("web", spec)).await;
    assert_eq!(replaced.code, 200, "{replaced:?}");
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        assert_eq!(replaced.body["spec"][field], made["spec"][field], "{field}");
    }
    let message = "Invalid value: [\"10.96.0.75\"]: may not change once set";
    for answer in [
        server.put(&own, at("web", "10.96.0.75")).await,
        server
            .merge(&own, json!({ "spec": { "clusterIP": "10.96.0.75" } }))
            .await,
    ] {
        assert_eq!(cause(&answer), ("spec.clusterIPs[0]", message));
    }
    let cleared = server.merge(&own, json!({ "spec": { "clusterIP": null } })).await;
    assert_eq!(
        (cleared.code, &cleared.body["spec"]["clusterIP"]),
        (200, &json!("10.96.0.74"))
    );
}

async fn an_external_name_has_no_address(server: &Server) {
    let own = format!("{SERVICES}/web");
    let named =
        json!({ "metadata": { "name": "named" }, "spec": { "type": "ExternalName", "externalName": "a.example" } });
    let made = server.made(SERVICES, named.clone()).await;
    let spec = json!({ "externalName": "a.example", "sessionAffinity": "None", "type": "ExternalName" });
    assert_eq!(made["spec"], spec);
    let mut wrong = named;
    wrong["metadata"]["name"] = "wrong".into();
    wrong["spec"]["clusterIP"] = "10.96.0.76".into();
    let answer = server.post(SERVICES, wrong).await;
    assert_eq!(
        cause(&answer),
        ("spec.clusterIPs", "Forbidden: may not be set for ExternalName services")
    );
    // One that becomes a name gives its address back, and gets one when it is no name any more.
    server.made(SERVICES, at("web", "10.96.0.76")).await;
    let away = json!({ "spec": { "type": "ExternalName", "externalName": "a.example" } });
    let away = server.merge(&own, away).await;
    assert_eq!(away.code, 200, "{away:?}");
    for field in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        assert_eq!(away.body["spec"][field], Value::Null, "{field}");
    }
    server.made(SERVICES, at("heir", "10.96.0.76")).await;
    let back = json!({ "spec": { "type": "ClusterIP", "externalName": null } });
    let back = server.merge(&own, back).await;
    assert_eq!(back.code, 200, "{back:?}");
    let address = back.body["spec"]["clusterIP"].as_str().unwrap();
    assert!(address.starts_with("10.96.") && address != "10.96.0.76", "{address}");
}

async fn families_are_those_of_the_cluster(server: &Server) {
    for (spec, field, message) in [
        (
            json!({ "ipFamilies": ["IPv6"] }),
            "spec.ipFamilies[0]",
            "Invalid value: \"IPv6\": not configured on this cluster",
        ),
        (
            json!({ "ipFamilyPolicy": "RequireDualStack" }),
            "spec.ipFamilyPolicy",
            "Invalid value: \"RequireDualStack\": this cluster is not configured for dual-stack services",
        ),
        (
            json!({ "ipFamilyPolicy": "Both" }),
            "spec.ipFamilyPolicy",
            "Unsupported value: \"Both\": supported values: \"PreferDualStack\", \"RequireDualStack\", \"SingleStack\"",
        ),
    ] {
        let answer = server.post(SERVICES, service("wrong", spec)).await;
        assert_eq!(cause(&answer), (field, message));
    }
    let either = service("either", json!({ "ipFamilyPolicy": "PreferDualStack" }));
    let made = server.made(SERVICES, either).await;
    assert_eq!(made["spec"]["ipFamilyPolicy"], "PreferDualStack");
    assert_eq!(made["spec"]["ipFamilies"], json!(["IPv4"]));
}

async fn ports_are_told_apart(server: &Server) {
    let name = |name: &str, port: u16| json!({ "name": name, "port": port });
    for (ports, field, message) in [
        (json!([]), "spec.ports", "Required value"),
        (
            json!([name("a", 80), { "port": 81 }]),
            "spec.ports[1].name",
            "Required value",
        ),
        (
            json!([name("a", 80), name("a", 81)]),
            "spec.ports[1].name",
            "Duplicate value: \"a\"",
        ),
        (
            json!([name("a", 80), name("b", 80)]),
            "spec.ports[1]",
            "Duplicate value: {\"Name\":\"\",\"Protocol\":\"TCP\",\"AppProtocol\":null,\"Port\":80,\"TargetPort\":0,\"NodePort\":0}",
        ),
        (
            json!([{ "port": 0, "targetPort": 80 }]),
            "spec.ports[0].port",
            "Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        (
            json!([{ "port": 80, "targetPort": 70000 }]),
            "spec.ports[0].targetPort",
            "Invalid value: 70000: must be between 1 and 65535, inclusive",
        ),
        (
            json!([{ "port": 80, "protocol": "ICMP" }]),
            "spec.ports[0].protocol",
            "Unsupported value: \"ICMP\": supported values: \"SCTP\", \"TCP\", \"UDP\"",
        ),
        (
            json!([{ "port": 80, "nodePort": 30080 }]),
            "spec.ports[0].nodePort",
            "Forbidden: may not be used when `type` is 'ClusterIP'",
        ),
    ] {
        let answer = server.post(SERVICES, service("wrong", json!({ "ports": ports }))).await;
        assert_eq!(cause(&answer), (field, message));
    }
    let spec = json!({ "ports": [
        { "name": "dns", "port": 53, "protocol": "UDP" }, { "name": "dns-tcp", "port": 53, "targetPort": "dns" },
    ] });
    let made = server.made(SERVICES, service("dns", spec)).await;
    let ports = json!([
        { "name": "dns", "port": 53, "protocol": "UDP", "targetPort": 53 },
        { "name": "dns-tcp", "port": 53, "protocol": "TCP", "targetPort": "dns" },
    ]);
    assert_eq!(made["spec"]["ports"], ports);
}

async fn a_pod_is_given_what_it_leaves_out(server: &Server) {
    let images = [
        ("app", "IfNotPresent", "app:1"),
        ("latest", "Always", "app:latest"),
        ("bare", "Always", "host:5000/app"),
    ];
    let containers =
        images.map(|(name, _, image)| json!({ "name": name, "image": image, "ports": [{ "containerPort": 80 }] }));
    let pod = json!({ "metadata": { "name": "pod" }, "spec": { "containers": containers } });
    let made = server.made("/api/v1/namespaces/{}/pods", pod).await;
    let spec = &made["spec"];
    for (field, value) in [
        ("dnsPolicy", json!("ClusterFirst")),
        ("enableServiceLinks", json!(true)),
        ("restartPolicy", json!("Always")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
        ("terminationGracePeriodSeconds", json!(30)),
    ] {
        assert_eq!(spec[field], value, "{field}");
    }
    let toleration =
        |key: &str| json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 });
    let tolerations = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"].map(toleration);
    assert_eq!(spec["tolerations"], json!(tolerations));
    for (index, (name, policy, _)) in images.iter().enumerate() {
        let container = &spec["containers"][index];
        assert_eq!(container["imagePullPolicy"], *policy, "{name}");
        assert_eq!(container["ports"], json!([{ "containerPort": 80, "protocol": "TCP" }]));
        assert_eq!(container["terminationMessagePolicy"], "File");
    }
}
