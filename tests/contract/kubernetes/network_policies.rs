//! Network policies, as far as the server that keeps them looks at them.

use serde_json::{Value, json};

use crate::server::Server;
use crate::wire::{get, post, put};

checks! {
    a_policy_is_given_what_it_leaves_out
    a_policy_that_makes_no_sense_is_invalid
    a_policy_is_changed_by_the_same_rules
}

fn path(server: &Server) -> String {
    let namespace = &server.namespace;
    format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies")
}

fn policy(name: &str, spec: Value) -> Value {
    json!({ "metadata": { "name": name }, "spec": spec })
}

async fn a_policy_is_given_what_it_leaves_out(server: &Server) {
    let made = post(
        &server.client,
        &path(server),
        &policy("bare", json!({ "podSelector": {} })),
    )
    .await
    .done();
    assert_eq!(made["spec"], json!({ "podSelector": {}, "policyTypes": ["Ingress"] }));
    assert_eq!(made["metadata"]["generation"], 1);
    let spec = json!({
        "podSelector": { "matchLabels": { "a": "b" } },
        "ingress": [{ "from": [{ "podSelector": {} }], "ports": [{ "port": "http" }] }],
        "egress": [{ "ports": [{ "port": 53, "protocol": "UDP" }, { "port": 8000, "endPort": 8080 }] }],
    });
    let made = post(&server.client, &path(server), &policy("ports", spec)).await.done();
    assert_eq!(made["spec"]["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(
        made["spec"]["ingress"][0]["ports"],
        json!([{ "port": "http", "protocol": "TCP" }])
    );
    assert_eq!(
        made["spec"]["egress"][0]["ports"],
        json!([{ "port": 53, "protocol": "UDP" }, { "port": 8000, "endPort": 8080, "protocol": "TCP" }])
    );
}

async fn a_policy_that_makes_no_sense_is_invalid(server: &Server) {
    let peer = |peer: Value| json!({ "podSelector": {}, "ingress": [{ "from": [peer] }] });
    let port = |port: Value| json!({ "podSelector": {}, "egress": [{ "ports": [port] }] });
    let selector = |expression: Value| json!({ "podSelector": { "matchExpressions": [expression] } });
    let from = "spec.ingress[0].from[0]";
    let to = "spec.egress[0].ports[0]";
    for (spec, field, message) in [
        (
            json!({ "podSelector": {}, "policyTypes": ["Sideways"] }),
            "spec.policyTypes[0]".to_owned(),
            "Unsupported value: \"Sideways\": supported values: \"Ingress\", \"Egress\"",
        ),
        (peer(json!({})), from.to_owned(), "Required value: must specify a peer"),
        (
            peer(json!({ "podSelector": {}, "ipBlock": { "cidr": "10.0.0.0/8" } })),
            from.to_owned(),
            "Forbidden: may not specify both ipBlock and another peer",
        ),
        (
            peer(json!({ "ipBlock": { "cidr": "10.0.0.0" } })),
            format!("{from}.ipBlock.cidr"),
            "Invalid value: \"10.0.0.0\": must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)",
        ),
        (
            peer(json!({ "ipBlock": { "cidr": "" } })),
            format!("{from}.ipBlock.cidr"),
            "Required value",
        ),
        (
            peer(json!({ "ipBlock": { "cidr": "10.0.0.0/8", "except": ["192.168.0.0/16"] } })),
            format!("{from}.ipBlock.except[0]"),
            "Invalid value: \"192.168.0.0/16\": must be a strict subset of `cidr`",
        ),
        (
            peer(json!({ "ipBlock": { "cidr": "fc00::/7", "except": ["fc00::/7"] } })),
            format!("{from}.ipBlock.except[0]"),
            "Invalid value: \"fc00::/7\": must be a strict subset of `cidr`",
        ),
        (
            port(json!({ "port": 0 })),
            format!("{to}.port"),
            "Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        (
            port(json!({ "port": "no--name" })),
            format!("{to}.port"),
            "Invalid value: \"no--name\": must not contain consecutive hyphens",
        ),
        (
            port(json!({ "port": 80, "protocol": "ICMP" })),
            format!("{to}.protocol"),
            "Unsupported value: \"ICMP\": supported values: \"TCP\", \"UDP\", \"SCTP\"",
        ),
        (
            port(json!({ "port": 80, "endPort": 79 })),
            format!("{to}.endPort"),
            "Invalid value: 80: must be greater than or equal to `port`",
        ),
        (
            port(json!({ "endPort": 80 })),
            format!("{to}.endPort"),
            "Invalid value: 80: may not be specified when `port` is not specified",
        ),
        (
            selector(json!({ "key": "a", "operator": "In", "values": [] })),
            "spec.podSelector.matchExpressions[0].values".to_owned(),
            "Required value: must be specified when `operator` is 'In' or 'NotIn'",
        ),
        (
            selector(json!({ "key": "a", "operator": "Near" })),
            "spec.podSelector.matchExpressions[0].operator".to_owned(),
            "Invalid value: \"Near\": not a valid selector operator",
        ),
    ] {
        let answer = post(&server.client, &path(server), &policy("wrong", spec)).await;
        let cause = &answer.body["details"]["causes"][0];
        assert_eq!(
            (answer.code, &cause["field"], &cause["message"]),
            (422, &json!(field), &json!(message)),
            "{answer:?}"
        );
    }
}

async fn a_policy_is_changed_by_the_same_rules(server: &Server) {
    let block = |cidr: &str| json!({ "podSelector": {}, "egress": [{ "to": [{ "ipBlock": { "cidr": cidr, "except": ["10.1.0.0/16"] } }] }] });
    let mut made = post(&server.client, &path(server), &policy("isolation", block("10.0.0.0/8")))
        .await
        .done();
    let own = format!("{}/isolation", path(server));
    made["spec"] = block("11.0.0.0/8");
    let answer = put(&server.client, &own, &made).await;
    assert_eq!(answer.refusal().0, 422);
    made["spec"] = block("0.0.0.0/0");
    put(&server.client, &own, &made).await.done();
    let seen = get(&server.client, &own).await.done();
    assert_eq!(seen["metadata"]["generation"], 2);
    assert_eq!(seen["spec"]["egress"][0]["to"][0]["ipBlock"]["cidr"], "0.0.0.0/0");
}
