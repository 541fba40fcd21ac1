//! A Kubernetes node on which pods really run: containerd and a kubelet, beside a control plane.

mod network;

use std::path::Path;

use k8s_openapi::api::core::v1;
use kube::Api;
use rustix::process::geteuid;
use serde_json::json;

use crate::cache::{Recipe, Tool};
use crate::kubernetes::{self, GO};
use crate::npm::{NODE, NPM};
use crate::{ControlPlane, Error, Process, Program, Scratch};
use network::Network;

/// What a node is called in its cluster.
pub const NAME: &str = "node-1";
/// An image whose program is a web server on port 8888 that answers every path and echoes what websockets say. Its flags
/// make it fail, see `image/server/main.go`. It is also there as `true`, and as what runs when a template names no
/// command.
pub const IMAGE: &str = "layby/application:1";
/// As [`IMAGE`], with nothing in it but `/bin/server`.
pub const BARE_IMAGE: &str = "layby/bare:1";

const IMAGES: Recipe = Recipe {
    name: "images",
    files: &[
        ("go.mod", include_str!("../image/go.mod")),
        ("go.sum", include_str!("../image/go.sum")),
        ("server/main.go", include_str!("../image/server/main.go")),
        ("pack/main.go", include_str!("../image/pack/main.go")),
        ("proxy.sh", include_str!("../image/proxy.sh")),
        ("package.json", include_str!("../npm/package.json")),
        ("package-lock.json", include_str!("../npm/package-lock.json")),
    ],
    commands: &[
        "CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags '-s -w' -o program ./server",
        "sh proxy.sh",
        "go run -mod=readonly ./pack",
        "rm -r proxy node_modules",
    ],
    needs: &[GO, NODE, NPM],
};

const TOOLS: [Tool; 6] = [
    debian("containerd", "apt-get install containerd"),
    debian("runc", "apt-get install runc"),
    debian("/usr/lib/cni/bridge", "apt-get install containernetworking-plugins"),
    debian("ip", "apt-get install iproute2"),
    debian("nsenter", "apt-get install util-linux"),
    debian("unshare", "apt-get install util-linux"),
];

const fn debian(name: &'static str, how: &'static str) -> Tool {
    Tool { name, how }
}

/// Builds what there is to build, if it is not there.
///
/// # Errors
/// When Go or Node is missing, or a build fails.
pub fn install() -> Result<(), Error> {
    kubernetes::install()?;
    IMAGES.folder().map(drop)
}

/// A running node with its control plane. Containers, mounts, network and control groups are gone when this is dropped,
/// and when this process ends in any way.
pub struct Node {
    /// Dropped first: nothing that it runs may miss its cluster.
    _process: Process,
    kubernetes: ControlPlane,
    _network: Network,
    _scratch: Scratch,
}

impl Node {
    /// Starts a control plane and a node, and waits until the node takes pods. Whoever starts it must be root. Pods get
    /// addresses of a private range that this machine alone reaches, and reach nothing beyond it.
    ///
    /// # Errors
    /// When something is missing, cannot be started, or is not ready in time.
    pub async fn start() -> Result<Self, Error> {
        if !geteuid().is_root() {
            return Err(Error::Missing {
                what: "a node",
                tool: "root",
                how: "run this as root",
            });
        }
        TOOLS.iter().try_for_each(|tool| tool.check("a node"))?;
        let images = IMAGES.folder()?;
        let (_, programs) = kubernetes::install()?;
        let scratch = Scratch::new("node")?;
        let network = Network::new()?;
        let kubernetes = ControlPlane::start_at(network.host).await?;
        let images = images.join("images.tar");
        std::os::unix::fs::symlink(&images, scratch.path().join("images.tar")).map_err(Error::file(&images))?;
        scratch.write("start", include_str!("../node/start"))?;
        scratch.write("containerd.toml", include_str!("../node/containerd.toml"))?;
        scratch.write("cni.conflist", &network.plugins().to_string())?;
        scratch.write("kubelet.json", &kubelet(&network).to_string())?;
        let process = Process::start(program(&network, &programs, kubernetes.kubeconfig()), scratch.path())?;
        let client = kubernetes.client().await;
        let nodes: Api<v1::Node> = Api::all(client.map_err(|error| Error::Start {
            name: "a node",
            error: std::io::Error::other(error),
        })?);
        process
            .ready(async || nodes.get(NAME).await.is_ok_and(|node| is_ready(&node)))
            .await?;
        Ok(Self {
            _process: process,
            kubernetes,
            _network: network,
            _scratch: scratch,
        })
    }

    /// The control plane.
    pub fn kubernetes(&self) -> &ControlPlane {
        &self.kubernetes
    }
}

fn program(network: &Network, programs: &Path, kubeconfig: &Path) -> Program {
    Program::new("node", "nsenter")
        .arg(format!("--net={}", network.path()))
        .args(["unshare", "--pid", "--fork", "--kill-child", "--mount", "--mount-proc"])
        .args(["sh", "start", &network.name])
        .arg(programs.join("kubelet").to_string_lossy())
        .args([
            "--config=kubelet.json".to_owned(),
            format!("--kubeconfig={}", kubeconfig.display()),
        ])
        .args([
            format!("--hostname-override={NAME}"),
            format!("--node-ip={}", network.node),
        ])
}

fn kubelet(network: &Network) -> serde_json::Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": network.node,
        "authentication": { "anonymous": { "enabled": true }, "webhook": { "enabled": false } },
        "authorization": { "mode": "AlwaysAllow" },
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{}", network.name),
        "failCgroupV1": false,
        "failSwapOn": false,
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "evictionHard": { "memory.available": "50Mi", "nodefs.available": "1%", "imagefs.available": "1%" },
        // An image that went could not be pulled again.
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": false,
    })
}

fn is_ready(node: &v1::Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}
