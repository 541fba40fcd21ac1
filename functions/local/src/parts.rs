//! DynamoDB, Kubernetes and the route proxy: embedded, or real ones at given addresses.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;

use domain::Cell;
use embedded::Clock;
use embedded::dynamo::Dynamo;
use embedded::issuer::Issuer;
use embedded::kubernetes::{self, Kubernetes};
use embedded::proxy::{self, Proxy};
use gateway::{CellConfig, TokenKind};
use kube::config::{KubeConfigOptions, Kubeconfig};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::leasable::Leasable;
use crate::options::{Options, RealParts};
use crate::{Error, Identity};

/// The parts that run in this process, and where all of them are.
pub(crate) struct Parts {
    pub(crate) dynamo: Option<Dynamo>,
    pub(crate) kubernetes: Option<Kubernetes>,
    pub(crate) proxy: Option<Proxy>,
    /// Clusters that can be leased.
    pub(crate) leasable: Leasable,
    /// The issuer of access tokens, where no other is configured.
    pub(crate) issuer: Option<Issuer>,
    /// URL of DynamoDB.
    pub(crate) dynamodb_url: String,
    /// URL of the route proxy, for people.
    pub(crate) proxy_url: String,
    /// The one cell.
    pub(crate) cell: CellConfig,
    /// Its secrets, as the configuration has them.
    pub(crate) cell_secrets: Value,
    /// An admin kubeconfig's text, for the embedded cluster.
    pub(crate) kubeconfig: Option<String>,
}

/// A port that the operating system picks.
pub(crate) const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

impl Parts {
    /// Starts what is not given.
    pub(crate) async fn start(options: &Options, identity: &Identity, clock: Clock) -> Result<Self, Error> {
        let real = &options.real;
        let (dynamo, dynamodb_url) = dynamodb(options.data.as_deref(), real).await?;
        let cluster = Cluster::start(real, identity, &clock).await?;
        let leasable = Leasable::start(options.clusters, identity, &clock).await?;
        let (proxy, route_proxy) = route_proxy(options, identity, clock).await?;
        let issuer = match options.variables.contains_key("LAYBY_OIDC_ISSUER") {
            true => None,
            false => Some(
                Issuer::start(ANY)
                    .await
                    .map_err(|error| Error::Sentence(error.to_string()))?,
            ),
        };
        let cell = CellConfig {
            name: domain::CellName::parse("default").map_err(|refusal| Error::Sentence(refusal.to_string()))?,
            api: cluster.api,
            ca: cluster.ca,
            client_identity_pem: cluster.client_identity,
            token: if cluster.token.is_empty() {
                TokenKind::None
            } else {
                TokenKind::Secret
            },
            identity: String::new(),
            proxy_api: route_proxy.api,
            proxy_namespace: "layby".to_owned(),
            proxy_labels: [("app.kubernetes.io/name".to_owned(), "layby-proxy".to_owned())].into(),
            public_host: route_proxy.public_host.clone(),
            capacity: None,
            starts: None,
        };
        Ok(Self {
            dynamo,
            kubernetes: cluster.embedded,
            proxy,
            leasable,
            issuer,
            dynamodb_url,
            proxy_url: format!("http://{}", Cell::shared_host(&route_proxy.public_host)),
            cell,
            cell_secrets: json!({ "token": cluster.token, "proxy_token": route_proxy.token }),
            kubeconfig: cluster.kubeconfig,
        })
    }

    /// Whether every part is embedded, so that time can be wound.
    pub(crate) fn all_embedded(&self) -> bool {
        self.dynamo.is_some() && self.kubernetes.is_some() && self.proxy.is_some()
    }

    /// Brings the embedded parts to the clock's time.
    pub(crate) async fn tick(&self) {
        if let Some(kubernetes) = &self.kubernetes {
            kubernetes.tick().await;
        }
        if let Some(proxy) = &self.proxy {
            proxy.tick().await;
        }
        self.leasable.tick().await;
    }

    /// Stops what runs here.
    pub(crate) async fn stop(self) {
        self.leasable.stop().await;
        if let Some(proxy) = self.proxy {
            proxy.stop().await;
        }
        if let Some(kubernetes) = self.kubernetes {
            kubernetes.stop().await;
        }
        if let Some(dynamo) = self.dynamo {
            dynamo.stop().await;
        }
    }
}

/// Lets this process open as many files as it ever may: each simulated pod listens on one. Where that is refused, or is
/// still too few, a pod that cannot listen says so in its status.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    let _ = setrlimit(Resource::Nofile, raised);
}

async fn dynamodb(data: Option<&Path>, real: &RealParts) -> Result<(Option<Dynamo>, String), Error> {
    if let Some(url) = &real.dynamodb_url {
        return Ok((None, url.clone()));
    }
    let file = data.map(|folder| folder.join("table.db"));
    let dynamo = Dynamo::start(file.as_deref()).await;
    let dynamo = dynamo.map_err(|error| Error::Sentence(format!("the embedded DynamoDB cannot start: {error}")))?;
    let url = dynamo.url().to_owned();
    Ok((Some(dynamo), url))
}

struct RouteProxy {
    api: String,
    token: String,
    public_host: String,
}

