//! What the server says of itself: version, health, groups and resources.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::registry::{KINDS, Kind, Service};
use super::status::{self, Refusal};

/// The version that is followed.
pub(super) const VERSION: &str = "v1.35.4";

/// The paths that need no token.
pub(super) fn open(path: &str, method: &Method) -> Option<Response<Bytes>> {
    let answer = match path {
        "/healthz" | "/livez" | "/readyz" => status::text(StatusCode::OK, "ok".to_owned()),
        "/version" | "/version/" => status::json_response(StatusCode::OK, &version()),
        _ => return None,
    };
    Some(if *method == Method::GET {
        answer
    } else {
        Refusal::method_not_allowed().response()
    })
}

fn version() -> Value {
    json!({
        "major": "1", "minor": "35", "gitVersion": VERSION, "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "", "platform": "linux/amd64",
    })
}

/// The lists of groups and of resources, and what describes them, by path.
pub(super) fn groups(path: &str) -> Option<Value> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["api"] => Some(json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
        })),
        ["apis"] => {
            let names: BTreeSet<&str> = KINDS
                .iter()
                .map(|kind| kind.group)
                .filter(|group| !group.is_empty())
                .collect();
            let groups: Vec<Value> = names.into_iter().map(group).collect();
            Some(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
        }
        ["apis", name] if KINDS.iter().any(|kind| kind.group == *name) => {
            let mut group = group(name);
            group["kind"] = "APIGroup".into();
            group["apiVersion"] = "v1".into();
            Some(group)
        }
        ["openapi", ..] => super::openapi::document(path),
        ["api", version] => resources("", version),
        ["apis", group, version] => resources(group, version),
        _ => None,
    }
}

fn group(name: &str) -> Value {
    let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
    json!({"name": name, "versions": [version], "preferredVersion": version})
}

fn resources(group: &str, version: &str) -> Option<Value> {
    let kinds: Vec<&Kind> = KINDS
        .iter()
        .filter(|kind| kind.group == group && kind.version == version)
        .collect();
    let group_version = kinds.first()?.api_version();
    let rows: Vec<Value> = kinds.into_iter().flat_map(rows).collect();
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": rows}))
}

fn rows(kind: &Kind) -> Vec<Value> {
    let verbs: &[&str] = match kind.service {
        Service::Full => &["create", "delete", "get", "list", "patch", "update", "watch"],
        Service::Given => &["get", "list", "patch", "update", "watch"],
        Service::Refused => &["get", "list", "watch"],
        Service::Review => &["create"],
    };
    let mut whole = json!({
        "name": kind.plural, "singularName": kind.kind.to_lowercase(), "namespaced": kind.namespaced, "kind": kind.kind,
        "verbs": verbs,
    });
    if !kind.short.is_empty() {
        whole["shortNames"] = json!(kind.short);
    }
    let part = |name: &&str| match *name {
        "eviction" => json!({
            "name": format!("{}/eviction", kind.plural), "singularName": "", "namespaced": kind.namespaced,
            "group": "policy", "version": "v1", "kind": "Eviction", "verbs": ["create"],
        }),
        name => {
            let verbs: &[&str] = if name == "log" {
                &["get"]
            } else {
                &["get", "patch", "update"]
            };
            json!({
                "name": format!("{}/{name}", kind.plural), "singularName": "", "namespaced": kind.namespaced,
                "kind": kind.kind, "verbs": verbs,
            })
        }
    };
    [whole]
        .into_iter()
        .chain(kind.subresources.iter().filter(|name| **name != "finalize").map(part))
        .collect()
}
