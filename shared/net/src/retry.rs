//! What is tried again, and when: the one retry policy.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use bytes::Bytes;
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, Response, StatusCode};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde::Deserialize;

use crate::{Error, Peer};

/// How often a request is sent at most.
pub const ATTEMPTS: usize = 3;
/// The longest `Retry-After` that is waited for here. An answer that asks for more is handed to the caller at once.
pub const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(2);

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// DynamoDB's errors are a line of JSON; anything longer is none.
const LONGEST_AWS_ERROR: usize = 16 * 1024;
/// The DynamoDB errors, all of status 400, that pass by themselves.
const PASSING_AWS_ERRORS: [&str; 4] = [
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "TransactionInProgressException",
];

/// The pauses between attempts: exponential, with jitter, one fewer than there are attempts.
pub(crate) fn pauses() -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_max_times(ATTEMPTS - 1)
        .with_jitter()
        .build()
}

/// How long to wait at least before the next attempt; none when `outcome` is final.
pub(crate) fn least_pause(peer: Peer, outcome: &Result<Response<Bytes>, Error>) -> Option<Duration> {
    match outcome {
        Err(error) => error.is_passing().then_some(Duration::ZERO),
        Ok(answer) if is_passing(peer, answer) => {
            let asked = retry_after(answer.headers()).unwrap_or_default();
            (asked <= LONGEST_RETRY_AFTER).then_some(asked)
        }
        Ok(_) => None,
    }
}

fn is_passing(peer: Peer, answer: &Response<Bytes>) -> bool {
    match answer.status() {
        StatusCode::TOO_MANY_REQUESTS
        | StatusCode::BAD_GATEWAY
        | StatusCode::SERVICE_UNAVAILABLE
        | StatusCode::GATEWAY_TIMEOUT => true,
        StatusCode::INTERNAL_SERVER_ERROR => peer == Peer::Store,
        StatusCode::BAD_REQUEST => matches!(peer, Peer::Store | Peer::Platform) && is_throttling(answer.body()),
        _ => false,
    }
}

fn is_throttling(body: &Bytes) -> bool {
    #[derive(Deserialize)]
    struct AwsError {
        #[serde(rename = "__type")]
        kind: String,
    }
    body.len() <= LONGEST_AWS_ERROR
        && serde_json::from_slice::<AwsError>(body)
            .is_ok_and(|error| PASSING_AWS_ERRORS.iter().any(|passing| error.kind.ends_with(passing)))
}

/// What `Retry-After` asks for, in either of its forms (RFC 9110, 10.2.3). A date is read against the answer's own
/// `Date`, so that no clock of ours takes part.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = |text: &str| -> Option<Timestamp> { DateTimeParser::new().parse_timestamp(text).ok() };
    let sent = date(headers.get(DATE)?.to_str().ok()?)?;
    // A moment already past asks for no wait at all.
    Some(Duration::try_from(date(text)?.duration_since(sent)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &'static str) -> Result<Response<Bytes>, Error> {
        Ok(Response::builder()
            .status(status)
            .body(Bytes::from_static(body.as_bytes()))
            .unwrap())
    }

    fn retried(peer: Peer, status: u16, body: &'static str) -> bool {
        least_pause(peer, &answer(status, body)).is_some()
    }

    #[test]
    fn passing_statuses_are_retried_whoever_gives_them() {
        for peer in [
            Peer::Store,
            Peer::Cluster,
            Peer::Leased,
            Peer::Proxy,
            Peer::Platform,
            Peer::Outside,
        ] {
            for status in [429, 502, 503, 504] {
                assert!(retried(peer, status, ""), "{peer:?} {status}");
            }
            for status in [200, 201, 301, 400, 401, 403, 404, 409, 410, 422, 501] {
                assert!(!retried(peer, status, ""), "{peer:?} {status}");
            }
        }
    }

    #[test]
    fn an_internal_error_is_retried_only_from_the_store() {
        assert!(retried(Peer::Store, 500, ""));
        for peer in [Peer::Cluster, Peer::Leased, Peer::Proxy, Peer::Platform, Peer::Outside] {
            assert!(!retried(peer, 500, ""), "{peer:?}");
        }
    }

    #[test]
    fn throttling_is_told_from_other_refusals_by_its_type() {
        let throttled = [
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException","message":"x"}"#,
            r#"{"__type":"com.amazon.coral.availability#ThrottlingException"}"#,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#RequestLimitExceeded"}"#,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionInProgressException"}"#,
        ];
        for body in throttled {
            assert!(retried(Peer::Store, 400, body), "{body}");
            assert!(retried(Peer::Platform, 400, body), "{body}");
            assert!(!retried(Peer::Cluster, 400, body), "{body}");
        }
        let refused = [
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}"#,
            r#"{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException"}"#,
            r#"{"message":"ThrottlingException"}"#,
            "ThrottlingException",
        ];
        for body in refused {
            assert!(!retried(Peer::Store, 400, body), "{body}");
        }
    }

    fn asked(headers: &[(&str, &str)]) -> Option<Duration> {
        let mut builder = Response::builder().status(503);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        least_pause(Peer::Proxy, &Ok(builder.body(Bytes::new()).unwrap()))
    }

    #[test]
    fn a_short_retry_after_is_waited_for_and_a_long_one_ends_the_retries() {
        let sent = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(asked(&[("retry-after", "1")]), Some(Duration::from_secs(1)));
        assert_eq!(asked(&[("retry-after", "3")]), None);
        assert_eq!(
            asked(&[sent, ("retry-after", "Sun, 06 Nov 1994 08:49:39 GMT")]),
            Some(Duration::from_secs(2))
        );
        assert_eq!(asked(&[sent, ("retry-after", "Sun, 06 Nov 1994 08:50:37 GMT")]), None);
        assert_eq!(
            asked(&[sent, ("retry-after", "Sun, 06 Nov 1994 08:48:37 GMT")]),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn a_retry_after_that_says_nothing_is_ignored() {
        assert_eq!(asked(&[("retry-after", "soon")]), Some(Duration::ZERO));
        assert_eq!(
            asked(&[("retry-after", "Sun, 06 Nov 1994 08:49:39 GMT")]),
            Some(Duration::ZERO)
        );
    }

    #[test]
    fn pauses_grow_with_jitter_and_are_one_fewer_than_attempts() {
        let pauses: Vec<_> = pauses().collect();
        assert_eq!(pauses.len(), ATTEMPTS - 1);
        assert!(pauses[0] >= FIRST_PAUSE && pauses[0] <= 2 * FIRST_PAUSE);
        assert!(pauses[1] >= 2 * FIRST_PAUSE && pauses[1] <= 4 * FIRST_PAUSE);
        let others: Vec<_> = (0..20).flat_map(|_| super::pauses().take(1)).collect();
        assert!(
            others.iter().any(|other| *other != others[0]),
            "no jitter in {others:?}"
        );
    }

    #[test]
    fn only_what_may_pass_is_retried_among_errors() {
        for error in [
            Error::TimedOut,
            Error::Unreachable("x".into()),
            Error::Interrupted("x".into()),
        ] {
            assert!(least_pause(Peer::Cluster, &Err(error)).is_some());
        }
        for error in [
            Error::OutOfTime,
            Error::TooLarge,
            Error::Guarded(crate::Rule::InwardAddress("private")),
            Error::BadRequest("x".into()),
            Error::BadTrust("x".into()),
        ] {
            assert!(least_pause(Peer::Cluster, &Err(error)).is_none());
        }
    }
}