async fn route_proxy(
    options: &Options,
    identity: &Identity,
    clock: Clock,
) -> Result<(Option<Proxy>, RouteProxy), Error> {
    if let Some((api, public_host, token)) = &options.real.proxy {
        let (api, token, public_host) = (api.clone(), token.clone(), public_host.clone());
        return Ok((
            None,
            RouteProxy {
                api,
                token,
                public_host,
            },
        ));
    }
    let address = options.proxy_listen;
    let settings = proxy::Settings {
        clock,
        token: identity.proxy_token.clone(),
        listen: address,
        api_listen: ANY,
    };
    let proxy = Proxy::start(settings).await.map_err(|source| Error::Listen {
        address,
        flag: "--proxy-listen",
        source,
    })?;
    let public = proxy.public_address();
    let public_host = if options.host_per_application {
        format!("{{id}}.localhost:{}", public.port())
    } else {
        public.to_string()
    };
    let (api, token) = (proxy.api_url(), identity.proxy_token.clone());
    Ok((
        Some(proxy),
        RouteProxy {
            api,
            token,
            public_host,
        },
    ))
}

struct Cluster {
    embedded: Option<Kubernetes>,
    api: String,
    ca: String,
    client_identity: Option<Vec<u8>>,
    token: String,
    kubeconfig: Option<String>,
}

impl Cluster {
    async fn start(real: &RealParts, identity: &Identity, clock: &Clock) -> Result<Self, Error> {
        if let Some(file) = &real.kubeconfig {
            return Self::of_kubeconfig(file).await;
        }
        raise_open_files();
        let settings = kubernetes::Settings::new(clock.clone(), &identity.cluster, &identity.cluster_token);
        let started = Kubernetes::start(settings).await;
        let embedded = started.map_err(|source| Error::Listen {
            address: ANY,
            flag: "--listen",
            source,
        })?;
        Ok(Self {
            api: embedded.url(),
            ca: String::new(),
            client_identity: None,
            token: identity.cluster_token.clone(),
            kubeconfig: Some(embedded.kubeconfig()),
            embedded: Some(embedded),
        })
    }

    /// The current context of a kubeconfig: a bearer token or a client certificate. Programs that a kubeconfig names
    /// are not run.
    async fn of_kubeconfig(file: &Path) -> Result<Self, Error> {
        let wrong = |why: String| Error::Sentence(format!("{}: {why}", file.display()));
        let parsed = Kubeconfig::read_from(file).map_err(|error| wrong(error.to_string()))?;
        let ca = authority(&parsed, file).map_err(|error| wrong(error.to_string()))?;
        let config = kube::Config::from_custom_kubeconfig(parsed, &KubeConfigOptions::default()).await;
        let config = config.map_err(|error| wrong(error.to_string()))?;
        let user = &config.auth_info;
        if user.exec.is_some() || user.auth_provider.is_some() {
            return Err(wrong(
                "its user names a program to run; give one with a token or a client certificate".into(),
            ));
        }
        let token = match (&user.token, &user.token_file) {
            (Some(token), _) => secrecy::ExposeSecret::expose_secret(token).to_owned(),
            (None, Some(path)) => std::fs::read_to_string(path)
                .map_err(|error| wrong(format!("{path}: {error}")))?
                .trim()
                .to_owned(),
            (None, None) => String::new(),
        };
        let client_identity = client_identity(user).map_err(wrong)?;
        let api = config.cluster_url.to_string();
        Ok(Self {
            embedded: None,
            api,
            ca,
            client_identity,
            token,
            kubeconfig: None,
        })
    }
}

/// The certificate authority of the current context's cluster, PEM or base64 of PEM.
fn authority(kubeconfig: &Kubeconfig, file: &Path) -> std::io::Result<String> {
    let context = kubeconfig.current_context.as_deref().unwrap_or_default();
    let context = kubeconfig
        .contexts
        .iter()
        .find(|named| named.name == context)
        .and_then(|named| named.context.as_ref());
    let cluster = context.and_then(|context| kubeconfig.clusters.iter().find(|named| named.name == context.cluster));
    let cluster = cluster.and_then(|named| named.cluster.as_ref());
    match cluster.map(|cluster| (&cluster.certificate_authority_data, &cluster.certificate_authority)) {
        Some((Some(data), _)) => Ok(data.clone()),
        Some((None, Some(path))) => std::fs::read_to_string(file.parent().unwrap_or(file).join(path)),
        _ => Ok(String::new()),
    }
}

fn client_identity(user: &kube::config::AuthInfo) -> Result<Option<Vec<u8>>, String> {
    use base64::Engine;
    let part = |what: &str, data: Option<&str>, path: Option<&String>| match (data, path) {
        (Some(data), _) => {
            let decoded = base64::engine::general_purpose::STANDARD.decode(data.trim());
            decoded
                .map(Some)
                .map_err(|error| format!("its {what} is not base64: {error}"))
        }
        (None, Some(path)) => std::fs::read(path)
            .map(Some)
            .map_err(|error| format!("{path}: {error}")),
        (None, None) => Ok(None),
    };
    let key = user
        .client_key_data
        .as_ref()
        .map(|key| secrecy::ExposeSecret::expose_secret(key).to_owned());
    let certificate = part(
        "client certificate",
        user.client_certificate_data.as_deref(),
        user.client_certificate.as_ref(),
    )?;
    let key = part("client key", key.as_deref(), user.client_key.as_ref())?;
    Ok(certificate.zip(key).map(|(mut certificate, key)| {
        certificate.push(b'\n');
        certificate.extend(key);
        certificate
    }))
}
