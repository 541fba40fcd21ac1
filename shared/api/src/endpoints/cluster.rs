//! What endpoints need of the home clusters.

use crate::ClusterNeed;

const fn core(resource: &'static str, verbs: &'static [&'static str]) -> ClusterNeed {
    ClusterNeed {
        group: "",
        resource,
        verbs,
    }
}

const fn deployments(verbs: &'static [&'static str]) -> ClusterNeed {
    ClusterNeed {
        group: "apps",
        resource: "deployments",
        verbs,
    }
}

const NAMESPACES: ClusterNeed = core("namespaces", &["create", "delete", "get"]);
/// Reading one namespace, by its name.
pub(super) const NAMESPACE_READ: ClusterNeed = core("namespaces", &["get"]);
const PODS: ClusterNeed = core("pods", &["create", "get"]);
const PODS_AND_LISTS: ClusterNeed = core("pods", &["create", "get", "list"]);
const POD_LOG: ClusterNeed = core("pods/log", &["get"]);
const ACCOUNTS: ClusterNeed = core("serviceaccounts", &["create", "get"]);
const POLICIES: ClusterNeed = ClusterNeed {
    group: "networking.k8s.io",
    resource: "networkpolicies",
    verbs: &["create", "get"],
};
/// Changing one too.
const NAMESPACES_CHANGED: ClusterNeed = core("namespaces", &["create", "delete", "get", "update"]);
const SECRETS: ClusterNeed = core("secrets", &["create", "get", "update"]);
const POLICIES_CHANGED: ClusterNeed = ClusterNeed {
    group: "networking.k8s.io",
    resource: "networkpolicies",
    verbs: &["create", "delete", "get", "update"],
};
/// Putting deployments to sleep, and waking them.
const DEPLOYMENTS_SCALED: ClusterNeed = deployments(&["list", "update"]);
/// Seeing where pods may be.
const NODES: ClusterNeed = core("nodes", &["list"]);

/// What it takes to make, watch and end an application in its cluster.
pub(super) const CLUSTER_LIFE: &[ClusterNeed] = &[NAMESPACES, PODS, ACCOUNTS, POLICIES];
/// What it takes to read the log of one.
pub(super) const CLUSTER_LOG: &[ClusterNeed] = &[NAMESPACE_READ, core("pods", &["get"]), POD_LOG];
/// What it takes to do all that the rooms do.
pub(super) const CLUSTER_ROOMS: &[ClusterNeed] = &[
    NAMESPACES_CHANGED,
    PODS_AND_LISTS,
    POD_LOG,
    ACCOUNTS,
    POLICIES_CHANGED,
    SECRETS,
    deployments(&["create", "delete", "get", "list", "update"]),
    NODES,
];
/// What it takes to end one.
pub(super) const CLUSTER_END: &[ClusterNeed] = &[core("namespaces", &["delete", "get"])];
/// What it takes to bring on whatever is due, applications, preloads and environments, and to repair what is there.
pub(super) const CLUSTER_DUE: &[ClusterNeed] = &[
    core("namespaces", &["create", "delete", "get", "list", "update"]),
    PODS_AND_LISTS,
    ACCOUNTS,
    POLICIES_CHANGED,
    SECRETS,
    DEPLOYMENTS_SCALED,
    NODES,
];
/// What it takes to make an environment be what was asked, or to remove it.
pub(super) const CLUSTER_ENVIRONMENT: &[ClusterNeed] =
    &[NAMESPACES_CHANGED, SECRETS, POLICIES_CHANGED, DEPLOYMENTS_SCALED];
/// What it takes to remove one.
pub(super) const CLUSTER_ENVIRONMENT_END: &[ClusterNeed] = &[core("namespaces", &["delete", "get"])];
/// What it takes to make a deployment.
pub(super) const CLUSTER_DEPLOYMENT_MAKE: &[ClusterNeed] = &[
    NAMESPACE_READ,
    deployments(&["create", "delete", "get", "list", "update"]),
];
/// What it takes to list deployments.
pub(super) const CLUSTER_DEPLOYMENTS: &[ClusterNeed] = &[NAMESPACE_READ, deployments(&["list"])];
/// What it takes to read one.
pub(super) const CLUSTER_DEPLOYMENT_READ: &[ClusterNeed] = &[NAMESPACE_READ, deployments(&["get"])];
/// What it takes to change one.
pub(super) const CLUSTER_DEPLOYMENT_CHANGE: &[ClusterNeed] = &[NAMESPACE_READ, deployments(&["get", "list", "update"])];
/// What it takes to delete one.
pub(super) const CLUSTER_DEPLOYMENT_DELETE: &[ClusterNeed] = &[NAMESPACE_READ, deployments(&["delete", "get"])];
/// What it takes to read the logs of one.
pub(super) const CLUSTER_DEPLOYMENT_LOGS: &[ClusterNeed] =
    &[NAMESPACE_READ, deployments(&["get"]), core("pods", &["list"]), POD_LOG];
/// What it takes to preload: a namespace with a pod a node, and the nodes.
pub(super) const CLUSTER_PRELOAD: &[ClusterNeed] =
    &[NAMESPACES, core("pods", &["create", "list"]), ACCOUNTS, POLICIES, NODES];
