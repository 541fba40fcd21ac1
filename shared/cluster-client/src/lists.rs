//! What a cluster has, in lists: namespaces and pods by shard, and its nodes.
//!
//! Each object is reduced as it is read, and the labels are looked at again: what is another installation's is in no
//! list, whatever the server makes of a selector.

use std::collections::BTreeMap;

use domain::limits::PORT_DEFAULT;
use domain::{ApplicationId, NodeSeen, PodState, TaintSeen};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use serde::Deserialize;

use crate::manifests::{CONTAINER, POD};
use crate::owner::{
    APPLICATION_LABEL, INSTALLATION_LABEL, PRELOAD_LABEL, SHARD_LABEL, TEMPLATE_ANNOTATION, shard_value,
};
use crate::pod_state::pod_state;
use crate::{Cluster, Error};

/// A namespace of this installation, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceSeen {
    /// Its name.
    pub name: String,
    /// Its uid, by which it is deleted.
    pub uid: String,
    /// The application that it says it belongs to.
    pub application: Option<ApplicationId>,
    /// The name of the template that it says it was made from.
    pub template: Option<String>,
    /// The preload that it says it belongs to.
    pub preload: Option<String>,
    /// When the cluster made it.
    pub created_at: Timestamp,
    /// Whether it is being deleted.
    pub going: bool,
}

/// An application's own pod, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationPodSeen {
    /// The application that it says it belongs to.
    pub application: ApplicationId,
    /// The namespace that it is in, which is named by the application's id unless somebody made it elsewhere.
    pub namespace: String,
    /// Its uid.
    pub uid: String,
    /// What it says of itself, as in [`Cluster::observe_pod`]. The port is the one that its container declares.
    pub state: PodState,
}

impl Cluster {
    /// The namespaces of this installation in `shard` (see [`domain::shard_of`]), all of them or an error.
    ///
    /// # Errors
    /// Those of a read, and [`Error::Identity`]; [`Error::Rejected`] also for more than
    /// [`CLUSTER_PAGES_MAX`](domain::limits::CLUSTER_PAGES_MAX) pages.
    pub async fn namespaces_of(&self, shard: u16) -> Result<Vec<NamespaceSeen>, Error> {
        self.verify().await?;
        let keep = |item: Item| {
            let meta = item.metadata;
            self.is_of(shard, &meta.labels).then(|| NamespaceSeen {
                application: application(&meta.labels),
                template: meta.annotations.get(TEMPLATE_ANNOTATION).cloned(),
                preload: meta.labels.get(PRELOAD_LABEL).cloned(),
                created_at: meta.creation_timestamp,
                going: meta.deletion_timestamp.is_some(),
                name: meta.name,
                uid: meta.uid,
            })
        };
        self.objects()
            .list::<Namespace, _, _>(None, Some(self.selector(shard)), keep)
            .await
    }

    /// The pods of this installation's applications in `shard` (see [`domain::shard_of`]), over all namespaces, all of
    /// them or an error. Pods of another name, or without an application's id, are not among them.
    ///
    /// # Errors
    /// Those of [`Cluster::namespaces_of`].
    pub async fn pods_of(&self, shard: u16) -> Result<Vec<ApplicationPodSeen>, Error> {
        self.verify().await?;
        let keep = |item: PodItem| {
            let is_ours = item.name == POD && self.is_of(shard, &item.labels);
            Some(ApplicationPodSeen {
                application: application(&item.labels).filter(|_| is_ours)?,
                namespace: item.namespace,
                uid: item.uid,
                state: item.state,
            })
        };
        self.objects()
            .list::<Pod, _, _>(None, Some(self.selector(shard)), keep)
            .await
    }

    /// The cluster's nodes, all of them or an error.
    ///
    /// # Errors
    /// Those of [`Cluster::namespaces_of`].
    pub async fn nodes(&self) -> Result<Vec<NodeSeen>, Error> {
        self.verify().await?;
        let keep = |item: NodeItem| {
            let is_ready = |condition: &Condition| condition.kind == "Ready" && condition.status == "True";
            Some(NodeSeen {
                name: item.metadata.name,
                unschedulable: item.spec.unschedulable,
                labels: item.metadata.labels,
                taints: item.spec.taints,
                ready: item.status.conditions.iter().any(is_ready),
            })
        };
        self.objects().list::<Node, _, _>(None, None, keep).await
    }

    fn selector(&self, shard: u16) -> String {
        let (installation, shard) = (self.installation(), shard_value(shard));
        format!("{INSTALLATION_LABEL}={installation},{SHARD_LABEL}={shard}")
    }

    fn is_of(&self, shard: u16, labels: &BTreeMap<String, String>) -> bool {
        labels.get(INSTALLATION_LABEL).map(String::as_str) == Some(self.installation().as_str())
            && labels.get(SHARD_LABEL) == Some(&shard_value(shard))
    }
}

fn application(labels: &BTreeMap<String, String>) -> Option<ApplicationId> {
    ApplicationId::parse(labels.get(APPLICATION_LABEL)?).ok()
}

/// An object of which only the metadata counts.
#[derive(Deserialize)]
pub(crate) struct Item {
    pub(crate) metadata: Meta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meta {
    pub(crate) name: String,
    pub(crate) uid: String,
    #[serde(default)]
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) creation_timestamp: Timestamp,
    pub(crate) deletion_timestamp: Option<Timestamp>,
}

/// A pod, judged and let go of as soon as it is read.
#[derive(Deserialize)]
#[serde(from = "Pod")]
struct PodItem {
    name: String,
    namespace: String,
    uid: String,
    labels: BTreeMap<String, String>,
    state: PodState,
}

impl From<Pod> for PodItem {
    fn from(pod: Pod) -> Self {
        let state = pod_state(&pod, port(&pod));
        let meta = pod.metadata;
        PodItem {
            name: meta.name.unwrap_or_default(),
            namespace: meta.namespace.unwrap_or_default(),
            uid: meta.uid.unwrap_or_default(),
            labels: meta.labels.unwrap_or_default(),
            state,
        }
    }
}

/// The port that the application's container declares, which is its template's.
fn port(pod: &Pod) -> u16 {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let own = containers.into_iter().find(|container| container.name == CONTAINER);
    let declared = own.and_then(|own| own.ports.as_ref()?.first());
    declared
        .and_then(|port| u16::try_from(port.container_port).ok())
        .unwrap_or(PORT_DEFAULT)
}

#[derive(Deserialize)]
struct NodeItem {
    metadata: Meta,
    #[serde(default)]
    spec: NodeSpec,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Default, Deserialize)]
struct NodeSpec {
    #[serde(default)]
    unschedulable: bool,
    #[serde(default)]
    taints: Vec<TaintSeen>,
}

#[derive(Default, Deserialize)]
struct NodeStatus {
    #[serde(default)]
    conditions: Vec<Condition>,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}
