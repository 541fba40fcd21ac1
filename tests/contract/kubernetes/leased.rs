//! What layby does in a cluster that is leased, by its own client: accounts that come and go, and what is in it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cluster_client::{ClusterAccess, Hand, LeasedCluster};
use domain::{Epoch, Exempt, Fingerprint, InstallationId, Thing};
use secrecy::ExposeSecret as _;
use serde_json::json;

use crate::layby::certificates;
use crate::server::{Server, eventually};

checks! {
    the_account_of_a_holder_comes_and_goes_by_its_epoch
    what_is_in_a_cluster_is_found_and_deleted_by_its_uid
    what_controllers_make_and_what_is_exempt_is_left_out
    what_a_holder_does_to_its_account_does_not_keep_it
    what_outlives_who_made_it_is_told_apart
    what_gives_rights_is_found_whoever_is_said_to_have_made_it
    a_page_of_objects_as_large_as_may_be_is_read_in_parts
}

/// Objects of a megabyte: seventeen are more than an answer may have.
const LARGE: usize = 20;

/// As an operator registers the server.
fn access(server: &Server) -> ClusterAccess {
    let token = server
        .config
        .auth_info
        .token
        .as_ref()
        .unwrap()
        .expose_secret()
        .to_owned();
    let authority = STANDARD.encode(certificates(server).unwrap());
    let kubeconfig = json!({
        "current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {
            "server": server.config.cluster_url.to_string(), "certificate-authority-data": authority,
        }}],
        "users": [{"name": "x", "user": {"token": token}}],
    });
    ClusterAccess::read(&kubeconfig.to_string()).unwrap()
}

/// An installation that no other check has.
fn installation(server: &Server) -> InstallationId {
    InstallationId::parse(&server.namespace).unwrap()
}

fn leased(server: &Server, access: &ClusterAccess) -> LeasedCluster {
    let net = net::Net::new(net::Settings::default()).unwrap();
    let here = net::Reach {
        networks: Vec::new(),
        loopback: true,
    };
    LeasedCluster::connect(&net, access, &here, &installation(server)).unwrap()
}

/// What of the check's own namespace is in the cluster.
async fn own(server: &Server, cluster: &LeasedCluster, exempt: &Exempt) -> Vec<Fingerprint> {
    let inventory = cluster.inventory(exempt, None).await.unwrap();
    assert_eq!(inventory.unlisted, []);
    let is_own = |seen: &Fingerprint| seen.thing.namespace.as_deref() == Some(server.namespace.as_str());
    inventory.seen.into_iter().filter(is_own).collect()
}

fn names(seen: &[Fingerprint]) -> Vec<String> {
    let mut names: Vec<String> = seen
        .iter()
        .map(|seen| format!("{} {}", seen.thing.kind.kind, seen.thing.name))
        .collect();
    names.sort_unstable();
    names
}

async fn the_account_of_a_holder_comes_and_goes_by_its_epoch(server: &Server) {
    let access = access(server);
    let cluster = leased(server, &access);
    let identity = cluster.identity().await.unwrap();
    assert!(
        identity.version.starts_with("v1.3") && !identity.uid.is_empty(),
        "{identity:?}"
    );

    cluster.admit(Hand::Holder, Epoch(3), "cluster-admin").await.unwrap();
    cluster.admit(Hand::Holder, Epoch(3), "cluster-admin").await.unwrap();
    let (token, until) = cluster
        .token(Hand::Holder, Epoch(3), Duration::from_secs(60))
        .await
        .unwrap();
    let left = until.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((590..=600).contains(&left), "{left}: ten minutes is the least");
    let holder = leased(server, &access.by_token(token));
    assert_eq!(
        eventually("the binding", async || holder.identity().await.ok()).await,
        identity
    );

    assert!(cluster.dismiss(Hand::Cleaner, Epoch(9)).await.unwrap(), "another hand");
    assert!(
        cluster.dismiss(Hand::Holder, Epoch(2)).await.unwrap(),
        "an earlier epoch"
    );
    holder.identity().await.unwrap();
    assert!(cluster.dismiss(Hand::Holder, Epoch(3)).await.unwrap());
    eventually("the token is refused", async || holder.identity().await.err()).await;
    cluster
        .token(Hand::Holder, Epoch(3), Duration::from_secs(60))
        .await
        .unwrap_err();
    assert!(cluster.dismiss(Hand::Holder, Epoch(3)).await.unwrap(), "and again");
}

async fn what_is_in_a_cluster_is_found_and_deleted_by_its_uid(server: &Server) {
    let cluster = leased(server, &access(server));
    let exempt = Exempt::default();
    let before = own(server, &cluster, &exempt).await;
    assert_eq!(names(&before), ["ConfigMap kube-root-ca.crt", "ServiceAccount default"]);
    let maps = "/api/v1/namespaces/{}/configmaps";
    server
        .made(maps, json!({"metadata": {"name": "mine"}, "data": {"k": "v"}}))
        .await;
    let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles";
    server
        .made(roles, json!({"metadata": {"name": "mine"}, "rules": []}))
        .await;
    let now = own(server, &cluster, &exempt).await;
    let difference = domain::compare(&things(&before), now);
    assert_eq!(names(&difference.left_over), ["ConfigMap mine", "Role mine"]);
    assert!(
        difference.changed.is_empty() && difference.missing.is_empty(),
        "{difference:?}"
    );

    server
        .merge(&format!("{maps}/mine"), json!({"data": {"k": "w"}}))
        .await
        .done();
    let changed = domain::compare(&things(&difference.left_over), own(server, &cluster, &exempt).await).changed;
    assert_eq!(changed.len(), 1, "{changed:?}");

    let left: Vec<Thing> = things(&difference.left_over);
    let others: Vec<Thing> = left
        .iter()
        .map(|thing| Thing {
            uid: "another".to_owned(),
            ..thing.clone()
        })
        .collect();
    cluster.delete_things(&others.iter().collect::<Vec<_>>()).await.unwrap();
    assert_eq!(own(server, &cluster, &exempt).await.len(), 4, "these were others");
    cluster.delete_things(&left.iter().collect::<Vec<_>>()).await.unwrap();
    cluster.delete_things(&left.iter().collect::<Vec<_>>()).await.unwrap();
    assert_eq!(own(server, &cluster, &exempt).await, before);
}

