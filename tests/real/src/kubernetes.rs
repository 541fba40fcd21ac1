//! A Kubernetes control plane: etcd, kube-apiserver, kube-controller-manager and kube-scheduler. No kubelet: pods are
//! made and never run, but on a [`crate::Node`].

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256};
use serde_json::json;

use crate::cache::{Recipe, Tool};
use crate::{Error, Process, Program, Scratch, ports};

/// The version of Kubernetes.
pub const VERSION: &str = "1.35.4";

/// etcd's folder of its own.
const ETCD_DATA: &str = "etcd";
/// Once controllers have made it, pods can be made.
const DEFAULT_ACCOUNT: &str = "/api/v1/namespaces/default/serviceaccounts/default";

pub(crate) const GO: Tool = Tool {
    name: "go",
    how: "install Go 1.25 or newer, on Debian from go.dev or `apt-get install golang-go`",
};

const ETCD: Recipe = Recipe {
    name: "etcd-3.6.16",
    files: &[
        ("go.mod", include_str!("../go/etcd/go.mod")),
        ("go.sum", include_str!("../go/etcd/go.sum")),
    ],
    commands: &["CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags '-s -w' -o etcd go.etcd.io/etcd/server/v3"],
    needs: &[GO],
};

const KUBERNETES: Recipe = Recipe {
    name: "kubernetes-1.35.4",
    files: &[
        ("go.mod", include_str!("../go/kubernetes/go.mod")),
        ("go.sum", include_str!("../go/kubernetes/go.sum")),
        ("build", include_str!("../go/kubernetes/build")),
    ],
    commands: &["sh build 1.35.4"],
    needs: &[GO],
};

const KWOK: Recipe = Recipe {
    name: "kwok-0.7.0",
    files: &[
        ("go.mod", include_str!("../go/kwok/go.mod")),
        ("go.sum", include_str!("../go/kwok/go.sum")),
    ],
    commands: &["CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags '-s -w' -o kwok sigs.k8s.io/kwok/cmd/kwok"],
    needs: &[GO],
};

/// Builds what there is to build, if it is not there, and gives the folders of etcd's and Kubernetes' programs.
///
/// # Errors
/// When Go is missing or a build fails.
pub fn install() -> Result<(PathBuf, PathBuf), Error> {
    Ok((ETCD.folder()?, KUBERNETES.folder()?))
}

/// Builds kwok, which plays kubelets, if it is not there, and gives its program.
///
/// # Errors
/// When Go is missing or the build fails.
pub fn install_kwok() -> Result<PathBuf, Error> {
    Ok(KWOK.folder()?.join("kwok"))
}

/// What kubectl came to.
pub struct Kubectl {
    /// What it printed.
    pub printed: String,
    /// What it said besides, such as warnings.
    pub said: String,
}

/// A running control plane.
pub struct ControlPlane {
    etcd: Process,
    apiserver: Process,
    controllers: Process,
    scheduler: Process,
    url: String,
    token: String,
    kubeconfig: PathBuf,
    scratch: Scratch,
}

impl ControlPlane {
    /// Starts one on free ports of loopback and waits until it serves.
    ///
    /// # Errors
    /// When something is missing, cannot be started, or is not ready in time.
    pub async fn start() -> Result<Self, Error> {
        Self::start_at(Ipv4Addr::LOCALHOST).await
    }

