//! What an installation is told about environments, and about what is connected to outside of it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use cluster_client::{EnvironmentRules, PodSecurity};
use domain::NamespaceName;
use http::{HeaderName, Uri};
use net::FetchRules;
use url::Url;

use super::{switch, url_of};
use crate::ConfigError;
use crate::edge::ca_pem;

/// The claim that lists organisations where nothing is said.
const ORGANISATIONS: &str = "organisations";
/// The header in which the internal router is shown its secret where nothing is said, as of old.
const ROUTING_HEADER: HeaderName = HeaderName::from_static("x-routing-api-key");
/// Where Apigee is where nothing is said, as of old.
const APIGEE: &str = "https://api.enterprise.apigee.com";

/// What an installation is told about environments.
#[derive(Clone)]
pub struct EnvironmentConfig {
    /// What kind of installation it is.
    pub state: DeployState,
    /// What holds for the namespace of every environment.
    pub namespaces: EnvironmentRules,
    /// The namespaces of the routers.
    pub routers: Vec<NamespaceName>,
    /// What holds for deployments.
    pub deployments: DeploymentRules,
    /// Whose access tokens are taken, if anybody's.
    pub issuer: Option<IssuerConfig>,
    /// The service that is asked for callers' roles, if any.
    pub roles_url: Option<Uri>,
    /// Apigee, where it is told the public keys of new environments.
    pub kvm_url: Option<Uri>,
    /// Where pod templates come from.
    pub fetch: FetchConfig,
    asks_nobody: bool,
}

/// What an installation says of deployments, and of what older clients expect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeploymentRules {
    /// Whether containers may be privileged.
    pub allow_privileged: bool,
    /// Whether a deployment is served under host names of its environment alone.
    pub hosts_must_be_own: bool,
    /// Whether a host name that another environment has is answered with 500, as of old, rather than with 409.
    pub taken_host_is_500: bool,
}

/// What kind of installation it is, as the older service was told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeployState {
    /// One that people rely on.
    #[default]
    Production,
    /// One to develop with.
    Development,
}

/// Whose access tokens are taken (OIDC).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerConfig {
    /// The issuer's URL, exactly as its tokens' `iss` says it.
    pub url: String,
    /// What the tokens' `aud` has to name.
    pub audience: String,
    /// The claim that lists the organisations: a name, or from a `/` on a JSON pointer (RFC 6901).
    pub claim: String,
    /// Where its keys are, where its discovery document is not asked.
    pub jwks_url: Option<Uri>,
}

/// Where pod templates come from, beside the host that was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FetchConfig {
    /// Hosts that they may come from, with a port where it is not 443. Callers' tokens go to them.
    pub hosts: BTreeSet<String>,
    /// The internal router that stands in for a host.
    pub router: Option<RouterConfig>,
}

/// An internal router that stands in for a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterConfig {
    /// The host, with a port where it is not the usual one.
    pub host: String,
    /// Where the router is, by http.
    pub internal: Uri,
    /// The header in which it is shown its secret.
    pub header: HeaderName,
    /// The secret, where the installation's secrets do not have it.
    pub secret: Option<String>,
}

/// What is connected to outside of the installation, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutsideConfig {
    /// Certificates in PEM that vouch for hosts beside the public ones.
    pub ca_pem: Option<Vec<u8>>,
    /// Hosts with the address at which alone they are connected to. It may be an inward one.
    pub pins: BTreeMap<String, IpAddr>,
}

impl EnvironmentConfig {
    /// Whether nobody is asked who has environments.
    pub(crate) fn asks_nobody(&self) -> bool {
        self.asks_nobody
    }

    /// Asks nobody who has environments, on their paths alone. For the local adapter: nothing that is read does this.
    pub fn ask_nobody(&mut self) {
        self.asks_nobody = true;
    }

