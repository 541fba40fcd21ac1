//! Roles: what they let whom do, and in whose words they refuse.

use serde_json::{Value, json};

use crate::accounts::client_of_account;
use crate::server::{Server, eventually};
use crate::wire::{apply, becomes, delete, get, merge, post, put};

checks! {
    an_account_may_do_nothing_but_look_around
    a_role_counts_in_its_namespace_alone
    a_cluster_role_counts_where_it_is_bound
    verbs_and_subresources_are_granted_one_by_one
    names_of_objects_narrow_a_rule
    stars_stand_for_everything_of_their_place
    whoever_may_only_change_does_not_create_by_it
}

pub(crate) const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";

pub(crate) const GROUP: &str = "rbac.authorization.k8s.io";

pub(crate) fn core(server: &Server, rest: &str) -> String {
    format!("/api/v1/namespaces/{}/{rest}", server.namespace)
}

pub(crate) fn rbac(server: &Server, rest: &str) -> String {
    format!("{RBAC}/namespaces/{}/{rest}", server.namespace)
}

/// A name that is the check's own in the whole cluster.
pub(crate) fn own(server: &Server, name: &str) -> String {
    format!("{}-{name}", server.namespace)
}

pub(crate) fn account_subject(server: &Server, name: &str) -> Value {
    json!({ "kind": "ServiceAccount", "name": name, "namespace": server.namespace })
}

pub(crate) fn named(name: &str, rules: Value) -> Value {
    json!({ "metadata": { "name": name }, "rules": rules })
}

pub(crate) fn binding(name: &str, role: (&str, &str), subjects: Value) -> Value {
    json!({
        "metadata": { "name": name },
        "roleRef": { "apiGroup": GROUP, "kind": role.0, "name": role.1 },
        "subjects": subjects,
    })
}

/// Makes a role with these rules in the check's namespace, and binds it to an account there.
pub(crate) async fn grant(server: &Server, name: &str, rules: Value, account: &str) {
    let role = named(name, rules);
    post(&server.client, &rbac(server, "roles"), &role).await.done();
    let bound = binding(name, ("Role", name), json!([account_subject(server, account)]));
    post(&server.client, &rbac(server, "rolebindings"), &bound).await.done();
}

pub(crate) fn config_map(name: &str) -> Value {
    json!({ "metadata": { "name": name } })
}

async fn an_account_may_do_nothing_but_look_around(server: &Server) {
    let robot = client_of_account(server, "robot").await;
    let namespace = &server.namespace;
    let user = format!("system:serviceaccount:{namespace}:robot");
    let answer = get(&robot, &core(server, "pods")).await;
    assert_eq!(
        answer.body,
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": format!(
                "pods is forbidden: User \"{user}\" cannot list resource \"pods\" in API group \"\" in the namespace \"{namespace}\""
            ),
            "reason": "Forbidden", "details": { "kind": "pods" }, "code": 403,
        })
    );
    let lease = format!("/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/one");
    let answer = get(&robot, &lease).await;
    assert_eq!(
        answer.refusal().2,
        format!(
            "leases.coordination.k8s.io \"one\" is forbidden: User \"{user}\" cannot get resource \"leases\" in API group \
             \"coordination.k8s.io\" in the namespace \"{namespace}\""
        )
    );
    assert_eq!(
        answer.body["details"],
        json!({ "name": "one", "group": "coordination.k8s.io", "kind": "leases" })
    );
    let answer = post(&robot, "/api/v1/namespaces", &config_map("mine")).await;
    assert_eq!(
        answer.refusal().2,
        format!(
            "namespaces is forbidden: User \"{user}\" cannot create resource \"namespaces\" in API group \"\" at the cluster scope"
        )
    );
    let answer = get(&robot, "/metrics").await;
    assert_eq!(
        answer.refusal(),
        (
            403,
            "Forbidden",
            format!("forbidden: User \"{user}\" cannot get path \"/metrics\"").as_str()
        )
    );
    assert_eq!(get(&robot, "/apis/no.such.group/v1/things").await.code, 403);
    for path in [
        "/version",
        "/api",
        "/api/v1",
        "/apis",
        "/apis/apps/v1",
        "/healthz",
        "/readyz",
    ] {
        assert_eq!(get(&robot, path).await.code, 200, "{path}");
    }
}

