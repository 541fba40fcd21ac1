//! Requests and answers as they are on the wire, for what typed calls hide: status codes, warnings, whole bodies.

use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use serde_json::Value;

use crate::server::{Server, eventually};

pub(crate) const JSON: &str = "application/json";
/// A JSON merge patch (RFC 7386).
pub(crate) const MERGE: &str = "application/merge-patch+json";
/// A JSON patch (RFC 6902).
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";
/// Server-side apply.
const APPLY: &str = "application/apply-patch+yaml";

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    /// The texts of its `Warning` headers.
    pub(crate) warnings: Vec<String>,
    /// As JSON, or the text where it is none.
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a success.
    ///
    /// # Panics
    /// When it is none.
    #[track_caller]
    pub(crate) fn done(self) -> Value {
        assert!((200..300).contains(&self.code), "{self:?}");
        self.body
    }

    /// Code, reason and message of a refusal.
    ///
    /// # Panics
    /// When the body is not a `Status` with this very code.
    #[track_caller]
    pub(crate) fn refusal(&self) -> (u16, &str, &str) {
        assert_eq!(self.body["kind"], "Status", "{self:?}");
        assert_eq!(self.body["status"], "Failure", "{self:?}");
        assert_eq!(self.body["code"], self.code, "{self:?}");
        let text = |field: &str| self.body[field].as_str().unwrap_or("");
        (self.code, text("reason"), text("message"))
    }

    /// Field and message of each cause of a refusal.
    pub(crate) fn causes(&self) -> Vec<(&str, &str)> {
        let causes = self.body["details"]["causes"].as_array().into_iter().flatten();
        causes
            .map(|cause| (cause["field"].as_str().unwrap(), cause["message"].as_str().unwrap()))
            .collect()
    }

    /// The field of each cause of a refusal.
    pub(crate) fn fields(&self) -> Vec<&str> {
        self.causes().into_iter().map(|(field, _)| field).collect()
    }

    /// The names of what a list has.
    pub(crate) fn names(&self) -> Vec<&str> {
        assert_eq!(self.code, 200, "{self:?}");
        let items = self.body["items"].as_array().expect("a list");
        items
            .iter()
            .map(|item| item["metadata"]["name"].as_str().unwrap())
            .collect()
    }
}

impl Server {
    /// Sends `body`, text as it is, to `path`, in which `{}` is the check's namespace. A path that does not begin with a
    /// slash, `pods/web/status`, is of something in that namespace.
    pub(crate) async fn send(&self, method: Method, path: &str, kind: &str, body: Value) -> Answer {
        send(&self.client, method, &self.path(path), kind, &body).await
    }

    /// Asks for `path`, as [`Server::send`] has it, in this representation.
    pub(crate) async fn show(&self, path: &str, accept: &str) -> Answer {
        let request = Request::get(self.path(path)).header("accept", accept);
        exchange(&self.client, request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.show(path, JSON).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, JSON, body).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, JSON, body).await
    }

    pub(crate) async fn merge(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PATCH, path, MERGE, body).await
    }

    pub(crate) async fn delete(&self, path: &str, body: Value) -> Answer {
        self.send(Method::DELETE, path, JSON, body).await
    }

    /// Makes an object that must be made.
    pub(crate) async fn made(&self, path: &str, body: Value) -> Value {
        let made = self.post(path, body).await;
        assert_eq!(made.code, 201, "{made:?}");
        made.body
    }

    fn path(&self, path: &str) -> String {
        let group = match path.split(['/', '?']).next() {
            Some("") | None => return path.replace("{}", &self.namespace),
            Some("deployments" | "replicasets") => "apis/apps/v1",
            Some("jobs") => "apis/batch/v1",
            Some("leases") => "apis/coordination.k8s.io/v1",
            Some(_) => "api/v1",
        };
        format!("/{group}/namespaces/{}/{path}", self.namespace)
    }
}

pub(crate) async fn get(client: &Client, path: &str) -> Answer {
    send(client, Method::GET, path, "", &Value::Null).await
}

pub(crate) async fn post(client: &Client, path: &str, body: &Value) -> Answer {
    send(client, Method::POST, path, JSON, body).await
}

pub(crate) async fn put(client: &Client, path: &str, body: &Value) -> Answer {
    send(client, Method::PUT, path, JSON, body).await
}

pub(crate) async fn merge(client: &Client, path: &str, body: &Value) -> Answer {
    send(client, Method::PATCH, path, MERGE, body).await
}

pub(crate) async fn apply(client: &Client, path: &str, body: &Value) -> Answer {
    send(client, Method::PATCH, path, APPLY, body).await
}

pub(crate) async fn delete(client: &Client, path: &str) -> Answer {
    send(client, Method::DELETE, path, "", &Value::Null).await
}

/// The answer to a request once it has this code: what a write decides of others is seen a moment later.
pub(crate) async fn becomes(code: u16, request: impl AsyncFn() -> Answer) -> Answer {
    let what = format!("an answer {code}");
    eventually(&what, async || {
        Some(request().await).filter(|answer| answer.code == code)
    })
    .await
}

/// Sends `body`, text as it is.
async fn send(client: &Client, method: Method, path: &str, content_type: &str, body: &Value) -> Answer {
    let body = match body {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        body => body.to_string(),
    };
    let mut request = Request::builder().method(method).uri(path);
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    exchange(client, request.body(Body::from(body.into_bytes())).unwrap()).await
}

async fn exchange(client: &Client, request: Request<Body>) -> Answer {
    let (head, body) = client.send(request).await.unwrap().into_parts();
    let warnings = head.headers.get_all("warning").iter();
    let warnings = warnings.map(|value| warning(value.to_str().unwrap())).collect();
    let bytes = body.collect_bytes().await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    Answer {
        code: head.status.as_u16(),
        warnings,
        body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
    }
}

/// The text of `299 - "text"`.
fn warning(header: &str) -> String {
    let quoted = header.strip_prefix("299 - ").unwrap();
    serde_json::from_str(quoted).unwrap()
}
