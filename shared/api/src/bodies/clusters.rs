//! Clusters that can be leased, and their pools.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::{
    Cluster, ClusterPool, ClusterPoolName, ClusterState, EndingWhy, Epoch, LabelKey, LabelValue, LeaseTime,
    ProviderName, Quarantine, Reuse,
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The provider of a cluster of which nothing else is said.
pub const PROVIDER_DEFAULT: &str = "static";

/// The body of `PUT /clusters/{name}`. Unknown fields are refused by name.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClusterBody {
    /// How it is reached: YAML or JSON, as it is or in base64.
    pub kubeconfig: String,
    /// The pool that it shall be in; the default one if none is named.
    #[serde(default)]
    pub pool: Option<ClusterPoolName>,
    /// Who provides it.
    #[serde(default, alias = "cloud_provider")]
    pub cloud_provider: Option<ProviderName>,
    /// What callers may choose it by.
    #[serde(default)]
    pub labels: BTreeMap<LabelKey, LabelValue>,
}

impl ClusterBody {
    /// The kubeconfig as text.
    pub fn kubeconfig_text(&self) -> String {
        let bare: String = self.kubeconfig.split_whitespace().collect();
        let decoded = STANDARD
            .decode(bare)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok());
        decoded.unwrap_or_else(|| self.kubeconfig.clone())
    }
}

/// The body of `POST /clusters/{name}/clean`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CleanBody {
    /// What is there now is what shall be there: it becomes the baseline.
    #[serde(default)]
    pub accept: bool,
}

/// A cluster as operators see it: never a credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClusterView {
    /// Its name.
    pub name: String,
    /// The pool that it is in.
    pub pool: String,
    /// Who provides it.
    pub cloud_provider: String,
    /// What callers may choose it by.
    pub labels: BTreeMap<LabelKey, LabelValue>,
    /// The URL of its API.
    pub server: String,
    /// Its version, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its state, in a word.
    pub state: String,
    /// Why it is in that state, or what keeps it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Counts who had it.
    pub epoch: Epoch,
    /// Who has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// It is to go.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
    /// What its last holder left or changed, a line a thing; only where one cluster is asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_over: Vec<String>,
}

impl From<&Cluster> for ClusterView {
    fn from(cluster: &Cluster) -> Self {
        Self {
            name: cluster.name.to_string(),
            pool: cluster.pool.to_string(),
            cloud_provider: cluster.cloud_provider.to_string(),
            labels: cluster.labels.clone(),
            server: cluster.server.clone(),
            version: cluster.identity.as_ref().map(|identity| identity.version.clone()),
            state: cluster.word().to_owned(),
            reason: reason(cluster),
            epoch: cluster.epoch,
            holder: cluster.lease().map(|lease| lease.holder.clone()),
            expires_at: cluster.lease().map(|lease| lease.expires_at),
            leaving: cluster.leaving,
            left_over: Vec::new(),
        }
    }
}

/// Why a cluster is in its state, in sentences.
fn reason(cluster: &Cluster) -> Option<String> {
    let state = match &cluster.state {
        ClusterState::Ending { ending } => Some(match ending.why {
            EndingWhy::Released => "Its holder gave it back.".to_owned(),
            EndingWhy::Expired => "Its lease is over.".to_owned(),
            EndingWhy::Abandoned => "Whoever took it never came back for it.".to_owned(),
            EndingWhy::EndedByOperator => "An operator ended its lease.".to_owned(),
        }),
        ClusterState::Quarantined { why, .. } => Some(match why {
            Quarantine::Unhealthy { message, .. } => format!("It is not well: {message}."),
            Quarantine::Unclean {
                left_over,
                changed,
                missing,
            } => {
                let mut said = format!(
                    "It is not what it was at its intake: {left_over} left over, {changed} changed, {missing} missing."
                );
                if !cluster.approved.is_empty() {
                    said.push_str(" Certificate signing requests were approved during its lease: ");
                    said.push_str(&cluster.approved.join(", "));
                    said.push('.');
                }
                said
            }
            Quarantine::NotCleaned { message } => format!("It could not be cleaned: {message}."),
            Quarantine::AnotherCluster { seen }
                if cluster.identity.as_ref().is_some_and(|identity| identity.uid == *seen) =>
            {
                "It is one of the installation's own clusters, in which nothing is leased and nothing deleted."
                    .to_owned()
            }
            Quarantine::AnotherCluster { seen } => {
                format!("Another cluster answers at its address: the uid of its kube-system is {seen}.")
            }
        }),
        ClusterState::Retired { .. } => Some("It was leased once, and its pool leases none twice.".to_owned()),
        _ => None,
    };
    match (state, &cluster.trouble) {
        (Some(state), Some(trouble)) => Some(format!("{state} Its next step fails: {trouble}.")),
        (None, Some(trouble)) => Some(format!("Its next step fails: {trouble}.")),
        (state, None) => state,
    }
}

/// The body of `PUT /cluster-pools/{name}`: what is not said is as in a new pool. Unknown fields are refused by name.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct ClusterPoolBody {
    max_time: Option<LeaseTime>,
    max_total: Option<LeaseTime>,
    role: Option<String>,
    reuse: Option<Reuse>,
    tolerate_changes: Option<bool>,
    #[serde(default)]
    labels: BTreeMap<LabelKey, LabelValue>,
}

impl ClusterPoolBody {
    /// The pool that it describes.
    pub fn into_pool(self, name: ClusterPoolName) -> ClusterPool {
        let new = ClusterPool::new(name);
        ClusterPool {
            max_time: self.max_time.unwrap_or(new.max_time),
            max_total: self.max_total.unwrap_or(new.max_total),
            role: self.role.unwrap_or(new.role),
            reuse: self.reuse.unwrap_or(new.reuse),
            tolerate_changes: self.tolerate_changes.unwrap_or(new.tolerate_changes),
            labels: self.labels,
            name: new.name,
        }
    }
}

/// A pool of clusters as operators see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct ClusterPoolView {
    /// Its name.
    pub name: String,
    /// The longest that a lease, or one renewal of it, may ask for, in seconds.
    pub max_time: LeaseTime,
    /// The longest that a lease may last with all its renewals, in seconds.
    pub max_total: LeaseTime,
    /// The cluster role that holders are bound to.
    pub role: String,
    /// What becomes of a cluster after a lease.
    pub reuse: Reuse,
    /// Whether a cluster whose baseline was changed is free again all the same.
    pub tolerate_changes: bool,
    /// Labels that all its clusters carry.
    pub labels: BTreeMap<LabelKey, LabelValue>,
}

impl From<ClusterPool> for ClusterPoolView {
    fn from(pool: ClusterPool) -> Self {
        Self {
            name: pool.name.to_string(),
            max_time: pool.max_time,
            max_total: pool.max_total,
            role: pool.role,
            reuse: pool.reuse,
            tolerate_changes: pool.tolerate_changes,
            labels: pool.labels,
        }
    }
}
