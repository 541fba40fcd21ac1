//! The objects, their one counter of revisions, and a bounded memory of what changed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::json::{items, put, text};
use super::registry::{DEPLOYMENTS, JOBS, KINDS, Kind, KindId, PODS, REPLICA_SETS};
use super::workloads;

/// Changes that are remembered for watches and for consistent pages; older ones are gone (410).
const HISTORY_MAX: usize = 16_384;

/// Where an object is. Ordered as lists are: by namespace, then by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) id: KindId,
    /// Empty where the kind has no namespaces.
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Key {
    pub(super) fn new(id: KindId, namespace: &str, name: &str) -> Key {
        Key {
            id,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(super) fn kind(&self) -> &'static Kind {
        &KINDS[self.id]
    }
}

/// One write: `before` is absent when it created, `after` when it removed.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) revision: u64,
    pub(super) key: Key,
    pub(super) before: Option<Arc<Value>>,
    pub(super) after: Option<Arc<Value>>,
}

/// All objects.
#[derive(Debug)]
pub(super) struct Objects {
    current: BTreeMap<Key, Arc<Value>>,
    history: VecDeque<Change>,
    revision: u64,
    /// Revision of the newest change that is no longer remembered.
    forgotten: u64,
    /// Uid of an owner → what it owns.
    owned: BTreeMap<String, BTreeSet<Key>>,
    /// Uid → where the object is.
    places: BTreeMap<String, Key>,
    /// What controllers have to look at again.
    stirred: BTreeSet<Key>,
}

impl Objects {
    /// Nothing yet, with revisions from `revision` on.
    pub(super) fn new(revision: u64) -> Objects {
        let (current, history) = (BTreeMap::new(), VecDeque::new());
        Objects {
            current,
            history,
            revision,
            forgotten: revision,
            owned: BTreeMap::new(),
            places: BTreeMap::new(),
            stirred: BTreeSet::new(),
        }
    }

    /// The revision of the last change.
    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// The revision of the newest change that is no longer remembered.
    pub(super) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.current.get(key)
    }

    /// The objects of a kind in one namespace, or (empty) everywhere.
    pub(super) fn list<'a>(
        &'a self,
        id: KindId,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a Key, &'a Arc<Value>)> + 'a {
        self.current
            .range(Key::new(id, namespace, "")..)
            .take_while(move |(key, _)| key.id == id && (namespace.is_empty() || key.namespace == namespace))
    }

    /// The objects of a kind as they were at a revision, in order; `None` when that is forgotten.
    pub(super) fn at<'a>(
        &'a self,
        revision: u64,
        id: KindId,
        namespace: &'a str,
    ) -> Option<Vec<(&'a Key, &'a Arc<Value>)>> {
        let here =
            |change: &&Change| change.key.id == id && (namespace.is_empty() || change.key.namespace == namespace);
        // The first change since then tells how it was then.
        let mut then: BTreeMap<&Key, Option<&Arc<Value>>> = BTreeMap::new();
        for change in self.since(revision)?.rev().filter(here) {
            then.insert(&change.key, change.before.as_ref());
        }
        let unchanged = self.list(id, namespace).filter(|(key, _)| !then.contains_key(key));
        let mut objects: Vec<_> = unchanged.collect();
        if !then.is_empty() {
            objects.extend(then.into_iter().filter_map(|(key, object)| Some((key, object?))));
            objects.sort_unstable_by_key(|(key, _)| *key);
        }
        Some(objects)
    }

    /// The changes after a revision, oldest first; `None` when some of them are forgotten.
    pub(super) fn since(&self, revision: u64) -> Option<impl DoubleEndedIterator<Item = &Change>> {
        let from = self.history.partition_point(|change| change.revision <= revision);
        (revision >= self.forgotten).then(|| self.history.range(from..))
    }

    /// Stores an object under a new revision.
    pub(super) fn write(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        let revision = self.next_revision();
        put(&mut object, "/metadata/resourceVersion", revision.to_string());
        let object = Arc::new(object);
        for owner in owners(&object) {
            self.owned.entry(owner).or_default().insert(key.clone());
        }
        self.places
            .insert(text(&object, "/metadata/uid").to_owned(), key.clone());
        let before = self.current.insert(key.clone(), Arc::clone(&object));
        if let Some(before) = &before {
            let left: Vec<String> = owners(before)
                .filter(|owner| !owners(&object).any(|other| other == *owner))
                .collect();
            left.into_iter().for_each(|owner| self.disown(&owner, &key));
        }
        self.stir_controllers(&key, before.as_deref(), Some(&object));
        self.remember(Change {
            revision,
            key,
            before,
            after: Some(Arc::clone(&object)),
        });
        object
    }

    /// Removes an object and gives its last state.
    pub(super) fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.current.remove(key)?;
        let revision = self.next_revision();
        self.places.remove(text(&before, "/metadata/uid"));
        owners(&before).for_each(|owner| self.disown(&owner, key));
        self.stir_controllers(key, Some(&before), None);
        self.remember(Change {
            revision,
            key: key.clone(),
            before: Some(Arc::clone(&before)),
            after: None,
        });
        Some(before)
    }

    /// What names the object of this uid as an owner.
    pub(super) fn owned_by(&self, uid: &str) -> Vec<Key> {
        self.owned.get(uid).into_iter().flatten().cloned().collect()
    }

    /// Where the object of this uid is.
    pub(super) fn key_of(&self, uid: &str) -> Option<&Key> {
        self.places.get(uid)
    }

    /// The object of this uid.
    pub(super) fn by_uid(&self, uid: &str) -> Option<&Arc<Value>> {
        self.get(self.key_of(uid)?)
    }

    /// Everything in a namespace.
    pub(super) fn contents(&self, namespace: &str) -> Vec<Key> {
        let kinds = KINDS.iter().enumerate().filter(|(_, kind)| kind.namespaced);
        kinds
            .flat_map(|(id, _)| self.list(id, namespace).map(|(key, _)| key.clone()))
            .collect()
    }

    /// Whether a controller has something to look at.
    pub(super) fn has_stirred(&self) -> bool {
        !self.stirred.is_empty()
    }

    /// What controllers have to look at again.
    pub(super) fn take_stirred(&mut self) -> BTreeSet<Key> {
        std::mem::take(&mut self.stirred)
    }

    /// Has a controller look at an object.
    pub(super) fn stir(&mut self, key: Key) {
        self.stirred.insert(key);
    }

    /// Has those controllers look again that a change is about. What nobody controls may be somebody's from now on.
    fn stir_controllers(&mut self, key: &Key, before: Option<&Value>, after: Option<&Value>) {
        if matches!(key.id, DEPLOYMENTS | REPLICA_SETS | JOBS) && after.is_some() {
            self.stir(key.clone());
        }
        if !matches!(key.id, PODS | REPLICA_SETS) {
            return;
        }
        for uid in [before, after]
            .into_iter()
            .flatten()
            .filter_map(workloads::controller_uid)
        {
            if let Some(controller) = self.places.get(uid) {
                self.stirred.insert(controller.clone());
            }
        }
        let Some(after) = after.filter(|_| key.id == PODS) else {
            return;
        };
        let may_be_found = || self.list(REPLICA_SETS, &key.namespace).next().is_some();
        if workloads::is_tracked(after) || (workloads::controller_uid(after).is_none() && may_be_found()) {
            self.stir(key.clone());
        }
    }

    fn next_revision(&mut self) -> u64 {
        self.revision += 1;
        self.revision
    }

    fn disown(&mut self, owner: &str, key: &Key) {
        if let Some(keys) = self.owned.get_mut(owner) {
            keys.remove(key);
            if keys.is_empty() {
                self.owned.remove(owner);
            }
        }
    }

    fn remember(&mut self, change: Change) {
        self.history.push_back(change);
        if self.history.len() > HISTORY_MAX {
            self.forgotten = self
                .history
                .pop_front()
                .map_or(self.forgotten, |change| change.revision);
        }
    }
}

