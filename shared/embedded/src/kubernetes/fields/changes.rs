//! Which fields an object has, and which differ between two.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::super::schema::{List, Place};
use super::{Set, element, field};

/// What changes between two objects. No field is in two of the sets.
#[derive(Debug, Default)]
pub(in super::super) struct Changes {
    pub(in super::super) removed: Set,
    pub(in super::super) modified: Set,
    pub(in super::super) added: Set,
}

impl Changes {
    /// Keeps of all three sets what `keep` takes, see [`Set::retain`].
    pub(in super::super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        for set in [&mut self.removed, &mut self.modified, &mut self.added] {
            set.retain(&keep);
        }
    }
}

/// Compares two objects.
pub(in super::super) fn compare(place: Place, old: &Value, new: &Value) -> Changes {
    let mut changes = Changes::default();
    walk(place, Some(old), Some(new), &mut Vec::new(), &mut changes);
    changes
}

fn walk(place: Place, old: Option<&Value>, new: Option<&Value>, path: &mut Vec<String>, changes: &mut Changes) {
    if old == new {
        return;
    }
    match shape(place, old, new) {
        Shape::Map => {
            let (olds, news) = (members(old), members(new));
            let names: BTreeSet<&String> = olds.into_iter().chain(news).flat_map(Map::keys).collect();
            for name in names {
                let [old, new] = [olds, news].map(|map| map.and_then(|map| map.get(name)));
                path.push(field(name));
                walk(place.member(name), old, new, path, changes);
                path.pop();
            }
        }
        Shape::List => walk_elements(place, old, new, path, changes),
        Shape::Leaf => {
            match (old, new) {
                (None, _) => changes.added.insert(path),
                (_, None) => changes.removed.insert(path),
                _ => changes.modified.insert(path),
            }
            return;
        }
    }
    match (old, new) {
        (None, _) => changes.added.insert(path),
        (_, None) => changes.removed.insert(path),
        _ => {}
    }
}

fn walk_elements(
    place: Place,
    old: Option<&Value>,
    new: Option<&Value>,
    path: &mut Vec<String>,
    changes: &mut Changes,
) {
    let (olds, news) = (by_step(place, old), by_step(place, new));
    let steps: BTreeSet<&String> = olds.keys().chain(news.keys()).collect();
    for step in steps {
        let [olds, news] = [&olds, &news].map(|map| map.get(step).map_or(&[][..], Vec::as_slice));
        path.push(step.clone());
        match (olds, news) {
            ([_, _, ..], [_, _, ..]) if olds == news => {}
            ([_, _, ..], [_, _, ..]) => changes.modified.insert(path),
            ([_, _, ..], rest) => {
                if let [new] = rest {
                    walk(place.element(), None, Some(new), path, changes);
                }
                changes.removed.insert(path);
            }
            (rest, [_, _, ..]) => {
                if let [old] = rest {
                    walk(place.element(), Some(old), None, path, changes);
                }
                changes.added.insert(path);
            }
            (old, new) => walk(
                place.element(),
                old.first().copied(),
                new.first().copied(),
                path,
                changes,
            ),
        }
        path.pop();
    }
}

/// The fields that an object has.
pub(in super::super) fn fields_of(place: Place, object: &Value) -> Set {
    let mut set = Set::default();
    collect(place, object, &mut Vec::new(), &mut set);
    set
}

fn collect(place: Place, value: &Value, path: &mut Vec<String>, set: &mut Set) {
    match value {
        Value::Object(map) if !place.atomic => {
            for (name, value) in map {
                path.push(field(name));
                collect(place.member(name), value, path, set);
                if value.is_null() || value.as_object().is_some_and(Map::is_empty) {
                    set.insert(path);
                }
                path.pop();
            }
        }
        Value::Array(_) if place.list != List::Atomic => {
            for (step, values) in by_step(place, Some(value)) {
                path.push(step);
                if let [one] = values.as_slice() {
                    collect(place.element(), one, path, set);
                }
                set.insert(path);
                path.pop();
            }
        }
        _ => set.insert(path),
    }
}

/// The elements of a list by the step that leads to them. What no step leads to is nobody's.
fn by_step(place: Place, value: Option<&Value>) -> BTreeMap<String, Vec<&Value>> {
    let mut found: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for one in value.and_then(Value::as_array).into_iter().flatten() {
        if let Ok(step) = element(place.list, one) {
            found.entry(step).or_default().push(one);
        }
    }
    found
}

/// How two values of a place are looked at together.
pub(super) enum Shape {
    /// Each as a whole.
    Leaf,
    Map,
    List,
}

/// Null fits whatever the other is.
pub(super) fn shape(place: Place, old: Option<&Value>, new: Option<&Value>) -> Shape {
    match new.filter(|value| !value.is_null()).or(old) {
        _ if is_bare(old) && is_bare(new) => Shape::Leaf,
        Some(Value::Object(_)) if !place.atomic => Shape::Map,
        Some(Value::Array(_)) if place.list != List::Atomic => Shape::List,
        _ => Shape::Leaf,
    }
}

/// Whether there is nothing in a value, or no value.
fn is_bare(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}

fn members(value: Option<&Value>) -> Option<&Map<String, Value>> {
    value.and_then(Value::as_object)
}
