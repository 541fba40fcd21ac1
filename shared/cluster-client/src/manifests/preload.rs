//! What a preload is made of: a namespace in which nobody may talk to anybody, and one pod a node.

use domain::Preload;
use k8s_openapi::api::core::v1::{Container, Namespace, Pod, PodSpec, ServiceAccount};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use super::{CONTAINER, Plan, namespace, network_policy, pod, text_map};
use crate::Cluster;
use crate::owner::{Owner, TEMPLATE_ANNOTATION};

/// The service account's name.
const ACCOUNT: &str = "preload";
/// What runs once the image is there. An image without such a program has been pulled all the same.
const COMMAND: &str = "true";

impl<'a> Plan<'a> {
    /// The plan of `preload`.
    pub(crate) fn preload(preload: &'a Preload, cluster: &'a Cluster) -> Self {
        Plan {
            owner: Owner::preload(cluster.installation(), &preload.current.id),
            template: preload.template.as_str(),
            run: &preload.current.workload,
            proxy: cluster.proxy(),
        }
    }
}

/// Under the pod security of the template's applications: what runs there may not do more.
pub(crate) fn preload_namespace(plan: &Plan<'_>) -> Namespace {
    let mut labels = plan.owner.labels();
    labels.extend(namespace::pod_security(plan));
    Namespace {
        metadata: ObjectMeta {
            name: Some(plan.owner.id.to_string()),
            labels: Some(labels),
            annotations: Some(text_map([(TEMPLATE_ANNOTATION, plan.template)])),
            ..Default::default()
        },
        ..Default::default()
    }
}

pub(crate) fn preload_account(plan: &Plan<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: plan.metadata(ACCOUNT),
        automount_service_account_token: Some(false),
        ..Default::default()
    }
}

/// Nothing in and nothing out.
pub(crate) fn preload_policy(plan: &Plan<'_>) -> NetworkPolicy {
    NetworkPolicy {
        metadata: plan.metadata(network_policy::NAME),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ..Default::default()
        }),
    }
}

/// The pod that has `node` pull the image. It is named by its node, names it itself, past the scheduler, and asks for
/// nothing, so that a full node loads the image too.
pub(crate) fn preload_pod(plan: &Plan<'_>, node: &str) -> Pod {
    let run = plan.run;
    Pod {
        metadata: plan.metadata(node),
        spec: Some(PodSpec {
            containers: vec![Container {
                name: CONTAINER.to_owned(),
                image: Some(run.image.as_str().to_owned()),
                image_pull_policy: run.pull_policy.map(|policy| policy.as_str().to_owned()),
                command: Some(vec![COMMAND.to_owned()]),
                security_context: Some(pod::security_context(run)),
                ..Default::default()
            }],
            node_name: Some(node.to_owned()),
            restart_policy: Some("Never".to_owned()),
            enable_service_links: Some(false),
            service_account_name: Some(ACCOUNT.to_owned()),
            automount_service_account_token: Some(false),
            termination_grace_period_seconds: Some(pod::GRACE_SECONDS),
            tolerations: Some(run.tolerations.iter().map(pod::toleration).collect::<Vec<_>>())
                .filter(|tolerations| !tolerations.is_empty()),
            ..Default::default()
        }),
        status: None,
    }
}

#[cfg(test)]
mod tests {
    use domain::ApplicationId;
    use serde_json::{Value, json};

    use super::*;
    use crate::manifests::sample::{application, installation, proxy};

    const ID: &str = "abababababababababababababababab";

    fn made<T: serde::Serialize>(more: Value, make: impl Fn(&Plan<'_>) -> T) -> Value {
        let (application, installation, proxy) = (application(more), installation(), proxy());
        let id = ApplicationId::parse(ID).unwrap();
        let plan = Plan {
            owner: Owner::preload(&installation, &id),
            template: "t",
            run: application.run.as_ref().unwrap(),
            proxy: &proxy,
        };
        serde_json::to_value(make(&plan)).unwrap()
    }

    #[test]
    fn the_namespace_says_that_it_is_a_preloads_and_no_applications() {
        assert_eq!(
            made(json!({"security": "baseline"}), preload_namespace)["metadata"],
            json!({
                "name": ID,
                "labels": {
                    "layby.dev/installation": "prod",
                    "layby.dev/preload": ID,
                    "layby.dev/shard": "11",
                    "app.kubernetes.io/managed-by": "layby",
                    "pod-security.kubernetes.io/enforce": "baseline",
                    "pod-security.kubernetes.io/warn": "baseline",
                },
                "annotations": {"layby.dev/template": "t"},
            })
        );
    }

    #[test]
    fn nobody_talks_to_it_and_it_talks_to_nobody() {
        assert_eq!(
            made(json!({}), preload_policy)["spec"],
            json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
        );
        assert_eq!(made(json!({}), preload_account)["automountServiceAccountToken"], false);
    }

    #[test]
    fn the_pod_runs_next_to_nothing_on_the_node_that_it_names() {
        let more = json!({
            "command": ["serve"], "image-pull-policy": "Always", "env": {"A": "1"}, "requests": {"memory": "1Gi"},
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        });
        let pod = made(more, |plan| preload_pod(plan, "node-1.example"));
        assert_eq!(pod["metadata"]["name"], "node-1.example");
        assert_eq!(pod["metadata"]["labels"]["layby.dev/preload"], ID);
        assert_eq!(
            pod["spec"],
            json!({
                "containers": [{
                    "name": "frontend-server",
                    "image": "img:1",
                    "imagePullPolicy": "Always",
                    "command": ["true"],
                    "securityContext": {
                        "runAsUser": 1000, "runAsNonRoot": true, "allowPrivilegeEscalation": false,
                        "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"},
                    },
                }],
                "nodeName": "node-1.example",
                "restartPolicy": "Never",
                "enableServiceLinks": false,
                "serviceAccountName": "preload",
                "automountServiceAccountToken": false,
                "terminationGracePeriodSeconds": 5,
                "tolerations": [{"key": "dedicated", "operator": "Exists"}],
            })
        );
    }
}
