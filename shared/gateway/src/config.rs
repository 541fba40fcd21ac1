//! Configuration, read once.

use std::collections::BTreeMap;

use domain::{Cell, CellName, CellQuota, InstallationId, Quotas};
use http::Uri;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use vault::Keyring;

mod leases;

pub use leases::LeaseConfig;

/// Everything that an installation is told. Made by [`Config::read`].
#[derive(Clone)]
pub struct Config {
    /// The installation's id, on every object that it makes.
    pub installation: InstallationId,
    /// The table's name.
    pub table: String,
    /// Where DynamoDB is, where it is not AWS's own.
    pub dynamodb_url: Option<String>,
    /// Whether launches need a key.
    pub launches: Launches,
    /// The most applications at once, if there is a limit.
    pub quota: Option<u32>,
    /// SHA-256, in hex, of the first admin key.
    pub admin_key_sha256: Option<String>,
    /// The home clusters. The first is the default.
    pub cells: Vec<CellConfig>,
    /// Leases of whole clusters.
    pub leases: LeaseConfig,
    /// The external registry that templates of launches come from. Without one they come from the table.
    pub registry_url: Option<Uri>,
    /// Where the secrets are.
    pub secrets: SecretsFrom,
}

/// Where the secrets are.
#[derive(Clone)]
pub enum SecretsFrom {
    /// In AWS Secrets Manager, under this ARN.
    Manager(String),
    /// Handed over.
    Given(Box<Secrets>),
    /// Nowhere: what needs them cannot be mounted.
    Nowhere,
}

/// Whether launches need a key. The older service's client sends none with a launch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Launches {
    /// Anybody may launch.
    #[default]
    Open,
    /// A launch needs a key with the scope `apps`.
    Keyed,
}

/// A home cluster with its route proxy.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CellConfig {
    /// The name that its rows carry.
    pub name: CellName,
    /// URL of its Kubernetes API.
    pub api: String,
    /// Its certificate authority: PEM, or base64 of PEM. Empty means the public ones.
    #[serde(default)]
    pub ca: String,
    /// Client certificate and key in PEM, where the API is asked with one. Not for Lambda: secrets have their own place.
    #[serde(default, skip)]
    pub client_identity_pem: Option<Vec<u8>>,
    /// Where the token for it comes from.
    pub token: TokenKind,
    /// The recorded uid of its `kube-system`, checked before the first use.
    #[serde(default)]
    pub identity: String,
    /// URL of its route proxy's API.
    pub proxy_api: String,
    /// The namespace that its route proxy runs in: the only source of traffic to applications.
    #[serde(default = "default_proxy_namespace")]
    pub proxy_namespace: String,
    /// Labels of the route proxy's pods.
    #[serde(default = "default_proxy_labels")]
    pub proxy_labels: BTreeMap<String, String>,
    /// Host, with a port where needed, at which people reach the route proxy. `{id}` as its first label stands for each
    /// application's own id.
    pub public_host: String,
    /// The most that may live in it at once, spares included, if there is a limit. A launch that finds no room goes to
    /// the next cell.
    #[serde(default, deserialize_with = "limit", skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// The most that may be starting in it at once, spares included, if there is a limit.
    #[serde(default, deserialize_with = "limit", skip_serializing_if = "Option::is_none")]
    pub starts: Option<u32>,
}

fn default_proxy_namespace() -> String {
    "layby".to_owned()
}

fn default_proxy_labels() -> BTreeMap<String, String> {
    BTreeMap::from([("app.kubernetes.io/name".to_owned(), "layby-proxy".to_owned())])
}

/// Where the token for a cluster's API comes from: `secret`, `eks:<cluster name>` or `none`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum TokenKind {
    /// From the installation's secrets.
    Secret,
    /// Made from the function's own credentials, for this EKS cluster.
    Eks(String),
    /// There is none.
    None,
}

impl TryFrom<String> for TokenKind {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match (text.as_str(), text.strip_prefix("eks:")) {
            ("secret", _) => Ok(TokenKind::Secret),
            ("none", _) => Ok(TokenKind::None),
            (_, Some(cluster)) if !cluster.is_empty() => Ok(TokenKind::Eks(cluster.to_owned())),
            _ => Err(format!(
                "'{text}' is no token source: write 'secret', 'eks:<cluster name>' or 'none'"
            )),
        }
    }
}

impl From<TokenKind> for String {
    fn from(kind: TokenKind) -> String {
        match kind {
            TokenKind::Secret => "secret".to_owned(),
            TokenKind::Eks(cluster) => format!("eks:{cluster}"),
            TokenKind::None => "none".to_owned(),
        }
    }
}

