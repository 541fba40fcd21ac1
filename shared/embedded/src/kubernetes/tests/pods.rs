//! The life of pods, and every failure switch.

use serde_json::{Value, json};

use super::super::nodes::NodeShape;
use super::{Cluster, condition};

fn cluster() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.namespace("n");
    cluster
}

fn first(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]
}

#[test]
fn a_pod_is_ready_about_a_second_after_its_creation() {
    let mut cluster = cluster();
    cluster.pod(
        "p",
        "web:1",
        json!({"containers": [{"name": "c", "image": "web:1", "ports": [{"containerPort": 8080}]}]}),
    );
    let mut watch = cluster.watch("/api/v1/namespaces/n/pods?watch=true");
    cluster.pass(0.1);
    let pod = cluster.seen("p");
    assert_eq!(
        (&pod["status"]["phase"], &pod["spec"]["nodeName"]),
        (&json!("Pending"), &json!("embedded-1"))
    );
    assert_eq!(
        first(&pod)["state"],
        json!({"waiting": {"reason": "ContainerCreating"}})
    );
    cluster.pass(0.5);
    let pod = cluster.seen("p");
    assert_eq!(
        (&pod["status"]["phase"], condition(&pod, "Ready")),
        (&json!("Running"), ("False", "containers with unready status: [c]"))
    );
    assert!(first(&pod)["state"]["running"]["startedAt"].is_string());
    cluster.pass(0.5);
    let pod = cluster.seen("p");
    for name in ["Ready", "ContainersReady", "PodScheduled", "Initialized"] {
        assert_eq!(condition(&pod, name).0, "True", "{name}");
    }
    let status = first(&pod);
    assert_eq!(
        (&status["ready"], &status["started"], &status["restartCount"]),
        (&json!(true), &json!(true), &json!(0))
    );
    assert!(status["imageID"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(
        (&pod["status"]["podIP"], &pod["status"]["hostIP"]),
        (&json!("127.64.0.1"), &json!("127.0.0.1"))
    );
    assert_eq!(pod["status"]["startTime"], "2026-01-01T00:00:00Z");
    let listener = cluster.machine.listeners().next().unwrap();
    assert_eq!(
        (listener.pod.as_str(), listener.address.to_string().as_str()),
        ("p", "127.64.0.1:8080")
    );
    let kinds: Vec<String> = cluster
        .events(&mut watch)
        .into_iter()
        .map(|(kind, _, _)| kind)
        .collect();
    // It was given its node before the watch began; running and ready came after.
    assert_eq!(kinds, ["ADDED", "MODIFIED", "MODIFIED"]);
    assert_eq!(cluster.machine.next_tick(), None);
    let (_, events) = cluster.get("/api/v1/namespaces/n/events?fieldSelector=involvedObject.name=p");
    let reasons: Vec<&str> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["reason"].as_str().unwrap())
        .collect();
    assert!(
        reasons.contains(&"Scheduled") && reasons.contains(&"Started"),
        "{reasons:?}"
    );
}

#[test]
fn a_pod_is_not_ready_before_its_port_is_open_and_says_why() {
    let mut cluster = cluster();
    cluster.opens_ports = false;
    let pod = cluster.pod("p", "web", json!({}));
    let uid = pod["metadata"]["uid"].as_str().unwrap().to_owned();
    cluster.pass(5.0);
    assert_eq!(condition(&cluster.seen("p"), "Ready").0, "False");
    cluster
        .machine
        .listening(cluster.now, &uid, Err("address in use".to_owned()));
    assert_eq!(
        cluster.seen("p")["status"]["message"],
        "cannot listen on 127.64.0.1:8888: address in use"
    );
    cluster.machine.take_listener_changes();
    cluster.pass(2.0);
    let again = cluster.machine.take_listener_changes();
    assert_eq!(again.iter().map(|(pod, _)| pod).collect::<Vec<_>>(), [&uid]);
    cluster.machine.listening(cluster.now, &uid, Ok(()));
    let pod = cluster.seen("p");
    assert_eq!(
        (condition(&pod, "Ready").0, &pod["status"]["message"]),
        ("True", &Value::Null)
    );
}

#[test]
fn winding_the_clock_far_does_all_that_was_due_in_its_order() {
    let mut cluster = cluster();
    cluster.pod("p", "crash-loop", json!({}));
    cluster.now += jiff::SignedDuration::from_hours(1);
    let restarts = first(&cluster.seen("p"))["restartCount"].as_i64().unwrap();
    assert!((14..20).contains(&restarts), "{restarts}");
}

#[test]
fn pods_that_do_not_fit_wait_and_are_placed_when_there_is_room() {
    let node = NodeShape {
        memory: "1Gi".into(),
        ..NodeShape::large("small")
    };
    let mut cluster = Cluster::with_nodes(vec![node]);
    cluster.namespace("n");
    let asks = |memory: &str| json!({"containers": [{"name": "c", "image": "web", "resources": {"requests": {"memory": memory}}}]});
    cluster.pod("a", "web", asks("600Mi"));
    cluster.pod("b", "web", asks("600Mi"));
    cluster.pass(2.0);
    let waiting = cluster.seen("b");
    let plain = |message: &str| message.split_once(" no new claims").unwrap().0.to_owned();
    let (status, message) = condition(&waiting, "PodScheduled");
    assert_eq!(
        (status, plain(message).as_str()),
        ("False", "0/1 nodes are available: 1 Insufficient memory.")
    );
    let found = waiting["status"]["conditions"][0]["reason"].clone();
    assert_eq!(
        (&found, &waiting["status"]["phase"]),
        (&json!("Unschedulable"), &json!("Pending"))
    );
    cluster.delete("/api/v1/namespaces/n/pods/a", Value::Null);
    cluster.pass(3.0);
    assert_eq!(condition(&cluster.seen("b"), "Ready").0, "True");
    cluster.pod("c", "web", json!({"nodeSelector": {"gpu": "yes"}}));
    cluster.pass(1.0);
    let message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
    assert_eq!(plain(condition(&cluster.seen("c"), "PodScheduled").1), message);
    assert_eq!(
        cluster
            .merge("/api/v1/nodes/small", json!({"metadata": {"labels": {"gpu": "yes"}}}))
            .0,
        200
    );
    cluster.pass(2.0);
    assert_eq!(condition(&cluster.seen("c"), "Ready").0, "True");
}

#[test]
fn never_ready_runs_and_listens_on_nothing() {
    let mut cluster = cluster();
    cluster.pod("p", "never-ready", json!({}));
    cluster.pass(60.0);
    let pod = cluster.seen("p");
    assert_eq!(
        (&pod["status"]["phase"], condition(&pod, "Ready").0),
        (&json!("Running"), "False")
    );
    assert_eq!(
        (cluster.machine.listeners().count(), cluster.machine.next_tick()),
        (0, None)
    );
}

#[test]
fn pull_error_goes_between_the_error_and_the_back_off() {
    let mut cluster = cluster();
    cluster.pod("p", "registry.example/x/pull-error:v1", json!({}));
    cluster.pass(1.0);
    let pod = cluster.seen("p");
    let waiting = first(&pod)["state"]["waiting"].clone();
    assert_eq!(
        (&waiting["reason"], &pod["status"]["phase"]),
        (&json!("ErrImagePull"), &json!("Pending"))
    );
    let image = "registry.example/x/pull-error:v1";
    assert_eq!(
        waiting["message"],
        format!(
            "rpc error: code = NotFound desc = failed to pull and unpack image \"{image}\": failed to resolve reference \"{image}\": {image}: not found"
        )
    );
    cluster.pass(3.0);
    let waiting = first(&cluster.seen("p"))["state"]["waiting"].clone();
    assert_eq!(waiting["reason"], "ImagePullBackOff");
    assert!(
        waiting["message"]
            .as_str()
            .unwrap()
            .starts_with("Back-off pulling image")
    );
    cluster.pass(9.5);
    assert_eq!(first(&cluster.seen("p"))["state"]["waiting"]["reason"], "ErrImagePull");
    let (code, status) = cluster.get("/api/v1/namespaces/n/pods/p/log");
    assert_eq!(code, 400);
    assert_eq!(
        status["message"],
        "container \"c\" in pod \"p\" is waiting to start: trying and failing to pull image"
    );
}

#[test]
fn pull_error_on_a_node_fails_there_alone() {
    let mut cluster = cluster();
    for node in ["embedded-1", "embedded-2"] {
        cluster.pod(node, "x/pull-error-on-embedded-2:v1", json!({"nodeName": node}));
    }
    cluster.pass(2.0);
    assert_eq!(condition(&cluster.seen("embedded-1"), "Ready").0, "True");
    let failing = cluster.seen("embedded-2");
    let status = first(&failing);
    assert_eq!(
        (&status["state"]["waiting"]["reason"], &status["imageID"]),
        (&json!("ErrImagePull"), &json!(""))
    );
}

#[test]
fn a_pod_that_only_runs_true_succeeds_and_tells_the_images_id() {
    let mut cluster = cluster();
    let runs_true = |image: &str| {
        let container = json!({"name": "c", "image": image, "command": ["true"]});
        json!({"restartPolicy": "Never", "nodeName": "embedded-2", "containers": [container]})
    };
    for (name, image) in [
        ("p", "web:1"),
        ("q", "crash-loop"),
        ("r", "never-ready"),
        ("s", "pull-error"),
    ] {
        cluster.pod(name, image, runs_true(image));
    }
    cluster.pass(0.7);
    assert_eq!(cluster.seen("p")["status"]["phase"], "Running");
    cluster.pass(0.4);
    for name in ["p", "q", "r"] {
        let pod = cluster.seen(name);
        let status = first(&pod);
        assert_eq!(
            (&pod["status"]["phase"], &status["state"]["terminated"]["exitCode"]),
            (&json!("Succeeded"), &json!(0)),
            "{name}"
        );
        assert!(status["imageID"].as_str().unwrap().starts_with("sha256:"), "{name}");
    }
    cluster.pass(60.0);
    let pod = cluster.seen("s");
    assert_eq!(
        (&pod["status"]["phase"], &first(&pod)["imageID"]),
        (&json!("Pending"), &json!(""))
    );
    assert_eq!(cluster.machine.listeners().count(), 0);
}

#[test]
fn crash_loop_restarts_with_growing_pauses_and_its_exit_code() {
    let mut cluster = cluster();
    let pod = cluster.pod("p", "crash-loop-137", json!({}));
    cluster.pass(2.0);
    assert_eq!(first(&cluster.seen("p"))["state"]["terminated"]["exitCode"], 137);
    cluster.pass(4.0);
    let status = first(&cluster.seen("p")).clone();
    let uid = pod["metadata"]["uid"].as_str().unwrap();
    assert_eq!(
        status["state"]["waiting"],
        json!({"reason": "CrashLoopBackOff", "message": format!("back-off 10s restarting failed container=c pod=p_n({uid})")})
    );
    assert_eq!(
        (&status["lastState"]["terminated"]["exitCode"], &status["restartCount"]),
        (&json!(137), &json!(1))
    );
    assert_eq!(status["lastState"]["terminated"]["reason"], "Error");
    cluster.pass(14.0);
    let status = first(&cluster.seen("p")).clone();
    assert_eq!(status["restartCount"], 2);
    assert!(
        status["state"]["waiting"]["message"]
            .as_str()
            .unwrap()
            .starts_with("back-off 20s "),
        "{status}"
    );
    assert_eq!(
        cluster.get("/api/v1/namespaces/n/pods/p/log?previous=true&tailLines=1"),
        (200, json!("exiting with code 137\n"))
    );
}

#[test]
fn a_crash_without_restarts_fails_the_pod() {
    let mut cluster = cluster();
    cluster.pod("p", "crash-loop", json!({"restartPolicy": "Never"}));
    cluster.pod("q", "crash-loop-0", json!({"restartPolicy": "OnFailure"}));
    cluster.pass(5.0);
    let (failed, done) = (cluster.seen("p"), cluster.seen("q"));
    assert_eq!(
        (&failed["status"]["phase"], &done["status"]["phase"]),
        (&json!("Failed"), &json!("Succeeded"))
    );
    assert_eq!(first(&failed)["state"]["terminated"]["exitCode"], 1);
    assert_eq!(first(&done)["state"]["terminated"]["reason"], "Completed");
}

#[test]
fn slow_is_ready_after_its_seconds() {
    let mut cluster = cluster();
    cluster.pod("p", "slow-30s", json!({}));
    cluster.pass(29.0);
    assert_eq!(condition(&cluster.seen("p"), "Ready").0, "False");
    cluster.pass(1.5);
    assert_eq!(condition(&cluster.seen("p"), "Ready").0, "True");
}

#[test]
fn needs_root_fails_by_kubelet_or_by_permission() {
    let mut cluster = cluster();
    cluster.pod("p", "needs-root", json!({"securityContext": {"runAsNonRoot": true}}));
    cluster.pod(
        "q",
        "needs-root",
        json!({"securityContext": {"runAsNonRoot": true, "runAsUser": 1000}}),
    );
    cluster.pass(6.0);
    let pod = cluster.seen("p");
    let waiting = &first(&pod)["state"]["waiting"];
    assert_eq!(
        (&waiting["reason"], &pod["status"]["phase"]),
        (&json!("CreateContainerConfigError"), &json!("Pending"))
    );
    let message = waiting["message"].as_str().unwrap();
    assert!(
        message.starts_with("container has runAsNonRoot and image will run as root (pod: \"p_n("),
        "{message}"
    );
    let last = first(&cluster.seen("q"))["lastState"]["terminated"].clone();
    assert_eq!(last["exitCode"], 126);
    assert!(last["message"].as_str().unwrap().contains("Permission denied"));
    let logs = cluster.get("/api/v1/namespaces/n/pods/q/log").1;
    assert!(logs.as_str().unwrap().contains("Permission denied"));
}

#[test]
fn evicted_fails_a_minute_after_it_was_ready() {
    let mut cluster = cluster();
    cluster.pod("p", "evicted", json!({}));
    cluster.pass(2.0);
    assert_eq!(condition(&cluster.seen("p"), "Ready").0, "True");
    cluster.pass(61.0);
    let pod = cluster.seen("p");
    assert_eq!(
        (&pod["status"]["phase"], &pod["status"]["reason"]),
        (&json!("Failed"), &json!("Evicted"))
    );
    assert!(
        pod["status"]["message"]
            .as_str()
            .unwrap()
            .starts_with("The node was low on resource: memory.")
    );
    assert_eq!(
        (condition(&pod, "Ready").0, cluster.machine.listeners().count()),
        ("False", 0)
    );
    assert_eq!(first(&pod)["state"]["terminated"]["exitCode"], 137);
}

#[test]
fn one_that_dies_after_a_while_crashes_for_half_a_minute_and_serves_again() {
    let mut cluster = cluster();
    cluster.pod("p", "dies-after-90s", json!({}));
    cluster.pass(60.0);
    let address = cluster.seen("p")["status"]["podIP"].clone();
    cluster.pass(35.0);
    let sick = cluster.seen("p");
    assert_eq!(
        (condition(&sick, "Ready").0, &first(&sick)["state"]["waiting"]["reason"]),
        ("False", &json!("CrashLoopBackOff"))
    );
    cluster.pass(60.0);
    let well = cluster.seen("p");
    assert_eq!(
        (condition(&well, "Ready").0, &first(&well)["restartCount"]),
        ("True", &json!(3))
    );
    assert_eq!(well["status"]["podIP"], address, "a restart keeps the pod's address");
    cluster.pass(600.0);
    assert_eq!(condition(&cluster.seen("p"), "Ready").0, "True");
}

#[test]
fn a_pod_past_its_active_deadline_fails() {
    let mut cluster = cluster();
    cluster.pod("p", "web", json!({"activeDeadlineSeconds": 5}));
    cluster.pass(6.0);
    let pod = cluster.seen("p");
    assert_eq!(
        (&pod["status"]["phase"], &pod["status"]["reason"]),
        (&json!("Failed"), &json!("DeadlineExceeded"))
    );
}

#[test]
fn a_pod_waits_for_what_it_refers_to() {
    let mut cluster = cluster();
    cluster.pod(
        "p",
        "web",
        json!({"volumes": [{"name": "v", "secret": {"secretName": "s"}}]}),
    );
    let container = json!({"name": "c", "image": "web", "envFrom": [{"secretRef": {"name": "s"}}]});
    cluster.pod("q", "web", json!({"containers": [container]}));
    cluster.pass(5.0);
    assert_eq!(
        first(&cluster.seen("p"))["state"]["waiting"]["reason"],
        "ContainerCreating"
    );
    let waiting = first(&cluster.seen("q"))["state"]["waiting"].clone();
    assert_eq!(
        waiting,
        json!({"reason": "CreateContainerConfigError", "message": "secret \"s\" not found"})
    );
    cluster.post("/api/v1/namespaces/n/secrets", json!({"metadata": {"name": "s"}}));
    cluster.pass(4.0);
    assert_eq!(
        (
            condition(&cluster.seen("p"), "Ready").0,
            condition(&cluster.seen("q"), "Ready").0
        ),
        ("True", "True")
    );
}

#[test]
fn logs_are_read_by_container_and_tail() {
    let mut cluster = cluster();
    let path = "/api/v1/namespaces/n/pods/p/log";
    cluster.pod(
        "p",
        "web",
        json!({"containers": [{"name": "c", "image": "web"}, {"name": "d", "image": "web"}]}),
    );
    assert_eq!(
        cluster.get(&format!("{path}?container=d")).1["message"],
        "container \"d\" in pod \"p\" is waiting to start: ContainerCreating"
    );
    cluster.pass(2.0);
    assert_eq!(
        cluster.get(&format!("{path}?container=c&tailLines=1")),
        (200, json!("listening on 0.0.0.0:8888\n"))
    );
    let since = |seconds: u32| format!("{path}?container=d&sinceSeconds={seconds}");
    assert_eq!(cluster.get(&since(5)), (200, json!("starting\n")));
    cluster.pass(10.0);
    assert_eq!(cluster.get(&since(5)), (200, json!("")));
    assert_eq!(cluster.get(&since(0)).0, 422);
    assert_eq!(
        cluster.get(path).1["message"],
        "a container name must be specified for pod p, choose one of: [c d]"
    );
    assert_eq!(
        cluster.get(&format!("{path}?container=z")).1["message"],
        "container z is not valid for pod p"
    );
    assert_eq!(cluster.get(&format!("{path}?container=c&previous=true")).0, 400);
    assert_eq!(cluster.get(&format!("{path}?container=c&follow=true")).0, 501);
    let stamped = cluster.get(&format!("{path}?container=d&timestamps=true")).1;
    assert!(
        stamped
            .as_str()
            .unwrap()
            .starts_with("2026-01-01T00:00:00.500000000Z starting"),
        "{stamped}"
    );
}

#[test]
fn events_are_counted_up_and_forgotten_after_an_hour() {
    let mut cluster = cluster();
    cluster.pod("p", "pull-error", json!({}));
    cluster.pass(60.0);
    let path = "/api/v1/namespaces/n/events?fieldSelector=reason=Failed";
    assert!(cluster.get(path).1["items"][0]["count"].as_i64().unwrap() >= 3);
    cluster.delete("/api/v1/namespaces/n/pods/p", Value::Null);
    cluster.pass(2.0);
    cluster.now += jiff::SignedDuration::from_hours(2);
    assert_eq!(cluster.get(path).1["items"], json!([]));
}

#[test]
fn thousands_of_pods_fit_and_each_has_its_own_address() {
    let mut cluster = cluster();
    for index in 0..3_000 {
        cluster.pod(&format!("p{index}"), "web", json!({}));
    }
    cluster.pass(2.0);
    let addresses: std::collections::BTreeSet<_> =
        cluster.machine.listeners().map(|listener| listener.address).collect();
    assert_eq!(addresses.len(), 3_000);
    assert!(addresses.iter().all(|address| address.ip().is_loopback()));
}
