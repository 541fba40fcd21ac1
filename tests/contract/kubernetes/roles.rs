//! Roles: what they let whom do, in whose words they refuse, and that nobody gives more than they have.

use kube::Client;
use serde_json::{Value, json};

use crate::accounts::client_of_account;
use crate::server::{Server, eventually};
use crate::wire::{Answer, becomes, delete, get, merge, post, put};

checks! {
    an_account_may_do_nothing_but_look_around
    a_role_counts_in_its_namespace_alone
    a_cluster_role_counts_where_it_is_bound
    verbs_and_subresources_are_granted_one_by_one
    names_of_objects_narrow_a_rule
    stars_stand_for_everything_of_their_place
    bindings_reach_users_groups_and_accounts
    several_bindings_add_up_and_a_deleted_one_counts_no_more
    the_role_of_a_binding_is_not_changed
    roles_and_bindings_that_make_no_sense_are_invalid
    nobody_makes_a_role_with_more_than_they_have
    nobody_binds_a_role_with_more_than_they_have
    default_roles_let_view_edit_and_administer
    a_cluster_role_gathers_the_rules_of_others
    nobody_is_somebody_else_without_the_right_to
    an_account_learns_what_it_may_do
    an_administrator_learns_what_others_may_do
}

const RBAC: &str = "/apis/rbac.authorization.k8s.io/v1";
const REVIEWS: &str = "/apis/authorization.k8s.io/v1";
const GROUP: &str = "rbac.authorization.k8s.io";

fn core(server: &Server, rest: &str) -> String {
    format!("/api/v1/namespaces/{}/{rest}", server.namespace)
}

fn rbac(server: &Server, rest: &str) -> String {
    format!("{RBAC}/namespaces/{}/{rest}", server.namespace)
}

/// A name that is the check's own in the whole cluster.
fn own(server: &Server, name: &str) -> String {
    format!("{}-{name}", server.namespace)
}

fn account_subject(server: &Server, name: &str) -> Value {
    json!({ "kind": "ServiceAccount", "name": name, "namespace": server.namespace })
}

fn named(name: &str, rules: Value) -> Value {
    json!({ "metadata": { "name": name }, "rules": rules })
}

fn binding(name: &str, role: (&str, &str), subjects: Value) -> Value {
    json!({
        "metadata": { "name": name },
        "roleRef": { "apiGroup": GROUP, "kind": role.0, "name": role.1 },
        "subjects": subjects,
    })
}

/// Makes a role with these rules in the check's namespace, and binds it to an account there.
async fn grant(server: &Server, name: &str, rules: Value, account: &str) {
    let role = named(name, rules);
    post(&server.client, &rbac(server, "roles"), &role).await.done();
    let bound = binding(name, ("Role", name), json!([account_subject(server, account)]));
    post(&server.client, &rbac(server, "rolebindings"), &bound).await.done();
}

