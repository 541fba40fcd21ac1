//! Outages on demand.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use net::{Fault, Faults, Peer, Settings};

/// Which parts nobody can reach at the moment. Clones share what they say.
#[derive(Clone, Default)]
pub struct Outages(Arc<Mutex<HashSet<Peer>>>);

impl Outages {
    /// From now on nobody can reach `peer`.
    pub fn begin(&self, peer: Peer) {
        self.0.lock().unwrap().insert(peer);
    }

    /// From now on everybody can reach `peer` again.
    pub fn end(&self, peer: Peer) {
        self.0.lock().unwrap().remove(&peer);
    }

    /// A connector's settings under which these outages happen.
    pub fn settings(&self) -> Settings {
        let out = self.clone();
        let faults: Faults = Arc::new(move |peer, _| {
            if out.0.lock().unwrap().contains(&peer) {
                Fault::Refuse
            } else {
                Fault::Pass
            }
        });
        Settings {
            faults: Some(faults),
            ..Settings::default()
        }
    }
}