    /// Reads the part of the configuration that is about environments; see [`crate::Config::read`].
    pub(super) fn read(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let wrong = |name: &'static str, why: String| ConfigError::Variable { name, why };
        let url = |name: &'static str| {
            let text = get(name);
            text.map(|text| url_of(&text).map_err(|why| wrong(name, format!("'{text}' {why}"))))
                .transpose()
        };
        let host = |name: &'static str| {
            let text = get(name);
            text.map(|text| authority(&text).map_err(|why| wrong(name, why)))
                .transpose()
        };
        let state = match get("DEPLOY_STATE").as_deref() {
            None | Some("PROD") => DeployState::Production,
            Some("DEV" | "DEV_CONTAINER") => DeployState::Development,
            Some(other) => {
                let why = format!("'{other}' is none of 'PROD', 'DEV' and 'DEV_CONTAINER'");
                return Err(wrong("DEPLOY_STATE", why));
            }
        };
        let issuer = match url("LAYBY_OIDC_ISSUER")? {
            None => None,
            Some(_) => Some(IssuerConfig {
                url: get("LAYBY_OIDC_ISSUER").unwrap_or_default(),
                audience: get("LAYBY_OIDC_AUDIENCE").ok_or_else(|| {
                    let why = "is missing: say what the 'aud' of the issuer's tokens has to name";
                    wrong("LAYBY_OIDC_AUDIENCE", why.to_owned())
                })?,
                claim: get("LAYBY_OIDC_ORGANISATIONS").unwrap_or_else(|| ORGANISATIONS.to_owned()),
                jwks_url: url("LAYBY_OIDC_JWKS_URL")?,
            }),
        };
        let roles_url = get("AUTH_API_HOST")
            .map(|text| service_url(&text).map_err(|why| wrong("AUTH_API_HOST", why)))
            .transpose()?;
        let kvm_url = if switch(&get, "APIGEE_KVM", false)? {
            Some(roles_url.clone().unwrap_or_else(|| Uri::from_static(APIGEE)))
        } else {
            None
        };
        let router = match (host("SHIPYARD_HOST")?, get("INTERNAL_ROUTER_HOST")) {
            (None, None) => None,
            (Some(host), Some(internal)) => Some(RouterConfig {
                host,
                internal: url_of(&format!("http://{internal}"))
                    .map_err(|_| wrong("INTERNAL_ROUTER_HOST", format!("'{internal}' is no host")))?,
                header: match get("API_ROUTING_KEY_HEADER") {
                    None => ROUTING_HEADER,
                    Some(text) => text
                        .parse()
                        .map_err(|_| wrong("API_ROUTING_KEY_HEADER", format!("'{text}' is no header's name")))?,
                },
                secret: get("SHIPYARD_PRIVATE_SECRET"),
            }),
            (Some(_), None) => return Err(wrong("INTERNAL_ROUTER_HOST", "is missing beside SHIPYARD_HOST".into())),
            (None, Some(_)) => return Err(wrong("SHIPYARD_HOST", "is missing beside INTERNAL_ROUTER_HOST".into())),
        };
        let deployments = DeploymentRules {
            allow_privileged: switch(&get, "ALLOW_PRIV_CONTAINERS", false)?,
            hosts_must_be_own: switch(&get, "LAYBY_DEPLOYMENT_HOSTS_OWN", false)?,
            taken_host_is_500: switch(&get, "LAYBY_TAKEN_HOST_500", false)?,
        };
        let routers = get("LAYBY_ROUTER_NAMESPACES").unwrap_or_default();
        let routers = parts(&routers).map(|text| {
            NamespaceName::parse(text).map_err(|refusal| wrong("LAYBY_ROUTER_NAMESPACES", refusal.to_string()))
        });
        let routers: Vec<NamespaceName> = routers.collect::<Result<_, _>>()?;
        let hosts = get("LAYBY_FETCH_HOSTS").unwrap_or_default();
        let hosts = parts(&hosts).map(|text| authority(text).map_err(|why| wrong("LAYBY_FETCH_HOSTS", why)));
        Ok(Self {
            state,
            namespaces: namespaces(&get, &routers, deployments.allow_privileged)?,
            routers,
            deployments,
            issuer,
            roles_url,
            kvm_url,
            fetch: FetchConfig {
                hosts: hosts.collect::<Result<_, _>>()?,
                router,
            },
            asks_nobody: false,
        })
    }
}

