//! Deployments, ReplicaSets and Jobs in time that is wound: what the checks against the real server have no patience for.

use serde_json::{Value, json};

use super::{Cluster, condition};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/n/deployments";
const JOBS: &str = "/apis/batch/v1/namespaces/n/jobs";
const PODS: &str = "/api/v1/namespaces/n/pods";

fn cluster() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.namespace("n");
    cluster
}

fn pod(image: &str) -> Value {
    json!({"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": image}]}})
}

fn deploy(cluster: &mut Cluster, replicas: u32, image: &str) {
    let selector = json!({"matchLabels": {"app": "web"}});
    let spec = json!({"replicas": replicas, "selector": selector, "template": pod(image)});
    let (code, made) = cluster.post(DEPLOYMENTS, json!({"metadata": {"name": "web"}, "spec": spec}));
    assert_eq!(code, 201, "{made}");
}

fn run(cluster: &mut Cluster, image: &str, spec: Value) {
    let mut template = pod(image);
    template["spec"]["restartPolicy"] = "Never".into();
    let mut whole = json!({"template": template});
    json_patch::merge(&mut whole, &spec);
    let (code, made) = cluster.post(JOBS, json!({"metadata": {"name": "work"}, "spec": whole}));
    assert_eq!(code, 201, "{made}");
}

fn pods(cluster: &mut Cluster) -> Vec<Value> {
    cluster.get(PODS).1["items"].as_array().unwrap().clone()
}

#[test]
fn a_rollout_keeps_enough_pods_at_every_moment() {
    let mut cluster = cluster();
    deploy(&mut cluster, 10, "web:1");
    cluster.pass(3.0);
    let change = json!({"spec": {"template": pod("web:2")}});
    assert_eq!(cluster.merge(&format!("{DEPLOYMENTS}/web"), change).0, 200);
    let mut most = 0;
    for _ in 0..200 {
        cluster.pass(0.1);
        let pods = pods(&mut cluster);
        let lives = |pod: &&Value| pod["metadata"]["deletionTimestamp"].is_null();
        let ready = pods
            .iter()
            .filter(lives)
            .filter(|pod| pod["status"]["containerStatuses"][0]["ready"] == true)
            .count();
        assert!(ready >= 8, "{ready} of 10 are ready");
        most = most.max(pods.iter().filter(lives).count());
    }
    assert_eq!(most, 13);
    let images: Vec<Value> = pods(&mut cluster)
        .iter()
        .map(|pod| pod["spec"]["containers"][0]["image"].clone())
        .collect();
    assert_eq!(images, vec![json!("web:2"); 10]);
}

#[test]
fn scaling_amid_a_rollout_scales_both_sides() {
    let mut cluster = cluster();
    deploy(&mut cluster, 10, "web");
    cluster.pass(3.0);
    let path = format!("{DEPLOYMENTS}/web");
    cluster.merge(&path, json!({"spec": {"template": pod("never-ready")}}));
    cluster.pass(5.0);
    cluster.merge(&path, json!({"spec": {"replicas": 20}}));
    cluster.pass(5.0);
    let sets = cluster.get("/apis/apps/v1/namespaces/n/replicasets").1;
    let mut sizes: Vec<u64> = sets["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|set| set["spec"]["replicas"].as_u64().unwrap())
        .collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [10, 15]);
}

#[test]
fn what_rests_asks_for_no_time() {
    let mut cluster = cluster();
    deploy(&mut cluster, 3, "web");
    run(
        &mut cluster,
        "web",
        json!({"template": {"spec": {"containers": [{"name": "c", "image": "web", "command": ["true"]}]}}}),
    );
    cluster.pass(5.0);
    assert_eq!(condition(&cluster.get(&format!("{JOBS}/work")).1, "Complete").0, "True");
    assert_eq!(cluster.machine.next_tick(), None);
    let revision = cluster.machine.revision();
    cluster.pass(600.0);
    assert_eq!(cluster.machine.revision(), revision);
}

#[test]
fn failed_pods_of_a_job_are_replaced_less_and_less_often() {
    let mut cluster = cluster();
    run(&mut cluster, "crash-loop", json!({"backoffLimit": 2}));
    let mut seen = Vec::new();
    for second in 0..60 {
        cluster.pass(1.0);
        if pods(&mut cluster).len() > seen.len() {
            seen.push(second);
        }
    }
    // A pod fails within two seconds; then 10 s and 20 s pass.
    assert_eq!(seen, [0, 10, 31]);
    let job = cluster.get(&format!("{JOBS}/work")).1;
    assert_eq!(
        condition(&job, "Failed"),
        ("True", "Job has reached the specified backoff limit")
    );
    assert_eq!(job["status"]["failed"], 3);
}

#[test]
fn many_pods_of_one_deployment_are_made_and_ended() {
    let mut cluster = cluster();
    deploy(&mut cluster, 1_200, "web");
    cluster.pass(3.0);
    assert_eq!(
        cluster.get(&format!("{DEPLOYMENTS}/web")).1["status"]["availableReplicas"],
        1_200
    );
    cluster.delete("/api/v1/namespaces/n", Value::Null);
    cluster.pass(4.0);
    assert_eq!(cluster.get("/api/v1/namespaces/n").0, 404);
    assert_eq!(cluster.machine.next_tick(), None);
}

#[test]
fn the_pods_of_a_node_that_is_gone_follow_it() {
    let mut cluster = cluster();
    deploy(&mut cluster, 2, "web");
    cluster.pass(3.0);
    cluster.merge("/api/v1/nodes/embedded-2", json!({"spec": {"unschedulable": true}}));
    assert_eq!(cluster.delete("/api/v1/nodes/embedded-2", Value::Null).0, 200);
    cluster.pass(39.0);
    let on = |pods: Vec<Value>, node: &str| pods.iter().filter(|pod| pod["spec"]["nodeName"] == node).count();
    assert_eq!(on(pods(&mut cluster), "embedded-2"), 1);
    cluster.pass(4.0);
    assert_eq!(on(pods(&mut cluster), "embedded-1"), 2);
}