async fn what_controllers_make_and_what_is_exempt_is_left_out(server: &Server) {
    let cluster = leased(server, &access(server));
    let set = json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "i:1"}]},
            },
        },
    });
    server.made("replicasets", set).await;
    eventually("the pod", async || {
        let pods = server.get("pods").await;
        (!pods.names().is_empty()).then_some(())
    })
    .await;
    let exempt = Exempt::with("ServiceAccount").unwrap();
    let seen = own(server, &cluster, &exempt).await;
    assert_eq!(names(&seen), ["ConfigMap kube-root-ca.crt", "ReplicaSet web"]);
}

fn things(seen: &[Fingerprint]) -> Vec<Thing> {
    seen.iter().map(|seen| seen.thing.clone()).collect()
}

/// A holder may do everything, also to its own account.
async fn what_a_holder_does_to_its_account_does_not_keep_it(server: &Server) {
    let cluster = leased(server, &access(server));
    cluster.admit(Hand::Holder, Epoch(3), "view").await.unwrap();
    let name = format!("layby-{}-holder-3", server.namespace);
    let binding = format!("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/{name}");
    let account = format!("/api/v1/namespaces/kube-system/serviceaccounts/{name}");
    for path in [&binding, &account] {
        let change = json!({"metadata": {"labels": null, "finalizers": ["example.org/never"]}});
        server.merge(path, change).await.done();
    }
    assert!(
        cluster.dismiss(Hand::Holder, Epoch(2)).await.unwrap(),
        "an earlier epoch"
    );
    for path in [&binding, &account] {
        assert_eq!(server.get(path).await.code, 200);
    }
    assert!(cluster.dismiss(Hand::Holder, Epoch(3)).await.unwrap());
    for path in [&binding, &account] {
        assert_eq!(server.get(path).await.code, 404);
    }
}

async fn what_outlives_who_made_it_is_told_apart(server: &Server) {
    let cluster = leased(server, &access(server));
    let set = json!({
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"a": "b"}},
            "template": {
                "metadata": {"labels": {"a": "b"}, "finalizers": ["example.org/never"]},
                "spec": {"containers": [{"name": "c", "image": "i:1"}]},
            },
        },
    });
    server.made("replicasets", set).await;
    let pod = eventually("the pod", async || {
        let pods = server.get("pods").await;
        pods.names().first().map(|name| (*name).to_owned())
    })
    .await;
    let orphans = async || {
        let inventory = cluster.inventory(&Exempt::default(), None).await.unwrap();
        let orphans = inventory.orphans.into_iter();
        orphans.map(|seen| seen.thing.name).filter(|name| *name == pod).count()
    };
    assert_eq!(orphans().await, 0);
    server.remove("replicasets/web", Some("Background")).await;
    eventually("the orphan", async || (orphans().await == 1).then_some(())).await;
    let free = json!({"metadata": {"finalizers": null}});
    server.merge(&format!("pods/{pod}"), free).await.done();
    eventually("it is gone", async || (orphans().await == 0).then_some(())).await;
}

/// No controller of Kubernetes makes roles, accounts, secrets or deployments: who says so may want to hide them.
async fn what_gives_rights_is_found_whoever_is_said_to_have_made_it(server: &Server) {
    let cluster = leased(server, &access(server));
    let maker = server.made("configmaps", json!({"metadata": {"name": "maker"}})).await;
    let owner = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": "maker", "uid": maker["metadata"]["uid"], "controller": true,
    }]);
    let meta = json!({"name": "hidden", "ownerReferences": owner});
    let roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles";
    server.made(roles, json!({"metadata": meta, "rules": []})).await;
    server.made("secrets", json!({"metadata": meta})).await;
    server.made("configmaps", json!({"metadata": meta})).await;
    let seen = names(&own(server, &cluster, &Exempt::with("ServiceAccount").unwrap()).await);
    let found = [
        "ConfigMap kube-root-ca.crt",
        "ConfigMap maker",
        "Role hidden",
        "Secret hidden",
    ];
    assert_eq!(seen, found, "a config map that says so is taken at its word");
}

/// A page of them is more than an answer may have.
async fn a_page_of_objects_as_large_as_may_be_is_read_in_parts(server: &Server) {
    let cluster = leased(server, &access(server));
    let text = "x".repeat(1_000_000);
    for number in 0..LARGE {
        let large = json!({"metadata": {"name": format!("large-{number:02}")}, "data": {"text": text}});
        server.made("configmaps", large).await;
    }
    let seen = names(&own(server, &cluster, &Exempt::with("ServiceAccount").unwrap()).await);
    let large = seen.iter().filter(|name| name.starts_with("ConfigMap large-"));
    assert_eq!(large.count(), LARGE, "{seen:?}");
}
