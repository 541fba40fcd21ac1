//! What roles and bindings are given when they leave it out.

use serde_json::Value;

use super::super::json::{default, items_mut, text};
use super::super::registry::Kind;

pub(super) const GROUP: &str = "rbac.authorization.k8s.io";

/// Whether a kind is a role or a binding.
pub(in super::super) fn is_rbac(kind: &Kind) -> bool {
    kind.group == GROUP
}

/// Fills in what a role or binding leaves out.
pub(in super::super) fn fill(object: &mut Value) {
    if object["roleRef"].is_object() && text(object, "/roleRef/apiGroup").is_empty() {
        object["roleRef"]["apiGroup"] = GROUP.into();
    }
    for subject in items_mut(object, "/subjects") {
        if matches!(text(subject, "/kind"), "User" | "Group") {
            default(subject, "/apiGroup", GROUP);
        }
    }
}
