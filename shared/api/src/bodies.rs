//! What goes in and out as JSON.

mod clusters;
mod environments;
mod keys;
mod leases;
mod pools;
mod preload;

use std::collections::BTreeMap;

use domain::{
    Application, EnvName, ImageSource, LabelKey, LabelValue, Millis, Phase, PullPolicy, Refusal, Resources, RunAs,
    Security, Status, Template, TemplateName, Toleration, Workload,
};
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

pub use clusters::{CleanBody, ClusterBody, ClusterPoolBody, ClusterPoolView, ClusterView, PROVIDER_DEFAULT};
pub use environments::{DeploymentBody, EnvironmentBody, EnvironmentView, TemplateSource, hosts_in};
pub use keys::{KeyBody, KeyMade, KeyView};
pub use leases::{HolderView, LeaseBody, LeaseView, RenewBody, VerifyBody, VerifyView, seconds_until};
pub use pools::{PoolBody, PoolView};
pub use preload::{PreloadAnswer, PreloadView};

/// The body of a launch. Keys in kebab or camel case, because the older server kebab-cased them; others are ignored.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub struct LaunchBody {
    /// The template, where the path does not name it.
    #[serde(alias = "templateName")]
    pub template_name: Option<String>,
    /// Inactivity after which the application is culled, instead of the template's.
    #[serde(alias = "cullTimeout")]
    pub cull_timeout: Option<Millis>,
    /// Age at which the application ends, instead of the template's.
    #[serde(alias = "maxAge")]
    pub max_age: Option<Millis>,
}

/// The answer to a launch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launched {
    /// 32 lower-case hexadecimal digits.
    pub id: String,
    /// With it this launch alone can be stopped or kept alive.
    pub token: String,
}

/// The body of a report of activity: there is nothing to say. Unknown fields are refused by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ActivityBody {}

/// An application as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ApplicationView {
    /// Its id.
    pub id: String,
    /// The template that it was launched from.
    pub template_name: String,
    /// `<host>/user/<id>`, no scheme; absent until deployed, kept after deletion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// In the older service's words.
    pub status: Status,
    /// A finer word.
    pub phase: Phase,
    /// Why it is not (yet, or any more) answering, or what is wrong with it while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What happened to it, oldest first; only where one application is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<EventView>,
}

/// Something that happened to an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// When.
    pub at: Timestamp,
    /// What, in a bare word.
    pub event: String,
    /// What, in a sentence.
    pub sentence: String,
}

impl ApplicationView {
    /// With what happened to it.
    pub fn with_events(application: &Application) -> Self {
        let event = |event: &domain::Event| EventView {
            at: event.at,
            event: event.what.word().to_owned(),
            sentence: event.what.sentence(application.reason()),
        };
        Self {
            events: application.events.iter().map(event).collect(),
            ..application.into()
        }
    }
}

impl From<&Application> for ApplicationView {
    fn from(application: &Application) -> Self {
        Self {
            id: application.id.to_string(),
            template_name: application.template.to_string(),
            location: application.location.clone(),
            status: application.status(),
            phase: application.phase(),
            reason: application.reason().map(domain::Reason::sentence),
            events: Vec::new(),
        }
    }
}

/// The body of `PUT /templates/{name}`: [`Template`] without what the server knows. Unknown fields are refused by
/// name; those that the older registry stored and nobody read are ignored.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct TemplateBody {
    name: Option<TemplateName>,
    image_name: Option<String>,
    image_source: ImageSource,
    #[serde(default)]
    command: Vec<String>,
    port: Option<u16>,
    #[serde(default)]
    limits: Resources,
    #[serde(default)]
    requests: Resources,
    cull_timeout: Option<Millis>,
    max_age: Option<Millis>,
    quota: Option<u32>,
    #[serde(default)]
    env: BTreeMap<EnvName, String>,
    #[serde(default)]
    node_selector: BTreeMap<LabelKey, LabelValue>,
    #[serde(default)]
    tolerations: Vec<Toleration>,
    #[serde(default)]
    run_as_user: RunAs,
    #[serde(default)]
    security: Security,
    image_pull_policy: Option<PullPolicy>,
    image_pull_secret: Option<IgnoredAny>,
    #[serde(rename = "services")]
    _services: Option<IgnoredAny>,
    #[serde(rename = "time-created")]
    _time_created: Option<IgnoredAny>,
    #[serde(rename = "time-modified")]
    _time_modified: Option<IgnoredAny>,
}

impl TemplateBody {
    /// The name that the body gives, which must be the path's where it is given.
    pub fn name(&self) -> Option<&TemplateName> {
        self.name.as_ref()
    }

    /// The template of this `name`.
    ///
    /// # Errors
    /// [`Refusal::Rule`] for what layby does not do yet, and what [`Template::check`] refuses.
    pub fn into_template(self, name: TemplateName) -> Result<Template, Refusal> {
        if self.image_pull_secret.is_some() {
            return Err(Refusal::Rule(
                "'image-pull-secret' is not supported yet: use an image that the nodes can pull by themselves"
                    .to_owned(),
            ));
        }
        let workload = Workload {
            image_name: self.image_name,
            image: self.image_source,
            command: self.command,
            port: self.port.unwrap_or(domain::limits::PORT_DEFAULT),
            limits: self.limits,
            requests: self.requests,
            env: self.env,
            node_selector: self.node_selector,
            tolerations: self.tolerations,
            run_as: self.run_as_user,
            security: self.security,
            pull_policy: self.image_pull_policy,
        };
        let template = Template {
            name,
            workload,
            cull_timeout: self
                .cull_timeout
                .unwrap_or(Millis::of(domain::limits::CULL_TIMEOUT_DEFAULT)),
            max_age: self.max_age.unwrap_or(Millis::of(domain::limits::MAX_AGE_DEFAULT)),
            quota: self.quota,
            time_created: None,
            time_modified: None,
        };
        template.check()?;
        Ok(template)
    }
}

/// One dependency in `GET /health`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DependencyView {
    /// What it is, such as `database` or `cluster-default`.
    pub name: String,
    /// When it was asked.
    pub timestamp: Timestamp,
    /// `running` or `down`.
    pub status: String,
}

/// The answer of `GET /version`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionView {
    /// `layby`.
    pub name: String,
    /// Of the release, `major.minor.patch`.
    pub version: String,
}
