//! Patches: JSON merge patch (RFC 7386) and JSON patch (RFC 6902). The others are refused.

use serde_json::Value;

use super::request::Call;
use super::status::Refusal;

const ACCEPTED: &str = "application/json-patch+json, application/merge-patch+json";
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
            let patch: json_patch::Patch = serde_json::from_slice(call.body).map_err(|error| unreadable(&error))?;
            if patch.0.len() > OPERATIONS_MAX {
                return Err(Refusal::too_large(OPERATIONS_MAX));
            }
            json_patch::patch(&mut new, &patch).map_err(|_| Refusal::unprocessable())?;
        }
        "application/strategic-merge-patch+json" => return Err(Refusal::not_simulated("a strategic merge patch")),
        "application/apply-patch+yaml" => return Err(Refusal::not_simulated("server-side apply")),
        _ => return Err(Refusal::unsupported_media_type(ACCEPTED)),
    }
    // A status cannot be changed beside its subresource, nor anything else through it; `update` sees to both.
    Ok(new)
}

fn unreadable(error: &serde_json::Error) -> Refusal {
    Refusal::bad_request(format!("error decoding patch: {error}"))
}
