//! GET of one object and of lists, in pages that show one revision.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Value, json};

use super::canonical::view;
use super::json::members;
use super::machine::Machine;
use super::objects::Key;
use super::request::{Call, Shape};
use super::selectors::Selector;
use super::status::{Refusal, json_response, json_text};

const TOO_OLD: &str = "The resourceVersion for the provided list is too old.";
const TOKEN_TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You can start a new list without \
                             the continue parameter, or use the continue token in this response to retrieve the remainder of the \
                             results. Continuing with the provided token results in an inconsistent list - objects that were \
                             created, modified, or deleted between the time the first chunk was returned and now may show up in the \
                             list.";

/// Where the next page begins, in the revision that the first page showed (apiserver's `pkg/storage/continue.go`).
#[derive(Debug, Serialize, Deserialize)]
struct Continue {
    v: String,
    /// Negative for the current state, whatever the first page showed.
    rv: i64,
    /// The place after the last object shown: its name, and its namespace before that where the list has several.
    start: String,
}

impl Continue {
    fn after(last: &Key, call: &Call<'_>, rv: u64) -> Continue {
        let place = match call.namespace.is_empty() && call.kind().namespaced {
            true => format!("/{}", last.namespace),
            false => String::new(),
        };
        Continue {
            v: "meta.k8s.io/v1".to_owned(),
            rv: i64::try_from(rv).unwrap_or(-1),
            start: format!("{place}/{}\0", last.name),
        }
    }

    /// The state that the first page showed is forgotten: what is left can be had as it is now.
    fn too_old(&self) -> Refusal {
        let left = Continue {
            v: self.v.clone(),
            rv: -1,
            start: self.start.clone(),
        };
        seal(&left).map_or_else(|refusal| refusal, |token| Refusal::expired_page(TOKEN_TOO_OLD, token))
    }

    /// The last object shown.
    fn last(&self, call: &Call<'_>) -> Key {
        let place = self.start.trim_start_matches('/').trim_end_matches('\0');
        match place.split_once('/') {
            Some((namespace, name)) if call.namespace.is_empty() => Key::new(call.id, namespace, name),
            _ => Key::new(call.id, &call.namespace, place),
        }
    }
}

impl Machine {
    pub(super) fn get(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let (asked, current) = (version(call)?, self.objects.revision());
        if asked > current {
            return Err(Refusal::too_large_version(asked, current));
        }
        let object = self.existing(call)?;
        Ok(json_response(StatusCode::OK, &view(&object, call.shape)))
    }

    pub(super) fn list(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        self.page(call)?.answer(call)
    }

    /// What one call shows of a list.
    pub(super) fn page(&self, call: &Call<'_>) -> Result<Page, Refusal> {
        let selector = Selector::read(
            call.kind(),
            call.query.text("labelSelector"),
            call.query.text("fieldSelector"),
        )?;
        let limit = limit(call)?;
        let token = continue_token(call)?;
        let revision = match &token {
            Some(token) => u64::try_from(token.rv).unwrap_or(self.objects.revision()),
            None => self.asked_revision(call, limit.is_some())?,
        };
        let objects = self
            .objects
            .at(revision, call.id, &call.namespace)
            .ok_or_else(|| match &token {
                Some(token) => token.too_old(),
                None => Refusal::expired(TOO_OLD),
            })?;
        let after = token.map(|token| token.last(call));
        let from = objects.partition_point(|(key, _)| after.as_ref().is_some_and(|after| *key <= after));
        let mut later = objects[from..].iter().filter(|(_, object)| selector.selects(object));
        let shown = later.by_ref().take(limit.unwrap_or(usize::MAX));
        let shown: Vec<(Key, Arc<Value>)> = shown
            .map(|(key, object)| (Key::clone(key), Arc::clone(object)))
            .collect();
        // As the real server, which counts what is left only where nothing is selected.
        let left = match selector.is_empty() {
            true => later.count(),
            false => later.take(1).count(),
        };
        let mut metadata = json!({"resourceVersion": revision.to_string()});
        if let Some((last, _)) = shown.last().filter(|_| left > 0) {
            metadata["continue"] = seal(&Continue::after(last, call, revision))?.into();
            if selector.is_empty() {
                metadata["remainingItemCount"] = left.into();
            }
        }
        Ok(Page { metadata, shown })
    }

    /// The revision that a list is to show: the current one, unless exactly another is asked for, which a page does
    /// that names one.
    fn asked_revision(&self, call: &Call<'_>, is_page: bool) -> Result<u64, Refusal> {
        let (asked, current) = (version(call)?, self.objects.revision());
        if asked > current {
            return Err(Refusal::too_large_version(asked, current));
        }
        let exact = match call.query.text("resourceVersionMatch") {
            "" => is_page,
            how => how == "Exact",
        };
        Ok(if exact && asked > 0 { asked } else { current })
    }
}

/// What one call shows of a list.
pub(super) struct Page {
    metadata: Value,
    pub(super) shown: Vec<(Key, Arc<Value>)>,
}

impl Page {
    /// The list as the answer to `call`.
    pub(super) fn answer(&self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let (kind, api_version) = match call.shape {
            Shape::Whole => (format!("{}List", call.kind().kind), call.kind().api_version()),
            Shape::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1".to_owned()),
        };
        let items = self.shown.iter().map(|(_, object)| Listed(object, call.shape));
        let body = List {
            kind,
            api_version,
            metadata: &self.metadata,
            items: items.collect(),
        };
        let body = serde_json::to_string(&body).map_err(|error| Refusal::internal(error.to_string()))?;
        Ok(json_text(StatusCode::OK, body))
    }
}

/// The version of the state that a caller wants to see, or a newer one; 0 for any.
fn version(call: &Call<'_>) -> Result<u64, Refusal> {
    let text = call.query.text("resourceVersion");
    match text {
        "" => Ok(0),
        text => text.parse().map_err(|_| {
            let why = format!("Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax");
            Refusal::bad_request(format!("invalid resource version: resourceVersion: {why}"))
        }),
    }
}

/// The most objects of a page, where there is a limit.
fn limit(call: &Call<'_>) -> Result<Option<usize>, Refusal> {
    let text = call.query.text("limit");
    let given: i64 = match text {
        "" => 0,
        text => text
            .parse()
            .map_err(|_| Refusal::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")))?,
    };
    Ok(usize::try_from(given).ok().filter(|limit| *limit > 0))
}

/// A list, written without a copy of what is in it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    kind: String,
    api_version: String,
    metadata: &'a Value,
    items: Vec<Listed<'a>>,
}

/// An object as lists show it: their items leave kind and version out.
struct Listed<'a>(&'a Value, Shape);

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.1 {
            Shape::Whole => {
                let shown = |(name, _): &(&String, &Value)| !matches!(name.as_str(), "kind" | "apiVersion");
                serializer.collect_map(members(self.0, "").filter(shown))
            }
            Shape::Metadata => view(self.0, self.1).serialize(serializer),
        }
    }
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
    let fits = |token: &Continue| token.v == "meta.k8s.io/v1" && token.start.starts_with('/');
    token
        .filter(fits)
        .map(Some)
        .ok_or_else(|| Refusal::bad_request("invalid continue token: continue key is not valid"))
}

fn seal(token: &Continue) -> Result<String, Refusal> {
    let bytes = serde_json::to_vec(token).map_err(|error| Refusal::internal(error.to_string()))?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}
