//! What stored network policies let through, as Kubernetes defines it: what no policy selects is open, and what some
//! select is open to whatever any of them lets through.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::networking::v1::{IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

/// Everything of a cluster that decides it.
pub(crate) struct Policies {
    policies: Vec<NetworkPolicy>,
    namespaces: BTreeMap<String, BTreeMap<String, String>>,
}

/// One end of a connection.
#[derive(Clone, Copy)]
pub(crate) enum End<'a> {
    /// A pod, by its labels and its address.
    Pod(&'a Pod),
    /// Whatever has this address outside the cluster's pods.
    Address(IpAddr),
}

impl End<'_> {
    fn address(self) -> IpAddr {
        match self {
            End::Pod(pod) => pod.status.as_ref().unwrap().pod_ip.as_ref().unwrap().parse().unwrap(),
            End::Address(address) => address,
        }
    }
}

impl Policies {
    /// Those that a cluster has stored.
    pub(crate) async fn of(client: Client) -> Self {
        let (all, every) = (Api::all(client.clone()), ListParams::default());
        let namespaces: Api<Namespace> = Api::all(client);
        let namespaces = namespaces.list(&every).await.unwrap().items;
        let of = |one: &Namespace| (one.name_any(), one.labels().clone());
        Self {
            policies: all.list(&every).await.unwrap().items,
            namespaces: namespaces.iter().map(of).collect(),
        }
    }

    /// Whether a connection from one end to a port of another is let through by the policies of both.
    pub(crate) fn allow(&self, from: End<'_>, to: End<'_>, protocol: &str, port: u16) -> bool {
        self.lets_out(from, to, protocol, port) && self.lets_in(from, to, protocol, port)
    }

    fn lets_out(&self, from: End<'_>, to: End<'_>, protocol: &str, port: u16) -> bool {
        let selecting = self.selecting(from, "Egress");
        let rules = selecting
            .iter()
            .flat_map(|policy| policy.spec.as_ref()?.egress.as_ref());
        let mut rules = rules.flatten();
        let matches = |peers: Option<&[_]>, ports: Option<&[_]>, own: &str| {
            self.is_peer(peers, own, to) && is_port(ports, to, protocol, port)
        };
        let own = namespace_of(from);
        selecting.is_empty() || rules.any(|rule| matches(rule.to.as_deref(), rule.ports.as_deref(), &own))
    }

    fn lets_in(&self, from: End<'_>, to: End<'_>, protocol: &str, port: u16) -> bool {
        let selecting = self.selecting(to, "Ingress");
        let rules = selecting
            .iter()
            .flat_map(|policy| policy.spec.as_ref()?.ingress.as_ref());
        let mut rules = rules.flatten();
        let matches = |peers: Option<&[_]>, ports: Option<&[_]>, own: &str| {
            self.is_peer(peers, own, from) && is_port(ports, to, protocol, port)
        };
        let own = namespace_of(to);
        selecting.is_empty() || rules.any(|rule| matches(rule.from.as_deref(), rule.ports.as_deref(), &own))
    }

    /// The policies of this direction that select an end. Nothing selects what is no pod.
    fn selecting(&self, end: End<'_>, direction: &str) -> Vec<&NetworkPolicy> {
        let End::Pod(pod) = end else { return Vec::new() };
        let selects = |policy: &&NetworkPolicy| {
            let spec = policy.spec.as_ref().unwrap();
            let types = spec.policy_types.as_ref().expect("the server fills it in");
            let pods = spec.pod_selector.as_ref();
            policy.namespace() == pod.namespace()
                && types.iter().any(|one| one == direction)
                && pods.is_none_or(|pods| is_selected(pods, pod.labels()))
        };
        self.policies.iter().filter(selects).collect()
    }

    /// Whether an end is among the peers of a rule in the namespace `own`. No peers are all.
    fn is_peer(&self, peers: Option<&[NetworkPolicyPeer]>, own: &str, end: End<'_>) -> bool {
        let Some(peers) = peers.filter(|peers| !peers.is_empty()) else {
            return true;
        };
        peers.iter().any(|peer| match (&peer.ip_block, end) {
            (Some(block), end) => is_in(block, end.address()),
            (None, End::Address(_)) => false,
            (None, End::Pod(pod)) => {
                let namespace = pod.namespace().unwrap();
                let is_there = match &peer.namespace_selector {
                    Some(selector) => is_selected(selector, &self.namespaces[&namespace]),
                    None => namespace == own,
                };
                let pods = peer.pod_selector.as_ref();
                is_there && pods.is_none_or(|pods| is_selected(pods, pod.labels()))
            }
        })
    }
}

fn namespace_of(end: End<'_>) -> String {
    match end {
        End::Pod(pod) => pod.namespace().unwrap(),
        End::Address(_) => String::new(),
    }
}

fn is_in(block: &IPBlock, address: IpAddr) -> bool {
    let contains = |cidr: &String| cidr.parse::<IpNet>().unwrap().contains(&address);
    contains(&block.cidr) && !block.except.iter().flatten().any(contains)
}

/// Whether a port of `to` is among those of a rule. No ports are all.
fn is_port(ports: Option<&[NetworkPolicyPort]>, to: End<'_>, protocol: &str, port: u16) -> bool {
    let Some(ports) = ports.filter(|ports| !ports.is_empty()) else {
        return true;
    };
    ports.iter().any(|one| {
        assert!(one.end_port.is_none(), "ranges of ports are not read here: {one:?}");
        let is_number = match &one.port {
            None => true,
            Some(IntOrString::Int(number)) => *number == i32::from(port),
            Some(IntOrString::String(name)) => named(to, name) == Some(i32::from(port)),
        };
        one.protocol.as_deref().unwrap_or("TCP") == protocol && is_number
    })
}

/// The number of a pod's port.
fn named(end: End<'_>, name: &str) -> Option<i32> {
    let End::Pod(pod) = end else { return None };
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports
        .find(|port| port.name.as_deref() == Some(name))
        .map(|port| port.container_port)
}

fn is_selected(selector: &LabelSelector, labels: &BTreeMap<String, String>) -> bool {
    let has = |(key, value): (&String, &String)| labels.get(key) == Some(value);
    let equal = selector.match_labels.iter().flatten().all(has);
    equal
        && selector.match_expressions.iter().flatten().all(|expression| {
            let values = expression.values.iter().flatten();
            let value = labels.get(&expression.key);
            let is_one = value.is_some_and(|value| values.into_iter().any(|one| one == value));
            match expression.operator.as_str() {
                "In" => is_one,
                "NotIn" => !is_one,
                "Exists" => value.is_some(),
                "DoesNotExist" => value.is_none(),
                other => panic!("no such operator: {other}"),
            }
        })
}
