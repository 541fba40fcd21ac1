use serde_json::{Value, json};

use super::*;

/// The state of a pod on a node with this status, whose container runs as `user`.
fn as_user(user: Value, status: Value) -> PodState {
    let pod = json!({
        "metadata": {"name": "frontend-server"},
        "spec": {
            "nodeName": "n1",
            "containers": [{"name": "frontend-server", "image": "img:1", "securityContext": {"runAsUser": user}}],
        },
        "status": status,
    });
    pod_state(&serde_json::from_value(pod).unwrap(), 8888)
}

fn on_node(status: Value) -> PodState {
    as_user(json!(1000), status)
}

/// A pending pod on a node whose container's status has these fields.
fn container(fields: Value) -> Value {
    let mut status = json!({"name": "frontend-server", "image": "docker.io/library/img:1", "imageID": "", "ready": false, "restartCount": 0});
    status
        .as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    json!({"phase": "Pending", "containerStatuses": [status]})
}

fn waiting(reason: &str, message: Option<&str>) -> Value {
    container(json!({"state": {"waiting": {"reason": reason, "message": message}}}))
}

fn crashed(exit_code: i32, message: Option<&str>) -> Value {
    container(json!({
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s restarting failed container"}},
        "lastState": {"terminated": {"exitCode": exit_code, "reason": "Error", "message": message}},
    }))
}

