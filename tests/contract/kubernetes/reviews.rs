//! Reviews of access: what somebody may do.

use serde_json::{Value, json};

use crate::accounts::client_of_account;
use crate::roles::grant;
use crate::server::{Server, eventually};
use crate::wire::{Answer, becomes, post};

checks! {
    an_account_learns_what_it_may_do
    an_administrator_learns_what_others_may_do
}

async fn an_account_learns_what_it_may_do(server: &Server) {
    let robot = client_of_account(server, "robot").await;
    let rules =
        json!([{ "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["d"], "verbs": ["get"] }]);
    grant(server, "looker", rules, "robot").await;
    let namespace = &server.namespace;
    let ask = async |spec: Value| {
        let answer = post(
            &robot,
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            &json!({ "spec": spec }),
        )
        .await;
        assert_eq!(answer.code, 201, "{answer:?}");
        answer.body["status"].clone()
    };
    let of = |name: &str| {
        json!({ "resourceAttributes": {
            "namespace": namespace, "verb": "get", "group": "apps", "resource": "deployments", "name": name,
        } })
    };
    let allowed = eventually("the role is seen", async || {
        Some(ask(of("d")).await).filter(|status| status["allowed"] == true)
    })
    .await;
    assert_eq!(
        allowed["reason"],
        format!(
            "RBAC: allowed by RoleBinding \"looker/{namespace}\" of Role \"looker\" to ServiceAccount \"robot/{namespace}\""
        )
    );
    assert_eq!(ask(of("other")).await, json!({ "allowed": false }));
    let path = |path: &str| json!({ "nonResourceAttributes": { "path": path, "verb": "get" } });
    assert_eq!(
        ask(path("/api/v1")).await,
        json!({
            "allowed": true,
            "reason": "RBAC: allowed by ClusterRoleBinding \"system:discovery\" of ClusterRole \"system:discovery\" to Group \
                       \"system:authenticated\"",
        })
    );
    assert_eq!(ask(path("/metrics")).await["allowed"], false);
    let neither = post(
        &robot,
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        &json!({ "spec": {} }),
    )
    .await;
    assert_eq!(
        (neither.refusal().0, &neither.body["details"]["causes"][0]["field"]),
        (422, &json!("spec.resourceAttributes"))
    );

    let review = json!({ "spec": { "namespace": namespace } });
    let answer = post(&robot, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", &review).await;
    assert_eq!(answer.code, 201);
    let status = &answer.body["status"];
    assert_eq!(status["incomplete"], false);
    let rules = status["resourceRules"].as_array().unwrap();
    let own = json!({ "verbs": ["get"], "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["d"] });
    assert!(rules.contains(&own), "{rules:?}");
    let basic = json!({
        "verbs": ["create"], "apiGroups": ["authorization.k8s.io"],
        "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
    });
    assert!(rules.contains(&basic), "{rules:?}");
    let paths = status["nonResourceRules"].as_array().unwrap();
    assert!(paths.iter().any(|rule| {
        rule["nonResourceURLs"]
            .as_array()
            .unwrap()
            .contains(&json!("/openapi/*"))
    }));
    let without = post(
        &robot,
        "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews",
        &json!({ "spec": {} }),
    )
    .await;
    assert_eq!(without.refusal(), (400, "BadRequest", "no namespace on request"));
}

async fn an_administrator_learns_what_others_may_do(server: &Server) {
    let robot = client_of_account(server, "robot").await;
    let rules = json!([{ "apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"] }]);
    grant(server, "looker", rules, "robot").await;
    let namespace = &server.namespace;
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let ask = |user: &str, groups: Value, subresource: &str| {
        json!({ "spec": {
            "user": user, "groups": groups,
            "resourceAttributes": {
                "namespace": namespace, "verb": "get", "resource": "pods", "subresource": subresource,
            },
        } })
    };
    let user = format!("system:serviceaccount:{namespace}:robot");
    becomes(201, async || {
        let answer = post(&server.client, path, &ask(&user, json!([]), "log")).await;
        let allowed = answer.body["status"]["allowed"] == true;
        if allowed { answer } else { Answer { code: 0, ..answer } }
    })
    .await;
    let status = async |review: Value| post(&server.client, path, &review).await.done()["status"].clone();
    assert_eq!(status(ask(&user, json!([]), "exec")).await, json!({ "allowed": false }));
    assert_eq!(status(ask("ann", json!([]), "log")).await["allowed"], false);
    assert_eq!(
        status(ask("ann", json!(["system:masters"]), "log")).await["allowed"],
        true
    );
    let answer = post(&server.client, path, &ask("", json!([]), "log")).await;
    assert_eq!(
        (answer.refusal().0, &answer.body["details"]["causes"][0]["field"]),
        (422, &json!("spec.user"))
    );
    // Whoever may not create the review learns nothing of others.
    assert_eq!(post(&robot, path, &ask("ann", json!([]), "log")).await.code, 403);
    let local = format!("/apis/authorization.k8s.io/v1/namespaces/{namespace}/localsubjectaccessreviews");
    let mut review = ask(&user, json!([]), "log");
    assert_eq!(
        post(&server.client, &local, &review).await.done()["status"]["allowed"],
        true
    );
    review["spec"]["resourceAttributes"]["namespace"] = "another".into();
    assert_eq!(post(&server.client, &local, &review).await.refusal().0, 422);
}