fn owners(object: &Value) -> impl Iterator<Item = String> {
    items(object, "/metadata/ownerReferences")
        .iter()
        .map(|reference| text(reference, "/uid").to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::registry::CONFIG_MAPS;
    use super::*;

    fn key(name: &str) -> Key {
        Key::new(CONFIG_MAPS, "n", name)
    }

    #[test]
    fn an_older_state_is_rebuilt_from_the_changes() {
        let mut objects = Objects::new(10);
        objects.write(key("a"), json!({"v": 1}));
        objects.write(key("b"), json!({"v": 1}));
        objects.write(key("a"), json!({"v": 2}));
        objects.remove(&key("b"));
        let then = objects.at(12, CONFIG_MAPS, "").unwrap();
        let values: Vec<i64> = then.iter().map(|(_, object)| object["v"].as_i64().unwrap()).collect();
        assert_eq!(values, [1, 1]);
        assert_eq!(objects.at(14, CONFIG_MAPS, "n").unwrap().len(), 1);
        assert!(objects.at(9, CONFIG_MAPS, "").is_none());
    }

    #[test]
    fn the_memory_of_changes_is_bounded() {
        let mut objects = Objects::new(0);
        for _ in 0..=HISTORY_MAX {
            objects.write(key("a"), json!({}));
        }
        assert!(objects.since(0).is_none());
        assert_eq!(objects.since(1).unwrap().count(), HISTORY_MAX);
    }

    #[test]
    fn owners_know_what_they_own_until_it_is_gone_or_let_go() {
        let mut objects = Objects::new(0);
        let owned = json!({"metadata": {"ownerReferences": [{"uid": "u"}]}});
        objects.write(key("a"), owned.clone());
        objects.write(key("b"), owned);
        objects.write(key("a"), json!({"metadata": {}}));
        assert_eq!(objects.owned_by("u"), [key("b")]);
        objects.remove(&key("b"));
        assert!(objects.owned_by("u").is_empty());
    }
}
