//! Objects as their schema has them: typed, without unknown fields, with quantities checked.

use http::Method;
use serde_json::Value;

use super::json::{cut, text};
use super::quantity;
use super::request::{Call, Shape};
use super::status::{Cause, Refusal};

/// Reads the object of a request body.
///
/// Unknown fields are dropped, or refused with `fieldValidation=Strict`; absent `kind` and `apiVersion` are those of
/// the path, as on the real server.
pub(super) fn read(call: &Call<'_>, mut object: Value) -> Result<Value, Refusal> {
    let kind = call.kind();
    let api_version = kind.api_version();
    let unusable = |why: &str| {
        let message = format!(
            "{} in version {:?} cannot be handled as a {}: {why}",
            kind.kind, kind.version, kind.kind
        );
        match *call.method {
            Method::PATCH => Refusal::invalid("", "", "", &[Cause::invalid("patch", shown_body(call), why)]),
            _ => Refusal::bad_request(message),
        }
    };
    if !object.is_object() {
        return Err(unusable("the body is not an object"));
    }
    for (pointer, own) in [("/kind", kind.kind), ("/apiVersion", api_version.as_str())] {
        let given = text(&object, pointer);
        if !given.is_empty() && given != own {
            let message = match pointer {
                "/kind" => format!("{given} in version {:?} cannot be handled as a {own}", kind.version),
                _ => format!("the API version in the data ({given}) does not match the expected API version ({own})"),
            };
            return Err(Refusal::bad_request(message));
        }
        object[&pointer[1..]] = own.into();
    }
    if object["metadata"].is_null() {
        object["metadata"] = Value::Object(serde_json::Map::new());
    }
    quantity::settle(&mut object).map_err(|error| unusable(&error.to_string()))?;
    let mut canonical = (kind.canonical)(&object).map_err(|error| unusable(&error.to_string()))?;
    if call.query.text("fieldValidation") == "Strict" {
        let mut unknown = Vec::new();
        lost(&object, &canonical, "", &mut unknown);
        if !unknown.is_empty() {
            return Err(unusable(&format!("strict decoding error: {}", unknown.join(", "))));
        }
    }
    cut(&mut canonical, "/metadata/managedFields");
    if let Some(Value::Object(metadata)) = canonical.get_mut("metadata") {
        metadata.retain(|_, value| !is_empty(value));
    }
    Ok(canonical)
}

/// Whether a field of metadata says nothing: it is left out then.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// The body of a call as messages show it.
fn shown_body(call: &Call<'_>) -> String {
    String::from_utf8_lossy(call.body).into_owned()
}

/// Collects what of `given` is not in `kept`.
fn lost(given: &Value, kept: &Value, path: &str, unknown: &mut Vec<String>) {
    match (given, kept) {
        (Value::Object(given), Value::Object(kept)) => {
            for (name, value) in given.iter().filter(|(_, value)| !value.is_null()) {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                match kept.get(name) {
                    Some(kept) => lost(value, kept, &path, unknown),
                    None => unknown.push(format!("unknown field {path:?}")),
                }
            }
        }
        (Value::Array(given), Value::Array(kept)) => {
            for (index, (given, kept)) in given.iter().zip(kept).enumerate() {
                lost(given, kept, &format!("{path}[{index}]"), unknown);
            }
        }
        _ => {}
    }
}

/// An object as the caller wants to see it.
pub(super) fn view(object: &Value, shape: Shape) -> Value {
    match shape {
        Shape::Whole => object.clone(),
        Shape::Metadata => serde_json::json!({
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": object["metadata"],
        }),
    }
}
