//! Environments and their deployments.

use domain::limits::DEPLOYMENT_HOSTS_MAX;
use domain::{Environment, EnvironmentAsk, EnvironmentChange, EnvironmentName, HostNames, Lifetime, Refusal};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// The body of `POST /environments` and of `PATCH /environments/{environment}`. Fields that nobody knows are ignored, as
/// the older service did, and with `PATCH` the name is one of them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvironmentBody {
    /// `organisation:environment`.
    pub environment_name: Option<String>,
    host_names: Option<Vec<String>>,
    #[serde(deserialize_with = "said")]
    ttl: Option<Option<u64>>,
    #[serde(deserialize_with = "said")]
    expires_at: Option<Option<Timestamp>>,
    protect: Option<bool>,
    asleep: Option<bool>,
}

/// What is said, `null` too, is told from what is not.
fn said<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl EnvironmentBody {
    /// The name that is asked for.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when there is none, or it is none.
    pub fn name(&self) -> Result<EnvironmentName, Refusal> {
        let missing = || Refusal::Malformed("Invalid environment name: say 'environmentName'".to_owned());
        EnvironmentName::parse(self.environment_name.as_deref().ok_or_else(missing)?)
    }

    /// What is asked for, at `now`.
    ///
    /// # Errors
    /// Those of its fields.
    pub fn ask(&self, now: Timestamp) -> Result<EnvironmentAsk, Refusal> {
        let change = self.change(now)?;
        Ok(EnvironmentAsk {
            name: self.name()?,
            hosts: change.hosts.unwrap_or_default(),
            lifetime: change.lifetime.unwrap_or(Lifetime::Forever),
            protect: change.protect.unwrap_or_default(),
            asleep: change.asleep.unwrap_or_default(),
        })
    }

    /// What shall be otherwise, at `now`.
    ///
    /// # Errors
    /// [`Refusal`] with the rule that a field breaks.
    pub fn change(&self, now: Timestamp) -> Result<EnvironmentChange, Refusal> {
        let hosts = self.host_names.as_deref().map(HostNames::read).transpose()?;
        Ok(EnvironmentChange {
            hosts,
            lifetime: Lifetime::read(self.ttl, self.expires_at, now)?,
            protect: self.protect,
            asleep: self.asleep,
        })
    }
}

/// An environment, as callers are told of it: what the older clients read first, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnvironmentView {
    /// The name of its namespace.
    pub name: String,
    /// Its host names; left out when there are none.
    #[serde(skip_serializing_if = "HostNames::is_empty")]
    pub host_names: HostNames,
    /// What the public router asks for, as its header has it. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_secret: Option<String>,
    /// What the private router asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub private_secret: Option<String>,
    /// `organisation:environment`.
    pub environment_name: String,
    /// `making`, `changing`, `ready`, `asleep` or `deleting`.
    pub phase: &'static str,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What went wrong beside it, and is no reason not to have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Whether it may be neither deleted nor expire.
    pub protect: bool,
    /// Whether its deployments have no pods.
    pub asleep: bool,
}

impl EnvironmentView {
    /// Without the routing keys.
    pub fn of(environment: &Environment) -> Self {
        Self {
            name: environment.name.namespace().to_string(),
            host_names: environment.hosts.clone(),
            public_secret: None,
            private_secret: None,
            environment_name: environment.name.to_string(),
            phase: environment.phase(),
            reason: environment.trouble.clone(),
            warning: None,
            created_at: environment.created_at,
            expires_at: environment.expires_at,
            protect: environment.protect,
            asleep: environment.asleep,
        }
    }

    /// With the routing keys, as the routers' header has them.
    pub fn with_keys(self, public: String, private: String) -> Self {
        Self {
            public_secret: Some(public),
            private_secret: Some(private),
            ..self
        }
    }
}

/// The body of a deployment that is made or changed. Fields that nobody knows are ignored, as the older service did.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DeploymentBody {
    /// What it is called.
    pub deployment_name: Option<String>,
    /// Where the public router serves it: host names with spaces between them.
    pub public_hosts: Option<String>,
    /// Where the private router serves it.
    pub private_hosts: Option<String>,
    /// How many pods it has.
    pub replicas: Option<i64>,
    /// Where its pod template is fetched.
    #[serde(rename = "ptsURL")]
    pub pts_url: Option<String>,
    /// Its pod template.
    pub pts: Option<Value>,
    /// Variables of its first container.
    pub env_vars: Option<Value>,
}

impl DeploymentBody {
    /// Where it is served must be said when it is made, though it may be nowhere.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] with the older service's sentence.
    pub fn check_hosts_are_said(&self) -> Result<(), Refusal> {
        match (&self.public_hosts, &self.private_hosts) {
            (None, None) => Err(Refusal::Malformed("No privateHosts or publicHosts given".to_owned())),
            _ => Ok(()),
        }
    }

    /// Where its template comes from, if that is said.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when both are said.
    pub fn template(&self) -> Result<Option<TemplateSource<'_>>, Refusal> {
        match (&self.pts_url, &self.pts) {
            (Some(_), Some(_)) => Err(Refusal::Malformed("say either 'ptsURL' or 'pts', not both".to_owned())),
            (Some(url), None) => Ok(Some(TemplateSource::Url(url))),
            (None, Some(template)) => Ok(Some(TemplateSource::Inline(template))),
            (None, None) => Ok(None),
        }
    }
}

/// Where a pod template comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TemplateSource<'a> {
    /// It is fetched there.
    Url(&'a str),
    /// It is in the request.
    Inline(&'a Value),
}

/// The host names in what a deployment says of where it is served, in whatever case, each once.
///
/// # Errors
/// [`Refusal::Malformed`] for one that is none, and for too many.
pub fn hosts_in(texts: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Vec<domain::HostName>, Refusal> {
    let mut hosts = std::collections::BTreeSet::new();
    for text in texts {
        for host in text.as_ref().split_whitespace() {
            hosts.insert(domain::HostName::read(host)?);
        }
    }
    if hosts.len() > DEPLOYMENT_HOSTS_MAX {
        return Err(Refusal::Malformed(format!(
            "a deployment is served under at most {DEPLOYMENT_HOSTS_MAX} host names"
        )));
    }
    Ok(hosts.into_iter().collect())
}
