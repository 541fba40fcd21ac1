//! The nodes of a cluster, and which of them a workload may use.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::{TaintEffect, Toleration, TolerationOperator, Workload};

/// A node, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSeen {
    /// Its name.
    pub name: String,
    /// Whether it is cordoned: nothing is scheduled there.
    pub unschedulable: bool,
    /// Its labels, which node selectors are compared with.
    pub labels: BTreeMap<String, String>,
    /// What pods must tolerate to be there.
    pub taints: Vec<TaintSeen>,
    /// Whether its kubelet says that it is ready.
    pub ready: bool,
}

/// A taint of a node, in the words of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct TaintSeen {
    /// Its key.
    pub key: String,
    /// Its value, empty where it has none.
    #[serde(default)]
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule`, `NoExecute`, or a word that is newer than this.
    pub effect: String,
}

/// Whether a pod of `run` could be scheduled on `node`, were there room: the node is ready and not cordoned, has the
/// labels that are selected by, and no taint that keeps the pod away.
pub fn may_use(run: &Workload, node: &NodeSeen) -> bool {
    let selected = run
        .node_selector
        .iter()
        .all(|(key, value)| node.labels.get(key.as_str()).map(String::as_str) == Some(value.as_str()));
    let keeps_away = |taint: &&TaintSeen| {
        [TaintEffect::NoSchedule, TaintEffect::NoExecute]
            .iter()
            .any(|effect| effect.as_str() == taint.effect)
    };
    let tolerated = |taint: &TaintSeen| run.tolerations.iter().any(|toleration| tolerates(toleration, taint));
    node.ready && !node.unschedulable && selected && node.taints.iter().filter(keeps_away).all(tolerated)
}

/// Kubernetes' own rule: what a toleration does not name matches whatever the taint has.
fn tolerates(toleration: &Toleration, taint: &TaintSeen) -> bool {
    let effect = toleration.effect.is_none_or(|effect| effect.as_str() == taint.effect);
    let key = toleration.key.as_ref().is_none_or(|key| key.as_str() == taint.key);
    let value = || toleration.value.as_ref().map_or("", |value| value.as_str()) == taint.value;
    effect && key && (toleration.operator == Some(TolerationOperator::Exists) || value())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(labels: &[(&str, &str)], taints: &[(&str, &str, &str)]) -> NodeSeen {
        let owned = |text: &str| text.to_owned();
        NodeSeen {
            name: "n".to_owned(),
            unschedulable: false,
            labels: labels.iter().map(|(key, value)| (owned(key), owned(value))).collect(),
            taints: taints
                .iter()
                .map(|(key, value, effect)| TaintSeen {
                    key: owned(key),
                    value: owned(value),
                    effect: owned(effect),
                })
                .collect(),
            ready: true,
        }
    }

    fn run(more: Value) -> Workload {
        let mut run = json!({"image-source": "i"});
        run.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(run).unwrap()
    }

    #[test]
    fn only_nodes_that_are_ready_and_not_cordoned_are_used() {
        let plain = run(json!({}));
        assert!(may_use(&plain, &node(&[], &[])));
        let cordoned = NodeSeen {
            unschedulable: true,
            ..node(&[], &[])
        };
        let lost = NodeSeen {
            ready: false,
            ..node(&[], &[])
        };
        assert!(!may_use(&plain, &cordoned) && !may_use(&plain, &lost));
    }

    #[test]
    fn every_label_that_is_selected_by_must_be_there() {
        let picky = run(json!({"node-selector": {"pool": "users", "arch": ""}}));
        assert!(may_use(
            &picky,
            &node(&[("pool", "users"), ("arch", ""), ("more", "x")], &[])
        ));
        for labels in [&[("pool", "users")][..], &[("pool", "system"), ("arch", "")]] {
            assert!(!may_use(&picky, &node(labels, &[])), "{labels:?}");
        }
    }

    #[test]
    fn only_taints_that_are_not_tolerated_keep_a_pod_away() {
        let tainted = |effect| node(&[], &[("dedicated", "users", effect)]);
        for (tolerations, no_schedule, no_execute) in [
            (json!([]), false, false),
            (json!([{"operator": "Exists"}]), true, true),
            (json!([{"key": "dedicated", "operator": "Exists"}]), true, true),
            (
                json!([{"key": "dedicated", "operator": "Exists", "effect": "NoExecute"}]),
                false,
                true,
            ),
            (json!([{"key": "dedicated", "value": "users"}]), true, true),
            (
                json!([{"key": "dedicated", "operator": "Equal", "value": "users", "effect": "NoSchedule"}]),
                true,
                false,
            ),
            (json!([{"key": "dedicated", "value": "others"}]), false, false),
            (json!([{"key": "dedicated"}]), false, false),
            (json!([{"key": "other", "operator": "Exists"}]), false, false),
        ] {
            let run = run(json!({"tolerations": tolerations}));
            assert_eq!(may_use(&run, &tainted("NoSchedule")), no_schedule, "{tolerations}");
            assert_eq!(may_use(&run, &tainted("NoExecute")), no_execute, "{tolerations}");
            assert!(may_use(&run, &tainted("PreferNoSchedule")), "{tolerations}");
        }
        let one_of_two = run(json!({"tolerations": [{"key": "a", "operator": "Exists"}]}));
        let both = node(&[], &[("a", "", "NoSchedule"), ("b", "", "NoSchedule")]);
        assert!(!may_use(&one_of_two, &both));
    }
}
