//! Strategic merge patches: maps by name, some lists by a key of their elements, and directives (apimachinery's
//! `pkg/util/strategicpatch`).

use serde_json::{Map, Value};

use super::schema::{Patch, Place};
use super::status::Refusal;

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const DELETE_FROM: &str = "$deleteFromPrimitiveList";
const ORDER: &str = "$setElementOrder";

type Members = Map<String, Value>;

/// Merges `patch` into the map at `place`.
pub(super) fn merge(place: Place, old: &mut Members, mut patch: Members) -> Result<(), Refusal> {
    match patch.remove(DIRECTIVE) {
        None => {}
        Some(directive) if directive == "replace" => {
            *old = patch;
            return Ok(());
        }
        Some(directive) if directive == "delete" => {
            old.clear();
            return Ok(());
        }
        Some(directive) => {
            patch.insert(DIRECTIVE.to_owned(), directive.clone());
            return Err(unknown_directive(&directive, &patch));
        }
    }
    retain(old, &mut patch)?;
    order(place, old, &mut patch)?;
    for (name, value) in patch {
        let unwanted = match name.strip_prefix(DELETE_FROM) {
            Some(rest) => Some(rest.strip_prefix('/').ok_or_else(|| bad_format("primitive list"))?),
            None => None,
        };
        match unwanted {
            Some(name) => delete_values(old, name, &value),
            None => merge_member(place.member(&name), old, name, value)?,
        }
    }
    Ok(())
}

fn merge_member(place: Place, old: &mut Members, name: String, value: Value) -> Result<(), Refusal> {
    match (old.get_mut(&name), value) {
        (_, Value::Null) => drop(old.remove(&name)),
        (Some(Value::Object(old)), Value::Object(patch)) if place.patch != Patch::Replace => {
            merge(place, old, patch)?;
        }
        (Some(Value::Array(old)), Value::Array(patch)) => *old = merge_list(place, std::mem::take(old), patch)?,
        (Some(Value::Object(old)), Value::Object(patch)) => *old = patch,
        (_, value) => match plain(value) {
            Some(value) => drop(old.insert(name, value)),
            None => drop(old.remove(&name)),
        },
    }
    Ok(())
}

/// A value that is new, without directives; `None` when it is one.
fn plain(value: Value) -> Option<Value> {
    match value {
        Value::Object(members) if members.contains_key(DIRECTIVE) => None,
        Value::Object(members) => {
            let members = members.into_iter().filter(|(_, value)| !value.is_null());
            Some(
                members
                    .filter_map(|(name, value)| Some((name, plain(value)?)))
                    .collect(),
            )
        }
        Value::Array(items) => Some(items.into_iter().filter_map(plain).collect()),
        value => Some(value),
    }
}

/// `$retainKeys`: what it does not name goes.
fn retain(old: &mut Members, patch: &mut Members) -> Result<(), Refusal> {
    let Some(kept) = patch.remove(RETAIN) else {
        return Ok(());
    };
    let kept = kept.as_array().ok_or_else(|| bad_format("retainKeys"))?;
    let is_kept = |name: &String| kept.iter().any(|one| one == name);
    let beside = |name: &str| name.starts_with(DELETE_FROM) || name.starts_with(ORDER);
    if patch
        .iter()
        .any(|(name, value)| !value.is_null() && !beside(name) && !is_kept(name))
    {
        return Err(bad_format("retainKeys"));
    }
    old.retain(|name, _| is_kept(name));
    Ok(())
}

