//! What an object of a kind is before anything is in it.

use serde_json::{Value, json};

use super::super::registry::Kind;

/// The object with the fields that the real server's types always have. Nobody comes to
/// own those by making the object.
pub(in super::super) fn empty(kind: &Kind) -> Value {
    let pods = json!({"metadata": {}, "spec": {"containers": null}});
    let role = json!({"apiGroup": "", "kind": "", "name": ""});
    match kind.kind {
        "ConfigMap" | "Endpoints" | "Secret" | "ServiceAccount" => json!({}),
        "Deployment" => json!({"spec": {"selector": null, "strategy": {}, "template": pods}}),
        "Event" => json!({
            "involvedObject": {}, "source": {}, "firstTimestamp": null, "lastTimestamp": null, "eventTime": null,
            "reportingComponent": "", "reportingInstance": "",
        }),
        "Job" => json!({"spec": {"template": pods}}),
        "LimitRange" => json!({"spec": {"limits": null}}),
        "NetworkPolicy" => json!({"spec": {"podSelector": {}}}),
        "PersistentVolumeClaim" => json!({"spec": {"resources": {}}}),
        "Pod" => json!({"spec": {"containers": null}}),
        "ReplicaSet" => json!({"spec": {"selector": null, "template": pods}}),
        "ClusterRole" | "Role" => json!({"rules": null}),
        "ClusterRoleBinding" | "RoleBinding" => json!({"roleRef": role}),
        _ => json!({"spec": {}}),
    }
}
