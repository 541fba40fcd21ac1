//! Discovery in two requests rather than one a group (`apidiscovery.k8s.io/v2`).

use serde_json::{Value, json};

use super::json::{items, text};

/// What `Accept` has to ask for, and the media type of the answer.
pub(super) const MEDIA_TYPE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// The answer that has all of these groups, each as its name and the list of its resources.
pub(super) fn list(groups: impl Iterator<Item = (String, Value)>) -> Value {
    let items: Vec<Value> = groups.map(|(name, list)| group(&name, &list)).collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn group(name: &str, list: &Value) -> Value {
    let rows = items(list, "/resources");
    let whole = rows.iter().filter(|row| !text(row, "/name").contains('/'));
    let version = json!({
        "version": text(list, "/groupVersion").rsplit('/').next(),
        "resources": whole.map(|row| resource(row, rows)).collect::<Vec<_>>(),
        "freshness": "Current",
    });
    let metadata = if name.is_empty() {
        json!({})
    } else {
        json!({ "name": name })
    };
    json!({"metadata": metadata, "versions": [version]})
}

fn resource(row: &Value, rows: &[Value]) -> Value {
    let name = text(row, "/name");
    let mut resource = json!({
        "resource": name,
        "responseKind": response_kind(row),
        "scope": if row["namespaced"] == true { "Namespaced" } else { "Cluster" },
        "singularResource": row["singularName"],
        "verbs": row["verbs"],
    });
    for field in ["shortNames", "categories"] {
        if let Some(names) = row.get(field) {
            resource[field] = names.clone();
        }
    }
    let part = |other: &Value| {
        let (whole, part) = text(other, "/name").split_once('/')?;
        let part = json!({"subresource": part, "responseKind": response_kind(other), "verbs": other["verbs"]});
        (whole == name).then_some(part)
    };
    let parts: Vec<Value> = rows.iter().filter_map(part).collect();
    if !parts.is_empty() {
        resource["subresources"] = parts.into();
    }
    resource
}

/// Group and version are told only where they are not those of the list.
fn response_kind(row: &Value) -> Value {
    json!({"group": text(row, "/group"), "version": text(row, "/version"), "kind": row["kind"]})
}
