//! Refusals, as the `Status` bodies that kube-apiserver writes.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

pub(super) use super::cause::Cause;
use super::registry::Kind;

/// A request that is not done, and why. Source: apimachinery's `pkg/api/errors`.
#[derive(Debug)]
pub(super) struct Refusal {
    code: StatusCode,
    reason: &'static str,
    message: String,
    details: Option<Value>,
    /// What a list that cannot be continued can be continued with all the same.
    next: Option<String>,
}

impl Refusal {
    /// What it says.
    pub(super) fn message(&self) -> &str {
        &self.message
    }

    pub(super) fn new(code: StatusCode, reason: &'static str, message: impl Into<String>) -> Refusal {
        Refusal {
            code,
            reason,
            message: message.into(),
            details: None,
            next: None,
        }
    }

    /// With the details of what it is about, of which the empty ones are left out.
    pub(super) fn with(mut self, group: &str, kind: &str, name: &str) -> Refusal {
        self.details = Some(details(group, kind, name));
        self
    }

    fn about(code: StatusCode, reason: &'static str, kind: &Kind, name: &str, what: &str) -> Refusal {
        Refusal {
            details: Some(details(kind.group, kind.plural, name)),
            ..Refusal::new(code, reason, what)
        }
    }

    /// The path names nothing that is served: plain text, as from the real server.
    pub(super) fn unknown_path() -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "", "404 page not found")
    }

    /// The path names no resource of a group that is served, or nothing of such a resource.
    pub(super) fn unknown_resource() -> Refusal {
        let message = "the server could not find the requested resource";
        Refusal {
            details: Some(json!({})),
            ..Refusal::new(StatusCode::NOT_FOUND, "NotFound", message)
        }
    }

    pub(super) fn unauthorized() -> Refusal {
        Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Unauthorized")
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "BadRequest", message)
    }

    /// What this server does not simulate: the real one would do it.
    pub(super) fn not_simulated(what: &str) -> Refusal {
        let message = format!("{what} is not simulated by the embedded Kubernetes");
        Refusal::new(StatusCode::NOT_IMPLEMENTED, "NotImplemented", message)
    }

    pub(super) fn method_not_allowed() -> Refusal {
        let message = "the server does not allow this method on the requested resource";
        Refusal {
            details: Some(json!({})),
            ..Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
        }
    }

    pub(super) fn not_acceptable() -> Refusal {
        let message = "406: Not Acceptable\n\nAvailable representations: application/json";
        Refusal {
            details: Some(json!({})),
            ..Refusal::new(StatusCode::NOT_ACCEPTABLE, "NotAcceptable", message)
        }
    }

    /// A patch of a kind that is not known.
    pub(super) fn unsupported_patch() -> Refusal {
        Refusal {
            details: Some(json!({})),
            ..Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "UnsupportedMediaType",
                "415: Unsupported Media Type",
            )
        }
    }

    pub(super) fn unsupported_media_type(accepted: &str) -> Refusal {
        let message =
            format!("the body of the request was in an unknown format - accepted media types include: {accepted}");
        Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UnsupportedMediaType", message)
    }

    pub(super) fn too_large(limit: usize) -> Refusal {
        let message = format!("Request entity too large: limit is {limit}");
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "RequestEntityTooLarge", message)
    }

    pub(super) fn not_found(kind: &Kind, name: &str) -> Refusal {
        let message = format!("{} {name:?} not found", kind.qualified());
        Refusal::about(StatusCode::NOT_FOUND, "NotFound", kind, name, &message)
    }

    pub(super) fn already_exists(kind: &Kind, name: &str) -> Refusal {
        let message = format!("{} {name:?} already exists", kind.qualified());
        Refusal::about(StatusCode::CONFLICT, "AlreadyExists", kind, name, &message)
    }

    /// As [`Refusal::already_exists`], by something that is on its way out.
    pub(super) fn still_exists(kind: &Kind, name: &str) -> Refusal {
        let message = format!("object is being deleted: {} {name:?} already exists", kind.qualified());
        Refusal::about(StatusCode::CONFLICT, "AlreadyExists", kind, name, &message)
    }

    /// A delete of another object, or of another version, than there is. It is told by the kind.
    pub(super) fn unmet(kind: &Kind, name: &str, why: &str) -> Refusal {
        let by_kind = Kind {
            plural: kind.kind,
            ..*kind
        };
        Refusal::conflict(&by_kind, name, why)
    }

    pub(super) fn conflict(kind: &Kind, name: &str, why: &str) -> Refusal {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", kind.qualified());
        Refusal::about(StatusCode::CONFLICT, "Conflict", kind, name, &message)
    }

    /// A server-side apply would change what others want.
    pub(super) fn apply_conflict(message: String, causes: Vec<Value>) -> Refusal {
        Refusal {
            details: Some(json!({ "causes": causes })),
            ..Refusal::new(StatusCode::CONFLICT, "Conflict", message)
        }
    }

    pub(super) fn forbidden(kind: &Kind, name: &str, why: &str) -> Refusal {
        let message = format!("{} {name:?} is forbidden: {why}", kind.qualified());
        Refusal::about(StatusCode::FORBIDDEN, "Forbidden", kind, name, &message)
    }

    /// As [`Refusal::conflict`], about a subresource.
    pub(super) fn conflict_of(what: &str, name: &str, why: &str) -> Refusal {
        let message = format!("Operation cannot be fulfilled on {what} {name:?}: {why}");
        Refusal {
            details: Some(json!({"name": name, "kind": what})),
            ..Refusal::new(StatusCode::CONFLICT, "Conflict", message)
        }
    }

    /// A wrong field where the real server has no better answer than an error of its own.
    pub(super) fn unexplained(cause: &Cause) -> Refusal {
        Refusal::internal(format!("{}: {}", cause.field, cause.message))
    }

    /// A create in a namespace that is on its way out.
    pub(super) fn terminating(kind: &Kind, name: &str, namespace: &str) -> Refusal {
        let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
        let mut refusal = Refusal::forbidden(kind, name, &why);
        if let Some(details) = &mut refusal.details {
            details["causes"] = json!([{
                "reason": "NamespaceTerminating",
                "message": format!("namespace {namespace} is being terminated"),
                "field": "metadata.namespace",
            }]);
        }
        refusal
    }

    /// An object that breaks rules of its kind. `kind` is the name of the kind, not of the resource.
    pub(super) fn invalid(group: &str, kind: &str, name: &str, causes: &[Cause]) -> Refusal {
        let mut sentences: Vec<String> = Vec::new();
        for sentence in causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)) {
            if !sentences.contains(&sentence) {
                sentences.push(sentence);
            }
        }
        let sentences = match sentences.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let qualified = if group.is_empty() {
            kind.to_owned()
        } else {
            format!("{kind}.{group}")
        };
        let causes: Vec<Value> = causes
            .iter()
            .map(|cause| json!({"reason": cause.reason, "message": cause.message, "field": cause.field}))
            .collect();
        let mut details = json!({"causes": causes});
        if !kind.is_empty() {
            details["kind"] = kind.into();
        }
        if !name.is_empty() {
            details["name"] = name.into();
        }
        if !group.is_empty() {
            details["group"] = group.into();
        }
        let message = format!("{qualified} {name:?} is invalid: {sentences}");
        Refusal {
            details: Some(details),
            ..Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
        }
    }

    /// An option of a request, as one of the fields of `options`.
    pub(super) fn invalid_option(options: &str, causes: &[Cause]) -> Refusal {
        Refusal::invalid("meta.k8s.io", options, "", causes)
    }

    /// A patch that makes an object which its kind cannot be.
    pub(super) fn invalid_patch(shown: &str, why: &str) -> Refusal {
        let cause = Cause::invalid("patch", shown, why);
        Refusal::invalid("", "", "", &[cause])
    }

    /// A patch that is well formed but cannot be applied.
    pub(super) fn unprocessable() -> Refusal {
        let message = "the server rejected our request due to an error in our request";
        Refusal {
            details: Some(json!({})),
            ..Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "Invalid", message)
        }
    }

    /// A resourceVersion or continue token from before what is remembered.
    pub(super) fn expired(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::GONE, "Expired", message)
    }

    /// As [`Refusal::expired`], of a page: `next` continues it.
    pub(super) fn expired_page(message: &str, next: String) -> Refusal {
        Refusal {
            next: Some(next),
            ..Refusal::expired(message)
        }
    }

    /// A resourceVersion that is not reached yet.
    pub(super) fn too_large_version(asked: u64, current: u64) -> Refusal {
        let message = format!("Timeout: Too large resource version: {asked}, current: {current}");
        let details = json!({
            "causes": [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}],
            "retryAfterSeconds": 1,
        });
        Refusal {
            details: Some(details),
            ..Refusal::new(StatusCode::GATEWAY_TIMEOUT, "Timeout", message)
        }
    }

    /// An error that the real server has no reason for.
    pub(super) fn internal(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "", message)
    }

    /// The `Status` object.
    pub(super) fn body(&self) -> Value {
        let mut body = json!({
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
            "code": self.code.as_u16(),
        });
        if !self.reason.is_empty() {
            body["reason"] = self.reason.into();
        }
        if let Some(next) = &self.next {
            body["metadata"]["continue"] = next.as_str().into();
        }
        if let Some(details) = &self.details {
            body["details"] = details.clone();
        }
        body
    }

    /// The whole answer.
    pub(super) fn response(&self) -> Response<Bytes> {
        let plain = self.reason.is_empty() && self.code == StatusCode::NOT_FOUND;
        if plain {
            return text(self.code, format!("{}\n", self.message));
        }
        json_response(self.code, &self.body())
    }
}

