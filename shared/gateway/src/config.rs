//! Configuration, read once.

use domain::{Cell, CellQuota, InstallationId, Quotas};
use http::Uri;
use thiserror::Error;

mod cells;
mod environments;
mod leases;
mod secrets;

pub use cells::{CellConfig, TokenKind};
pub use environments::{
    DeployState, DeploymentRules, EnvironmentConfig, FetchConfig, IssuerConfig, OutsideConfig, RouterConfig,
};
pub(crate) use environments::{authority, authority_of};
pub use leases::LeaseConfig;
pub use secrets::{CellSecrets, Secrets, SecretsFrom};

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
    /// Environments and their deployments.
    pub environments: EnvironmentConfig,
    /// What is connected to outside of the installation, and how.
    pub outside: OutsideConfig,
    /// The external registry that templates of launches come from. Without one they come from the table.
    pub registry_url: Option<Uri>,
    /// Where the secrets are.
    pub secrets: SecretsFrom,
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

/// A URL that an operator wrote down, for something whose credentials, if any, are elsewhere.
fn url_of(text: &str) -> Result<Uri, String> {
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
        Err("is not an http or https URL without user and query".into())
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

/// What a switch of an older service says, as Go writes it, because they were written in it; `usual` without it.
fn switch(get: impl Fn(&'static str) -> Option<String>, name: &'static str, usual: bool) -> Result<bool, ConfigError> {
    let Some(text) = get(name) else {
        return Ok(usual);
    };
    match text.to_ascii_lowercase().as_str() {
        "1" | "t" | "true" => Ok(true),
        "0" | "f" | "false" => Ok(false),
        _ => Err(ConfigError::Variable {
            name,
            why: format!("'{text}' is neither 'true' nor 'false'"),
        }),
    }
}

impl Config {
    /// Every variable that [`Config::read`] asks for.
    pub const VARIABLES: [&'static str; 40] = [
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
        "LAYBY_OIDC_ISSUER",
        "LAYBY_OIDC_AUDIENCE",
        "LAYBY_OIDC_ORGANISATIONS",
        "LAYBY_OIDC_JWKS_URL",
        "LAYBY_FETCH_HOSTS",
        "LAYBY_ENVIRONMENTS_ENFORCE",
        "LAYBY_ENVIRONMENTS_WARN",
        "LAYBY_ROUTER_NAMESPACES",
        "LAYBY_DEPLOYMENT_HOSTS_OWN",
        "LAYBY_TAKEN_HOST_500",
        "LAYBY_OUTSIDE_CA",
        "LAYBY_OUTSIDE_PINS",
        "DEPLOY_STATE",
        "ALLOW_PRIV_CONTAINERS",
        "ISOLATE_NAMESPACE",
        "APIGEE_KVM",
        "AUTH_API_HOST",
        "SHIPYARD_HOST",
        "INTERNAL_ROUTER_HOST",
        "SHIPYARD_PRIVATE_SECRET",
        "API_ROUTING_KEY_HEADER",
    ];

    /// The namespaces of the routers and route proxies, which others let in.
    pub(crate) fn reserved_namespaces(&self) -> impl Iterator<Item = String> {
        let routers = self.environments.routers.iter().map(ToString::to_string);
        routers.chain(self.cells.iter().map(|cell| cell.proxy_namespace.clone()))
    }

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
    /// | `LAYBY_OIDC_ISSUER` | the issuer of access tokens, as their `iss` says it | no access tokens |
    /// | `LAYBY_OIDC_AUDIENCE` | what their `aud` has to name | refused where there is an issuer |
    /// | `LAYBY_OIDC_ORGANISATIONS` | the claim that lists the organisations which their bearer administers, as an array of names or one name; from a `/` on, a JSON pointer to it | `organisations` |
    /// | `LAYBY_OIDC_JWKS_URL` | where the issuer's keys are | as its discovery document says |
    /// | `LAYBY_FETCH_HOSTS` | hosts, with a port where it is not 443, that pod templates may come from and callers' tokens go to, between commas | only the host that was asked |
    /// | `LAYBY_ENVIRONMENTS_ENFORCE`, `LAYBY_ENVIRONMENTS_WARN` | the pod security standard that namespaces of environments enforce, and the one that they warn by: `privileged`, `baseline` or `restricted` | `baseline`, `restricted` |
    /// | `LAYBY_ROUTER_NAMESPACES` | the namespaces of the routers, which reach isolated environments, between commas | none |
    /// | `LAYBY_DEPLOYMENT_HOSTS_OWN` | `true`: a deployment is served under host names of its environment alone | `false` |
    /// | `LAYBY_TAKEN_HOST_500` | `true`: a host name that another environment has is answered with 500, as of old | `false`: 409 |
    /// | `LAYBY_OUTSIDE_CA` | certificates, PEM or base64 of PEM, that vouch for the issuer, the service of roles and origins of pod templates beside the public ones | only the public ones |
    /// | `LAYBY_OUTSIDE_PINS` | `host=address` of hosts among those that are connected to there alone, and may be inside, between commas | none |
    /// | `DEPLOY_STATE` | `DEV`, `DEV_CONTAINER`: pod templates may come from any public host, and in the local adapter nobody is asked who has environments | `PROD` |
    /// | `ALLOW_PRIV_CONTAINERS` | `true`: containers may be privileged, and namespaces enforce that standard; otherwise they are made not to be | `false` |
    /// | `ISOLATE_NAMESPACE` | `true`: environments are reached only from themselves and the router | `false` |
    /// | `APIGEE_KVM` | `true`: the public key of a new environment is told to Apigee | `false` |
    /// | `AUTH_API_HOST` | host or URL of the service that is asked for callers' roles | nobody's roles are looked up |
    /// | `SHIPYARD_HOST`, `INTERNAL_ROUTER_HOST` | a host whose pod templates are fetched from this internal router | none |
    /// | `SHIPYARD_PRIVATE_SECRET` | what that router is shown, where there are no [`Secrets`] | their `router_secret` |
    /// | `API_ROUTING_KEY_HEADER` | the header in which it is shown | `X-ROUTING-API-KEY` |
    ///
    /// `AUTH_TOKEN` and `CLEAR_NAMESPACES` are read as `K8S-CLAIMER_AUTH_TOKEN` and `K8S-CLAIMER_CLEAR_NAMESPACES` first.
    /// What does not begin with `LAYBY_` is called as the older services called it.
    ///
    /// # Errors
    /// [`ConfigError::Variable`] naming the variable, what is wrong and what is expected.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let get = &|name: &'static str| {
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
            .map(|text| {
                let key = "; its key belongs to the secrets, as 'registry_key'";
                url_of(&text).map_err(|why| wrong("LAYBY_REGISTRY_URL", why + key))
            })
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
            environments: EnvironmentConfig::read(get)?,
            outside: OutsideConfig::read(get)?,
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

#[cfg(test)]
mod tests;
