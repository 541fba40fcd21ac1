//! Owner references: what happens to an object when those that own it go (kube-controller-manager's garbage collector).

use std::sync::Arc;

use serde_json::Value;

use super::json::{items, put, text};
use super::machine::Machine;
use super::objects::Key;
use super::timers::Timer;

const FOREGROUND: &str = "foregroundDeletion";

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

    /// Prepares what an object owns for its deletion.
    pub(super) fn propagate(&mut self, key: &Key, how: Propagation) {
        let Some(owner) = self.objects.get(key).map(Arc::clone) else {
            return;
        };
        let owned = self.objects.owned_by(text(&owner, "/metadata/uid"));
        match how {
            Propagation::Background => {}
            Propagation::Orphan => {
                let uid = text(&owner, "/metadata/uid").to_owned();
                owned.iter().for_each(|key| self.let_go(key, &uid));
            }
            Propagation::Foreground if owned.is_empty() => {}
            Propagation::Foreground => {
                let mut held = Value::clone(&owner);
                let mut finalizers = items(&owner, "/metadata/finalizers").to_vec();
                finalizers.push(FOREGROUND.into());
                put(&mut held, "/metadata/finalizers", finalizers);
                self.objects.write(key.clone(), held);
                self.collect_soon(owned);
            }
        }
    }

    fn let_go(&mut self, key: &Key, owner: &str) {
        let Some(object) = self.objects.get(key) else { return };
        let left: Vec<Value> = items(object, "/metadata/ownerReferences")
            .iter()
            .filter(|one| text(one, "/uid") != owner)
            .cloned()
            .collect();
        let mut freed = Value::clone(object);
        put(&mut freed, "/metadata/ownerReferences", left);
        self.objects.write(key.clone(), freed);
    }

    /// Deletes what all owners of are gone or wait for it to go.
    pub(super) fn collect(&mut self) {
        for key in std::mem::take(&mut self.unowned) {
            let Some(object) = self.objects.get(&key).map(Arc::clone) else {
                continue;
            };
            let owners = items(&object, "/metadata/ownerReferences");
            let left = owners.iter().all(|owner| self.has_left(text(owner, "/uid")));
            if !owners.is_empty() && left && object["metadata"]["deletionTimestamp"].is_null() {
                self.retire(&key, None);
            }
        }
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
        for owner in items(gone, "/metadata/ownerReferences") {
            let uid = text(owner, "/uid");
            if !self.objects.owned_by(uid).is_empty() {
                continue;
            }
            let Some(object) = self.objects.by_uid(uid).map(Arc::clone) else {
                continue;
            };
            let finalizers = items(&object, "/metadata/finalizers");
            if finalizers.iter().any(|one| one == FOREGROUND)
                && let Some(key) = self.objects.key_of(uid).cloned()
            {
                let left: Vec<Value> = finalizers.iter().filter(|one| *one != FOREGROUND).cloned().collect();
                let mut freed = Value::clone(&object);
                put(&mut freed, "/metadata/finalizers", left);
                self.settle(key, freed);
            }
        }
    }
}