fn config_map(name: &str) -> Value {
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

async fn bindings_reach_users_groups_and_accounts(server: &Server) {
    let rules = json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"] }]);
    let role = named("lister", rules);
    post(&server.client, &rbac(server, "roles"), &role).await.done();
    let maps = core(server, "configmaps");
    let robot = client_of_account(server, "robot").await;
    let namespace = server.namespace.as_str();
    let accounts = format!("system:serviceaccounts:{namespace}");
    let (ann, crew) = (own(server, "ann"), own(server, "crew"));
    for (name, subject, member, stranger) in [
        (
            "user",
            json!({ "kind": "User", "name": ann }),
            server.client_as(&ann, &[]),
            server.client_as("bob", &[&ann]),
        ),
        (
            "group",
            json!({ "kind": "Group", "name": crew }),
            server.client_as("bob", &[&crew]),
            server.client_as(&crew, &[]),
        ),
        (
            // Without a namespace it is one of the binding's own.
            "account",
            json!({ "kind": "ServiceAccount", "name": "robot" }),
            robot.clone(),
            server.client_as("robot", &[]),
        ),
        (
            "accounts",
            json!({ "kind": "Group", "name": accounts }),
            client_of_account(server, "second").await,
            server.client_as("bob", &["system:serviceaccounts"]),
        ),
    ] {
        let bound = binding(name, ("Role", "lister"), json!([subject]));
        let path = rbac(server, "rolebindings");
        let made = post(&server.client, &path, &bound).await.done();
        let group = if name == "account" { Value::Null } else { json!(GROUP) };
        assert_eq!(made["subjects"][0]["apiGroup"], group, "{made}");
        becomes(200, async || get(&member, &maps).await).await;
        assert_eq!(get(&stranger, &maps).await.code, 403, "{name}");
        delete(&server.client, &format!("{path}/{name}")).await.done();
        becomes(403, async || get(&member, &maps).await).await;
    }
}

async fn several_bindings_add_up_and_a_deleted_one_counts_no_more(server: &Server) {
    let robot = client_of_account(server, "robot").await;
    let maps = core(server, "configmaps");
    let rule = |verb: &str| json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": [verb] }]);
    grant(server, "lists", rule("list"), "robot").await;
    grant(server, "creates", rule("create"), "robot").await;
    becomes(200, async || get(&robot, &maps).await).await;
    becomes(201, async || post(&robot, &maps, &config_map("one")).await).await;
    delete(&server.client, &rbac(server, "rolebindings/creates"))
        .await
        .done();
    becomes(403, async || post(&robot, &maps, &config_map("two")).await).await;
    assert_eq!(get(&robot, &maps).await.code, 200);
    let none = json!({ "rules": [] });
    merge(&server.client, &rbac(server, "roles/lists"), &none).await.done();
    becomes(403, async || get(&robot, &maps).await).await;
}

async fn the_role_of_a_binding_is_not_changed(server: &Server) {
    let subject = json!([{ "kind": "User", "name": "ann" }]);
    let bound = binding("bound", ("Role", "absent"), subject);
    let path = rbac(server, "rolebindings");
    let made = post(&server.client, &path, &bound).await.done();
    assert_eq!(made["roleRef"]["name"], "absent");
    let other = json!({ "roleRef": { "name": "other" } });
    let answer = merge(&server.client, &format!("{path}/bound"), &other).await;
    assert_eq!(
        answer.refusal(),
        (
            422,
            "Invalid",
            "RoleBinding.rbac.authorization.k8s.io \"bound\" is invalid: roleRef: Invalid value: \
             {\"APIGroup\":\"rbac.authorization.k8s.io\",\"Kind\":\"Role\",\"Name\":\"other\"}: cannot change roleRef"
        )
    );
    let more = json!({ "subjects": [{ "kind": "Group", "name": "crew" }] });
    let changed = merge(&server.client, &format!("{path}/bound"), &more).await.done();
    assert_eq!(changed["subjects"][0]["name"], "crew");
}

async fn roles_and_bindings_that_make_no_sense_are_invalid(server: &Server) {
    let (roles, bindings) = (rbac(server, "roles"), rbac(server, "rolebindings"));
    let everywhere = format!("{RBAC}/clusterroles");
    let bound_everywhere = format!("{RBAC}/clusterrolebindings");
    let rule = |rule: Value| named("wrong", json!([rule]));
    let ann = || json!([{ "kind": "User", "name": "ann" }]);
    for (path, object, field, detail) in [
        (
            &roles,
            rule(json!({ "apiGroups": [""], "resources": ["pods"], "verbs": [] })),
            "rules[0].verbs",
            "Required value: verbs must contain at least one value",
        ),
        (
            &roles,
            rule(json!({ "resources": ["pods"], "verbs": ["get"] })),
            "rules[0].apiGroups",
            "Required value: resource rules must supply at least one api group",
        ),
        (
            &roles,
            rule(json!({ "apiGroups": [""], "verbs": ["get"] })),
            "rules[0].resources",
            "Required value: resource rules must supply at least one resource",
        ),
        (
            &roles,
            rule(json!({ "nonResourceURLs": ["/x"], "verbs": ["get"] })),
            "rules[0].nonResourceURLs",
            "Invalid value: [\"/x\"]: namespaced rules cannot apply to non-resource URLs",
        ),
        (
            &everywhere,
            rule(json!({ "nonResourceURLs": ["/x"], "apiGroups": [""], "resources": ["pods"], "verbs": ["get"] })),
            "rules[0].nonResourceURLs",
            "Invalid value: [\"/x\"]: rules cannot apply to both regular resources and non-resource URLs",
        ),
        (
            &bindings,
            binding("wrong", ("Thing", "x"), ann()),
            "roleRef.kind",
            "Unsupported value: \"Thing\": supported values: \"Role\", \"ClusterRole\"",
        ),
        (
            &bound_everywhere,
            binding("wrong", ("Role", "x"), ann()),
            "roleRef.kind",
            "Unsupported value: \"Role\": supported values: \"ClusterRole\"",
        ),
        (
            &bindings,
            binding("wrong", ("Role", ""), ann()),
            "roleRef.name",
            "Required value",
        ),
        (
            &bindings,
            binding("wrong", ("Role", "x"), json!([{ "kind": "Person", "name": "ann" }])),
            "subjects[0].kind",
            "Unsupported value: \"Person\": supported values: \"ServiceAccount\", \"User\", \"Group\"",
        ),
        (
            &bound_everywhere,
            binding(
                "wrong",
                ("ClusterRole", "x"),
                json!([{ "kind": "ServiceAccount", "name": "a" }]),
            ),
            "subjects[0].namespace",
            "Required value",
        ),
    ] {
        let answer = post(&server.client, path, &object).await;
        assert_eq!(answer.refusal().0, 422, "{answer:?}");
        let causes = answer.body["details"]["causes"].as_array().unwrap();
        assert_eq!(
            causes
                .iter()
                .map(|cause| (&cause["field"], &cause["message"]))
                .collect::<Vec<_>>(),
            [(&json!(field), &json!(detail))],
            "{answer:?}"
        );
    }
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

async fn default_roles_let_view_edit_and_administer(server: &Server) {
    let clients: Vec<(&str, Client)> = {
        let mut clients = Vec::new();
        for role in ["view", "edit", "admin", "cluster-admin"] {
            let name = format!("{role}-robot");
            let client = client_of_account(server, &name).await;
            let bound = binding(&name, ("ClusterRole", role), json!([account_subject(server, &name)]));
            post(&server.client, &rbac(server, "rolebindings"), &bound).await.done();
            clients.push((role, client));
        }
        clients
    };
    for (role, client) in &clients {
        becomes(200, async || get(client, &core(server, "pods")).await).await;
        let codes = [
            get(client, &core(server, "pods/none/log")).await.code,
            get(client, &core(server, "secrets")).await.code,
            post(client, &core(server, "configmaps"), &config_map(role)).await.code,
            get(client, &core(server, "resourcequotas")).await.code,
            get(client, &rbac(server, "roles")).await.code,
            post(client, &core(server, "resourcequotas"), &config_map(role))
                .await
                .code,
            get(client, &format!("/api/v1/namespaces/{}", server.namespace))
                .await
                .code,
            delete(client, "/api/v1/namespaces/no-such-namespace").await.code,
            get(client, "/api/v1/nodes").await.code,
        ];
        let expected = match *role {
            "view" => [404, 403, 403, 200, 403, 403, 200, 403, 403],
            "edit" => [404, 200, 201, 200, 403, 403, 200, 403, 403],
            "admin" => [404, 200, 201, 200, 200, 403, 200, 403, 403],
            _ => [404, 200, 201, 200, 200, 201, 200, 403, 403],
        };
        assert_eq!(codes, expected, "{role}");
    }
    let names = get(&server.client, &format!("{RBAC}/clusterroles")).await.done();
    let names: Vec<&str> = names["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|role| role["metadata"]["name"].as_str())
        .collect();
    for name in [
        "system:basic-user",
        "system:discovery",
        "system:public-info-viewer",
        "system:aggregate-to-view",
    ] {
        assert!(names.contains(&name), "{name}");
    }
}

async fn a_cluster_role_gathers_the_rules_of_others(server: &Server) {
    let (whole, part) = (own(server, "whole"), own(server, "part"));
    let label = json!({ "layby.dev/gather": whole });
    let roles = format!("{RBAC}/clusterroles");
    let gathers = json!({
        "metadata": { "name": whole },
        "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": label }] },
        "rules": [],
    });
    post(&server.client, &roles, &gathers).await.done();
    let rules = json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"] }]);
    let gathered = json!({ "metadata": { "name": part, "labels": label }, "rules": rules });
    post(&server.client, &roles, &gathered).await.done();
    eventually("the rules are gathered", async || {
        let role = get(&server.client, &format!("{roles}/{whole}")).await.done();
        (role["rules"] == rules).then_some(())
    })
    .await;
    delete(&server.client, &format!("{roles}/{part}")).await.done();
    eventually("the rules are let go", async || {
        let role = get(&server.client, &format!("{roles}/{whole}")).await.done();
        role["rules"].as_array().is_none_or(Vec::is_empty).then_some(())
    })
    .await;
    delete(&server.client, &format!("{roles}/{whole}")).await.done();
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

async fn an_account_learns_what_it_may_do(server: &Server) {
    let robot = client_of_account(server, "robot").await;
    let rules =
        json!([{ "apiGroups": ["apps"], "resources": ["deployments"], "resourceNames": ["d"], "verbs": ["get"] }]);
    grant(server, "looker", rules, "robot").await;
    let namespace = &server.namespace;
    let ask = async |spec: Value| {
        let answer = post(
            &robot,
            &format!("{REVIEWS}/selfsubjectaccessreviews"),
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
        &format!("{REVIEWS}/selfsubjectaccessreviews"),
        &json!({ "spec": {} }),
    )
    .await;
    assert_eq!(
        (neither.refusal().0, &neither.body["details"]["causes"][0]["field"]),
        (422, &json!("spec.resourceAttributes"))
    );

    let review = json!({ "spec": { "namespace": namespace } });
    let answer = post(&robot, &format!("{REVIEWS}/selfsubjectrulesreviews"), &review).await;
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
        &format!("{REVIEWS}/selfsubjectrulesreviews"),
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
    let path = format!("{REVIEWS}/subjectaccessreviews");
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
        let answer = post(&server.client, &path, &ask(&user, json!([]), "log")).await;
        let allowed = answer.body["status"]["allowed"] == true;
        if allowed { answer } else { Answer { code: 0, ..answer } }
    })
    .await;
    let status = async |review: Value| post(&server.client, &path, &review).await.done()["status"].clone();
    assert_eq!(status(ask(&user, json!([]), "exec")).await, json!({ "allowed": false }));
    assert_eq!(status(ask("ann", json!([]), "log")).await["allowed"], false);
    assert_eq!(
        status(ask("ann", json!(["system:masters"]), "log")).await["allowed"],
        true
    );
    let answer = post(&server.client, &path, &ask("", json!([]), "log")).await;
    assert_eq!(
        (answer.refusal().0, &answer.body["details"]["causes"][0]["field"]),
        (422, &json!("spec.user"))
    );
    // Whoever may not create the review learns nothing of others.
    assert_eq!(post(&robot, &path, &ask("ann", json!([]), "log")).await.code, 403);
    let local = format!("{REVIEWS}/namespaces/{namespace}/localsubjectaccessreviews");
    let mut review = ask(&user, json!([]), "log");
    assert_eq!(
        post(&server.client, &local, &review).await.done()["status"]["allowed"],
        true
    );
    review["spec"]["resourceAttributes"]["namespace"] = "another".into();
    assert_eq!(post(&server.client, &local, &review).await.refusal().0, 422);
}
