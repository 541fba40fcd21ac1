//! Whether a running application is in use.

use jiff::Timestamp;

use crate::application::{after, later};
use crate::limits::{JUDGE_AGAIN, PROXY_SKEW, REMADE_SLACK, REPORT_EVERY, SPARE_AGAIN};
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
        /// When the proxy saw it used last, where that says more than was known before.
        seen: Option<Timestamp>,
        /// Whether the proxy could tell: if so, it waits under the brake no more.
        known: bool,
    },
    /// It has been idle for as long as its limit.
    Cull(Reason),
}

/// Judges an application that runs, or that was found without a record, by its last use: what it reported itself, or
/// what the proxy saw. What is not known culls nobody: a proxy that cannot tell, or that tells of a use long before
/// there was a route, is asked again in a minute, and the maximum age still holds.
pub fn judge(application: &Application, activity: Activity, now: Timestamp) -> Judgement {
    let since = match &application.state {
        State::Running { deployed_at, .. } => *deployed_at,
        State::Orphaned { found_at, .. } => *found_at,
        _ => {
            return Judgement::Keep {
                due_at: now,
                seen: None,
                known: false,
            };
        }
    };
    let keep = |due_at: Timestamp, seen, known| Judgement::Keep {
        due_at: due_at.min(application.age_end()),
        seen,
        known,
    };
    let Activity::LastUse(proxy) = activity else {
        return keep(after(now, JUDGE_AGAIN), None, false);
    };
    let routed_since = application.remade.unwrap_or(since);
    let is_orphan = matches!(application.state, State::Orphaned { .. });
    // The route of an orphan may be as old as the proxy.
    if !is_orphan && after(proxy, PROXY_SKEW) < routed_since {
        return keep(after(now, JUDGE_AGAIN), None, false);
    }
    let proxy = proxy.min(now);
    let known = application.used_at.unwrap_or(since).max(since);
    let limit = application.cull_timeout.duration();

    // The last activity of a route that was made again is no use, and what was before it is unknown. What is unknown culls
    // nobody: nothing is said before the proxy has watched for as long as the limit.
    let unseen = application.remade.filter(|at| proxy <= after(*at, REMADE_SLACK));
    let last_use = if unseen.is_some() { known } else { known.max(proxy) };
    let idle_end = later(known.max(proxy), limit);
    if now < idle_end {
        let seen = (unseen.is_none() && proxy > known).then_some(proxy);
        return keep(idle_end, seen, true);
    }
    Judgement::Cull(match application.state {
        State::Orphaned { found_at, .. } => Reason::OrphanUnused {
            found_at,
            last_use,
            judged_at: now,
        },
        _ => Reason::Idle {
            last_use,
            cull_timeout: application.cull_timeout,
            judged_at: now,
            unseen_since: unseen,
        },
    })
}

/// Whether a use that an application reports at `now` is worth a write: it runs, and none was known for a while.
pub fn reports_use(application: &Application, now: Timestamp) -> bool {
    let runs = matches!(application.state, State::Running { .. } | State::Orphaned { .. });
    runs && application
        .used_at
        .is_none_or(|known| now >= after(known, REPORT_EVERY))
}