    /// As [`ControlPlane::start`], at an address that a node reaches too.
    ///
    /// # Errors
    /// As [`ControlPlane::start`].
    pub async fn start_at(address: Ipv4Addr) -> Result<Self, Error> {
        let (etcd, programs) = install()?;
        let scratch = Scratch::new("kubernetes")?;
        let folder = scratch.path();
        let (client, peer) = (ports::free(), ports::free());
        let etcd_url = format!("http://127.0.0.1:{client}");
        let peer_url = format!("http://127.0.0.1:{peer}");
        let etcd = Program::new("etcd", etcd.join("etcd")).arg("--unsafe-no-fsync").args([
            format!("--data-dir={ETCD_DATA}"),
            format!("--listen-client-urls={etcd_url}"),
            format!("--advertise-client-urls={etcd_url}"),
            format!("--listen-peer-urls={peer_url}"),
            format!("--initial-advertise-peer-urls={peer_url}"),
            format!("--initial-cluster=default={peer_url}"),
        ]);
        let etcd = Process::start(etcd, folder)?;

        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| Error::Start {
            name: "kube-apiserver",
            error: std::io::Error::other(error),
        })?;
        scratch.write("accounts.key", &key.serialize_pem())?;
        scratch.write("accounts.pub", &key.public_key_pem())?;
        let token = format!("{:032x}", fastrand::u128(..));
        scratch.write("tokens.csv", &format!("{token},admin,admin,\"system:masters\"\n"))?;
        let port = ports::free();
        let url = format!("https://{address}:{port}");
        let apiserver = Program::new("kube-apiserver", programs.join("kube-apiserver")).args([
            format!("--etcd-servers={etcd_url}"),
            format!("--bind-address={address}"),
            format!("--secure-port={port}"),
            "--cert-dir=certificates".to_owned(),
            "--token-auth-file=tokens.csv".to_owned(),
            "--authorization-mode=RBAC".to_owned(),
            "--service-account-key-file=accounts.pub".to_owned(),
            "--service-account-signing-key-file=accounts.key".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
            "--allow-privileged=true".to_owned(),
            // Not five minutes: what happens once old versions are forgotten is to be seen too.
            "--etcd-compaction-interval=15s".to_owned(),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
        ]);
        let apiserver = Process::start(apiserver, folder)?;
        let kubeconfig = scratch.write("kubeconfig", &kubeconfig_of(&url, folder, &token).to_string())?;
        let certificate = folder.join("certificates/apiserver.crt");
        apiserver.ready(async || certificate.is_file()).await?;
        apiserver.ready(async || answers(&kubeconfig, "/readyz").await).await?;

