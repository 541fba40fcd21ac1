//! What layby makes of an environment, by its own client: its namespace and what is always in it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cluster_client::{Applied, Cluster, EnvironmentRemoval, EnvironmentRules, Error, RoutingKey, RoutingKeys};
use domain::{CellName, Environment, EnvironmentAsk, EnvironmentName, Generation, HostNames, Lifetime, NamespaceName};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::layby::cluster;
use crate::server::{Server, eventually};

checks! {
    what_an_environment_is_made_of_is_accepted_changed_and_deleted
    what_is_somebody_elses_is_left_alone
    an_earlier_environment_goes_and_a_late_call_changes_nothing
    what_lands_in_a_later_namespace_does_not_stay
    a_namespace_that_hangs_says_what_it_waits_for
    the_namespaces_of_environments_are_listed
}

/// An environment that no other check has.
pub(crate) fn environment(server: &Server) -> Environment {
    let number = server.namespace.rsplit('-').next().unwrap();
    let ask = EnvironmentAsk {
        name: EnvironmentName::parse(&format!("org{number}:env")).unwrap(),
        hosts: hosts(&["api.example.org", "127.0.0.1"]),
        lifetime: Lifetime::Forever,
        protect: false,
        asleep: false,
    };
    let cell = CellName::parse("home").unwrap();
    Environment::new(ask, cell, String::new(), None, Timestamp::now())
}

fn hosts(names: &[&str]) -> HostNames {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    HostNames::read(&names).unwrap()
}

fn keys(byte: u8) -> RoutingKeys {
    RoutingKeys {
        public: RoutingKey::from_bytes([byte; 32]),
        private: RoutingKey::from_bytes([byte + 1; 32]),
    }
}

/// Makes it, and gives the environment that knows its namespace.
pub(crate) async fn made(cluster: &Cluster, environment: &Environment) -> Environment {
    let rules = EnvironmentRules::default();
    match cluster.apply_environment(environment, &keys(1), &rules).await.unwrap() {
        Applied::Done { namespace_uid } => environment.applied(namespace_uid),
        Applied::Late => panic!("nothing later was asked"),
    }
}

/// Deletes it, and waits until it is gone.
pub(crate) async fn removed(cluster: &Cluster, environment: &Environment) {
    eventually("the environment is gone", async || {
        let removal = remove(cluster, environment).await;
        (removal == EnvironmentRemoval::Gone).then_some(())
    })
    .await;
}

async fn remove(cluster: &Cluster, environment: &Environment) -> EnvironmentRemoval {
    let uid = environment.namespace_uid.as_deref();
    cluster
        .remove_environment(&environment.name, environment.born, uid)
        .await
        .unwrap()
}

fn later(environment: &Environment) -> Environment {
    let mut later = environment.clone();
    later.generation = later.generation.next();
    later
}

fn path(environment: &Environment) -> String {
    format!("/api/v1/namespaces/{}", environment.name.namespace())
}