/// When an application that has just begun to answer is looked at first: a spare soon, anything else when it would be
/// idle, had it never been used.
pub fn first_look(application: &Application, now: Timestamp) -> Timestamp {
    let at = if application.spare {
        after(now, SPARE_AGAIN)
    } else {
        later(now, application.cull_timeout.duration())
    };
    at.min(application.age_end())
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

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
            Judgement::Keep {
                due_at: end,
                seen: Some(at(100)),
                known: true,
            }
        );
        let reason = Reason::Idle {
            last_use: at(100),
            cull_timeout: running().cull_timeout,
            judged_at: end,
            unseen_since: None,
        };
        assert_eq!(judge(&running(), last_use(100), end), Judgement::Cull(reason));
    }

    #[test]
    fn one_that_was_never_used_counts_from_when_it_was_deployed() {
        let keep = Judgement::Keep {
            due_at: at(10 + HOUR),
            seen: None,
            known: true,
        };
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
                seen: None,
                known: false,
            };
            assert_eq!(judge(&running(), activity, at(5 * HOUR)), keep);
        }
    }

    #[test]
    fn nobody_is_judged_later_than_the_age_ends() {
        let end = running().age_end();
        let due = |activity| match judge(&running(), activity, at(6 * HOUR - 1)) {
            Judgement::Keep { due_at, .. } => due_at,
            Judgement::Cull(reason) => panic!("{reason:?}"),
        };
        assert_eq!(due(last_use(6 * HOUR - 1)), end);
        assert_eq!(due(Activity::Unknown), end);
    }

    #[test]
    fn only_what_runs_is_judged() {
        let keep = Judgement::Keep {
            due_at: at(9 * HOUR),
            seen: None,
            known: false,
        };
        assert_eq!(judge(&starting(), last_use(0), at(9 * HOUR)), keep);
    }

    #[test]
    fn a_use_long_before_the_route_is_nonsense_and_culls_nobody() {
        let keep = Judgement::Keep {
            due_at: at(2 * HOUR + 60),
            seen: None,
            known: false,
        };
        assert_eq!(judge(&running(), last_use(-700), at(2 * HOUR)), keep);
        let nineteen_seventy = Activity::LastUse(Timestamp::UNIX_EPOCH);
        assert_eq!(judge(&running(), nineteen_seventy, at(2 * HOUR)), keep);
    }

    #[test]
    fn a_use_in_the_future_counts_as_now() {
        let now = at(HOUR / 2);
        let keep = Judgement::Keep {
            due_at: now + SignedDuration::from_hours(1),
            seen: Some(now),
            known: true,
        };
        assert_eq!(judge(&running(), last_use(3 * HOUR), now), keep);
    }

    #[test]
    fn reported_use_is_written_at_most_every_half_minute_and_only_while_it_runs() {
        assert!(reports_use(&running(), at(60)));
        let used = running().seen_in_use(at(60), at(60));
        assert!(!reports_use(&used, at(89)) && reports_use(&used, at(90)));
        assert!(!reports_use(&starting(), at(60)));
    }

    #[test]
    fn what_the_application_reported_itself_is_use() {
        let reported = Application {
            used_at: Some(at(HOUR)),
            ..running()
        };
        let keep = Judgement::Keep {
            due_at: at(2 * HOUR),
            seen: None,
            known: true,
        };
        assert_eq!(judge(&reported, last_use(10), at(2 * HOUR - 1)), keep);
        assert!(matches!(
            judge(&reported, last_use(10), at(2 * HOUR)),
            Judgement::Cull(Reason::Idle { last_use, .. }) if last_use == at(HOUR)
        ));
    }

    /// Deployed at 10, its route made again at `seconds`.
    fn remade(seconds: i64) -> Application {
        let remade = Some(at(seconds));
        Application { remade, ..running() }
    }

    #[test]
    fn the_fresh_activity_of_a_route_made_again_is_unknown_and_not_use() {
        let lost = remade(HOUR - 60);
        let keep = Judgement::Keep {
            due_at: at(2 * HOUR - 59),
            seen: None,
            known: true,
        };
        assert_eq!(
            judge(&lost, last_use(HOUR - 59), at(HOUR + 10)),
            keep,
            "not culled for it"
        );
        let Judgement::Cull(Reason::Idle {
            last_use: known,
            unseen_since,
            ..
        }) = judge(&lost, last_use(HOUR - 59), at(2 * HOUR))
        else {
            panic!("unused since, for as long as its limit");
        };
        assert_eq!((known, unseen_since), (at(10), Some(at(HOUR - 60))));
    }

    #[test]
    fn a_second_loss_is_unknown_again_and_use_after_it_is_use() {
        let twice = remade(HOUR + 1_800);
        let keep = Judgement::Keep {
            due_at: at(2 * HOUR + 1_801),
            seen: None,
            known: true,
        };
        assert_eq!(judge(&twice, last_use(HOUR + 1_801), at(2 * HOUR)), keep);
        let used = judge(&twice, last_use(HOUR + 2_400), at(2 * HOUR));
        assert!(matches!(used, Judgement::Keep { seen: Some(seen), .. } if seen == at(HOUR + 2_400)));
    }

    #[test]
    fn what_was_found_without_a_record_ends_when_nobody_uses_it() {
        let cell = crate::Cell {
            name: running().cell,
            public_host: "h".into(),
        };
        let orphan = Application::orphan(running().id, running().template, &cell, "u".into(), at(0));
        let keep = |due, seen| Judgement::Keep {
            due_at: at(due),
            seen,
            known: true,
        };
        assert_eq!(judge(&orphan, last_use(-9 * HOUR), at(60)), keep(HOUR, None));
        assert_eq!(judge(&orphan, last_use(600), at(700)), keep(HOUR + 600, Some(at(600))));
        assert!(matches!(
            judge(&orphan, last_use(-9 * HOUR), at(HOUR)),
            Judgement::Cull(Reason::OrphanUnused { .. })
        ));
        assert!(matches!(
            judge(&orphan, Activity::Unknown, at(9 * HOUR)),
            Judgement::Keep { .. }
        ));
    }
}