/// The secrets of an installation, all in one entry.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Seals cursors and derives tokens: each 32 bytes in base64. The first seals, all open.
    #[serde(deserialize_with = "keyring")]
    pub keyring: Keyring,
    /// For the external template registry, sent as it is. Empty means that it wants none.
    #[serde(default)]
    pub registry_key: String,
    /// By cell.
    #[serde(default)]
    pub cells: BTreeMap<CellName, CellSecrets>,
}

/// The secrets of one cell.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellSecrets {
    /// For its Kubernetes API, where [`TokenKind::Secret`] says so.
    #[serde(default)]
    pub token: String,
    /// For its route proxy's API.
    #[serde(default)]
    pub proxy_token: String,
}

fn registry_url(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|error| format!("is no URL: {error}"))?;
    let is_whole =
        matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty());
    let is_bare = url.query().is_none()
        && url
            .authority()
            .is_none_or(|authority| !authority.as_str().contains('@'));
    if is_whole && is_bare {
        Ok(url)
    } else {
        Err(
            "is not an http or https URL without user and query; its key belongs to the secrets, as 'registry_key'"
                .into(),
        )
    }
}

/// The SHA-256, in lower-case hex, that a variable has.
fn sha256_of(name: &'static str, text: &str) -> Result<String, ConfigError> {
    if text.len() == 64 && hex::decode(text).is_ok() {
        return Ok(text.to_ascii_lowercase());
    }
    let why = "is not 64 hexadecimal digits".to_owned();
    Err(ConfigError::Variable { name, why })
}

/// A number, as a number or as text, because a deployment's template writes every value as text. Empty for none.
fn limit<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a limit is a whole number, or empty for none")]
    enum Written {
        Number(u32),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Number(number) => Ok(Some(number)),
        Written::Text(text) if text.is_empty() => Ok(None),
        Written::Text(text) => {
            let number = text.parse().map(Some);
            number.map_err(|_| serde::de::Error::custom(format!("'{text}' is no whole number")))
        }
    }
}

fn keyring<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Keyring, D::Error> {
    let keys = Vec::<String>::deserialize(deserializer)?;
    Keyring::from_base64(&keys).map_err(serde::de::Error::custom)
}

/// What is wrong with the configuration, and where.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// A variable is missing or wrong.
    #[error("{name}: {why}")]
    Variable {
        /// The variable.
        name: &'static str,
        /// What is wrong, and what is expected.
        why: String,
    },
    /// The secrets could not be read.
    #[error("the secrets cannot be read: {0}")]
    Secrets(String),
    /// A client could not be made.
    #[error("{0}")]
    Client(String),
}

impl Config {
    /// Every variable that [`Config::read`] asks for.
    pub const VARIABLES: [&'static str; 19] = [
        "LAYBY_INSTALLATION",
        "LAYBY_TABLE",
        "LAYBY_DYNAMODB_URL",
        "LAYBY_LAUNCHES",
        "LAYBY_QUOTA",
        "LAYBY_ADMIN_KEY_SHA256",
        "LAYBY_CELLS",
        "LAYBY_REGISTRY_URL",
        "LAYBY_SECRETS_ARN",
        "LAYBY_SECRETS",
        "LAYBY_LEASE_POOL",
        "LAYBY_LEASE_PROVIDER",
        "LAYBY_LEASE_EXEMPT",
        "LAYBY_LEASE_NETWORKS",
        "LAYBY_LEASES_KEY_SHA256",
        "AUTH_TOKEN",
        "K8S-CLAIMER_AUTH_TOKEN",
        "CLEAR_NAMESPACES",
        "K8S-CLAIMER_CLEAR_NAMESPACES",
    ];

