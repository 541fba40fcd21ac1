//! The route table and its API, with configurable-http-proxy's answers: no sockets, no clock, no randomness.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use axum::extract::Query;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde_json::{Map, Value};

/// Most routes that the table holds; the real one has no bound.
const ROUTES_MAX: usize = 100_000;
/// Root of the API; what follows it is the route's path.
const API_ROOT: &str = "/api/routes";
const TARGET: &str = "target";
const LAST_ACTIVITY: &str = "last_activity";

/// The plain machine behind the proxy: routes by path, their targets and their last activity.
pub struct Machine {
    token: String,
    routes: BTreeMap<String, Route>,
}

/// Where a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match<'a> {
    /// Path of the route that matched, `/user/x`.
    pub prefix: &'a str,
    /// URL of its target as it was registered, `http://10.0.0.7:8888`.
    pub target: &'a str,
}

struct Route {
    target: String,
    /// Everything that was posted, `target` included: the API gives it back.
    posted: Map<String, Value>,
    last_activity: Timestamp,
}

impl Machine {
    /// An empty table whose API takes `Authorization: token <token>`.
    #[must_use]
    pub fn new(token: String) -> Machine {
        Machine {
            token,
            routes: BTreeMap::new(),
        }
    }

    /// Answers one request to the API. The path `/api/routes[/<route>]` is split from its query here.
    ///
    /// Statuses as observed of configurable-http-proxy 5.3.0: wrong path 404, wrong method 405 (both before the token is
    /// looked at), wrong token 403, list 200, one route 200 or 404, added 201, removed 204 or 404, bad input 400.
    pub fn handle(&mut self, now: Timestamp, request: &Request<Bytes>) -> Response<Bytes> {
        let route = match request.uri().path().strip_prefix(API_ROOT) {
            Some(route) if route.is_empty() || route.starts_with('/') => route,
            Some(_) | None => return refuse(StatusCode::NOT_FOUND, "Not Found"),
        };
        // The real one decodes here; no route of ours needs it, and half a decoding would name another route.
        if route.contains('%') {
            return refuse(
                StatusCode::NOT_IMPLEMENTED,
                "Percent-encoded route paths are not supported",
            );
        }
        let path = clean(route);
        match *request.method() {
            // The real one reads the body before the token, so nonsense from a stranger is 400, not 403.
            Method::POST => match serde_json::from_slice::<Value>(request.body()) {
                Err(error) => refuse(StatusCode::BAD_REQUEST, &format!("Body not valid JSON: {error}")),
                Ok(_) if !self.admits(request.headers()) => status(StatusCode::FORBIDDEN),
                Ok(body) => self.add(now, path, body),
            },
            Method::GET | Method::DELETE if !self.admits(request.headers()) => status(StatusCode::FORBIDDEN),
            Method::GET if path == "/" => self.list(request.uri()),
            Method::GET => match self.routes.get(path) {
                Some(route) => json(route.shown()),
                None => status(StatusCode::NOT_FOUND),
            },
            Method::DELETE => match self.routes.remove(path) {
                Some(_) => status(StatusCode::NO_CONTENT),
                None => status(StatusCode::NOT_FOUND),
            },
            _ => refuse(StatusCode::METHOD_NOT_ALLOWED, "Method not supported"),
        }
    }

