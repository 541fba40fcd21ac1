//! What every request of a process shares.

use std::sync::{Arc, OnceLock};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use base64::Engine;
use cluster_client::{Cluster, EksToken, ProxyPlace, Settings, Token, TokenSource};
use domain::Cell;
use lifecycle::{ClusterPools, Environments, HomeCell, Leasing, LeasingRules, Lifecycle};
use net::{Net, Peer, Trust};
use routes::Routes;
use store::Store;
use vault::Keyring;

use crate::auth::{Authorities, Keys};
use crate::config::{CellConfig, CellSecrets, SecretsFrom};
use crate::{Clock, Config, ConfigError, Entropy, Fetch, Kvm, LogSink, Problem, Secrets, Templates, TokenKind};

/// What an edge is opened with.
pub struct Opening {
    /// What the installation is told.
    pub config: Config,
    /// The connector.
    pub net: Net,
    /// Domain time.
    pub clock: Clock,
    /// Randomness.
    pub entropy: Entropy,
    /// Where log lines go.
    pub log: LogSink,
}

impl Opening {
    /// As in production: the system's clock and randomness, lines to standard output.
    ///
    /// # Errors
    /// [`ConfigError::Client`] when the connector cannot be made.
    pub fn production(config: Config) -> Result<Self, ConfigError> {
        let net = Net::new(net::Settings::default()).map_err(|error| ConfigError::Client(error.to_string()))?;
        Ok(Self {
            config,
            net,
            clock: Clock::system(),
            entropy: Entropy::system(),
            log: crate::log::to_stdout(),
        })
    }
}

/// What every request of a process shares: configuration, secrets, the connector, the clock.
pub struct Edge {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) entropy: Entropy,
    pub(crate) log: LogSink,
    pub(crate) keys: Keys,
    net: Net,
    sdk: SdkConfig,
    secrets: Option<Secrets>,
    store: OnceLock<Store>,
    lifecycle: OnceLock<Lifecycle>,
    environments: OnceLock<Environments>,
    leasing: OnceLock<Leasing>,
    templates: OnceLock<Templates>,
    authorities: OnceLock<Arc<Authorities>>,
    fetch: OnceLock<Fetch>,
    kvm: OnceLock<Option<Kvm>>,
}

impl Edge {
    /// Opens the edge: reads AWS's own settings and the installation's secrets.
    ///
    /// # Errors
    /// [`ConfigError::Secrets`] when they cannot be read.
    pub async fn open(opening: Opening) -> Result<Arc<Self>, ConfigError> {
        let Opening {
            config,
            net,
            clock,
            entropy,
            log,
        } = opening;
        let sdk = sdk_config(&config, &net).await;
        let secrets = match &config.secrets {
            SecretsFrom::Given(secrets) => Some(Secrets::clone(secrets)),
            SecretsFrom::Manager(arn) => Some(managed_secrets(&sdk, arn).await?),
            SecretsFrom::Nowhere => None,
        };
        Ok(Arc::new(Self {
            config,
            clock,
            entropy,
            log,
            keys: Keys::default(),
            net,
            sdk,
            secrets,
            store: OnceLock::new(),
            lifecycle: OnceLock::new(),
            environments: OnceLock::new(),
            leasing: OnceLock::new(),
            templates: OnceLock::new(),
            authorities: OnceLock::new(),
            fetch: OnceLock::new(),
            kvm: OnceLock::new(),
        }))
    }

    /// The table, connected once a process.
    pub fn store(&self) -> &Store {
        self.store
            .get_or_init(|| Store::connect(&self.sdk, &self.net, &self.config.table))
    }

    /// The steps over the table and the configured cells, connected once a process.
    ///
    /// # Errors
    /// [`ConfigError`] when a cell's clients cannot be made.
    pub fn lifecycle(&self) -> Result<Lifecycle, ConfigError> {
        made_once(&self.lifecycle, || {
            let homes: Result<Vec<HomeCell>, ConfigError> =
                self.config.cells.iter().map(|cell| self.home(cell)).collect();
            Ok(Lifecycle::new(self.store().clone(), homes?, self.config.quotas()))
        })
    }

    /// The pools that clusters are in.
    pub(crate) fn cluster_pools(&self) -> ClusterPools {
        ClusterPools::new(self.store().clone(), self.config.leases.pool.clone())
    }

