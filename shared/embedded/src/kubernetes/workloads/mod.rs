//! The controllers of Deployments, ReplicaSets and Jobs. Each looks at one object and does what that object needs now;
//! it looks again when the object or something that it owns has changed, and when the time it asked for has come.

mod conditions;
mod defaults;
mod deployments;
mod jobs;
mod pods;
mod replicasets;
mod revisions;
mod rollout;
mod rules;
mod scaling;
mod status;

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

pub(super) use defaults::{fill, label_job};
pub(super) use jobs::is_tracked;
pub(super) use rules::{check, check_simulated, check_update};

use super::json::{cut, flag, int, items, put, text};
use super::machine::Machine;
use super::objects::Key;
use super::registry::{DEPLOYMENTS, JOBS, KINDS, KindId, PODS, REPLICA_SETS};
use super::selectors::Selector;
use super::timers::Timer;

/// Pods that a controller makes in one look; it looks again at once for the others.
const BURST: usize = 500;

impl Machine {
    /// Lets the controllers look at what has changed, as soon as the machine ticks.
    pub(super) fn control_soon(&mut self) {
        if self.objects.has_stirred() && !self.controlling {
            self.controlling = true;
            self.timers.set(self.now, Timer::Control);
        }
    }

    /// Lets the controllers look at what has changed.
    pub(super) fn control(&mut self) {
        self.controlling = false;
        for key in self.objects.take_stirred() {
            let again = match key.id {
                DEPLOYMENTS => self.sync_deployment(&key),
                REPLICA_SETS => {
                    self.find_owner(&key, DEPLOYMENTS);
                    self.sync_replica_set(&key)
                }
                JOBS => self.sync_job(&key),
                PODS => {
                    self.free_of_job(&key);
                    self.find_owner(&key, REPLICA_SETS);
                    None
                }
                _ => None,
            };
            if let Some(known) = self.alarms.remove(&key) {
                self.timers.cancel(known);
            }
            if let Some(at) = again {
                let alarm = self.timers.set(at.max(self.now), Timer::Stir(key.clone()));
                self.alarms.insert(key, alarm);
            }
        }
    }

    /// The time has come that a controller asked for.
    pub(super) fn stir(&mut self, key: &Key) {
        self.alarms.remove(key);
        self.objects.stir(key.clone());
    }

    /// What an object controls, of one kind.
    fn controlled(&self, owner: &Value, id: KindId) -> Vec<(Key, Arc<Value>)> {
        let uid = text(owner, "/metadata/uid");
        let keys = self.objects.owned_by(uid).into_iter().filter(|key| key.id == id);
        let objects = keys.filter_map(|key| self.objects.get(&key).map(|object| (key.clone(), Arc::clone(object))));
        objects
            .filter(|(_, object)| controller_uid(object) == Some(uid))
            .collect()
    }

    /// Gives an object that nobody controls to the first of this kind whose selector matches it.
    fn find_owner(&mut self, key: &Key, id: KindId) {
        let Some(object) = self.objects.get(key).map(Arc::clone) else {
            return;
        };
        if controller_uid(&object).is_some() {
            return;
        }
        let mut owners = self
            .objects
            .list(id, &key.namespace)
            .map(|(_, owner)| Arc::clone(owner));
        if let Some(owner) = owners.find(|owner| may_adopt(owner, &object)) {
            drop(owners);
            self.adopt(key, &object, id, &owner);
        }
    }

    /// Gives a new controller everything in its namespace that nobody controls and that its selector matches.
    fn find_owned(&mut self, owner: &Value, id: KindId, of: KindId) {
        let namespace = text(owner, "/metadata/namespace");
        let free = self
            .objects
            .list(of, namespace)
            .filter(|(_, object)| controller_uid(object).is_none());
        let found: Vec<_> = free
            .filter(|(_, object)| may_adopt(owner, object))
            .map(|(key, object)| (key.clone(), Arc::clone(object)))
            .collect();
        for (key, object) in found {
            self.adopt(&key, &object, id, owner);
        }
    }

    fn adopt(&mut self, key: &Key, object: &Value, id: KindId, owner: &Value) {
        let mut owners = items(object, "/metadata/ownerReferences").to_vec();
        owners.push(reference(id, owner));
        let mut adopted = object.clone();
        put(&mut adopted, "/metadata/ownerReferences", owners);
        self.objects.write(key.clone(), adopted);
    }