    /// The route of the longest prefix of `path`, whole segments at a time.
    #[must_use]
    pub fn route(&self, path: &str) -> Option<Match<'_>> {
        // Several slashes in front or behind count as one; every key keeps the one in front.
        let start = path.len() - path.trim_start_matches('/').len();
        let path = &path[start.saturating_sub(1)..].trim_end_matches('/');
        let ends = std::iter::once(path.len()).chain(path.rmatch_indices('/').map(|(end, _)| end));
        let (prefix, route) = ends
            .filter_map(|end| self.routes.get_key_value(&path[..end]))
            .next()
            .or_else(|| self.routes.get_key_value("/"))?;
        Some(Match {
            prefix,
            target: &route.target,
        })
    }

    /// Records that the route at exactly `prefix` was used. A route that is gone stays gone.
    pub fn touch(&mut self, now: Timestamp, prefix: &str) {
        if let Some(route) = self.routes.get_mut(prefix) {
            route.last_activity = whole_milliseconds(now);
        }
    }

    /// When the route at exactly `prefix` was last used, to the millisecond.
    #[must_use]
    pub fn last_activity(&self, prefix: &str) -> Option<Timestamp> {
        self.routes.get(prefix).map(|route| route.last_activity)
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        // As lenient as the real one: whatever follows the word `token`, wherever it stands.
        let given = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        given.split_once("token").and_then(|(_, rest)| {
            rest.starts_with(char::is_whitespace)
                .then(|| rest.split_whitespace().next())?
        }) == Some(self.token.as_str())
    }

    fn add(&mut self, now: Timestamp, path: &str, body: Value) -> Response<Bytes> {
        let Some(target) = body.get(TARGET).and_then(Value::as_str).map(str::to_owned) else {
            return refuse(StatusCode::BAD_REQUEST, "Must specify 'target' as string");
        };
        if target.starts_with("https:") {
            return refuse(StatusCode::NOT_IMPLEMENTED, "Targets with TLS are not supported");
        }
        if self.routes.len() >= ROUTES_MAX && !self.routes.contains_key(path) {
            return refuse(StatusCode::INSUFFICIENT_STORAGE, "The route table is full");
        }
        let Value::Object(posted) = body else {
            return refuse(StatusCode::BAD_REQUEST, "Must specify 'target' as string");
        };
        let route = Route {
            target,
            posted,
            last_activity: whole_milliseconds(now),
        };
        self.routes.insert(path.to_owned(), route);
        status(StatusCode::CREATED)
    }

    fn list(&self, uri: &Uri) -> Response<Bytes> {
        let Ok(Query(query)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else {
            return refuse(StatusCode::BAD_REQUEST, "Invalid query");
        };
        let value = |name| {
            query
                .iter()
                .find(|(key, value)| key == name && !value.is_empty())
                .map(|(_, value)| value)
        };
        let before = match value("inactiveSince").or_else(|| value("inactive_since")) {
            None => None,
            Some(text) => match moment(text) {
                Some(moment) => Some(moment),
                None => {
                    let message = format!("Invalid datestamp '{text}' must be ISO8601.");
                    return refuse(StatusCode::BAD_REQUEST, &message);
                }
            },
        };
        let routes = self
            .routes
            .iter()
            .filter(|(_, route)| before.is_none_or(|before| route.last_activity < before));
        json(Value::Object(
            routes.map(|(path, route)| (path.clone(), route.shown())).collect(),
        ))
    }
}

impl Route {
    fn shown(&self) -> Value {
        let mut shown = self.posted.clone();
        shown.insert(
            LAST_ACTIVITY.to_owned(),
            Value::String(format!("{:.3}", self.last_activity)),
        );
        Value::Object(shown)
    }
}

/// The form in which paths are kept: a slash in front, none behind.
fn clean(path: &str) -> &str {
    match path.strip_suffix('/').unwrap_or(path) {
        "" => "/",
        path => path,
    }
}

/// A date or a time as JavaScript's `Date.parse` reads ISO 8601, in UTC where it names no offset.
fn moment(text: &str) -> Option<Timestamp> {
    let local = || {
        text.parse::<DateTime>()
            .ok()?
            .to_zoned(TimeZone::UTC)
            .ok()
            .map(|zoned| zoned.timestamp())
    };
    text.parse().ok().or_else(local).map(whole_milliseconds)
}

fn whole_milliseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at)
}

fn status(status: StatusCode) -> Response<Bytes> {
    refuse(status, "")
}

fn refuse(status: StatusCode, message: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::copy_from_slice(message.as_bytes()));
    *response.status_mut() = status;
    response
}

fn json(value: Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(value.to_string()));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
