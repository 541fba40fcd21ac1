//! Somebody who is held up in the middle of a call.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request};
use net::{Fault, Faults, Peer};
use tokio::sync::Notify;

/// Holds one call until it is opened.
pub struct Gate {
    come: Notify,
    open: Arc<Notify>,
    has_come: AtomicBool,
    authorization: Mutex<String>,
}

impl Gate {
    /// Holds the first call to `peer` of this method whose path ends so.
    pub fn at(peer: Peer, method: Method, end: &'static str) -> (Arc<Self>, Faults) {
        Self::where_(move |to, request| {
            (to, request.method()) == (peer, &method) && request.uri().path().ends_with(end)
        })
    }

    /// Holds the first call of which `is_it` says so.
    pub fn where_(is_it: impl Fn(Peer, &Request<Bytes>) -> bool + Send + Sync + 'static) -> (Arc<Self>, Faults) {
        let gate = Arc::new(Self {
            come: Notify::new(),
            open: Arc::new(Notify::new()),
            has_come: AtomicBool::new(false),
            authorization: Mutex::default(),
        });
        let held = Arc::clone(&gate);
        let faults: Faults = Arc::new(move |peer, request| {
            if !is_it(peer, request) || held.has_come.swap(true, Ordering::SeqCst) {
                return Fault::Pass;
            }
            let shown = request
                .headers()
                .get("authorization")
                .map(|value| value.to_str().unwrap());
            shown
                .unwrap_or_default()
                .clone_into(&mut held.authorization.lock().unwrap());
            held.come.notify_one();
            Fault::Hold(Arc::clone(&held.open))
        });
        (gate, faults)
    }

    /// What the call that was held shows as its authorization.
    pub fn authorization(&self) -> String {
        self.authorization.lock().unwrap().clone()
    }

    /// Does `work` until its call is held, then `meanwhile`, and then lets it go on.
    pub async fn amid<T, M>(&self, work: impl Future<Output = T>, meanwhile: impl Future<Output = M>) -> (T, M) {
        let meanwhile = async {
            self.come.notified().await;
            let done = meanwhile.await;
            self.open.notify_one();
            done
        };
        futures::join!(work, meanwhile)
    }
}
