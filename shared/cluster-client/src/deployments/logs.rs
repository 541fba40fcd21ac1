//! What the pods of a deployment wrote.

use domain::limits::{LOG_BYTES_MAX, LOG_PODS_MAX};
use domain::{DeploymentName, Environment, newest_lines};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use kube::ResourceExt as _;
use kube::api::LogParams;

use super::manifest;
use super::template::COMPONENT;
use crate::logs::Told;
use crate::{Cluster, Error, text};

/// Logs that are read at a time.
const CONCURRENCY: usize = 8;
/// The annotation by which a pod says, to kubectl too, whose log is meant when nobody says it.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Which lines of its pods' logs somebody asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogAsk {
    /// The last lines of each pod.
    pub tail: u32,
    /// Those of the run before this one.
    pub previous: bool,
    /// Of which container. Otherwise of the one that the pod names, or its first.
    pub container: Option<String>,
    /// What was written in so many seconds before now.
    pub since_seconds: Option<u32>,
    /// Each line with the instant when it was written.
    pub timestamps: bool,
}

/// What there is of a deployment's logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeploymentLogs {
    /// A line `Logs for pod: <name>` before the lines of each pod, or before one that says why there are none; at most
    /// [`LOG_BYTES_MAX`] bytes, of which each pod has an equal share, for its newest lines.
    Text(String),
    /// No pod of it has such a container.
    NoContainer {
        /// What its containers are called.
        containers: Vec<String>,
    },
}

impl Cluster {
    /// The logs of all pods of one of the environment's deployments, or nothing when there is no such deployment: two
    /// requests, and one a pod, of the [`LOG_PODS_MAX`] that were made last.
    ///
    /// # Errors
    /// Those of a read, and [`Error::Identity`].
    pub async fn deployment_logs(
        &self,
        environment: &Environment,
        name: &DeploymentName,
        ask: &LogAsk,
    ) -> Result<Option<DeploymentLogs>, Error> {
        let Some(seen) = self.deployment(environment, name).await? else {
            return Ok(None);
        };
        let component = manifest::component(&seen.object).unwrap_or_default();
        let selector = format!("{COMPONENT}={component}");
        let namespace = environment.name.namespace();
        let mut pods = self
            .objects()
            .list::<Pod, Pod, Pod>(Some(namespace.as_str()), Some(selector), Some)
            .await?;
        let of_template = seen.object.spec.as_ref().and_then(|spec| spec.template.spec.as_ref());
        let known: Vec<&str> = pods
            .iter()
            .filter_map(|pod| pod.spec.as_ref())
            .chain(of_template)
            .flat_map(|spec| spec.containers.iter().chain(spec.init_containers.iter().flatten()))
            .map(|container| container.name.as_str())
            .collect();
        if ask.container.as_deref().is_some_and(|asked| !known.contains(&asked)) {
            let mut containers: Vec<String> = known.into_iter().map(str::to_owned).collect();
            containers.sort_unstable();
            containers.dedup();
            return Ok(Some(DeploymentLogs::NoContainer { containers }));
        }
        let left_out = pods.len().saturating_sub(LOG_PODS_MAX);
        if left_out > 0 {
            pods.sort_by_key(|pod| std::cmp::Reverse(pod.creation_timestamp()));
            pods.truncate(LOG_PODS_MAX);
            pods.sort_by_key(kube::ResourceExt::name_any);
        }
        let share = LOG_BYTES_MAX / pods.len().saturating_add(1);
        let reads: Vec<_> = pods
            .iter()
            .map(|pod| self.pod_text(namespace.as_str(), pod, ask, share))
            .collect();
        let texts: Vec<String> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
        let mut text = texts.concat();
        if left_out > 0 {
            text.push_str(&format!("[… {left_out} pods that were made earlier left out]\n"));
        }
        Ok(Some(DeploymentLogs::Text(text)))
    }

