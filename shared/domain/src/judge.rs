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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, running, starting};

    const HOUR: i64 = 3_600;

    fn last_use(seconds: i64) -> Activity {
        Activity::LastUse(at(seconds))
    }

    #[test]
    fn idle_for_its_limit_is_culled_and_a_moment_less_is_not() {
        let moment = SignedDuration::from_millis(1);
        let end = at(100 + HOUR);
        assert_eq!(
            judge(&running(), last_use(100), end - moment),
            Judgement::Keep { due_at: end }
        );
        let reason = Reason::Idle {
            last_use: at(100),
            cull_timeout: running().cull_timeout,
            judged_at: end,
        };
        assert_eq!(judge(&running(), last_use(100), end), Judgement::Cull(reason));
    }

    #[test]
    fn one_that_was_never_used_counts_from_when_it_was_deployed() {
        let keep = Judgement::Keep { due_at: at(10 + HOUR) };
        assert_eq!(
            judge(&running(), last_use(0), at(HOUR)),
            keep,
            "the route's registration is no use before that"
        );
    }

    #[test]
    fn what_is_not_known_culls_nobody_and_is_asked_again() {
        for activity in [Activity::Unknown, Activity::NoRoute] {
            let keep = Judgement::Keep {
                due_at: at(5 * HOUR + 60),
            };
            assert_eq!(judge(&running(), activity, at(5 * HOUR)), keep);
        }
    }

    #[test]
    fn nobody_is_judged_later_than_the_age_ends() {
        let end = running().age_end();
        assert_eq!(
            judge(&running(), last_use(6 * HOUR - 1), at(6 * HOUR - 1)),
            Judgement::Keep { due_at: end }
        );
        assert_eq!(
            judge(&running(), Activity::Unknown, at(6 * HOUR - 1)),
            Judgement::Keep { due_at: end }
        );
    }

    #[test]
    fn only_what_runs_is_judged() {
        assert_eq!(
            judge(&starting(), last_use(0), at(9 * HOUR)),
            Judgement::Keep { due_at: at(9 * HOUR) }
        );
    }
}
