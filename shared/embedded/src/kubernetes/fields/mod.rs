//! Sets of an object's fields, as `managedFields` names them, and what is done by them: comparing, merging and removing
//! (`sigs.k8s.io/structured-merge-diff`).

mod changes;
mod merge;

pub(super) use changes::{Changes, compare, fields_of};
pub(super) use merge::{merge, repeated, without};

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::schema::{List, key_default};

/// Fields of an object. Each step of a path is as in `fieldsV1`: `f:` and a name, `k:` and the keys of an element, or
/// `v:` and a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set(BTreeMap<String, Node>);

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Node {
    /// Whether the field itself is in the set.
    member: bool,
    /// What is in the set below it.
    below: Set,
}

impl Set {
    /// Reads `fieldsV1`. Steps of an unknown form are left out.
    pub(super) fn read(fields: &Value) -> Set {
        let mut set = Set::default();
        for (step, below) in fields.as_object().into_iter().flatten() {
            let Some(step) = normal(step) else { continue };
            let leaf = below.as_object().is_none_or(Map::is_empty);
            let node = Node {
                member: leaf || below.get(".").is_some(),
                below: Set::read(below),
            };
            set.0.insert(step, node);
        }
        set
    }

    /// The set as `fieldsV1`.
    pub(super) fn write(&self) -> Value {
        let mut fields = Map::new();
        for (step, node) in &self.0 {
            let mut below = node.below.write();
            if node.member && !node.below.is_empty() {
                below["."] = Value::Object(Map::new());
            }
            fields.insert(step.clone(), below);
        }
        Value::Object(fields)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds the field at `path`, and nothing on the way to it.
    pub(super) fn insert(&mut self, path: &[String]) {
        if let [step, rest @ ..] = path {
            if !self.0.contains_key(step) {
                self.0.insert(step.clone(), Node::default());
            }
            match (self.0.get_mut(step), rest) {
                (Some(node), []) => node.member = true,
                (Some(node), rest) => node.below.insert(rest),
                (None, _) => {}
            }
        }
    }

    fn has(&self, step: &str) -> bool {
        self.0.get(step).is_some_and(|node| node.member)
    }

    fn below(&self, step: &str) -> Option<&Set> {
        self.0
            .get(step)
            .map(|node| &node.below)
            .filter(|below| !below.is_empty())
    }

    /// What is in either.
    pub(super) fn union(mut self, other: Set) -> Set {
        if self.is_empty() {
            return other;
        }
        for (step, node) in other.0 {
            let own = self.0.entry(step).or_default();
            own.member |= node.member;
            own.below = std::mem::take(&mut own.below).union(node.below);
        }
        self
    }

    /// What is in both.
    pub(super) fn intersection(&self, other: &Set) -> Set {
        self.combine(other, |own, theirs| own && theirs, Set::intersection, false)
    }

    /// What is not in the other.
    pub(super) fn difference(&self, other: &Set) -> Set {
        self.combine(other, |own, theirs| own && !theirs, Set::difference, true)
    }

    fn combine(&self, other: &Set, member: fn(bool, bool) -> bool, below: fn(&Set, &Set) -> Set, alone: bool) -> Set {
        let mut set = BTreeMap::new();
        for (step, node) in &self.0 {
            let node = match other.0.get(step) {
                Some(theirs) => Node {
                    member: member(node.member, theirs.member),
                    below: below(&node.below, &theirs.below),
                },
                None if alone => node.clone(),
                None => continue,
            };
            if node.member || !node.below.is_empty() {
                set.insert(step.clone(), node);
            }
        }
        Set(set)
    }

    /// The set with the named fields on the way to its members.
    pub(super) fn with_parents(&self) -> Set {
        let node = |(step, node): (&String, &Node)| {
            let below = node.below.with_parents();
            let member = node.member || (step.starts_with("f:") && !below.is_empty());
            (step.clone(), Node { member, below })
        };
        Set(self.0.iter().map(node).collect())
    }

    /// Keeps of the fields of the object itself those that `keep` takes, with all that is below them.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.0.retain(|step, _| keep(step.strip_prefix("f:").unwrap_or(step)));
    }

