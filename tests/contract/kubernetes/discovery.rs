//! What a server says of itself.

use kube::discovery::{Discovery, Scope, verbs};
use serde_json::{Value, json};

use crate::server::Server;

checks! {
    the_version_is_told_to_everybody
    groups_and_versions_are_listed
    resources_say_what_can_be_done_with_them
    discovery_finds_the_same_in_either_way
}

async fn the_version_is_told_to_everybody(server: &Server) {
    let version = server.client.apiserver_version().await.unwrap();
    assert_eq!((version.major.as_str(), version.minor.as_str()), ("1", "35"));
    assert_eq!(version.git_version, "v1.35.4");
    for path in ["/healthz", "/livez", "/readyz"] {
        let answer = server.get(path).await;
        assert_eq!((answer.code, &answer.body), (200, &json!("ok")), "{path}");
    }
}

async fn groups_and_versions_are_listed(server: &Server) {
    let core = server.get("/api").await.body;
    assert_eq!(
        (&core["kind"], &core["versions"]),
        (&json!("APIVersions"), &json!(["v1"]))
    );
    let groups = server.client.list_api_groups().await.unwrap().groups;
    for name in [
        "apps",
        "batch",
        "coordination.k8s.io",
        "networking.k8s.io",
        "rbac.authorization.k8s.io",
    ] {
        let group = groups.iter().find(|group| group.name == name).expect(name);
        let preferred = group.preferred_version.as_ref().unwrap();
        assert_eq!(preferred.group_version, format!("{name}/v1"));
    }
    let apps = server.get("/apis/apps").await.body;
    assert_eq!((&apps["kind"], &apps["name"]), (&json!("APIGroup"), &json!("apps")));
    assert_eq!(
        apps["preferredVersion"],
        json!({"groupVersion": "apps/v1", "version": "v1"})
    );
}

async fn resources_say_what_can_be_done_with_them(server: &Server) {
    let list = server.get("/api/v1").await.body;
    assert_eq!(
        (&list["kind"], &list["groupVersion"]),
        (&json!("APIResourceList"), &json!("v1"))
    );
    let of = |name: &str| {
        let resources = list["resources"].as_array().unwrap();
        let mut found = resources.iter().find(|one| one["name"] == name).expect(name).clone();
        found.as_object_mut().unwrap().remove("storageVersionHash");
        found
    };
    let all = json!([
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch"
    ]);
    let pods = json!({
        "name": "pods", "singularName": "pod", "namespaced": true, "kind": "Pod", "verbs": all,
        "shortNames": ["po"], "categories": ["all"],
    });
    assert_eq!(of("pods"), pods);
    let verbs = json!(["create", "delete", "get", "list", "patch", "update", "watch"]);
    let namespaces = json!({
        "name": "namespaces", "singularName": "namespace", "namespaced": false, "kind": "Namespace", "verbs": verbs,
        "shortNames": ["ns"],
    });
    assert_eq!(of("namespaces"), namespaces);
    let status = json!({
        "name": "pods/status", "singularName": "", "namespaced": true, "kind": "Pod", "verbs": ["get", "patch", "update"],
    });
    assert_eq!(of("pods/status"), status);
    let eviction = json!({
        "name": "pods/eviction", "singularName": "", "namespaced": true, "group": "policy", "version": "v1",
        "kind": "Eviction", "verbs": ["create"],
    });
    assert_eq!(of("pods/eviction"), eviction);
    assert_eq!(of("namespaces/finalize")["verbs"], json!(["update"]));
}

async fn discovery_finds_the_same_in_either_way(server: &Server) {
    let of = |discovery: &Discovery, group: &str, kind: &str| -> Value {
        let group = discovery.get(group).expect(group);
        let found = group.recommended_kind(kind);
        let (resource, can) = found.expect(kind);
        json!({
            "apiVersion": resource.api_version, "plural": resource.plural,
            "namespaced": can.scope == Scope::Namespaced,
            "deletecollection": can.supports_operation(verbs::DELETE_COLLECTION),
            "status": can.subresources.iter().any(|(part, _)| part.plural.ends_with("status")),
        })
    };
    let one_by_one = Discovery::new(server.client.clone()).run().await.unwrap();
    let at_once = Discovery::new(server.client.clone()).run_aggregated().await.unwrap();
    for discovery in [one_by_one, at_once] {
        let pod =
            json!({"apiVersion": "v1", "plural": "pods", "namespaced": true, "deletecollection": true, "status": true});
        assert_eq!(of(&discovery, "", "Pod"), pod);
        let namespace = json!({
            "apiVersion": "v1", "plural": "namespaces", "namespaced": false, "deletecollection": false, "status": true,
        });
        assert_eq!(of(&discovery, "", "Namespace"), namespace);
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1", "plural": "leases", "namespaced": true, "deletecollection": true,
            "status": false,
        });
        assert_eq!(of(&discovery, "coordination.k8s.io", "Lease"), lease);
    }
}
