//! The resources that are served. Another kind is one more row.

use k8s_openapi::api::{apps, authentication, authorization, batch, coordination, core, networking, rbac};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Index of a row of [`KINDS`].
pub(super) type KindId = usize;

/// What a name of a kind must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// RFC 1123 label.
    Label,
    /// RFC 1123 subdomain.
    Subdomain,
    /// RFC 1035 label.
    Label1035,
    /// Anything that fits one segment of a path (RBAC).
    PathSegment,
}

/// What may be done with a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Created, read, changed, watched and deleted.
    Full,
    /// Only a question: POST is answered and nothing is stored.
    Review,
}

/// One row of the registry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    /// API group, empty for the core group.
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) kind: &'static str,
    pub(super) plural: &'static str,
    pub(super) short: &'static [&'static str],
    pub(super) namespaced: bool,
    pub(super) subresources: &'static [&'static str],
    pub(super) names: Names,
    pub(super) service: Service,
    /// `metadata.generation` counts changes of the specification.
    pub(super) generation: bool,
    /// A replacement may leave `metadata.resourceVersion` out.
    pub(super) unconditional: bool,
    /// A replacement of what is not there makes it.
    pub(super) creates_on_update: bool,
    /// DELETE answers with the object rather than with a `Status`.
    pub(super) returns_deleted: bool,
    /// Field selectors beside `metadata.name` and `metadata.namespace`.
    pub(super) fields: &'static [&'static str],
    /// Reads an object by its schema and writes it again: wrong types are errors, unknown fields are gone.
    pub(super) canonical: fn(&Value) -> Result<Value, serde_json::Error>,
}

