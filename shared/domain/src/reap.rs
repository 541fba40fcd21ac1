//! Which due rows a run of the reaper works on, in which order, and what it does with each.

use jiff::Timestamp;
use serde::Serialize;

use crate::{Application, Due, Next, Outcome, Reason, Subject, next};

/// The bounds of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReapRules {
    /// Rows that are still allowed in this run.
    pub rows_left: usize,
}

/// What a run means to do with one page of due rows. A plan can be printed instead of done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// In the order in which they are begun.
    pub steps: Vec<PlannedStep>,
    /// Due rows that this run leaves for the next.
    pub left: usize,
    /// How long the oldest of the page has been due.
    pub lag_ms: u64,
}

/// One row that a run works on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedStep {
    /// The row as the index proposed it.
    #[serde(flatten)]
    pub due: Due,
    /// What the run is about to do with it, in a word.
    pub act: &'static str,
}

/// Plans what is due: endings first, because they give capacity back, then launches, whose people wait, then
/// what runs, then preloads; within each, what has been due longest.
pub fn plan(page: Vec<Due>, rules: ReapRules, now: Timestamp) -> Plan {
    let lag_ms = page
        .iter()
        .map(|due| now.duration_since(due.due_since).as_millis().max(0) as u64)
        .max()
        .unwrap_or(0);
    let mut steps: Vec<PlannedStep> = page
        .into_iter()
        .filter(|due| due.due_at <= now)
        .map(|due| PlannedStep { act: word(&due), due })
        .collect();
    steps.sort_by(|a, b| {
        (rank(a.act), a.due.due_since, &a.due.subject).cmp(&(rank(b.act), b.due.due_since, &b.due.subject))
    });
    let left = steps.len().saturating_sub(rules.rows_left);
    steps.truncate(rules.rows_left);
    Plan { steps, left, lag_ms }
}

fn word(due: &Due) -> &'static str {
    match (&due.subject, due.state.as_str()) {
        (Subject::Preload(..), _) => PlannedStep::PRELOAD,
        (Subject::Environment(_), _) => PlannedStep::KEEP,
        (Subject::Cluster(_), _) => PlannedStep::RETURN,
        (_, "ending") => PlannedStep::FINISH,
        (_, "running" | "orphaned") => PlannedStep::JUDGE,
        _ => PlannedStep::ADVANCE,
    }
}

fn rank(act: &str) -> u8 {
    match act {
        PlannedStep::FINISH => 0,
        PlannedStep::ADVANCE => 1,
        PlannedStep::JUDGE => 2,
        _ => 3,
    }
}

impl PlannedStep {
    /// An ending goes on.
    pub const FINISH: &str = "finish";
    /// A launch goes on.
    pub const ADVANCE: &str = "advance";
    /// What runs is judged, or ended by its age.
    pub const JUDGE: &str = "judge";
    /// A preload goes on.
    pub const PRELOAD: &str = "preload";
    /// An environment's next step is done: its namespace is made to be as was asked, it expires, it is removed.
    pub const KEEP: &str = "keep";
    /// A cluster's next step is done: it is taken in, its lease ends, it is cleaned.
    pub const RETURN: &str = "return";
}

/// A part of a cell that a step needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its Kubernetes.
    Cluster,
    /// Its route proxy.
    Proxy,
}

/// What of a cell can be reached at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Reach {
    /// Its Kubernetes answers, and is the one that was recorded.
    pub cluster: bool,
    /// Its route proxy answers.
    pub proxy: bool,
    /// Its route proxy answers and does not know the marker any more: it has lost its routes.
    pub routes_lost: bool,
}

impl Reach {
    /// Whether `part` can be reached.
    pub fn has(&self, part: Part) -> bool {
        match part {
            Part::Cluster => self.cluster,
            Part::Proxy => self.proxy,
        }
    }
}

/// The part of its cell without which an application's next step cannot be done, if there is one.
pub fn needs(application: &Application, now: Timestamp) -> Option<Part> {
    part_of(&next(application, now))
}

fn part_of(step: &Next) -> Option<Part> {
    match step {
        Next::MakeObjects | Next::ObservePod | Next::CheckSpare | Next::DeleteNamespace | Next::AwaitGone => {
            Some(Part::Cluster)
        }
        Next::AskLastUse | Next::RemoveRoute => Some(Part::Proxy),
        Next::Entomb(..) | Next::Nothing => None,
    }
}

/// What a run does with a due application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Write its tombstone: that was promised, by its age or its launch's deadline, and needs the table alone.
    End(Outcome, Reason),
    /// Bring it on.
    Advance,
    /// Judge it, together with the others.
    Judge,
    /// Nothing in this run: what its next step needs is out of reach. Its row stays as it is, so that it goes on at once
    /// when that is back.
    Leave,
}

