//! Deployments: one ReplicaSet a template, and pods moved from one to the next (kube-controller-manager's
//! `pkg/controller/deployment`).

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::ids;
use super::super::json::{keep, put, text};
use super::super::machine::Machine;
use super::super::objects::Key;
use super::super::registry::{DEPLOYMENTS, KINDS, REPLICA_SETS};
use super::conditions::{self, Said};
use super::revisions::{self, HASH, revision};
use super::rollout::{grown, is_rolling};
use super::{component, count, is_deleted, reference, status};

/// After the deadline, because instants are whole seconds.
const SLACK: jiff::SignedDuration = jiff::SignedDuration::from_secs(1);

/// A Deployment and its ReplicaSets, as one look at them goes on.
pub(super) struct Look {
    pub(super) key: Key,
    /// As it is to be written.
    pub(super) deployment: Value,
    /// The ReplicaSet of its template.
    pub(super) new: Option<Arc<Value>>,
    /// The others, oldest first.
    pub(super) old: Vec<Arc<Value>>,
}

impl Look {
    /// All of its ReplicaSets.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.old.iter().chain(&self.new)
    }

    /// A number of all ReplicaSets together.
    pub(super) fn sum(&self, pointer: &str) -> i64 {
        self.all().map(|set| count(set, pointer)).sum()
    }

    /// How many pods it is to have.
    pub(super) fn replicas(&self) -> i64 {
        count(&self.deployment, "/spec/replicas")
    }

    fn say(&mut self, status: &str, reason: &str, message: &str, now: Timestamp) {
        let said = Said {
            name: "Progressing",
            status,
            reason,
            message,
        };
        conditions::set(&mut self.deployment["status"], said, now);
    }
}

impl Machine {
    pub(super) fn sync_deployment(&mut self, key: &Key) -> Option<Timestamp> {
        let deployment = self.objects.get(key).map(Arc::clone)?;
        if deployment["status"]["observedGeneration"].is_null() {
            self.find_owned(&deployment, DEPLOYMENTS, REPLICA_SETS);
        }
        let mut sets: Vec<Arc<Value>> = self
            .controlled(&deployment, REPLICA_SETS)
            .into_iter()
            .map(|(_, set)| set)
            .collect();
        sets.sort_by_cached_key(|set| (text(set, "/metadata/creationTimestamp").to_owned(), revision(set)));
        let is_new = |set: &Arc<Value>| revisions::is_same(&set["spec"]["template"], &deployment["spec"]["template"]);
        let new = sets.iter().position(is_new).map(|index| sets.remove(index));
        let mut look = Look {
            key: key.clone(),
            deployment: Value::clone(&deployment),
            new,
            old: sets,
        };
        if is_deleted(&deployment) {
            return self.finish(look, false);
        }
        self.note_pause(&mut look);
        let paused = deployment["spec"]["paused"] == true;
        self.renew_set(&mut look);
        let is_scaled = |set: &&Arc<Value>| {
            let desired = revisions::desired(set);
            count(set, "/spec/replicas") > 0 && desired.is_some_and(|desired| desired != look.replicas())
        };
        if paused || look.all().any(|set| is_scaled(&set)) {
            self.scale_all(&mut look);
            if paused {
                self.clean_up(&look);
            }
            return self.finish(look, false);
        }
        if is_rolling(&deployment) {
            self.roll(&mut look);
        } else {
            self.recreate(&mut look);
        }
        self.finish(look, true)
    }

    /// Writes the status, and says when to look again.
    fn finish(&mut self, mut look: Look, rolls: bool) -> Option<Timestamp> {
        let status = status::of_deployment(&look, rolls, self.now);
        look.deployment["status"] = status;
        let (key, deployment) = (look.key.clone(), look.deployment);
        let stored = self.rewrite(&key, deployment);
        let progressing = conditions::find(&stored["status"], "Progressing")?;
        let settled = matches!(
            text(progressing, "/reason"),
            "NewReplicaSetAvailable" | "ProgressDeadlineExceeded" | "DeploymentPaused"
        );
        let deadline = status::deadline(&stored).filter(|_| rolls && !settled)?;
        deadline.checked_add(SLACK).ok()
    }

