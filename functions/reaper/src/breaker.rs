//! Parts of a cell that fail again and again are left alone for the rest of a lane's run.

use std::sync::atomic::{AtomicU32, Ordering};

use domain::limits::BREAKER_FAILURES;
use domain::{Application, Part, Reach, Reason, needs};
use jiff::Timestamp;
use store::Row;

/// What of a cell can be reached, by the probe and by what has failed since.
pub(crate) struct Breaker {
    probed: Reach,
    /// Failures in a row, of the cluster and of the proxy.
    failed: [AtomicU32; 2],
}

impl Breaker {
    pub(crate) fn new(probed: Reach) -> Self {
        Self {
            probed,
            failed: Default::default(),
        }
    }

    /// What can be reached.
    pub(crate) fn reach(&self) -> Reach {
        let works = |part| self.failures(part).load(Ordering::Relaxed) < BREAKER_FAILURES;
        Reach {
            cluster: self.probed.cluster && works(Part::Cluster),
            proxy: self.probed.proxy && works(Part::Proxy),
            ..self.probed
        }
    }

    /// Learns from what became of an application.
    pub(crate) fn tell(&self, before: &Application, after: &Row<Application>, now: Timestamp) {
        let failing = failing_part(after, now);
        if let Some(begun) = needs(before, now).filter(|begun| failing != Some(*begun)) {
            self.failures(begun).store(0, Ordering::Relaxed);
        }
        if let Some(failing) = failing {
            self.failures(failing).fetch_add(1, Ordering::Relaxed);
        }
    }

    fn failures(&self, part: Part) -> &AtomicU32 {
        match part {
            Part::Cluster => &self.failed[0],
            Part::Proxy => &self.failed[1],
        }
    }
}

/// The part that failed an application's last step, which its row counts as a try.
fn failing_part(row: &Row<Application>, now: Timestamp) -> Option<Part> {
    if row.attempt == 0 {
        return None;
    }
    match &row.value.waiting {
        // A pod that is ready waits for its route.
        Some(Reason::ProxyUnreachable) => Some(Part::Proxy),
        _ => needs(&row.value, now),
    }
}
