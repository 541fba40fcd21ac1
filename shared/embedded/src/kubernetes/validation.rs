//! Rules that objects must keep, in the words of the real server (apimachinery's validation, `pkg/apis/core/validation`).

use std::collections::BTreeSet;

use serde_json::Value;

use super::access;
use super::data;
use super::json::{int, items, keep, members, text};
use super::limits;
use super::metadata;
use super::network;
use super::quantity::milli;
use super::registry::{
    CONFIG_MAPS, KINDS, Kind, KindId, LEASES, LIMIT_RANGES, NETWORK_POLICIES, Names, PODS, RESOURCE_QUOTAS, SECRETS,
    SERVICES,
};
use super::services;
use super::status::{Cause, Refusal};
use super::workloads;

/// Checks a whole object that is about to be stored.
pub(super) fn check(id: KindId, object: &Value) -> Result<(), Refusal> {
    let kind = &KINDS[id];
    let mut causes = metadata::problems(kind, object);
    match id {
        PODS => pod(object, &mut causes),
        SERVICES => services::check(object, &mut causes),
        CONFIG_MAPS => data::config_map(object, &mut causes),
        SECRETS => data::secret(object, &mut causes),
        LEASES => lease(object, &mut causes),
        LIMIT_RANGES => limits::limit_range(object, &mut causes),
        NETWORK_POLICIES => network::check(object, &mut causes),
        RESOURCE_QUOTAS => limits::resource_quota(object, &mut causes),
        _ if access::is_rbac(kind) => access::check(kind, object, &mut causes),
        _ => workloads::check(id, object, &mut causes),
    }
    refuse(kind, object, &causes)
}

/// Checks a change of a stored object.
pub(super) fn check_update(id: KindId, old: &Value, new: &Value) -> Result<(), Refusal> {
    let kind = &KINDS[id];
    let mut causes = Vec::new();
    let moved = |pointer: &str| old.pointer(pointer) != new.pointer(pointer);
    if !old["metadata"]["deletionTimestamp"].is_null() {
        let known = items(old, "/metadata/finalizers");
        let added: Vec<&Value> = items(new, "/metadata/finalizers")
            .iter()
            .filter(|one| !known.contains(one))
            .collect();
        if !added.is_empty() {
            let added: Vec<String> = added.iter().map(ToString::to_string).collect();
            let detail = "no new finalizers can be added if the object is being deleted, found new finalizers";
            causes.push(Cause::forbidden(
                "metadata.finalizers",
                &format!("{detail} []string{{{}}}", added.join(", ")),
            ));
        }
    }
    if id == PODS {
        pod_update(old, new, &mut causes);
    }
    workloads::check_update(id, old, new, &mut causes);
    if matches!(id, CONFIG_MAPS | SECRETS) {
        data::change(old, new, &mut causes);
    }
    if id == SERVICES {
        services::check_update(old, new, &mut causes);
    }
    if id == RESOURCE_QUOTAS && moved("/spec/scopes") {
        let scopes = new["spec"]["scopes"].clone();
        causes.push(Cause::invalid("spec.scopes", scopes, "field is immutable"));
    }
    if access::is_rbac(kind) && moved("/roleRef") {
        causes.push(access::changed_role(&new["roleRef"]));
    }
    refuse(kind, new, &causes)
}

const POD_UPDATE: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
                          `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
                          `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Of a pod's specification, images, the deadline and additional tolerations may change.
fn pod_update(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let seconds = |pod: &Value| int(pod, "/spec/activeDeadlineSeconds");
    match (seconds(old), seconds(new)) {
        (Some(_), None) => {
            let detail = "must not update from a positive integer to nil value";
            causes.push(Cause::invalid("spec.activeDeadlineSeconds", Value::Null, detail));
        }
        (Some(before), Some(after)) if after > before => {
            let detail = "must be less than or equal to previous value";
            causes.push(Cause::invalid("spec.activeDeadlineSeconds", after, detail));
        }
        _ => {}
    }
    if !causes.is_empty() {
        return;
    }
    let mut allowed = old["spec"].clone();
    keep(&new["spec"], &mut allowed, "/activeDeadlineSeconds");
    let (known, wanted) = (items(old, "/spec/tolerations"), items(new, "/spec/tolerations"));
    if known.iter().all(|one| wanted.contains(one)) {
        keep(&new["spec"], &mut allowed, "/tolerations");
    }
    let containers = allowed["containers"].as_array_mut().into_iter().flatten();
    for (container, changed) in containers.zip(items(new, "/spec/containers")) {
        keep(changed, container, "/image");
    }
    if allowed != new["spec"] {
        causes.push(Cause::forbidden("spec", POD_UPDATE));
    }
}

