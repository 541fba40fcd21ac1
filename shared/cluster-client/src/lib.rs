//! One cell's Kubernetes: what an application is made of, how its pod is, and its removal.
//!
//! Manifests and the reading of a pod's status are pure; [`Cluster`] does one step a call, and every step may be
//! repeated. Requests go through `net`, which has the time-outs and the retries: those of kube are not used.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod cluster;
mod deployments;
mod eks;
mod environments;
mod error;
mod leasing;
mod lists;
mod logs;
mod manifests;
mod objects;
mod owner;
mod pod_state;
mod preload;
mod text;
mod token;
mod transport;

pub use cluster::{Cluster, Made, Presence, Removal, Settings};
pub use deployments::{
    DeploymentChange, DeploymentLogs, DeploymentMade, DeploymentPatch, DeploymentSeen, Given, LogAsk, NewDeployment,
    PodTemplate, Replicas, Sleep,
};
pub use eks::EksToken;
pub use environments::{
    Applied, BORN_LABEL, ENVIRONMENT_LABEL, EnvironmentNamespaceSeen, EnvironmentRemoval, EnvironmentRules,
    PodSecurity, RoutingKey, RoutingKeys,
};
pub use error::Error;
pub use leasing::{ClusterAccess, Hand, Inventory, KUBECONFIG_BYTES_MAX, KubeconfigError, LeasedCluster};
pub use lists::{ApplicationPodSeen, NamespaceSeen};
pub use logs::Logs;
pub use manifests::ProxyPlace;
pub use owner::{APPLICATION_LABEL, INSTALLATION_LABEL, PRELOAD_LABEL, SHARD_LABEL, TEMPLATE_ANNOTATION};
pub use token::{Token, TokenSource};
