//! Domain time and randomness, as values that the edge hands on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};

/// Domain time: what decides. Mechanical time (time-outs, back-off, signatures) is never this clock's business.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's clock.
    #[expect(clippy::disallowed_methods, reason = "the edge is where domain time comes from")]
    pub fn system() -> Self {
        Self(Arc::new(Timestamp::now))
    }

    /// The machine's clock, ahead by a number of milliseconds that may grow while it runs.
    #[expect(clippy::disallowed_methods, reason = "the edge is where domain time comes from")]
    pub fn wound(ahead_ms: Arc<AtomicI64>) -> Self {
        Self::from_fn(move || {
            let ahead = SignedDuration::from_millis(ahead_ms.load(Ordering::SeqCst));
            Timestamp::now().checked_add(ahead).unwrap_or(Timestamp::MAX)
        })
    }

    /// Whatever `now` says.
    pub fn from_fn(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Domain time now, in whole milliseconds: what every row, cursor and comparison can hold.
    pub fn now(&self) -> Timestamp {
        let now = (self.0)();
        Timestamp::from_millisecond(now.as_millisecond()).unwrap_or(now)
    }
}

/// Where ids, nonces and request ids come from.
#[derive(Clone)]
pub struct Entropy(Arc<Fill>);

/// Fills the bytes, or says that it cannot.
type Fill = dyn Fn(&mut [u8]) -> bool + Send + Sync;

impl Entropy {
    /// The operating system's.
    #[expect(clippy::disallowed_methods, reason = "the edge is where randomness comes from")]
    pub fn system() -> Self {
        let source = SystemRandom::new();
        Self(Arc::new(move |bytes| source.fill(bytes).is_ok()))
    }

    /// `N` unpredictable bytes; `None` when the operating system has none to give.
    pub fn bytes<const N: usize>(&self) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        (self.0)(&mut bytes).then_some(bytes)
    }
}