/// `$setElementOrder`: the lists that it names are merged and put in that order.
fn order(place: Place, old: &mut Members, patch: &mut Members) -> Result<(), Refusal> {
    let named: Vec<String> = patch.keys().filter(|name| name.starts_with(ORDER)).cloned().collect();
    for directive in named {
        let bad = || bad_format("setElementOrder list");
        let name = directive[ORDER.len()..].strip_prefix('/').ok_or_else(bad)?;
        let place = place.member(name);
        let wanted = match patch.remove(&directive) {
            Some(Value::Array(wanted)) => wanted,
            other => return Err(bad_type("[]interface {}", &other.unwrap_or_default())),
        };
        let given = match patch.remove(name) {
            None => None,
            Some(Value::Array(given)) => Some(given),
            Some(other) => return Err(bad_type("[]interface {}", &other)),
        };
        check_order(place, given.as_deref().unwrap_or_default(), &wanted)?;
        let before = match old.get(name) {
            None => None,
            Some(Value::Array(before)) => Some(before.clone()),
            Some(other) => return Err(bad_type("[]interface {}", other)),
        };
        let merged = match (&before, given) {
            (None, None) => continue,
            (Some(before), None) => before.clone(),
            (None, Some(given)) => given.into_iter().filter_map(plain).collect(),
            (Some(before), Some(given)) => merge_list(place, before.clone(), given)?,
        };
        let sorted = sort(place, merged, &wanted, &before.unwrap_or_default())?;
        old.insert(name.to_owned(), sorted.into());
    }
    Ok(())
}

/// What is given comes in the order that is wanted.
fn check_order(place: Place, given: &[Value], wanted: &[Value]) -> Result<(), Refusal> {
    if given.is_empty() || wanted.is_empty() {
        return Ok(());
    }
    let mut later = wanted.iter();
    for one in given.iter().filter(|one| one.get(DIRECTIVE).is_none()) {
        let own = key(place, one)?;
        if !later.any(|other| key(place, other).ok() == Some(own)) {
            let message = format!(
                "The order in patch list:\n{}\n doesn't match {ORDER} list:\n{}\n",
                shown(&given.into()),
                shown(&wanted.into())
            );
            return Err(Refusal::internal(message));
        }
    }
    Ok(())
}

fn delete_values(old: &mut Members, name: &str, unwanted: &Value) {
    if let (Some(Value::Array(old)), Some(unwanted)) = (old.get_mut(name), unwanted.as_array()) {
        old.retain(|one| !unwanted.contains(one));
    }
}

fn merge_list(place: Place, old: Vec<Value>, patch: Vec<Value>) -> Result<Vec<Value>, Refusal> {
    match place.patch {
        Patch::Plain | Patch::Replace => Ok(patch),
        _ if old.is_empty() && patch.is_empty() => Ok(old),
        Patch::Values => {
            let mut merged = old.clone();
            for one in &patch {
                if !merged.contains(one) {
                    merged.push(one.clone());
                }
            }
            sort(place, merged, &patch, &old)
        }
        Patch::Key(_) => merge_elements(place, old, patch),
    }
}

fn merge_elements(place: Place, mut old: Vec<Value>, patch: Vec<Value>) -> Result<Vec<Value>, Refusal> {
    let mut replace = false;
    let mut given = Vec::new();
    for one in patch {
        let Value::Object(members) = &one else {
            return Err(bad_type("map[string]interface {}", &one));
        };
        match members.get(DIRECTIVE) {
            None => given.push(one),
            Some(directive) if directive == "delete" => {
                let unwanted = key(place, &one)?;
                old.retain(|other| key(place, other).ok() != Some(unwanted));
            }
            Some(directive) if directive == "replace" => replace = true,
            Some(directive) if directive == "merge" => {
                return Err(Refusal::internal("merging lists cannot yet be specified in the patch"));
            }
            Some(directive) => return Err(unknown_directive(directive, members)),
        }
    }
    if replace {
        return Ok(given);
    }
    let mut merged = old.clone();
    for one in &given {
        let own = key(place, one)?;
        let found = merged.iter_mut().find(|other| key(place, other).ok() == Some(own));
        match (found, one) {
            (Some(Value::Object(found)), Value::Object(one)) => merge(place.element(), found, one.clone())?,
            _ => merged.push(one.clone()),
        }
    }
    sort(place, merged, &given, &old)
}

