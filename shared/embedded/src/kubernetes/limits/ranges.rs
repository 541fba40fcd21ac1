//! Limit ranges: what containers are given, and how little and how much they may ask for
//! (`plugin/pkg/admission/limitranger`).

use serde_json::{Value, json};

use super::super::json::{default, items, items_mut, members, text};
use super::super::quantity::Quantity;
use super::{Amounts, amounts, of_pod};

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// Gives a limit range what follows from the rest of it: a default limit is the most, a default request is the default
/// limit, or the least.
pub(in super::super) fn fill(range: &mut Value) {
    for limit in items_mut(range, "/spec/limits").filter(|limit| text(limit, "/type") == "Container") {
        for (from, to) in [
            ("max", "default"),
            ("default", "defaultRequest"),
            ("min", "defaultRequest"),
        ] {
            let known: Vec<(String, Value)> = members(limit, &format!("/{from}"))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            for (name, value) in known {
                default(limit, &format!("/{to}"), json!({}));
                let slot = &mut limit[to][&name];
                if slot.is_null() {
                    *slot = value;
                }
            }
        }
    }
}

/// Gives the containers of a pod what they leave out, and says so in an annotation.
pub(in super::super) fn give(range: &Value, pod: &mut Value) {
    let mut told = Vec::new();
    for (part, noun) in [("containers", "container"), ("initContainers", "init container")] {
        for container in items_mut(pod, &format!("/spec/{part}")) {
            let name = text(container, "/name").to_owned();
            for (from, to, what) in [
                ("defaultRequest", "requests", "request"),
                ("default", "limits", "limit"),
            ] {
                let given = give_part(range, from, container, to);
                if !given.is_empty() {
                    told.push(format!("{} {what} for {noun} {name}", given.join(", ")));
                }
            }
        }
    }
    if !told.is_empty() {
        default(pod, "/metadata/annotations", json!({}));
        pod["metadata"]["annotations"][ANNOTATION] = format!("LimitRanger plugin set: {}", told.join("; ")).into();
    }
}

/// Gives a container what it leaves out of its limits or requests, and names it.
fn give_part(range: &Value, from: &str, container: &mut Value, to: &str) -> Vec<String> {
    let mut given = Vec::new();
    let limits = items(range, "/spec/limits")
        .iter()
        .filter(|limit| text(limit, "/type") == "Container");
    for (name, value) in limits.filter_map(|limit| limit[from].as_object()).flatten() {
        if container["resources"][to].get(name).is_none() {
            default(container, &format!("/resources/{to}"), json!({}));
            container["resources"][to][name] = value.clone();
            given.push(name.clone());
        }
    }
    given.sort_unstable();
    given
}

/// What of a pod or a claim breaks a limit range, as one sentence.
pub(in super::super) fn check(range: &Value, object: &Value) -> Option<String> {
    let mut broken = Vec::new();
    let is_claim = text(object, "/kind") == "PersistentVolumeClaim";
    for limit in items(range, "/spec/limits") {
        let mut hold = |requests: &Amounts, limits: &Amounts| hold(limit, is_claim, requests, limits, &mut broken);
        match text(limit, "/type") {
            "Container" if !is_claim => {
                let containers = items(object, "/spec/containers").iter();
                for container in containers.chain(items(object, "/spec/initContainers")) {
                    let of = |part: &str| amounts(container, &format!("/resources/{part}"));
                    hold(&of("requests"), &of("limits"));
                }
            }
            "Pod" if !is_claim => hold(&of_pod(object, "requests"), &of_pod(object, "limits")),
            "PersistentVolumeClaim" if is_claim => {
                hold(&amounts(object, "/spec/resources/requests"), &Amounts::new());
            }
            _ => {}
        }
    }
    match broken.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        _ => {
            let mut once: Vec<String> = Vec::new();
            broken.into_iter().for_each(|one| {
                if !once.contains(&one) {
                    once.push(one)
                }
            });
            Some(if once.len() == 1 {
                once.remove(0)
            } else {
                format!("[{}]", once.join(", "))
            })
        }
    }
}

/// Adds what requests and limits break of one limit.
fn hold(limit: &Value, is_claim: bool, requests: &Amounts, limits: &Amounts, broken: &mut Vec<String>) {
    let kind = text(limit, "/type");
    for (name, least) in amounts(limit, "/min") {
        let head = format!("minimum {name} usage per {kind} is {least}");
        match (requests.get(&name), limits.get(&name)) {
            (None, _) => broken.push(format!("{head}.  No request is specified")),
            (Some(request), _) if *request < least => broken.push(format!("{head}, but request is {request}")),
            (_, Some(most)) if *most < least => broken.push(format!("{head}, but limit is {most}")),
            _ => {}
        }
    }
    for (name, most) in amounts(limit, "/max") {
        let head = format!("maximum {name} usage per {kind} is {most}");
        match (requests.get(&name), limits.get(&name)) {
            (None, _) if is_claim => broken.push(format!("{head}.  No request is specified")),
            (_, None) if !is_claim => broken.push(format!("{head}.  No limit is specified")),
            (_, Some(limit)) if *limit > most => broken.push(format!("{head}, but limit is {limit}")),
            (Some(request), _) if *request > most => broken.push(format!("{head}, but request is {request}")),
            _ => {}
        }
    }
    for (name, ratio) in amounts(limit, "/maxLimitRequestRatio") {
        let head = format!("{name} max limit to request ratio per {kind} is {ratio}");
        let some = |amounts: &Amounts| amounts.get(&name).copied().filter(|amount| !amount.is_zero());
        match (some(requests), some(limits)) {
            (None, _) => broken.push(format!("{head}, but no request is specified or request is 0")),
            (_, None) => broken.push(format!("{head}, but no limit is specified or limit is 0")),
            (Some(request), Some(most)) => {
                let provided = most.over(request);
                if provided > ratio.over(Quantity::whole(1)) {
                    broken.push(format!("{head}, but provided ratio is {provided:.6}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::json::put;
    use super::*;

    #[test]
    fn a_claim_is_held_against_what_it_requests() {
        let range = json!({"spec": {"limits": [
            {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "2Gi"}},
            {"type": "Container", "max": {"cpu": "1"}},
        ]}});
        let claim = |size: &str| {
            let mut claim = json!({"kind": "PersistentVolumeClaim"});
            put(&mut claim, "/spec/resources/requests/storage", size);
            claim
        };
        assert_eq!(check(&range, &claim("1Gi")), None);
        assert_eq!(
            check(&range, &claim("3Gi")).unwrap(),
            "maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"
        );
        assert_eq!(
            check(&range, &claim("1")).unwrap(),
            "minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1"
        );
    }
}
