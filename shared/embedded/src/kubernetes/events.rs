//! Events that the simulated scheduler, kubelets and controllers leave, counted up when they repeat, gone after an hour.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::ids;
use super::json::{int, put, stamp, text};
use super::machine::Machine;
use super::objects::Key;
use super::registry::{EVENTS, NAMESPACES};

/// How long an event is kept after it last happened (kube-apiserver's `--event-ttl`).
const KEPT: SignedDuration = SignedDuration::from_hours(1);
/// Least time between two looks for events that are old.
const SWEEP: SignedDuration = SignedDuration::from_mins(1);

/// The events of the simulation itself.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    /// When each last happened.
    seen: BTreeMap<Key, Timestamp>,
    swept: Timestamp,
}

impl Machine {
    /// Notes that something happened to an object.
    pub(super) fn record(&mut self, object: &Value, kind: &str, reason: &str, message: &str, component: &str) {
        let (namespace, name, uid) = (
            text(object, "/metadata/namespace"),
            text(object, "/metadata/name"),
            text(object, "/metadata/uid"),
        );
        let ending = self
            .objects
            .get(&Key::new(NAMESPACES, "", namespace))
            .is_none_or(|one| !one["metadata"]["deletionTimestamp"].is_null());
        if ending {
            return;
        }
        let cause = ids::sha256(&format!("{uid}/{reason}/{message}"));
        let key = Key::new(
            EVENTS,
            namespace,
            &format!("{name}.{}", &cause["sha256:".len()..][..16]),
        );
        let now = stamp(self.now);
        let event = match self.objects.get(&key).map(Arc::clone) {
            Some(known) => {
                let mut event = Value::clone(&known);
                put(&mut event, "/count", int(&known, "/count").unwrap_or(1) + 1);
                put(&mut event, "/lastTimestamp", now);
                event
            }
            None => json!({
                "kind": "Event",
                "apiVersion": "v1",
                "metadata": {"name": key.name, "namespace": namespace, "uid": self.ids.uid(), "creationTimestamp": now},
                "involvedObject": {
                    "kind": object["kind"], "namespace": namespace, "name": name, "uid": uid,
                    "apiVersion": object["apiVersion"],
                    "resourceVersion": text(object, "/metadata/resourceVersion"),
                },
                "reason": reason,
                "message": message,
                "source": {"component": component},
                "firstTimestamp": now,
                "lastTimestamp": now,
                "count": 1,
                "type": kind,
                "eventTime": null,
                "reportingComponent": component,
                "reportingInstance": "",
            }),
        };
        self.recorder.seen.insert(key.clone(), self.now);
        self.objects.write(key, event);
    }

    /// Removes what happened too long ago.
    pub(super) fn sweep_events(&mut self) {
        if self.now.duration_since(self.recorder.swept) < SWEEP {
            return;
        }
        self.recorder.swept = self.now;
        let old: Vec<Key> = self
            .recorder
            .seen
            .iter()
            .filter(|(_, last)| self.now.duration_since(**last) >= KEPT)
            .map(|(key, _)| key.clone())
            .collect();
        for key in old {
            self.recorder.seen.remove(&key);
            self.remove(&key);
        }
    }

    /// An event is gone by other means.
    pub(super) fn forget_event(&mut self, key: &Key) {
        self.recorder.seen.remove(key);
    }
}
