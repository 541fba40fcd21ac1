//! What is written on ReplicaSets, so that a Deployment knows them again: whose template, the which, of how many.

use serde_json::{Value, json};

use super::super::json::{cut, default, members};
use super::count;
use super::deployments::Look;
use super::rollout::Pace;

/// The label that tells the pods of one template from those of another.
pub(super) const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MOST: &str = "deployment.kubernetes.io/max-replicas";
/// Annotations of a Deployment that its ReplicaSets do not get.
const OWN: &[&str] = &[
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MOST,
];
/// Longest list of revisions that a ReplicaSet had before.
const HISTORY_MAX: usize = 2_000;
/// The annotation of this name.
fn annotation<'a>(object: &'a Value, name: &str) -> Option<&'a str> {
    object["metadata"]["annotations"][name].as_str()
}

fn put_annotation(object: &mut Value, name: &str, value: &str) {
    default(object, "/metadata/annotations", json!({}));
    object["metadata"]["annotations"][name] = value.into();
}

/// The number of a ReplicaSet among its Deployment's.
pub(super) fn revision(set: &Value) -> i64 {
    annotation(set, REVISION)
        .and_then(|revision| revision.parse().ok())
        .unwrap_or(0)
}

/// The number that a new ReplicaSet gets.
pub(super) fn next(look: &Look) -> i64 {
    look.old.iter().map(|set| revision(set)).max().unwrap_or(0) + 1
}

/// Says in a Deployment which of its ReplicaSets it is at.
pub(super) fn put(deployment: &mut Value, revision: i64) {
    put_annotation(deployment, REVISION, &revision.to_string());
}

/// How many pods the Deployment of a ReplicaSet wanted when it was last scaled.
pub(super) fn desired(set: &Value) -> Option<i64> {
    annotation(set, DESIRED)?.parse().ok()
}

/// How many it could have had then at most.
pub(super) fn most(set: &Value) -> Option<i64> {
    annotation(set, MOST)?.parse().ok()
}

/// Gives a ReplicaSet its Deployment's annotations and the revision, when that is higher than its own.
pub(super) fn annotate(deployment: &Value, set: &mut Value, next: i64) {
    for (name, value) in members(deployment, "/metadata/annotations").filter(|(name, _)| !OWN.contains(&name.as_str()))
    {
        put_annotation(set, name, value.as_str().unwrap_or(""));
    }
    let before = revision(set);
    if before >= next {
        return;
    }
    put_annotation(set, REVISION, &next.to_string());
    if before > 0 {
        let history = match annotation(set, HISTORY) {
            Some(history) if history.len() < HISTORY_MAX => format!("{history},{before}"),
            _ => before.to_string(),
        };
        put_annotation(set, HISTORY, &history);
    }
}

/// Notes in a ReplicaSet how many pods its Deployment wants, and how many it may have.
pub(super) fn note_size(deployment: &Value, set: &mut Value) {
    let replicas = count(deployment, "/spec/replicas");
    put_annotation(set, DESIRED, &replicas.to_string());
    put_annotation(set, MOST, &(replicas + Pace::of(deployment).surge).to_string());
}

/// Whether a ReplicaSet is of this template: the same but for the label with the hash.
pub(super) fn is_same(own: &Value, template: &Value) -> bool {
    let plain = |template: &Value| {
        let mut plain = template.clone();
        cut(&mut plain, &format!("/metadata/labels/{HASH}"));
        plain
    };
    plain(own) == plain(template)
}
