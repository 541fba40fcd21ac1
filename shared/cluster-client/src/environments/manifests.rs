//! What an environment is made of, as values.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use domain::{Environment, NamespaceName};

use super::EnvironmentRules;
use super::keys::RoutingKeys;
use super::tenant::{GENERATION_ANNOTATION, Tenant};
use crate::manifests::{NAMESPACE_NAME, text_map};

/// The secret's name and its keys, by which the routers know them.
pub(super) const SECRET: &str = "routing";
const PUBLIC_KEY: &str = "public-api-key";
const PRIVATE_KEY: &str = "private-api-key";
/// The annotation with the host names, which the older system kept there.
const HOST_NAMES: &str = "hostNames";
pub(super) const ISOLATION: &str = "isolation";

/// What every manifest is made from.
pub(super) struct Plan<'a> {
    pub(super) tenant: Tenant<'a>,
    pub(super) environment: &'a Environment,
    pub(super) keys: &'a RoutingKeys,
    pub(super) rules: &'a EnvironmentRules,
}

/// With the labels and the annotation of the older system, whose scripts and routers select by them.
pub(super) fn namespace(plan: &Plan<'_>) -> Namespace {
    let (name, namespace) = (&plan.environment.name, plan.environment.name.namespace());
    let mut labels = plan.tenant.labels();
    labels.extend(text_map([
        ("runtime", "shipyard"),
        ("organization", name.organisation().as_str()),
        ("environment", name.environment().as_str()),
        ("name", namespace.as_str()),
        ("pod-security.kubernetes.io/enforce", plan.rules.enforce.as_str()),
        ("pod-security.kubernetes.io/warn", plan.rules.warn.as_str()),
    ]));
    let hosts: Vec<&str> = plan.environment.hosts.iter().map(domain::HostName::as_str).collect();
    let mut annotations = generation(plan);
    annotations.extend(text_map([(HOST_NAMES, &hosts.join(" "))]));
    Namespace {
        metadata: ObjectMeta {
            name: Some(namespace.to_string()),
            labels: Some(labels),
            annotations: Some(annotations),
            ..Default::default()
        },
        ..Default::default()
    }
}

pub(super) fn secret(plan: &Plan<'_>, namespace_uid: &str) -> Secret {
    let keys = [(PUBLIC_KEY, &plan.keys.public), (PRIVATE_KEY, &plan.keys.private)];
    let data = keys.map(|(name, key)| (name.to_owned(), ByteString(key.as_str().into())));
    Secret {
        metadata: ObjectMeta {
            annotations: Some(generation(plan)),
            ..plan.tenant.inside(namespace_uid, SECRET)
        },
        type_: Some("Opaque".to_owned()),
        data: Some(data.into()),
        ..Default::default()
    }
}

/// Nobody comes in but pods of the environment itself and those of the routers, if that is asked for.
pub(super) fn isolation(plan: &Plan<'_>, namespace_uid: &str) -> Option<NetworkPolicy> {
    let routers = plan.rules.isolated_but_from.as_ref()?;
    let anything = LabelSelector::default;
    let own = NetworkPolicyPeer {
        pod_selector: Some(anything()),
        ..Default::default()
    };
    let from_router = |router: &NamespaceName| NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector {
            match_labels: Some(text_map([(NAMESPACE_NAME, router.as_str())])),
            ..Default::default()
        }),
        ..Default::default()
    };
    let from = std::iter::once(own).chain(routers.iter().map(from_router)).collect();
    Some(NetworkPolicy {
        metadata: ObjectMeta {
            annotations: Some(generation(plan)),
            ..plan.tenant.inside(namespace_uid, ISOLATION)
        },
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(anything()),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(from),
                ports: None,
            }]),
            egress: None,
        }),
    })
}

fn generation(plan: &Plan<'_>) -> std::collections::BTreeMap<String, String> {
    text_map([(GENERATION_ANNOTATION, &plan.environment.generation.0.to_string())])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::environments::sample::{environment, installation, keys};

    fn made<T: serde::Serialize>(rules: &EnvironmentRules, make: impl Fn(&Plan<'_>) -> T) -> Value {
        let (environment, installation, keys) = (environment(), installation(), keys());
        let tenant = Tenant {
            installation: &installation,
            name: &environment.name,
            born: environment.born,
        };
        serde_json::to_value(make(&Plan {
            tenant,
            environment: &environment,
            keys: &keys,
            rules,
        }))
        .unwrap()
    }

    fn own_labels() -> Value {
        json!({
            "layby.dev/installation": "prod", "layby.dev/environment": "org1.env1", "layby.dev/born": "7",
            "app.kubernetes.io/managed-by": "layby",
        })
    }

    #[test]
    fn a_namespace_has_the_labels_of_the_older_system_and_says_whose_it_is() {
        let mut labels = own_labels();
        labels.as_object_mut().unwrap().extend(
            json!({
                "runtime": "shipyard", "organization": "org1", "environment": "env1", "name": "org1-env1",
                "pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted",
            })
            .as_object()
            .unwrap()
            .clone(),
        );
        assert_eq!(
            made(&EnvironmentRules::default(), namespace),
            json!({
                "apiVersion": "v1", "kind": "Namespace",
                "metadata": {
                    "name": "org1-env1", "labels": labels,
                    "annotations": {"hostNames": "host1 host2", "layby.dev/generation": "9"},
                },
            })
        );
    }

    #[test]
    fn the_secret_holds_both_keys_and_goes_with_its_very_namespace() {
        let secret = made(&EnvironmentRules::default(), |plan| secret(plan, "u1"));
        let metadata = json!({
            "name": "routing", "namespace": "org1-env1", "labels": own_labels(),
            "annotations": {"layby.dev/generation": "9"},
            "ownerReferences": [{"apiVersion": "v1", "kind": "Namespace", "name": "org1-env1", "uid": "u1"}],
        });
        assert_eq!((&secret["metadata"], &secret["type"]), (&metadata, &json!("Opaque")));
        assert_eq!(
            secret["data"],
            json!({"public-api-key": keys().public.header(), "private-api-key": keys().private.header()}),
            "what Kubernetes shows of a stored key is what callers are told"
        );
    }

    #[test]
    fn an_isolated_environment_is_open_to_itself_and_the_routers_alone() {
        let open = made(&EnvironmentRules::default(), |plan| isolation(plan, "u1"));
        assert_eq!(open, Value::Null);
        let rules = EnvironmentRules {
            isolated_but_from: Some(
                ["edge", "edge-private"]
                    .map(|name| NamespaceName::parse(name).unwrap())
                    .into(),
            ),
            ..Default::default()
        };
        let router = |name: &str| json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}});
        assert_eq!(
            made(&rules, |plan| isolation(plan, "u1"))["spec"],
            json!({
                "podSelector": {}, "policyTypes": ["Ingress"],
                "ingress": [{"from": [{"podSelector": {}}, router("edge"), router("edge-private")]}],
            })
        );
    }
}
