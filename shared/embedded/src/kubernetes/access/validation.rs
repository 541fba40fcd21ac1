//! Rules that roles and bindings must keep (`pkg/apis/rbac/validation`).

use serde_json::Value;

use super::super::json::{items, text};
use super::super::registry::Kind;
use super::super::status::Cause;
use super::defaults::GROUP;

/// That a binding is for one role for ever. The value is shown as the real server shows it: by the names of Go's fields.
pub(in super::super) fn changed_role(reference: &Value) -> Cause {
    let field = |name: &str| format!("{:?}", text(reference, &format!("/{name}")));
    let (group, kind, name) = (field("apiGroup"), field("kind"), field("name"));
    let value = format!("{{\"APIGroup\":{group},\"Kind\":{kind},\"Name\":{name}}}");
    Cause::invalid_as("roleRef", &value, "cannot change roleRef")
}

/// Adds what is wrong with a role or binding.
pub(in super::super) fn check(kind: &Kind, object: &Value, causes: &mut Vec<Cause>) {
    match kind.kind {
        "Role" | "ClusterRole" => {
            for (index, rule) in items(object, "/rules").iter().enumerate() {
                policy_rule(rule, kind.namespaced, &format!("rules[{index}]"), causes);
            }
            let aggregation = &object["aggregationRule"];
            if !aggregation.is_null() && items(aggregation, "/clusterRoleSelectors").is_empty() {
                let detail = "at least one clusterRoleSelector required if aggregationRule is non-nil";
                causes.push(Cause::required("aggregationRule.clusterRoleSelectors", detail));
            }
        }
        _ => {
            role_reference(kind, object, causes);
            for (index, subject) in items(object, "/subjects").iter().enumerate() {
                self::subject(subject, kind.namespaced, &format!("subjects[{index}]"), causes);
            }
        }
    }
}

fn policy_rule(rule: &Value, namespaced: bool, at: &str, causes: &mut Vec<Cause>) {
    let is_empty = |field: &str| items(rule, &format!("/{field}")).is_empty();
    if is_empty("verbs") {
        causes.push(Cause::required(
            format!("{at}.verbs"),
            "verbs must contain at least one value",
        ));
    }
    if !is_empty("nonResourceURLs") {
        let mut wrong = |detail: &str| {
            let paths = rule["nonResourceURLs"].clone();
            causes.push(Cause::invalid(format!("{at}.nonResourceURLs"), paths, detail));
        };
        if namespaced {
            wrong("namespaced rules cannot apply to non-resource URLs");
        }
        if !["apiGroups", "resources", "resourceNames"].into_iter().all(is_empty) {
            wrong("rules cannot apply to both regular resources and non-resource URLs");
        }
        return;
    }
    for (field, what) in [("apiGroups", "api group"), ("resources", "resource")] {
        if is_empty(field) {
            let detail = format!("resource rules must supply at least one {what}");
            causes.push(Cause::required(format!("{at}.{field}"), &detail));
        }
    }
}

fn role_reference(kind: &Kind, object: &Value, causes: &mut Vec<Cause>) {
    let group = text(object, "/roleRef/apiGroup");
    if group != GROUP {
        causes.push(Cause::unsupported("roleRef.apiGroup", group, &[GROUP]));
    }
    let role = text(object, "/roleRef/kind");
    let supported: &[&str] = if kind.namespaced {
        &["Role", "ClusterRole"]
    } else {
        &["ClusterRole"]
    };
    if !supported.contains(&role) {
        causes.push(Cause::unsupported("roleRef.kind", role, supported));
    }
    if text(object, "/roleRef/name").is_empty() {
        causes.push(Cause::required("roleRef.name", ""));
    }
}

fn subject(subject: &Value, namespaced: bool, at: &str, causes: &mut Vec<Cause>) {
    let field = |name: &str| text(subject, &format!("/{name}"));
    if field("name").is_empty() {
        causes.push(Cause::required(format!("{at}.name"), ""));
    }
    let group = match field("kind") {
        "ServiceAccount" => "",
        "User" | "Group" => GROUP,
        other => {
            let supported = ["ServiceAccount", "User", "Group"];
            causes.push(Cause::unsupported(format!("{at}.kind"), other, &supported));
            return;
        }
    };
    if field("apiGroup") != group {
        causes.push(Cause::unsupported(
            format!("{at}.apiGroup"),
            field("apiGroup"),
            &[group],
        ));
    }
    if group.is_empty() && !namespaced && field("namespace").is_empty() {
        causes.push(Cause::required(format!("{at}.namespace"), ""));
    }
}