/// What a run does with `application`, which is due, in a cell of which `reach` can be reached.
pub fn act(application: &Application, reach: Reach, now: Timestamp) -> Act {
    let step = next(application, now);
    let part = part_of(&step);
    match (step, part) {
        (Next::Entomb(outcome, reason), _) => Act::End(outcome, reason),
        // Without its cluster nobody can say that it came up in time.
        (Next::ObservePod, _) if !reach.cluster && now >= application.launch_deadline() => {
            let last = Some(Box::new(Reason::ClusterUnreachable));
            Act::End(Outcome::Failed, Reason::DeadlinePassed { last })
        }
        (_, Some(part)) if !reach.has(part) => Act::Leave,
        (Next::AskLastUse, _) => Act::Judge,
        _ => Act::Advance,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, ending, launched, running, starting};
    use crate::{ApplicationId, EndingStep};

    fn due(byte: u8, state: &str, since_s: i64) -> Due {
        let due_since = Timestamp::from_second(since_s).unwrap();
        Due {
            subject: Subject::Application(ApplicationId::from_bytes([byte; 16])),
            state: state.into(),
            version: 1,
            held: false,
            due_at: due_since,
            due_since,
        }
    }

    fn ids(plan: &Plan) -> Vec<u8> {
        plan.steps
            .iter()
            .map(|step| match &step.due.subject {
                Subject::Application(id) => u8::from_str_radix(&id.as_str()[..2], 16).unwrap(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn endings_go_before_launches_before_judgements_and_the_oldest_first() {
        let page = vec![
            due(1, "running", 1),
            due(2, "starting", 9),
            due(3, "pending", 2),
            due(4, "ending", 50),
        ];
        let plan = plan(page, ReapRules { rows_left: 10 }, Timestamp::from_second(60).unwrap());
        assert_eq!(ids(&plan), [4, 3, 2, 1]);
        assert_eq!((plan.left, plan.lag_ms), (0, 59_000));
    }

    #[test]
    fn a_run_is_bounded_and_says_what_it_leaves() {
        let page = (1..=5).map(|n| due(n, "running", n.into())).collect();
        let plan = plan(page, ReapRules { rows_left: 2 }, Timestamp::from_second(60).unwrap());
        assert_eq!((ids(&plan), plan.left), (vec![1, 2], 3));
    }

    #[test]
    fn what_the_index_proposes_too_early_is_left_alone() {
        let plan = plan(
            vec![due(1, "running", 61)],
            ReapRules { rows_left: 2 },
            Timestamp::from_second(60).unwrap(),
        );
        assert!(plan.steps.is_empty());
    }

    const ALL: Reach = Reach {
        cluster: true,
        proxy: true,
        routes_lost: false,
    };
    const NO_CLUSTER: Reach = Reach { cluster: false, ..ALL };
    const NO_PROXY: Reach = Reach { proxy: false, ..ALL };

    #[test]
    fn with_everything_in_reach_what_runs_is_judged_and_the_rest_is_brought_on() {
        assert_eq!(act(&running(), ALL, at(60)), Act::Judge);
        for application in [
            launched(),
            starting(),
            ending(EndingStep::Route),
            ending(EndingStep::Gone),
        ] {
            assert_eq!(act(&application, ALL, at(60)), Act::Advance, "{application:?}");
        }
        let spare = Application {
            spare: true,
            ..running()
        };
        assert_eq!(
            act(&spare, ALL, at(60)),
            Act::Advance,
            "a spare is looked at, and judged by nobody"
        );
    }

    #[test]
    fn what_needs_a_part_that_is_out_of_reach_is_left() {
        assert_eq!(act(&running(), NO_PROXY, at(60)), Act::Leave);
        assert_eq!(act(&running(), NO_CLUSTER, at(60)), Act::Judge);
        assert_eq!(act(&ending(EndingStep::Route), NO_PROXY, at(60)), Act::Leave);
        assert_eq!(act(&ending(EndingStep::Route), NO_CLUSTER, at(60)), Act::Advance);
        for application in [
            launched(),
            starting(),
            ending(EndingStep::Namespace),
            ending(EndingStep::Gone),
        ] {
            assert_eq!(act(&application, NO_CLUSTER, at(60)), Act::Leave, "{application:?}");
            assert_eq!(act(&application, NO_PROXY, at(60)), Act::Advance, "{application:?}");
        }
    }

    #[test]
    fn promises_are_kept_whatever_is_out_of_reach() {
        let nothing = Reach {
            cluster: false,
            proxy: false,
            routes_lost: false,
        };
        for application in [launched(), starting(), running()] {
            let acted = act(&application, nothing, at(6 * 3_600));
            assert!(
                matches!(&acted, Act::End(Outcome::Deleted, Reason::TooOld { .. })),
                "{acted:?}"
            );
        }
        let late = act(&launched(), nothing, at(300));
        assert!(
            matches!(&late, Act::End(Outcome::Failed, Reason::DeadlinePassed { .. })),
            "{late:?}"
        );
        let unseen = act(&starting(), nothing, at(300));
        let Act::End(Outcome::Failed, reason) = unseen else {
            panic!("{unseen:?}")
        };
        assert!(reason.sentence().contains("cluster cannot be reached"), "{reason:?}");
        assert_eq!(act(&starting(), nothing, at(299)), Act::Leave);
        assert_eq!(
            act(&starting(), ALL, at(9_999)),
            Act::Advance,
            "its pod may have come up in time"
        );
    }

    #[test]
    fn preloads_come_last() {
        let preload = Due {
            subject: Subject::Preload(running().template, running().cell),
            ..due(0, "loading", 1)
        };
        let now = Timestamp::from_second(60).unwrap();
        let plan = plan(vec![preload, due(1, "running", 9)], ReapRules { rows_left: 10 }, now);
        assert_eq!(plan.steps[1].act, PlannedStep::PRELOAD);
    }
}
