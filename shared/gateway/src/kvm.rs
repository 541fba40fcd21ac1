//! Apigee's key value maps, in which the public key of a new environment is put, as the older service did.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::limits::{AUTHORITY_SPAN, ROLES_ANSWER_MAX};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use net::{Fetch, Net, Scope, within};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use crate::ConfigError;
use crate::config::OutsideConfig;

/// The map, and the entry in it.
const MAP: &str = "shipyard-routing";
const ENTRY: &str = "x-routing-api-key";
/// The property of organisations whose maps are changed entry by entry.
const BY_ENTRY: &str = "features.isCpsEnabled";

/// Apigee's key value maps. Cheap to clone.
#[derive(Clone)]
pub struct Kvm(Arc<Inner>);

struct Inner {
    fetch: Fetch,
    /// Without a slash at its end.
    url: String,
}

/// Why the key was not put.
#[derive(Debug, Error)]
pub enum KvmError {
    /// Apigee did not answer.
    #[error("Apigee cannot be reached: {0}")]
    Net(#[from] net::Error),
    /// Apigee refused.
    #[error("Apigee answered {status} to {what}")]
    Status {
        /// What was asked.
        what: &'static str,
        /// What it answered.
        status: StatusCode,
    },
    /// A name or the token makes no request.
    #[error("the request cannot be made: {0}")]
    Request(#[from] http::Error),
}

impl Kvm {
    /// # Errors
    /// [`ConfigError::Client`] when the client cannot be made.
    pub(crate) fn connect(net: &Net, url: &Uri, outside: &OutsideConfig) -> Result<Self, ConfigError> {
        let fetch = net.fetch(outside.rules(AUTHORITY_SPAN, ROLES_ANSWER_MAX, [url]));
        Ok(Self(Arc::new(Inner {
            fetch: fetch.map_err(|error| ConfigError::Client(format!("Apigee: {error}")))?,
            url: url.to_string().trim_end_matches('/').to_owned(),
        })))
    }

    /// Puts the public key of the environment `environment` of `organisation`, the 44 characters that its secret has,
    /// with the caller's own `authorization`. Done again, it changes nothing. It takes 4 s at most.
    ///
    /// # Errors
    /// See [`KvmError`].
    pub async fn put_key(
        &self,
        authorization: &HeaderValue,
        organisation: &str,
        environment: &str,
        public_key: &str,
    ) -> Result<(), KvmError> {
        let scope = Scope::current().unwrap_or_else(|| Scope::lasting(AUTHORITY_SPAN));
        let putting = self.0.put_key(authorization, organisation, environment, public_key);
        within(scope.at_most(AUTHORITY_SPAN), putting).await
    }
}

impl Inner {
    async fn put_key(
        &self,
        authorization: &HeaderValue,
        organisation: &str,
        environment: &str,
        public_key: &str,
    ) -> Result<(), KvmError> {
        let organisation = format!("/v1/organizations/{organisation}");
        let maps = format!("{organisation}/environments/{environment}/keyvaluemaps");
        let entry = json!({ "name": ENTRY, "value": STANDARD.encode(public_key) });
        let map = json!({ "name": MAP, "entry": [entry] });
        let post = |path: String, body: &Value| self.ask(Method::POST, path, authorization, Some(body.to_string()));
        match post(maps.clone(), &map).await?.status() {
            StatusCode::CREATED => return Ok(()),
            StatusCode::CONFLICT => {}
            status => return Err(refused("a new map", status)),
        }
        // The map is there: its entry is written over.
        let told = self.ask(Method::GET, organisation, authorization, None).await?;
        if told.status() != StatusCode::OK {
            return Err(refused("what the organisation is like", told.status()));
        }
        let written = if is_by_entry(told.body()) {
            post(format!("{maps}/{MAP}/entries/{ENTRY}"), &entry).await?
        } else {
            post(format!("{maps}/{MAP}"), &map).await?
        };
        match written.status() {
            StatusCode::OK => Ok(()),
            status => Err(refused("an entry of its map", status)),
        }
    }

    async fn ask(
        &self,
        method: Method,
        path: String,
        authorization: &HeaderValue,
        body: Option<String>,
    ) -> Result<Response<Bytes>, KvmError> {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header(AUTHORIZATION, authorization)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json");
        let request = request.body(Bytes::from(body.unwrap_or_default()))?;
        Ok(self.fetch.send(request).await?)
    }
}

fn refused(what: &'static str, status: StatusCode) -> KvmError {
    KvmError::Status { what, status }
}

/// Whether what is said of an organisation has the property [`BY_ENTRY`]:
/// `{"properties": {"property": [{"name", "value"}]}}`.
fn is_by_entry(told: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Told {
        properties: Properties,
    }
    #[derive(Deserialize)]
    struct Properties {
        property: Vec<Property>,
    }
    #[derive(Deserialize)]
    struct Property {
        name: String,
        value: String,
    }
    let told: Option<Told> = serde_json::from_slice(told).ok();
    let mut properties = told.into_iter().flat_map(|told| told.properties.property);
    properties.any(|property| property.name == BY_ENTRY && property.value == "true")
}