    /// The steps over the table and the clusters that can be leased, made once a process.
    ///
    /// # Errors
    /// [`ConfigError::Secrets`] when there is no keyring to seal with.
    pub fn leasing(&self) -> Result<Leasing, ConfigError> {
        if let Some(leasing) = self.leasing.get() {
            return Ok(leasing.clone());
        }
        let keyring = self.secrets.as_ref().map(|secrets| secrets.keyring.clone());
        let keyring = keyring.ok_or_else(without_keyring)?;
        let identity = |cell: &CellConfig| Some(cell.identity.clone()).filter(|identity| !identity.is_empty());
        let homes = || self.config.cells.iter().map(identity).collect();
        let rules = LeasingRules {
            installation: self.config.installation.clone(),
            default_provider: self.config.leases.provider.clone(),
            exempt: self.config.leases.exempt.clone(),
            reach: self.config.leases.reach.clone(),
            homes: self.config.leases.homes.clone().or_else(homes),
            cleans: self.config.leases.cleans,
        };
        let leasing = Leasing::new(self.cluster_pools(), self.net.clone(), keyring, rules);
        Ok(self.leasing.get_or_init(|| leasing).clone())
    }

    /// The steps over the table and the environments in the configured cells, made once a process.
    ///
    /// # Errors
    /// [`ConfigError::Secrets`] when there is no keyring to seal with.
    pub fn environments(&self) -> Result<Environments, ConfigError> {
        made_once(&self.environments, || {
            let keyring = self.secrets.as_ref().map(|secrets| secrets.keyring.clone());
            let rules = self.config.environments.namespaces.clone();
            Ok(Environments::new(
                self.lifecycle()?,
                keyring.ok_or_else(without_keyring)?,
                rules,
            ))
        })
    }

    /// Where the templates of launches come from, connected once a process.
    ///
    /// # Errors
    /// [`ConfigError`] when the registry's client cannot be made.
    pub(crate) fn templates(&self) -> Result<Templates, ConfigError> {
        made_once(&self.templates, || match &self.config.registry_url {
            None => Ok(Templates::of_table(self.store().clone())),
            Some(url) => {
                let key = self.secrets.as_ref().map_or("", |secrets| &secrets.registry_key);
                Templates::of_registry(&self.net, url, key)
            }
        })
    }

    /// Those who vouch for callers without an API key, connected once a process.
    ///
    /// # Errors
    /// [`ConfigError`] when their clients cannot be made.
    pub(crate) fn authorities(&self) -> Result<Arc<Authorities>, ConfigError> {
        made_once(&self.authorities, || {
            let (config, outside) = (&self.config.environments, &self.config.outside);
            Ok(Arc::new(Authorities::connect(&self.net, config, outside)?))
        })
    }

    /// What fetches pod templates, made once a process.
    ///
    /// # Errors
    /// [`ConfigError`] when its clients cannot be made.
    pub fn fetch(&self) -> Result<Fetch, ConfigError> {
        made_once(&self.fetch, || {
            let secret = self.secrets.as_ref().map_or("", |secrets| &secrets.router_secret);
            Fetch::connect(&self.net, &self.config.environments, &self.config.outside, secret)
        })
    }

    /// Apigee's key value maps, where they are told the keys of new environments, made once a process.
    ///
    /// # Errors
    /// [`ConfigError`] when their client cannot be made.
    pub fn kvm(&self) -> Result<Option<Kvm>, ConfigError> {
        made_once(&self.kvm, || {
            let url = self.config.environments.kvm_url.as_ref();
            url.map(|url| Kvm::connect(&self.net, url, &self.config.outside))
                .transpose()
        })
    }

    /// The cells, the default first.
    pub(crate) fn cells(&self) -> Vec<Cell> {
        let cells = self.config.cells.iter();
        cells
            .map(|cell| Cell {
                name: cell.name.clone(),
                public_host: cell.public_host.clone(),
            })
            .collect()
    }

    pub(crate) fn keyring(&self) -> Result<&Keyring, Problem> {
        let keyring = self.secrets.as_ref().map(|secrets| &secrets.keyring);
        keyring.ok_or_else(|| Problem::internal(without_keyring()))
    }

