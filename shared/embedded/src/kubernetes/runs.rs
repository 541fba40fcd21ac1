//! What the simulation knows of a pod beside its object.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use jiff::{SignedDuration, Timestamp};

use super::nodes::Amounts;
use super::objects::Key;
use super::switches::Plan;
use super::timers::TimerId;

/// First and longest pause of kubelet's back-off, for pulls and restarts; it doubles.
const BACK_OFF_SECONDS: (i64, i64) = (10, 300);

/// Where a pod stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has no node.
    Waiting,
    Creating,
    /// It refers to something that is not there; looked for again and again.
    Missing {
        reason: &'static str,
        message: String,
    },
    /// Kubelet will not create its container.
    Refused(String),
    PullFailed,
    PullBackOff,
    Running,
    /// Its port is to be opened; ready when that is confirmed.
    Serving,
    Ready,
    /// The container has just ended.
    Crashed,
    BackOff,
    Succeeded,
    Failed {
        reason: String,
        message: String,
    },
}

impl Stage {
    /// Nothing runs, and nothing will.
    pub(super) fn is_terminal(&self) -> bool {
        matches!(self, Stage::Succeeded | Stage::Failed { .. })
    }

    /// The deciding container runs.
    pub(super) fn is_up(&self) -> bool {
        matches!(self, Stage::Running | Stage::Serving | Stage::Ready)
    }
}

/// How a container ended.
#[derive(Clone, Debug)]
pub(super) struct Ending {
    pub(super) code: u8,
    pub(super) message: Option<&'static str>,
    pub(super) started: Timestamp,
    pub(super) finished: Timestamp,
    /// How often it had been restarted before.
    pub(super) restarts: u32,
}

/// What the simulation knows of a pod beside its object.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) uid: String,
    pub(super) key: Key,
    pub(super) wants: Amounts,
    pub(super) node: Option<String>,
    pub(super) plan: Plan,
    /// Index of the container that the plan is about.
    pub(super) deciding: usize,
    pub(super) stage: Stage,
    pub(super) bound: Timestamp,
    pub(super) started: Option<Timestamp>,
    pub(super) restarts: u32,
    pub(super) pulls: u32,
    pub(super) last: Option<Ending>,
    pub(super) address: Option<SocketAddr>,
    /// Why its port could not be opened.
    pub(super) problem: Option<String>,
    /// Its next step.
    pub(super) timer: Option<TimerId>,
}

impl Run {
    /// The pause before the next restart.
    pub(super) fn crash_delay(&self) -> SignedDuration {
        back_off(self.restarts.saturating_sub(1))
    }
}

/// The pause after so many failures.
pub(super) fn back_off(failures: u32) -> SignedDuration {
    let (first, most) = BACK_OFF_SECONDS;
    SignedDuration::from_secs(first.saturating_mul(1_i64 << failures.min(16)).min(most))
}

/// Adds to amounts, or with a sign of -1 takes away.
pub(super) fn add(amounts: &mut Amounts, more: &Amounts, sign: i128) {
    for (name, amount) in more {
        let sum = amounts.entry(name.clone()).or_default();
        *sum = sum.saturating_add(amount.saturating_mul(sign));
    }
}

/// Gives back what a pod used of its node, once.
pub(super) fn release(used: &mut BTreeMap<String, Amounts>, run: &mut Run) {
    if let Some(node) = run.node.take().and_then(|node| used.get_mut(&node)) {
        add(node, &run.wants, -1);
    }
}
