//! Giving pods to nodes.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::json::{int, items, put, text};
use super::machine::Machine;
use super::nodes::{NodeView, wants};
use super::objects::Key;
use super::pod_status;
use super::registry::NODES;
use super::runs::{Run, Stage, add};
use super::scheduler;
use super::switches::plan;
use super::timers::Timer;

/// From the node to running containers.
const CREATING: SignedDuration = SignedDuration::from_millis(500);

impl Machine {
    /// Takes up a new pod: it waits for a node, or is on the one it names.
    pub(super) fn adopt_pod(&mut self, key: &Key, pod: &Value) {
        let uid = text(pod, "/metadata/uid").to_owned();
        let (deciding, plan) = plan(pod, "");
        let run = Run {
            uid: uid.clone(),
            key: key.clone(),
            wants: wants(pod),
            node: None,
            plan,
            deciding,
            stage: Stage::Waiting,
            bound: self.now,
            started: None,
            restarts: 0,
            pulls: 0,
            last: None,
            address: None,
            problem: None,
            timer: None,
        };
        self.runs.insert(uid.clone(), run);
        match text(pod, "/spec/nodeName") {
            "" => {
                self.waiting.push(uid);
                self.schedule_soon();
            }
            node if self.objects.get(&Key::new(NODES, "", node)).is_some() => self.bind(&uid, node),
            // A node that does not exist: nobody ever takes the pod up, as on the real server.
            _ => {}
        }
    }

    /// Looks for nodes again for the pods that had none: a node has more room, or other rules.
    pub(super) fn make_room(&mut self) {
        let newer = std::mem::take(&mut self.waiting);
        self.waiting = std::mem::take(&mut self.unschedulable);
        self.waiting.extend(newer);
        self.schedule_soon();
    }

    /// Looks for nodes as soon as the machine ticks.
    fn schedule_soon(&mut self) {
        if !self.waiting.is_empty() && !self.scheduling {
            self.scheduling = true;
            self.timers.set(self.now, Timer::Schedule);
        }
    }

    /// Gives nodes to the pods that wait, in the order in which they came.
    pub(super) fn schedule(&mut self) {
        self.scheduling = false;
        let mut views = self.node_views();
        for uid in std::mem::take(&mut self.waiting) {
            let Some(run) = self.runs.get(&uid) else { continue };
            let Some(pod) = self.objects.get(&run.key).map(Arc::clone) else {
                continue;
            };
            if !text(&pod, "/spec/nodeName").is_empty() {
                continue;
            }
            match scheduler::place(&pod, &run.wants, &views) {
                Ok(index) => {
                    let view = &mut views[index];
                    add(&mut view.used, &run.wants, 1);
                    let node = view.name.clone();
                    self.bind(&uid, &node);
                }
                Err(message) => {
                    self.report_unschedulable(&pod, &uid, &message);
                    self.unschedulable.push(uid);
                }
            }
        }
    }

    fn node_views(&self) -> Vec<NodeView> {
        let used = |name: &str| self.used.get(name).cloned().unwrap_or_default();
        self.objects
            .list(NODES, "")
            .map(|(key, node)| scheduler::view(node, used(&key.name)))
            .collect()
    }

    fn report_unschedulable(&mut self, pod: &Value, uid: &str, message: &str) {
        let known = items(pod, "/status/conditions")
            .iter()
            .any(|one| text(one, "/message") == message);
        let Some(key) = self.runs.get(uid).map(|run| run.key.clone()).filter(|_| !known) else {
            return;
        };
        let mut changed = pod.clone();
        let why = Some(("Unschedulable", message));
        let condition = pod_status::condition(pod, self.now, "PodScheduled", false, why);
        put(&mut changed, "/status/conditions", json!([condition]));
        self.objects.write(key, changed);
        self.record(pod, "Warning", "FailedScheduling", message, "default-scheduler");
    }

    /// Gives a pod the node that a client chose, be it there or not.
    pub(super) fn assign(&mut self, uid: &str, node: &str) {
        if self.objects.get(&Key::new(NODES, "", node)).is_some() {
            return self.bind(uid, node);
        }
        let Some(key) = self.objects.key_of(uid).cloned() else {
            return;
        };
        let Some(pod) = self.objects.get(&key) else { return };
        let mut assigned = Value::clone(pod);
        put(&mut assigned, "/spec/nodeName", node);
        put_scheduled(&mut assigned, self.now);
        self.objects.write(key, assigned);
    }

    fn bind(&mut self, uid: &str, node: &str) {
        let now = self.now;
        let Some(run) = self.runs.get_mut(uid) else { return };
        run.node = Some(node.to_owned());
        if self.simulated.contains(node) {
            run.stage = Stage::Creating;
        }
        run.bound = now;
        add(self.used.entry(node.to_owned()).or_default(), &run.wants, 1);
        let key = run.key.clone();
        let Some(pod) = self.objects.get(&key).map(Arc::clone) else {
            return;
        };
        (run.deciding, run.plan) = plan(&pod, node);
        let mut bound = Value::clone(&pod);
        put(&mut bound, "/spec/nodeName", node);
        let simulated = self.simulated.contains(node);
        if !simulated {
            put_scheduled(&mut bound, now);
        }
        self.objects.write(key, bound);
        let message = format!(
            "Successfully assigned {}/{} to {node}",
            text(&pod, "/metadata/namespace"),
            text(&pod, "/metadata/name")
        );
        self.record(&pod, "Normal", "Scheduled", &message, "default-scheduler");
        if !simulated {
            return;
        }
        if let Some(seconds) = int(&pod, "/spec/activeDeadlineSeconds") {
            self.timers.set(
                now.saturating_add(SignedDuration::from_secs(seconds)).unwrap_or(now),
                Timer::Deadline(uid.to_owned()),
            );
        }
        self.enter(uid, Stage::Creating, Some(CREATING));
    }
}

/// Says of a pod that it has a node.
fn put_scheduled(pod: &mut Value, now: Timestamp) {
    let condition = pod_status::condition(pod, now, "PodScheduled", true, None);
    put(pod, "/status/conditions", json!([condition]));
}
