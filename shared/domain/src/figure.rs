//! Figures for those who run an installation: what a change of an application counts as.

use crate::{Application, Outcome, Reason, State};

/// A figure, by the name under which it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Figure {
    /// Requests to launch, each try of a caller for itself.
    LaunchTries,
    /// Tries that were answered with an application.
    LaunchTriesTaken,
    /// Tries that were refused over a quota.
    LaunchTriesRefused,
    /// Tries that failed on our side.
    LaunchTriesFailed,
    /// Launches that took a spare out of a pool.
    LaunchesFromPool,
    /// Launches that came to have a location, those out of a pool included.
    LaunchesDeployed,
    /// Launches that never had one: failed, or ended before.
    LaunchesFailed,
    /// From the launch to the location, in milliseconds.
    TimeToLocation,
    /// Steps that failed and are tried again.
    StepsTriedAgain,
    /// Culled: not used for as long as their limit.
    CulledIdle,
    /// Ended by their maximum age.
    EndedByAge,
    /// Stopped by a caller.
    StoppedByCaller,
    /// Ran, and are gone without anybody having wanted it.
    LostRunning,
    /// Found without a record, and removed unused.
    CulledOrphans,
    /// Spares that ended without having been taken.
    SparesEnded,
}

impl Figure {
    /// The name under which it is published.
    pub fn name(self) -> &'static str {
        match self {
            Figure::LaunchTries => "LaunchTries",
            Figure::LaunchTriesTaken => "LaunchTriesTaken",
            Figure::LaunchTriesRefused => "LaunchTriesRefused",
            Figure::LaunchTriesFailed => "LaunchTriesFailed",
            Figure::LaunchesFromPool => "LaunchesFromPool",
            Figure::LaunchesDeployed => "LaunchesDeployed",
            Figure::LaunchesFailed => "LaunchesFailed",
            Figure::TimeToLocation => "TimeToLocation",
            Figure::StepsTriedAgain => "StepsTriedAgain",
            Figure::CulledIdle => "CulledIdle",
            Figure::EndedByAge => "EndedByAge",
            Figure::StoppedByCaller => "StoppedByCaller",
            Figure::LostRunning => "LostRunning",
            Figure::CulledOrphans => "CulledOrphans",
            Figure::SparesEnded => "SparesEnded",
        }
    }

    /// Whether it is a duration in milliseconds; a number of things otherwise.
    pub fn is_duration(self) -> bool {
        self == Figure::TimeToLocation
    }
}

/// What the change from `before` to `after` counts as, and how much.
pub fn figures(before: &Application, after: &Application) -> Vec<(Figure, f64)> {
    if before.spare && !after.spare {
        return vec![
            (Figure::LaunchesFromPool, 1.0),
            (Figure::LaunchesDeployed, 1.0),
            (Figure::TimeToLocation, 0.0),
        ];
    }
    let has_run = matches!(before.state, State::Running { .. } | State::Orphaned { .. });
    match &after.state {
        State::Running { deployed_at, .. } if !has_run && !after.spare => {
            let took = deployed_at.duration_since(after.created_at).as_millis().max(0);
            vec![(Figure::LaunchesDeployed, 1.0), (Figure::TimeToLocation, took as f64)]
        }
        State::Ending { ended, .. } if before.is_live() => {
            if after.spare {
                return vec![(Figure::SparesEnded, 1.0)];
            }
            let by_reason = match (&ended.reason, ended.outcome) {
                (Reason::Idle { .. }, _) => Some(Figure::CulledIdle),
                (Reason::OrphanUnused { .. }, _) => Some(Figure::CulledOrphans),
                (Reason::TooOld { .. }, _) => Some(Figure::EndedByAge),
                (Reason::Stopped { .. }, _) => Some(Figure::StoppedByCaller),
                (_, Outcome::Failed) if has_run => Some(Figure::LostRunning),
                _ => None,
            };
            let never_ran = (!has_run).then_some(Figure::LaunchesFailed);
            // Whoever stops a launch that is under way has not seen it fail.
            let never_ran = never_ran.filter(|_| !matches!(ended.reason, Reason::Stopped { .. }));
            by_reason
                .into_iter()
                .chain(never_ran)
                .map(|figure| (figure, 1.0))
                .collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, launched, running, starting};

    fn names(before: &Application, after: &Application) -> Vec<&'static str> {
        figures(before, after).iter().map(|(figure, _)| figure.name()).collect()
    }

    #[test]
    fn a_launch_counts_when_it_has_a_location_with_the_time_it_took() {
        let deployed = starting().deployed("u".into(), "h/user/x".into(), at(7));
        let counted = figures(&starting(), &deployed);
        assert_eq!(counted[0], (Figure::LaunchesDeployed, 1.0));
        assert_eq!(counted[1], (Figure::TimeToLocation, 7_000.0));
        assert_eq!(figures(&running(), &running()), [], "once");
        assert_eq!(figures(&launched(), &starting()), []);
    }

    #[test]
    fn an_end_counts_by_its_reason_and_once() {
        let end = |application: &Application, outcome, reason: Reason| {
            names(application, &application.entombed(outcome, reason, at(9)))
        };
        let idle = Reason::Idle {
            last_use: at(0),
            cull_timeout: running().cull_timeout,
            judged_at: at(9),
            unseen_since: None,
        };
        let stopped = Reason::Stopped { by: "x".into() };
        assert_eq!(end(&running(), Outcome::Deleted, idle), ["CulledIdle"]);
        assert_eq!(end(&running(), Outcome::Failed, Reason::PodGone), ["LostRunning"]);
        assert_eq!(end(&starting(), Outcome::Failed, Reason::PodGone), ["LaunchesFailed"]);
        assert_eq!(end(&starting(), Outcome::Deleted, stopped.clone()), ["StoppedByCaller"]);
        let ending = running().entombed(Outcome::Deleted, stopped, at(9));
        assert_eq!(names(&ending, &ending.finished(at(10)).unwrap()), [""; 0]);
    }

    #[test]
    fn a_spare_is_no_launch_until_it_is_taken() {
        let spare = |application| Application {
            spare: true,
            ..application
        };
        let ready = spare(starting()).deployed("u".into(), "h".into(), at(3));
        assert_eq!(names(&spare(starting()), &ready), [""; 0]);
        let ended = ready.entombed(Outcome::Deleted, Reason::SpareNotNeeded, at(4));
        assert_eq!(names(&ready, &ended), ["SparesEnded"]);
        let taken = Application {
            spare: false,
            ..ready.clone()
        };
        assert_eq!(
            names(&ready, &taken),
            ["LaunchesFromPool", "LaunchesDeployed", "TimeToLocation"]
        );
    }
}
