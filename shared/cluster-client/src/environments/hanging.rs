//! Why a namespace does not go.

use k8s_openapi::api::core::v1::Namespace;

use crate::text;

/// The finalizer that every namespace has until nothing is in it.
const CONTENTS: &str = "kubernetes";
/// What a namespace that is being deleted waits for, as far as Kubernetes says it: what is still in it, which finalizers
/// in it or of its own, which API service does not answer. Nothing while it is simply on its way.
pub(super) fn why(namespace: &Namespace) -> Option<String> {
    let conditions = namespace
        .status
        .iter()
        .flat_map(|status| status.conditions.iter().flatten());
    let mut sentences: Vec<String> = conditions
        .filter(|condition| condition.status == "True")
        .filter_map(|condition| condition.message.as_deref())
        .filter(|message| !message.is_empty())
        .map(|message| message.trim_end_matches('.').to_owned())
        .collect();
    let in_spec = namespace.spec.iter().flat_map(|spec| spec.finalizers.iter().flatten());
    let of_its_own: Vec<&str> = in_spec
        .filter(|finalizer| *finalizer != CONTENTS)
        .chain(namespace.metadata.finalizers.iter().flatten())
        .map(String::as_str)
        .collect();
    if !of_its_own.is_empty() {
        sentences.push(format!(
            "The namespace itself has finalizers: {}",
            of_its_own.join(", ")
        ));
    }
    (!sentences.is_empty()).then(|| text::head(&format!("{}.", sentences.join(". "))))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn told(conditions: Value, more: Value) -> Option<String> {
        let mut namespace = json!({"spec": {"finalizers": ["kubernetes"]}, "status": {"conditions": conditions}});
        namespace
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        why(&serde_json::from_value(namespace).unwrap())
    }

    fn condition(kind: &str, status: &str, message: &str) -> Value {
        json!({"type": kind, "status": status, "message": message, "reason": "R", "lastTransitionTime": "2026-11-22T10:00:00Z"})
    }

    #[test]
    fn what_is_on_its_way_is_not_explained() {
        let fine = condition("NamespaceContentRemaining", "False", "All content successfully removed");
        assert_eq!(told(json!([fine]), json!({})), None);
    }

    #[test]
    fn what_remains_in_it_and_the_finalizers_that_hold_it_are_named() {
        let remain = condition(
            "NamespaceContentRemaining",
            "True",
            "Some resources are remaining: configmaps. has 1 resource instances",
        );
        let remaining = "Some resources are remaining: configmaps. has 1 resource instances";
        assert_eq!(told(json!([remain]), json!({})), Some(format!("{remaining}.")));
        let held = "Some content in the namespace has finalizers remaining: x.io/one in 1 resource instances";
        let conditions = json!([remain, condition("NamespaceFinalizersRemaining", "True", held)]);
        assert_eq!(told(conditions, json!({})), Some(format!("{remaining}. {held}.")));
    }

    #[test]
    fn an_api_service_that_does_not_answer_is_named() {
        let stale = "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: \
                     metrics.k8s.io/v1beta1: stale GroupVersion discovery: metrics.k8s.io/v1beta1";
        let conditions = json!([condition("NamespaceDeletionDiscoveryFailure", "True", stale)]);
        assert_eq!(told(conditions, json!({})), Some(format!("{stale}.")));
    }

    #[test]
    fn finalizers_of_its_own_are_named() {
        let own =
            json!({"metadata": {"finalizers": ["x.io/hold"]}, "spec": {"finalizers": ["kubernetes", "y.io/too"]}});
        assert_eq!(
            told(json!([]), own).as_deref(),
            Some("The namespace itself has finalizers: y.io/too, x.io/hold.")
        );
    }
}
