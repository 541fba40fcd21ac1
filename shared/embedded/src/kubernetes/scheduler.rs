//! The scheduler: which node a pod fits on, or why none will do (kube-scheduler's filter plugins, in their order).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::json::{flag, items, members, text};
use super::nodes::{Amounts, NodeView, amounts};

/// Chooses a node: of those that fit the one with the fewest pods. The error is the message of `PodScheduled=False`.
pub(super) fn place(pod: &Value, wants: &Amounts, nodes: &[NodeView]) -> Result<usize, String> {
    let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
    let mut best: Option<(i128, usize)> = None;
    for (index, view) in nodes.iter().enumerate() {
        let against = obstacles(pod, wants, view, &view.used);
        if against.is_empty() {
            let load = view.used.get("pods").copied().unwrap_or(0);
            best = best.filter(|(least, _)| *least <= load).or(Some((load, index)));
        }
        for reason in against {
            *reasons.entry(reason).or_default() += 1;
        }
    }
    best.map(|(_, index)| index).ok_or_else(|| {
        let mut counted: Vec<String> = reasons
            .iter()
            .map(|(reason, count)| format!("{count} {reason}"))
            .collect();
        counted.sort();
        match nodes.len() {
            0 => "no nodes available to schedule pods".to_owned(),
            all => {
                let none = format!("0/{all} nodes are available");
                format!(
                    "{none}: {}. no new claims to deallocate, preemption: {none}: {}.",
                    counted.join(", "),
                    preemption(wants, pod, nodes)
                )
            }
        }
    })
}

/// Why it would not help to end other pods: on some nodes it could not, on the others none is worth less.
fn preemption(wants: &Amounts, pod: &Value, nodes: &[NodeView]) -> String {
    let fits_alone = |view: &&NodeView| obstacles(pod, wants, view, &Amounts::new()).is_empty();
    let without_victims = nodes.iter().filter(fits_alone).count();
    let helpless = nodes.len() - without_victims;
    let said = [
        (without_victims, "No preemption victims found for incoming pod"),
        (helpless, "Preemption is not helpful for scheduling"),
    ];
    let said = said
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, why)| format!("{count} {why}"));
    said.collect::<Vec<_>>().join(", ")
}

