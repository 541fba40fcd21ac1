//! What endpoints need of the home clusters.

use crate::ClusterNeed;

const fn core(resource: &'static str, verbs: &'static [&'static str]) -> ClusterNeed {
    ClusterNeed {
        group: "",
        resource,
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
/// Seeing where pods may be.
const NODES: ClusterNeed = core("nodes", &["list"]);

/// What it takes to make, watch and end an application in its cluster.
pub(super) const CLUSTER_LIFE: &[ClusterNeed] = &[NAMESPACES, PODS, ACCOUNTS, POLICIES];
/// What it takes to read the log of one.
pub(super) const CLUSTER_LOG: &[ClusterNeed] = &[NAMESPACE_READ, core("pods", &["get"]), POD_LOG];
/// What it takes to do all that the rooms do.
pub(super) const CLUSTER_ROOMS: &[ClusterNeed] = &[NAMESPACES, PODS_AND_LISTS, POD_LOG, ACCOUNTS, POLICIES, NODES];
/// What it takes to end one.
pub(super) const CLUSTER_END: &[ClusterNeed] = &[core("namespaces", &["delete", "get"])];
/// What it takes to bring on whatever is due, applications and preloads, and to repair what is there.
pub(super) const CLUSTER_DUE: &[ClusterNeed] = &[
    core("namespaces", &["create", "delete", "get", "list"]),
    PODS_AND_LISTS,
    ACCOUNTS,
    POLICIES,
    NODES,
];
/// What it takes to preload: a namespace with a pod a node, and the nodes.
pub(super) const CLUSTER_PRELOAD: &[ClusterNeed] =
    &[NAMESPACES, core("pods", &["create", "list"]), ACCOUNTS, POLICIES, NODES];
