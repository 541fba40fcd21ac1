//! Objects as their schema has them: typed, without unknown fields, with quantities checked.

use http::Method;
use serde_json::Value;

use super::duplicates;
use super::json::text;
use super::quantity;
use super::registry::{KINDS, Kind};
use super::request::{Call, Shape};
use super::status::Refusal;

/// Reads the object of a request body, or what a patch made.
///
/// Fields that are unknown or come twice are dropped with a warning, or refused with `fieldValidation=Strict`; absent
/// `kind` and `apiVersion` are those of the path, as on the real server.
pub(super) fn read(call: &Call<'_>, mut object: Value) -> Result<Value, Refusal> {
    let kind = call.kind();
    if !object.is_object() {
        return Err(call.unrecognized("it is not an object"));
    }
    let own = (kind.kind.to_owned(), kind.api_version());
    let given = |pointer: &str, own: &str| match text(&object, pointer) {
        "" => own.to_owned(),
        given => given.to_owned(),
    };
    let given = (given("/kind", &own.0), given("/apiVersion", &own.1));
    if given != own {
        return Err(unusable(call, &object, &given, &unconvertible(kind, &given)));
    }
    object["kind"] = own.0.into();
    object["apiVersion"] = own.1.into();
    if object["metadata"].is_null() {
        object["metadata"] = Value::Object(serde_json::Map::new());
    }
    let shown = (call.method == Method::PATCH).then(|| object.clone());
    let refuse = |object: &Value, why: &str| unusable(call, shown.as_ref().unwrap_or(object), &given, why);
    quantity::settle(&mut object).map_err(|error| refuse(&object, &error.to_string()))?;
    let mut canonical = (kind.canonical)(&object).map_err(|error| refuse(&object, &error.to_string()))?;
    let validation = call.query.text("fieldValidation");
    if validation != "Ignore" {
        let odd = oddities(call, &object, &canonical);
        if validation == "Strict" && !odd.is_empty() {
            return Err(refuse(&object, &format!("strict decoding error: {}", odd.join(", "))));
        }
        odd.into_iter().for_each(|odd| call.warn(odd));
    }
    if let Some(Value::Object(metadata)) = canonical.get_mut("metadata") {
        metadata.retain(|name, value| name == "managedFields" || !is_empty(value));
    }
    Ok(canonical)
}

/// The paths of what a kind does not know of `object`.
pub(super) fn unknown(kind: &Kind, object: &Value) -> Result<Vec<String>, String> {
    let mut object = object.clone();
    quantity::settle(&mut object).map_err(|error| error.to_string())?;
    let canonical = (kind.canonical)(&object).map_err(|error| error.to_string())?;
    let mut unknown = Vec::new();
    lost(&object, &canonical, "", &mut unknown);
    Ok(unknown)
}

/// Whether a field of metadata says nothing: it is left out then.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// An object that its kind cannot be, told as the real server does of bodies and of patches.
fn unusable(call: &Call<'_>, object: &Value, given: &(String, String), why: &str) -> Refusal {
    if call.method == Method::PATCH {
        // A strategic merge patch is told as it was sent, the others by what they made.
        let shown = match call.content_type.as_str() {
            "application/strategic-merge-patch+json" => String::from_utf8_lossy(call.body).into_owned(),
            _ => object.to_string(),
        };
        return Refusal::invalid_patch(&shown, why);
    }
    let version = given.1.rsplit('/').next().unwrap_or("");
    let own = call.kind().kind;
    let message = format!("{} in version {version:?} cannot be handled as a {own}: {why}", given.0);
    Refusal::bad_request(message)
}

/// Why an object of another kind or version is not one of `kind`.
fn unconvertible(kind: &Kind, (name, version): &(String, String)) -> String {
    let known = KINDS
        .iter()
        .any(|one| one.kind == name && one.api_version() == *version);
    if !known {
        return format!(
            "no kind {name:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:111\""
        );
    }
    // Go's names of both types: that of the version's package, and that of the internal one.
    let package = match kind.group.split('.').next() {
        Some("") | None => "core",
        Some(package) => package,
    };
    let from = version.rsplit('/').next().unwrap_or("");
    format!(
        "converting ({from}.{name}) to ({package}.{}): unknown conversion",
        kind.kind
    )
}

/// The fields that an object has and its kind has not, and those that the body says twice.
fn oddities(call: &Call<'_>, object: &Value, canonical: &Value) -> Vec<String> {
    let mut odd = Vec::new();
    lost(object, canonical, "", &mut odd);
    let mut odd: Vec<String> = odd.iter().map(|path| format!("unknown field {path:?}")).collect();
    if call.method != Method::PATCH {
        let twice = duplicates::find(call.body).into_iter();
        odd.extend(twice.map(|path| format!("duplicate field {path:?}")));
    }
    odd
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
                    None => unknown.push(path),
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
