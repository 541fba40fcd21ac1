//! The ports of pods: which are to be open, and what follows when they are, or cannot be.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::json::{int, members};
use super::kubelet::RETRY;
use super::machine::Machine;
use super::runs::{Run, Stage};
use super::switches::Plan;

/// From ready to evicted, for images that are evicted.
const EVICTED_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// Where a pod listens that declares no port.
const PORT: u16 = 8888;

/// A port that a pod accepts connections on: somebody has to listen there and to say so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Uid of the pod.
    pub pod_uid: String,
    /// Namespace of the pod.
    pub namespace: String,
    /// Name of the pod.
    pub pod: String,
    /// Labels of the pod.
    pub labels: Vec<(String, String)>,
    /// Address and port of its first container port (8888 when it declares none).
    pub address: SocketAddr,
}

impl Machine {
    /// The ports that pods want open, in the order of their uids.
    pub fn listeners(&self) -> impl Iterator<Item = Listener> {
        self.runs.values().filter_map(|run| self.listener(run))
    }

    /// The pods whose wish may have changed since this was asked last, by uid: the port that is to be open, or `None`
    /// where none is. One that could not be opened is named again.
    pub fn take_listener_changes(&mut self) -> Vec<(String, Option<Listener>)> {
        let changed = std::mem::take(&mut self.listener_changes);
        let wish = |uid: &String| self.listener(self.runs.get(uid)?);
        changed
            .into_iter()
            .map(|uid| {
                let wish = wish(&uid);
                (uid, wish)
            })
            .collect()
    }

    fn listener(&self, run: &Run) -> Option<Listener> {
        if !matches!(run.stage, Stage::Serving | Stage::Ready) {
            return None;
        }
        let pod = self.objects.get(&run.key)?;
        let labels = members(pod, "/metadata/labels");
        Some(Listener {
            pod_uid: run.uid.clone(),
            namespace: run.key.namespace.clone(),
            pod: run.key.name.clone(),
            labels: labels
                .map(|(name, value)| (name.clone(), value.as_str().unwrap_or("").to_owned()))
                .collect(),
            address: run.address?,
        })
    }

    /// Says that a pod's port is open, which makes the pod Ready, or why it cannot be opened: the pod's status says so
    /// then, and it is wanted again a little later.
    pub fn listening(&mut self, now: Timestamp, pod_uid: &str, outcome: Result<(), String>) {
        self.now = self.now.max(now);
        let Some(run) = self.runs.get_mut(pod_uid).filter(|run| run.stage == Stage::Serving) else {
            return;
        };
        match outcome {
            Ok(()) => {
                run.problem = None;
                let wake = match run.plan {
                    Plan::Evict => Some(EVICTED_AFTER),
                    Plan::Relapse(after) if run.restarts == 0 => Some(after),
                    _ => None,
                };
                self.enter(pod_uid, Stage::Ready, wake);
            }
            Err(why) => {
                let address = run.address.map(|address| address.to_string()).unwrap_or_default();
                run.problem = Some(format!("cannot listen on {address}: {why}"));
                self.enter(pod_uid, Stage::Serving, Some(RETRY));
            }
        }
        self.control_soon();
    }

    /// An address of 127.64.0.0/10 that no pod had lately, with the pod's first port.
    pub(super) fn next_address(&mut self, pod: &Value) -> SocketAddr {
        const POOL: u32 = 1 << 22;
        let base = u32::from(Ipv4Addr::new(127, 64, 0, 0));
        let ip = loop {
            self.next_address = (self.next_address + 1) % POOL;
            let ip = Ipv4Addr::from(base + self.next_address);
            if !matches!(ip.octets()[3], 0 | 255) {
                break ip;
            }
        };
        let declared = int(pod, "/spec/containers/0/ports/0/containerPort").and_then(|port| u16::try_from(port).ok());
        SocketAddr::new(IpAddr::V4(ip), declared.unwrap_or(PORT))
    }
}
