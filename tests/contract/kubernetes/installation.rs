//! Layby's own roles, as `kubectl apply -k infra/cluster` makes them: each lets its function do what it lists, and nothing
//! more.

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Value, json};

use crate::server::{Server, eventually};
use crate::wire::{get, post};

checks! {
    the_roles_of_the_installation_allow_what_they_list_and_nothing_more
}

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
/// What no function may do.
const FORBIDDEN: [(&str, &str, &str); 6] = [
    ("list", "", "secrets"),
    ("delete", "", "pods"),
    ("deletecollection", "", "namespaces"),
    ("create", "rbac.authorization.k8s.io", "clusterrolebindings"),
    ("impersonate", "", "users"),
    ("create", "", "serviceaccounts/token"),
];

fn manifests(source: &str) -> Vec<Value> {
    Yaml::load_from_str(source).unwrap().iter().map(value).collect()
}

fn value(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(Scalar::String(text)) => json!(text),
        Yaml::Value(Scalar::Boolean(flag)) => json!(flag),
        Yaml::Value(Scalar::Integer(number)) => json!(number),
        Yaml::Sequence(elements) => elements.iter().map(value).collect(),
        Yaml::Mapping(members) => members
            .iter()
            .map(|(key, member)| (key.as_str().unwrap().to_owned(), value(member)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        other => panic!("{other:?}"),
    }
}

async fn the_roles_of_the_installation_allow_what_they_list_and_nothing_more(server: &Server) {
    let namespace = json!({ "metadata": { "name": "layby" } });
    post(&server.client, "/api/v1/namespaces", &namespace).await.done();
    for account in manifests(include_str!("../../../infra/cluster/account.yaml")) {
        let path = "/api/v1/namespaces/layby/serviceaccounts";
        post(&server.client, path, &account).await.done();
    }
    let objects = manifests(include_str!("../../../infra/cluster/rbac.yaml"));
    for object in &objects {
        let plural = format!("{}s", object["kind"].as_str().unwrap().to_lowercase());
        post(&server.client, &format!("{RBAC}/{plural}"), object).await.done();
    }
    let roles: Vec<&Value> = objects
        .iter()
        .filter(|object| object["kind"] == "ClusterRole")
        .collect();
    assert!(roles.len() >= 8, "{}", roles.len());
    for role in roles {
        let name = role["metadata"]["name"].as_str().unwrap();
        let function = name.strip_prefix("layby-").unwrap();
        let group = format!("layby:{function}");
        let allowed = allowed(role);
        assert!(!allowed.is_empty());
        let first = &allowed[0];
        // The bindings are seen a moment later than they are made.
        eventually("the binding", async || {
            (review(server, &group, first).await["allowed"] == true).then_some(())
        })
        .await;
        for asked in &allowed {
            assert_eq!(review(server, &group, asked).await["allowed"], true, "{name} {asked:?}");
        }
        for (verb, api, resource) in FORBIDDEN {
            let asked = (verb.to_owned(), api.to_owned(), resource.to_owned());
            assert_eq!(
                review(server, &group, &asked).await["allowed"],
                false,
                "{name} {asked:?}"
            );
        }
        let listed = |verb: &str, resource: &str| allowed.iter().any(|(own, _, of)| own == verb && of == resource);
        for (verb, resource) in [
            ("list", "namespaces"),
            ("list", "nodes"),
            ("create", "pods"),
            ("get", "pods/log"),
            ("get", "secrets"),
            ("update", "namespaces"),
        ] {
            let asked = (verb.to_owned(), String::new(), resource.to_owned());
            let answer = review(server, &group, &asked).await;
            assert_eq!(answer["allowed"], listed(verb, resource), "{name} {asked:?}");
        }
    }
    // The account is what an installation outside of EKS comes as.
    let token = post(
        &server.client,
        "/api/v1/namespaces/layby/serviceaccounts/layby/token",
        &json!({}),
    )
    .await
    .done();
    let layby = server.client_of(token["status"]["token"].as_str().unwrap());
    assert_eq!(get(&layby, "/api/v1/namespaces?limit=1").await.code, 200);
    assert_eq!(get(&layby, "/api/v1/nodes").await.code, 200);
    assert_eq!(get(&layby, "/api/v1/namespaces/layby/pods/none/log").await.code, 404);
    assert_eq!(get(&layby, "/api/v1/namespaces/layby/secrets").await.code, 403);
    for name in ["layby-reaper", "layby-fallback"] {
        let roles = get(&server.client, &format!("{RBAC}/clusterrolebindings/{name}"))
            .await
            .done();
        assert_eq!(roles["subjects"][1]["name"], "layby");
    }
}

/// Verb, group and resource of everything that a role lists.
fn allowed(role: &Value) -> Vec<(String, String, String)> {
    let texts = |rule: &Value, field: &str| -> Vec<String> {
        let found = rule[field].as_array().unwrap().iter();
        found.map(|text| text.as_str().unwrap().to_owned()).collect()
    };
    let mut allowed = Vec::new();
    for rule in role["rules"].as_array().unwrap() {
        for group in texts(rule, "apiGroups") {
            for resource in texts(rule, "resources") {
                let verbs = texts(rule, "verbs").into_iter();
                allowed.extend(verbs.map(|verb| (verb, group.clone(), resource.clone())));
            }
        }
    }
    allowed
}

/// The status of a review of what a member of `group` may do.
async fn review(server: &Server, group: &str, (verb, api, resource): &(String, String, String)) -> Value {
    let (resource, part) = resource.split_once('/').unwrap_or((resource, ""));
    let review = json!({ "spec": {
        "user": "function",
        "groups": [group, "system:authenticated"],
        "resourceAttributes": {
            "verb": verb, "group": api, "resource": resource, "subresource": part, "namespace": server.namespace,
        },
    } });
    let answer = post(
        &server.client,
        "/apis/authorization.k8s.io/v1/subjectaccessreviews",
        &review,
    )
    .await;
    answer.done()["status"].clone()
}
