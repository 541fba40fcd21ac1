//! The namespace that is the application's own, and the account that its pod runs under.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Plan, text_map};
use crate::owner::TEMPLATE_ANNOTATION;

/// The service account's name. The pod names it, so that it need not wait for the cluster to make `default`.
pub(super) const ACCOUNT: &str = "application";

/// `name` and `binder` are the labels of binder-deploy-kubernetes, whose scripts select by them.
pub(crate) fn namespace(plan: &Plan<'_>) -> Namespace {
    let id = plan.owner.id.as_str();
    let mut labels = plan.owner.labels();
    labels.extend(text_map([("name", id), ("binder", "true")]));
    labels.extend(pod_security(plan));
    Namespace {
        metadata: ObjectMeta {
            name: Some(id.to_owned()),
            labels: Some(labels),
            annotations: Some(text_map([(TEMPLATE_ANNOTATION, plan.template)])),
            ..Default::default()
        },
        ..Default::default()
    }
}

/// The labels of the pod security standard that the namespace enforces.
pub(super) fn pod_security(plan: &Plan<'_>) -> BTreeMap<String, String> {
    let standard = plan.run.security.as_str();
    text_map([
        ("pod-security.kubernetes.io/enforce", standard),
        ("pod-security.kubernetes.io/warn", standard),
    ])
}

pub(crate) fn service_account(plan: &Plan<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: plan.metadata(ACCOUNT),
        automount_service_account_token: Some(false),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifests::sample::made;

    const ID: &str = "abababababababababababababababab";

    #[test]
    fn a_namespace_says_whose_it_is_and_what_it_enforces() {
        assert_eq!(
            made(json!({}), namespace),
            json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {
                    "name": ID,
                    "labels": {
                        "layby.dev/installation": "prod",
                        "layby.dev/application": ID,
                        "layby.dev/shard": "11",
                        "app.kubernetes.io/managed-by": "layby",
                        "name": ID,
                        "binder": "true",
                        "pod-security.kubernetes.io/enforce": "restricted",
                        "pod-security.kubernetes.io/warn": "restricted",
                    },
                    "annotations": {"layby.dev/template": "t"},
                },
            })
        );
        let baseline = made(json!({"security": "baseline"}), namespace);
        assert_eq!(
            baseline["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
            "baseline"
        );
    }

    #[test]
    fn the_account_has_no_token_in_any_pod() {
        let account = made(json!({}), service_account);
        assert_eq!(account["metadata"]["name"], "application");
        assert_eq!(account["metadata"]["namespace"], ID);
        assert_eq!(account["metadata"]["labels"]["layby.dev/installation"], "prod");
        assert_eq!(account["automountServiceAccountToken"], false);
    }
}
