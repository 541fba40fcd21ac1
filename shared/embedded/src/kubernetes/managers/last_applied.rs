//! The annotation in which `kubectl apply` keeps what it applied, and what it means to server-side apply by kubectl.

use serde_json::Value;

use super::super::fields::{Set, compare, fields_of};
use super::super::json::text;
use super::super::schema::Place;

/// The one manager for whom the annotation counts.
pub(super) const KUBECTL: &str = "kubectl";
const ANNOTATION: &str = "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration";

/// The fields of `live` that are as kubectl applied them once: it takes them over from whoever has them now.
pub(super) fn own(place: Place, live: &Value) -> Set {
    let last: Value = serde_json::from_str(text(live, ANNOTATION)).unwrap_or_default();
    if last["apiVersion"] != live["apiVersion"] || !last.is_object() {
        return Set::default();
    }
    let changes = compare(place, &last, live);
    let own = fields_of(place, &last);
    own.difference(&changes.modified)
        .difference(&changes.added)
        .difference(&changes.removed)
}

/// Keeps the annotation of `new`, where it has one, at what is applied.
pub(super) fn renew(new: &mut Value, config: &Value) {
    if text(new, ANNOTATION).is_empty() {
        return;
    }
    let mut config = config.clone();
    if let Some(Value::Object(annotations)) = config.pointer_mut("/metadata/annotations") {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
    if let Some(annotation) = new.pointer_mut(ANNOTATION) {
        *annotation = format!("{config}\n").into();
    }
}
