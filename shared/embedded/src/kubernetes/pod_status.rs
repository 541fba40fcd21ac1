//! How a pod's state reads in its `status`, field by field as kubelet writes it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::ids;
use super::json::{items, keep, put, stamp, text};
use super::nodes::NODE_ADDRESS;
use super::runs::{Ending, Run, Stage};

/// Phase, conditions and containers of a pod that has a node.
pub(super) fn render(run: &Run, pod: &Value, now: Timestamp) -> Value {
    let mut status = json!({
        "phase": phase(&run.stage),
        "startTime": stamp(run.bound),
        "hostIP": NODE_ADDRESS,
        "hostIPs": [{"ip": NODE_ADDRESS}],
    });
    keep(&pod["status"], &mut status, "/qosClass");
    if let Some(address) = run.address {
        let ip = address.ip().to_string();
        put(&mut status, "/podIP", ip.as_str());
        put(&mut status, "/podIPs", json!([{"ip": ip}]));
    }
    if let Stage::Failed { reason, message } = &run.stage {
        put_text(&mut status, "/reason", reason);
        put_text(&mut status, "/message", message);
    }
    if let (Stage::Serving, Some(problem)) = (&run.stage, &run.problem) {
        put_text(&mut status, "/message", problem);
    }
    let containers: Vec<Value> = items(pod, "/spec/containers")
        .iter()
        .enumerate()
        .map(|(index, container)| container_status(run, index, container, pod))
        .collect();
    put(&mut status, "/conditions", conditions(run, &containers, pod, now));
    put(&mut status, "/containerStatuses", containers);
    status
}

fn put_text(status: &mut Value, pointer: &str, text: &str) {
    if !text.is_empty() {
        put(status, pointer, text);
    }
}

fn phase(stage: &Stage) -> &'static str {
    match stage {
        Stage::Waiting
        | Stage::Creating
        | Stage::Missing { .. }
        | Stage::Refused(_)
        | Stage::PullFailed
        | Stage::PullBackOff => "Pending",
        Stage::Running | Stage::Serving | Stage::Ready | Stage::Crashed | Stage::BackOff => "Running",
        Stage::Succeeded => "Succeeded",
        Stage::Failed { .. } => "Failed",
    }
}

/// Conditions, with the time since which each has its value.
fn conditions(run: &Run, containers: &[Value], pod: &Value, now: Timestamp) -> Vec<Value> {
    let unready: Vec<&str> = containers
        .iter()
        .filter(|one| one["ready"] != true)
        .map(|one| text(one, "/name"))
        .collect();
    let sandbox = run.address.is_some() && !run.stage.is_terminal();
    let (reason, message) = match &run.stage {
        Stage::Succeeded => ("PodCompleted", String::new()),
        Stage::Failed { .. } => ("PodFailed", String::new()),
        _ => (
            "ContainersNotReady",
            format!("containers with unready status: [{}]", unready.join(" ")),
        ),
    };
    let not_ready = if unready.is_empty() {
        None
    } else {
        Some((reason, message))
    };
    let mut rows = vec![
        ("PodReadyToStartContainers", sandbox, None),
        ("Initialized", true, None),
        ("Ready", not_ready.is_none(), not_ready.clone()),
        ("ContainersReady", not_ready.is_none(), not_ready),
        ("PodScheduled", true, None),
    ];
    if matches!(&run.stage, Stage::Failed { reason, .. } if reason == "Evicted") {
        let message = "The node was low on resource: memory.".to_owned();
        rows.insert(0, ("DisruptionTarget", true, Some(("TerminationByKubelet", message))));
    }
    let own: Vec<&str> = rows.iter().map(|(name, ..)| *name).collect();
    let others = items(pod, "/status/conditions")
        .iter()
        .filter(|one| !own.contains(&text(one, "/type")));
    let rows = rows
        .iter()
        .map(|(name, holds, why)| condition(pod, now, name, *holds, why.as_ref().map(|(r, m)| (*r, m.as_str()))));
    rows.chain(others.cloned()).collect()
}

/// One condition; its transition time moves only with its value.
pub(super) fn condition(pod: &Value, now: Timestamp, name: &str, holds: bool, why: Option<(&str, &str)>) -> Value {
    let status = if holds { "True" } else { "False" };
    let same = |old: &&Value| text(old, "/type") == name && text(old, "/status") == status;
    let since = items(pod, "/status/conditions")
        .iter()
        .find(same)
        .map(|old| old["lastTransitionTime"].clone());
    let mut condition = json!({"type": name, "status": status, "lastProbeTime": null});
    condition["lastTransitionTime"] = since.unwrap_or_else(|| stamp(now));
    if let Some((reason, message)) = why {
        put_text(&mut condition, "/reason", reason);
        put_text(&mut condition, "/message", message);
    }
    condition
}