fn ready(ip: &str) -> Value {
    json!({"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]})
}

#[test]
fn a_ready_pod_is_routed_to_by_its_address_of_either_family() {
    for (ip, target) in [
        ("10.1.2.3", "http://10.1.2.3:8888"),
        ("fd00::1", "http://[fd00::1]:8888"),
    ] {
        assert_eq!(on_node(ready(ip)), PodState::Ready { target: target.into() });
    }
}

#[test]
fn a_ready_pod_without_a_usable_address_is_not_routed_to() {
    for status in [
        json!({"conditions": [{"type": "Ready", "status": "True"}]}),
        ready("10.1.2.3/@evil"),
    ] {
        assert!(matches!(on_node(status), PodState::Waiting(_)));
    }
}

#[test]
fn a_pod_that_was_ready_and_is_deleted_has_ended() {
    let mut pod: Pod = serde_json::from_value(json!({
        "metadata": {"deletionTimestamp": "2026-11-21T10:00:00Z"}, "spec": {"containers": []}, "status": ready("10.1.2.3"),
    }))
    .unwrap();
    assert_eq!(
        pod_state(&pod, 80),
        PodState::Ended {
            message: "it is being deleted".into()
        }
    );
    let disrupted = json!({"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler", "message": "preempting to accommodate a higher priority pod"});
    let conditions = pod.status.as_mut().unwrap().conditions.as_mut().unwrap();
    conditions.push(serde_json::from_value(disrupted).unwrap());
    let message = "PreemptionByScheduler: preempting to accommodate a higher priority pod".into();
    assert_eq!(pod_state(&pod, 80), PodState::Ended { message });
}

#[test]
fn a_pod_that_has_ended_says_why_in_the_clusters_words() {
    let evicted = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."});
    let mut exited = container(json!({"state": {"terminated": {"exitCode": 3, "message": "bye"}}}));
    exited["phase"] = json!("Succeeded");
    for (status, message) in [
        (evicted, "Evicted: The node was low on resource: memory."),
        (json!({"phase": "Failed", "reason": "NodeLost"}), "NodeLost"),
        (
            json!({"phase": "Failed", "message": "Pod was rejected"}),
            "Pod was rejected",
        ),
        (exited, "its container ended with exit code 3: bye"),
        (json!({"phase": "Failed"}), "its phase is Failed"),
    ] {
        assert_eq!(
            on_node(status),
            PodState::Ended {
                message: message.into()
            }
        );
    }
}

#[test]
fn a_pod_without_a_node_waits_for_one_and_says_what_the_scheduler_says() {
    let state = |status: Value| {
        let pod = json!({"metadata": {}, "spec": {"containers": []}, "status": status});
        pod_state(&serde_json::from_value(pod).unwrap(), 80)
    };
    let scheduled = |reason: &str| {
        let message = "0/3 nodes are available: 3 Insufficient memory.";
        json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": reason, "message": message}]})
    };
    assert_eq!(state(Value::Null), PodState::Waiting(Reason::Scheduling));
    assert_eq!(
        state(json!({"phase": "Pending"})),
        PodState::Waiting(Reason::Scheduling)
    );
    assert_eq!(
        state(scheduled("SchedulingGated")),
        PodState::Waiting(Reason::Scheduling)
    );
    let message = "0/3 nodes are available: 3 Insufficient memory.".into();
    assert_eq!(
        state(scheduled("Unschedulable")),
        PodState::Waiting(Reason::Unschedulable { message })
    );
    let placed = json!({"conditions": [{"type": "PodScheduled", "status": "True"}]});
    assert_eq!(state(placed), PodState::Waiting(Reason::ContainerCreating));
}

#[test]
fn a_container_that_is_being_made_waits() {
    for status in [
        json!({"phase": "Pending"}),
        container(json!({})),
        waiting("ContainerCreating", None),
        waiting("PodInitializing", None),
    ] {
        assert_eq!(on_node(status), PodState::Waiting(Reason::ContainerCreating));
    }
}

#[test]
fn every_word_for_an_image_that_does_not_come_names_the_image() {
    for word in [
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
        "ErrImageNeverPull",
    ] {
        for (message, said) in [(Some("not found"), "not found"), (None, word)] {
            let (image, message_kept) = ("img:1".to_owned(), said.to_owned());
            assert_eq!(
                on_node(waiting(word, message)),
                PodState::Waiting(Reason::ImageUnpullable {
                    image,
                    message: message_kept
                })
            );
        }
    }
}

#[test]
fn a_crash_loop_tells_how_it_died_last_and_what_it_said() {
    let with = |exit_code, message: Option<&str>| {
        PodState::Waiting(Reason::CrashLoop {
            exit_code,
            restarts: 3,
            out_of_memory: exit_code == 137,
            message: message.map(str::to_owned),
        })
    };
    assert_eq!(
        on_node(crashed(1, Some("no such module\n"))),
        with(1, Some("no such module"))
    );
    assert_eq!(on_node(crashed(9, None)), with(9, None));
    for words in [None, Some("loading")] {
        let killed = json!({"exitCode": 137, "reason": "OOMKilled", "message": words});
        let killed = container(json!({"restartCount": 3, "state": {"terminated": killed}}));
        assert_eq!(on_node(killed), with(137, words));
    }
    let between = container(json!({"restartCount": 3, "state": {"terminated": {"exitCode": 2}}}));
    assert_eq!(on_node(between), with(2, None));
}

#[test]
fn of_long_last_words_the_end_is_kept() {
    let words = format!("{} the cause", "x".repeat(4000));
    let PodState::Waiting(Reason::CrashLoop {
        message: Some(message), ..
    }) = on_node(crashed(1, Some(&words)))
    else {
        panic!("it is a crash loop")
    };
    assert!(message.ends_with("the cause"));
    assert_eq!(message.chars().count(), domain::limits::MESSAGE_MAX);
}

#[test]
fn a_death_on_a_permission_as_a_numbered_user_points_to_root() {
    for (status, message) in [
        (crashed(126, None), "as user 1000 it ended with exit code 126"),
        (
            crashed(1, Some("mkdir: Permission denied")),
            "as user 1000 it ended with exit code 1: mkdir: Permission denied",
        ),
        (
            crashed(128, Some("exec: permission denied: unknown")),
            "as user 1000 it ended with exit code 128: exec: permission denied: unknown",
        ),
    ] {
        assert_eq!(
            on_node(status),
            PodState::Waiting(Reason::NeedsRoot {
                message: message.into()
            })
        );
    }
    let refused = waiting("RunContainerError", Some("exec /start: permission denied"));
    let message = "exec /start: permission denied".into();
    assert_eq!(on_node(refused), PodState::Waiting(Reason::NeedsRoot { message }));
}

#[test]
fn the_same_death_as_root_or_as_the_images_user_is_a_crash_loop() {
    for user in [json!(0), Value::Null] {
        let state = as_user(user, crashed(126, Some("permission denied")));
        assert!(
            matches!(state, PodState::Waiting(Reason::CrashLoop { exit_code: 126, .. })),
            "{state:?}"
        );
    }
}

#[test]
fn kubelets_refusal_of_root_is_hopeless() {
    for message in [
        "container has runAsNonRoot and image will run as root (pod: \"x\", container: frontend-server)",
        "container has runAsNonRoot and image has non-numeric user (jovyan), cannot verify user is non-root",
    ] {
        assert_eq!(
            on_node(waiting("CreateContainerConfigError", Some(message))),
            PodState::Hopeless(Reason::NeedsRoot {
                message: message.into()
            })
        );
    }
}

#[test]
fn what_a_node_cannot_make_of_the_template_is_told_in_its_words() {
    for word in [
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PostStartHookError",
    ] {
        let message = "secret \"x\" not found".to_owned();
        assert_eq!(
            on_node(waiting(word, Some(&message))),
            PodState::Waiting(Reason::ContainerRefused { message })
        );
    }
}

#[test]
fn a_container_that_runs_and_is_not_ready_does_not_listen() {
    let mut running = container(json!({"state": {"running": {"startedAt": "2026-11-21T10:00:00Z"}}}));
    running["conditions"] = json!([{"type": "Ready", "status": "False"}]);
    running["podIP"] = json!("10.1.2.3");
    assert_eq!(on_node(running), PodState::Waiting(Reason::NotListening { port: 8888 }));
}

#[test]
fn only_the_applications_own_container_counts() {
    let mut status = waiting("ImagePullBackOff", Some("not found"));
    status["containerStatuses"][0]["name"] = json!("sidecar");
    assert_eq!(on_node(status), PodState::Waiting(Reason::ContainerCreating));
}

#[test]
fn a_message_is_kept_in_one_bounded_line() {
    let state = on_node(waiting(
        "CreateContainerError",
        Some(&format!("a\n\u{7}b {}", "x".repeat(9999))),
    ));
    let PodState::Waiting(Reason::ContainerRefused { message }) = state else {
        panic!("{state:?}")
    };
    assert!(message.starts_with("a b x"));
    assert_eq!(message.chars().count(), domain::limits::MESSAGE_MAX);
}
