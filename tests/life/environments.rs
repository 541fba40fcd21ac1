//! Environments and their deployments: namespaces, replica sets and pods that a real control plane makes and takes away.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use tests::on_a_large_stack;
use tests::scenario::invariants;

use crate::ground::{APPS, CORE, Environment, container, installation, installation_with, key};

/// The annotation of a pod template by which its pods are started anew.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";

/// The names of objects.
fn names(objects: &[Value]) -> BTreeSet<&str> {
    let names = objects.iter().filter_map(|object| object["metadata"]["name"].as_str());
    names.collect()
}

#[test]
fn an_environment_and_its_deployment_live_and_go_with_all_that_they_own() {
    on_a_large_stack(async || {
        let (app, _proxy) = installation("environments").await;
        let hosts = ["shop.example", "www.shop.example"];
        let shop = Environment::of(&app, "living:shop");
        let made = shop.make(&json!({"hostNames": hosts, "ttl": 3_600})).await;
        assert_eq!(
            (&made["name"], &made["hostNames"]),
            (&json!("living-shop"), &json!(hosts))
        );
        assert!(made["expiresAt"].is_string(), "{made}");
        has_its_namespace(&shop, &made, &hosts).await;

        let created = shop.deploy(2, hosts[0]).await;
        assert_eq!(
            (&created["kind"], &created["apiVersion"]),
            (&json!("Deployment"), &json!("apps/v1"))
        );
        shop.settled(2).await;
        refuses_what_baseline_forbids(&shop).await;
        let list = app.get(&shop.deployments()).key(key(&app)).await.expect(200);
        assert_eq!(
            (&list["kind"], &list["apiVersion"]),
            (&json!("DeploymentList"), &json!("apps/v1"))
        );
        assert_eq!(names(list["items"].as_array().unwrap()), BTreeSet::from(["web"]));

        assert_eq!(shop.change(&json!({"replicas": 3})).await["spec"]["replicas"], 3);
        shop.settled(3).await;
        starts_its_pods_anew(&shop).await;
        shop.sleeps(true).await;
        assert_eq!(shop.settled(0).await["spec"]["replicas"], 0);
        shop.pods(0).await;
        shop.sleeps(false).await;
        assert_eq!(shop.settled(3).await["spec"]["replicas"], 3);

        app.delete(&shop.web()).key(key(&app)).await.expect(204);
        app.get(&shop.web()).key(key(&app)).await.problem(404, "doesNotExist");
        app.delete(&shop.web())
            .key(key(&app))
            .await
            .problem(404, "doesNotExist");
        shop.counted(APPS, "/replicasets", 0).await;
        shop.pods(0).await;

        let other = Environment::of(&app, "living:other");
        let wanted = json!({"hostNames": [hosts[1].to_uppercase()], "ttl": 5});
        other.asked(&wanted).await.problem(409, "hostTaken");
        shop.delete().await;
        shop.gone().await;
        // This one goes by itself, when its time is over.
        other.asked(&wanted).await.expect(201);
        other.gone().await;
        app.stop().await;
    });
}

/// The namespace says whose it is as it did of old, and its secret has the keys that were told.
async fn has_its_namespace(shop: &Environment<'_>, told: &Value, hosts: &[&str]) {
    let namespace = shop.cluster(Method::GET, CORE, "", None).await.expect(200);
    let labels = &namespace["metadata"]["labels"];
    for (label, value) in [
        ("runtime", "shipyard"),
        ("organization", "living"),
        ("environment", "shop"),
        ("name", "living-shop"),
        ("pod-security.kubernetes.io/enforce", "baseline"),
        ("pod-security.kubernetes.io/warn", "restricted"),
        ("layby.dev/installation", "environments"),
        ("layby.dev/environment", "living.shop"),
    ] {
        assert_eq!(labels[label], value, "{label}: {namespace}");
    }
    let annotations = &namespace["metadata"]["annotations"];
    assert_eq!(annotations["hostNames"], hosts.join(" "), "{namespace}");
    let secret = shop.cluster(Method::GET, CORE, "/secrets/routing", None).await;
    let secret = secret.expect(200);
    assert_eq!(secret["type"], "Opaque");
    for (name, field) in [("public-api-key", "publicSecret"), ("private-api-key", "privateSecret")] {
        // The API server shows the stored bytes in base64, and so are callers told.
        let shown = secret["data"][name].as_str().unwrap();
        assert_eq!(told[field], shown, "{name}");
        assert_eq!(STANDARD.decode(shown).unwrap().len(), 44, "{name}");
    }
    assert_ne!(told["publicSecret"], told["privateSecret"]);
}

