//! What a pod's status says of the application that it runs.

use std::net::IpAddr;

use domain::{PodState, Reason};
use k8s_openapi::api::core::v1::{
    ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, Pod, PodCondition, PodStatus,
};

use crate::manifests::CONTAINER;
use crate::text;

/// The exit code of a shell that may not execute what it was told to.
const NOT_EXECUTABLE: i32 = 126;

/// What `pod` says of the one container that is ours.
pub(crate) fn own_container(pod: &Pod) -> Option<&ContainerStatus> {
    status_of(pod, CONTAINER)
}

/// What `pod` says of the container of this name.
pub(crate) fn status_of<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let mut containers = status.container_statuses.iter().flatten();
    containers.find(|one| one.name == container)
}

/// What `pod` says of itself. Its application listens on `port`.
pub(crate) fn pod_state(pod: &Pod, port: u16) -> PodState {
    let unknown = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&unknown);
    let container = own_container(pod);
    let phase = status.phase.as_deref().unwrap_or_default();
    if pod.metadata.deletion_timestamp.is_some() || matches!(phase, "Failed" | "Succeeded") {
        let message = ended_message(status, container, phase);
        return PodState::Ended { message };
    }
    if let Some(target) = ready_target(status, port) {
        return PodState::Ready { target };
    }
    if let Some(reason) = not_scheduled(pod, status) {
        return PodState::Waiting(reason);
    }
    let Some(container) = container else {
        return PodState::Waiting(Reason::ContainerCreating);
    };
    let state = container.state.as_ref();
    if let Some(waiting) = state.and_then(|state| state.waiting.as_ref()) {
        return waits(pod, container, waiting);
    }
    if let Some(terminated) = state.and_then(|state| state.terminated.as_ref()) {
        return PodState::Waiting(died(pod, container, Some(terminated)));
    }
    PodState::Waiting(match state.and_then(|state| state.running.as_ref()) {
        Some(_) => Reason::NotListening { port },
        None => Reason::ContainerCreating,
    })
}

/// `http://<ip>:<port>` of a pod whose port accepts connections.
fn ready_target(status: &PodStatus, port: u16) -> Option<String> {
    let ready = condition(status, "Ready")?.status == "True";
    let address: IpAddr = status.pod_ip.as_deref()?.parse().ok()?;
    ready.then(|| match address {
        IpAddr::V4(v4) => format!("http://{v4}:{port}"),
        IpAddr::V6(v6) => format!("http://[{v6}]:{port}"),
    })
}

fn not_scheduled(pod: &Pod, status: &PodStatus) -> Option<Reason> {
    let placed = pod.spec.as_ref().is_some_and(|spec| spec.node_name.is_some());
    match condition(status, "PodScheduled") {
        _ if placed => None,
        Some(scheduled) if scheduled.status == "True" => None,
        Some(scheduled) if scheduled.reason.as_deref() == Some("Unschedulable") => Some(Reason::Unschedulable {
            message: text::head(scheduled.message.as_deref().unwrap_or("it is unschedulable")),
        }),
        _ => Some(Reason::Scheduling),
    }
}

/// What a container waits for that is not running. The words are kubelet's
/// (<https://github.com/kubernetes/kubernetes/blob/v1.35.4/pkg/kubelet/images/types.go> and `container/sync_result.go`).
fn waits(pod: &Pod, container: &ContainerStatus, waiting: &ContainerStateWaiting) -> PodState {
    let word = waiting.reason.as_deref().unwrap_or_default();
    let said = waiting.message.as_deref().unwrap_or_default();
    let sentence = || text::head(if said.is_empty() { word } else { said });
    PodState::Waiting(match word {
        "" | "ContainerCreating" | "PodInitializing" => Reason::ContainerCreating,
        "ErrImagePull"
        | "ImagePullBackOff"
        | "InvalidImageName"
        | "ErrImageNeverPull"
        | "ImageInspectError"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => Reason::ImageUnpullable {
            image: image(pod, container),
            message: sentence(),
        },
        "CrashLoopBackOff" => died(pod, container, None),
        // Kubelet will say the same for as long as pod and image are what they are.
        "CreateContainerConfigError" if said.contains("runAsNonRoot") => {
            return PodState::Hopeless(Reason::NeedsRoot { message: sentence() });
        }
        "RunContainerError" | "CreateContainerError" if is_about_permission(said) && user(pod).is_some() => {
            Reason::NeedsRoot { message: sentence() }
        }
        _ => Reason::ContainerRefused { message: sentence() },
    })
}

