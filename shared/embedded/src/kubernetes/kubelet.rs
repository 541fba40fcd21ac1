//! The life of pods on the simulated nodes: created, running, ready, crashing, evicted, ended.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;

use super::json::{flag, items, put, text};
use super::machine::Machine;
use super::objects::Key;
use super::pod_status;
use super::registry::{CONFIG_MAPS, SECRETS};
use super::runs::{Ending, Stage, back_off, release};
use super::switches::Plan;
use super::timers::Timer;

/// How long a crashing container runs, and how long it is seen ended before what follows.
const CRASH_STEP: SignedDuration = SignedDuration::from_secs(1);
/// How long a container runs that does nothing.
const FINISHING: SignedDuration = SignedDuration::from_millis(500);
/// Exit code of a container that relapses, and after how many starts again it is well.
const RELAPSE_CODE: u8 = 1;
const WELL_AFTER: u32 = 3;
/// How long a failed pull is shown as an error before it is shown as a back-off.
const PULL_SHOWN: SignedDuration = SignedDuration::from_secs(2);
/// Pause before another look for what a pod's containers refer to, or before another try to listen.
pub(super) const RETRY: SignedDuration = SignedDuration::from_secs(2);
/// How long a deleted pod's containers take to end, when their grace is not shorter.
const ENDING: SignedDuration = SignedDuration::from_secs(1);
/// Exit code of a container that was killed.
const KILLED: u8 = 137;

impl Machine {
    /// Puts a pod into a stage, shows it, and wakes it again after a while.
    pub(super) fn enter(&mut self, uid: &str, stage: Stage, wake: Option<SignedDuration>) {
        let now = self.now;
        let Some(run) = self.runs.get_mut(uid) else { return };
        if let Some(timer) = run.timer.take() {
            self.timers.cancel(timer);
        }
        let listened = matches!(run.stage, Stage::Serving | Stage::Ready);
        if listened != matches!(stage, Stage::Serving | Stage::Ready) {
            self.listener_changes.insert(uid.to_owned());
        }
        if stage.is_terminal() {
            release(&mut self.used, run);
        }
        run.stage = stage;
        if let Some(wake) = wake {
            let at = now.saturating_add(wake).unwrap_or(now);
            run.timer = Some(self.timers.set(at, Timer::Step(uid.to_owned())));
        }
        let ended = run.stage.is_terminal().then(|| run.key.namespace.clone());
        if let Some(namespace) = &ended {
            self.make_room();
            self.count_soon(namespace);
        }
        self.show(uid);
    }

    /// Writes a pod's status where it reads otherwise than before.
    fn show(&mut self, uid: &str) {
        let Some(run) = self.runs.get(uid) else { return };
        let Some(pod) = self.objects.get(&run.key) else { return };
        let status = pod_status::render(run, pod, self.now);
        if pod["status"] != status {
            let mut changed = Value::clone(pod);
            put(&mut changed, "/status", status);
            self.objects.write(run.key.clone(), changed);
        }
    }

    /// The next step in the life of a pod.
    pub(super) fn step(&mut self, uid: &str) {
        let Some(run) = self.runs.get_mut(uid) else { return };
        run.timer = None;
        let plan = run.plan.clone();
        let key = run.key.clone();
        let Some(pod) = self.objects.get(&key).map(Arc::clone) else {
            return;
        };
        let run_stage = self
            .runs
            .get(uid)
            .map(|run| run.stage.clone())
            .unwrap_or(Stage::Waiting);
        match (run_stage, plan) {
            (Stage::Creating | Stage::Missing { .. }, plan) => self.create_containers(uid, &pod, plan),
            (Stage::PullFailed, _) => {
                let delay = self.runs.get(uid).map_or(RETRY, |run| back_off(run.pulls));
                self.record(
                    &pod,
                    "Normal",
                    "BackOff",
                    &format!("Back-off pulling image {:?}", self.image(uid, &pod)),
                    "kubelet",
                );
                self.enter(uid, Stage::PullBackOff, Some(delay));
            }
            (Stage::PullBackOff, _) => {
                if let Some(run) = self.runs.get_mut(uid) {
                    run.pulls = run.pulls.saturating_add(1);
                }
                self.fail_pull(uid, &pod);
            }
            (Stage::Running, Plan::Relapse(_)) if self.is_relapsing(uid) => self.crash(uid, &pod, RELAPSE_CODE, None),
            (Stage::Running, Plan::Serve(_) | Plan::Evict | Plan::Relapse(_)) => self.enter(uid, Stage::Serving, None),
            (Stage::Running, Plan::Finish) => self.crash(uid, &pod, 0, None),
            (Stage::Running, Plan::Crash(code, message)) => self.crash(uid, &pod, code, message),
            (Stage::Serving, _) => drop(self.listener_changes.insert(uid.to_owned())),
            (Stage::Ready, Plan::Evict) => self.evict(uid, &pod),
            (Stage::Ready, Plan::Relapse(_)) => self.crash(uid, &pod, RELAPSE_CODE, None),
            (Stage::Crashed, _) => self.after_crash(uid, &pod),
            (Stage::BackOff, _) => self.restart(uid),
            _ => {}
        }
    }

