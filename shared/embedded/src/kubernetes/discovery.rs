//! What the server says of itself: version, health, groups and resources.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};

use super::aggregated;
use super::registry::{KINDS, Kind, Service};
use super::status::{self, Refusal};

/// The version that is followed.
pub(super) const VERSION: &str = "v1.35.4";

/// What `kubectl get all` shows.
const ALL: [&str; 5] = ["pods", "services", "deployments", "replicasets", "jobs"];

/// The paths that are no resources and speak of the server as a whole.
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

/// The lists of groups and of resources, and what describes them.
pub(super) fn groups(request: &Request<Bytes>) -> Option<Response<Bytes>> {
    let path = request.uri().path().trim_end_matches('/');
    let accept = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    if accept.is_some_and(|accept| accept.split(',').any(|range| range.trim() == aggregated::MEDIA_TYPE))
        && let Some(found) = whole(path)
    {
        let mut answer = status::json_response(StatusCode::OK, &found);
        let media = HeaderValue::from_static(aggregated::MEDIA_TYPE);
        answer.headers_mut().insert(header::CONTENT_TYPE, media);
        return Some(answer);
    }
    lists(path).map(|found| status::json_response(StatusCode::OK, &found))
}

/// Everything at once, of the core group or of all others.
fn whole(path: &str) -> Option<Value> {
    let of = |name: &str| Some((name.to_owned(), resources(name, "v1")?));
    match path {
        "/api" => Some(aggregated::list(of("").into_iter())),
        "/apis" => Some(aggregated::list(names().into_iter().filter_map(of))),
        _ => None,
    }
}

/// The names of all groups but the core one.
fn names() -> BTreeSet<&'static str> {
    KINDS
        .iter()
        .map(|kind| kind.group)
        .filter(|group| !group.is_empty())
        .collect()
}

fn lists(path: &str) -> Option<Value> {
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["api"] => Some(json!({
            "kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": ""}],
        })),
        ["apis"] => {
            let groups: Vec<Value> = names().into_iter().map(group).collect();
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
        Service::Full if kind.plural == "namespaces" => {
            &["create", "delete", "get", "list", "patch", "update", "watch"]
        }
        Service::Full => &[
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
            "watch",
        ],
        Service::Review => &["create"],
    };
    let mut whole = json!({
        "name": kind.plural, "singularName": kind.kind.to_lowercase(), "namespaced": kind.namespaced, "kind": kind.kind,
        "verbs": verbs,
    });
    if !kind.short.is_empty() {
        whole["shortNames"] = json!(kind.short);
    }
    if ALL.contains(&kind.plural) {
        whole["categories"] = json!(["all"]);
    }
    let part = |name: &&str| match *name {
        "eviction" => json!({
            "name": format!("{}/eviction", kind.plural), "singularName": "", "namespaced": kind.namespaced,
            "group": "policy", "version": "v1", "kind": "Eviction", "verbs": ["create"],
        }),
        "token" => json!({
            "name": format!("{}/token", kind.plural), "singularName": "", "namespaced": kind.namespaced,
            "group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest", "verbs": ["create"],
        }),
        "scale" => json!({
            "name": format!("{}/scale", kind.plural), "singularName": "", "namespaced": kind.namespaced,
            "group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"],
        }),
        "binding" => json!({
            "name": format!("{}/binding", kind.plural), "singularName": "", "namespaced": kind.namespaced,
            "kind": "Binding", "verbs": ["create"],
        }),
        name => {
            let verbs: &[&str] = match name {
                "log" => &["get"],
                "finalize" => &["update"],
                _ => &["get", "patch", "update"],
            };
            json!({
                "name": format!("{}/{name}", kind.plural), "singularName": "", "namespaced": kind.namespaced,
                "kind": kind.kind, "verbs": verbs,
            })
        }
    };
    [whole].into_iter().chain(kind.subresources.iter().map(part)).collect()
}
