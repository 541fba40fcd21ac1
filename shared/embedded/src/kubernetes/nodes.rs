//! Nodes: the simulated ones, and what becomes of those that a client makes and plays.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::json::{cut, default, items, members, put, stamp, text};
use super::machine::Machine;
use super::objects::Key;
use super::quantity::milli;
use super::registry::NODES;
use super::runs::{Run, release};
use super::timers::Timer;

/// Address of every node. Pods have addresses of their own.
pub(super) const NODE_ADDRESS: &str = "127.0.0.1";

/// Name and capacity of a simulated node; quantities as Kubernetes writes them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeShape {
    /// Name of the node, a DNS label.
    pub name: String,
    /// For instance `16` or `500m`.
    pub cpu: String,
    /// For instance `64Gi`.
    pub memory: String,
    /// How many pods fit.
    pub pods: u32,
}

impl NodeShape {
    /// A node that holds thousands of small pods.
    #[must_use]
    pub fn large(name: &str) -> NodeShape {
        NodeShape {
            name: name.to_owned(),
            cpu: "16".to_owned(),
            memory: "64Gi".to_owned(),
            pods: 5_000,
        }
    }

    /// The `Node` object, Ready.
    pub(super) fn object(&self, now: Timestamp) -> Value {
        let room = json!({
            "cpu": self.cpu, "memory": self.memory, "pods": self.pods.to_string(), "ephemeral-storage": "100Gi",
        });
        let condition = |name: &str, status: &str, reason: &str, message: &str| {
            json!({"type": name, "status": status, "reason": reason, "message": message,
                   "lastHeartbeatTime": stamp(now), "lastTransitionTime": stamp(now)})
        };
        json!({
            "metadata": {"name": self.name, "labels": {
                "kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                "beta.kubernetes.io/os": "linux", "beta.kubernetes.io/arch": "amd64",
            }},
            "spec": {},
            "status": {
                "capacity": room, "allocatable": room,
                "conditions": [
                    condition("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
                    condition("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
                    condition("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
                    condition("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
                ],
                "addresses": [
                    {"type": "InternalIP", "address": NODE_ADDRESS}, {"type": "Hostname", "address": self.name},
                ],
                "nodeInfo": {
                    "architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": super::discovery::VERSION,
                    "kubeProxyVersion": "", "containerRuntimeVersion": "simulated://1", "osImage": "simulated",
                    "kernelVersion": "simulated", "machineID": "", "systemUUID": "", "bootID": "",
                },
            },
        })
    }
}

/// The taint that a node has as long as a condition has this status (kube-controller-manager's node life cycle).
const TAINTS: &[(&str, &str, &str)] = &[
    ("Ready", "False", "node.kubernetes.io/not-ready"),
    ("Ready", "Unknown", "node.kubernetes.io/unreachable"),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
];
const CORDONED: &str = "node.kubernetes.io/unschedulable";
/// From the end of a node to the end of its pods (kube-controller-manager's collector of pods).
const BEREAVED: SignedDuration = SignedDuration::from_secs(40);

impl Machine {
    /// A new node takes nothing until somebody says that it is Ready.
    pub(super) fn begin_node(&self, node: &mut Value) {
        let taint = json!({"key": TAINTS[0].2, "effect": "NoSchedule"});
        let mut taints = items(node, "/spec/taints").to_vec();
        taints.push(taint);
        put(node, "/spec/taints", taints);
        let room = node["status"]["capacity"].clone();
        if !room.is_null() {
            default(node, "/status/allocatable", room);
        }
    }

    /// Taints a changed node by its conditions and its cordon, and looks whether it has room for those that wait.
    pub(super) fn mind_node(&mut self, name: &str) {
        let key = Key::new(NODES, "", name);
        let Some(node) = self.objects.get(&key).map(Arc::clone) else {
            return;
        };
        let mut tainted = Value::clone(&node);
        let wanted = taints(&node, self.now);
        match wanted.is_empty() {
            true => drop(cut(&mut tainted, "/spec/taints")),
            false => put(&mut tainted, "/spec/taints", wanted),
        }
        if tainted != *node {
            self.objects.write(key, tainted);
        }
        self.make_room();
    }

    /// Forgets a node whose object is gone. Its pods follow.
    pub(super) fn forget_node(&mut self, name: &str) {
        self.simulated.remove(name);
        let at = self.now.saturating_add(BEREAVED).unwrap_or(self.now);
        self.timers.set(at, Timer::Bereaved(name.to_owned()));
    }

    /// Deletes the pods of a node that is gone.
    pub(super) fn bury_pods(&mut self, node: &str) {
        if self.objects.get(&Key::new(NODES, "", node)).is_some() {
            return;
        }
        let here = |run: &&Run| run.node.as_deref() == Some(node);
        let keys: Vec<Key> = self.runs.values().filter(here).map(|run| run.key.clone()).collect();
        for key in keys {
            self.retire(&key, Some(0));
        }
    }

    /// A pod on a node that a client plays is over as soon as that client says so.
    pub(super) fn mind_pod(&mut self, pod: &Value) {
        let over = matches!(text(pod, "/status/phase"), "Succeeded" | "Failed");
        let Some(run) = self.runs.get_mut(text(pod, "/metadata/uid")).filter(|_| over) else {
            return;
        };
        if run.node.as_ref().is_some_and(|node| !self.simulated.contains(node)) {
            release(&mut self.used, run);
            self.make_room();
        }
    }
}

/// The taints that a node is to have: those of others, and those of its conditions and its cordon.
fn taints(node: &Value, now: Timestamp) -> Vec<Value> {
    let known = items(node, "/spec/taints");
    let conditions = items(node, "/status/conditions");
    let is_cordoned = node["spec"]["unschedulable"] == true;
    let said = |name: &str| {
        conditions
            .iter()
            .find(|one| text(one, "/type") == name)
            .map(|one| text(one, "/status"))
    };
    let mut wanted: Vec<&str> = TAINTS
        .iter()
        .filter(|(condition, status, _)| said(condition) == Some(*status))
        .map(|(_, _, key)| *key)
        .collect();
    if said("Ready").is_none() {
        wanted.push(TAINTS[0].2);
    }
    if is_cordoned {
        wanted.push(CORDONED);
    }
    let is_own = |key: &str| key == CORDONED || TAINTS.iter().any(|(_, _, own)| *own == key);
    let stays = |taint: &&Value| {
        let key = text(taint, "/key");
        text(taint, "/effect") != "NoSchedule" || !is_own(key) || wanted.contains(&key)
    };
    let mut taints: Vec<Value> = known.iter().filter(stays).cloned().collect();
    for key in wanted {
        if !taints
            .iter()
            .any(|taint| text(taint, "/key") == key && text(taint, "/effect") == "NoSchedule")
        {
            taints.push(json!({"key": key, "effect": "NoSchedule", "timeAdded": stamp(now)}));
        }
    }
    taints
}

/// Amounts by resource, in thousandths; `pods` among them.
pub(super) type Amounts = BTreeMap<String, i128>;

/// What the scheduler needs to know of a node.
#[derive(Debug)]
pub(super) struct NodeView {
    pub(super) name: String,
    pub(super) node: Value,
    pub(super) room: Amounts,
    pub(super) used: Amounts,
}

/// What a pod asks a node for.
pub(super) fn wants(pod: &Value) -> Amounts {
    let mut wants = Amounts::from([("pods".to_owned(), 1_000)]);
    for container in items(pod, "/spec/containers") {
        for (name, amount) in amounts(container, "/resources/requests") {
            let sum: &mut i128 = wants.entry(name).or_default();
            *sum = sum.saturating_add(amount);
        }
    }
    wants
}

/// The quantities of the map at `pointer`.
pub(super) fn amounts(object: &Value, pointer: &str) -> Amounts {
    let read = |(name, value): (&String, &Value)| Some((name.clone(), milli(value.as_str()?).ok()?));
    members(object, pointer).filter_map(read).collect()
}
