//! What controllers ask of a pod.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::json::{int, items, text};
use super::{instant, is_deleted};

/// Whether all its containers have ended for good.
pub(super) fn is_over(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Whether it is there to do something: neither over nor deleted.
pub(super) fn is_active(pod: &Value) -> bool {
    !is_over(pod) && !is_deleted(pod)
}

/// Whether it is deleted and not over yet.
pub(super) fn is_terminating(pod: &Value) -> bool {
    !is_over(pod) && is_deleted(pod)
}

/// Since when it is Ready.
pub(super) fn ready_since(pod: &Value) -> Option<Timestamp> {
    let conditions = items(pod, "/status/conditions");
    let ready = conditions
        .iter()
        .find(|one| text(one, "/type") == "Ready" && text(one, "/status") == "True")?;
    instant(ready, "/lastTransitionTime")
}

/// When it is available: so many seconds after it was Ready.
pub(super) fn available_from(pod: &Value, seconds: i64) -> Option<Timestamp> {
    ready_since(pod)?.checked_add(SignedDuration::from_secs(seconds)).ok()
}

/// When the last of its containers ended.
pub(super) fn finished_at(pod: &Value) -> Option<Timestamp> {
    let containers = items(pod, "/status/containerStatuses").iter();
    containers
        .filter_map(|one| instant(one, "/state/terminated/finishedAt"))
        .max()
}

/// How often its containers were started again.
pub(super) fn restarts(pod: &Value) -> i64 {
    let containers = items(pod, "/status/containerStatuses").iter();
    containers.map(|one| int(one, "/restartCount").unwrap_or(0)).sum()
}

/// Sorts so that those come first that are missed least (kube-controller-manager's `ActivePods`).
pub(super) fn rank(pod: &Value) -> impl Ord + use<> {
    let phase = match text(pod, "/status/phase") {
        "Pending" => 0,
        "Running" => 2,
        _ => 1,
    };
    let cost = pod["metadata"]["annotations"]["controller.kubernetes.io/pod-deletion-cost"].as_str();
    let ready = ready_since(pod);
    (
        !text(pod, "/spec/nodeName").is_empty(),
        phase,
        ready.is_some(),
        cost.and_then(|cost| cost.parse::<i64>().ok()).unwrap_or(0),
        Reverse(ready),
        Reverse(restarts(pod)),
        Reverse(text(pod, "/metadata/creationTimestamp").to_owned()),
    )
}
