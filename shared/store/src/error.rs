//! Why the table could not be read or written. The one place where the database's errors are told apart.

use std::error::Error as StdError;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::CancellationReason;

/// What is behind an [`Error`], for the log.
pub(crate) type Source = Box<dyn StdError + Send + Sync>;

/// The most characters of the database's own sentence that are kept.
const SENTENCE_MAX: usize = 256;

/// Codes, of an answer or of a reason why a transaction was cancelled, that mean: somebody else is writing the same
/// row at this moment. `net` does not try these again, so the store does.
const CONTENDED: [&str; 2] = ["TransactionConflictException", "TransactionConflict"];
/// Reasons why a transaction was cancelled that pass by themselves. They stand inside an answer that `net` does not
/// look into.
const THROTTLED_INSIDE: [&str; 2] = ["ThrottlingError", "ProvisionedThroughputExceeded"];
/// Codes of answers that `net` has tried again in vain.
const THROTTLED: [&str; 5] = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "TransactionInProgressException",
    "LimitExceededException",
];
/// The reason of a cancelled transaction's write whose condition did not hold.
pub(crate) const CONDITION_FAILED: &str = "ConditionalCheckFailed";

/// Why the table could not be read or written. The text is fit for anybody; the source is for the log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Too much is asked of the table, or of one row, right now. Nothing was written.
    #[error("the table is too busy")]
    Throttled(#[source] Source),
    /// The table cannot be reached or did not answer in time. A write may have happened; the same write, with the
    /// same stamp, tells.
    #[error("the table is out of reach")]
    Unavailable(#[source] Source),
    /// Others wrote the same row each time it was tried, or a row that must be new exists. Nothing was written.
    #[error("the row was changed by somebody else")]
    Conflict(#[source] Source),
    /// A row is not of the form that this version reads and writes.
    #[error("a row of the table cannot be understood")]
    Corrupt(#[source] Source),
    /// The table refused the request as wrong or not allowed. It will not pass by itself.
    #[error("the table refused the request")]
    Rejected(#[source] Source),
}

/// Why a row was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The row has moved on, and not by this look's own hand: read it again and decide again.
    #[error("the row has moved on")]
    Overtaken,
    /// The table could not be written.
    #[error(transparent)]
    Store(#[from] Error),
}

/// What the database, or the store itself, found wrong, in its code and words.
#[derive(Debug, thiserror::Error)]
#[error("{code}: {sentence}")]
pub(crate) struct Cause {
    code: String,
    sentence: String,
}

impl Cause {
    pub(crate) fn boxed(code: &str, sentence: &str) -> Source {
        Box::new(Cause {
            code: code.to_owned(),
            sentence: sentence.chars().take(SENTENCE_MAX).collect(),
        })
    }
}

impl Error {
    /// A row of `pk` that cannot be decoded.
    pub(crate) fn corrupt(what: &str, sentence: &str) -> Error {
        Error::Corrupt(Cause::boxed(what, sentence))
    }

    /// Whether somebody else was writing the same row, or the database was busy within a transaction: what `net`
    /// cannot see and the store tries again itself.
    pub(crate) fn is_contended(&self) -> bool {
        match self {
            Error::Throttled(source) => source.downcast_ref::<Cause>().is_some_and(|cause| {
                let code = cause.code.as_str();
                CONTENDED.contains(&code) || THROTTLED_INSIDE.contains(&code)
            }),
            _ => false,
        }
    }

    /// A request that could not even be built.
    pub(crate) fn unbuilt(error: impl StdError + Send + Sync + 'static) -> Error {
        Error::Rejected(Box::new(error))
    }

    /// Why a transaction of which no condition failed was cancelled.
    pub(crate) fn cancelled(reasons: &[CancellationReason]) -> Error {
        let codes: Vec<&str> = reasons.iter().filter_map(CancellationReason::code).collect();
        let passing = |code: &&&str| CONTENDED.contains(*code) || THROTTLED_INSIDE.contains(*code);
        match codes.iter().find(passing) {
            Some(code) => Error::Throttled(Cause::boxed(code, "the transaction was cancelled")),
            None => Error::Rejected(Cause::boxed("TransactionCanceledException", &codes.join(", "))),
        }
    }
}

impl<E> From<SdkError<E>> for Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    fn from(error: SdkError<E>) -> Error {
        match error {
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status().as_u16();
                by_code(answer.err().code(), answer.err().message(), status)
            }
            other => match other.into_source() {
                Ok(source) if is_our_fault(source.as_ref()) => Error::Rejected(source),
                Ok(source) => Error::Unavailable(source),
                Err(error) => Error::Unavailable(Box::new(error)),
            },
        }
    }
}

fn by_code(code: Option<&str>, message: Option<&str>, status: u16) -> Error {
    let code = code.unwrap_or("unknown");
    let cause = Cause::boxed(code, message.unwrap_or_default());
    if THROTTLED.contains(&code) || CONTENDED.contains(&code) || status == 429 {
        Error::Throttled(cause)
    } else if status >= 500 {
        Error::Unavailable(cause)
    } else {
        Error::Rejected(cause)
    }
}

fn is_our_fault(source: &(dyn StdError + 'static)) -> bool {
    matches!(
        net::Error::find(source),
        Some(net::Error::BadRequest(_) | net::Error::BadTrust(_) | net::Error::TooLarge)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(code: &str) -> CancellationReason {
        CancellationReason::builder().code(code).build()
    }

    #[test]
    fn codes_say_whose_turn_it_is() {
        assert!(matches!(
            by_code(Some("ThrottlingException"), None, 400),
            Error::Throttled(_)
        ));
        assert!(matches!(
            by_code(Some("InternalServerError"), None, 500),
            Error::Unavailable(_)
        ));
        assert!(matches!(by_code(None, None, 503), Error::Unavailable(_)));
        assert!(matches!(
            by_code(Some("AccessDeniedException"), None, 400),
            Error::Rejected(_)
        ));
    }

    #[test]
    fn only_what_net_cannot_see_is_tried_again_here() {
        assert!(by_code(Some("TransactionConflictException"), None, 400).is_contended());
        assert!(!by_code(Some("ThrottlingException"), None, 400).is_contended());
        assert!(Error::cancelled(&[reason("None"), reason("TransactionConflict")]).is_contended());
        assert!(Error::cancelled(&[reason("ThrottlingError")]).is_contended());
        assert!(matches!(
            Error::cancelled(&[reason("ValidationError")]),
            Error::Rejected(_)
        ));
    }

    #[test]
    fn the_text_names_no_vendor_and_the_source_keeps_the_code() {
        let error = by_code(Some("ValidationException"), Some(&"x".repeat(1000)), 400);
        assert_eq!(error.to_string(), "the table refused the request");
        let source = error.source().unwrap().to_string();
        assert!(
            source.starts_with("ValidationException: x") && source.len() < 300,
            "{source}"
        );
    }
}
