//! A client that sends exactly what it is told: no retry, no redirect, no header of its own.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use gateway::Router;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

/// Speaks to one API. Cheap to clone; clones share their connections.
#[derive(Clone)]
pub struct Http {
    door: Door,
    slashed: bool,
}

#[derive(Clone)]
enum Door {
    Network(Client<HttpConnector, Full<Bytes>>, Arc<str>),
    Router(Arc<Router>),
}

impl Http {
    /// A client for the API at `base`, such as `http://127.0.0.1:8080`.
    pub fn new(base: &str) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self::through(Door::Network(client, base.into()))
    }

    /// A client that hands its requests to `router`, without a network between.
    pub fn of_router(router: Arc<Router>) -> Self {
        Self::through(Door::Router(router))
    }

    fn through(door: Door) -> Self {
        Self { door, slashed: false }
    }

    /// The same client, but every path that it asks for gets a trailing slash.
    pub fn slashed(&self) -> Self {
        Self {
            door: self.door.clone(),
            slashed: true,
        }
    }

    /// A request for `path`, query included, to be sent by awaiting it.
    pub fn ask(&self, method: Method, path: &str) -> Ask {
        let base = match &self.door {
            Door::Network(_, base) => base,
            Door::Router(_) => "",
        };
        let (path, query) = match path.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (path, String::new()),
        };
        let slash = if self.slashed { "/" } else { "" };
        let request = Request::builder().method(method);
        Ask {
            door: self.door.clone(),
            request: request.uri(format!("{base}{path}{slash}{query}")),
            body: Bytes::new(),
        }
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Ask {
        self.ask(Method::GET, path)
    }

    /// `POST path`.
    pub fn post(&self, path: &str) -> Ask {
        self.ask(Method::POST, path)
    }

    /// `PUT path`.
    pub fn put(&self, path: &str) -> Ask {
        self.ask(Method::PUT, path)
    }

    /// `PATCH path`.
    pub fn patch(&self, path: &str) -> Ask {
        self.ask(Method::PATCH, path)
    }

    /// `DELETE path`.
    pub fn delete(&self, path: &str) -> Ask {
        self.ask(Method::DELETE, path)
    }
}

/// A request in the making. Awaiting it sends it.
#[must_use = "a request is sent by awaiting it"]
pub struct Ask {
    door: Door,
    request: http::request::Builder,
    body: Bytes,
}

impl Ask {
    /// With a header, beside those of the same name that it has.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    /// With an API key, or a launch's token, bare in the `Authorization` header.
    pub fn key(self, key: &str) -> Self {
        self.header(header::AUTHORIZATION.as_str(), key)
    }

    /// With this body and no `Content-Type`.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// With this JSON as the body and no `Content-Type`.
    pub fn json(self, body: &Value) -> Self {
        self.body(body.to_string())
    }
}

impl Ask {
    /// Sends it where nobody may be there to answer.
    ///
    /// # Errors
    /// What was asked, and why there is no answer.
    pub async fn tried(self) -> Result<Answer, String> {
        let request = self.request.body(self.body).expect("the request is well formed");
        let what = format!("{} {}", request.method(), request.uri());
        let answer = match self.door {
            // A task of its own, as a server gives each request: tests nest deeply, and their stacks are small.
            Door::Router(router) => {
                let answer = tokio::spawn(async move {
                    router
                        .answer(request, None, gateway::api_deadline(std::time::Duration::ZERO))
                        .await
                })
                .await;
                answer.map_err(|error| format!("{what}: {error}"))?
            }
            Door::Network(client, _) => {
                let answer = client.request(request.map(Full::new)).await;
                let (parts, body) = answer.map_err(|error| format!("{what}: {error:?}"))?.into_parts();
                let body = body.collect().await.map_err(|error| format!("{what}: {error:?}"))?;
                Response::from_parts(parts, body.to_bytes())
            }
        };
        Ok(Answer::new(what, answer))
    }
}

impl IntoFuture for Ask {
    type Output = Answer;
    type IntoFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.tried().await.unwrap_or_else(|why| panic!("{why}")) })
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    what: String,
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came.
    pub body: Bytes,
}

impl Answer {
    /// The answer to `what`.
    pub fn new(what: impl Into<String>, answer: Response<Bytes>) -> Self {
        let (parts, body) = answer.into_parts();
        Self {
            what: what.into(),
            status: parts.status,
            headers: parts.headers,
            body,
        }
    }

    /// A header's value, if it is there.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .get(name)
            .map(|value| value.to_str().expect("headers are ASCII"))
    }

    /// The body as JSON; `null` where there is none.
    pub fn json(&self) -> Value {
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{}: {error} in {}", self.what, self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, once the status is `status`.
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{} answered {}", self.what, self.text());
        self.json()
    }

    /// The sentence of a problem document, once status, `type` and the rest of its shape are as they must be.
    pub fn problem(&self, status: u16, kind: &str) -> String {
        let seen = format!("{} answered {} {}", self.what, self.status, self.text());
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{seen}");
        let document = self.expect(status);
        let fields = document.as_object().expect("a problem is an object");
        // Whoever finds no cluster free is told where in the line that is.
        let more = |name: &&str| kind != "noneFree" || !["expected_at", "position", "ticket"].contains(name);
        let mut names: Vec<&str> = fields.keys().map(String::as_str).filter(more).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["detail", "error", "instance", "status", "title", "type"],
            "{seen}"
        );
        let id = self.header("x-request-id").expect("every answer has a request id");
        assert_eq!(document["type"], kind, "{seen}");
        assert_eq!(document["status"], status, "{seen}");
        assert_eq!(document["instance"], format!("urn:uuid:{id}"), "{seen}");
        assert_eq!(document["detail"], document["error"], "{seen}");
        let filled = |name: &str| document[name].as_str().is_some_and(|text| !text.is_empty());
        assert!(filled("title") && filled("detail"), "{seen}");
        document["detail"].as_str().unwrap_or_default().to_owned()
    }
}
