//! Which limits hold for whom, and when there may be room again.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::application::later;
use crate::limits::{RETRY_AFTER_SECONDS, RETRY_AFTER_UNKNOWN};
use crate::{Application, ApplicationId, CellName, Counter, Limit, State, Template};

/// How many an installation lets live. What is not limited is not counted either, so a limit counts what was launched
/// since it was set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quotas {
    /// The most applications in all.
    pub all: Option<u32>,
    /// By cell, of those that have any.
    pub cells: BTreeMap<CellName, CellQuota>,
}

/// How many one cell lets live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CellQuota {
    /// The most that may live in it, spares included.
    pub capacity: Option<u32>,
    /// The most that may start in it at once, spares included.
    pub starts: Option<u32>,
}

impl Quotas {
    /// What holds for an application of `template` wherever it lives. A spare is not counted here until it is
    /// somebody's.
    fn for_owning(&self, template: &Template) -> Vec<Limit> {
        let all = self.all.map(|most| Limit {
            counter: Counter::All,
            most,
        });
        let own = template.quota.map(|most| Limit {
            counter: Counter::Template(template.name.clone()),
            most,
        });
        all.into_iter().chain(own).collect()
    }

    /// What holds for everything that starts in `cell`, a spare too.
    pub fn for_starting(&self, cell: &CellName) -> Vec<Limit> {
        let CellQuota { capacity, starts } = self.cells.get(cell).copied().unwrap_or_default();
        let capacity = capacity.map(|most| Limit {
            counter: Counter::Cell(cell.clone()),
            most,
        });
        let starts = starts.map(|most| Limit {
            counter: Counter::Starts(cell.clone()),
            most,
        });
        capacity.into_iter().chain(starts).collect()
    }

    /// What holds for a launch of `template` that starts in `cell`.
    pub fn for_launch(&self, template: &Template, cell: &CellName) -> Vec<Limit> {
        let mut limits = self.for_owning(template);
        limits.extend(self.for_starting(cell));
        limits
    }
}

impl Counter {
    /// Whether another cell may have room where this one is full.
    pub fn is_of_cell(&self) -> bool {
        matches!(self, Counter::Cell(_) | Counter::Starts(_))
    }
}

impl Limit {
    /// What somebody reads who is refused because it is reached.
    pub fn sentence(&self) -> String {
        let most = self.most;
        match &self.counter {
            Counter::All => format!(
                "This installation may have {most} applications at once, and has them: stop one, or try again later"
            ),
            Counter::Template(name) => format!(
                "The template '{name}' may have {most} applications at once, and has them: stop one, or try again later"
            ),
            Counter::Cell(name) => format!(
                "No cluster has room: the cell '{name}' may have {most} applications at once, and has them; stop one, or try again later"
            ),
            Counter::Starts(name) => format!(
                "No cluster has room: in the cell '{name}' {most} applications may be starting at once, and are; try again later"
            ),
        }
    }
}

/// When `application` ends, as far as its row tells, if nobody uses it or stops it before.
pub fn expected_end(application: &Application, now: Timestamp) -> Option<Timestamp> {
    match &application.state {
        State::Pending | State::Starting { .. } => {
            let idle = later(application.created_at, application.cull_timeout.duration());
            Some(idle.min(application.age_end()))
        }
        State::Running { deployed_at, .. } => {
            let used = application.used_at.unwrap_or(*deployed_at).max(*deployed_at);
            let idle = later(used, application.cull_timeout.duration());
            Some(idle.min(application.age_end()))
        }
        State::Ending { .. } => Some(application.makers_done_at().unwrap_or(now)),
        State::Orphaned { .. } | State::Ended { .. } => None,
    }
}

/// A number up to `most` by the last digits of `id`, which are random.
fn spread(id: &ApplicationId, most: i64) -> i64 {
    let digits = i64::from_str_radix(&id.as_str()[28..], 16).unwrap_or_default();
    digits % (most + 1)
}

