//! Why a step did not succeed.

use kube::core::Status;
use kube::core::response::reason;

use crate::text;
use crate::token::TokenError;

/// Whatever was underneath.
pub(crate) type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why a step in the cluster did not succeed. None carries a credential or an object.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer, no credential to ask with, or an answer that says to come again (409 on a lost race, 410
    /// where a list was forgotten, 429, 5xx).
    /// What was asked may have been done.
    #[error("the cluster cannot be reached")]
    Unreachable(#[source] Source),
    /// Too little time is left before the deadline to begin. This request was not sent; earlier ones of the same
    /// step may have been.
    #[error("too little time is left to ask the cluster")]
    OutOfTime,
    /// The cluster refuses the objects as they are (400, 403, 413, 422, or 501 where it is simulated): this does not heal
    /// by itself.
    #[error("the cluster refused: {message}")]
    Refused {
        /// The cluster's own sentence, at most [`domain::limits::MESSAGE_MAX`] characters.
        message: String,
    },
    /// An object of the name exists and is somebody else's. It was left alone.
    #[error("an object of this name belongs to somebody else")]
    NotOurs,
    /// The namespace is ours and is being deleted, or went away meanwhile: nothing can be made in it.
    #[error("the namespace is being deleted")]
    Terminating,
    /// This is another cluster than the recorded one. Nothing may be done to it.
    #[error("this is not the recorded cluster: the uid of its kube-system is {found}, not {recorded}")]
    Identity {
        /// The recorded uid of `kube-system`.
        recorded: String,
        /// The uid that `kube-system` has.
        found: String,
    },
    /// The settings cannot be used, the credentials are not accepted, or the answer makes no sense.
    #[error("the cluster cannot be used as configured")]
    Rejected(#[source] Source),
}

/// An answer that is no success, without what it may quote beyond its sentence.
#[derive(Debug, thiserror::Error)]
#[error("{code} {reason}")]
struct Answer {
    code: u16,
    reason: String,
    message: String,
}

impl From<&Status> for Answer {
    fn from(status: &Status) -> Self {
        Answer {
            code: status.code,
            reason: text::head(&status.reason),
            message: text::head(&status.message),
        }
    }
}

/// What an answer that says no means for a read or a delete.
impl From<kube::Error> for Error {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) => match status.code {
                408 | 409 | 410 | 429 | 500.. => Error::Unreachable(Answer::from(&**status).into()),
                _ => Error::Rejected(Answer::from(&**status).into()),
            },
            kube::Error::Service(source) if source.is::<TokenError>() => Error::Unreachable(error.into()),
            _ => match net::Error::find(&error) {
                Some(net::Error::OutOfTime) => Error::OutOfTime,
                Some(net::Error::TimedOut | net::Error::Unreachable(_) | net::Error::Interrupted(_)) => {
                    Error::Unreachable(error.into())
                }
                _ => Error::Rejected(error.into()),
            },
        }
    }
}

impl Error {
    /// What an answer that says no means for what was to be written.
    pub(crate) fn of_write(error: kube::Error) -> Self {
        let kube::Error::Api(status) = &error else {
            return error.into();
        };
        match status.code {
            404 if lacks_namespace(status) => Error::Terminating,
            403 if is_terminating(status) => Error::Terminating,
            // What layby itself may not do is the operator's to mend, and not what was asked for.
            403 if status.message.contains(" is forbidden: User \"") => error.into(),
            400 | 403 | 413 | 422 | 501 => Error::Refused {
                message: text::head(&status.message),
            },
            _ => error.into(),
        }
    }

    /// What is wrong, in a sentence for whoever registered the cluster: the rule that refused its address, too.
    pub fn sentence(&self) -> String {
        match net::Error::find(self) {
            Some(guarded @ net::Error::Guarded(_)) => guarded.to_string(),
            _ => self.to_string(),
        }
    }

    /// Others changed the same thing again and again.
    pub(crate) fn overtaken() -> Self {
        Error::Unreachable("others changed the same object again and again".into())
    }

    pub(crate) fn rejected(what: &'static str) -> Self {
        Error::Rejected(what.into())
    }
}

/// Whether it is the namespace that was not found, rather than the whole resource.
fn lacks_namespace(status: &Status) -> bool {
    let named = status
        .details
        .as_ref()
        .is_some_and(|details| details.kind == "namespaces");
    named || status.message.starts_with("namespaces \"")
}

/// Whether a create was refused because its namespace is being deleted. The cause came with Kubernetes 1.17; the
/// sentence is older.
fn is_terminating(status: &Status) -> bool {
    let causes = status.details.iter().flat_map(|details| &details.causes);
    causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating")
        || status.message.contains("because it is being terminated")
}

/// Whether a create found an object of the same name. A 409 that is a lost race over something else (a quota's row)
/// has another reason.
pub(crate) fn is_already_there(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409 && status.reason == reason::ALREADY_EXISTS)
}

/// Whether the server no longer remembers the state that a list began with.
pub(crate) fn is_expired(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 410)
}