fn refuse(kind: &Kind, object: &Value, causes: &[Cause]) -> Result<(), Refusal> {
    if causes.is_empty() {
        return Ok(());
    }
    Err(Refusal::invalid(
        kind.group,
        kind.kind,
        text(object, "/metadata/name"),
        causes,
    ))
}

pub(super) fn pod(object: &Value, causes: &mut Vec<Cause>) {
    let policies = ["Always", "OnFailure", "Never"];
    let policy = text(object, "/spec/restartPolicy");
    if !policies.contains(&policy) {
        causes.push(Cause::unsupported("spec.restartPolicy", policy, &policies));
    }
    for field in ["terminationGracePeriodSeconds", "activeDeadlineSeconds"] {
        if let Some(seconds) = int(object, &format!("/spec/{field}")).filter(|seconds| *seconds < 0) {
            causes.push(Cause::invalid(
                format!("spec.{field}"),
                seconds,
                "must be greater than or equal to 0",
            ));
        }
    }
    let volumes: BTreeSet<&str> = items(object, "/spec/volumes")
        .iter()
        .map(|volume| text(volume, "/name"))
        .collect();
    let containers = items(object, "/spec/containers");
    if containers.is_empty() {
        causes.push(Cause::required("spec.containers", ""));
    }
    let mut names = BTreeSet::new();
    for (index, one) in containers.iter().enumerate() {
        let at = format!("spec.containers[{index}]");
        if !names.insert(text(one, "/name")) {
            causes.push(Cause::duplicate(format!("{at}.name"), text(one, "/name")));
        }
        container(one, &at, &volumes, causes);
    }
}

fn container(container: &Value, at: &str, volumes: &BTreeSet<&str>, causes: &mut Vec<Cause>) {
    let name = text(container, "/name");
    if name.is_empty() {
        causes.push(Cause::required(format!("{at}.name"), ""));
    } else {
        let found = metadata::name_problems(Names::Label, name);
        causes.extend(
            found
                .iter()
                .map(|problem| Cause::invalid(format!("{at}.name"), name, problem)),
        );
    }
    if text(container, "/image").trim().is_empty() {
        causes.push(Cause::required(format!("{at}.image"), ""));
    }
    let policies = ["Always", "IfNotPresent", "Never"];
    let policy = text(container, "/imagePullPolicy");
    if !policies.contains(&policy) {
        causes.push(Cause::unsupported(format!("{at}.imagePullPolicy"), policy, &policies));
    }
    for (index, port) in items(container, "/ports").iter().enumerate() {
        let field = format!("{at}.ports[{index}].containerPort");
        network::port_number(field, int(port, "/containerPort").unwrap_or(0), causes);
    }
    for (index, mount) in items(container, "/volumeMounts").iter().enumerate() {
        if !volumes.contains(text(mount, "/name")) {
            let field = format!("{at}.volumeMounts[{index}].name");
            causes.push(Cause::not_found(field, text(mount, "/name")));
        }
    }
    for pointer in ["/securityContext/runAsUser", "/securityContext/runAsGroup"] {
        if let Some(id) = int(container, pointer).filter(|id| *id < 0) {
            let field = format!("{at}{}", pointer.replace('/', "."));
            causes.push(Cause::invalid(field, id, "must be between 0 and 2147483647, inclusive"));
        }
    }
    resources(container, at, causes);
}

fn resources(container: &Value, at: &str, causes: &mut Vec<Cause>) {
    for part in ["limits", "requests"] {
        for (name, quantity) in members(container, &format!("/resources/{part}")) {
            if milli(quantity.as_str().unwrap_or("")).is_ok_and(|amount| amount < 0) {
                let field = format!("{at}.resources.{part}[{name}]");
                causes.push(Cause::invalid(
                    field,
                    quantity.clone(),
                    "must be greater than or equal to 0",
                ));
            }
        }
    }
    for (name, request) in members(container, "/resources/requests") {
        let limit = container["resources"]["limits"][name].as_str();
        let request = request.as_str().unwrap_or("");
        if let Some(limit) = limit.filter(|limit| milli(request).ok() > milli(limit).ok()) {
            let detail = format!("must be less than or equal to {name} limit of {limit}");
            causes.push(Cause::invalid(format!("{at}.resources.requests"), request, &detail));
        }
    }
}

fn lease(object: &Value, causes: &mut Vec<Cause>) {
    for field in ["leaseDurationSeconds", "leaseTransitions"] {
        let (least, detail) = match field {
            "leaseDurationSeconds" => (1, "must be greater than 0"),
            _ => (0, "must be greater than or equal to 0"),
        };
        if let Some(number) = int(object, &format!("/spec/{field}")).filter(|number| *number < least) {
            causes.push(Cause::invalid(format!("spec.{field}"), number, detail));
        }
    }
}
