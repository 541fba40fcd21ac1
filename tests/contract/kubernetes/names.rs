//! Names, labels and the rest of an object's metadata: what they must look like.

use serde_json::{Value, json};

use crate::server::Server;
use crate::wire::Answer;

checks! {
    names_follow_the_rule_of_their_kind
    labels_and_annotations_follow_theirs
    finalizers_have_a_domain
    owners_are_named_in_full
}

const MAPS: &str = "/api/v1/namespaces/{}/configmaps";
const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end \
                     with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
                     '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start \
                         and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
                         '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
                          character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for \
                          validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

async fn names_follow_the_rule_of_their_kind(server: &Server) {
    let services = "/api/v1/namespaces/{}/services";
    let ports = json!({"ports": [{"port": 80}]});
    let long = "x".repeat(254);
    let too_long = |most: usize| format!("must be no more than {most} characters");
    for (path, name, problem) in [
        (MAPS, "Name", SUBDOMAIN.to_owned()),
        (MAPS, "a..b", SUBDOMAIN.to_owned()),
        (MAPS, long.as_str(), too_long(253)),
        ("/api/v1/namespaces", "Name", LABEL.to_owned()),
        ("/api/v1/namespaces", "a.b", "must not contain dots".to_owned()),
        (services, "1a", LABEL_1035.to_owned()),
        (services, "a.b", LABEL_1035.to_owned()),
    ] {
        let answer = server
            .post(path, json!({"metadata": {"name": name}, "spec": ports}))
            .await;
        assert_eq!((answer.refusal().0, answer.refusal().1), (422, "Invalid"), "{name}");
        let (field, message) = answer.causes()[0];
        assert_eq!(
            (field, message),
            (
                "metadata.name",
                format!("Invalid value: \"{name}\": {problem}").as_str()
            )
        );
        assert_eq!(answer.body["details"]["name"], name);
    }
    server.made(MAPS, json!({"metadata": {"name": "a.b-1"}})).await;
}

async fn with(server: &Server, metadata: Value) -> Answer {
    let mut metadata = metadata;
    metadata["name"] = "a".into();
    server.post(MAPS, json!({ "metadata": metadata })).await
}

async fn labels_and_annotations_follow_theirs(server: &Server) {
    let key = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
               character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
               '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    let value = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and \
                 end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
                 '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
    let long = "x".repeat(64);
    for (field, name, text, shown, problem) in [
        ("labels", "a b", "", "a b", key.to_owned()),
        ("labels", "a", "x!", "x!", value.to_owned()),
        (
            "labels",
            "a",
            long.as_str(),
            long.as_str(),
            "must be no more than 63 bytes".to_owned(),
        ),
        (
            "labels",
            long.as_str(),
            "",
            long.as_str(),
            "name part must be no more than 63 bytes".to_owned(),
        ),
        ("labels", "A/b", "", "A/b", format!("prefix part {SUBDOMAIN}")),
        ("labels", "/b", "", "/b", "prefix part must be non-empty".to_owned()),
        ("annotations", "a b", "anything goes!", "a b", key.to_owned()),
    ] {
        let answer = with(server, json!({ field: { name: text } })).await;
        let cause = (
            format!("metadata.{field}"),
            format!("Invalid value: \"{shown}\": {problem}"),
        );
        assert_eq!(
            (answer.code, answer.causes()),
            (422, vec![(cause.0.as_str(), cause.1.as_str())])
        );
    }
    let fine = json!({"labels": {"x.io/y_z": "", "a": "B.c"}, "annotations": {"X.io/a": "anything goes!"}});
    assert_eq!(with(server, fine).await.code, 201);
}

async fn finalizers_have_a_domain(server: &Server) {
    let answer = with(server, json!({"finalizers": ["x.io/fine", "bare"]})).await;
    let message = "Invalid value: \"bare\": name is neither a standard finalizer name nor is it fully qualified";
    assert_eq!(
        (answer.code, answer.causes()),
        (422, vec![("metadata.finalizers[1]", message)])
    );
    let answer = with(server, json!({"finalizers": ["a/b/c"]})).await;
    assert_eq!((answer.code, answer.causes()[0].0), (422, "metadata.finalizers"));
}

async fn owners_are_named_in_full(server: &Server) {
    let owner = |name: &str, controller: bool| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": name, "controller": controller});
    let mut nobody = owner("x", false);
    nobody["uid"] = "".into();
    let answer = with(server, json!({"ownerReferences": [nobody]})).await;
    let cause = ("metadata.ownerReferences.uid", "Invalid value: \"\": must not be empty");
    assert_eq!((answer.code, answer.causes()), (422, vec![cause]));
    let answer = with(server, json!({"ownerReferences": [owner("x", true), owner("y", true)]})).await;
    let (field, message) = answer.causes()[0];
    assert_eq!((answer.code, field), (422, "metadata.ownerReferences"));
    let end = "Only one reference can have Controller set to true. Found \"true\" in references for ConfigMap/x and ConfigMap/y";
    assert!(message.ends_with(end), "{message}");
}
