//! Requests as they are on the wire, where there is no typed call, or where more than the object counts.

use http::{HeaderMap, Method, Request};
use kube::client::Body;
use serde_json::Value;

use crate::server::Server;

pub(crate) const MERGE: &str = "application/merge-patch+json";
/// A JSON patch (RFC 6902).
pub(crate) const JSON_PATCH: &str = "application/json-patch+json";
pub(crate) const JSON: &str = "application/json";

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: HeaderMap,
    /// As JSON, or the text where it is none.
    pub(crate) body: Value,
}

impl Answer {
    /// Code, reason and message of a refusal.
    pub(crate) fn refusal(&self) -> (u16, &str, &str) {
        assert_eq!(self.body["kind"], "Status", "{self:?}");
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

    /// The body of a success.
    #[track_caller]
    pub(crate) fn done(self) -> Value {
        assert!((200..300).contains(&self.code), "{self:?}");
        self.body
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
        let body = match body {
            Value::Null => String::new(),
            Value::String(text) => text,
            body => body.to_string(),
        };
        let mut request = Request::builder().method(method).uri(self.path(path));
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        self.answer(request.body(Body::from(body.into_bytes())).unwrap()).await
    }

    /// Asks for `path`, as [`Server::send`] has it, in this representation.
    pub(crate) async fn show(&self, path: &str, accept: &str) -> Answer {
        let request = Request::get(self.path(path)).header("accept", accept);
        self.answer(request.body(Body::empty()).unwrap()).await
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

    async fn answer(&self, request: Request<Body>) -> Answer {
        let (head, body) = self.client.send(request).await.unwrap().into_parts();
        let bytes = body.collect_bytes().await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answer {
            code: head.status.as_u16(),
            headers: head.headers,
            body: serde_json::from_str(&text).unwrap_or(Value::String(text)),
        }
    }
}