    /// Header and log of one pod, in at most `share` bytes.
    async fn pod_text(&self, namespace: &str, pod: &Pod, ask: &LogAsk, share: usize) -> Result<String, Error> {
        let name = pod.name_any();
        let header = format!("Logs for pod: {name}\n");
        let room = share.saturating_sub(header.len() + 1);
        let Some(container) = container(pod, ask) else {
            return Ok(header + "It has no such container.\n");
        };
        let params = LogParams {
            container: Some(container.to_owned()),
            tail_lines: Some(ask.tail.into()),
            previous: ask.previous,
            since_seconds: ask.since_seconds.map(Into::into),
            timestamps: ask.timestamps,
            ..Default::default()
        };
        let mut text = match self.read_log((namespace, &name), pod, &params, room).await? {
            Told::Written { bytes, is_cut } => newest_lines(&bytes, is_cut, room),
            Told::NotStarted => state(pod, container),
            Told::NoPrevious => {
                "Its container was not started again, so there is no log of a run before this one.".into()
            }
            Told::Removed => "Its node has removed that run of its container, and its log with it.".into(),
            Told::NoPod => "It has gone.".into(),
        };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        Ok(header + &text)
    }
}

/// Whose log is meant.
fn container<'a>(pod: &'a Pod, ask: &'a LogAsk) -> Option<&'a str> {
    let spec = pod.spec.as_ref()?;
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let mut names = containers.map(|container| container.name.as_str());
    let named = pod.annotations().get(DEFAULT_CONTAINER).map(String::as_str);
    match ask.container.as_deref() {
        Some(asked) => names.find(|name| *name == asked),
        None => {
            let names: Vec<&str> = names.collect();
            named.filter(|named| names.contains(named)).or(names.first().copied())
        }
    }
}

/// How a pod is whose container has not started, in Kubernetes' own words, on one line.
fn state(pod: &Pod, container: &str) -> String {
    let Some(status) = &pod.status else {
        return "It has not started yet.".to_owned();
    };
    let held_up_by_init = status
        .init_container_statuses
        .iter()
        .flatten()
        .find(|one| !has_done_its_part(one));
    let own = || {
        status
            .container_statuses
            .iter()
            .flatten()
            .find(|one| one.name == container)
    };
    let waits = |one: &ContainerStatus| match one.state.as_ref()? {
        ContainerState {
            waiting: Some(waiting), ..
        } => Some((waiting.reason.clone(), waiting.message.clone())),
        ContainerState {
            terminated: Some(ended),
            ..
        } => {
            let code = format!("it ended with exit code {}", ended.exit_code);
            Some((ended.reason.clone(), ended.message.clone().or(Some(code))))
        }
        _ => None,
    };
    let of_container = held_up_by_init
        .or_else(own)
        .and_then(|one| Some((one.name.as_str(), waits(one)?)));
    let unscheduled = status
        .conditions
        .iter()
        .flatten()
        .find(|one| one.type_ == "PodScheduled" && one.status == "False");
    let phase = status.phase.as_deref().unwrap_or("Pending");
    let (who, (reason, message)) = match (of_container, unscheduled) {
        (Some((name, said)), _) => (format!("its container '{name}' waits"), said),
        (None, Some(condition)) => (
            "it has no node".to_owned(),
            (condition.reason.clone(), condition.message.clone()),
        ),
        (None, None) => (
            format!("its phase is {phase}"),
            (status.reason.clone(), status.message.clone()),
        ),
    };
    let said: Vec<String> = [reason, message]
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
        .collect();
    let said = if said.is_empty() {
        String::new()
    } else {
        format!(": {}", said.join(": "))
    };
    text::head(&format!("It has not started yet; {who}{said}"))
}

/// Whether an init container does not keep the others from starting.
fn has_done_its_part(init: &ContainerStatus) -> bool {
    let ended_well = |state: &ContainerState| state.terminated.as_ref().is_some_and(|ended| ended.exit_code == 0);
    // One that runs beside the others has started, and that is enough.
    init.state.as_ref().is_some_and(ended_well) || init.started == Some(true)
}

#[cfg(test)]
mod tests;
