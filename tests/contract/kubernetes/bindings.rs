//! Bindings of roles, and the roles that every cluster has.

use kube::Client;
use serde_json::{Value, json};

use crate::accounts::client_of_account;
use crate::roles::{GROUP, RBAC, account_subject, binding, config_map, core, grant, named, own, rbac};
use crate::server::{Server, eventually};
use crate::wire::{becomes, delete, get, merge, post};

checks! {
    bindings_reach_users_groups_and_accounts
    several_bindings_add_up_and_a_deleted_one_counts_no_more
    the_role_of_a_binding_is_not_changed
    roles_and_bindings_that_make_no_sense_are_invalid
    default_roles_let_view_edit_and_administer
    a_cluster_role_gathers_the_rules_of_others
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
