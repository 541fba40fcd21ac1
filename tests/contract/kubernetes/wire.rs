//! Requests and answers as they are on the wire, for what typed calls hide: status codes, warnings, whole bodies.

use http::{Method, Request};
use kube::Client;
use serde_json::Value;

use crate::server::eventually;

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    /// The texts of its `Warning` headers.
    pub(crate) warnings: Vec<String>,
    /// Null where it is not JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// The body of a success.
    ///
    /// # Panics
    /// When it is none.
    pub(crate) fn done(self) -> Value {
        assert!((200..300).contains(&self.code), "{self:?}");
        self.body
    }

    /// Code, reason and message of a refusal.
    ///
    /// # Panics
    /// When the body is not a `Status` with this very code.
    pub(crate) fn refusal(&self) -> (u16, &str, &str) {
        assert_eq!(self.body["status"], "Failure", "{self:?}");
        assert_eq!(self.body["code"], self.code, "{self:?}");
        let text = |field: &str| self.body[field].as_str().unwrap_or("");
        (self.code, text("reason"), text("message"))
    }
}

pub(crate) async fn get(client: &Client, path: &str) -> Answer {
    send(client, Method::GET, path, "", &Value::Null).await
}

pub(crate) async fn post(client: &Client, path: &str, body: &Value) -> Answer {
    send(client, Method::POST, path, "application/json", body).await
}

pub(crate) async fn put(client: &Client, path: &str, body: &Value) -> Answer {
    send(client, Method::PUT, path, "application/json", body).await
}

/// A JSON merge patch.
pub(crate) async fn merge(client: &Client, path: &str, body: &Value) -> Answer {
    send(client, Method::PATCH, path, "application/merge-patch+json", body).await
}

/// Server-side apply.
pub(crate) async fn apply(client: &Client, path: &str, body: &Value) -> Answer {
    send(client, Method::PATCH, path, "application/apply-patch+yaml", body).await
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

async fn send(client: &Client, method: Method, path: &str, content_type: &str, body: &Value) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    let bytes = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    let answer = client.send(request.body(bytes.into()).unwrap()).await.unwrap();
    let code = answer.status().as_u16();
    let warnings = answer.headers().get_all("warning").iter();
    let warnings = warnings.map(|value| warning(value.to_str().unwrap())).collect();
    let bytes = answer.into_body().collect_bytes().await.unwrap();
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Answer { code, warnings, body }
}

/// The text of `299 - "text"`.
fn warning(header: &str) -> String {
    let quoted = header.strip_prefix("299 - ").unwrap();
    serde_json::from_str(quoted).unwrap()
}
