//! Many endpoints in one process: the local adapter, the tests, and `fallback` behind API Gateway's `$default` route.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::{Code, Endpoint};
use bytes::Bytes;
use futures::future::join_all;
use http::{Request, Response};
use percent_encoding::percent_decode_str;
use tokio::time::Instant;

use crate::route::{Incoming, stamp};
use crate::{ConfigError, Edge, Mounted, Problem, Reply, Route};

/// Every endpoint of some rooms, by path and method. A trailing slash is optional; what no route takes is 404 or 405
/// in the words of a problem document.
pub struct Router {
    paths: matchit::Router<Methods>,
    mounted: Vec<Mounted>,
    stray: Mounted,
    edge: Arc<Edge>,
}

/// What a path has, by method: the endpoint and its route key.
type Methods = BTreeMap<&'static str, (Mounted, String)>;

/// A raw request with its body read, as adapters hand it over.
pub type RawRequest = Request<Bytes>;

impl Router {
    /// Mounts `routes`; `stray` is the endpoint in whose name unknown paths and methods are answered.
    ///
    /// # Errors
    /// [`ConfigError`] when an endpoint cannot be mounted, or two paths contradict each other.
    pub fn mount(edge: &Arc<Edge>, routes: &[&Route], stray: &'static Endpoint) -> Result<Self, ConfigError> {
        let mut by_path: BTreeMap<&'static str, Methods> = BTreeMap::new();
        let mut mounted = Vec::new();
        for route in routes {
            let Some((method, paths)) = route.endpoint.http() else {
                continue;
            };
            let one = (route.mount)(edge, route.endpoint)?;
            mounted.push(one.clone());
            for path in paths {
                let key = format!("{} {path}", method.as_str());
                by_path
                    .entry(path)
                    .or_default()
                    .insert(method.as_str(), (one.clone(), key));
            }
        }
        let mut paths = matchit::Router::new();
        for (path, methods) in by_path {
            paths
                .insert(path, methods)
                .map_err(|error| ConfigError::Client(format!("{path}: {error}")))?;
        }
        let nowhere = |_: crate::Nothing, _: crate::Call| async { Err::<Reply, _>(Problem::new(Code::NotFound, "")) };
        let stray = edge.mount(stray, nowhere)?;
        Ok(Self {
            paths,
            mounted,
            stray,
            edge: Arc::clone(edge),
        })
    }

    /// Opens every endpoint's connections, all at once, for a bounded time.
    pub async fn warm(&self) {
        let one_each: BTreeMap<_, _> = self.mounted.iter().map(|one| (one.powers(), one)).collect();
        join_all(one_each.into_values().map(Mounted::warm)).await;
    }

    /// Answers one request, which must be done by `deadline`. `request_id` is a UUID; without one, one is made.
    pub async fn answer(&self, request: RawRequest, request_id: Option<String>, deadline: Instant) -> Response<Bytes> {
        let request_id = request_id.unwrap_or_else(|| self.edge.request_id());
        let (parts, body) = request.into_parts();
        let path = parts.uri.path().to_owned();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let bare = without_slash(&path);
        let incoming = |route_key: String, params| Incoming {
            path: bare.to_owned(),
            params,
            query,
            headers: parts.headers,
            body,
            request_id: request_id.clone(),
            route_key,
            deadline,
        };
        let Ok(found) = self.paths.at(bare) else {
            let problem = Problem::new(
                Code::NotFound,
                "There is nothing at this path; GET /version tells what this is",
            );
            return self.stray.refuse(problem, incoming("$default".to_owned(), Vec::new()));
        };
        match found.value.get(parts.method.as_str()) {
            Some((mounted, key)) => {
                let params = found
                    .params
                    .iter()
                    .map(|(name, value)| (name.to_owned(), decoded(value)))
                    .collect();
                mounted.answer(incoming(key.clone(), params)).await
            }
            None => {
                let allow = found.value.keys().copied().collect::<Vec<_>>().join(", ");
                let detail = format!("This path has {allow}, not {}", parts.method);
                let problem = Problem::new(Code::MethodNotAllowed, detail).allowing(allow);
                self.stray.refuse(problem, incoming("$default".to_owned(), Vec::new()))
            }
        }
    }
}

impl Edge {
    /// The answer to a request that comes to no endpoint, in the form of all others. It writes no log line.
    pub fn answer(&self, replied: Result<Reply, Problem>) -> Response<Bytes> {
        let request_id = self.request_id();
        let mut response = match replied {
            Ok(reply) => reply.response,
            Err(problem) => problem.into_response(&request_id),
        };
        stamp(&mut response, &request_id);
        response
    }

    /// Unpredictable bytes.
    ///
    /// # Errors
    /// [`ConfigError::Client`] when the operating system has none to give.
    pub fn random<const N: usize>(&self) -> Result<[u8; N], ConfigError> {
        let bytes = self.entropy.bytes();
        bytes.ok_or_else(|| ConfigError::Client("the operating system gives no random numbers".to_owned()))
    }

    /// A new request id: a random UUID, or the nil one when the operating system has no random numbers to give.
    pub fn request_id(&self) -> String {
        let bytes = self.entropy.bytes().unwrap_or_default();
        uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
    }
}

fn without_slash(path: &str) -> &str {
    match path.strip_suffix('/') {
        Some("") | None => path,
        Some(bare) => bare,
    }
}

/// A path parameter without its percent-encoding. Decoded after matching: an encoded slash is no slash of the path.
fn decoded(value: &str) -> String {
    percent_decode_str(value).decode_utf8_lossy().into_owned()
}
