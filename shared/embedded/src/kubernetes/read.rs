//! GET of one object and of lists, in pages that show one revision.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::canonical::view;
use super::json::cut;
use super::machine::Machine;
use super::objects::Key;
use super::request::{Call, Shape};
use super::selectors::Selector;
use super::status::{Refusal, json_response};

const TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You must start a new list \
                       without the continue parameter.";

/// Where the next page begins, in the revision that the first page showed (apiserver's `pkg/storage/continue.go`).
#[derive(Debug, Serialize, Deserialize)]
struct Continue {
    v: String,
    rv: u64,
    /// Kind, namespace and name of the last object shown.
    after: (usize, String, String),
}

impl Machine {
    pub(super) fn get(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let key = Key::new(call.id, &call.namespace, &call.name);
        let object = self
            .objects
            .get(&key)
            .ok_or_else(|| Refusal::not_found(call.kind(), &call.name))?;
        Ok(json_response(StatusCode::OK, &view(object, call.shape)))
    }

    pub(super) fn list(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let selector = Selector::read(
            call.kind(),
            call.query.text("labelSelector"),
            call.query.text("fieldSelector"),
        )?;
        let limit = call.query.number("limit")?.filter(|limit| *limit > 0);
        let limit = limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let token = continue_token(call)?;
        let revision = match &token {
            Some(token) => token.rv,
            None => self.asked_revision(call)?,
        };
        let objects = self
            .objects
            .at(revision, call.id, &call.namespace)
            .ok_or_else(|| match token {
                Some(_) => Refusal::expired(TOO_OLD),
                None => Refusal::expired(format!(
                    "The resourceVersion for the provided list is too old: {revision}"
                )),
            })?;
        let after = token.map(|token| Key {
            id: token.after.0,
            namespace: token.after.1,
            name: token.after.2,
        });
        let later: Vec<(Key, Arc<Value>)> = objects
            .into_iter()
            .filter(|(key, _)| after.as_ref().is_none_or(|after| key > after))
            .filter(|(_, object)| selector.selects(object))
            .collect();
        let shown = limit.unwrap_or(later.len()).min(later.len());
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if let Some((last, _)) = later[..shown].last().filter(|_| shown < later.len()) {
            let after = (last.id, last.namespace.clone(), last.name.clone());
            metadata["continue"] = seal(&Continue {
                v: "meta.k8s.io/v1".to_owned(),
                rv: revision,
                after,
            })?
            .into();
            if selector.is_empty() {
                metadata["remainingItemCount"] = (later.len() - shown).into();
            }
        }
        let items: Vec<Value> = later[..shown]
            .iter()
            .map(|(_, object)| listed(object, call.shape))
            .collect();
        let (kind, api_version) = match call.shape {
            Shape::Whole => (format!("{}List", call.kind().kind), call.kind().api_version()),
            Shape::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
        };
        let body = json!({"kind": kind, "apiVersion": api_version, "metadata": metadata, "items": items});
        Ok(json_response(StatusCode::OK, &body))
    }

    /// The revision that a list is to show: the current one, unless exactly another is asked for.
    fn asked_revision(&self, call: &Call<'_>) -> Result<u64, Refusal> {
        let current = self.objects.revision();
        let asked = call.query.number("resourceVersion")?.unwrap_or(0);
        if asked > current {
            return Err(Refusal::too_large_version(asked, current));
        }
        match call.query.text("resourceVersionMatch") {
            "Exact" if asked > 0 => Ok(asked),
            "" | "NotOlderThan" => Ok(current),
            other => Err(Refusal::bad_request(format!(
                "resourceVersionMatch {other:?} does not fit the resourceVersion"
            ))),
        }
    }
}

/// An object as lists show it: their items leave kind and version out.
fn listed(object: &Value, shape: Shape) -> Value {
    let mut item = view(object, shape);
    if shape == Shape::Whole {
        cut(&mut item, "/kind");
        cut(&mut item, "/apiVersion");
    }
    item
}

fn continue_token(call: &Call<'_>) -> Result<Option<Continue>, Refusal> {
    let text = call.query.text("continue");
    if text.is_empty() {
        return Ok(None);
    }
    if !matches!(call.query.text("resourceVersion"), "" | "0") {
        return Err(Refusal::bad_request(
            "specifying resource version is not allowed when using continue",
        ));
    }
    let decoded = URL_SAFE_NO_PAD.decode(text).ok();
    let token: Option<Continue> = decoded.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let fits = |token: &Continue| {
        token.v == "meta.k8s.io/v1"
            && token.after.0 == call.id
            && (call.namespace.is_empty() || token.after.1 == call.namespace)
    };
    token
        .filter(fits)
        .map(Some)
        .ok_or_else(|| Refusal::bad_request("continue key is not valid"))
}

fn seal(token: &Continue) -> Result<String, Refusal> {
    let bytes = serde_json::to_vec(token).map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
