//! What an application needs next.

use jiff::Timestamp;

use crate::{Application, EndingStep, Outcome, Reason, State};

/// The one step that an application needs next. Whoever looks does it, records it and asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Namespace, service account, network policy and pod are to be made. *Cluster required.*
    MakeObjects,
    /// The pod is to be looked at, then [`crate::verdict`] decides. *Cluster required.*
    ObservePod,
    /// The route proxy is to be asked for the last use, then [`crate::judge`] decides. *Proxy required.*
    AskLastUse,
    /// A spare's pod is to be looked at: one that is not well goes. *Cluster required.*
    CheckSpare,
    /// The tombstone is to be written. *Nothing but the table required.*
    Entomb(Outcome, Reason),
    /// The route is to be removed. *Proxy required.*
    RemoveRoute,
    /// The namespace is to be deleted. *Cluster required.*
    DeleteNamespace,
    /// The namespace is to be looked for; when it is gone the terminal write follows. *Cluster required.*
    AwaitGone,
    /// Nothing, ever.
    Nothing,
}

/// What `application` needs next. Promises (maximum age) are decided here, by `now` alone; judgements need an
/// observation first.
pub fn next(application: &Application, now: Timestamp) -> Next {
    let too_old = || {
        let reason = Reason::TooOld {
            created_at: application.created_at,
            max_age: application.max_age,
        };
        Next::Entomb(Outcome::Deleted, reason)
    };
    match &application.state {
        State::Pending | State::Starting { .. } | State::Running { .. } if now >= application.age_end() => too_old(),
        State::Pending if now >= application.launch_deadline() => {
            let last = application.waiting.clone().map(Box::new);
            Next::Entomb(Outcome::Failed, Reason::DeadlinePassed { last })
        }
        State::Pending => Next::MakeObjects,
        State::Starting { .. } => Next::ObservePod,
        State::Running { .. } if application.spare => Next::CheckSpare,
        State::Running { .. } | State::Orphaned { .. } => Next::AskLastUse,
        State::Ending {
            step: EndingStep::Route,
            ..
        } => Next::RemoveRoute,
        State::Ending {
            step: EndingStep::Namespace,
            ..
        } => Next::DeleteNamespace,
        State::Ending {
            step: EndingStep::Gone, ..
        } => Next::AwaitGone,
        State::Ended { .. } => Next::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, ending, launched, running, starting};

    #[test]
    fn each_state_has_its_step() {
        assert_eq!(next(&launched(), at(1)), Next::MakeObjects);
        assert_eq!(next(&starting(), at(1)), Next::ObservePod);
        assert_eq!(next(&running(), at(11)), Next::AskLastUse);
        let spare = Application {
            spare: true,
            ..running()
        };
        assert_eq!(next(&spare, at(11)), Next::CheckSpare);
        assert_eq!(next(&ending(EndingStep::Route), at(30)), Next::RemoveRoute);
        assert_eq!(next(&ending(EndingStep::Namespace), at(30)), Next::DeleteNamespace);
        assert_eq!(next(&ending(EndingStep::Gone), at(30)), Next::AwaitGone);
    }

    #[test]
    fn a_launch_that_never_began_fails_at_its_deadline() {
        assert_eq!(next(&launched(), at(299)), Next::MakeObjects);
        let last = Some(Box::new(Reason::Waiting));
        assert_eq!(
            next(&launched(), at(300)),
            Next::Entomb(Outcome::Failed, Reason::DeadlinePassed { last })
        );
    }

    #[test]
    fn a_pod_is_looked_at_even_past_the_deadline() {
        assert_eq!(next(&starting(), at(9_999)), Next::ObservePod);
    }

    #[test]
    fn the_maximum_age_ends_everything_that_lives() {
        for application in [launched(), starting(), running()] {
            let reason = Reason::TooOld {
                created_at: at(0),
                max_age: application.max_age,
            };
            assert_eq!(
                next(&application, at(6 * 3_600)),
                Next::Entomb(Outcome::Deleted, reason)
            );
        }
        assert_eq!(next(&ending(EndingStep::Route), at(99 * 3_600)), Next::RemoveRoute);
    }
}