    /// A pause is neither progress nor the lack of it.
    fn note_pause(&self, look: &mut Look) {
        if !status::has_deadline(&look.deployment) {
            return;
        }
        let known = conditions::find(&look.deployment["status"], "Progressing");
        let reason = known.map_or("", |known| text(known, "/reason")).to_owned();
        match (look.deployment["spec"]["paused"] == true, reason.as_str()) {
            (_, "ProgressDeadlineExceeded") | (true, "DeploymentPaused") => {}
            (true, _) => look.say("Unknown", "DeploymentPaused", "Deployment is paused", self.now),
            (false, "DeploymentPaused") => look.say("Unknown", "DeploymentResumed", "Deployment is resumed", self.now),
            (false, _) => {}
        }
    }

    /// Brings annotations and revision of the ReplicaSet of the template up to date.
    fn renew_set(&mut self, look: &mut Look) {
        let Some(new) = look.new.clone() else { return };
        let mut changed = Value::clone(&new);
        revisions::annotate(&look.deployment, &mut changed, revisions::next(look));
        keep(&look.deployment, &mut changed, "/spec/minReadySeconds");
        let name = text(&new, "/metadata/name").to_owned();
        let new = self.rewrite(&Key::new(REPLICA_SETS, &look.key.namespace, &name), changed);
        revisions::put(&mut look.deployment, revision(&new));
        if status::has_deadline(&look.deployment)
            && conditions::find(&look.deployment["status"], "Progressing").is_none()
        {
            look.say(
                "True",
                "FoundNewReplicaSet",
                &format!("Found new replica set {name:?}"),
                self.now,
            );
        }
        look.new = Some(new);
    }

    /// Makes the ReplicaSet of the template.
    pub(super) fn make_set(&mut self, look: &mut Look) {
        let deployment = &look.deployment;
        let collisions = count(deployment, "/status/collisionCount");
        let hash = ids::hash_word(&format!("{}/{collisions}", deployment["spec"]["template"]));
        let name = format!("{}-{hash}", look.key.name);
        if self
            .objects
            .get(&Key::new(REPLICA_SETS, &look.key.namespace, &name))
            .is_some()
        {
            put(&mut look.deployment, "/status/collisionCount", collisions + 1);
            return;
        }
        let mut template = deployment["spec"]["template"].clone();
        put(&mut template, &format!("/metadata/labels/{HASH}"), hash.as_str());
        let mut selector = deployment["spec"]["selector"].clone();
        put(&mut selector, &format!("/matchLabels/{HASH}"), hash.as_str());
        let replicas = grown(deployment, 0, look.sum("/spec/replicas"));
        let kind = &KINDS[REPLICA_SETS];
        let mut set = json!({
            "kind": kind.kind,
            "apiVersion": kind.api_version(),
            "metadata": {
                "name": name, "labels": template["metadata"]["labels"],
                "ownerReferences": [reference(DEPLOYMENTS, deployment)],
            },
            "spec": { "replicas": replicas, "selector": selector, "template": template },
        });
        keep(deployment, &mut set, "/spec/minReadySeconds");
        let next = revisions::next(look);
        revisions::annotate(deployment, &mut set, next);
        revisions::note_size(deployment, &mut set);
        match self.make_for_controller(REPLICA_SETS, &look.key.namespace, set) {
            Ok(set) => {
                if replicas > 0 {
                    let message = format!("Scaled up replica set {name} from 0 to {replicas}");
                    self.record(
                        &look.deployment,
                        "Normal",
                        "ScalingReplicaSet",
                        &message,
                        component(DEPLOYMENTS),
                    );
                }
                revisions::put(&mut look.deployment, next);
                if status::has_deadline(&look.deployment) {
                    look.say(
                        "True",
                        "NewReplicaSetCreated",
                        &format!("Created new replica set {name:?}"),
                        self.now,
                    );
                }
                look.new = Some(set);
            }
            Err(refusal) => {
                let message = format!("Failed to create new replica set {name:?}: {}", refusal.message());
                self.record(
                    &look.deployment,
                    "Warning",
                    "ReplicaSetCreateError",
                    &message,
                    component(DEPLOYMENTS),
                );
                look.say("False", "ReplicaSetCreateError", &message, self.now);
            }
        }
    }
}