/// A pod that somebody makes past layby, too, is held against the standard.
async fn refuses_what_baseline_forbids(shop: &Environment<'_>) {
    let made = async |spec: Value| {
        let metadata = json!({"name": "direct"});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec});
        shop.cluster(Method::POST, CORE, "/pods?dryRun=All", Some(&pod)).await
    };
    made(json!({"containers": [container()]})).await.expect(201);
    let refused = made(json!({"containers": [container()], "hostNetwork": true})).await;
    let refused = refused.expect(403);
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains("violates PodSecurity \"baseline") && message.contains("hostNetwork"),
        "{message}"
    );
}

/// A change that names nothing brings other pods; each is owned by what made it, up to the namespace.
async fn starts_its_pods_anew(shop: &Environment<'_>) {
    let before = shop.pods(3).await;
    let restarted_at = |web: &Value| web["spec"]["template"]["metadata"]["annotations"][RESTARTED].clone();
    assert_eq!(restarted_at(&shop.settled(3).await), Value::Null);
    let restarted = shop.change(&json!({})).await;
    assert!(restarted_at(&restarted).is_string(), "{restarted}");
    let web = shop.settled(3).await;
    assert_eq!(restarted_at(&web), restarted_at(&restarted));
    let after = shop.pods(3).await;
    assert!(names(&before).is_disjoint(&names(&after)), "{:?}", names(&after));

    let namespace = shop.cluster(Method::GET, CORE, "", None).await.expect(200);
    let sets = shop.counted(APPS, "/replicasets", 2).await;
    let mut replicas: Vec<_> = sets.iter().map(|set| set["spec"]["replicas"].as_u64()).collect();
    replicas.sort_unstable();
    assert_eq!(replicas, [Some(0), Some(3)]);
    let owner = |object: &Value| object["metadata"]["ownerReferences"][0].clone();
    assert_eq!(owner(&web)["kind"], "Namespace");
    assert_eq!(owner(&web)["uid"], namespace["metadata"]["uid"]);
    for set in &sets {
        assert_eq!(owner(set)["kind"], "Deployment", "{set}");
        assert_eq!(owner(set)["uid"], web["metadata"]["uid"], "{set}");
    }
    let current = sets.iter().find(|set| set["spec"]["replicas"] == 3).unwrap();
    for pod in &after {
        assert_eq!(owner(pod)["kind"], "ReplicaSet", "{pod}");
        assert_eq!(owner(pod)["uid"], current["metadata"]["uid"], "{pod}");
    }
}

