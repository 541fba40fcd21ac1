//! Merging what is applied into an object, and taking fields out of it.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::super::schema::{List, Place};
use super::changes::{Shape, shape};
use super::{Set, element, field, shown};

/// `live` with what is `applied` in it. Lists keep the order of what is applied, and as far as that allows their own.
pub(in super::super) fn merge(place: Place, live: &Value, applied: &Value) -> Value {
    both(place, Some(live), Some(applied)).unwrap_or_default()
}

fn both(place: Place, live: Option<&Value>, applied: Option<&Value>) -> Option<Value> {
    match shape(place, live, applied) {
        Shape::Map => {
            let maps = [live, applied].map(|value| value.and_then(Value::as_object));
            let names: BTreeSet<&String> = maps.iter().flatten().flat_map(|map| map.keys()).collect();
            let mut merged = Map::new();
            for name in names {
                let [live, applied] = maps.map(|map| map.and_then(|map| map.get(name)));
                if let Some(value) = both(place.member(name), live, applied) {
                    merged.insert(name.clone(), value);
                }
            }
            (!merged.is_empty()).then_some(Value::Object(merged))
        }
        Shape::List => {
            let merged = elements(place, live, applied);
            (!merged.is_empty()).then_some(Value::Array(merged))
        }
        Shape::Leaf => applied.or(live).cloned(),
    }
}

/// Elements in the order of what is applied; those that are live alone stay before the first of what is applied that
/// they came before.
fn elements(place: Place, live: Option<&Value>, applied: Option<&Value>) -> Vec<Value> {
    let (live, applied) = (steps(place, live), steps(place, applied));
    let in_applied = |step: &String| applied.iter().any(|(other, _)| other == step);
    // An element that is there twice is not merged with what is applied.
    let partner = |step: &String| {
        let mut found = live.iter().filter(|(other, _)| other == step).map(|(_, value)| *value);
        found.next().filter(|_| found.next().is_none())
    };
    let mut shared = applied
        .iter()
        .map(|(step, _)| step)
        .filter(|step| live.iter().any(|(other, _)| other == *step));
    let mut next_shared = shared.next();
    let mut merged: BTreeSet<&String> = BTreeSet::new();
    let mut out = Vec::new();
    let (mut left, mut right) = (0, 0);
    while left < live.len() || right < applied.len() {
        if let (Some((step, _)), Some((other, value))) = (live.get(left), applied.get(right)) {
            if step == other {
                merged.insert(step);
                out.extend(both(place.element(), partner(step), Some(value)));
                (left, right) = (left + 1, right + 1);
                next_shared = shared.next();
                continue;
            }
            if in_applied(step) && next_shared.is_some_and(|next| next != step) {
                left += 1;
                continue;
            }
        }
        if let Some((step, value)) = live.get(left) {
            if !in_applied(step) {
                out.extend(both(place.element(), Some(value), None));
                left += 1;
                continue;
            }
            if merged.contains(step) {
                left += 1;
            }
        }
        if let Some((step, value)) = applied.get(right) {
            merged.insert(step);
            out.extend(both(place.element(), partner(step), Some(value)));
            right += 1;
            if next_shared == Some(step) {
                next_shared = shared.next();
            }
        }
    }
    out
}

fn steps(place: Place, value: Option<&Value>) -> Vec<(String, &Value)> {
    let items = value.and_then(Value::as_array).into_iter().flatten();
    items
        .filter_map(|one| Some((element(place.list, one).ok()?, one)))
        .collect()
}

/// `value` without the fields of `set`.
pub(in super::super) fn without(place: Place, value: &Value, set: &Set) -> Value {
    match value {
        Value::Object(map) if !place.atomic => {
            let mut left = Map::new();
            for (name, value) in map {
                let step = field(name);
                if set.has(&step) {
                    continue;
                }
                let value = match set.below(&step) {
                    Some(below) => without(place.member(name), value, below),
                    None => value.clone(),
                };
                left.insert(name.clone(), value);
            }
            if left.is_empty() {
                Value::Null
            } else {
                Value::Object(left)
            }
        }
        Value::Array(items) if place.list != List::Atomic => {
            let mut left = Vec::new();
            for one in items {
                let step = element(place.list, one).unwrap_or_default();
                if set.has(&step) {
                    continue;
                }
                left.push(match set.below(&step) {
                    Some(below) => without(place.element(), one, below),
                    None => one.clone(),
                });
            }
            if left.is_empty() {
                Value::Null
            } else {
                Value::Array(left)
            }
        }
        Value::Object(_) | Value::Array(_) => Value::Null,
        scalar => scalar.clone(),
    }
}

/// Why `applied` cannot be applied: where its elements cannot be told apart.
pub(in super::super) fn repeated(place: Place, applied: &Value) -> Result<(), String> {
    match applied {
        Value::Object(map) if !place.atomic => {
            for (name, value) in map {
                repeated(place.member(name), value).map_err(|why| format!(".{name}{why}"))?;
            }
        }
        Value::Array(items) if place.list != List::Atomic => {
            let mut seen = BTreeSet::new();
            for (at, one) in items.iter().enumerate() {
                let step = element(place.list, one).map_err(|why| format!(": element {at}: {why}"))?;
                let step_shown = shown(&step);
                if !seen.insert(step) {
                    return Err(format!(": duplicate entries for key {step_shown}"));
                }
                repeated(place.element(), one).map_err(|why| format!("{step_shown}{why}"))?;
            }
        }
        _ => {}
    }
    Ok(())
}