/// Puts what is in `order` in that order, and lets the others stay where they are as far as `before` tells.
fn sort(place: Place, merged: Vec<Value>, order: &[Value], before: &[Value]) -> Result<Vec<Value>, Refusal> {
    let at = |list: &[Value], one: &Value| {
        let own = key(place, one).ok();
        list.iter().position(|other| key(place, other).ok() == own)
    };
    for one in merged.iter().chain(order) {
        key(place, one)?;
    }
    let (mut ours, mut others): (Vec<Value>, Vec<Value>) = merged.into_iter().partition(|one| at(order, one).is_some());
    ours.sort_by_key(|one| at(order, one));
    others.sort_by_key(|one| at(before, one).unwrap_or(usize::MAX));
    let (mut ours, mut others) = (ours.into_iter().peekable(), others.into_iter().peekable());
    let mut sorted = Vec::new();
    while let Some(our) = ours.peek() {
        let comes_first =
            |other: &Value| matches!((at(before, other), at(before, our)), (Some(left), Some(right)) if left < right);
        match others.next_if(comes_first) {
            Some(other) => sorted.push(other),
            None => sorted.extend(ours.next()),
        }
    }
    sorted.extend(others);
    Ok(sorted)
}

/// What an element is told apart by: its key, or itself.
fn key(place: Place, element: &Value) -> Result<&Value, Refusal> {
    let Patch::Key(name) = place.patch else {
        return Ok(element);
    };
    let missing = || {
        Refusal::internal(format!(
            "map: {} does not contain declared merge key: {name}",
            shown(element)
        ))
    };
    match element {
        Value::Object(members) => members.get(name).ok_or_else(missing),
        other => Err(bad_type("map[string]interface {}", other)),
    }
}

fn bad_format(what: &str) -> Refusal {
    Refusal::bad_request(format!("invalid patch format of {what}"))
}

fn bad_type(expected: &str, given: &Value) -> Refusal {
    let given = match given {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    Refusal::internal(format!("expected a {expected}, but received a {given}"))
}

fn unknown_directive(directive: &Value, map: &Members) -> Refusal {
    let message = format!(
        "unknown patch type: {} in map: {}",
        shown(directive),
        shown(&map.clone().into())
    );
    Refusal::internal(message)
}

/// A value as Go prints it.
fn shown(value: &Value) -> String {
    let all = |parts: Vec<String>| parts.join(" ");
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", all(items.iter().map(shown).collect())),
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| format!("{name}:{}", shown(value));
            format!("map[{}]", all(members.iter().map(member).collect()))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_of_a_template_are_merged_by_their_keys() {
        let container = json!({
            "name": "a", "image": "x", "args": ["1"],
            "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
            "volumeMounts": [{"mountPath": "/v", "name": "v"}],
        });
        let spec = json!({"containers": [container], "tolerations": [{"key": "k"}], "volumes": [{"name": "v"}]});
        let mut deployment = json!({"spec": {"template": {"spec": spec}}});
        let container = json!({
            "name": "a", "args": ["2"],
            "env": [{"name": "B", "value": "3"}, {"name": "A", "$patch": "delete"}],
            "volumeMounts": [{"mountPath": "/v", "readOnly": true}],
        });
        let patch = json!({
            "containers": [{"name": "b"}, container], "tolerations": [], "volumes": [{"name": "v", "secret": null}],
        });
        let patch = json!({"spec": {"template": {"spec": patch}}});
        let (Value::Object(old), Value::Object(patch)) = (&mut deployment, patch) else {
            panic!("no maps");
        };
        merge(Place::whole("Deployment"), old, patch).unwrap();
        let merged = json!({
            "name": "a", "image": "x", "args": ["2"],
            "env": [{"name": "B", "value": "3"}],
            "volumeMounts": [{"mountPath": "/v", "name": "v", "readOnly": true}],
        });
        let spec = json!({"containers": [{"name": "b"}, merged], "tolerations": [], "volumes": [{"name": "v"}]});
        assert_eq!(deployment, json!({"spec": {"template": {"spec": spec}}}));
    }
}