/// What speaks against a node of which so much is used.
fn obstacles(pod: &Value, wants: &Amounts, view: &NodeView, used: &Amounts) -> BTreeSet<String> {
    let one = |reason: &str| BTreeSet::from([reason.to_owned()]);
    let tolerations = items(pod, "/spec/tolerations");
    let cordon = serde_json::json!({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"});
    if flag(&view.node, "/spec/unschedulable") == Some(true) && !tolerations.iter().any(|one| tolerates(one, &cordon)) {
        return one("node(s) were unschedulable");
    }
    let hard = |taint: &&Value| matches!(text(taint, "/effect"), "NoSchedule" | "NoExecute");
    let taints = items(&view.node, "/spec/taints").iter().filter(hard);
    let mut untolerated = taints.filter(|taint| !tolerations.iter().any(|one| tolerates(one, taint)));
    if let Some(taint) = untolerated.next() {
        return one(&format!(
            "node(s) had untolerated taint {{{}: {}}}",
            text(taint, "/key"),
            text(taint, "/value")
        ));
    }
    let label = |name: &str| view.node["metadata"]["labels"][name].clone();
    if members(pod, "/spec/nodeSelector").any(|(name, value)| label(name) != *value) {
        return one("node(s) didn't match Pod's node affinity/selector");
    }
    let short = |name: &str, amount: i128| {
        let left = view.room.get(name).copied().unwrap_or(0) - used.get(name).copied().unwrap_or(0);
        amount > 0 && amount > left
    };
    let lacking = wants.iter().filter(|(name, amount)| short(name, **amount));
    lacking
        .map(|(name, _)| {
            if name == "pods" {
                "Too many pods".to_owned()
            } else {
                format!("Insufficient {name}")
            }
        })
        .collect()
}

fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let (key, effect) = (text(toleration, "/key"), text(toleration, "/effect"));
    let same_value = text(toleration, "/operator") == "Exists" || text(toleration, "/value") == text(taint, "/value");
    let same_key = key == text(taint, "/key") || (key.is_empty() && text(toleration, "/operator") == "Exists");
    (effect.is_empty() || effect == text(taint, "/effect")) && same_key && same_value
}

/// A node as it stands, with what its pods use.
pub(super) fn view(node: &Value, used: Amounts) -> NodeView {
    let name = text(node, "/metadata/name").to_owned();
    NodeView {
        name,
        node: node.clone(),
        room: amounts(node, "/status/allocatable"),
        used,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::nodes::{NodeShape, wants};
    use super::*;

    fn nodes() -> Vec<NodeView> {
        let shape = |name: &str| NodeShape {
            cpu: "2".into(),
            memory: "1Gi".into(),
            pods: 1,
            ..NodeShape::large(name)
        };
        ["a", "b"]
            .map(|name| view(&shape(name).object(jiff::Timestamp::UNIX_EPOCH), Amounts::new()))
            .into()
    }

    fn try_place(spec: Value, nodes: &[NodeView]) -> Result<usize, String> {
        let pod = json!({"spec": spec});
        place(&pod, &wants(&pod), nodes)
    }

    /// Why no node will do, without what other pods' end would change.
    fn why(spec: Value, nodes: &[NodeView]) -> String {
        let message = try_place(spec, nodes).unwrap_err();
        message.split_once(" no new claims").unwrap().0.to_owned()
    }

    #[test]
    fn the_emptier_node_is_chosen_and_of_equals_the_first() {
        let mut nodes = nodes();
        assert_eq!(try_place(json!({}), &nodes), Ok(0));
        nodes[0].used.insert("pods".to_owned(), 1_000);
        assert_eq!(try_place(json!({}), &nodes), Ok(1));
        nodes[1].used.insert("pods".to_owned(), 1_000);
        assert_eq!(
            try_place(json!({}), &nodes).unwrap_err(),
            "0/2 nodes are available: 2 Too many pods. no new claims to deallocate, preemption: 0/2 nodes are available: 2 No \
             preemption victims found for incoming pod."
        );
    }

    #[test]
    fn lacking_resources_are_named_together() {
        let asks = |requests: Value| json!({"containers": [{"resources": {"requests": requests}}]});
        assert_eq!(
            try_place(asks(json!({"memory": "2Gi"})), &nodes()).unwrap_err(),
            "0/2 nodes are available: 2 Insufficient memory. no new claims to deallocate, preemption: 0/2 nodes are available: 2 \
             Preemption is not helpful for scheduling."
        );
        assert_eq!(
            why(
                asks(json!({"memory": "2Gi", "cpu": "3", "nvidia.com/gpu": "1"})),
                &nodes()
            ),
            "0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient memory, 2 Insufficient nvidia.com/gpu."
        );
        assert_eq!(
            try_place(asks(json!({"memory": "1Gi", "cpu": "2000m"})), &nodes()),
            Ok(0)
        );
    }

    #[test]
    fn selectors_taints_and_cordons_keep_pods_off() {
        let mut nodes = nodes();
        nodes[0].node["spec"]["taints"] = json!([{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]);
        nodes[1].node["spec"]["unschedulable"] = json!(true);
        assert_eq!(
            why(json!({}), &nodes),
            "0/2 nodes are available: 1 node(s) had untolerated taint {gpu: yes}, 1 node(s) were unschedulable."
        );
        let bears = json!([{"key": "gpu", "operator": "Equal", "value": "yes"}]);
        assert_eq!(try_place(json!({"tolerations": bears}), &nodes), Ok(0));
        assert_eq!(
            why(
                json!({"tolerations": [{"operator": "Exists"}], "nodeSelector": {"kubernetes.io/hostname": "c"}}),
                &nodes
            ),
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector."
        );
    }
}