    /// Whether a container that relapses has been started again, and not yet often enough to be well.
    fn is_relapsing(&self, uid: &str) -> bool {
        let restarts = self.runs.get(uid).map_or(0, |run| run.restarts);
        (1..WELL_AFTER).contains(&restarts)
    }

    fn image(&self, uid: &str, pod: &Value) -> String {
        let index = self.runs.get(uid).map_or(0, |run| run.deciding);
        text(&pod["spec"]["containers"][index], "/image").to_owned()
    }

    fn create_containers(&mut self, uid: &str, pod: &Value, plan: Plan) {
        if let Some((reason, message)) = self.missing(pod) {
            return self.enter(uid, Stage::Missing { reason, message }, Some(RETRY));
        }
        let image = self.image(uid, pod);
        self.record(pod, "Normal", "Pulling", &format!("Pulling image {image:?}"), "kubelet");
        let address = self.next_address(pod);
        if let Some(run) = self.runs.get_mut(uid) {
            run.address = Some(address);
        }
        let (now, bound) = (self.now, self.runs.get(uid).map_or(self.now, |run| run.bound));
        let wake = match plan {
            Plan::PullError => return self.fail_pull(uid, pod),
            Plan::Refused(why) => {
                self.record(pod, "Warning", "Failed", &format!("Error: {why}"), "kubelet");
                return self.enter(uid, Stage::Refused(why), None);
            }
            Plan::Serve(after) => Some(after - now.duration_since(bound)),
            Plan::Evict | Plan::Relapse(_) | Plan::Crash(..) => Some(CRASH_STEP),
            Plan::Finish => Some(FINISHING),
            Plan::NeverReady => None,
        };
        self.record(
            pod,
            "Normal",
            "Pulled",
            &format!("Successfully pulled image {image:?}"),
            "kubelet",
        );
        self.record(pod, "Normal", "Started", "Started container", "kubelet");
        if let Some(run) = self.runs.get_mut(uid) {
            run.started = Some(now);
        }
        self.enter(uid, Stage::Running, wake.map(|wake| wake.max(SignedDuration::ZERO)));
    }

    /// The first ConfigMap or Secret that a pod refers to and that is not there: how kubelet puts it.
    fn missing(&self, pod: &Value) -> Option<(&'static str, String)> {
        let namespace = text(pod, "/metadata/namespace");
        let absent = |reference: &Value, field: &str, id, noun: &str| {
            let name = text(reference, field);
            let needed = !name.is_empty() && flag(reference, "/optional") != Some(true);
            let gone = needed && self.objects.get(&Key::new(id, namespace, name)).is_none();
            gone.then(|| format!("{noun} {name:?} not found"))
        };
        let volumes = items(pod, "/spec/volumes").iter().find_map(|volume| {
            absent(&volume["secret"], "/secretName", SECRETS, "secret")
                .or_else(|| absent(&volume["configMap"], "/name", CONFIG_MAPS, "configmap"))
        });
        if volumes.is_some() {
            return Some(("ContainerCreating", String::new()));
        }
        let settings = items(pod, "/spec/containers").iter().find_map(|container| {
            let from = items(container, "/envFrom").iter().find_map(|source| {
                absent(&source["secretRef"], "/name", SECRETS, "secret")
                    .or_else(|| absent(&source["configMapRef"], "/name", CONFIG_MAPS, "configmap"))
            });
            let single = || {
                items(container, "/env").iter().find_map(|variable| {
                    absent(&variable["valueFrom"]["secretKeyRef"], "/name", SECRETS, "secret").or_else(|| {
                        absent(
                            &variable["valueFrom"]["configMapKeyRef"],
                            "/name",
                            CONFIG_MAPS,
                            "configmap",
                        )
                    })
                })
            };
            from.or_else(single)
        });
        settings.map(|message| ("CreateContainerConfigError", message))
    }

    fn fail_pull(&mut self, uid: &str, pod: &Value) {
        let image = self.image(uid, pod);
        let failure = pod_status::pull_failure(&image);
        self.record(
            pod,
            "Warning",
            "Failed",
            &format!("Failed to pull image {image:?}: {failure}"),
            "kubelet",
        );
        self.enter(uid, Stage::PullFailed, Some(PULL_SHOWN));
    }

