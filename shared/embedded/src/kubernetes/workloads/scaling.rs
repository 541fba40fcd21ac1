//! How many pods each ReplicaSet of a Deployment has: amid a rollout, when it is scaled, and which are kept for going back.

use std::sync::Arc;

use serde_json::Value;

use super::super::json::{int, put, text};
use super::super::machine::Machine;
use super::super::objects::Key;
use super::super::registry::{DEPLOYMENTS, PODS, REPLICA_SETS};
use super::deployments::Look;
use super::revisions::{self, revision};
use super::rollout::{Pace, Share, grown, is_rolling, spread};
use super::{component, count, is_deleted, pods, status};

impl Machine {
    /// Moves pods from the old ReplicaSets to the new one, within the surge and what may be unavailable.
    pub(super) fn roll(&mut self, look: &mut Look) {
        if look.new.is_none() {
            self.make_set(look);
        }
        let Some(new) = look.new.clone() else { return };
        let (replicas, size) = (look.replicas(), count(&new, "/spec/replicas"));
        if size != replicas {
            let wanted = if size > replicas {
                replicas
            } else {
                grown(&look.deployment, size, look.sum("/spec/replicas"))
            };
            look.new = Some(self.scale_set(look, &new, wanted));
            if wanted != size {
                return;
            }
        }
        if self.shrink_old(look) {
            return;
        }
        self.clean_up_complete(look);
    }

    /// Scales old ReplicaSets down, those that are unhealthy first, and says whether it did.
    fn shrink_old(&mut self, look: &mut Look) -> bool {
        let Some(new) = look.new.clone() else { return false };
        let least = look.replicas() - Pace::of(&look.deployment).unavailable;
        let missing = count(&new, "/spec/replicas") - count(&new, "/status/availableReplicas");
        let most = look.sum("/spec/replicas") - least - missing;
        let mut left = most.max(0);
        let mut changed = false;
        for index in 0..look.old.len() {
            let set = Arc::clone(&look.old[index]);
            let unhealthy = count(&set, "/spec/replicas") - count(&set, "/status/availableReplicas");
            changed |= self.shrink(look, index, unhealthy.clamp(0, left));
            left -= unhealthy.clamp(0, left);
        }
        if most <= 0 {
            return false;
        }
        let mut left = (look.sum("/status/availableReplicas") - least).max(0);
        for index in 0..look.old.len() {
            let part = count(&look.old[index], "/spec/replicas").min(left);
            changed |= self.shrink(look, index, part);
            left -= part;
        }
        changed
    }

    fn shrink(&mut self, look: &mut Look, index: usize, by: i64) -> bool {
        let set = Arc::clone(&look.old[index]);
        if by > 0 {
            look.old[index] = self.scale_set(look, &set, count(&set, "/spec/replicas") - by);
        }
        by > 0
    }

    /// Ends all old pods before the first new one is made.
    pub(super) fn recreate(&mut self, look: &mut Look) {
        let mut scaled = false;
        for index in 0..look.old.len() {
            let by = count(&look.old[index], "/spec/replicas");
            scaled |= self.shrink(look, index, by);
        }
        let runs = |set: &Arc<Value>| {
            let mut owned = self.controlled(set, PODS).into_iter();
            count(set, "/status/replicas") > 0 || owned.any(|(_, pod)| !pods::is_over(&pod))
        };
        if scaled || look.old.iter().any(runs) {
            return;
        }
        if look.new.is_none() {
            self.make_set(look);
        }
        if let Some(new) = look.new.clone() {
            look.new = Some(self.scale_set(look, &new, look.replicas()));
            self.clean_up_complete(look);
        }
    }

