//! Whether a running application is in use.

use jiff::{SignedDuration, Timestamp};

use crate::application::later;
use crate::limits::JUDGE_AGAIN;
use crate::{Application, Reason, State};

/// What the route proxy knows of an application's use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Traffic was last seen then.
    LastUse(Timestamp),
    /// The proxy answered, and has no route for it.
    NoRoute,
    /// The proxy could not be asked, or its answer made no sense.
    Unknown,
}

/// What follows from an application's use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is in use, or not idle for long enough: judge again then.
    Keep {
        /// When it is due again.
        due_at: Timestamp,
    },
    /// It has been idle for as long as its limit.
    Cull(Reason),
}

/// Judges a running application by its last use. What is not known culls nobody: a proxy that cannot tell is asked
/// again in a minute, and the maximum age still holds.
pub fn judge(application: &Application, activity: Activity, now: Timestamp) -> Judgement {
    let State::Running { deployed_at, .. } = &application.state else {
        return Judgement::Keep { due_at: now };
    };
    let again = SignedDuration::try_from(JUDGE_AGAIN).unwrap_or_default();
    let Activity::LastUse(last_use) = activity else {
        return Judgement::Keep {
            due_at: later(now, again).min(application.age_end()),
        };
    };
    let last_use = last_use.max(*deployed_at);
    let idle_end = later(last_use, application.cull_timeout.duration());
    if now >= idle_end {
        let (cull_timeout, judged_at) = (application.cull_timeout, now);
        Judgement::Cull(Reason::Idle {
            last_use,
            cull_timeout,
            judged_at,
        })
    } else {
        Judgement::Keep {
            due_at: idle_end.min(application.age_end()),
        }
    }
}