    fn crash(&mut self, uid: &str, pod: &Value, code: u8, message: Option<&'static str>) {
        self.end_container(uid, code, message);
        match (text(pod, "/spec/restartPolicy"), code) {
            ("OnFailure" | "Never", 0) => self.enter(uid, Stage::Succeeded, None),
            ("Never", _) => self.enter(
                uid,
                Stage::Failed {
                    reason: String::new(),
                    message: String::new(),
                },
                None,
            ),
            _ => self.enter(uid, Stage::Crashed, Some(CRASH_STEP)),
        }
    }

    fn end_container(&mut self, uid: &str, code: u8, message: Option<&'static str>) {
        let now = self.now;
        if let Some(run) = self.runs.get_mut(uid) {
            let started = run.started.unwrap_or(run.bound);
            run.last = Some(Ending {
                code,
                message,
                started,
                finished: now,
                restarts: run.restarts,
            });
        }
    }

    fn after_crash(&mut self, uid: &str, pod: &Value) {
        let Some(run) = self.runs.get(uid) else { return };
        if run.restarts == 0 {
            return self.restart(uid);
        }
        let (delay, name) = (
            run.crash_delay(),
            text(&pod["spec"]["containers"][run.deciding], "/name").to_owned(),
        );
        let (pod_name, namespace) = (text(pod, "/metadata/name"), text(pod, "/metadata/namespace"));
        let message = format!("Back-off restarting failed container {name} in pod {pod_name}_{namespace}({uid})");
        self.record(pod, "Warning", "BackOff", &message, "kubelet");
        self.enter(uid, Stage::BackOff, Some(delay));
    }

    fn restart(&mut self, uid: &str) {
        let now = self.now;
        if let Some(run) = self.runs.get_mut(uid) {
            run.restarts = run.restarts.saturating_add(1);
            run.started = Some(now);
        }
        self.enter(uid, Stage::Running, Some(CRASH_STEP));
    }

    fn evict(&mut self, uid: &str, pod: &Value) {
        let container = text(&pod["spec"]["containers"][0], "/name").to_owned();
        let message = format!(
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 51Mi. Container {container} was using \
             480Mi, request is 0, has larger consumption of memory. "
        );
        self.record(pod, "Warning", "Evicted", &message, "kubelet");
        self.end_container(uid, KILLED, None);
        self.enter(
            uid,
            Stage::Failed {
                reason: "Evicted".to_owned(),
                message,
            },
            None,
        );
    }

    /// A pod has been active for as long as it may.
    pub(super) fn pass_deadline(&mut self, uid: &str) {
        let up = self.runs.get(uid).is_some_and(|run| !run.stage.is_terminal());
        if up {
            self.end_container(uid, KILLED, None);
            let message = "Pod was active on the node longer than the specified deadline".to_owned();
            self.enter(
                uid,
                Stage::Failed {
                    reason: "DeadlineExceeded".to_owned(),
                    message,
                },
                None,
            );
        }
    }

    /// Lets the containers of a deleted pod end within its grace.
    pub(super) fn stop_pod(&mut self, uid: &str, pod: &Value, grace: i64) {
        // Of a node that is played by a client, that client says when they have.
        let node = self.runs.get(uid).and_then(|run| run.node.as_ref());
        if !node.is_some_and(|node| self.simulated.contains(node)) {
            return;
        }
        self.record(pod, "Normal", "Killing", "Stopping container", "kubelet");
        let wait = ENDING.min(SignedDuration::from_secs(grace));
        self.timers.set(
            self.now.saturating_add(wait).unwrap_or(self.now),
            Timer::Ended(uid.to_owned()),
        );
    }

    /// The containers of a deleted pod have ended: it goes, once nothing holds it any more.
    pub(super) fn end_pod(&mut self, uid: &str) {
        let Some(key) = self.runs.get(uid).map(|run| run.key.clone()) else {
            return;
        };
        let Some(pod) = self.objects.get(&key).map(Arc::clone) else {
            return;
        };
        if items(&pod, "/metadata/finalizers").is_empty() {
            self.remove(&key);
            return;
        }
        let mut held = Value::clone(&pod);
        put(&mut held, "/metadata/deletionGracePeriodSeconds", 0);
        self.objects.write(key, held);
        self.end_container(uid, 0, None);
        self.enter(uid, Stage::Succeeded, None);
    }

    /// Forgets a pod whose object is gone.
    pub(super) fn forget_pod(&mut self, uid: &str) {
        if let Some(mut run) = self.runs.remove(uid) {
            release(&mut self.used, &mut run);
            if let Some(timer) = run.timer.take() {
                self.timers.cancel(timer);
            }
            self.listener_changes.insert(uid.to_owned());
            self.make_room();
        }
    }
}
