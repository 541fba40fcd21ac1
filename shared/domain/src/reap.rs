//! Which due rows a run of the reaper works on, and in which order.

use jiff::Timestamp;
use serde::Serialize;

use crate::Due;

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

/// Plans one page: endings first, because they give capacity back, then launches, whose people wait, then
/// judgements; within each, what has been due longest.
pub fn plan(page: Vec<Due>, rules: ReapRules, now: Timestamp) -> Plan {
    let lag_ms = page
        .iter()
        .map(|due| now.duration_since(due.due_since).as_millis().max(0) as u64)
        .max()
        .unwrap_or(0);
    let mut steps: Vec<PlannedStep> = page
        .into_iter()
        .filter(|due| due.due_at <= now)
        .map(|due| PlannedStep {
            act: act(&due.state),
            due,
        })
        .collect();
    steps.sort_by(|a, b| (rank(a.act), a.due.due_since, &a.due.id).cmp(&(rank(b.act), b.due.due_since, &b.due.id)));
    let left = steps.len().saturating_sub(rules.rows_left);
    steps.truncate(rules.rows_left);
    Plan { steps, left, lag_ms }
}

fn act(state: &str) -> &'static str {
    match state {
        "ending" => "finish",
        "running" => "judge",
        _ => "advance",
    }
}

fn rank(act: &str) -> u8 {
    match act {
        "finish" => 0,
        "advance" => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ApplicationId;

    fn due(byte: u8, state: &str, since_s: i64) -> Due {
        let due_since = Timestamp::from_second(since_s).unwrap();
        Due {
            id: ApplicationId::from_bytes([byte; 16]),
            state: state.into(),
            version: 1,
            due_at: due_since,
            due_since,
        }
    }

    fn ids(plan: &Plan) -> Vec<u8> {
        plan.steps
            .iter()
            .map(|step| u8::from_str_radix(&step.due.id.as_str()[..2], 16).unwrap())
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
}
