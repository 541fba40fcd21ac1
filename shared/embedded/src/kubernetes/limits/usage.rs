//! What an object counts for in a quota (`pkg/quota/v1/evaluator/core`).

use serde_json::Value;

use super::super::json::{int, items, text};
use super::super::quantity::Quantity;
use super::super::registry::{KINDS, KindId, PERSISTENT_VOLUME_CLAIMS, PODS, SERVICES};
use super::{Amounts, amounts, of_pod};

const COMPUTE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];
/// What a pod's containers must say when a quota counts it.
const TO_SAY: [&str; 6] = [
    "cpu",
    "memory",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
];
/// Kinds of the core group that have a name of their own beside `count/`.
const ALIASES: [&str; 4] = ["configmaps", "replicationcontrollers", "resourcequotas", "secrets"];

/// The name under which the objects of a kind are counted.
fn count(id: KindId) -> String {
    format!("count/{}", KINDS[id].qualified())
}

/// Whether a quota of this name is about objects of a kind.
pub(super) fn is_about(id: KindId, name: &str) -> bool {
    if name == count(id) {
        return true;
    }
    match id {
        PODS => {
            let compute = name
                .strip_prefix("requests.")
                .or(name.strip_prefix("limits."))
                .unwrap_or(name);
            name == "pods" || COMPUTE.contains(&compute) || (name.starts_with("requests.") && name.contains('/'))
        }
        SERVICES => matches!(name, "services" | "services.loadbalancers" | "services.nodeports"),
        PERSISTENT_VOLUME_CLAIMS => matches!(name, "persistentvolumeclaims" | "requests.storage"),
        _ => KINDS[id].group.is_empty() && KINDS[id].plural == name && ALIASES.contains(&name),
    }
}

/// What an object counts for.
pub(super) fn of(id: KindId, object: &Value) -> Amounts {
    let one = Quantity::whole(1);
    let mut usage = Amounts::from([(count(id), one)]);
    let name = KINDS[id].plural;
    match id {
        PODS if matches!(text(object, "/status/phase"), "Succeeded" | "Failed") => {}
        PODS => {
            usage.extend(of_compute(&of_pod(object, "requests"), &of_pod(object, "limits")));
            usage.insert("pods".to_owned(), one);
        }
        PERSISTENT_VOLUME_CLAIMS => {
            let asked = amounts(object, "/spec/resources/requests");
            let storage = asked.get("storage").copied().unwrap_or_default();
            usage.extend([(name.to_owned(), one), ("requests.storage".to_owned(), storage)]);
        }
        SERVICES => drop(usage.insert(name.to_owned(), one)),
        _ if is_about(id, name) => drop(usage.insert(name.to_owned(), one)),
        _ => {}
    }
    usage
}

fn of_compute(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut usage = Amounts::new();
    for (name, amount) in requests {
        if COMPUTE.contains(&name.as_str()) {
            usage.insert(name.clone(), *amount);
        }
        usage.insert(format!("requests.{name}"), *amount);
    }
    let limits = limits.iter().filter(|(name, _)| COMPUTE.contains(&name.as_str()));
    usage.extend(limits.map(|(name, amount)| (format!("limits.{name}"), *amount)));
    usage
}

/// What containers of a pod do not say although quotas with these names count it, as `name for: containers`.
pub(super) fn unsaid(pod: &Value, names: &[&str]) -> Vec<String> {
    let mut names: Vec<&str> = names.iter().copied().filter(|name| TO_SAY.contains(name)).collect();
    names.sort_unstable();
    let silent = |name: &str| -> Vec<&str> {
        let all = items(pod, "/spec/containers")
            .iter()
            .chain(items(pod, "/spec/initContainers"));
        let mut silent: Vec<&str> = all
            .filter(|container| {
                let of = |part: &str| amounts(container, &format!("/resources/{part}"));
                !of_compute(&of("requests"), &of("limits")).contains_key(name)
            })
            .map(|container| text(container, "/name"))
            .collect();
        silent.sort_unstable();
        silent
    };
    let found = names.into_iter().map(|name| (name, silent(name)));
    found
        .filter(|(_, silent)| !silent.is_empty())
        .map(|(name, silent)| format!("{name} for: {}", silent.join(",")))
        .collect()
}

/// Whether an object is in a scope. None but pods is in any.
pub(super) fn is_in(id: KindId, object: &Value, scope: &str) -> bool {
    let best_effort = || {
        let asked = [of_pod(object, "requests"), of_pod(object, "limits")];
        let compute = asked
            .iter()
            .flatten()
            .filter(|(name, _)| matches!(name.as_str(), "cpu" | "memory"));
        compute.into_iter().all(|(_, amount)| amount.is_zero())
    };
    let ending = int(object, "/spec/activeDeadlineSeconds").is_some_and(|seconds| seconds >= 0);
    id == PODS
        && match scope {
            "BestEffort" => best_effort(),
            "NotBestEffort" => !best_effort(),
            "Terminating" => ending,
            "NotTerminating" => !ending,
            _ => false,
        }
}