    /// Reads the configuration through `variable`, which answers with a variable's value:
    ///
    /// | variable | meaning | without it |
    /// |---|---|---|
    /// | `LAYBY_INSTALLATION` | the installation's id, a DNS label | refused |
    /// | `LAYBY_TABLE` | the table's name | `layby` |
    /// | `LAYBY_DYNAMODB_URL` | where DynamoDB is, where it is not AWS's own | AWS's own |
    /// | `LAYBY_LAUNCHES` | `open` or `keyed` | `open` |
    /// | `LAYBY_QUOTA` | the most applications at once | no limit |
    /// | `LAYBY_ADMIN_KEY_SHA256` | SHA-256, in hex, of the first admin key | only keys in the table |
    /// | `LAYBY_CELLS` | JSON array of [`CellConfig`], the default first | none |
    /// | `LAYBY_REGISTRY_URL` | the external registry that templates of launches come from | the table |
    /// | `LAYBY_SECRETS_ARN` | the entry in AWS Secrets Manager that holds [`Secrets`] as JSON | see the next |
    /// | `LAYBY_SECRETS` | [`Secrets`] as JSON, where there is no Secrets Manager | none |
    /// | `LAYBY_LEASE_POOL` | the pool of clusters and of callers that name none | `default` |
    /// | `LAYBY_LEASE_PROVIDER` | the cloud provider that callers want who name none | any |
    /// | `LAYBY_LEASE_EXEMPT` | kinds and objects that inventories of clusters leave out beside their own, between commas | nothing more |
    /// | `LAYBY_LEASE_NETWORKS` | networks with private addresses in which clusters to lease may be, between commas | only the public internet |
    /// | `LAYBY_LEASES_KEY_SHA256` | SHA-256, in hex, of a key with the scope `leases` | see the next |
    /// | `AUTH_TOKEN` | that key itself, as k8s-claimer had it | only keys in the table |
    /// | `CLEAR_NAMESPACES` | `false`: clusters that are given back are compared and not cleaned | `true` |
    ///
    /// The last two are read as `K8S-CLAIMER_AUTH_TOKEN` and `K8S-CLAIMER_CLEAR_NAMESPACES` first.
    ///
    /// # Errors
    /// [`ConfigError::Variable`] naming the variable, what is wrong and what is expected.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = |name: &'static str| {
            debug_assert!(Self::VARIABLES.contains(&name), "{name} is not listed");
            variable(name).filter(|value| !value.trim().is_empty())
        };
        let wrong = |name: &'static str, why: String| ConfigError::Variable { name, why };

        let installation = get("LAYBY_INSTALLATION")
            .ok_or_else(|| wrong("LAYBY_INSTALLATION", "is missing: give the installation's id".into()))?;
        let launches = match get("LAYBY_LAUNCHES").as_deref() {
            None | Some("open") => Launches::Open,
            Some("keyed") => Launches::Keyed,
            Some(other) => {
                return Err(wrong(
                    "LAYBY_LAUNCHES",
                    format!("'{other}' is neither 'open' nor 'keyed'"),
                ));
            }
        };
        let quota = get("LAYBY_QUOTA")
            .map(|text| {
                text.parse()
                    .map_err(|_| wrong("LAYBY_QUOTA", format!("'{text}' is no whole number")))
            })
            .transpose()?;
        let admin = "LAYBY_ADMIN_KEY_SHA256";
        let admin_key_sha256 = get(admin).map(|text| sha256_of(admin, &text)).transpose()?;
        let cells: Vec<CellConfig> = get("LAYBY_CELLS")
            .map(|text| serde_json::from_str(&text).map_err(|error| wrong("LAYBY_CELLS", error.to_string())))
            .transpose()?
            .unwrap_or_default();
        for cell in &cells {
            let checked = Cell::check_public_host(&cell.public_host);
            checked.map_err(|refusal| wrong("LAYBY_CELLS", format!("cell '{}': {refusal}", cell.name)))?;
        }
        let registry_url = get("LAYBY_REGISTRY_URL")
            .map(|text| registry_url(&text).map_err(|why| wrong("LAYBY_REGISTRY_URL", why)))
            .transpose()?;
        let secrets = match (get("LAYBY_SECRETS_ARN"), get("LAYBY_SECRETS")) {
            (Some(arn), _) => SecretsFrom::Manager(arn),
            (None, Some(text)) => SecretsFrom::Given(Box::new(Secrets::parse(&text)?)),
            (None, None) => SecretsFrom::Nowhere,
        };
        Ok(Self {
            installation: InstallationId::parse(&installation)
                .map_err(|refusal| wrong("LAYBY_INSTALLATION", refusal.to_string()))?,
            table: get("LAYBY_TABLE").unwrap_or_else(|| "layby".to_owned()),
            dynamodb_url: get("LAYBY_DYNAMODB_URL"),
            launches,
            quota,
            admin_key_sha256,
            cells,
            leases: LeaseConfig::read(get)?,
            registry_url,
            secrets,
        })
    }

    /// How many applications the installation and its cells let live.
    pub(crate) fn quotas(&self) -> Quotas {
        let of_cell = |cell: &CellConfig| CellQuota {
            capacity: cell.capacity,
            starts: cell.starts,
        };
        let cells = self.cells.iter();
        Quotas {
            all: self.quota,
            cells: cells.map(|cell| (cell.name.clone(), of_cell(cell))).collect(),
        }
    }

    /// Leaves the secrets where they are, for an endpoint that needs none.
    pub(crate) fn forget_secrets(&mut self) {
        self.secrets = SecretsFrom::Nowhere;
    }

    /// Reads the configuration from the environment.
    ///
    /// # Errors
    /// As [`Config::read`].
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub fn from_environment() -> Result<Self, ConfigError> {
        Self::read(|name| std::env::var(name).ok())
    }
}

impl Secrets {
    /// # Errors
    /// [`ConfigError::Secrets`] with what is wrong, never with the text.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        serde_json::from_str(text).map_err(|error| {
            ConfigError::Secrets(format!(
                "not the expected JSON (line {}, column {})",
                error.line(),
                error.column()
            ))
        })
    }
}

#[cfg(test)]
mod tests;