#[test]
fn a_namespace_that_does_not_go_is_explained_until_it_does() {
    on_a_large_stack(async || {
        let (app, _proxy) = installation("hanging").await;
        let [held, other] = ["hanging:held", "hanging:other"].map(|name| Environment::of(&app, name));
        let wanted = json!({"hostNames": ["held.example"]});
        held.make(&wanted).await;
        let metadata = json!({"name": "stuck", "finalizers": ["example.org/never"]});
        let stuck = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
        let made = held.cluster(Method::POST, CORE, "/configmaps", Some(&stuck)).await;
        made.expect(201);

        held.delete().await;
        let words = ["example.org/never", "configmaps"];
        let is_explained = |seen: &Value| {
            let reason = seen["reason"].as_str().unwrap_or_default();
            seen["phase"] == "deleting" && words.iter().all(|word| reason.contains(word))
        };
        let seen = held.until("explained", is_explained).await;
        println!("{}", seen["reason"]);
        // What is not gone yet still has its name and its hosts.
        held.asked(&json!({})).await.problem(409, "nameTaken");
        other.asked(&wanted).await.problem(409, "hostTaken");

        let path = "/configmaps/stuck";
        let mut stuck = held.cluster(Method::GET, CORE, path, None).await.expect(200);
        stuck["metadata"]["finalizers"] = json!([]);
        held.cluster(Method::PUT, CORE, path, Some(&stuck)).await.expect(200);
        held.gone().await;
        other.make(&wanted).await;
        other.delete().await;
        other.gone().await;
        app.stop().await;
    });
}

#[test]
fn a_namespace_of_somebody_else_is_left_alone() {
    on_a_large_stack(async || {
        let (app, _proxy) = installation("theirs").await;
        let [theirs, own] = ["theirs:one", "theirs:two"].map(|name| Environment::of(&app, name));
        let metadata = json!({"name": theirs.namespace(), "annotations": {"hostNames": "theirs.example"}});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        let made = invariants::cluster(&app, Method::POST, "/api/v1/namespaces", Some(&namespace)).await;
        made.expect(201);
        let seen = async || theirs.cluster(Method::GET, CORE, "", None).await.expect(200);
        let before = seen().await;

        let wanted = json!({"hostNames": ["theirs.example"]});
        theirs.asked(&wanted).await.problem(409, "nameTaken");
        let path = theirs.path();
        app.get(&path).key(key(&app)).await.problem(404, "doesNotExist");
        app.delete(&path).key(key(&app)).await.problem(404, "doesNotExist");
        app.reap().await;
        assert_eq!(seen().await, before);
        let secret = theirs.cluster(Method::GET, CORE, "/secrets/routing", None).await;
        secret.expect(404);

        // The host name that was asked for with it is free.
        own.make(&wanted).await;
        own.delete().await;
        own.gone().await;
        assert_eq!(seen().await, before);
        app.stop().await;
    });
}

#[test]
fn what_is_deployed_in_an_environment_that_sleeps_wakes_with_its_own_number() {
    on_a_large_stack(async || {
        let (app, _proxy) = installation("asleep").await;
        let one = Environment::of(&app, "sleeping:one");
        assert_eq!(one.make(&json!({"asleep": true})).await["phase"], "asleep");
        assert_eq!(one.deploy(2, "").await["spec"]["replicas"], 0);
        one.settled(0).await;
        one.pods(0).await;
        one.sleeps(false).await;
        assert_eq!(one.settled(2).await["spec"]["replicas"], 2);
        // With its deployment, and pods that run.
        one.delete().await;
        one.gone().await;
        app.stop().await;
    });
}

#[test]
fn an_isolated_environment_has_its_policy() {
    on_a_large_stack(async || {
        let isolated = [
            ("ISOLATE_NAMESPACE", "true"),
            ("LAYBY_ROUTER_NAMESPACES", "edge, edge-private"),
        ];
        let isolated = isolated.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (app, _proxy) = installation_with("isolated", |options| options.variables.extend(isolated)).await;
        let one = Environment::of(&app, "isolated:one");
        one.make(&json!({})).await;
        let api = "apis/networking.k8s.io/v1";
        let policies = one.counted(api, "/networkpolicies", 1).await;
        let router = |name: &str| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}});
        let from = json!([{"podSelector": {}}, router("edge"), router("edge-private")]);
        assert_eq!(
            policies[0]["spec"],
            json!({"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": from}]})
        );
        one.delete().await;
        one.gone().await;
        app.stop().await;
    });
}
