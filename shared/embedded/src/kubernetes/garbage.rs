//! Owner references: what happens to an object when those that own it go (kube-controller-manager's garbage collector).

use std::sync::Arc;

use serde_json::Value;

use super::json::{cut, items, put, text};
use super::machine::Machine;
use super::objects::Key;
use super::registry::NAMESPACES;
use super::timers::Timer;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// What a DELETE asks for concerning what the object owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Propagation {
    /// The owner goes first.
    Background,
    /// What it owns goes first.
    Foreground,
    /// What it owns stays.
    Orphan,
}

impl Machine {
    /// Looks at an object again that names owners, as soon as the machine ticks.
    pub(super) fn collect_soon(&mut self, keys: impl IntoIterator<Item = Key>) {
        let idle = self.unowned.is_empty();
        self.unowned.extend(keys);
        if idle && !self.unowned.is_empty() {
            self.timers.set(self.now, Timer::Collect);
        }
    }

    /// Marks an object that is to be deleted with what is done about the objects that it owns before it goes.
    pub(super) fn propagate(&mut self, key: &Key, how: Propagation) {
        let Some(owner) = self.objects.get(key).map(Arc::clone) else {
            return;
        };
        if how == Propagation::Background || key.id == NAMESPACES {
            return;
        }
        self.objects.write(key.clone(), marked(&owner, how));
        self.collect_soon([key.clone()]);
    }

    fn let_go(&mut self, key: &Key, owner: &str) {
        let Some(object) = self.objects.get(key) else { return };
        let left: Vec<Value> = items(object, "/metadata/ownerReferences")
            .iter()
            .filter(|one| text(one, "/uid") != owner)
            .cloned()
            .collect();
        let mut freed = Value::clone(object);
        put_all(&mut freed, "/metadata/ownerReferences", left);
        self.objects.write(key.clone(), freed);
    }

    /// Deletes what all owners of are gone or wait for it to go, and lets owners go that have waited.
    pub(super) fn collect(&mut self) {
        for key in std::mem::take(&mut self.unowned) {
            let Some(object) = self.objects.get(&key).map(Arc::clone) else {
                continue;
            };
            if !object["metadata"]["deletionTimestamp"].is_null() {
                self.wait_for_owned(&key, &object);
                continue;
            }
            let owners = items(&object, "/metadata/ownerReferences");
            let uids = owners.iter().map(|owner| text(owner, "/uid").to_owned());
            let left: Vec<String> = uids.filter(|uid| self.has_left(uid)).collect();
            if left.is_empty() {
                continue;
            }
            if left.len() == owners.len() {
                // What an owner waits for waits for its own in turn.
                let is_waited_for = left.iter().any(|uid| self.objects.by_uid(uid).is_some());
                if is_waited_for && !self.objects.owned_by(text(&object, "/metadata/uid")).is_empty() {
                    self.propagate(&key, Propagation::Foreground);
                }
                self.retire(&key, None);
                continue;
            }
            left.iter().for_each(|uid| self.let_go(&key, uid));
            let waiting: Vec<Key> = left
                .iter()
                .filter_map(|uid| self.objects.key_of(uid).cloned())
                .collect();
            self.collect_soon(waiting);
        }
    }

    /// Does what an object waits for before it goes, and lets it go when nothing of that is left.
    fn wait_for_owned(&mut self, key: &Key, owner: &Arc<Value>) {
        let uid = text(owner, "/metadata/uid").to_owned();
        let finalizers = items(owner, "/metadata/finalizers");
        let owned = self.objects.owned_by(&uid);
        let done = if finalizers.iter().any(|one| one == ORPHAN) {
            owned.iter().for_each(|key| self.let_go(key, &uid));
            ORPHAN
        } else if finalizers.iter().any(|one| one == FOREGROUND) {
            let blocked = owned.iter().any(|key| self.blocks(key, &uid));
            self.collect_soon(owned.into_iter().filter(|key| self.stays(key)).collect::<Vec<_>>());
            if blocked {
                return;
            }
            FOREGROUND
        } else {
            return;
        };
        let left: Vec<Value> = finalizers.iter().filter(|one| *one != done).cloned().collect();
        let mut freed = Value::clone(owner);
        put_all(&mut freed, "/metadata/finalizers", left);
        self.settle(key.clone(), freed);
    }

    /// Whether nobody has deleted an object yet.
    fn stays(&self, key: &Key) -> bool {
        let object = self.objects.get(key);
        object.is_some_and(|object| object["metadata"]["deletionTimestamp"].is_null())
    }

    /// Whether an object that is owned must go before its owner of this uid may.
    fn blocks(&self, key: &Key, owner: &str) -> bool {
        let object = self.objects.get(key);
        let mut references = object
            .map_or(&[][..], |object| items(object, "/metadata/ownerReferences"))
            .iter();
        references.any(|one| text(one, "/uid") == owner && one["blockOwnerDeletion"] == true)
    }

    fn has_left(&self, uid: &str) -> bool {
        match self.objects.by_uid(uid) {
            None => true,
            Some(owner) => {
                let waits = items(owner, "/metadata/finalizers").iter().any(|one| one == FOREGROUND);
                waits && !owner["metadata"]["deletionTimestamp"].is_null()
            }
        }
    }

    /// An object is gone: what it owned follows, and owners that waited for it may go.
    pub(super) fn settle_owners(&mut self, gone: &Value) {
        self.collect_soon(self.objects.owned_by(text(gone, "/metadata/uid")));
        let owners = items(gone, "/metadata/ownerReferences").iter();
        let owners: Vec<Key> = owners
            .filter_map(|owner| self.objects.key_of(text(owner, "/uid")).cloned())
            .collect();
        self.collect_soon(owners);
    }
}

/// An object with the finalizer of what is to be done about what it owns.
pub(super) fn marked(object: &Value, how: Propagation) -> Value {
    let mut marked = object.clone();
    let finalizers = items(object, "/metadata/finalizers").iter();
    let mut finalizers: Vec<Value> = finalizers
        .filter(|one| *one != FOREGROUND && *one != ORPHAN)
        .cloned()
        .collect();
    match how {
        Propagation::Background => {}
        Propagation::Foreground => finalizers.push(FOREGROUND.into()),
        Propagation::Orphan => finalizers.push(ORPHAN.into()),
    }
    put_all(&mut marked, "/metadata/finalizers", finalizers);
    marked
}

/// Puts a list at `pointer`, where an empty one is none.
fn put_all(object: &mut Value, pointer: &str, list: Vec<Value>) {
    match list.is_empty() {
        true => drop(cut(object, pointer)),
        false => put(object, pointer, list),
    }
}
