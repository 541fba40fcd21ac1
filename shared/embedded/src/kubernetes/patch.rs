//! Patches: JSON merge patch (RFC 7386), JSON patch (RFC 6902) and strategic merge patch. Server-side apply is in
//! `apply`.

use json_patch::{AddOperation, PatchOperation, ReplaceOperation};
use serde_json::{Map, Value};

use super::request::Call;
use super::schema::Place;
use super::status::Refusal;
use super::strategic;

/// Operations of one JSON patch, as in kube-apiserver.
const OPERATIONS_MAX: usize = 10_000;

/// The object that a patch makes of `old`.
pub(super) fn apply(call: &Call<'_>, old: &Value) -> Result<Value, Refusal> {
    let mut new = old.clone();
    match call.content_type.as_str() {
        "application/merge-patch+json" => {
            let patch: Value = serde_json::from_slice(call.body).map_err(|error| unreadable(&error))?;
            if !patch.is_object() {
                return Err(Refusal::bad_request("a merge patch of an object is an object"));
            }
            json_patch::merge(&mut new, &patch);
        }
        "application/json-patch+json" => {
            let patch: Vec<Value> = serde_json::from_slice(call.body).map_err(|error| unreadable(&error))?;
            if patch.len() > OPERATIONS_MAX {
                return Err(Refusal::too_large(OPERATIONS_MAX));
            }
            for operation in patch {
                operate(&mut new, operation).ok_or_else(Refusal::unprocessable)?;
            }
        }
        "application/strategic-merge-patch+json" => {
            let patch: Map<String, Value> =
                serde_json::from_slice(call.body).map_err(|error| Refusal::bad_request(error.to_string()))?;
            if let Value::Object(new) = &mut new {
                strategic::merge(Place::whole(call.kind().kind), new, patch)?;
            }
        }
        _ => return Err(Refusal::unsupported_patch()),
    }
    // A status cannot be changed beside its subresource, nor anything else through it; `update` sees to both.
    Ok(new)
}

/// Does one operation of a JSON patch, if it can be done.
fn operate(object: &mut Value, operation: Value) -> Option<()> {
    let operation = match serde_json::from_value(operation).ok()? {
        // The real server's library takes what is not there for null.
        PatchOperation::Replace(ReplaceOperation { path, value }) if object.pointer(path.as_str()).is_none() => {
            PatchOperation::Add(AddOperation { path, value })
        }
        operation => operation,
    };
    json_patch::patch(object, &[operation]).ok()
}

fn unreadable(error: &serde_json::Error) -> Refusal {
    Refusal::bad_request(format!("error decoding patch: {error}"))
}
