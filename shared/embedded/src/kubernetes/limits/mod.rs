//! What a namespace may hold and its pods may ask for: resource quotas and limit ranges.

mod quotas;
mod ranges;
mod usage;
mod validation;

use serde_json::Value;

use super::json::members;
use super::quantity::Quantity;

pub(super) use quotas::check_simulated;
pub(super) use ranges::{check, fill, give};
pub(super) use validation::{limit_range, resource_quota};

/// Amounts by the names of resources.
type Amounts = std::collections::BTreeMap<String, Quantity>;

/// The quantities of the map at `pointer`; what is none is left out.
fn amounts(object: &Value, pointer: &str) -> Amounts {
    members(object, pointer)
        .filter_map(|(name, value)| Some((name.clone(), Quantity::read(value.as_str()?).ok()?)))
        .collect()
}

/// Adds amounts to a sum.
fn add(sum: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let known = sum.get(name).copied().unwrap_or_default();
        sum.insert(name.clone(), known.plus(*amount));
    }
}

/// What the containers of a pod ask for together in `part`, `requests` or `limits`: those that run side by side, or the
/// largest of those that run before them.
fn of_pod(pod: &Value, part: &str) -> Amounts {
    let own = |container: &Value| amounts(container, &format!("/resources/{part}"));
    let mut sum = Amounts::new();
    for container in super::json::items(pod, "/spec/containers") {
        add(&mut sum, &own(container));
    }
    for container in super::json::items(pod, "/spec/initContainers") {
        for (name, amount) in own(container) {
            let known = sum.entry(name).or_insert(amount);
            *known = (*known).max(amount);
        }
    }
    sum
}
