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
        State::Running { .. } => Next::AskLastUse,
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