/// What a refusal is about, without what is empty.
fn details(group: &str, kind: &str, name: &str) -> Value {
    let mut details = json!({});
    for (field, value) in [("name", name), ("group", group), ("kind", kind)] {
        if !value.is_empty() {
            details[field] = value.into();
        }
    }
    details
}

/// `Status` of something that was done and has no object to show.
pub(super) fn success(details: Option<Value>, code: Option<u16>) -> Value {
    let mut body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
    if let Some(details) = details {
        body["details"] = details;
    }
    if let Some(code) = code {
        body["code"] = code.into();
    }
    body
}

/// An answer in JSON.
pub(super) fn json_response(code: StatusCode, body: &Value) -> Response<Bytes> {
    json_text(code, body.to_string())
}

/// An answer whose JSON is written already.
pub(super) fn json_text(code: StatusCode, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = code;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An answer in plain text.
pub(super) fn text(code: StatusCode, body: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = code;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests {
    use super::super::registry::{KINDS, NAMESPACES, PODS, find};
    use super::*;

    #[test]
    fn a_missing_object_is_told_as_the_real_server_does() {
        let lease = find("coordination.k8s.io", "v1", "leases").unwrap();
        assert_eq!(
            Refusal::not_found(&KINDS[lease], "x").body(),
            json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
                "message": "leases.coordination.k8s.io \"x\" not found", "reason": "NotFound",
                "details": {"name": "x", "group": "coordination.k8s.io", "kind": "leases"}, "code": 404,
            })
        );
    }

    #[test]
    fn a_terminating_namespace_is_named_as_the_cause() {
        let body = Refusal::terminating(&KINDS[PODS], "p", "n").body();
        assert_eq!(
            body["message"],
            "pods \"p\" is forbidden: unable to create new content in namespace n because it is being terminated"
        );
        assert_eq!(body["details"]["causes"][0]["reason"], "NamespaceTerminating");
        assert_eq!(body["code"], 403);
    }

    #[test]
    fn several_wrong_fields_are_listed_in_brackets() {
        let causes = [
            Cause::required("spec.a", ""),
            Cause::invalid("spec.b", "x", "must be y"),
        ];
        let body = Refusal::invalid("", KINDS[NAMESPACES].kind, "n", &causes).body();
        assert_eq!(
            body["message"],
            "Namespace \"n\" is invalid: [spec.a: Required value, spec.b: Invalid value: \"x\": must be y]"
        );
        assert_eq!(body["details"]["causes"][1]["field"], "spec.b");
    }
}
