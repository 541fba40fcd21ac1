//! What a pod's state means for the application that it runs.

use jiff::Timestamp;

use crate::{Application, Outcome, Reason};

/// A pod as one look saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodSeen {
    /// The namespace is gone, is being deleted, or is another one of the same name.
    NamespaceGone,
    /// The namespace is there and the pod is not.
    Gone,
    /// The pod is there.
    There(PodState),
}

/// What a pod that is there says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PodState {
    /// Its port accepts connections: the address to route to, `ip:port`.
    Ready {
        /// `http://<pod ip>:<port>`.
        target: String,
    },
    /// It may still come up; this is what it waits for.
    Waiting(Reason),
    /// It will never come up as it is.
    Hopeless(Reason),
    /// It has ended (its phase is Succeeded or Failed) or is being deleted.
    Ended {
        /// The cluster's own word and sentence.
        message: String,
    },
}

/// What follows for a starting application from what was seen of its pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The route is to be made to this target.
    MakeRoute {
        /// `http://<pod ip>:<port>`.
        target: String,
    },
    /// It is to be looked at again soon.
    Wait(Reason),
    /// It has failed.
    Fail(Outcome, Reason),
}

/// What follows from what was `seen`. A pod that is ready is taken even at its deadline.
pub fn verdict(application: &Application, seen: PodSeen, now: Timestamp) -> Verdict {
    let fail = |reason| Verdict::Fail(Outcome::Failed, reason);
    match seen {
        PodSeen::NamespaceGone => fail(Reason::NamespaceGone),
        PodSeen::Gone => fail(Reason::PodGone),
        PodSeen::There(PodState::Ended { message }) => fail(Reason::PodEnded { message }),
        PodSeen::There(PodState::Hopeless(reason)) => fail(reason),
        PodSeen::There(PodState::Ready { target }) => Verdict::MakeRoute { target },
        PodSeen::There(PodState::Waiting(reason)) => {
            if now >= application.launch_deadline() {
                fail(Reason::DeadlinePassed {
                    last: Some(Box::new(reason)),
                })
            } else {
                Verdict::Wait(reason)
            }
        }
    }
}