    /// Takes out what the server alone decides.
    pub(super) fn strip(&mut self) {
        const METADATA: &[&str] = &[
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "clusterName",
            "generation",
            "managedFields",
            "resourceVersion",
        ];
        self.retain(|name| !matches!(name, "apiVersion" | "kind"));
        if let Some(node) = self.0.get_mut("f:metadata") {
            node.member = false;
            node.below.retain(|name| !METADATA.contains(&name));
            if node.below.is_empty() {
                self.0.remove("f:metadata");
            }
        }
    }

    /// The paths of all members as messages show them, in order.
    pub(super) fn shown(&self) -> Vec<String> {
        let mut paths = Vec::new();
        for (step, node) in &self.0 {
            let step = shown(step);
            if node.member {
                paths.push(step.clone());
            }
            paths.extend(node.below.shown().into_iter().map(|rest| format!("{step}{rest}")));
        }
        paths
    }
}

/// The step to a member of a map.
fn field(name: &str) -> String {
    format!("f:{name}")
}

/// The step to an element of a list, or why there is none.
fn element(list: List, element: &Value) -> Result<String, String> {
    let List::Map(keys) = list else {
        return match element {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
            scalar => Ok(format!("v:{scalar}")),
        };
    };
    let Value::Object(members) = element else {
        return Err("associative list with keys may not have non-map elements".to_owned());
    };
    let value = |key: &&str| members.get(*key).cloned().or_else(|| Some(key_default(key)?.into()));
    let own: Map<String, Value> = keys
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), value(key)?)))
        .collect();
    if own.is_empty() {
        let message = format!(
            "associative list with keys has an element that omits all key fields {keys:?} (and doesn't have default \
             values for any key fields)"
        );
        return Err(message);
    }
    Ok(format!("k:{}", Value::Object(own)))
}

/// A step as it is written here, whoever wrote it; `None` when its form is unknown.
fn normal(step: &str) -> Option<String> {
    let (form, rest) = step.split_once(':')?;
    match form {
        "f" => Some(step.to_owned()),
        "k" | "v" => serde_json::from_str::<Value>(rest)
            .ok()
            .map(|value| format!("{form}:{value}")),
        _ => None,
    }
}

fn shown(step: &str) -> String {
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
    match step.split_once(':') {
        Some(("f", name)) => format!(".{name}"),
        Some(("k", keys)) => {
            let keys = read(keys);
            let keys = keys.as_object().into_iter().flatten();
            let keys: Vec<String> = keys.map(|(name, value)| format!("{name}={value}")).collect();
            format!("[{}]", keys.join(","))
        }
        Some((_, value)) => format!("[={value}]"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_set_is_read_and_written_as_it_was() {
        let fields =
            json!({"f:a": {".": {}, "f:b": {}, "k:{\"x\":1,\"y\":\"z\"}": {"f:x": {}}}, "f:c": {"v:\"d\"": {}}});
        let set = Set::read(&fields);
        assert_eq!(set.write(), fields);
        assert_eq!(set.shown(), [".a", ".a.b", ".a[x=1,y=\"z\"].x", ".c[=\"d\"]"]);
        assert_eq!(set.difference(&set), Set::default());
        assert_eq!(set.intersection(&set), set);
        assert_eq!(Set::default().union(set.clone()), set);
    }

    #[test]
    fn parents_and_children_are_apart() {
        let parent = Set::read(&json!({"f:a": {}}));
        let child = Set::read(&json!({"f:a": {"f:b": {}}}));
        assert_eq!(child.difference(&parent), child);
        assert_eq!(parent.difference(&child), parent);
        assert_eq!(child.with_parents(), Set::read(&json!({"f:a": {".": {}, "f:b": {}}})));
        assert!(parent.intersection(&child).is_empty());
    }
}