/// Whether the server cannot go on with a list: it has forgotten what that began with, or never gave such a token.
pub(crate) fn is_forgotten(error: &kube::Error) -> bool {
    is_expired(error) || matches!(error, kube::Error::Api(status) if status.code == 400)
}

/// Whether an answer is longer than is read.
pub(crate) fn is_too_large(error: &kube::Error) -> bool {
    matches!(net::Error::find(error), Some(net::Error::TooLarge))
}

/// Whether what was asked for does not exist.
pub(crate) fn is_absent(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// Whether what is there is another than was meant.
pub(crate) fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

/// Whether a kind cannot be served for now: the API server passes it on to somebody who does not answer. Objects of a
/// custom kind may have to be converted by such a one: then the answer is 500.
pub(crate) fn is_unserved(error: &kube::Error, is_custom: bool) -> bool {
    let says_so = |code: u16| matches!(code, 405 | 502 | 503 | 504) || (is_custom && code == 500);
    matches!(error, kube::Error::Api(status) if says_so(status.code))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(code: u16, reason: &str, message: &str) -> kube::Error {
        kube::Error::Api(Status::failure(message, reason).with_code(code).boxed())
    }

    #[test]
    fn a_refused_create_carries_the_clusters_sentence_bounded() {
        for code in [400, 403, 413, 422, 501] {
            let Error::Refused { message } =
                Error::of_write(answer(code, "x", &format!("exceeded\nquota {}", "x".repeat(9999))))
            else {
                panic!("{code} is a refusal")
            };
            assert!(message.starts_with("exceeded quota x"));
            assert_eq!(message.chars().count(), domain::limits::MESSAGE_MAX);
        }
    }

    #[test]
    fn a_create_in_a_namespace_that_goes_says_so() {
        let old = "unable to create new content in namespace x because it is being terminated";
        assert!(matches!(
            Error::of_write(answer(403, "Forbidden", old)),
            Error::Terminating
        ));
        assert!(matches!(
            Error::of_write(answer(404, "NotFound", "namespaces \"x\" not found")),
            Error::Terminating
        ));
        let status = serde_json::json!({"kind": "Status", "code": 403, "reason": "Forbidden", "message": "no",
            "details": {"causes": [{"reason": "NamespaceTerminating", "message": "m", "field": "metadata.namespace"}]}});
        let status: Status = serde_json::from_value(status).unwrap();
        assert!(matches!(
            Error::of_write(kube::Error::Api(status.boxed())),
            Error::Terminating
        ));
    }

    #[test]
    fn what_passes_by_itself_is_told_from_what_does_not() {
        for code in [408, 409, 429, 500, 503, 504] {
            assert!(
                matches!(Error::of_write(answer(code, "Conflict", "m")), Error::Unreachable(_)),
                "{code}"
            );
            assert!(
                matches!(Error::from(answer(code, "Conflict", "m")), Error::Unreachable(_)),
                "{code}"
            );
        }
        let no_such_resource = "the server could not find the requested resource";
        assert!(matches!(
            Error::of_write(answer(404, "NotFound", no_such_resource)),
            Error::Rejected(_)
        ));
        for code in [400, 401, 403, 404, 422] {
            assert!(
                matches!(Error::from(answer(code, "x", "m")), Error::Rejected(_)),
                "{code}"
            );
        }
        assert!(matches!(
            Error::of_write(answer(401, "Unauthorized", "m")),
            Error::Rejected(_)
        ));
    }

    #[test]
    fn what_the_connection_says_is_kept_apart_by_whether_it_may_pass() {
        let of = |error: net::Error| Error::from(kube::Error::Service(error.into()));
        assert!(matches!(of(net::Error::OutOfTime), Error::OutOfTime));
        assert!(matches!(of(net::Error::TimedOut), Error::Unreachable(_)));
        assert!(matches!(of(net::Error::TooLarge), Error::Rejected(_)));
    }

    #[test]
    fn a_refused_address_is_told_with_its_rule_and_what_a_server_says_is_not() {
        let guarded = net::Error::Guarded(net::Rule::InwardAddress("private"));
        let said = Error::from(kube::Error::Service(guarded.into())).sentence();
        let why = "the address is refused: its host has a private address, which is not of the public internet";
        assert_eq!(said, why);
        let said = Error::from(answer(401, "Unauthorized", "m")).sentence();
        assert_eq!(said, "the cluster cannot be used as configured");
    }

    #[test]
    fn who_converts_objects_of_a_custom_kind_and_does_not_answer_is_told_by_500() {
        let error = answer(
            500,
            "InternalError",
            "conversion webhook for example.org/v1, Kind=Widget failed",
        );
        assert!(is_unserved(&error, true) && !is_unserved(&error, false));
        assert!(is_unserved(&answer(503, "ServiceUnavailable", "m"), false));
    }

    #[test]
    fn only_the_reason_already_exists_is_a_step_done_before() {
        assert!(is_already_there(&answer(409, "AlreadyExists", "m")));
        assert!(!is_already_there(&answer(409, "Conflict", "m")));
        assert!(is_absent(&answer(404, "NotFound", "m")));
        assert!(!is_absent(&answer(410, "Gone", "m")));
    }
}
