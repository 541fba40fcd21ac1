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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, starting};

    #[test]
    fn a_ready_pod_gets_its_route_even_at_the_deadline() {
        let target = "http://10.0.0.1:8888".to_owned();
        let seen = PodSeen::There(PodState::Ready { target: target.clone() });
        assert_eq!(verdict(&starting(), seen, at(9_999)), Verdict::MakeRoute { target });
    }

    #[test]
    fn one_that_waits_fails_at_the_deadline_with_what_it_waited_for() {
        let waiting = || PodSeen::There(PodState::Waiting(Reason::Scheduling));
        assert_eq!(
            verdict(&starting(), waiting(), at(299)),
            Verdict::Wait(Reason::Scheduling)
        );
        let reason = Reason::DeadlinePassed {
            last: Some(Box::new(Reason::Scheduling)),
        };
        assert_eq!(
            verdict(&starting(), waiting(), at(300)),
            Verdict::Fail(Outcome::Failed, reason)
        );
    }

    #[test]
    fn what_cannot_come_up_fails_at_once() {
        let message = "Evicted: the node was low on memory".to_owned();
        for (seen, reason) in [
            (PodSeen::Gone, Reason::PodGone),
            (PodSeen::NamespaceGone, Reason::NamespaceGone),
            (
                PodSeen::There(PodState::Ended {
                    message: message.clone(),
                }),
                Reason::PodEnded { message },
            ),
            (
                PodSeen::There(PodState::Hopeless(Reason::Scheduling)),
                Reason::Scheduling,
            ),
        ] {
            assert_eq!(
                verdict(&starting(), seen, at(1)),
                Verdict::Fail(Outcome::Failed, reason)
            );
        }
    }
}
