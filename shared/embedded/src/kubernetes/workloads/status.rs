//! The status of a Deployment: counts, availability, and whether its rollout gets on.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::json::{int, keep, text};
use super::conditions::{self, Said};
use super::deployments::Look;
use super::rollout::Pace;
use super::{count, instant, put_count};

/// A deadline of so many seconds is none.
const NO_DEADLINE: i64 = i32::MAX as i64;

/// Whether a Deployment is expected to get on.
pub(super) fn has_deadline(deployment: &Value) -> bool {
    int(deployment, "/spec/progressDeadlineSeconds").is_some_and(|seconds| seconds != NO_DEADLINE)
}

/// When a Deployment has failed to get on.
pub(super) fn deadline(deployment: &Value) -> Option<Timestamp> {
    let seconds = int(deployment, "/spec/progressDeadlineSeconds").filter(|seconds| *seconds != NO_DEADLINE)?;
    let since = instant(
        conditions::find(&deployment["status"], "Progressing")?,
        "/lastUpdateTime",
    )?;
    since.checked_add(SignedDuration::from_secs(seconds)).ok()
}

/// Whether all pods are of the present template, available, and alone.
pub(super) fn is_complete(deployment: &Value, status: &Value) -> bool {
    let replicas = count(deployment, "/spec/replicas");
    let all = ["/updatedReplicas", "/replicas", "/availableReplicas"];
    let seen = int(status, "/observedGeneration") >= int(deployment, "/metadata/generation");
    seen && all.iter().all(|pointer| count(status, pointer) == replicas)
}

/// The status after a look at a Deployment; while it `rolls`, with what its rollout has come to.
pub(super) fn of_deployment(look: &Look, rolls: bool, now: Timestamp) -> Value {
    let (deployment, before) = (&look.deployment, &look.deployment["status"]);
    let available = look.sum("/status/availableReplicas");
    let mut status = json!({
        "observedGeneration": deployment["metadata"]["generation"],
        "terminatingReplicas": look.sum("/status/terminatingReplicas"),
    });
    put_count(&mut status, "replicas", look.sum("/status/replicas"));
    put_count(
        &mut status,
        "updatedReplicas",
        look.new.as_ref().map_or(0, |new| count(new, "/status/replicas")),
    );
    put_count(&mut status, "readyReplicas", look.sum("/status/readyReplicas"));
    put_count(&mut status, "availableReplicas", available);
    put_count(
        &mut status,
        "unavailableReplicas",
        (look.sum("/spec/replicas") - available).max(0),
    );
    for part in ["/collisionCount", "/conditions"] {
        keep(before, &mut status, part);
    }
    let least = count(deployment, "/spec/replicas") - Pace::of(deployment).unavailable;
    let said = match available >= least {
        true => (
            "True",
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        ),
        false => (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        ),
    };
    let said = Said {
        name: "Available",
        status: said.0,
        reason: said.1,
        message: said.2,
    };
    conditions::set(&mut status, said, now);
    if rolls {
        judge(look, &mut status, now);
        move_failure(look, &mut status, now);
    }
    status
}

/// Says whether the rollout is done, gets on, or has not for too long.
fn judge(look: &Look, status: &mut Value, now: Timestamp) {
    let (deployment, before) = (&look.deployment, &look.deployment["status"]);
    if !has_deadline(deployment) {
        return conditions::remove(status, "Progressing");
    }
    let known = conditions::find(before, "Progressing")
        .map_or("", |known| text(known, "/reason"))
        .to_owned();
    if count(status, "/replicas") == count(status, "/updatedReplicas") && known == "NewReplicaSetAvailable" {
        return;
    }
    let subject = match &look.new {
        Some(new) => format!("ReplicaSet {:?}", text(new, "/metadata/name")),
        None => format!("Deployment {:?}", look.key.name),
    };
    let say = |status: &'static str, reason: &'static str, message: String| (status, reason, message);
    let late = deadline(deployment).is_some_and(|deadline| deadline < now);
    let (holds, reason, message) = if is_complete(deployment, status) {
        say(
            "True",
            "NewReplicaSetAvailable",
            format!("{subject} has successfully progressed."),
        )
    } else if gets_on(before, status) {
        let message = format!("{subject} is progressing.");
        let said = Said {
            name: "Progressing",
            status: "True",
            reason: "ReplicaSetUpdated",
            message: &message,
        };
        return conditions::renew(status, said, now);
    } else if known == "ProgressDeadlineExceeded" || (late && known != "NewReplicaSetAvailable") {
        say(
            "False",
            "ProgressDeadlineExceeded",
            format!("{subject} has timed out progressing."),
        )
    } else {
        return;
    };
    let said = Said {
        name: "Progressing",
        status: holds,
        reason,
        message: &message,
    };
    conditions::set(status, said, now);
}

/// Whether there are more new, more ready, more available, or fewer old pods than before.
fn gets_on(before: &Value, status: &Value) -> bool {
    let more = |pointer: &str| count(status, pointer) > count(before, pointer);
    let old = |status: &Value| count(status, "/replicas") - count(status, "/updatedReplicas");
    more("/updatedReplicas") || old(status) < old(before) || more("/readyReplicas") || more("/availableReplicas")
}

/// Says of the Deployment what its ReplicaSets say of pods that cannot be made.
fn move_failure(look: &Look, status: &mut Value, now: Timestamp) {
    let sets = look.new.iter().chain(&look.old);
    let failure = sets
        .into_iter()
        .find_map(|set| conditions::find(&set["status"], "ReplicaFailure"));
    match failure {
        Some(failure) => {
            let part = |pointer| text(failure, pointer);
            let (holds, reason, message) = (part("/status"), part("/reason"), part("/message"));
            conditions::set(
                status,
                Said {
                    name: "ReplicaFailure",
                    status: holds,
                    reason,
                    message,
                },
                now,
            );
        }
        None => conditions::remove(status, "ReplicaFailure"),
    }
}