    /// Scales without a rollout, or amid one that goes on afterwards.
    pub(super) fn scale_all(&mut self, look: &mut Look) {
        let replicas = look.replicas();
        let has_pods = |set: &&Arc<Value>| count(set, "/spec/replicas") > 0;
        let active: Vec<Arc<Value>> = look.all().filter(has_pods).map(Arc::clone).collect();
        let newest = || look.new.clone().or_else(|| look.old.last().map(Arc::clone));
        if active.len() <= 1 {
            if let Some(only) = active.first().map(Arc::clone).or_else(newest) {
                self.scale_in(look, &only, replicas);
            }
            return;
        }
        let is_saturated = |new: &Arc<Value>| {
            let sizes = [
                Some(count(new, "/spec/replicas")),
                revisions::desired(new),
                Some(count(new, "/status/availableReplicas")),
            ];
            sizes.iter().all(|size| *size == Some(replicas))
        };
        if look.new.as_ref().is_some_and(is_saturated) {
            for index in 0..look.old.len() {
                let by = count(&look.old[index], "/spec/replicas");
                self.shrink(look, index, by);
            }
        } else if is_rolling(&look.deployment) {
            self.scale_in_proportion(look, active);
        }
    }

    fn scale_in_proportion(&mut self, look: &mut Look, mut active: Vec<Arc<Value>>) {
        let replicas = look.replicas();
        let most = if replicas > 0 {
            replicas + Pace::of(&look.deployment).surge
        } else {
            0
        };
        let add = most - look.sum("/spec/replicas");
        // The larger first; of equals the newer when growing, the older when shrinking.
        if add > 0 {
            active.reverse();
        }
        active.sort_by_key(|set| -count(set, "/spec/replicas"));
        let share = |set: &Arc<Value>| {
            let before = revisions::most(set).filter(|most| *most != 0);
            let before = before.unwrap_or_else(|| count(&look.deployment, "/status/replicas"));
            Share {
                replicas: count(set, "/spec/replicas"),
                most_before: before,
            }
        };
        let shares: Vec<Share> = active.iter().map(share).collect();
        for (set, size) in active.iter().zip(spread(&shares, add, replicas, most)) {
            self.scale_in(look, set, size);
        }
    }

    /// Scales one of the ReplicaSets, and keeps what it is then.
    fn scale_in(&mut self, look: &mut Look, set: &Arc<Value>, size: i64) {
        let scaled = self.scale_set(look, set, size);
        let uid = text(set, "/metadata/uid");
        let place = look
            .old
            .iter_mut()
            .chain(&mut look.new)
            .find(|one| text(one, "/metadata/uid") == uid);
        if let Some(place) = place {
            *place = scaled;
        }
    }

    fn scale_set(&mut self, look: &Look, set: &Arc<Value>, size: i64) -> Arc<Value> {
        let before = count(set, "/spec/replicas");
        let name = text(set, "/metadata/name").to_owned();
        let mut changed = Value::clone(set);
        put(&mut changed, "/spec/replicas", size);
        revisions::note_size(&look.deployment, &mut changed);
        if size != before {
            let way = if size > before { "up" } else { "down" };
            let message = format!("Scaled {way} replica set {name} from {before} to {size}");
            self.record(
                &look.deployment,
                "Normal",
                "ScalingReplicaSet",
                &message,
                component(DEPLOYMENTS),
            );
        }
        self.rewrite(&Key::new(REPLICA_SETS, &look.key.namespace, &name), changed)
    }

    fn clean_up_complete(&mut self, look: &Look) {
        if status::is_complete(&look.deployment, &look.deployment["status"]) {
            self.clean_up(look);
        }
    }

    /// Deletes the oldest ReplicaSets beyond those that are kept for going back to.
    pub(super) fn clean_up(&mut self, look: &Look) {
        let Some(kept) =
            int(&look.deployment, "/spec/revisionHistoryLimit").and_then(|kept| usize::try_from(kept).ok())
        else {
            return;
        };
        let mut old: Vec<&Arc<Value>> = look.old.iter().filter(|set| !is_deleted(set)).collect();
        old.sort_by_key(|set| revision(set));
        for set in &old[..old.len().saturating_sub(kept)] {
            let idle = count(set, "/spec/replicas") == 0 && count(set, "/status/replicas") == 0;
            let seen = int(set, "/status/observedGeneration") >= int(set, "/metadata/generation");
            if idle && seen {
                self.retire(
                    &Key::new(REPLICA_SETS, &look.key.namespace, text(set, "/metadata/name")),
                    None,
                );
            }
        }
    }
}
