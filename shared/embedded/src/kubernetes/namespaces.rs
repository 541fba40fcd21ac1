//! The life of namespaces: what each begins with, how it is emptied, when it goes.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::json::{cut, items, put, stamp, text};
use super::machine::Machine;
use super::objects::Key;
use super::registry::{CONFIG_MAPS, KINDS, Kind, NAMESPACES, SERVICE_ACCOUNTS};
use super::status::Refusal;
use super::timers::Timer;

/// Least time from the deletion of a namespace to its end.
const ENDING: SignedDuration = SignedDuration::from_secs(1);
/// What every cluster has from the start.
const INITIAL: &[&str] = &["default", "kube-node-lease", "kube-public", "kube-system"];

impl Machine {
    /// Makes the namespaces that every cluster has. `kube-system` has the cluster's own uid.
    pub(super) fn make_initial_namespaces(&mut self, cluster_uid: &str) {
        for name in INITIAL {
            let uid = if *name == "kube-system" {
                cluster_uid.to_owned()
            } else {
                self.ids.uid()
            };
            let namespace = json!({
                "kind": "Namespace",
                "apiVersion": "v1",
                "metadata": {
                    "name": name, "uid": uid, "creationTimestamp": stamp(self.now),
                    "labels": {"kubernetes.io/metadata.name": name},
                },
                "spec": {"finalizers": ["kubernetes"]},
                "status": {"phase": "Active"},
            });
            self.objects.write(Key::new(NAMESPACES, "", name), namespace);
            self.furnish(name);
        }
    }

    /// Gives a new namespace its default account and the cluster's certificate authority, which is none here.
    pub(super) fn furnish(&mut self, namespace: &str) {
        for (id, name) in [(SERVICE_ACCOUNTS, "default"), (CONFIG_MAPS, "kube-root-ca.crt")] {
            let kind = &KINDS[id];
            let mut object = json!({
                "kind": kind.kind,
                "apiVersion": kind.api_version(),
                "metadata": {
                    "name": name, "namespace": namespace, "uid": self.ids.uid(), "creationTimestamp": stamp(self.now),
                },
            });
            if id == CONFIG_MAPS {
                put(&mut object, "/data", json!({"ca.crt": ""}));
            }
            self.objects.write(Key::new(id, namespace, name), object);
        }
    }

    /// Whether something may be created in a namespace now.
    pub(super) fn check_namespace(&self, kind: &Kind, namespace: &str, name: &str) -> Result<Arc<Value>, Refusal> {
        let found = self.objects.get(&Key::new(NAMESPACES, "", namespace));
        let found = found.ok_or_else(|| Refusal::not_found(&KINDS[NAMESPACES], namespace))?;
        if !found["metadata"]["deletionTimestamp"].is_null() {
            return Err(Refusal::terminating(kind, name, namespace));
        }
        Ok(Arc::clone(found))
    }

    /// Begins the end of a namespace and gives its new state.
    pub(super) fn end_namespace(&mut self, key: &Key) -> Option<Arc<Value>> {
        let mut namespace = Value::clone(self.objects.get(key)?);
        put(&mut namespace, "/metadata/deletionTimestamp", stamp(self.now));
        put(&mut namespace, "/status/phase", "Terminating");
        let goes = self.now.saturating_add(ENDING).unwrap_or(self.now);
        self.ending.insert(key.name.clone(), goes);
        self.timers.set(self.now, Timer::Namespace(key.name.clone()));
        self.timers.set(goes, Timer::Namespace(key.name.clone()));
        Some(self.objects.write(key.clone(), namespace))
    }

    /// Looks again at a namespace that is ending, once something in it is gone.
    pub(super) fn empty_soon(&mut self, namespace: &str) {
        if self.ending.contains_key(namespace) && self.emptying.insert(namespace.to_owned()) {
            self.timers.set(self.now, Timer::Namespace(namespace.to_owned()));
        }
    }

    /// Deletes what is in an ending namespace; once it is empty and its time has come, it goes.
    pub(super) fn empty_namespace(&mut self, name: &str) {
        self.emptying.remove(name);
        let Some(goes) = self.ending.get(name).copied() else {
            return;
        };
        for key in self.objects.contents(name) {
            let leaving = self
                .objects
                .get(&key)
                .is_some_and(|one| !one["metadata"]["deletionTimestamp"].is_null());
            if !leaving {
                self.retire(&key, None);
            }
        }
        let contents = self.objects.contents(name);
        let key = Key::new(NAMESPACES, "", name);
        let Some(namespace) = self.objects.get(&key).map(Arc::clone) else {
            return;
        };
        let mut changed = Value::clone(&namespace);
        if !contents.is_empty() {
            put(&mut changed, "/status/conditions", self.remaining(&contents));
        } else if self.now >= goes {
            cut(&mut changed, "/spec/finalizers");
            cut(&mut changed, "/status/conditions");
        }
        if changed != *namespace {
            self.settle(key, changed);
        }
    }

    /// What holds a namespace up, as the namespace controller reports it.
    fn remaining(&self, contents: &[Key]) -> Value {
        let mut kinds: Vec<(String, usize)> = Vec::new();
        let mut held: Vec<(String, usize)> = Vec::new();
        let count =
            |list: &mut Vec<(String, usize)>, name: String| match list.iter_mut().find(|(known, _)| *known == name) {
                Some((_, count)) => *count += 1,
                None => list.push((name, 1)),
            };
        for key in contents {
            let kind = key.kind();
            let group = if kind.group.is_empty() { "." } else { kind.group };
            count(&mut kinds, format!("{}.{}", kind.plural, group.trim_start_matches('.')));
            let object = self.objects.get(key);
            for finalizer in object.map_or(&[][..], |object| items(object, "/metadata/finalizers")) {
                count(&mut held, finalizer.as_str().unwrap_or("").to_owned());
            }
        }
        let list = |counted: &[(String, usize)], verb: &str| {
            let parts: Vec<String> = counted
                .iter()
                .map(|(name, count)| format!("{name} {verb} {count} resource instances"))
                .collect();
            parts.join(", ")
        };
        let condition = |name: &str, reason: &str, message: String| json!({"type": name, "status": "True", "lastTransitionTime": stamp(self.now), "reason": reason, "message": message});
        let message = format!("Some resources are remaining: {}", list(&kinds, "has"));
        let mut conditions = vec![condition("NamespaceContentRemaining", "SomeResourcesRemain", message)];
        if !held.is_empty() {
            let message = format!(
                "Some content in the namespace has finalizers remaining: {}",
                list(&held, "in")
            );
            conditions.push(condition(
                "NamespaceFinalizersRemaining",
                "SomeFinalizersRemain",
                message,
            ));
        }
        conditions.into()
    }
}

/// Whether a namespace has nothing left to wait for.
pub(super) fn is_finalized(namespace: &Value) -> bool {
    items(namespace, "/spec/finalizers").is_empty() && !text(namespace, "/metadata/deletionTimestamp").is_empty()
}
