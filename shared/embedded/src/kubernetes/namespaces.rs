//! The life of namespaces: what each begins with, how it is emptied, when it goes.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::canonical::{self, view};
use super::json::{cut, items, put, stamp, text};
use super::machine::Machine;
use super::objects::Key;
use super::registry::{CONFIG_MAPS, KINDS, Kind, KindId, NAMESPACES, SERVICE_ACCOUNTS};
use super::request::Call;
use super::status::{Refusal, json_response};
use super::timers::Timer;
use super::update::check_identity;

/// Least time from the deletion of a namespace to its end.
const ENDING: SignedDuration = SignedDuration::from_secs(1);
/// What every namespace has.
const FURNITURE: [(KindId, &str); 2] = [(SERVICE_ACCOUNTS, "default"), (CONFIG_MAPS, "kube-root-ca.crt")];
const ROOT_CA: &str = "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the \
                       internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of \
                       Kubernetes clusters.";
/// What goes well with the end of every namespace: type, reason and message of a condition that is false.
const FINE: [(&str, &str, &str); 3] = [
    (
        "NamespaceDeletionDiscoveryFailure",
        "ResourcesDiscovered",
        "All resources successfully discovered",
    ),
    (
        "NamespaceDeletionGroupVersionParsingFailure",
        "ParsedGroupVersions",
        "All legacy kube types successfully parsed",
    ),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
];
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

    /// Gives a namespace what it must have and has not: its default account, and the cluster's certificate authority,
    /// which is none here.
    pub(super) fn furnish(&mut self, namespace: &str) {
        for (id, name) in FURNITURE {
            if self.objects.get(&Key::new(id, namespace, name)).is_some() {
                continue;
            }
            let kind = &KINDS[id];
            let mut object = json!({
                "kind": kind.kind,
                "apiVersion": kind.api_version(),
                "metadata": {
                    "name": name, "namespace": namespace, "uid": self.ids.uid(), "creationTimestamp": stamp(self.now),
                },
            });
            if id == CONFIG_MAPS {
                put(
                    &mut object,
                    "/metadata/annotations",
                    json!({"kubernetes.io/description": ROOT_CA}),
                );
                put(&mut object, "/data", json!({"ca.crt": ""}));
            }
            self.objects.write(Key::new(id, namespace, name), object);
        }
    }

    /// Puts back, as soon as the machine ticks, what a namespace must have.
    pub(super) fn restore_soon(&mut self, gone: &Key) {
        if FURNITURE.contains(&(gone.id, gone.name.as_str())) && !self.ending.contains_key(&gone.namespace) {
            self.timers.set(self.now, Timer::Furnish(gone.namespace.clone()));
        }
    }

    /// Puts back what a namespace must have, if it is still there.
    pub(super) fn restore(&mut self, namespace: &str) {
        let there = self.objects.get(&Key::new(NAMESPACES, "", namespace));
        if there.is_some_and(|one| one["metadata"]["deletionTimestamp"].is_null()) {
            self.furnish(namespace);
        }
    }

    /// The `finalize` subresource: says what a namespace still waits for, and nothing else.
    pub(super) fn finalize_namespace(&mut self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let given = canonical::read(call, call.json()?)?;
        let old = self.existing(call)?;
        check_identity(call, &old, &given)?;
        let mut new = Value::clone(&old);
        match items(&given, "/spec/finalizers") {
            [] => drop(cut(&mut new, "/spec/finalizers")),
            left => put(&mut new, "/spec/finalizers", left.to_vec()),
        }
        let stored = match call.query.dry_run() || *old == new {
            true => Arc::new(new),
            false => self.settle(Key::new(call.id, "", &call.name), new),
        };
        Ok(json_response(StatusCode::OK, &view(&stored, call.shape)))
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

    /// A namespace as it is once it is deleted.
    pub(super) fn terminating(&self, namespace: &Value) -> Value {
        let mut namespace = namespace.clone();
        put(&mut namespace, "/metadata/deletionTimestamp", stamp(self.now));
        put(&mut namespace, "/status/phase", "Terminating");
        namespace
    }

    /// Begins the end of a namespace and gives its new state.
    pub(super) fn end_namespace(&mut self, key: &Key) -> Option<Arc<Value>> {
        let namespace = self.terminating(self.objects.get(key)?);
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
            put(&mut changed, "/status/conditions", self.report(&namespace, &contents));
        } else if self.now >= goes {
            put(&mut changed, "/status/conditions", self.report(&namespace, &contents));
            let finalizers = items(&changed, "/spec/finalizers").iter();
            let left: Vec<Value> = finalizers.filter(|one| *one != "kubernetes").cloned().collect();
            match left.is_empty() {
                true => drop(cut(&mut changed, "/spec/finalizers")),
                false => put(&mut changed, "/spec/finalizers", left),
            }
        }
        if changed != *namespace {
            self.settle(key, changed);
        }
    }

    /// What holds a namespace up, as the namespace controller reports it.
    fn report(&self, namespace: &Value, contents: &[Key]) -> Value {
        let mut kinds: Vec<(String, usize)> = Vec::new();
        let mut held: Vec<(String, usize)> = Vec::new();
        for key in contents {
            let kind = key.kind();
            count(&mut kinds, format!("{}.{}", kind.plural, kind.group));
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
        let remaining = match kinds.as_slice() {
            [] => ("False", "ContentRemoved", "All content successfully removed".to_owned()),
            kinds => {
                let message = format!("Some resources are remaining: {}", list(kinds, "has"));
                ("True", "SomeResourcesRemain", message)
            }
        };
        let finalizers = match held.as_slice() {
            [] => {
                let message = "All content-preserving finalizers finished";
                ("False", "ContentHasNoFinalizers", message.to_owned())
            }
            held => {
                let message = "Some content in the namespace has finalizers remaining: ";
                ("True", "SomeFinalizersRemain", format!("{message}{}", list(held, "in")))
            }
        };
        let fine = FINE.map(|(name, reason, message)| (name, ("False", reason, message.to_owned())));
        let states = fine.into_iter().chain([
            ("NamespaceContentRemaining", remaining),
            ("NamespaceFinalizersRemaining", finalizers),
        ]);
        let condition = |(name, (status, reason, message)): (&str, (&str, &str, String))| {
            let mut known = items(namespace, "/status/conditions").iter();
            let same = known.find(|one| text(one, "/type") == name && text(one, "/status") == status);
            let since = same.map_or_else(|| stamp(self.now), |one| one["lastTransitionTime"].clone());
            json!({"type": name, "status": status, "lastTransitionTime": since, "reason": reason, "message": message})
        };
        states.map(condition).collect()
    }
}

fn count(list: &mut Vec<(String, usize)>, name: String) {
    match list.iter_mut().find(|(known, _)| *known == name) {
        Some((_, count)) => *count += 1,
        None => list.push((name, 1)),
    }
}

/// Whether a namespace has nothing left to wait for.
pub(super) fn is_finalized(namespace: &Value) -> bool {
    items(namespace, "/spec/finalizers").is_empty() && !text(namespace, "/metadata/deletionTimestamp").is_empty()
}
