//! Rules that workloads must keep (`pkg/apis/apps/validation`, `pkg/apis/batch/validation`).

use serde_json::{Value, json};

use super::super::defaults;
use super::super::json::{int, text};
use super::super::registry::{DEPLOYMENTS, JOBS, KindId, PODS, REPLICA_SETS};
use super::super::selectors::Selector;
use super::super::status::{Cause, Refusal};
use super::super::validation::pod;
use super::rollout::scaled;

/// Fields of a Job that its controller does not know.
const JOB_UNSIMULATED: &[&str] = &[
    "backoffLimitPerIndex",
    "managedBy",
    "maxFailedIndexes",
    "podFailurePolicy",
    "successPolicy",
];
const IMMUTABLE: &str = "field is immutable";

/// Checks a whole workload that is about to be stored.
pub(in super::super) fn check(id: KindId, object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    match id {
        DEPLOYMENTS => {
            natural(spec, &["replicas"], causes);
            selector_and_template(spec, causes);
            strategy(spec, causes);
            natural(
                spec,
                &["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"],
                causes,
            );
            let deadline = int(spec, "/progressDeadlineSeconds").unwrap_or(i64::MAX);
            if deadline <= int(spec, "/minReadySeconds").unwrap_or(0) {
                causes.push(Cause::invalid(
                    "spec.progressDeadlineSeconds",
                    deadline,
                    "must be greater than minReadySeconds",
                ));
            }
        }
        REPLICA_SETS => {
            natural(spec, &["replicas", "minReadySeconds"], causes);
            selector_and_template(spec, causes);
        }
        JOBS => job(object, causes),
        _ => {}
    }
}

/// Checks a change of a stored workload.
pub(in super::super) fn check_update(id: KindId, old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let fixed: &[&str] = match id {
        DEPLOYMENTS | REPLICA_SETS => &["selector"],
        JOBS => &["completions", "selector", "template", "completionMode"],
        _ => &[],
    };
    for field in fixed
        .iter()
        .filter(|field| old["spec"][**field] != new["spec"][**field])
    {
        causes.push(Cause::invalid(
            format!("spec.{field}"),
            new["spec"][*field].clone(),
            IMMUTABLE,
        ));
    }
}

/// Refuses what would be stored but not acted on.
pub(in super::super) fn check_simulated(id: KindId, object: &Value) -> Result<(), Refusal> {
    if !matches!(id, DEPLOYMENTS | REPLICA_SETS | JOBS) {
        return Ok(());
    }
    let spec = &object["spec"];
    if let Some(field) = JOB_UNSIMULATED
        .iter()
        .find(|field| id == JOBS && !spec[**field].is_null())
    {
        return Err(Refusal::not_simulated(&format!("a job with spec.{field}")));
    }
    if id == JOBS && text(spec, "/completionMode") == "Indexed" {
        return Err(Refusal::not_simulated("an indexed job"));
    }
    defaults::check_simulated(PODS, &spec["template"])
}

/// None of these fields is negative.
fn natural(spec: &Value, fields: &[&str], causes: &mut Vec<Cause>) {
    for field in fields {
        if let Some(number) = spec[*field].as_i64().filter(|number| *number < 0) {
            let detail = "must be greater than or equal to 0";
            causes.push(Cause::invalid(format!("spec.{field}"), number, detail));
        }
    }
}

fn selector_and_template(spec: &Value, causes: &mut Vec<Cause>) {
    let selector = &spec["selector"];
    let empty = selector.as_object().is_some_and(|selector| {
        selector.values().all(|part| {
            part.as_object().is_none_or(serde_json::Map::is_empty) && part.as_array().is_none_or(Vec::is_empty)
        })
    });
    if selector.is_null() {
        causes.push(Cause::required("spec.selector", ""));
    } else if empty {
        causes.push(Cause::invalid(
            "spec.selector",
            selector.clone(),
            "empty selector is invalid for deployment",
        ));
    }
    template(spec, causes);
    let policy = text(spec, "/template/spec/restartPolicy");
    if matches!(policy, "OnFailure" | "Never") {
        causes.push(Cause::unsupported(
            "spec.template.spec.restartPolicy",
            policy,
            &["Always"],
        ));
    }
    if !spec["template"]["spec"]["activeDeadlineSeconds"].is_null() {
        causes.push(Cause::forbidden(
            "spec.template.spec.activeDeadlineSeconds",
            "activeDeadlineSeconds in ReplicaSet is not Supported",
        ));
    }
}