    /// Leaves out of a list in an object's metadata what is not to be kept.
    fn retain(&mut self, key: &Key, list: &str, keep: impl Fn(&Value) -> bool) {
        let Some(object) = self.objects.get(key).map(Arc::clone) else {
            return;
        };
        let known = items(&object["metadata"], &format!("/{list}"));
        let left: Vec<Value> = known.iter().filter(|one| keep(one)).cloned().collect();
        if left.len() == known.len() {
            return;
        }
        let mut freed = Value::clone(&object);
        match left.is_empty() {
            true => drop(cut(&mut freed["metadata"], &format!("/{list}"))),
            false => freed["metadata"][list] = left.into(),
        }
        self.settle(key.clone(), freed);
    }

    /// Writes what a controller changed of an object, if it did, and gives what is stored then.
    fn rewrite(&mut self, key: &Key, changed: Value) -> Arc<Value> {
        match self.objects.get(key).map(Arc::clone) {
            Some(known) if *known == changed => known,
            Some(known) => {
                let mut changed = changed;
                if known["spec"] != changed["spec"] {
                    let generation = int(&known, "/metadata/generation").unwrap_or(0) + 1;
                    put(&mut changed, "/metadata/generation", generation);
                }
                self.objects.write(key.clone(), changed)
            }
            None => Arc::new(changed),
        }
    }

    /// Makes a pod by a template, for a controller.
    fn make_pod(&mut self, id: KindId, owner: &Value, finalizers: &[&str]) -> Result<(), String> {
        let template = &owner["spec"]["template"];
        let mut pod = json!({ "kind": "Pod", "apiVersion": "v1", "metadata": {}, "spec": template["spec"] });
        for field in ["labels", "annotations"] {
            if !template["metadata"][field].is_null() {
                pod["metadata"][field] = template["metadata"][field].clone();
            }
        }
        let name = text(owner, "/metadata/name");
        pod["metadata"]["generateName"] = format!("{name}-").into();
        pod["metadata"]["ownerReferences"] = json!([reference(id, owner)]);
        if !finalizers.is_empty() {
            pod["metadata"]["finalizers"] = json!(finalizers);
        }
        match self.make_for_controller(PODS, text(owner, "/metadata/namespace"), pod) {
            Ok(pod) => {
                let message = format!("Created pod: {}", text(&pod, "/metadata/name"));
                self.record(owner, "Normal", "SuccessfulCreate", &message, component(id));
                Ok(())
            }
            Err(refusal) => {
                let why = refusal.message().to_owned();
                self.record(
                    owner,
                    "Warning",
                    "FailedCreate",
                    &format!("Error creating: {why}"),
                    component(id),
                );
                Err(why)
            }
        }
    }

    /// Deletes a pod, for a controller.
    fn delete_pod(&mut self, id: KindId, owner: &Value, pod: &Key) {
        let message = format!("Deleted pod: {}", pod.name);
        self.record(owner, "Normal", "SuccessfulDelete", &message, component(id));
        self.retire(pod, None);
    }
}

/// How a controller names itself in events.
fn component(id: KindId) -> &'static str {
    match id {
        DEPLOYMENTS => "deployment-controller",
        REPLICA_SETS => "replicaset-controller",
        _ => "job-controller",
    }
}

/// Uid of what controls an object.
pub(super) fn controller_uid(object: &Value) -> Option<&str> {
    let owners = items(object, "/metadata/ownerReferences");
    let controller = owners.iter().find(|owner| flag(owner, "/controller") == Some(true))?;
    Some(text(controller, "/uid"))
}

fn may_adopt(owner: &Value, object: &Value) -> bool {
    let matches = Selector::of(&owner["spec"]["selector"]).is_some_and(|selector| selector.selects(object));
    matches && !is_deleted(owner) && !is_deleted(object) && !pods::is_over(object)
}

fn is_deleted(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

/// The owner reference of a controller.
fn reference(id: KindId, owner: &Value) -> Value {
    let kind = &KINDS[id];
    json!({
        "apiVersion": kind.api_version(), "kind": kind.kind, "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": true,
    })
}

/// Puts a count, which is left out when it is zero.
fn put_count(status: &mut Value, name: &str, count: i64) {
    if count != 0 {
        status[name] = count.into();
    }
}

/// The number at `pointer`, zero when there is none.
fn count(object: &Value, pointer: &str) -> i64 {
    int(object, pointer).unwrap_or(0)
}

/// The instant at `pointer`.
fn instant(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer).parse().ok()
}
