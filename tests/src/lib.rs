//! What tests over HTTP share: a whole installation in this process, a client that sends exactly what it is told, and
//! outages on demand. Whatever does not go as a test needs it panics with what was seen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "only tests use this, and a panic is how a test fails"
)]

mod app;
pub mod counts;
mod http;
mod outages;

pub use app::{App, Launched};
pub use http::{Answer, Ask, Http};
pub use outages::Outages;

use std::time::Duration;

/// How long one test may take.
pub const TEST_MAX: Duration = Duration::from_secs(60);

/// Runs `test` for at most [`TEST_MAX`].
///
/// # Panics
/// When it takes longer.
pub async fn in_time<T>(test: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(TEST_MAX, Box::pin(test)).await;
    ended.unwrap_or_else(|_| panic!("the test took longer than {TEST_MAX:?}"))
}
