//! What the caller sees when something is not as it should be.

use std::time::Duration;

use api::Code;
use bytes::Bytes;
use domain::{Refusal, TemplateName};
use http::{Response, StatusCode, header};
use serde_json::{Map, Value, json};

/// A problem document in the making (RFC 9457). It has no `Display`: what the caller reads and what the log reads are
/// separate fields, and nothing joins them by accident.
#[derive(Debug)]
pub struct Problem {
    code: Code,
    detail: String,
    retry_after_s: Option<u32>,
    allow: Option<String>,
    members: Map<String, Value>,
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// Seconds after which an outage is worth another try.
const RETRY_AFTER_S: u32 = 5;

impl Problem {
    /// A problem of this `code`, with a sentence that has the values in it.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let retry_after_s = (code.status() == 503).then_some(RETRY_AFTER_S);
        Self {
            code,
            detail: detail.into(),
            retry_after_s,
            allow: None,
            members: Map::new(),
            cause: None,
        }
    }

    /// With what the log is told.
    pub fn because(mut self, cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// With how long the caller should wait before another try, in whole seconds.
    pub fn retry_after(mut self, pause: Duration) -> Self {
        self.retry_after_s = Some(u32::try_from(pause.as_secs()).unwrap_or(u32::MAX));
        self
    }

    /// With a member of its own in the document, for programs that can do something about it.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// With the methods that the path does have.
    pub(crate) fn allowing(mut self, allow: String) -> Self {
        self.allow = Some(allow);
        self
    }

    /// There is no application of that template and id.
    pub fn no_record() -> Self {
        Self::new(Code::NoRecord, "There is no record for that template/ID combination")
    }

    /// There is no template of that name to launch; `why` says what is wrong with what the registry has.
    pub fn registry_error(name: &TemplateName, why: Option<&str>) -> Self {
        let why = why.map_or(String::new(), |why| format!(": {why}"));
        Self::new(
            Code::RegistryError,
            format!("Could not fetch template with name {name} from registry{why}"),
        )
    }

    /// The `Idempotency-Key` came with another request before.
    pub fn key_reused() -> Self {
        Self::new(
            Code::IdempotencyKeyReused,
            "This Idempotency-Key came with another request before; use a new key for a new request",
        )
    }

    /// What the `Idempotency-Key` made has ended since.
    pub fn key_ended() -> Self {
        Self::new(
            Code::IdempotencyKeyEnded,
            "What this Idempotency-Key made has ended since; use a new key for a new request",
        )
    }

    /// The cursor was not given out for this list, or the list does not remember it any more.
    pub fn bad_cursor() -> Self {
        Self::new(
            Code::BadCursor,
            "This cursor is not one of this list, or is too old; begin at its first page",
        )
    }

    /// There is no such template.
    pub fn does_not_exist() -> Self {
        Self::new(Code::DoesNotExist, "The requested resource does not exist")
    }

    /// A bug, which only the log hears about.
    pub fn internal(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::new(
            Code::Internal,
            "An unexpected error occurred; quote the instance when you report it",
        )
        .because(cause)
    }

    /// Its code.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The chain of causes, for the log.
    pub(crate) fn cause_chain(&self) -> Option<String> {
        let mut cause: Option<&(dyn std::error::Error + 'static)> = self.cause.as_deref().map(|cause| cause as _);
        let mut chain = Vec::new();
        const CHAIN_MAX: usize = 8;
        while let (Some(error), true) = (cause, chain.len() < CHAIN_MAX) {
            chain.push(error.to_string());
            cause = error.source();
        }
        (!chain.is_empty()).then(|| chain.join(": "))
    }

    /// The document.
    pub(crate) fn into_response(self, request_id: &str) -> Response<Bytes> {
        let mut document = json!({
            "type": self.code.word(),
            "title": self.code.title(),
            "status": self.code.status(),
            "detail": self.detail,
            "instance": format!("urn:uuid:{request_id}"),
            "error": self.detail,
        });
        if let Value::Object(document) = &mut document {
            document.extend(self.members);
        }
        let mut response = Response::new(Bytes::from(document.to_string()));
        *response.status_mut() = StatusCode::from_u16(self.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            http::HeaderValue::from_static("application/problem+json"),
        );
        if self.code.status() == 401 {
            headers.insert(header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, http::HeaderValue::from(seconds));
        }
        if let Some(allow) = self.allow.and_then(|allow| http::HeaderValue::from_str(&allow).ok()) {
            headers.insert(header::ALLOW, allow);
        }
        response
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Malformed(why) => Self::new(Code::MalformedRequest, why),
            Refusal::Forbidden(why) => Self::new(Code::Unauthorized, why),
            Refusal::Rule(why) => Self::new(Code::RuleRefused, why),
        }
    }
}

impl From<store::Error> for Problem {
    fn from(error: store::Error) -> Self {
        use store::Error as E;
        match error {
            E::Throttled(_) | E::Unavailable(_) => Self::new(
                Code::BadDatabase,
                "The database cannot be reached or is busy; try again shortly",
            )
            .because(error),
            E::Conflict(_) => Self::new(
                Code::Conflict,
                "Somebody else changed the same thing at the same moment; try again",
            )
            .because(error),
            E::Corrupt(_) | E::Rejected(_) => Self::internal(error),
        }
    }
}

impl From<cluster_client::Error> for Problem {
    fn from(error: cluster_client::Error) -> Self {
        use cluster_client::Error as E;
        let detail = match error {
            E::Unreachable(_) | E::OutOfTime => "The cluster cannot be reached at the moment; try again shortly",
            E::Refused { message } => {
                return Self::new(
                    Code::MalformedRequest,
                    format!("The cluster does not take this: {message}"),
                );
            }
            E::NotOurs | E::Terminating | E::Identity { .. } | E::Rejected(_) => {
                "The cluster does not accept this installation as it is configured; its operator finds the cause in the log"
            }
        };
        Self::new(Code::BadKubeRequest, detail).because(error)
    }
}

impl From<lifecycle::Error> for Problem {
    fn from(error: lifecycle::Error) -> Self {
        use lifecycle::Error as E;
        match error {
            E::Store(error) => error.into(),
            E::Gone => Self::no_record(),
            E::Overtaken => Self::new(
                Code::Conflict,
                "Somebody else changed the same thing at the same moment, again and again; try again",
            ),
            E::NoCell | E::Sealed => Self::internal(error),
            E::UnknownCell(_) => Self::new(
                Code::BadKubeRequest,
                "The cluster that this belongs to is not configured here",
            )
            .because(error),
        }
    }
}
