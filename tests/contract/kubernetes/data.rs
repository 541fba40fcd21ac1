//! ConfigMaps and Secrets: what they hold, and what may not change.

use serde_json::{Value, json};

use crate::server::Server;

checks! {
    texts_of_a_secret_become_data
    what_is_immutable_stays
    a_secret_keeps_its_type_and_has_what_it_demands
    keys_follow_their_rule
}

const MAPS: &str = "/api/v1/namespaces/{}/configmaps";
const SECRETS: &str = "/api/v1/namespaces/{}/secrets";
const IMMUTABLE: &str = "Forbidden: field is immutable when `immutable` is set";

async fn texts_of_a_secret_become_data(server: &Server) {
    let secret = json!({"metadata": {"name": "s"}, "data": {"a": "eHg=", "b": "eHg="}, "stringData": {"a": "over"}});
    let made = server.made(SECRETS, secret).await;
    assert_eq!(made["data"], json!({"a": "b3Zlcg==", "b": "eHg="}));
    assert_eq!((&made["stringData"], &made["type"]), (&Value::Null, &json!("Opaque")));
    let more = server
        .merge(&format!("{SECRETS}/s"), json!({"stringData": {"c": "new"}}))
        .await;
    assert_eq!(more.body["data"], json!({"a": "b3Zlcg==", "b": "eHg=", "c": "bmV3"}));
    let odd = server
        .post(SECRETS, json!({"metadata": {"name": "t"}, "data": {"a": "!!"}}))
        .await;
    let (code, reason, message) = odd.refusal();
    assert_eq!((code, reason), (400, "BadRequest"));
    assert!(
        message.starts_with("Secret in version \"v1\" cannot be handled as a Secret: "),
        "{message}"
    );
}

async fn what_is_immutable_stays(server: &Server) {
    let map = json!({"metadata": {"name": "m"}, "immutable": true, "data": {"a": "b"}, "binaryData": {"c": "eHg="}});
    server.made(MAPS, map).await;
    let one = format!("{MAPS}/m");
    for (patch, fields) in [
        (json!({"data": {"a": "c"}}), vec!["data"]),
        (json!({"binaryData": {"c": null}}), vec!["binaryData"]),
        (
            json!({"immutable": false, "data": {"a": "c"}}),
            vec!["immutable", "data"],
        ),
        (json!({"immutable": null}), vec!["immutable"]),
    ] {
        let answer = server.merge(&one, patch).await;
        let causes: Vec<(&str, &str)> = fields.into_iter().map(|field| (field, IMMUTABLE)).collect();
        assert_eq!((answer.code, answer.causes()), (422, causes));
    }
    let labelled = server.merge(&one, json!({"metadata": {"labels": {"a": "b"}}})).await;
    assert_eq!(labelled.code, 200);
    server
        .made(SECRETS, json!({"metadata": {"name": "s"}, "stringData": {"a": "b"}}))
        .await;
    let one = format!("{SECRETS}/s");
    assert_eq!(server.merge(&one, json!({"immutable": true})).await.code, 200);
    let answer = server.merge(&one, json!({"stringData": {"c": "d"}})).await;
    assert_eq!((answer.code, answer.causes()), (422, vec![("data", IMMUTABLE)]));
    assert_eq!(server.delete(&one, Value::Null).await.code, 200);
}

async fn a_secret_keeps_its_type_and_has_what_it_demands(server: &Server) {
    server
        .made(SECRETS, json!({"metadata": {"name": "s"}, "type": "x.io/any"}))
        .await;
    let answer = server.merge(&format!("{SECRETS}/s"), json!({"type": "Opaque"})).await;
    let cause = ("type", "Invalid value: \"Opaque\": field is immutable");
    assert_eq!((answer.code, answer.causes()), (422, vec![cause]));
    for (kind, fields) in [
        ("kubernetes.io/dockerconfigjson", vec!["data[.dockerconfigjson]"]),
        ("kubernetes.io/tls", vec!["data[tls.crt]", "data[tls.key]"]),
        ("kubernetes.io/basic-auth", vec!["data[username]", "data[password]"]),
        (
            "kubernetes.io/service-account-token",
            vec!["metadata.annotations[kubernetes.io/service-account.name]"],
        ),
    ] {
        let answer = server
            .post(SECRETS, json!({"metadata": {"name": "t"}, "type": kind}))
            .await;
        let causes: Vec<(&str, &str)> = fields.into_iter().map(|field| (field, "Required value")).collect();
        assert_eq!((answer.code, answer.causes()), (422, causes), "{kind}");
    }
}

async fn keys_follow_their_rule(server: &Server) {
    let rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or \
                'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
    for path in [MAPS, SECRETS] {
        for (key, problem) in [
            ("a b", rule),
            (".", "must not be '.'"),
            ("..", "must not be '..'"),
            ("..a", "must not start with '..'"),
        ] {
            let answer = server
                .post(path, json!({"metadata": {"name": "k"}, "data": {key: "eHg="}}))
                .await;
            let cause = (format!("data[{key}]"), format!("Invalid value: \"{key}\": {problem}"));
            assert_eq!(
                (answer.code, answer.causes()),
                (422, vec![(cause.0.as_str(), cause.1.as_str())])
            );
        }
    }
    let both = json!({"metadata": {"name": "k"}, "data": {"a": "b"}, "binaryData": {"a": "eHg="}});
    let answer = server.post(MAPS, both).await;
    let cause = (
        "data[a]",
        "Invalid value: \"a\": duplicate of key present in binaryData",
    );
    assert_eq!((answer.code, answer.causes()), (422, vec![cause]));
}