async fn a_role_counts_in_its_namespace_alone(server: &Server) {
    let robot = client_of_account(server, "robot").await;
    let rules = json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "list", "create"] }]);
    grant(server, "keeper", rules, "robot").await;
    becomes(200, async || get(&robot, &core(server, "configmaps")).await).await;
    let made = post(&robot, &core(server, "configmaps"), &config_map("one")).await;
    assert_eq!(made.code, 201);
    assert_eq!(get(&robot, &core(server, "configmaps/one")).await.code, 200);
    assert_eq!(delete(&robot, &core(server, "configmaps/one")).await.code, 403);
    assert_eq!(get(&robot, &core(server, "secrets")).await.code, 403);
    let other = server.another_namespace("other").await;
    let elsewhere = get(&robot, &format!("/api/v1/namespaces/{other}/configmaps")).await;
    assert!(
        elsewhere
            .refusal()
            .2
            .ends_with(&format!("in the namespace \"{other}\""))
    );
    let everywhere = get(&robot, "/api/v1/configmaps").await;
    assert!(
        everywhere.refusal().2.ends_with("at the cluster scope"),
        "{everywhere:?}"
    );
}

async fn a_cluster_role_counts_where_it_is_bound(server: &Server) {
    let robot = client_of_account(server, "robot").await;
    let role = own(server, "lister");
    let rules = json!([
        { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"] },
        { "nonResourceURLs": ["/logs/*", "/exact"], "verbs": ["get"] },
    ]);
    post(&server.client, &format!("{RBAC}/clusterroles"), &named(&role, rules))
        .await
        .done();
    let subject = json!([account_subject(server, "robot")]);
    let here = binding("here", ("ClusterRole", &role), subject.clone());
    post(&server.client, &rbac(server, "rolebindings"), &here).await.done();
    becomes(200, async || get(&robot, &core(server, "configmaps")).await).await;
    assert_eq!(get(&robot, "/api/v1/configmaps").await.code, 403);
    // A binding of a namespace says nothing of paths.
    assert_eq!(get(&robot, "/exact").await.code, 403);
    let everywhere = binding(&role, ("ClusterRole", &role), subject);
    let bindings = format!("{RBAC}/clusterrolebindings");
    post(&server.client, &bindings, &everywhere).await.done();
    becomes(200, async || get(&robot, "/api/v1/configmaps").await).await;
    becomes(404, async || get(&robot, "/exact").await).await;
    assert_ne!(get(&robot, "/logs/one/two").await.code, 403);
    assert_eq!(get(&robot, "/exact/more").await.code, 403);
    delete(&server.client, &format!("{bindings}/{role}")).await.done();
    delete(&server.client, &format!("{RBAC}/clusterroles/{role}"))
        .await
        .done();
    becomes(403, async || get(&robot, &core(server, "configmaps")).await).await;
}

async fn verbs_and_subresources_are_granted_one_by_one(server: &Server) {
    let robot = client_of_account(server, "robot").await;
    let rules = json!([
        { "apiGroups": [""], "resources": ["pods/log", "resourcequotas/status"], "verbs": ["get"] },
        { "apiGroups": [""], "resources": ["secrets"], "verbs": ["watch"] },
        { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["deletecollection", "update"] },
    ]);
    grant(server, "parts", rules, "robot").await;
    becomes(404, async || get(&robot, &core(server, "pods/none/log")).await).await;
    let whole = get(&robot, &core(server, "pods/none")).await;
    assert!(whole.refusal().2.contains("cannot get resource \"pods\""));
    let status = get(&robot, &core(server, "pods/none/status")).await;
    assert!(status.refusal().2.contains("cannot get resource \"pods/status\""));
    assert_eq!(get(&robot, &core(server, "resourcequotas/none/status")).await.code, 404);
    let listed = get(&robot, &core(server, "secrets")).await;
    assert!(listed.refusal().2.contains("cannot list resource \"secrets\""));
    let watched = get(&robot, &core(server, "secrets?watch=true&timeoutSeconds=1")).await;
    assert_eq!(watched.code, 200);
    let watched = get(&robot, &core(server, "configmaps?watch=1&timeoutSeconds=1")).await;
    assert!(watched.refusal().2.contains("cannot watch resource \"configmaps\""));
    let path = core(server, "configmaps/kube-root-ca.crt");
    let patched = merge(&robot, &path, &json!({})).await;
    assert!(patched.refusal().2.contains("cannot patch resource \"configmaps\""));
    let deleted = delete(&robot, &path).await;
    assert!(deleted.refusal().2.contains("cannot delete resource \"configmaps\""));
    let own = put(&robot, &path, &config_map("kube-root-ca.crt")).await;
    assert_eq!(own.code, 200, "{own:?}");
    let all = delete(&robot, &core(server, "secrets")).await;
    assert!(all.refusal().2.contains("cannot deletecollection resource \"secrets\""));
}

async fn names_of_objects_narrow_a_rule(server: &Server) {
    let robot = client_of_account(server, "robot").await;
    let rules = json!([{
        "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["mine"],
        "verbs": ["get", "list", "watch", "create", "update", "delete"],
    }]);
    grant(server, "narrow", rules, "robot").await;
    let maps = core(server, "configmaps");
    for name in ["mine", "other"] {
        post(&server.client, &maps, &config_map(name)).await.done();
    }
    becomes(200, async || get(&robot, &format!("{maps}/mine")).await).await;
    assert_eq!(get(&robot, &format!("{maps}/other")).await.code, 403);
    assert_eq!(get(&robot, &maps).await.code, 403);
    let one = get(&robot, &format!("{maps}?fieldSelector=metadata.name%3Dmine")).await;
    assert_eq!(one.done()["items"].as_array().unwrap().len(), 1);
    let other = get(&robot, &format!("{maps}?fieldSelector=metadata.name%3Dother")).await;
    assert_eq!(
        other.refusal().2,
        format!(
            "configmaps \"other\" is forbidden: User \"system:serviceaccount:{0}:robot\" cannot list resource \"configmaps\" in \
             API group \"\" in the namespace \"{0}\"",
            server.namespace
        )
    );
    // The name of what is created is in the body, which roles do not see.
    assert_eq!(post(&robot, &maps, &config_map("mine")).await.code, 403);
    assert_eq!(delete(&robot, &format!("{maps}/other")).await.code, 403);
    assert_eq!(delete(&robot, &format!("{maps}/mine")).await.code, 200);
}

async fn stars_stand_for_everything_of_their_place(server: &Server) {
    let robot = client_of_account(server, "robot").await;
    let rules = json!([
        { "apiGroups": [""], "resources": ["*"], "verbs": ["get"] },
        { "apiGroups": ["*"], "resources": ["*/status"], "verbs": ["*"] },
        { "apiGroups": ["batch"], "resources": ["jobs"], "verbs": ["*"] },
    ]);
    grant(server, "stars", rules, "robot").await;
    becomes(404, async || get(&robot, &core(server, "pods/none")).await).await;
    assert_eq!(get(&robot, &core(server, "pods/none/log")).await.code, 404);
    assert_eq!(get(&robot, &core(server, "secrets/none")).await.code, 404);
    assert_eq!(get(&robot, &core(server, "secrets")).await.code, 403);
    let batch = format!("/apis/batch/v1/namespaces/{}/jobs", server.namespace);
    let apps = format!("/apis/apps/v1/namespaces/{}/deployments", server.namespace);
    assert_eq!(get(&robot, &batch).await.code, 200);
    assert_eq!(get(&robot, &apps).await.code, 403);
    let status = json!({ "status": {} });
    assert_eq!(
        merge(&robot, &core(server, "pods/none/status"), &status).await.code,
        404
    );
    assert_eq!(merge(&robot, &core(server, "pods/none"), &status).await.code, 403);
}

async fn whoever_may_only_change_does_not_create_by_it(server: &Server) {
    let robot = client_of_account(server, "robot").await;
    let rules = json!([
        { "apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch"] },
        { "apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["update"] },
    ]);
    grant(server, "changer", rules, "robot").await;
    let lease = format!(
        "/apis/coordination.k8s.io/v1/namespaces/{}/leases/new",
        server.namespace
    );
    let body = json!({ "metadata": { "name": "new" } });
    let refused = eventually("creation is what is refused", async || {
        let answer = put(&robot, &lease, &body).await;
        answer.refusal().2.contains("cannot create resource").then_some(answer)
    })
    .await;
    let user = format!("system:serviceaccount:{}:robot", server.namespace);
    let expected = format!(
        "leases.coordination.k8s.io \"new\" is forbidden: User \"{user}\" cannot create resource \"leases\" in API group \
         \"coordination.k8s.io\" in the namespace \"{}\"",
        server.namespace
    );
    assert_eq!(refused.refusal(), (403, "Forbidden", expected.as_str()));
    let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "new" } });
    let path = format!("{}?fieldManager=check", core(server, "configmaps/new"));
    let answer = apply(&robot, &path, &map).await;
    assert!(
        answer.refusal().2.contains("cannot create resource \"configmaps\""),
        "{answer:?}"
    );
    post(&server.client, &core(server, "configmaps"), &map).await.done();
    apply(&robot, &path, &map).await.done();
}