/// The template has the labels that are selected, and describes a pod.
fn template(spec: &Value, causes: &mut Vec<Cause>) {
    let template = &spec["template"];
    match Selector::of(&spec["selector"]) {
        None if !spec["selector"].is_null() => {
            causes.push(Cause::invalid(
                "spec.selector",
                spec["selector"].clone(),
                "invalid label selector",
            ));
        }
        Some(selector) if selector.is_empty() || selector.selects(template) => {}
        _ => {
            let labels = match &template["metadata"]["labels"] {
                Value::Null => json!({}),
                labels => labels.clone(),
            };
            let detail = "`selector` does not match template `labels`";
            causes.push(Cause::invalid("spec.template.metadata.labels", labels, detail));
        }
    }
    let mut found = Vec::new();
    pod(template, &mut found);
    causes.extend(found.into_iter().map(|cause| cause.under("spec.template")));
}

fn strategy(spec: &Value, causes: &mut Vec<Cause>) {
    let (kind, rolling) = (text(spec, "/strategy/type"), &spec["strategy"]["rollingUpdate"]);
    match kind {
        "Recreate" if !rolling.is_null() => {
            let detail = "may not be specified when strategy `type` is 'Recreate'";
            causes.push(Cause::forbidden("spec.strategy.rollingUpdate", detail));
        }
        "Recreate" => {}
        "RollingUpdate" => {
            let fields = ["maxUnavailable", "maxSurge"];
            let amounts = fields.map(|field| scaled(&rolling[field], 100, true));
            for (field, amount) in fields.into_iter().zip(amounts) {
                let wrong = match amount {
                    None => "must be an integer or percentage (e.g '5%%')",
                    Some(..0) => "must be greater than or equal to 0",
                    Some(101..) if field == "maxUnavailable" && rolling[field].is_string() => {
                        "must not be greater than 100%"
                    }
                    Some(_) => continue,
                };
                let place = format!("spec.strategy.rollingUpdate.{field}");
                causes.push(Cause::invalid(place, rolling[field].clone(), wrong));
            }
            if amounts == [Some(0), Some(0)] {
                let place = "spec.strategy.rollingUpdate.maxUnavailable";
                let detail = "may not be 0 when `maxSurge` is 0";
                causes.push(Cause::invalid(place, rolling["maxUnavailable"].clone(), detail));
            }
        }
        other => causes.push(Cause::unsupported(
            "spec.strategy.type",
            other,
            &["Recreate", "RollingUpdate"],
        )),
    }
}

fn job(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    natural(
        spec,
        &[
            "parallelism",
            "completions",
            "activeDeadlineSeconds",
            "backoffLimit",
            "ttlSecondsAfterFinished",
        ],
        causes,
    );
    if spec["selector"].is_null() {
        causes.push(Cause::required("spec.selector", ""));
    } else if spec["manualSelector"] != true {
        let own = json!({ "matchLabels": { "batch.kubernetes.io/controller-uid": object["metadata"]["uid"] } });
        if spec["selector"] != own {
            causes.push(Cause::invalid(
                "spec.selector",
                spec["selector"].clone(),
                "`selector` not auto-generated",
            ));
        }
    }
    template(spec, causes);
    let policy = text(spec, "/template/spec/restartPolicy");
    if matches!(policy, "" | "Always") {
        let detail = "valid values: \"OnFailure\", \"Never\"";
        causes.push(Cause::required("spec.template.spec.restartPolicy", detail));
    }
}
