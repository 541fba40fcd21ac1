//! Who may talk to the application, and with whom it may talk.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Plan, text_map};

pub(super) const NAME: &str = "isolation";
/// Kubernetes puts a namespace's own name on it under this label.
pub(crate) const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";
const DNS_NAMESPACE: &str = "kube-system";
const DNS_PORT: u16 = 53;
/// Private use (RFC 1918), shared address space (RFC 6598), and link-local with the metadata service of clouds.
const INWARD_V4: [&str; 5] = [
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "100.64.0.0/10",
    "169.254.0.0/16",
];
/// Unique local (RFC 4193) and link-local addresses.
const INWARD_V6: [&str; 2] = ["fc00::/7", "fe80::/10"];

/// Nothing in and nothing out, but: in from the route proxy to the application's port, out to the cluster's DNS and to
/// the public internet.
pub(crate) fn network_policy(plan: &Plan<'_>) -> NetworkPolicy {
    let proxy = NetworkPolicyPeer {
        namespace_selector: Some(labelled(text_map([(NAMESPACE_NAME, plan.proxy.namespace.as_str())]))),
        pod_selector: Some(labelled(plan.proxy.labels.clone())),
        ..Default::default()
    };
    let dns = NetworkPolicyPeer {
        namespace_selector: Some(labelled(text_map([(NAMESPACE_NAME, DNS_NAMESPACE)]))),
        ..Default::default()
    };
    NetworkPolicy {
        metadata: plan.metadata(NAME),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(vec![proxy]),
                ports: Some(vec![port("TCP", plan.run.port)]),
            }]),
            egress: Some(vec![
                NetworkPolicyEgressRule {
                    to: Some(vec![dns]),
                    ports: Some(vec![port("UDP", DNS_PORT), port("TCP", DNS_PORT)]),
                },
                NetworkPolicyEgressRule {
                    to: Some(vec![all_but("0.0.0.0/0", &INWARD_V4), all_but("::/0", &INWARD_V6)]),
                    ports: None,
                },
            ]),
        }),
    }
}

fn labelled(labels: BTreeMap<String, String>) -> LabelSelector {
    LabelSelector {
        match_labels: Some(labels).filter(|labels| !labels.is_empty()),
        match_expressions: None,
    }
}

fn port(protocol: &str, port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        protocol: Some(protocol.to_owned()),
        port: Some(IntOrString::Int(port.into())),
        end_port: None,
    }
}

fn all_but(cidr: &str, except: &[&str]) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: Some(IPBlock {
            cidr: cidr.to_owned(),
            except: Some(except.iter().map(|&block| block.to_owned()).collect()),
        }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::manifests::ProxyPlace;
    use crate::manifests::sample::{application, installation, made};

    #[test]
    fn only_the_route_proxy_comes_in_and_only_dns_and_the_internet_are_reached() {
        let policy = made(json!({"port": 8080}), network_policy);
        assert_eq!(policy["metadata"]["name"], "isolation");
        assert_eq!(
            policy["spec"],
            json!({
                "podSelector": {},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": [{
                    "from": [{
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "layby"}},
                        "podSelector": {"matchLabels": {"name": "proxy-server"}},
                    }],
                    "ports": [{"protocol": "TCP", "port": 8080}],
                }],
                "egress": [
                    {
                        "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
                        "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
                    },
                    {
                        "to": [
                            {"ipBlock": {"cidr": "0.0.0.0/0", "except":
                                ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"]}},
                            {"ipBlock": {"cidr": "::/0", "except": ["fc00::/7", "fe80::/10"]}},
                        ],
                    },
                ],
            })
        );
    }

    #[test]
    fn a_proxy_without_labels_is_still_held_to_its_namespace() {
        let (application, installation) = (application(json!({})), installation());
        let proxy = ProxyPlace {
            namespace: "edge".to_owned(),
            labels: BTreeMap::new(),
        };
        let plan = Plan::of(&application, &installation, &proxy).unwrap();
        let policy = serde_json::to_value(network_policy(&plan)).unwrap();
        assert_eq!(
            policy["spec"]["ingress"][0]["from"],
            json!([{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "edge"}}, "podSelector": {}}])
        );
    }
}
