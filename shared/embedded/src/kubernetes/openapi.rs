//! The least of OpenAPI v3: which resources take `fieldValidation`, so that kubectl leaves the checking of fields to the
//! server. There are no schemas in it.

use serde_json::{Map, Value, json};

use super::registry::{KINDS, Kind, Service};

/// The index of documents, or one of them, by path.
pub(super) fn document(path: &str) -> Option<Value> {
    if path == "/openapi/v3" {
        let entry = |kind: &Kind| {
            (
                root(kind),
                json!({"serverRelativeURL": format!("/openapi/v3/{}", root(kind))}),
            )
        };
        return Some(json!({"paths": KINDS.iter().map(entry).collect::<Map<_, _>>()}));
    }
    let wanted = path.strip_prefix("/openapi/v3/")?;
    let kinds = KINDS
        .iter()
        .filter(|kind| root(kind) == wanted && kind.service != Service::Review);
    let paths: Map<String, Value> = kinds.map(operation).collect();
    let info = json!({"title": "Kubernetes", "version": super::discovery::VERSION});
    (!paths.is_empty()).then(|| json!({"openapi": "3.0.0", "info": info, "paths": paths}))
}

fn root(kind: &Kind) -> String {
    let folder = if kind.group.is_empty() { "api" } else { "apis" };
    format!("{folder}/{}", kind.api_version())
}

fn operation(kind: &Kind) -> (String, Value) {
    let place = if kind.namespaced { "namespaces/{namespace}/" } else { "" };
    let parameter =
        json!({"name": "fieldValidation", "in": "query", "schema": {"type": "string", "uniqueItems": true}});
    let patch = json!({
        "parameters": [parameter],
        "x-kubernetes-action": "patch",
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
        "responses": {},
    });
    (
        format!("/{}/{place}{}/{{name}}", root(kind), kind.plural),
        json!({"patch": patch}),
    )
}