/// How long whoever asked for `id` is told to wait at `now` for what ends at `next`, if that is known: whole seconds, and
/// up to half as much more, another for each, so that not all come again at the same moment.
pub fn retry_after(next: Option<Timestamp>, id: &ApplicationId, now: Timestamp) -> Duration {
    let whole = |next: Timestamp| {
        let ms = next.duration_since(now).as_millis();
        i64::try_from(ms).unwrap_or(i64::MAX).saturating_add(999) / 1000
    };
    let seconds = next.map_or(RETRY_AFTER_UNKNOWN, whole);
    let seconds = seconds.clamp(*RETRY_AFTER_SECONDS.start(), *RETRY_AFTER_SECONDS.end());
    let seconds = (seconds + spread(id, seconds / 2)).min(*RETRY_AFTER_SECONDS.end());
    Duration::from_secs(seconds.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, ending, launched, running, starting};
    use crate::{EndingStep, Outcome, Reason};

    fn template(quota: Option<u32>) -> Template {
        serde_json::from_value(serde_json::json!({"name": "t", "image-source": "i", "quota": quota})).unwrap()
    }

    fn counters(limits: &[Limit]) -> Vec<(String, u32)> {
        let pair = |limit: &Limit| (limit.counter.to_string(), limit.most);
        limits.iter().map(pair).collect()
    }

    #[test]
    fn only_what_is_limited_is_counted() {
        let cell = launched().cell;
        assert_eq!(Quotas::default().for_launch(&template(None), &cell), []);
        let own = Quotas::default().for_launch(&template(Some(5)), &cell);
        assert_eq!(counters(&own), [("tpl:t".into(), 5)]);
        let of_cell = CellQuota {
            capacity: Some(3),
            starts: Some(2),
        };
        let quotas = Quotas {
            all: Some(9),
            cells: [(cell.clone(), of_cell)].into(),
        };
        let of_cell = [("cell:default".into(), 3), ("starts:default".into(), 2)];
        let taken = [("all".into(), 9), ("tpl:t".into(), 5)];
        assert_eq!(counters(&quotas.for_starting(&cell)), of_cell);
        assert_eq!(counters(&quotas.for_owning(&template(Some(5)))), taken);
        let both: Vec<_> = taken.into_iter().chain(of_cell).collect();
        assert_eq!(counters(&quotas.for_launch(&template(Some(5)), &cell)), both);
    }

    #[test]
    fn an_end_is_expected_from_what_the_row_says() {
        assert_eq!(expected_end(&launched(), at(5)), Some(at(3_600)));
        assert_eq!(expected_end(&starting(), at(5)), Some(at(3_600)));
        assert_eq!(expected_end(&running(), at(50)), Some(at(10 + 3_600)));
        let used = running().seen_in_use(at(6 * 3_600 - 60), at(50));
        assert_eq!(
            expected_end(&used, at(50)),
            Some(at(6 * 3_600)),
            "its age ends it before"
        );
        assert_eq!(expected_end(&ending(EndingStep::Gone), at(50)), Some(at(50)));
        let never_ran = starting().entombed(Outcome::Failed, Reason::PodGone, at(50));
        assert_eq!(expected_end(&never_ran, at(51)), Some(at(110)));
    }

    #[test]
    fn a_caller_is_told_whole_seconds_within_bounds() {
        let id = ApplicationId::from_bytes([0; 16]);
        let told = |next: Option<Timestamp>| retry_after(next, &id, at(100)).as_secs();
        assert_eq!(told(None), 60);
        assert_eq!(told(Some(at(50))), 5);
        assert_eq!(told(Some(at(100))), 5);
        assert_eq!(told(Some(at(130))), 30);
        assert_eq!(told(Some(at(130) + jiff::SignedDuration::from_millis(1))), 31);
        assert_eq!(told(Some(at(100 + 7_200))), 3_600);
        assert_eq!(told(Some(Timestamp::MAX)), 3_600);
    }

    #[test]
    fn not_all_come_again_at_the_same_moment() {
        let told: std::collections::BTreeSet<u64> = (0..=255)
            .map(|last| {
                let mut bytes = [0; 16];
                bytes[15] = last;
                let id = ApplicationId::from_bytes(bytes);
                retry_after(Some(at(140)), &id, at(100)).as_secs()
            })
            .collect();
        assert_eq!(told, (40..=60).collect());
    }

    #[test]
    fn a_refusal_names_the_limit_and_its_number() {
        let said = |counter| Limit { counter, most: 7 }.sentence();
        assert!(said(Counter::All).contains("7 applications at once"));
        let name = template(None).name;
        assert!(said(Counter::Template(name)).starts_with("The template 't' may have 7 "));
        let cell = launched().cell;
        assert!(said(Counter::Cell(cell.clone())).contains("the cell 'default' may have 7"));
        assert!(said(Counter::Starts(cell)).contains("7 applications may be starting"));
    }
}