        let controllers = Program::new("kube-controller-manager", programs.join("kube-controller-manager"));
        let controllers = controllers.args([
            "--kubeconfig=kubeconfig",
            "--leader-elect=false",
            "--secure-port=0",
            "--service-account-private-key-file=accounts.key",
            "--root-ca-file=certificates/apiserver.crt",
            // What a quota has used may be counted anew by whoever has not seen a pod yet that was just made; by default
            // that is put right after five minutes.
            "--resource-quota-sync-period=10s",
        ]);
        let controllers = Process::start(controllers, folder)?;
        let scheduler = Program::new("kube-scheduler", programs.join("kube-scheduler"));
        let scheduler = scheduler.args(["--kubeconfig=kubeconfig", "--leader-elect=false", "--secure-port=0"]);
        let scheduler = Process::start(scheduler, folder)?;
        controllers
            .ready(async || answers(&kubeconfig, DEFAULT_ACCOUNT).await)
            .await?;
        Ok(Self {
            etcd,
            apiserver,
            controllers,
            scheduler,
            url,
            token,
            kubeconfig,
            scratch,
        })
    }

    /// The address of the API.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The administrator's bearer token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Writes a kubeconfig of this name beside the administrator's, for whoever holds `token`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn kubeconfig_for(&self, name: &str, token: &str) -> Result<PathBuf, Error> {
        let kubeconfig = kubeconfig_of(&self.url, self.folder(), token);
        self.scratch.write(name, &kubeconfig.to_string())
    }

    /// Runs kubectl as the administrator.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<Kubectl, Error> {
        self.kubectl_by(&self.kubeconfig, arguments)
    }

    /// Runs kubectl as whoever this kubeconfig is for.
    ///
    /// # Errors
    /// When it fails, with what it said.
    pub fn kubectl_by(&self, kubeconfig: &Path, arguments: &[&str]) -> Result<Kubectl, Error> {
        let (_, programs) = install()?;
        let failed = |output: String| Error::Install {
            command: format!("kubectl {}", arguments.join(" ")),
            folder: self.folder().to_owned(),
            output,
        };
        let ran = Command::new(programs.join("kubectl"))
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .arg(format!("--cache-dir={}", self.folder().join("kubectl").display()))
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| failed(error.to_string()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (printed, said) = (text(&ran.stdout), text(&ran.stderr));
        if ran.status.success() {
            return Ok(Kubectl { printed, said });
        }
        Err(failed(printed + &said))
    }

    /// Where its files and logs are.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// A client with the administrator's rights. Its connections belong to the runtime that asks.
    ///
    /// # Errors
    /// When its kubeconfig cannot be used.
    pub async fn client(&self) -> Result<Client, kube::Error> {
        client(&self.kubeconfig).await
    }

    /// How such a client gets there.
    ///
    /// # Errors
    /// When its kubeconfig cannot be used.
    pub async fn config(&self) -> Result<Config, KubeconfigError> {
        config(&self.kubeconfig).await
    }

    /// etcd, to be killed or stopped.
    pub fn etcd(&mut self) -> &mut Process {
        &mut self.etcd
    }

    /// kube-apiserver, to be killed or stopped.
    pub fn apiserver(&mut self) -> &mut Process {
        &mut self.apiserver
    }

    /// kube-controller-manager, to be killed or stopped.
    pub fn controllers(&mut self) -> &mut Process {
        &mut self.controllers
    }

    /// kube-scheduler, to be killed or stopped.
    pub fn scheduler(&mut self) -> &mut Process {
        &mut self.scheduler
    }

    /// Makes it another cluster at the same address, with the same certificate and the same tokens: everything that was
    /// in it is lost, and what every cluster has is made anew.
    ///
    /// # Errors
    /// When it cannot be started again, or is not ready in time.
    pub async fn replace(&mut self) -> Result<(), Error> {
        for process in [
            &mut self.scheduler,
            &mut self.controllers,
            &mut self.apiserver,
            &mut self.etcd,
        ] {
            process.end();
        }
        std::fs::remove_dir_all(self.folder().join(ETCD_DATA)).map_err(|error| Error::Start { name: "etcd", error })?;
        self.etcd.restart()?;
        self.apiserver.restart()?;
        self.ready().await?;
        self.controllers.restart()?;
        self.scheduler.restart()?;
        self.controllers
            .ready(async || answers(&self.kubeconfig, DEFAULT_ACCOUNT).await)
            .await
    }

    /// Waits until the API serves.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn ready(&self) -> Result<(), Error> {
        self.apiserver
            .ready(async || answers(&self.kubeconfig, "/readyz").await)
            .await
    }
}

/// A kubeconfig for whoever holds `token`.
fn kubeconfig_of(url: &str, folder: &Path, token: &str) -> serde_json::Value {
    let certificate = folder.join("certificates/apiserver.crt");
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "real", "cluster": { "server": url, "certificate-authority": certificate } }],
        "users": [{ "name": "admin", "user": { "token": token } }],
        "contexts": [{ "name": "real", "context": { "cluster": "real", "user": "admin" } }],
        "current-context": "real",
    })
}

async fn config(kubeconfig: &Path) -> Result<Config, KubeconfigError> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await
}

async fn client(kubeconfig: &Path) -> Result<Client, kube::Error> {
    Client::try_from(config(kubeconfig).await?)
}

/// Whether the API answers `path` with a success.
async fn answers(kubeconfig: &Path, path: &str) -> bool {
    let request = http::Request::get(path).body(Vec::new());
    match (client(kubeconfig).await, request) {
        (Ok(client), Ok(request)) => client.request_text(request).await.is_ok(),
        _ => false,
    }
}
