//! Real parts under an installation.

mod kubelet;
mod logs;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use embedded::kubernetes::NodeShape;
use local::{Options, RealParts};
use real::{ControlPlane, DynamoDb, Proxy};
use serde_json::json;

pub use kubelet::Kubelets;

/// The nodes of the cluster.
pub const NODES: [&str; 2] = ["node-1", "node-2"];
/// What gives layby its account and its rights, in the order in which they are applied.
const INFRA: [&str; 3] = ["namespace.yaml", "account.yaml", "rbac.yaml"];

/// A real cluster whose kubelets are played, with layby's account in it.
pub struct Cluster {
    /// The kubelets end before the control plane does.
    _kubelets: Kubelets,
    control: ControlPlane,
    kubeconfig: PathBuf,
}

impl Cluster {
    /// Starts one. Layby's account has the rights that `infra/cluster` gives it, and no others.
    ///
    /// # Panics
    /// When it cannot be started.
    pub async fn start() -> Self {
        let control = ControlPlane::start().await.unwrap_or_else(|error| panic!("{error}"));
        let config = control.config().await.unwrap();
        let kubelets = Kubelets::start(config, NODES.map(NodeShape::large).into());
        let kubeconfig = account(&control);
        Self {
            _kubelets: kubelets,
            control,
            kubeconfig,
        }
    }

    /// The kubeconfig of layby's own account.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The control plane.
    pub fn control(&mut self) -> &mut ControlPlane {
        &mut self.control
    }

    /// The administrator's kubeconfig.
    pub fn administrator(&self) -> &Path {
        self.control.kubeconfig()
    }
}

/// What an installation is started with that runs on these parts alone.
///
/// Installations on the same cluster and database need names of their own, and each needs a proxy of its own.
pub fn options(cluster: &Cluster, dynamodb: &DynamoDb, proxy: &Proxy, name: &str) -> Options {
    let mut options = Options::embedded();
    let public = proxy.url().strip_prefix("http://").unwrap_or_default().to_owned();
    options.real = RealParts {
        kubeconfig: Some(cluster.kubeconfig().to_owned()),
        dynamodb_url: Some(dynamodb.url().to_owned()),
        proxy: Some((proxy.api().to_owned(), public, proxy.token().to_owned())),
        ..RealParts::default()
    };
    for variable in ["LAYBY_INSTALLATION", "LAYBY_TABLE"] {
        options.variables.insert(variable.to_owned(), name.to_owned());
    }
    options
}

/// Makes layby's account as an operator does, and gives a kubeconfig with a token of it.
fn account(control: &ControlPlane) -> PathBuf {
    let infra = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/cluster");
    for file in INFRA {
        kubectl(control, &["apply", "--filename", &infra.join(file).to_string_lossy()]);
    }
    let token = kubectl(
        control,
        &["--namespace=layby", "create", "token", "layby", "--duration=24h"],
    );
    let cluster = json!({
        "server": control.url(),
        "certificate-authority": control.folder().join("certificates/apiserver.crt"),
    });
    let kubeconfig = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "real", "cluster": cluster }],
        "users": [{ "name": "layby", "user": { "token": token.trim() } }],
        "contexts": [{ "name": "real", "context": { "cluster": "real", "user": "layby" } }],
        "current-context": "real",
    });
    let file = control.folder().join("layby.kubeconfig");
    std::fs::write(&file, kubeconfig.to_string()).unwrap();
    file
}

/// Runs kubectl as the administrator, and gives what it printed.
fn kubectl(control: &ControlPlane, arguments: &[&str]) -> String {
    let (_, programs) = real::kubernetes::install().unwrap_or_else(|error| panic!("{error}"));
    let ran = Command::new(programs.join("kubectl"))
        .arg("--kubeconfig")
        .arg(control.kubeconfig())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "kubectl {arguments:?}: {said}");
    String::from_utf8_lossy(&ran.stdout).into_owned()
}
