//! The pod template of a deployment: read strictly, held against the rules, and filled in.

use std::collections::BTreeMap;

use domain::{LabelValue, Refusal};
use k8s_openapi::api::core::v1::{EnvVar, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::given::Given;
use super::rules;
use crate::text;

/// The label by which a deployment knows its pods, and of which an environment has each value once.
pub(super) const COMPONENT: &str = "component";
/// The annotations by which the router knows the hosts of a pod.
pub(super) const HOSTS: [&str; 2] = ["publicHosts", "privateHosts"];
/// Labels that the router and older scripts select by. Nobody else sets them.
const OWN_LABELS: [(&str, &str); 2] = [("routable", "true"), ("runtime", "shipyard")];

/// A pod template that may run in an environment. What it says that is unknown to Kubernetes 1.33 is left out, so that
/// nothing gets past the rules by being new.
#[derive(Clone, PartialEq)]
pub struct PodTemplate {
    spec: PodTemplateSpec,
    component: Option<String>,
}

impl PodTemplate {
    /// Reads a template. Containers are made unprivileged unless `allow_privileged`, as in the older system.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] with the path of what cannot be read, or of what no template may say.
    pub fn read(template: &Value, allow_privileged: bool) -> Result<Self, Refusal> {
        let mut template = template.clone();
        quantities_as_text(&mut template);
        let mut template: PodTemplateSpec = decode(&template, "the pod template")?;
        rules::check(&template)?;
        let metadata = template.metadata.take().unwrap_or_default();
        let component = component(metadata.labels.as_ref())?;
        // Of the rest, pods would inherit the finalizers alone, which the rules refuse.
        template.metadata = Some(ObjectMeta {
            labels: metadata.labels,
            annotations: metadata.annotations,
            ..Default::default()
        });
        if let Some(spec) = &mut template.spec {
            spec.automount_service_account_token = Some(false);
            if !allow_privileged {
                unprivileged(spec);
            }
        }
        Ok(Self {
            spec: template,
            component,
        })
    }

    /// What its label `component` says, if anything.
    pub(super) fn component(&self) -> Option<&str> {
        self.component.as_deref()
    }

    /// The template of a deployment of this component, with what was given beside it.
    pub(super) fn filled(&self, component: &str, given: &Given) -> PodTemplateSpec {
        let mut spec = self.spec.clone();
        let metadata = spec.metadata.get_or_insert_default();
        let labels = metadata.labels.get_or_insert_default();
        labels.extend(OWN_LABELS.map(|(key, value)| (key.to_owned(), value.to_owned())));
        labels.insert(COMPONENT.to_owned(), component.to_owned());
        give(&mut spec, given);
        spec
    }
}

/// Puts what was given in its place: hosts into the annotations, variables into the first container.
pub(super) fn give(template: &mut PodTemplateSpec, given: &Given) {
    let metadata = template.metadata.get_or_insert_default();
    let hosts = HOSTS.into_iter().zip([&given.public_hosts, &given.private_hosts]);
    for (key, hosts) in hosts.filter_map(|(key, hosts)| Some((key, hosts.clone()?))) {
        metadata
            .annotations
            .get_or_insert_default()
            .insert(key.to_owned(), hosts);
    }
    let first = template.spec.as_mut().and_then(|spec| spec.containers.first_mut());
    if let Some(first) = first.filter(|_| !given.env_vars.is_empty()) {
        merge(first.env.get_or_insert_default(), &given.env_vars);
    }
}

/// Each of `more` in the place of the one of its name, or at the end.
pub(super) fn merge(variables: &mut Vec<EnvVar>, more: &[EnvVar]) {
    for variable in more {
        match variables.iter_mut().find(|one| one.name == variable.name) {
            Some(one) => *one = variable.clone(),
            None => variables.push(variable.clone()),
        }
    }
}

/// The host names in the annotations of a template, as they are written.
pub(super) fn hosts(template: &PodTemplateSpec) -> Vec<&str> {
    let annotations = template.metadata.as_ref().and_then(|meta| meta.annotations.as_ref());
    let texts = HOSTS.into_iter().filter_map(|key| annotations?.get(key));
    texts.flat_map(|text| text.split_whitespace()).collect()
}

/// `value` as a `T`.
///
/// # Errors
/// [`Refusal::Malformed`] with the path of what cannot be read in `what`.
pub(super) fn decode<T: DeserializeOwned>(value: &Value, what: &str) -> Result<T, Refusal> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let path = error.path().to_string();
        let place = if path == "." {
            String::new()
        } else {
            format!("{path}: ")
        };
        let sentence = format!("{what} cannot be read: {place}{}", error.inner());
        Refusal::Malformed(text::head(&sentence))
    })
}

fn component(labels: Option<&BTreeMap<String, String>>) -> Result<Option<String>, Refusal> {
    let Some(component) = labels
        .and_then(|labels| labels.get(COMPONENT))
        .filter(|text| !text.is_empty())
    else {
        return Ok(None);
    };
    let component = LabelValue::parse(component)
        .map_err(|refusal| Refusal::Malformed(format!("the pod template's metadata.labels.{COMPONENT}: {refusal}")))?;
    Ok(Some(component.to_string()))
}

/// Makes the containers unprivileged that have a `securityContext`; no other can be privileged.
pub(super) fn unprivileged(spec: &mut PodSpec) {
    let containers = spec
        .containers
        .iter_mut()
        .chain(spec.init_containers.iter_mut().flatten());
    for context in containers.filter_map(|container| container.security_context.as_mut()) {
        context.privileged = Some(false);
    }
}

/// Kubernetes takes a number for a quantity, too; the types that a template is read by take text alone.
fn quantities_as_text(template: &mut Value) {
    let Some(spec) = template.get_mut("spec") else { return };
    amounts_as_text(spec);
    for containers in ["containers", "initContainers"] {
        for container in each(spec, containers) {
            amounts_as_text(container);
            for variable in each(container, "env") {
                as_text(variable.pointer_mut("/valueFrom/resourceFieldRef/divisor"));
            }
        }
    }
    for volume in each(spec, "volumes") {
        as_text(volume.pointer_mut("/emptyDir/sizeLimit"));
    }
}

fn each<'a>(value: &'a mut Value, field: &str) -> impl Iterator<Item = &'a mut Value> {
    let field = value.get_mut(field).and_then(Value::as_array_mut);
    field.into_iter().flatten()
}

/// The amounts that a pod or a container asks for.
fn amounts_as_text(of: &mut Value) {
    for amounts in ["/resources/limits", "/resources/requests"] {
        let amounts = of.pointer_mut(amounts).and_then(Value::as_object_mut);
        for amount in amounts.into_iter().flat_map(|map| map.values_mut()) {
            as_text(Some(amount));
        }
    }
}

fn as_text(quantity: Option<&mut Value>) {
    if let Some(number) = quantity.filter(|quantity| quantity.is_number()) {
        *number = number.to_string().into();
    }
}

#[cfg(test)]
mod tests;
