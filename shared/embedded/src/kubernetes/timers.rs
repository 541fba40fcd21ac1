//! What is due when, in domain time.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::objects::Key;

/// Names one timer, and says when it is due.
pub(super) type TimerId = (Timestamp, u64);

/// Something that the simulation does by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    /// Find nodes for the pods that wait for one.
    Schedule,
    /// The next step of the pod with this uid.
    Step(String),
    /// The pod with this uid has used up `activeDeadlineSeconds`.
    Deadline(String),
    /// The containers of the deleted pod with this uid have ended.
    Ended(String),
    /// Empty the namespace of this name, or let it go.
    Namespace(String),
    /// Put back what the namespace of this name must have.
    Furnish(String),
    /// Count the namespace of this name for its quotas.
    Count(String),
    /// Delete what lost its owners.
    Collect,
    /// Let controllers look at what has changed.
    Control,
    /// Have the controller of this object look at it again.
    Stir(Key),
    /// Delete the pods of the node of this name, which is gone.
    Bereaved(String),
}

/// Timers in the order in which they are due; of two at once the one set first.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<TimerId, Timer>,
    set: u64,
}

impl Timers {
    pub(super) fn set(&mut self, at: Timestamp, timer: Timer) -> TimerId {
        self.set += 1;
        self.due.insert((at, self.set), timer);
        (at, self.set)
    }

    pub(super) fn cancel(&mut self, id: TimerId) {
        self.due.remove(&id);
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Takes the next one that is due at `now`.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, Timer)> {
        let entry = self.due.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((at, _), timer) = entry.remove_entry();
        Some((at, timer))
    }
}