/// What holds for the namespaces of environments.
fn namespaces(
    get: impl Fn(&'static str) -> Option<String>,
    routers: &[NamespaceName],
    allow_privileged: bool,
) -> Result<EnvironmentRules, ConfigError> {
    let security = |name: &'static str, default| match get(name) {
        None => Ok(default),
        Some(text) => PodSecurity::parse(&text).ok_or_else(|| ConfigError::Variable {
            name,
            why: format!("'{text}' is none of 'privileged', 'baseline' and 'restricted'"),
        }),
    };
    let own = EnvironmentRules::default();
    let enforce = match allow_privileged {
        true => PodSecurity::Privileged,
        false => security("LAYBY_ENVIRONMENTS_ENFORCE", own.enforce)?,
    };
    Ok(EnvironmentRules {
        enforce,
        warn: security("LAYBY_ENVIRONMENTS_WARN", own.warn)?,
        isolated_but_from: switch(&get, "ISOLATE_NAMESPACE", false)?.then(|| routers.to_vec()),
    })
}

impl OutsideConfig {
    /// Reads the part of the configuration that is about what is outside; see [`crate::Config::read`].
    pub(super) fn read(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let pins = get("LAYBY_OUTSIDE_PINS").unwrap_or_default();
        let pins = parts(&pins).map(|text| {
            let pin = text
                .split_once('=')
                .map(|(host, address)| (host.trim(), address.trim()));
            let pin = pin.and_then(|(host, address)| Some((authority(host).ok()?, address.parse().ok()?)));
            let pin = pin.filter(|(host, _)| !host.contains(':'));
            pin.ok_or_else(|| ConfigError::Variable {
                name: "LAYBY_OUTSIDE_PINS",
                why: format!("'{text}' is no pin, such as templates.example.org=10.0.0.7"),
            })
        });
        Ok(Self {
            ca_pem: get("LAYBY_OUTSIDE_CA").as_deref().and_then(ca_pem),
            pins: pins.collect::<Result<_, _>>()?,
        })
    }

    /// The rules of fetches that take up to `span` and give up to `largest_body` bytes, of which `exempt` hosts may be
    /// inside: those that the operator wrote down.
    pub(crate) fn rules<'a>(
        &self,
        span: Duration,
        largest_body: usize,
        exempt: impl IntoIterator<Item = &'a Uri>,
    ) -> FetchRules {
        let hosts = exempt.into_iter().filter_map(Uri::host).map(str::to_owned);
        FetchRules {
            span,
            largest_body,
            exempt_hosts: hosts.collect(),
            pins: self.pins.clone(),
            extra_ca_pem: self.ca_pem.clone(),
        }
    }
}

/// What stands between commas.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|text| !text.is_empty())
}

/// A host as URLs write it, with a port where it is not that of https.
pub(crate) fn authority(text: &str) -> Result<String, String> {
    let parsed = Url::parse(&format!("https://{text}/")).ok();
    let parsed = parsed.filter(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none());
    let parsed = parsed.filter(|url| url.username().is_empty() && url.password().is_none());
    parsed
        .as_ref()
        .and_then(authority_of)
        .ok_or_else(|| format!("'{text}' is no host, with a port where needed, such as templates.example.org"))
}

/// The host of a URL, with a port where it is not that of its scheme.
pub(crate) fn authority_of(url: &Url) -> Option<String> {
    let host = url.host_str()?.to_ascii_lowercase();
    Some(match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host,
    })
}

/// A service's address, as of old a bare host, which is asked by https, or a whole URL.
fn service_url(text: &str) -> Result<Uri, String> {
    let whole = if text.contains("://") {
        text.to_owned()
    } else {
        format!("https://{text}")
    };
    url_of(&whole).map_err(|_| format!("'{text}' is neither a host nor an http or https URL without user and query"))
}
