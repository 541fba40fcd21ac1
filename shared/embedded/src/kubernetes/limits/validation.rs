//! Rules that quotas and limit ranges must keep (`pkg/apis/core/validation`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::json::{items, members, text};
use super::super::quantity::Quantity;
use super::super::status::Cause;
use super::amounts;

const NOT_NEGATIVE: &str = "must be greater than or equal to 0";
/// What a quota may name without a group.
const COMPUTE: [&str; 9] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
];
const COUNTS: [&str; 9] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
    "services.loadbalancers",
];
const STORAGE: &str = "requests.storage";
const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

/// Adds what is wrong with a resource quota.
pub(in super::super) fn resource_quota(quota: &Value, causes: &mut Vec<Cause>) {
    for (name, value) in members(quota, "/spec/hard") {
        let field = format!("spec.hard[{name}]");
        let shown = value.as_str().unwrap_or("");
        let is_count = COUNTS.contains(&name.as_str());
        if !name.contains('/') && !is_count && !COMPUTE.contains(&name.as_str()) && name != STORAGE {
            let detail = "must be a standard resource type or fully qualified";
            causes.push(Cause::invalid(field, name.as_str(), detail));
            continue;
        }
        let Ok(amount) = Quantity::read(shown) else { continue };
        if amount < Quantity::default() {
            causes.push(Cause::invalid(field.clone(), amount.to_string(), NOT_NEGATIVE));
        }
        if is_count && !amount.is_whole() {
            causes.push(Cause::invalid(field, amount.to_string(), "must be an integer"));
        }
    }
    let scopes: Vec<&str> = items(quota, "/spec/scopes").iter().filter_map(Value::as_str).collect();
    let mut wrong = |detail: &str| causes.push(Cause::invalid("spec.scopes", quota["spec"]["scopes"].clone(), detail));
    for scope in &scopes {
        if !SCOPES.contains(scope) {
            wrong("unsupported scope");
        }
        for (name, _) in members(quota, "/spec/hard") {
            let (name, known) = (name.as_str(), SCOPES.contains(scope));
            let fits = match *scope {
                "BestEffort" => name == "pods",
                "VolumeAttributesClass" => matches!(name, "persistentvolumeclaims" | STORAGE),
                _ => name == "pods" || COMPUTE.contains(&name),
            };
            let standard = COUNTS.contains(&name) || COMPUTE.contains(&name) || name == STORAGE;
            if known && standard && !fits {
                wrong("unsupported scope applied to resource");
            }
        }
    }
    for pair in [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]] {
        if pair.iter().all(|scope| scopes.contains(scope)) {
            wrong("conflicting scopes");
        }
    }
}

/// Adds what is wrong with a limit range.
pub(in super::super) fn limit_range(range: &Value, causes: &mut Vec<Cause>) {
    let mut kinds = BTreeSet::new();
    for (index, limit) in items(range, "/spec/limits").iter().enumerate() {
        let at = format!("spec.limits[{index}]");
        let kind = text(limit, "/type");
        if !kind.contains('/') && !matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim") {
            let detail = "must be a standard limit type or fully qualified";
            causes.push(Cause::invalid(format!("{at}.type"), kind, detail));
        }
        if !kinds.insert(kind) {
            causes.push(Cause::duplicate(format!("{at}.type"), kind));
        }
        if kind == "Pod" {
            for field in ["default", "defaultRequest"] {
                if members(limit, &format!("/{field}")).next().is_some() {
                    let detail = "may not be specified when `type` is 'Pod'";
                    causes.push(Cause::forbidden(format!("{at}.{field}"), detail));
                }
            }
        }
        let storage = |field: &str| !limit[field]["storage"].is_null();
        if kind == "PersistentVolumeClaim" && !storage("min") && !storage("max") {
            let detail = "either minimum or maximum storage value is required, but neither was provided";
            causes.push(Cause::required(format!("{at}.limits"), detail));
        }
        order(limit, &at, causes);
    }
}

/// The least is at most the default request, that the default limit, and that the most.
fn order(limit: &Value, at: &str, causes: &mut Vec<Cause>) {
    let of = |field: &str| match (text(limit, "/type"), field) {
        ("Pod", "default" | "defaultRequest") => super::Amounts::new(),
        _ => amounts(limit, &format!("/{field}")),
    };
    let (min, max, default, request) = (of("min"), of("max"), of("default"), of("defaultRequest"));
    let ratio = of("maxLimitRequestRatio");
    let names: BTreeSet<&String> = [&min, &max, &default, &request, &ratio]
        .into_iter()
        .flat_map(|one| one.keys())
        .collect();
    for name in names {
        // Lower, higher, which field is wrong, whether its value or the other is shown, and their names.
        for (lower, higher, field, shows_lower, words) in [
            (&min, &max, "min", true, ("min", "max")),
            (&min, &request, "defaultRequest", false, ("min", "default request")),
            (&request, &max, "defaultRequest", true, ("default request", "max")),
            (
                &request,
                &default,
                "defaultRequest",
                true,
                ("default request", "default limit"),
            ),
            (&min, &default, "default", true, ("min", "default")),
            (&default, &max, "default", false, ("default", "max")),
        ] {
            let (Some(low), Some(high)) = (lower.get(name), higher.get(name)) else {
                continue;
            };
            if low > high {
                let detail = format!("{} value {low} is greater than {} value {high}", words.0, words.1);
                let shown = if shows_lower { low } else { high };
                causes.push(Cause::invalid(
                    format!("{at}.{field}[{name}]"),
                    shown.to_string(),
                    &detail,
                ));
            }
        }
        if let Some(ratio) = ratio.get(name).filter(|ratio| **ratio < Quantity::whole(1)) {
            let detail = format!("ratio {ratio} is less than 1");
            let field = format!("{at}.maxLimitRequestRatio[{name}]");
            causes.push(Cause::invalid(field, ratio.to_string(), &detail));
        }
    }
}
