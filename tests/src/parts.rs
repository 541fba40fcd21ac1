//! Real parts under an installation.

mod kubelet;
mod logs;
mod tls;

use std::path::{Path, PathBuf};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use embedded::kubernetes::NodeShape;
use local::{Options, RealParts};
use real::{ControlPlane, DynamoDb, Proxy};

pub use kubelet::Kubelets;
pub use tls::Tls;

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

/// Where a route proxy is: the URL of its API, its host and port for people, and its API's token.
pub type ProxyAddress = (String, String, String);

/// The address of a proxy that runs beside the cluster.
pub fn address(proxy: &Proxy) -> ProxyAddress {
    let public = proxy.url().strip_prefix("http://").unwrap_or_default().to_owned();
    (proxy.api().to_owned(), public, proxy.token().to_owned())
}

/// What an installation is started with that runs on these parts alone: a cluster by the kubeconfig of layby's account,
/// a database and a proxy.
///
/// Installations on the same cluster and database need names of their own, and each needs a proxy of its own.
pub fn options(kubeconfig: &Path, dynamodb: &DynamoDb, proxy: ProxyAddress, name: &str) -> Options {
    let mut options = Options::embedded();
    options.real = RealParts {
        kubeconfig: Some(kubeconfig.to_owned()),
        dynamodb_url: Some(dynamodb.url().to_owned()),
        proxy: Some(proxy),
        ..RealParts::default()
    };
    for variable in ["LAYBY_INSTALLATION", "LAYBY_TABLE"] {
        options.variables.insert(variable.to_owned(), name.to_owned());
    }
    options
}

/// How the AWS SDK gets to a database.
pub fn sdk(dynamodb: &DynamoDb) -> SdkConfig {
    let credentials = Credentials::new("key", "secret", None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(dynamodb.url())
        .build()
}

/// The folder of what an operator applies to a cluster.
pub fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/cluster")
}

/// Makes layby's account as an operator does, and gives a kubeconfig with a token of it.
fn account(control: &ControlPlane) -> PathBuf {
    let kubectl = |arguments: &[&str]| control.kubectl(arguments).unwrap_or_else(|error| panic!("{error}"));
    let manifests = manifests();
    for file in INFRA {
        kubectl(&["apply", "--filename", &manifests.join(file).to_string_lossy()]);
    }
    let token = kubectl(&["--namespace=layby", "create", "token", "layby", "--duration=24h"]);
    let kubeconfig = control.kubeconfig_for("layby.kubeconfig", token.printed.trim());
    kubeconfig.unwrap_or_else(|error| panic!("{error}"))
}