async fn what_an_environment_is_made_of_is_accepted_changed_and_deleted(server: &Server) {
    let cluster = cluster(server, None);
    let rules = EnvironmentRules {
        isolated_but_from: Some(vec![NamespaceName::parse("edge").unwrap()]),
        ..Default::default()
    };
    let first = environment(server);
    let applied = cluster.apply_environment(&first, &keys(1), &rules).await.unwrap();
    let Applied::Done { namespace_uid } = &applied else {
        panic!("{applied:?}")
    };
    let (path, name) = (path(&first), first.name.namespace());
    let namespace = server.get(&path).await.done();
    let meta = &namespace["metadata"];
    assert_eq!(meta["uid"], namespace_uid.as_str());
    assert_eq!(meta["annotations"]["hostNames"], "api.example.org 127.0.0.1");
    for (label, value) in [
        ("runtime", "shipyard"),
        ("organization", first.name.organisation().as_str()),
        ("environment", "env"),
        ("name", name.as_str()),
        ("pod-security.kubernetes.io/enforce", "baseline"),
        ("pod-security.kubernetes.io/warn", "restricted"),
    ] {
        assert_eq!(meta["labels"][label], value, "{label}");
    }
    let secret = server.get(&format!("{path}/secrets/routing")).await.done();
    assert_eq!(secret["type"], "Opaque");
    assert_eq!(secret["data"]["public-api-key"], keys(1).public.header());
    let stored = STANDARD
        .decode(secret["data"]["private-api-key"].as_str().unwrap())
        .unwrap();
    assert_eq!(stored, keys(1).private.as_str().as_bytes());
    let policy = format!("/apis/networking.k8s.io/v1/namespaces/{name}/networkpolicies/isolation");
    let policy = server.get(&policy).await.done();
    assert_eq!(policy["spec"]["policyTypes"], json!(["Ingress"]));

    let first = first.applied(namespace_uid.clone());
    assert_eq!(
        cluster.apply_environment(&first, &keys(1), &rules).await.unwrap(),
        applied
    );
    let unchanged = server.get(&path).await.done();
    assert_eq!(unchanged["metadata"]["resourceVersion"], meta["resourceVersion"]);
    let foreign = json!({"metadata": {"labels": {"their": "own"}, "annotations": {"their": "own"}}});
    server.merge(&path, foreign).await.done();

    let mut second = later(&first);
    second.hosts = hosts(&["other.example.org"]);
    assert_eq!(
        cluster.apply_environment(&second, &keys(5), &rules).await.unwrap(),
        applied
    );
    let changed = server.get(&path).await.done();
    assert_eq!(changed["metadata"]["annotations"]["hostNames"], "other.example.org");
    assert_eq!(changed["metadata"]["labels"]["their"], "own");
    assert_eq!(changed["metadata"]["annotations"]["their"], "own");
    let rotated = server.get(&format!("{path}/secrets/routing")).await.done();
    assert_eq!(rotated["data"]["public-api-key"], keys(5).public.header());

    let late = cluster.apply_environment(&first, &keys(1), &rules).await.unwrap();
    assert_eq!(late, Applied::Late, "what was asked before changes nothing");
    assert_eq!(
        server.get(&path).await.done()["metadata"]["annotations"]["hostNames"],
        "other.example.org"
    );

    assert!(matches!(
        remove(&cluster, &second).await,
        EnvironmentRemoval::Going { .. }
    ));
    let late = cluster.apply_environment(&second, &keys(5), &rules).await;
    assert!(matches!(late, Err(Error::Terminating)), "{late:?}");
    removed(&cluster, &second).await;
}

async fn what_is_somebody_elses_is_left_alone(server: &Server) {
    let (cluster, environment) = (cluster(server, None), environment(server));
    let path = path(&environment);
    let name = environment.name.namespace();
    server
        .made("/api/v1/namespaces", json!({"metadata": {"name": name}}))
        .await;
    let refused = cluster
        .apply_environment(&environment, &keys(1), &EnvironmentRules::default())
        .await;
    assert!(matches!(refused, Err(Error::NotOurs)), "{refused:?}");
    assert_eq!(remove(&cluster, &environment).await, EnvironmentRemoval::NotOurs);
    let recorded = environment.applied("another".to_owned());
    assert_eq!(
        remove(&cluster, &recorded).await,
        EnvironmentRemoval::Gone,
        "it has another uid"
    );
    let there = server.get(&path).await.done();
    assert!(there["metadata"]["deletionTimestamp"].is_null() && there["metadata"]["annotations"].is_null());
    server.delete(&path, Value::Null).await.done();
}

