//! Failures that tests inject where life would cause them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;

use crate::Peer;

/// Says for each attempt what shall happen to it.
pub type Faults = Arc<dyn Fn(Peer, &http::Request<Bytes>) -> Fault + Send + Sync>;

/// What happens to one attempt.
#[derive(Debug)]
pub enum Fault {
    /// It is sent.
    Pass,
    /// It is not sent, as if nobody listened: [`Error::Unreachable`](crate::Error::Unreachable).
    Refuse,
    /// It is sent and carried out, and its answer is lost: [`Error::Interrupted`](crate::Error::Interrupted).
    LoseAnswer,
    /// It is not sent and gets this answer.
    Answer(http::Response<Bytes>),
    /// It is sent after this time, which counts against its time-out.
    Delay(Duration),
    /// It is sent once somebody says so, which counts against its time-out.
    Hold(Arc<Notify>),
}

/// The source of the errors that faults cause.
#[derive(Debug, thiserror::Error)]
#[error("a fault was injected here")]
pub(crate) struct Injected;
