//! Why no answer came.

use std::error::Error as StdError;

use crate::Rule;

/// Whatever a library below this crate reported.
pub(crate) type Source = Box<dyn StdError + Send + Sync>;

/// Why a request has no answer. None of them carries a URL, a header or a body.
///
/// An answer of any status, 5xx included, is an answer and no error.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The deadline of the [`Scope`](crate::Scope) is too near to begin. Nothing was sent.
    #[error("too little time is left before the deadline to send the request")]
    OutOfTime,
    /// The last attempt was given up after its time-out. The peer may have done what was asked.
    #[error("the peer did not answer in time")]
    TimedOut,
    /// No connection could be made. The last attempt sent nothing; an earlier one may have.
    #[error("the peer cannot be reached")]
    Unreachable(#[source] Source),
    /// The connection broke after it was made. The peer may have done what was asked.
    #[error("the connection broke before the whole answer had come")]
    Interrupted(#[source] Source),
    /// The answer is longer than [`LARGEST_ANSWER`](crate::LARGEST_ANSWER), or than a fetch's rules allow. The peer has done what was asked.
    #[error("the answer is too large")]
    TooLarge,
    /// The request cannot be sent as it is: its address is not a whole http or https URL, or its body is a stream.
    #[error("the request cannot be sent")]
    BadRequest(#[source] Source),
    /// A rule of a guarded client, or of a [`Fetch`](crate::Fetch), refused. Nothing was sent.
    #[error("the address is refused: {0}")]
    Guarded(Rule),
    /// A [`Trust`](crate::Trust) cannot be used.
    #[error("the certificates or the key to connect with cannot be used")]
    BadTrust(#[source] Source),
}

impl Error {
    /// The `Error` of this crate among `error` and its sources: what the AWS SDK and kube wrap is found again by it.
    pub fn find<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Error> {
        std::iter::successors(Some(error), |&error| error.source())
            .take(LONGEST_CHAIN)
            .find_map(|error| error.downcast_ref::<Error>())
    }

    /// Whether the same request may well succeed a moment later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Error::TimedOut | Error::Unreachable(_) | Error::Interrupted(_))
    }
}

/// How many sources of an error are looked at.
pub(crate) const LONGEST_CHAIN: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("wrapped")]
    struct Wrapped(#[source] Source);

    #[test]
    fn an_error_is_found_below_what_wraps_it() {
        let wrapped = Wrapped(Box::new(Wrapped(Box::new(Error::OutOfTime))));
        assert!(matches!(Error::find(&wrapped), Some(Error::OutOfTime)));
        assert!(matches!(Error::find(&Error::TimedOut), Some(Error::TimedOut)));
        assert!(Error::find(&Wrapped("another".into())).is_none());
    }
}
