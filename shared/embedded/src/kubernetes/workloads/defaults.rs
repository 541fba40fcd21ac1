//! What is filled in of workloads (`pkg/apis/apps/v1/defaults.go`, `pkg/apis/batch/v1/defaults.go`).

use serde_json::{Value, json};

use super::super::defaults::template;
use super::super::json::{default, keep, put, text};
use super::super::registry::{DEPLOYMENTS, JOBS, KindId, REPLICA_SETS};

/// Fills in what a new or replaced workload leaves out.
pub(in super::super) fn fill(id: KindId, object: &mut Value) {
    match id {
        DEPLOYMENTS => deployment(object),
        REPLICA_SETS => default(object, "/spec/replicas", 1),
        JOBS => job(object),
        _ => return,
    }
    template(&mut object["spec"]["template"]);
}

fn deployment(object: &mut Value) {
    default(object, "/spec/replicas", 1);
    default(object, "/spec/revisionHistoryLimit", 10);
    default(object, "/spec/progressDeadlineSeconds", 600);
    default(object, "/spec/strategy/type", "RollingUpdate");
    if text(object, "/spec/strategy/type") == "RollingUpdate" {
        default(object, "/spec/strategy/rollingUpdate/maxSurge", "25%");
        default(object, "/spec/strategy/rollingUpdate/maxUnavailable", "25%");
    }
}

fn job(object: &mut Value) {
    if object["spec"]["completions"].is_null() && object["spec"]["parallelism"].is_null() {
        put(object, "/spec/completions", 1);
    }
    for (field, value) in [
        ("parallelism", json!(1)),
        ("backoffLimit", json!(6)),
        ("completionMode", json!("NonIndexed")),
        ("podReplacementPolicy", json!("TerminatingOrFailed")),
        ("suspend", json!(false)),
        ("manualSelector", json!(false)),
    ] {
        default(object, &format!("/spec/{field}"), value);
    }
    if object["metadata"]["labels"].is_null() && !object["spec"]["template"]["metadata"]["labels"].is_null() {
        let labels = object["spec"]["template"]["metadata"]["labels"].clone();
        put(object, "/metadata/labels", labels);
    }
}

/// Gives a new Job the selector by which it knows its pods, and its pods the labels, unless it brings its own.
pub(in super::super) fn label_job(object: &mut Value) {
    if object["spec"]["manualSelector"] == true {
        return;
    }
    let mut named = json!({});
    keep(object, &mut named, "/metadata/uid");
    keep(object, &mut named, "/metadata/name");
    let (uid, name) = (text(&named, "/metadata/uid"), text(&named, "/metadata/name"));
    let labels = [
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
        ("controller-uid", uid),
        ("job-name", name),
    ];
    for part in ["/spec/template/metadata/labels", "/spec/selector/matchLabels"] {
        default(object, part, json!({}));
    }
    for (label, value) in labels {
        object["spec"]["template"]["metadata"]["labels"][label] = value.into();
    }
    object["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"] = uid.into();
}
