//! Nodes as their operators change them: cordons and taints, and what pods make of it.

use serde_json::{Value, json};

use super::super::nodes::NodeShape;
use super::{Cluster, condition};

fn cluster() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.namespace("n");
    cluster
}

fn node(pod: &Value) -> &str {
    pod["spec"]["nodeName"].as_str().unwrap_or("")
}

#[test]
fn a_cordoned_node_gets_only_the_pods_that_name_it() {
    let mut cluster = cluster();
    let path = "/api/v1/nodes/embedded-1";
    assert_eq!(cluster.merge(path, json!({"spec": {"unschedulable": true}})).0, 200);
    assert_eq!(
        cluster.get("/api/v1/nodes").1["items"][0]["spec"]["unschedulable"],
        true
    );
    cluster.pod("p", "web", json!({}));
    cluster.pod("q", "web", json!({"nodeName": "embedded-1"}));
    cluster.pass(2.0);
    let (p, q) = (cluster.seen("p"), cluster.seen("q"));
    assert_eq!((node(&p), node(&q)), ("embedded-2", "embedded-1"));
    assert_eq!((condition(&p, "Ready").0, condition(&q, "Ready").0), ("True", "True"));
    assert_eq!(cluster.merge(path, json!({"spec": {"unschedulable": null}})).0, 200);
    assert_eq!(
        cluster.get(path).1["spec"]["unschedulable"],
        Value::Null,
        "as kubectl uncordon does"
    );
    cluster.pod("r", "web", json!({}));
    cluster.pass(0.1);
    assert_eq!(node(&cluster.seen("r")), "embedded-1");
}

#[test]
fn a_tainted_node_gets_only_what_tolerates_it() {
    let mut cluster = cluster();
    let taints = json!([{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]);
    for name in ["embedded-1", "embedded-2"] {
        let path = format!("/api/v1/nodes/{name}");
        assert_eq!(cluster.merge(&path, json!({"spec": {"taints": taints}})).0, 200);
        assert_eq!(cluster.get(&path).1["spec"]["taints"], taints);
    }
    cluster.pod("p", "web", json!({}));
    cluster.pod(
        "q",
        "web",
        json!({"tolerations": [{"key": "gpu", "operator": "Exists"}]}),
    );
    cluster.pass(2.0);
    let waiting = cluster.seen("p");
    let (status, message) = condition(&waiting, "PodScheduled");
    assert_eq!(
        (status, message.split_once(" no new claims").unwrap().0),
        (
            "False",
            "0/2 nodes are available: 2 node(s) had untolerated taint {gpu: yes}."
        )
    );
    assert_eq!(condition(&cluster.seen("q"), "Ready").0, "True");
    cluster.merge("/api/v1/nodes/embedded-2", json!({"spec": {"taints": null}}));
    cluster.pass(2.0);
    assert_eq!(node(&cluster.seen("p")), "embedded-2");
}

#[test]
fn pods_without_a_node_wait_in_the_order_in_which_they_came() {
    let small = NodeShape {
        pods: 1,
        ..NodeShape::large("small")
    };
    let mut cluster = Cluster::with_nodes(vec![small]);
    cluster.namespace("n");
    for name in ["d", "c", "b", "a"] {
        cluster.pod(name, "web", json!({}));
        cluster.pass(0.1);
    }
    for name in ["d", "c", "b"] {
        assert_eq!(node(&cluster.seen(name)), "small");
        cluster.delete(&format!("/api/v1/namespaces/n/pods/{name}"), Value::Null);
        cluster.pass(1.5);
    }
    assert_eq!(node(&cluster.seen("a")), "small");
}
