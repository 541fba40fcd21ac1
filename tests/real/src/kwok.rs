//! kwok, which plays nodes and their kubelets: pods become Ready, end and go, and nothing runs.

use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::{ControlPlane, Error, Process, Program, Scratch, kubernetes};

/// The nodes that it plays.
pub const NODES: [&str; 2] = ["kwok-1", "kwok-2"];

/// The label of a node that kwok plays; others are left to whoever made them.
const PLAYED: &str = "layby.dev/played";
/// What becomes of pods, by their images.
const STAGES: &str = include_str!("../kwok/pods.yaml");

/// A running kwok.
pub struct Kwok {
    process: Process,
    /// Dropped after the process.
    _scratch: Scratch,
}

impl Kwok {
    /// Makes the [`NODES`] in a control plane, plays their kubelets, and waits until they are Ready.
    ///
    /// # Errors
    /// When kwok cannot be built or started, or the nodes are not Ready in time.
    pub async fn start(control_plane: &ControlPlane) -> Result<Self, Error> {
        let path = kubernetes::install_kwok()?;
        let scratch = Scratch::new("kwok")?;
        scratch.write("pods.yaml", STAGES)?;
        let program = Program::new("kwok", path)
            .arg(format!("--kubeconfig={}", control_plane.kubeconfig().display()))
            .args(["--config=pods.yaml", "--cidr=10.128.0.1/16"])
            .arg(format!("--manage-nodes-with-label-selector={PLAYED}"))
            .args(["--node-ip=10.127.0.1", "--node-lease-duration-seconds=40"]);
        let process = Process::start(program, scratch.path())?;
        let failed = |error| Error::Start {
            name: "kwok",
            error: std::io::Error::other(error),
        };
        let client = control_plane.client().await.map_err(failed)?;
        let nodes: Api<Node> = Api::all(client);
        for name in NODES {
            nodes
                .create(&PostParams::default(), &node(name))
                .await
                .map_err(failed)?;
        }
        process.ready(async || are_ready(&nodes).await).await?;
        Ok(Self {
            process,
            _scratch: scratch,
        })
    }

    /// The process, to be killed or stopped.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

fn node(name: &str) -> Node {
    let labels = json!({
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", PLAYED: "kwok",
    });
    let room = json!({ "cpu": "16", "memory": "64Gi", "pods": "5000" });
    let node = json!({
        "metadata": { "name": name, "labels": labels },
        "status": { "allocatable": room, "capacity": room },
    });
    serde_json::from_value(node).unwrap_or_default()
}

/// Whether all nodes are Ready and take pods.
async fn are_ready(nodes: &Api<Node>) -> bool {
    let is_ready = |node: &Node| {
        let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let taints = node.spec.iter().flat_map(|spec| spec.taints.iter().flatten());
        conditions
            .into_iter()
            .any(|one| one.type_ == "Ready" && one.status == "True")
            && taints.count() == 0
    };
    let found = nodes.list(&kube::api::ListParams::default()).await;
    found.is_ok_and(|found| found.items.len() == NODES.len() && found.items.iter().all(is_ready))
}