impl Kind {
    /// `v1`, or `group/version`.
    pub(super) fn api_version(&self) -> String {
        match self.group {
            "" => self.version.to_owned(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// `pods`, or `leases.coordination.k8s.io`: the form that messages use.
    pub(super) fn qualified(&self) -> String {
        match self.group {
            "" => self.plural.to_owned(),
            group => format!("{}.{group}", self.plural),
        }
    }

    /// Whether the kind has its status behind a subresource.
    pub(super) fn has_status(&self) -> bool {
        self.subresources.contains(&"status")
    }
}

fn schema<T: Serialize + DeserializeOwned>(object: &Value) -> Result<Value, serde_json::Error> {
    serde_json::to_value(T::deserialize(object)?)
}

const PLAIN: Kind = Kind {
    group: "",
    version: "v1",
    kind: "",
    plural: "",
    short: &[],
    namespaced: true,
    subresources: &[],
    names: Names::Subdomain,
    service: Service::Full,
    generation: false,
    unconditional: true,
    creates_on_update: false,
    returns_deleted: false,
    fields: &[],
    canonical: schema::<core::v1::ConfigMap>,
};
const RBAC: Kind = Kind {
    group: "rbac.authorization.k8s.io",
    names: Names::PathSegment,
    creates_on_update: true,
    ..PLAIN
};
const AUTHORIZATION: Kind = Kind {
    group: "authorization.k8s.io",
    namespaced: false,
    service: Service::Review,
    ..PLAIN
};
const APPS: Kind = Kind {
    group: "apps",
    generation: true,
    subresources: &["scale", "status"],
    ..PLAIN
};
const NETWORKING: Kind = Kind {
    group: "networking.k8s.io",
    generation: true,
    ..PLAIN
};

const STATUS: &[&str] = &["status"];
const POD_FIELDS: &[&str] = &[
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "status.phase",
    "status.podIP",
];
const EVENT_FIELDS: &[&str] = &[
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "reason",
    "source",
    "type",
];

/// Every resource, grouped as discovery lists them.
pub(super) static KINDS: &[Kind] = &ROWS;

#[rustfmt::skip]
const ROWS: [Kind; 29] = [
    Kind { kind: "ConfigMap", plural: "configmaps", short: &["cm"], canonical: schema::<core::v1::ConfigMap>, ..PLAIN },
    Kind { kind: "Endpoints", plural: "endpoints", short: &["ep"], creates_on_update: true, canonical: schema::<core::v1::Endpoints>, ..PLAIN },
    Kind { kind: "Event", plural: "events", short: &["ev"], fields: EVENT_FIELDS, creates_on_update: true, canonical: schema::<core::v1::Event>, ..PLAIN },
    Kind { kind: "LimitRange", plural: "limitranges", short: &["limits"], creates_on_update: true, canonical: schema::<core::v1::LimitRange>, ..PLAIN },
    Kind { kind: "Namespace", plural: "namespaces", short: &["ns"], namespaced: false, subresources: &["finalize", "status"], names: Names::Label, returns_deleted: true, fields: &["status.phase"], canonical: schema::<core::v1::Namespace>, ..PLAIN },
    Kind { kind: "Node", plural: "nodes", short: &["no"], namespaced: false, subresources: STATUS, fields: &["spec.unschedulable"], canonical: schema::<core::v1::Node>, ..PLAIN },
    Kind { kind: "PersistentVolumeClaim", plural: "persistentvolumeclaims", short: &["pvc"], subresources: STATUS, returns_deleted: true, canonical: schema::<core::v1::PersistentVolumeClaim>, ..PLAIN },
    Kind { kind: "Pod", plural: "pods", short: &["po"], subresources: &["binding", "eviction", "log", "status"], generation: true, returns_deleted: true, fields: POD_FIELDS, canonical: schema::<core::v1::Pod>, ..PLAIN },
    Kind { kind: "ResourceQuota", plural: "resourcequotas", short: &["quota"], subresources: STATUS, returns_deleted: true, canonical: schema::<core::v1::ResourceQuota>, ..PLAIN },
    Kind { kind: "Secret", plural: "secrets", fields: &["type"], canonical: schema::<core::v1::Secret>, ..PLAIN },
    Kind { kind: "ServiceAccount", plural: "serviceaccounts", short: &["sa"], subresources: &["token"], unconditional: false, returns_deleted: true, canonical: schema::<core::v1::ServiceAccount>, ..PLAIN },
    Kind { kind: "Service", plural: "services", short: &["svc"], subresources: STATUS, names: Names::Label1035, returns_deleted: true, creates_on_update: true, canonical: schema::<core::v1::Service>, ..PLAIN },
    Kind { kind: "Deployment", plural: "deployments", short: &["deploy"], canonical: schema::<apps::v1::Deployment>, ..APPS },
    Kind { kind: "ReplicaSet", plural: "replicasets", short: &["rs"], canonical: schema::<apps::v1::ReplicaSet>, ..APPS },
    Kind { group: "batch", kind: "Job", plural: "jobs", subresources: STATUS, canonical: schema::<batch::v1::Job>, ..APPS },
    Kind { group: "authentication.k8s.io", kind: "SelfSubjectReview", plural: "selfsubjectreviews", namespaced: false, service: Service::Review, canonical: schema::<authentication::v1::SelfSubjectReview>, ..PLAIN },
    Kind { group: "authentication.k8s.io", kind: "TokenReview", plural: "tokenreviews", namespaced: false, service: Service::Review, canonical: schema::<authentication::v1::TokenReview>, ..PLAIN },
    Kind { kind: "LocalSubjectAccessReview", plural: "localsubjectaccessreviews", namespaced: true, canonical: schema::<authorization::v1::LocalSubjectAccessReview>, ..AUTHORIZATION },
    Kind { kind: "SelfSubjectAccessReview", plural: "selfsubjectaccessreviews", canonical: schema::<authorization::v1::SelfSubjectAccessReview>, ..AUTHORIZATION },
    Kind { kind: "SelfSubjectRulesReview", plural: "selfsubjectrulesreviews", canonical: schema::<authorization::v1::SelfSubjectRulesReview>, ..AUTHORIZATION },
    Kind { kind: "SubjectAccessReview", plural: "subjectaccessreviews", canonical: schema::<authorization::v1::SubjectAccessReview>, ..AUTHORIZATION },
    Kind { group: "coordination.k8s.io", kind: "Lease", plural: "leases", unconditional: false, creates_on_update: true, canonical: schema::<coordination::v1::Lease>, ..PLAIN },
    Kind { kind: "Ingress", plural: "ingresses", short: &["ing"], subresources: STATUS, canonical: schema::<networking::v1::Ingress>, ..NETWORKING },
    Kind { kind: "NetworkPolicy", plural: "networkpolicies", short: &["netpol"], canonical: schema::<networking::v1::NetworkPolicy>, ..NETWORKING },
    Kind { kind: "IngressClass", plural: "ingressclasses", namespaced: false, canonical: schema::<networking::v1::IngressClass>, ..NETWORKING },
    Kind { kind: "ClusterRoleBinding", plural: "clusterrolebindings", namespaced: false, canonical: schema::<rbac::v1::ClusterRoleBinding>, ..RBAC },
    Kind { kind: "ClusterRole", plural: "clusterroles", namespaced: false, canonical: schema::<rbac::v1::ClusterRole>, ..RBAC },
    Kind { kind: "RoleBinding", plural: "rolebindings", canonical: schema::<rbac::v1::RoleBinding>, ..RBAC },
    Kind { kind: "Role", plural: "roles", canonical: schema::<rbac::v1::Role>, ..RBAC },
];

pub(super) const CLUSTER_ROLE_BINDINGS: KindId = row("clusterrolebindings");
pub(super) const CLUSTER_ROLES: KindId = row("clusterroles");
pub(super) const CONFIG_MAPS: KindId = row("configmaps");
pub(super) const DEPLOYMENTS: KindId = row("deployments");
pub(super) const EVENTS: KindId = row("events");
pub(super) const LIMIT_RANGES: KindId = row("limitranges");
pub(super) const JOBS: KindId = row("jobs");
pub(super) const LEASES: KindId = row("leases");
pub(super) const NAMESPACES: KindId = row("namespaces");
pub(super) const NETWORK_POLICIES: KindId = row("networkpolicies");
pub(super) const NODES: KindId = row("nodes");
pub(super) const PERSISTENT_VOLUME_CLAIMS: KindId = row("persistentvolumeclaims");
pub(super) const PODS: KindId = row("pods");
pub(super) const RESOURCE_QUOTAS: KindId = row("resourcequotas");
pub(super) const ROLE_BINDINGS: KindId = row("rolebindings");
pub(super) const ROLES: KindId = row("roles");
pub(super) const REPLICA_SETS: KindId = row("replicasets");
pub(super) const SECRETS: KindId = row("secrets");
pub(super) const SERVICES: KindId = row("services");
pub(super) const SERVICE_ACCOUNTS: KindId = row("serviceaccounts");

/// The row of a resource, found while compiling; a missing row does not compile.
const fn row(plural: &str) -> KindId {
    let mut id = 0;
    while !same(ROWS[id].plural.as_bytes(), plural.as_bytes()) {
        id += 1;
    }
    id
}

const fn same(left: &[u8], right: &[u8]) -> bool {
    let mut at = 0;
    while at < left.len() && at < right.len() && left[at] == right[at] {
        at += 1;
    }
    left.len() == right.len() && at == left.len()
}

/// Whether there is such a group, which the core group is not called by name.
pub(super) fn is_group(name: &str) -> bool {
    !name.is_empty() && KINDS.iter().any(|kind| kind.group == name)
}

/// The resource of a path.
pub(super) fn find(group: &str, version: &str, plural: &str) -> Option<KindId> {
    KINDS
        .iter()
        .position(|kind| kind.group == group && kind.version == version && kind.plural == plural)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_reads_an_object_of_its_own_kind_and_refuses_another() {
        for kind in KINDS {
            let own = serde_json::json!({"apiVersion": kind.api_version(), "kind": kind.kind, "metadata": {}});
            let other = serde_json::json!({"apiVersion": "v9", "kind": "Other", "metadata": {}});
            assert!((kind.canonical)(&own).is_ok(), "{}", kind.plural);
            assert!((kind.canonical)(&other).is_err(), "{}", kind.plural);
        }
    }

    #[test]
    fn resources_are_found_by_group_version_and_plural() {
        assert_eq!(find("", "v1", "pods"), Some(PODS));
        assert_eq!(find("", "v1", "secrets"), Some(SECRETS));
        assert_eq!(find("", "v2", "pods"), None);
        assert_eq!(find("apps", "v1", "pods"), None);
        assert_eq!(KINDS[NAMESPACES].qualified(), "namespaces");
    }
}