    fn home(&self, cell: &CellConfig) -> Result<HomeCell, ConfigError> {
        let client = |error: String| ConfigError::Client(format!("cell '{}': {error}", cell.name));
        let url = |what: &str, text: &str| {
            text.parse::<http::Uri>()
                .map_err(|error| client(format!("its {what} '{text}' is no URL: {error}")))
        };
        let given = self.secrets.as_ref().and_then(|secrets| secrets.cells.get(&cell.name));
        let none = CellSecrets::default();
        let CellSecrets { token, proxy_token } = given.unwrap_or(&none);
        let token = match &cell.token {
            TokenKind::None => TokenSource::None,
            TokenKind::Secret => TokenSource::Static(Token::new(token.clone())),
            TokenKind::Eks(cluster) => TokenSource::Eks(
                self.eks_token(cluster)
                    .ok_or_else(|| client("an EKS token needs a region and credentials, and there are none".into()))?,
            ),
        };
        let cluster = Cluster::connect(
            &self.net,
            Settings {
                api_url: url("API", &cell.api)?,
                trust: Trust {
                    ca_pem: ca_pem(&cell.ca),
                    identity_pem: cell.client_identity_pem.clone(),
                },
                token,
                identity: Some(cell.identity.clone()).filter(|uid| !uid.is_empty()),
                installation: self.config.installation.clone(),
                proxy: ProxyPlace {
                    namespace: cell.proxy_namespace.clone(),
                    labels: cell.proxy_labels.clone(),
                },
            },
        )
        .map_err(|error| client(error.to_string()))?;
        let routes = Routes::connect(
            &self.net,
            url("proxy's API", &cell.proxy_api)?,
            routes::Token::new(proxy_token.clone()),
            &self.config.installation,
        )
        .map_err(|error| client(error.to_string()))?;
        let public_host = cell.public_host.clone();
        Ok(HomeCell {
            cell: Cell {
                name: cell.name.clone(),
                public_host,
            },
            cluster,
            routes,
        })
    }

    fn eks_token(&self, cluster: &str) -> Option<EksToken> {
        let region = self.sdk.region()?.to_string();
        Some(EksToken::new(cluster, &region, self.sdk.credentials_provider()?))
    }
}

/// What is in `place`, made first where there is nothing.
fn made_once<T: Clone>(place: &OnceLock<T>, make: impl FnOnce() -> Result<T, ConfigError>) -> Result<T, ConfigError> {
    if let Some(made) = place.get() {
        return Ok(made.clone());
    }
    let made = make()?;
    Ok(place.get_or_init(|| made).clone())
}

fn without_keyring() -> ConfigError {
    ConfigError::Secrets("this function was given no keyring".into())
}

/// A certificate authority as configured: PEM, or base64 of PEM.
pub(crate) fn ca_pem(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let decoded = base64::engine::general_purpose::STANDARD.decode(text);
    Some(decoded.unwrap_or_else(|_| text.as_bytes().to_vec()))
}

/// AWS's own settings, from where the SDK looks for them. Where DynamoDB is not AWS's own, its address, a region and
/// credentials that it does not check are all that it takes.
async fn sdk_config(config: &Config, net: &Net) -> SdkConfig {
    match &config.dynamodb_url {
        Some(url) => SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("local"))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                "local", "local", None, None, "local",
            )))
            .http_client(net.aws(Peer::Store))
            .endpoint_url(url)
            .build(),
        None => {
            aws_config::defaults(BehaviorVersion::latest())
                .http_client(net.aws(Peer::Platform))
                .load()
                .await
        }
    }
}

async fn managed_secrets(sdk: &SdkConfig, arn: &str) -> Result<Secrets, ConfigError> {
    let config = aws_sdk_secretsmanager::config::Builder::from(sdk)
        .retry_config(aws_sdk_secretsmanager::config::retry::RetryConfig::disabled())
        .build();
    let client = aws_sdk_secretsmanager::Client::from_conf(config);
    let answer = client.get_secret_value().secret_id(arn).send().await.map_err(|error| {
        ConfigError::Secrets(format!(
            "AWS Secrets Manager refused or did not answer: {}",
            error.into_service_error()
        ))
    })?;
    let text = answer
        .secret_string()
        .ok_or_else(|| ConfigError::Secrets("the entry has no text".into()))?;
    Secrets::parse(text)
}
