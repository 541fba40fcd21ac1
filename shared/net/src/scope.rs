//! The deadline and the counters of one request or run.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::Peer;

/// How long a call outside any scope may take in all, such as one made while a process starts.
pub const DEFAULT_SPAN: Duration = Duration::from_secs(10);

/// The most that a scope keeps of what [`note`] is told.
pub const NOTES_MAX: usize = 8;
/// The most causes that a note names.
const CAUSES_MAX: usize = 8;

tokio::task_local! {
    static CURRENT: Scope;
}

/// Deadline and counters of one request or run.
///
/// [`within`] carries it by a task-local, so that clients shared by many requests account to the right one:
/// the one in whose task the answer is awaited. A spawned task does not inherit it; hand it [`Scope::current`].
#[derive(Clone, Debug)]
pub struct Scope {
    deadline: Instant,
    attempts: Arc<Attempts>,
    notes: Arc<Mutex<Vec<String>>>,
}

/// How many attempts were begun, retries included, by [`Peer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// To [`Peer::Store`].
    pub store: u64,
    /// To [`Peer::Cluster`].
    pub cluster: u64,
    /// To [`Peer::Leased`].
    pub leased: u64,
    /// To [`Peer::Proxy`].
    pub proxy: u64,
    /// To [`Peer::Platform`].
    pub platform: u64,
    /// To [`Peer::Outside`].
    pub outside: u64,
}

#[derive(Debug, Default)]
struct Attempts {
    store: AtomicU64,
    cluster: AtomicU64,
    leased: AtomicU64,
    proxy: AtomicU64,
    platform: AtomicU64,
    outside: AtomicU64,
}

impl Scope {
    /// A scope that ends at `deadline`, with counters at zero.
    pub fn until(deadline: Instant) -> Scope {
        Scope {
            deadline,
            attempts: Arc::default(),
            notes: Arc::default(),
        }
    }

    /// A scope that ends `span` from now, with counters at zero.
    pub fn lasting(span: Duration) -> Scope {
        let now = now();
        Scope::until(now.checked_add(span).unwrap_or(now))
    }

    /// This scope with an earlier deadline, `span` from now at most; counters and notes are shared.
    pub fn at_most(&self, span: Duration) -> Scope {
        let earlier = Scope::lasting(span).deadline.min(self.deadline);
        Scope {
            deadline: earlier,
            ..self.clone()
        }
    }

    /// The scope of the task that asks, if it runs [`within`] one.
    pub fn current() -> Option<Scope> {
        CURRENT.try_with(Scope::clone).ok()
    }

    /// What was sent so far by everything within this scope and its clones.
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counts {
            store: read(&self.attempts.store),
            cluster: read(&self.attempts.cluster),
            leased: read(&self.attempts.leased),
            proxy: read(&self.attempts.proxy),
            platform: read(&self.attempts.platform),
            outside: read(&self.attempts.outside),
        }
    }

    /// What [`note`] was told within this scope, oldest first.
    pub fn notes(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// When no attempt goes on any more.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// How long it is until the deadline; zero after it.
    pub fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(now())
    }

    pub(crate) fn count(&self, peer: Peer) {
        let counter = match peer {
            Peer::Store => &self.attempts.store,
            Peer::Cluster => &self.attempts.cluster,
            Peer::Leased => &self.attempts.leased,
            Peer::Proxy => &self.attempts.proxy,
            Peer::Platform => &self.attempts.platform,
            Peer::Outside => &self.attempts.outside,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Does `work` with `scope` as the deadline and the account of everything it sends. An inner scope replaces an outer one.
pub async fn within<F: Future>(scope: Scope, work: F) -> F::Output {
    CURRENT.scope(scope, work).await
}

/// Keeps `error`, with its chain of causes, for the log line of the request or run in whose scope this is called: for
/// whoever goes on in spite of it. At most [`NOTES_MAX`] are kept; outside any scope, none.
pub fn note(what: &str, error: &(dyn std::error::Error + 'static)) {
    let Some(scope) = Scope::current() else { return };
    let mut notes = scope.notes.lock().unwrap_or_else(PoisonError::into_inner);
    if notes.len() < NOTES_MAX {
        let causes = std::iter::successors(Some(error), |error| error.source()).take(CAUSES_MAX);
        let chain: Vec<String> = causes.map(ToString::to_string).collect();
        notes.push(format!("{what}: {}", chain.join(": ")));
    }
}

#[expect(clippy::disallowed_methods, reason = "this crate is the edge for mechanical time")]
fn now() -> Instant {
    Instant::now()
}
