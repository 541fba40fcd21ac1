//! A Deployment made, and changed, from what a caller gives. Pure.

use domain::{DeploymentName, Environment, Generation, Refusal};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::given::Given;
use super::template::{COMPONENT, HOSTS, PodTemplate, give, hosts, unprivileged};
use crate::environments::Tenant;
use crate::manifests::text_map;

/// The annotation with what was given beside the template, as JSON.
const GIVEN: &str = "layby.dev/given";
/// The annotation of a deployment that sleeps, with its replicas from before.
const REPLICAS: &str = "layby.dev/replicas";
/// The annotation that tells a lost answer to a create from a taken name.
const MADE_BY: &str = "layby.dev/made-by";
/// The annotation with the generation of the environment that asked last whether the deployment has pods.
const SLEEP_ASKED: &str = "layby.dev/sleep-asked";
/// The annotation of a pod template by which kubectl, too, restarts pods.
const RESTARTED: &str = "kubectl.kubernetes.io/restartedAt";
/// ReplicaSets that are kept to go back to, as in the older system.
const HISTORY: i32 = 5;

/// A deployment that somebody asks for.
#[derive(Clone, PartialEq)]
pub struct NewDeployment {
    /// What it is called.
    pub name: DeploymentName,
    /// What it runs.
    pub template: PodTemplate,
    /// What is given beside the template.
    pub given: Given,
    /// How many pods it has while its environment is awake.
    pub replicas: Replicas,
    /// Whether its environment sleeps: then it has none.
    pub sleep: Sleep,
    /// Who makes it: the id of the request, or of whatever is repeated as the same. A deployment that was made by the same
    /// is taken for the one that is asked for.
    pub made_by: String,
}

/// Whether an environment's deployments have pods, and what asked for that: of two that were asked for, the later holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sleep {
    /// Whether they have none.
    pub asleep: bool,
    /// The generation that asked for it.
    pub asked: Generation,
}

impl Sleep {
    /// What was asked of an environment last.
    pub fn of(environment: &Environment) -> Self {
        Self {
            asleep: environment.asleep,
            asked: environment.sleep_asked,
        }
    }
}

/// What is asked of a deployment that is there. What is absent stays; when nothing is asked, its pods are started anew.
#[derive(Clone, Default, PartialEq)]
pub struct DeploymentPatch {
    /// What it is to run. It keeps what was given beside the former template.
    pub template: Option<PodTemplate>,
    /// What is given from now on, too: variables take the place of those of their name.
    pub given: Given,
    /// How many pods it is to have while its environment is awake.
    pub replicas: Option<Replicas>,
    /// Whether containers of a former template may stay privileged.
    pub allow_privileged: bool,
}

/// How many pods a deployment has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replicas(i32);

impl Replicas {
    /// When nothing is said.
    pub const DEFAULT: Replicas = Replicas(1);

    /// # Errors
    /// [`Refusal::Malformed`] for a number that is no count, or more than Kubernetes can count.
    pub fn read(replicas: i64) -> Result<Self, Refusal> {
        let count = i32::try_from(replicas).ok().filter(|count| *count >= 0);
        let refusal = || {
            Refusal::Malformed(format!(
                "'replicas' is a whole number from 0 to {}, not {replicas}",
                i32::MAX
            ))
        };
        count.map(Self).ok_or_else(refusal)
    }
}

impl NewDeployment {
    /// The host names that its pods will be served under, as they were written.
    pub fn hosts(&self) -> Vec<String> {
        let template = self.template.filled(self.component(), &self.given);
        hosts(&template).into_iter().map(str::to_owned).collect()
    }

    /// The component that it is in its environment: its template's, or its own name.
    pub(super) fn component(&self) -> &str {
        self.template.component().unwrap_or(self.name.as_str())
    }

    /// What is sent to the cluster, for the environment in the namespace of this uid.
    pub(super) fn manifest(&self, tenant: &Tenant<'_>, namespace_uid: &str) -> Deployment {
        let template = self.template.filled(self.component(), &self.given);
        let mut metadata = tenant.inside(namespace_uid, self.name.as_str());
        let of_template = template.metadata.as_ref().and_then(|metadata| metadata.labels.clone());
        let own = metadata.labels.replace(of_template.unwrap_or_default());
        metadata.labels.get_or_insert_default().extend(own.unwrap_or_default());
        metadata.annotations = Some(text_map([(MADE_BY, &self.made_by)]));
        let mut deployment = Deployment {
            metadata,
            spec: Some(DeploymentSpec {
                replicas: Some(self.replicas.0),
                revision_history_limit: Some(HISTORY),
                selector: LabelSelector {
                    match_labels: Some(text_map([(COMPONENT, self.component())])),
                    match_expressions: None,
                },
                template,
                ..Default::default()
            }),
            status: None,
        };
        record(&mut deployment, &self.given);
        follow(&mut deployment, self.sleep);
        deployment
    }
}

/// Who made a deployment, as [`NewDeployment::made_by`] has it.
pub(super) fn made_by(deployment: &Deployment) -> Option<&str> {
    annotation(deployment, MADE_BY)
}

/// What a deployment's pods are known by.
pub(super) fn component(deployment: &Deployment) -> Option<&str> {
    let selector = &deployment.spec.as_ref()?.selector;
    Some(selector.match_labels.as_ref()?.get(COMPONENT)?.as_str())
}

