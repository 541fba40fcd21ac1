//! The simulated nodes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::json::{items, members, stamp};
use super::quantity::milli;

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
