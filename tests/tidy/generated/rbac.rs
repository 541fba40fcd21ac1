//! What each function may do in a home cluster: a role, and its binding to the function's group.

use std::fmt::Write;

use api::{ENDPOINTS, Endpoint, FALLBACK};

/// The account behind the one token of an installation that does not use EKS. All functions share that token, so it is
/// bound to the role of `fallback`, and to each that needs more.
const ACCOUNT: &str = "layby";

/// The manifests of all roles and bindings.
pub fn manifests() -> String {
    let needing: Vec<&Endpoint> = ENDPOINTS
        .iter()
        .copied()
        .filter(|endpoint| !endpoint.needs.cluster.is_empty())
        .collect();
    needing
        .into_iter()
        .map(|endpoint| role(endpoint) + &binding(endpoint))
        .collect()
}

fn covers(wide: &Endpoint, narrow: &Endpoint) -> bool {
    narrow.needs.cluster.iter().all(|need| {
        wide.needs.cluster.iter().any(|own| {
            (own.group, own.resource) == (need.group, need.resource)
                && need.verbs.iter().all(|verb| own.verbs.contains(verb))
        })
    })
}

fn role(endpoint: &Endpoint) -> String {
    let mut text = format!("---\n{}rules:\n", head("ClusterRole", endpoint));
    for need in endpoint.needs.cluster {
        let _ = write!(
            text,
            "  - apiGroups: [\"{}\"]\n    resources: [{}]\n    verbs: [{}]\n",
            need.group,
            need.resource,
            need.verbs.join(", ")
        );
    }
    text
}

fn binding(endpoint: &Endpoint) -> String {
    let id = endpoint.id;
    let mut text = format!(
        "---
{}roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: layby-{id}
subjects:
  - apiGroup: rbac.authorization.k8s.io
    kind: Group
    name: layby:{id}
",
        head("ClusterRoleBinding", endpoint)
    );
    if endpoint.id == FALLBACK.id || !covers(&FALLBACK, endpoint) {
        let _ = write!(
            text,
            "  - kind: ServiceAccount\n    name: {ACCOUNT}\n    namespace: layby\n"
        );
    }
    text
}

fn head(kind: &str, endpoint: &Endpoint) -> String {
    format!(
        "apiVersion: rbac.authorization.k8s.io/v1
kind: {kind}
metadata:
  name: layby-{}
  labels:
    app.kubernetes.io/part-of: layby
",
        endpoint.id
    )
}