/// Why a container that starts again and again died last: `now`, or before the start that it waits for.
fn died(pod: &Pod, container: &ContainerStatus, now: Option<&ContainerStateTerminated>) -> Reason {
    let before = || container.last_state.as_ref()?.terminated.as_ref();
    let last = now.or_else(before);
    let exit_code = last.map_or(0, |last| last.exit_code);
    let words = last.and_then(|last| last.message.as_deref()).unwrap_or_default();
    if let Some(user) = user(pod)
        && (exit_code == NOT_EXECUTABLE || is_about_permission(words))
    {
        let message = format!("as user {user} it ended with exit code {exit_code}: {words}");
        return Reason::NeedsRoot {
            message: text::tail(message.trim_end_matches(": ")),
        };
    }
    Reason::CrashLoop {
        exit_code: exit_code.into(),
        restarts: container.restart_count.into(),
        out_of_memory: last.is_some_and(|last| last.reason.as_deref() == Some("OOMKilled")),
        message: Some(text::tail(words)).filter(|words| !words.is_empty()),
    }
}

fn is_about_permission(words: &str) -> bool {
    words.contains("ermission denied")
}

/// The user that the pod's container must run as, where that is a number and not root.
fn user(pod: &Pod) -> Option<i64> {
    let container = pod
        .spec
        .as_ref()?
        .containers
        .iter()
        .find(|container| container.name == CONTAINER)?;
    let user = container.security_context.as_ref()?.run_as_user?;
    (user != 0).then_some(user)
}

/// The image as the template wrote it; kubelet's own form of it otherwise.
fn image(pod: &Pod, status: &ContainerStatus) -> String {
    let written = || {
        let containers = &pod.spec.as_ref()?.containers;
        containers
            .iter()
            .find(|container| container.name == CONTAINER)?
            .image
            .clone()
    };
    written().unwrap_or_else(|| text::head(&status.image))
}

fn condition<'a>(status: &'a PodStatus, kind: &str) -> Option<&'a PodCondition> {
    status
        .conditions
        .iter()
        .flatten()
        .find(|condition| condition.type_ == kind)
}

/// The cluster's own word and sentence on a pod's end, as far as it has any.
fn ended_message(status: &PodStatus, container: Option<&ContainerStatus>, phase: &str) -> String {
    let disrupted = condition(status, "DisruptionTarget").filter(|condition| condition.status == "True");
    let terminated = container
        .and_then(|container| container.state.as_ref()?.terminated.as_ref())
        .map(|last| {
            (
                format!("its container ended with exit code {}", last.exit_code),
                last.message.as_deref(),
            )
        });
    let (word, sentence) = if status.reason.is_some() || status.message.is_some() {
        (status.reason.clone().unwrap_or_default(), status.message.as_deref())
    } else if let Some(disrupted) = disrupted {
        (
            disrupted.reason.clone().unwrap_or_default(),
            disrupted.message.as_deref(),
        )
    } else if let Some(terminated) = terminated {
        terminated
    } else if matches!(phase, "Failed" | "Succeeded") {
        (format!("its phase is {phase}"), None)
    } else {
        ("it is being deleted".to_owned(), None)
    };
    match sentence.filter(|sentence| !sentence.trim().is_empty()) {
        Some(sentence) if word.is_empty() => text::head(sentence),
        Some(sentence) => text::head(&format!("{word}: {sentence}")),
        None => text::head(&word),
    }
}

#[cfg(test)]
mod tests;
