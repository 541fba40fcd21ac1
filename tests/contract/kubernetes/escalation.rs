//! Nobody gives or takes more than they have.

use kube::Client;
use serde_json::json;

use crate::accounts::client_of_account;
use crate::roles::{GROUP, account_subject, binding, core, grant, named, rbac};
use crate::server::Server;
use crate::wire::{Answer, becomes, get, merge, post};

checks! {
    nobody_makes_a_role_with_more_than_they_have
    nobody_binds_a_role_with_more_than_they_have
    nobody_is_somebody_else_without_the_right_to
}

async fn nobody_makes_a_role_with_more_than_they_have(server: &Server) {
    let robot = client_of_account(server, "robot").await;
    let rules = json!([
        { "apiGroups": [GROUP], "resources": ["roles"], "verbs": ["create", "update", "patch", "get"] },
        { "apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"] },
    ]);
    grant(server, "maker", rules, "robot").await;
    let roles = rbac(server, "roles");
    let own = json!([{ "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] }]);
    becomes(201, async || post(&robot, &roles, &named("less", own.clone())).await).await;
    let more =
        json!([{ "apiGroups": ["", "apps"], "resources": ["pods", "secrets"], "verbs": ["get", "list", "delete"] }]);
    let answer = post(&robot, &roles, &named("more", more.clone())).await;
    let namespace = &server.namespace;
    assert_eq!(
        answer.refusal(),
        (
            403,
            "Forbidden",
            format!(
                "roles.rbac.authorization.k8s.io \"more\" is forbidden: user \"system:serviceaccount:{namespace}:robot\" \
                 (groups=[\"system:serviceaccounts\" \"system:serviceaccounts:{namespace}\" \"system:authenticated\"]) is \
                 attempting to grant RBAC permissions not currently held:\n\
                 {{APIGroups:[\"\"], Resources:[\"pods\"], Verbs:[\"delete\"]}}\n\
                 {{APIGroups:[\"\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\" \"delete\"]}}\n\
                 {{APIGroups:[\"apps\"], Resources:[\"pods\"], Verbs:[\"get\" \"list\" \"delete\"]}}\n\
                 {{APIGroups:[\"apps\"], Resources:[\"secrets\"], Verbs:[\"get\" \"list\" \"delete\"]}}"
            )
            .as_str()
        )
    );
    let patched = merge(&robot, &format!("{roles}/less"), &json!({ "rules": more })).await;
    assert_eq!(patched.refusal().0, 403);
    let labelled = json!({ "metadata": { "labels": { "a": "b" } } });
    merge(&robot, &format!("{roles}/less"), &labelled).await.done();
    let rules = json!([{ "apiGroups": [GROUP], "resources": ["roles"], "verbs": ["escalate"] }]);
    grant(server, "escalates", rules, "robot").await;
    becomes(201, async || post(&robot, &roles, &named("more", more.clone())).await).await;
}

async fn nobody_binds_a_role_with_more_than_they_have(server: &Server) {
    let robot = client_of_account(server, "robot").await;
    let rules = json!([{ "apiGroups": [GROUP], "resources": ["rolebindings"], "verbs": ["create"] }]);
    grant(server, "binder", rules, "robot").await;
    let reads = json!([{ "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["s"], "verbs": ["get"] }]);
    post(&server.client, &rbac(server, "roles"), &named("reads", reads))
        .await
        .done();
    let path = rbac(server, "rolebindings");
    let own = json!([account_subject(server, "robot")]);
    let bound = binding("mine", ("Role", "reads"), own.clone());
    let answer = becomes(403, async || {
        let answer = post(&robot, &path, &bound).await;
        // Until the first role is seen, creating itself is not allowed.
        let seen = answer.body["message"].as_str().unwrap().contains("attempting");
        if seen { answer } else { Answer { code: 0, ..answer } }
    })
    .await;
    let message = answer.refusal().2;
    assert!(
        message
            .starts_with("rolebindings.rbac.authorization.k8s.io \"mine\" is forbidden: user \"system:serviceaccount:")
    );
    assert!(
        message.ends_with(
            "not currently held:\n{APIGroups:[\"\"], Resources:[\"secrets\"], ResourceNames:[\"s\"], Verbs:[\"get\"]}"
        ),
        "{message}"
    );
    let missing = binding("missing", ("ClusterRole", "no-such-role"), own.clone());
    let answer = post(&robot, &path, &missing).await;
    assert_eq!(
        answer.refusal(),
        (
            404,
            "NotFound",
            "rolebindings.rbac.authorization.k8s.io \"no-such-role\" not found"
        )
    );
    let rules =
        json!([{ "apiGroups": [GROUP], "resources": ["roles"], "resourceNames": ["reads"], "verbs": ["bind"] }]);
    grant(server, "binds", rules, "robot").await;
    becomes(201, async || post(&robot, &path, &bound).await).await;
    becomes(404, async || get(&robot, &core(server, "secrets/s")).await).await;
}

async fn nobody_is_somebody_else_without_the_right_to(server: &Server) {
    let who = async |client: &Client| {
        let review = post(client, "/apis/authentication.k8s.io/v1/selfsubjectreviews", &json!({})).await;
        review.done()["status"]["userInfo"].clone()
    };
    let ann = server.client_as("ann", &["crew"]);
    assert_eq!(
        who(&ann).await,
        json!({ "username": "ann", "groups": ["crew", "system:authenticated"] })
    );
    let namespace = &server.namespace;
    let robot = format!("system:serviceaccount:{namespace}:robot");
    let as_robot = server.client_as(&robot, &[]);
    assert_eq!(
        who(&as_robot).await["groups"],
        json!([
            "system:serviceaccounts",
            format!("system:serviceaccounts:{namespace}"),
            "system:authenticated"
        ])
    );
    let request = format!("/api/v1/namespaces/{namespace}/serviceaccounts/robot/token");
    client_of_account(server, "robot").await;
    let given = post(&server.client, &request, &json!({})).await.done();
    let mut config = server.config.clone();
    config.auth_info = kube::config::AuthInfo::default();
    config.auth_info.token = Some(given["status"]["token"].as_str().unwrap().to_owned().into());
    config.auth_info.impersonate = Some("ann".to_owned());
    let pretender = Client::try_from(config).unwrap();
    let answer = get(&pretender, "/version").await;
    assert_eq!(
        answer.refusal(),
        (
            403,
            "Forbidden",
            format!("users \"ann\" is forbidden: User \"{robot}\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope")
                .as_str()
        )
    );
}
