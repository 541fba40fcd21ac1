//! Conditions in the status of a workload.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::json::{items, stamp, text};

/// What a condition says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Said<'a> {
    pub(super) name: &'a str,
    /// `True`, `False` or `Unknown`.
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

/// The condition of this type.
pub(super) fn find<'a>(status: &'a Value, name: &str) -> Option<&'a Value> {
    items(status, "/conditions")
        .iter()
        .find(|one| text(one, "/type") == name)
}

/// Whether the condition of this type holds.
pub(super) fn holds(status: &Value, name: &str) -> bool {
    find(status, name).is_some_and(|one| text(one, "/status") == "True")
}

/// Takes the condition of this type away.
pub(super) fn remove(status: &mut Value, name: &str) {
    let left: Vec<Value> = items(status, "/conditions")
        .iter()
        .filter(|one| text(one, "/type") != name)
        .cloned()
        .collect();
    match left.is_empty() {
        true => drop(status.as_object_mut().map(|status| status.remove("conditions"))),
        false => status["conditions"] = left.into(),
    }
}

fn push(status: &mut Value, condition: Value) {
    match status["conditions"].as_array_mut() {
        Some(conditions) => conditions.push(condition),
        None => status["conditions"] = json!([condition]),
    }
}

/// Sets a condition of a Deployment. One of the same status and reason stays as it is; the time of transition moves with
/// the status.
pub(super) fn set(status: &mut Value, said: Said<'_>, now: Timestamp) {
    let known = find(status, said.name);
    if known.is_some_and(|known| text(known, "/status") == said.status && text(known, "/reason") == said.reason) {
        return;
    }
    renew(status, said, now);
}

/// As [`set`], with the time of the last update in any case.
pub(super) fn renew(status: &mut Value, said: Said<'_>, now: Timestamp) {
    let known = find(status, said.name).filter(|known| text(known, "/status") == said.status);
    let since = known.map_or_else(|| stamp(now), |known| known["lastTransitionTime"].clone());
    remove(status, said.name);
    let mut condition = plain(said);
    condition["lastUpdateTime"] = stamp(now);
    condition["lastTransitionTime"] = since;
    push(status, condition);
}

/// Sets a condition of a Job, in its place. One that does not hold is not begun with. Gives whether something changed.
pub(super) fn set_in_place(status: &mut Value, said: Said<'_>, now: Timestamp) -> bool {
    let mut condition = plain(said);
    condition["lastProbeTime"] = stamp(now);
    condition["lastTransitionTime"] = stamp(now);
    let same = |known: &Value| {
        ["status", "reason", "message"]
            .iter()
            .all(|field| known[*field] == condition[*field])
    };
    let conditions = status["conditions"].as_array_mut();
    match conditions
        .into_iter()
        .flatten()
        .find(|one| text(one, "/type") == said.name)
    {
        Some(known) if same(known) => return false,
        Some(known) => *known = condition,
        None if said.status == "False" => return false,
        None => push(status, condition),
    }
    true
}

fn plain(said: Said<'_>) -> Value {
    json!({ "type": said.name, "status": said.status, "reason": said.reason, "message": said.message })
}
