//! ReplicaSets: so many pods of one template (kube-controller-manager's `pkg/controller/replicaset`).

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::json::{items, members, put, stamp, text};
use super::super::machine::Machine;
use super::super::objects::Key;
use super::super::registry::{PODS, REPLICA_SETS};
use super::super::selectors::Selector;
use super::{BURST, conditions, count, is_deleted, pods, put_count};

/// Before pods that were refused are tried again.
const RETRY: SignedDuration = SignedDuration::from_secs(5);

impl Machine {
    pub(super) fn sync_replica_set(&mut self, key: &Key) -> Option<Timestamp> {
        let set = self.objects.get(key).map(Arc::clone)?;
        let selector = Selector::of(&set["spec"]["selector"])?;
        if set["status"]["observedGeneration"].is_null() {
            self.find_owned(&set, REPLICA_SETS, PODS);
        }
        let mut active = Vec::new();
        let mut terminating = 0;
        for (key, pod) in self.controlled(&set, PODS) {
            terminating += i64::from(pods::is_terminating(&pod));
            if !pods::is_active(&pod) {
                continue;
            }
            if selector.selects(&pod) || is_deleted(&set) {
                active.push((key, pod));
            } else {
                let uid = text(&set, "/metadata/uid");
                self.retain(&key, "ownerReferences", |owner| text(owner, "/uid") != uid);
            }
        }
        let failure = if is_deleted(&set) {
            None
        } else {
            self.fill_up(&set, &mut active)
        };
        let (status, later) = self.status_of(&set, &active, terminating, failure.as_deref());
        let mut changed = Value::clone(&set);
        changed["status"] = status;
        self.rewrite(key, changed);
        let retry = failure.and_then(|_| self.now.checked_add(RETRY).ok());
        [later, retry].into_iter().flatten().min()
    }

    /// Makes or deletes pods until there are as many as there are to be, and gives why one could not be made.
    fn fill_up(&mut self, set: &Value, active: &mut [(Key, Arc<Value>)]) -> Option<String> {
        let wanted = usize::try_from(count(set, "/spec/replicas")).unwrap_or(0);
        for _ in active.len()..wanted.min(active.len() + BURST) {
            if let Err(why) = self.make_pod(REPLICA_SETS, set, &[]) {
                return Some(why);
            }
        }
        if active.len() > wanted {
            active.sort_by_cached_key(|(_, pod)| pods::rank(pod));
            for (pod, _) in &active[..active.len() - wanted] {
                self.delete_pod(REPLICA_SETS, set, pod);
            }
        }
        None
    }

    /// The status of what was found, and when a pod is available next.
    fn status_of(
        &self,
        set: &Value,
        active: &[(Key, Arc<Value>)],
        terminating: i64,
        failure: Option<&str>,
    ) -> (Value, Option<Timestamp>) {
        let labels = &set["spec"]["template"]["metadata"];
        let labelled =
            |pod: &Value| members(labels, "/labels").all(|(name, value)| pod["metadata"]["labels"][name] == *value);
        let number = |test: &dyn Fn(&Value) -> bool| {
            i64::try_from(active.iter().filter(|(_, pod)| test(pod)).count()).unwrap_or(0)
        };
        let seconds = count(set, "/spec/minReadySeconds");
        let available = |pod: &Value| pods::available_from(pod, seconds);
        let mut status = json!({
            "replicas": active.len(),
            "observedGeneration": set["metadata"]["generation"],
            "terminatingReplicas": terminating,
        });
        put_count(&mut status, "fullyLabeledReplicas", number(&labelled));
        put_count(
            &mut status,
            "readyReplicas",
            number(&|pod| pods::ready_since(pod).is_some()),
        );
        put_count(
            &mut status,
            "availableReplicas",
            number(&|pod| available(pod).is_some_and(|at| at <= self.now)),
        );
        if let Some(message) = failure {
            let known = conditions::find(&set["status"], "ReplicaFailure").cloned();
            let failure = known.unwrap_or_else(|| {
                json!({
                    "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message,
                    "lastTransitionTime": stamp(self.now),
                })
            });
            put(&mut status, "/conditions", json!([failure]));
        } else {
            let others = items(&set["status"], "/conditions")
                .iter()
                .filter(|one| text(one, "/type") != "ReplicaFailure");
            let others: Vec<Value> = others.cloned().collect();
            if !others.is_empty() {
                put(&mut status, "/conditions", others);
            }
        }
        let next = active
            .iter()
            .filter_map(|(_, pod)| available(pod))
            .filter(|at| *at > self.now)
            .min();
        (status, next)
    }
}
