//! What tests over HTTP share: a whole installation in this process, a client that sends exactly what it is told,
//! outages on demand, and scripts that are played on all of it. Whatever does not go as a test needs it panics with what was seen.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "only tests use this, and a panic is how a test fails"
)]

mod app;
pub mod cases;
pub mod counts;
pub mod flood;
mod gate;
mod http;
mod installation;
pub mod leases;
mod lessor;
mod outages;
#[cfg(feature = "real")]
pub mod parts;
pub mod process;
mod registry;
#[cfg(feature = "real")]
pub mod scale;
pub mod scenario;

pub use app::App;
pub use gate::Gate;
pub use http::{Answer, Ask, Http};
pub use installation::{Installation, Launched};
pub use lessor::{Lessor, cluster_pools, default_pool, lease_rules, registration, this_machine};
pub use outages::Outages;
pub use registry::{Page, Registry};

use std::time::Duration;

/// How long one test may take, on a busy machine too: a bound for what hangs, not a measure.
pub const TEST_MAX: Duration = Duration::from_secs(10 * 60);

/// Runs `test` for at most [`TEST_MAX`].
///
/// # Panics
/// When it takes longer.
pub async fn in_time<T>(test: impl Future<Output = T>) -> T {
    within(TEST_MAX, test).await
}

async fn within<T>(most: Duration, test: impl Future<Output = T>) -> T {
    let ended = tokio::time::timeout(most, Box::pin(test)).await;
    ended.unwrap_or_else(|_| panic!("the test took longer than {most:?}"))
}

/// Of a thread on which futures nest deeply, in bytes: without optimisation they need more than a test's thread has.
const STACK: usize = 16 << 20;

/// Does `work`, for at most so long, on a runtime whose threads have large stacks.
///
/// # Errors
/// As `work`; a sentence, when the runtime cannot be started or it takes longer.
fn on_large_stacks<T: Send + 'static>(
    most: Duration,
    work: impl Future<Output = Result<T, String>> + Send + 'static,
) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_stack_size(STACK)
        .build();
    let runtime = runtime.map_err(|error| format!("no runtime can be started: {error}"))?;
    // On one of its own threads, because the one that waits has a stack that was made by others.
    match runtime.block_on(runtime.spawn(async move { tokio::time::timeout(most, work).await })) {
        Ok(Ok(done)) => done,
        Ok(Err(_)) => Err(format!("it takes longer than {most:?}")),
        Err(died) => std::panic::resume_unwind(died.into_panic()),
    }
}

/// Does `work`, for at most [`TEST_MAX`], on a thread with a large stack.
///
/// # Panics
/// As `work` does.
pub fn on_a_large_stack<F: Future<Output = ()>>(work: impl FnOnce() -> F + Send) {
    on_a_large_stack_within(TEST_MAX, work);
}

/// As [`on_a_large_stack`], for at most so long.
///
/// # Panics
/// As `work` does.
pub fn on_a_large_stack_within<F: Future<Output = ()>>(most: Duration, work: impl FnOnce() -> F + Send) {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(within(most, work()));
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run);
        let ended = thread.unwrap().join();
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}
