//! One suite a protocol, each a test target: every check runs against the embedded server, and with the feature `real`
//! against the real one too.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// A check is over by then, on a busy machine too.
const CHECK_MAX: Duration = Duration::from_secs(180);
/// What a server does by itself is done by then.
const EVENTUALLY_MAX: Duration = Duration::from_secs(60);
/// Between two looks.
const PACE: Duration = Duration::from_millis(100);

/// Makes each of these checks, `async fn name(server: &Server)`, a test against the embedded server, and with the
/// feature `real` one against the real server. Which servers those are, the suite's own module `server` says, by its
/// functions `on_embedded` and `on_real`.
#[macro_export]
#[expect(clippy::crate_in_macro_def, reason = "the suite's own module is meant")]
macro_rules! checks {
    ($($name:ident)*) => {
        mod embedded {
            $(#[test] fn $name() { crate::server::on_embedded(async |server| super::$name(server).await); })*
        }
        #[cfg(feature = "real")]
        mod real {
            $(#[test] fn $name() { crate::server::on_real(async |server| super::$name(server).await); })*
        }
    };
}

/// What `look` gives as soon as it gives anything.
///
/// # Panics
/// When it gives nothing in time.
pub async fn eventually<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    let looks = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            sleep(PACE).await;
        }
    };
    let seen = timeout(EVENTUALLY_MAX, looks).await;
    seen.unwrap_or_else(|_| panic!("{what}: not within {EVENTUALLY_MAX:?}"))
}

/// Runs a check, on a runtime of its own.
///
/// # Panics
/// When it is not over in time.
pub fn in_time(check: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    let ended = runtime.block_on(async { timeout(CHECK_MAX, check).await });
    ended.unwrap_or_else(|_| panic!("the check took longer than {CHECK_MAX:?}"));
}
