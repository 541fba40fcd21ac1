use serde_json::{Value, json};

use super::*;

fn pod(status: Value) -> Pod {
    let containers = json!([{"name": "a"}, {"name": "b"}]);
    serde_json::from_value(json!({
        "metadata": {"name": "p"}, "status": status,
        "spec": {"containers": containers, "initContainers": [{"name": "i"}]},
    }))
    .unwrap()
}

fn status(name: &str, state: Value) -> Value {
    json!({"name": name, "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state})
}

#[test]
fn a_pod_that_has_not_started_says_what_it_waits_for() {
    let pulls = json!({"waiting": {"reason": "ErrImagePull", "message": "not\nfound"}});
    let creating = json!({"waiting": {"reason": "ContainerCreating"}});
    let initializing = || json!({"waiting": {"reason": "PodInitializing"}});
    let failed = json!({"terminated": {"exitCode": 3, "reason": "Error"}});
    let done = json!({"terminated": {"exitCode": 0}});
    let unscheduled =
        json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no nodes"}]);
    for (seen, told) in [
        (
            json!({"phase": "Pending", "conditions": unscheduled}),
            "it has no node: Unschedulable: no nodes",
        ),
        (json!({"phase": "Pending"}), "its phase is Pending"),
        (
            json!({"phase": "Failed", "reason": "Evicted", "message": "low on memory"}),
            "its phase is Failed: Evicted: low on memory",
        ),
        (
            json!({"containerStatuses": [status("b", creating), status("a", pulls)]}),
            "its container 'a' waits: ErrImagePull: not found",
        ),
        (
            json!({"initContainerStatuses": [status("i", failed)], "containerStatuses": [status("a", initializing())]}),
            "its container 'i' waits: Error: it ended with exit code 3",
        ),
        (
            json!({"initContainerStatuses": [status("i", done)], "containerStatuses": [status("a", initializing())]}),
            "its container 'a' waits: PodInitializing",
        ),
    ] {
        assert_eq!(state(&pod(seen), "a"), format!("It has not started yet; {told}"));
    }
}

#[test]
fn a_log_is_the_first_containers_unless_somebody_says_whose() {
    let ask = |container: Option<&str>| LogAsk {
        tail: 1,
        previous: false,
        container: container.map(str::to_owned),
        since_seconds: None,
        timestamps: false,
    };
    let mut pod = pod(json!({}));
    for (asked, meant) in [
        (None, Some("a")),
        (Some("b"), Some("b")),
        (Some("i"), Some("i")),
        (Some("x"), None),
    ] {
        assert_eq!(container(&pod, &ask(asked)), meant);
    }
    for (named, meant) in [("b", "b"), ("gone", "a")] {
        pod.metadata.annotations = Some(crate::manifests::text_map([(DEFAULT_CONTAINER, named)]));
        assert_eq!(container(&pod, &ask(None)), Some(meant));
    }
}