/// The deployment after `patch`, which was asked for at `now`, in an environment that is asleep or not, unless something
/// later was asked of it already.
///
/// # Errors
/// [`Refusal::Malformed`] for a template of another component.
pub(super) fn patched(
    deployment: &Deployment,
    patch: &DeploymentPatch,
    sleep: Sleep,
    now: Timestamp,
) -> Result<Deployment, Refusal> {
    let mut next = deployment.clone();
    // What the server alone writes.
    (next.metadata.managed_fields, next.status) = (None, None);
    let sleep = Some(sleep_of(deployment))
        .filter(|own| own.asked > sleep.asked)
        .unwrap_or(sleep);
    wake(&mut next);
    let own = component(deployment).unwrap_or_default().to_owned();
    let given = given(deployment).and(&patch.given);
    if let Some(template) = &patch.template {
        match template.component() {
            Some(other) if other != own => {
                return Err(Refusal::Malformed(format!(
                    "the deployment's 'component' is '{own}' and cannot become '{other}': make another deployment"
                )));
            }
            _ => replace_template(&mut next, template, &own, &given),
        }
    }
    if let Some(spec) = &mut next.spec {
        if patch.template.is_none() {
            give(&mut spec.template, &patch.given);
            if let Some(pods) = spec.template.spec.as_mut().filter(|_| !patch.allow_privileged) {
                unprivileged(pods);
            }
        }
        if let Some(replicas) = patch.replicas {
            spec.replicas = Some(replicas.0);
        }
        if patch.template.is_none() && patch.replicas.is_none() && patch.given.is_empty() {
            let metadata = spec.template.metadata.get_or_insert_default();
            let annotations = metadata.annotations.get_or_insert_default();
            annotations.insert(RESTARTED.to_owned(), now.to_string());
        }
    }
    record(&mut next, &given);
    follow(&mut next, sleep);
    Ok(next)
}

/// The deployment without pods, or with those that it had before; nothing when it is so already, or something later was
/// asked of it.
pub(super) fn scaled(deployment: &Deployment, sleep: Sleep) -> Option<Deployment> {
    if sleep_of(deployment).asked > sleep.asked {
        return None;
    }
    let mut next = deployment.clone();
    follow(&mut next, sleep);
    if next == *deployment {
        return None;
    }
    (next.metadata.managed_fields, next.status) = (None, None);
    Some(next)
}

/// The host names that a deployment's pods are served under, as they are written.
pub(super) fn hosts_of(deployment: &Deployment) -> Vec<&str> {
    deployment
        .spec
        .as_ref()
        .map_or_else(Vec::new, |spec| hosts(&spec.template))
}

/// Labels that came with the former template go with it; those that somebody else put on the deployment stay. What the
/// former template said of hosts holds as long as nobody says anything else, as it did of old.
fn replace_template(deployment: &mut Deployment, template: &PodTemplate, component: &str, given: &Given) {
    let Some(spec) = &mut deployment.spec else { return };
    let former = std::mem::replace(&mut spec.template, template.filled(component, given));
    let (said, former) = former
        .metadata
        .map(|metadata| (metadata.annotations, metadata.labels))
        .unwrap_or_default();
    let metadata = spec.template.metadata.get_or_insert_default();
    let annotations = metadata.annotations.get_or_insert_default();
    for (name, hosts) in said.unwrap_or_default() {
        if HOSTS.contains(&name.as_str()) {
            annotations.entry(name).or_insert(hosts);
        }
    }
    let labels = deployment.metadata.labels.get_or_insert_default();
    labels.retain(|key, value| former.as_ref().and_then(|former| former.get(key)) != Some(value));
    let now = spec
        .template
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.labels.clone());
    labels.extend(now.unwrap_or_default());
}

/// What was given to a deployment beside its template; nothing where that was never written down.
fn given(deployment: &Deployment) -> Given {
    let text = annotation(deployment, GIVEN);
    text.and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}

fn record(deployment: &mut Deployment, given: &Given) {
    let annotations = deployment.metadata.annotations.get_or_insert_default();
    // It cannot fail: what was given was read from JSON.
    if let Ok(text) = serde_json::to_string(given) {
        annotations.insert(GIVEN.to_owned(), text);
    }
}

/// Whether a deployment sleeps, and what asked for that.
pub(super) fn sleep_of(deployment: &Deployment) -> Sleep {
    let asked = annotation(deployment, SLEEP_ASKED).and_then(|asked| asked.parse().ok());
    Sleep {
        asleep: annotation(deployment, REPLICAS).is_some(),
        asked: Generation(asked.unwrap_or_default()),
    }
}

fn follow(deployment: &mut Deployment, sleep: Sleep) {
    match sleep.asleep {
        true => put_to_sleep(deployment),
        false => wake(deployment),
    }
    let annotations = deployment.metadata.annotations.get_or_insert_default();
    annotations.insert(SLEEP_ASKED.to_owned(), sleep.asked.0.to_string());
}

fn put_to_sleep(deployment: &mut Deployment) {
    let Some(spec) = &mut deployment.spec else { return };
    let before = spec.replicas.replace(0).unwrap_or(Replicas::DEFAULT.0);
    let annotations = deployment.metadata.annotations.get_or_insert_default();
    annotations
        .entry(REPLICAS.to_owned())
        .or_insert_with(|| before.to_string());
}

fn wake(deployment: &mut Deployment) {
    let annotations = deployment.metadata.annotations.as_mut();
    let Some(before) = annotations.and_then(|annotations| annotations.remove(REPLICAS)) else {
        return;
    };
    if let Some(spec) = &mut deployment.spec {
        spec.replicas = Some(before.parse().unwrap_or(Replicas::DEFAULT.0));
    }
}

fn annotation<'a>(deployment: &'a Deployment, key: &str) -> Option<&'a str> {
    Some(deployment.metadata.annotations.as_ref()?.get(key)?.as_str())
}

#[cfg(test)]
mod tests;