async fn an_earlier_environment_goes_and_a_late_call_changes_nothing(server: &Server) {
    let cluster = cluster(server, None);
    let rules = EnvironmentRules::default();
    let earlier = made(&cluster, &environment(server)).await;
    let mut next = environment(server);
    (next.born, next.generation) = (earlier.born.next(), earlier.born.next());
    let refused = cluster.apply_environment(&next, &keys(1), &rules).await;
    assert!(matches!(refused, Err(Error::Terminating)), "{refused:?}");
    let next = eventually("the earlier one is gone", async || {
        match cluster.apply_environment(&next, &keys(1), &rules).await {
            Ok(Applied::Done { namespace_uid }) => Some(next.applied(namespace_uid)),
            Err(Error::Terminating) => None,
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert_ne!(next.namespace_uid, earlier.namespace_uid);
    let late = cluster.apply_environment(&earlier, &keys(3), &rules).await.unwrap();
    assert_eq!(late, Applied::Late);
    assert_eq!(remove(&cluster, &earlier).await, EnvironmentRemoval::Gone);
    let there = server.get(&path(&next)).await.done();
    assert!(there["metadata"]["deletionTimestamp"].is_null());
    removed(&cluster, &next).await;
}

/// What is made by a call that hung while its environment was deleted and made anew.
async fn what_lands_in_a_later_namespace_does_not_stay(server: &Server) {
    let (cluster, environment) = (cluster(server, None), environment(server));
    let environment = made(&cluster, &environment).await;
    let (path, name) = (path(&environment), environment.name.namespace());
    let own = server.get(&format!("{path}/secrets/routing")).await.done();
    let owner = own["metadata"]["ownerReferences"][0].clone();
    assert_eq!(
        (&owner["kind"], owner["uid"].as_str()),
        (&json!("Namespace"), environment.namespace_uid.as_deref())
    );
    let mut gone = owner.clone();
    gone["uid"] = json!("00000000-0000-4000-8000-000000000000");
    let secret = |name: &str, owner: &Value| json!({"metadata": {"name": name, "ownerReferences": [owner]}});
    server.made(&format!("{path}/secrets"), secret("stays", &owner)).await;
    server.made(&format!("{path}/secrets"), secret("late", &gone)).await;
    let deployment = json!({
        "metadata": {"name": "late", "ownerReferences": [gone]},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"a": "b"}},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}},
        },
    });
    let deployments = format!("/apis/apps/v1/namespaces/{name}/deployments");
    server.made(&deployments, deployment).await;
    for late in [format!("{path}/secrets/late"), format!("{deployments}/late")] {
        eventually("what came late is gone", async || {
            (server.get(&late).await.code == 404).then_some(())
        })
        .await;
    }
    for stays in ["stays", "routing"] {
        assert_eq!(server.get(&format!("{path}/secrets/{stays}")).await.code, 200);
    }
    removed(&cluster, &environment).await;
}

async fn a_namespace_that_hangs_says_what_it_waits_for(server: &Server) {
    let (cluster, environment) = (cluster(server, None), environment(server));
    let environment = made(&cluster, &environment).await;
    let maps = format!("{}/configmaps", path(&environment));
    let held = json!({"metadata": {"name": "held", "finalizers": ["example.org/never"]}});
    server.made(&maps, held).await;
    let why = eventually("it says why it hangs", async || {
        match remove(&cluster, &environment).await {
            EnvironmentRemoval::Going { why } => why.filter(|why| why.contains("finalizers")),
            other => panic!("{other:?}"),
        }
    })
    .await;
    assert!(why.contains("example.org/never in 1 resource instances"), "{why}");
    let free = json!({"metadata": {"finalizers": null}});
    server.merge(&format!("{maps}/held"), free).await.done();
    removed(&cluster, &environment).await;
}

async fn the_namespaces_of_environments_are_listed(server: &Server) {
    let (cluster, environment) = (cluster(server, None), environment(server));
    let environment = made(&cluster, &environment).await;
    let listed = async || {
        let all = cluster.environment_namespaces().await.unwrap();
        all.into_iter().find(|seen| seen.environment == environment.name)
    };
    let seen = listed().await.expect("it is listed");
    assert_eq!(
        (seen.born, Some(seen.uid), seen.going),
        (environment.born, environment.namespace_uid.clone(), false)
    );
    assert!(environment.born > Generation(0));
    removed(&cluster, &environment).await;
    assert_eq!(listed().await, None);
}