fn container_status(run: &Run, index: usize, container: &Value, pod: &Value) -> Value {
    let decides = index == run.deciding;
    let (name, image) = (text(container, "/name"), text(container, "/image"));
    let restarts = if decides { run.restarts } else { 0 };
    let began = run.started.is_some();
    let ready = match &run.stage {
        Stage::Ready => true,
        Stage::Running | Stage::Serving | Stage::Crashed | Stage::BackOff => !decides,
        _ => false,
    };
    let running = !run.stage.is_terminal() && if decides { run.stage.is_up() } else { began };
    let mut status = json!({
        "name": name,
        "image": image,
        "imageID": if began { ids::sha256(image) } else { String::new() },
        "ready": ready,
        "started": running,
        "restartCount": restarts,
        "state": state(run, decides, running, container, pod),
        "lastState": {},
    });
    if began {
        status["containerID"] = container_id(run, name, restarts).into();
    }
    if let Some(last) = run
        .last
        .as_ref()
        .filter(|_| decides && !matches!(run.stage, Stage::Crashed) && !run.stage.is_terminal())
    {
        status["lastState"] = json!({"terminated": terminated(run, name, last)});
    }
    status
}

fn container_id(run: &Run, container: &str, restarts: u32) -> String {
    let hash = ids::sha256(&format!("{}/{container}/{restarts}", run.uid));
    format!("containerd://{}", hash.trim_start_matches("sha256:"))
}

fn terminated(run: &Run, container: &str, ending: &Ending) -> Value {
    let mut terminated = json!({
        "exitCode": ending.code,
        "reason": if ending.code == 0 { "Completed" } else { "Error" },
        "startedAt": stamp(ending.started),
        "finishedAt": stamp(ending.finished),
        "containerID": container_id(run, container, ending.restarts),
    });
    if let Some(message) = ending.message {
        terminated["message"] = message.into();
    }
    terminated
}

fn state(run: &Run, decides: bool, running: bool, container: &Value, pod: &Value) -> Value {
    let (name, image) = (text(container, "/name"), text(container, "/image"));
    if running {
        let since = run.started.unwrap_or(run.bound);
        return json!({"running": {"startedAt": stamp(since)}});
    }
    if let Some(ending) = run
        .last
        .as_ref()
        .filter(|_| matches!(run.stage, Stage::Crashed) || run.stage.is_terminal())
    {
        return json!({"terminated": terminated(run, name, ending)});
    }
    let waiting = |reason: &str, message: &str| {
        let mut waiting = Map::from_iter([("reason".to_owned(), Value::from(reason))]);
        if !message.is_empty() {
            waiting.insert("message".to_owned(), message.into());
        }
        json!({"waiting": waiting})
    };
    let pull = format!("rpc error: code = NotFound desc = {}", pull_failure(image));
    match &run.stage {
        Stage::Refused(why) if decides => waiting("CreateContainerConfigError", why),
        Stage::Missing { reason, message } => waiting(reason, message),
        Stage::PullFailed if decides => waiting("ErrImagePull", &pull),
        Stage::PullBackOff if decides => waiting(
            "ImagePullBackOff",
            &format!("Back-off pulling image {image:?}: ErrImagePull: {pull}"),
        ),
        Stage::BackOff if decides => waiting("CrashLoopBackOff", &back_off(run, name, pod)),
        _ => waiting("ContainerCreating", ""),
    }
}

/// What containerd says of an image that is not there.
pub(super) fn pull_failure(image: &str) -> String {
    let full = match image.split_once('/') {
        None => format!("docker.io/library/{image}"),
        Some((host, _)) if host.contains(['.', ':']) || host == "localhost" => image.to_owned(),
        Some(_) => format!("docker.io/{image}"),
    };
    let tagged = full.contains('@') || full.rsplit('/').next().is_some_and(|last| last.contains(':'));
    let full = if tagged { full } else { format!("{full}:latest") };
    format!("failed to pull and unpack image {full:?}: failed to resolve reference {full:?}: {full}: not found")
}

/// The message of a crash loop.
pub(super) fn back_off(run: &Run, container: &str, pod: &Value) -> String {
    let delay = run.crash_delay().as_secs();
    let shown = if delay >= 60 {
        format!("{}m{}s", delay / 60, delay % 60)
    } else {
        format!("{delay}s")
    };
    let (name, namespace) = (text(pod, "/metadata/name"), text(pod, "/metadata/namespace"));
    format!(
        "back-off {shown} restarting failed container={container} pod={name}_{namespace}({})",
        run.uid
    )
}
