//! Whether a history is one that leases may have. Pure: nothing but the events, and the same answer each time.
//!
//! Nothing is held against a history that could have been right: where two calls were under way at once, either may have
//! come first, and a call of which nobody heard may have happened or not.

mod facts;
mod holders;
mod lines;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use domain::limits::SKEW_MAX;
use jiff::{SignedDuration, Timestamp};

use super::history::{Deed, Event};
use facts::Facts;

/// What is wrong with a history, a sentence each, by rule; and how much there was to judge.
#[derive(Debug, Default)]
pub struct Verdict {
    /// What is not as it must be.
    pub wrong: Vec<String>,
    /// What was judged, by what it is.
    pub judged: BTreeMap<&'static str, u64>,
}

impl Verdict {
    fn against(&mut self, rule: &str, events: &[&Event], sentence: &str) {
        let lines: Vec<String> = events.iter().map(|event| event.from.to_string()).collect();
        self.wrong.push(format!(
            "{rule}: {sentence} (events that begin at {})",
            lines.join(", ")
        ));
    }

    fn count(&mut self, what: &'static str, number: usize) {
        *self.judged.entry(what).or_default() += number as u64;
    }
}

/// Judges a history.
pub fn judge(events: &[Event]) -> Verdict {
    let mut verdict = Verdict::default();
    let facts = Facts::gather(events, &mut verdict);
    holders::one_by_epoch(&facts, &mut verdict);
    holders::epochs_rise(events, &mut verdict);
    holders::nobody_relies_too_long(events, &facts, &mut verdict);
    holders::nothing_is_lost(events, &facts, &mut verdict);
    holders::one_lease_a_key(events, &facts, &mut verdict);
    lines::nobody_is_passed(events, &mut verdict);
    all_end_well(events, &mut verdict);
    verdict
}

/// After quiet every cluster is free or quarantined, or retired where its pool says once.
fn all_end_well(events: &[Event], verdict: &mut Verdict) {
    let once: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.deed {
            Deed::Begin { clusters } => Some(clusters),
            _ => None,
        })
        .flatten()
        .filter(|known| known.once)
        .map(|known| &known.offer.name)
        .collect();
    for event in events {
        let Deed::Quiet { clusters } = &event.deed else {
            continue;
        };
        verdict.count("clusters after quiet", clusters.len());
        for seen in clusters {
            let is_well = match seen.state.as_str() {
                "free" | "quarantined" => true,
                "retired" => once.contains(&&seen.cluster),
                _ => false,
            };
            if !is_well {
                let sentence = format!("{} is still {}", seen.cluster, seen.state);
                verdict.against("after quiet", &[event], &sentence);
            }
        }
    }
}

/// By how much clocks may differ from the true one.
fn skew() -> SignedDuration {
    SignedDuration::try_from(SKEW_MAX).unwrap_or(SignedDuration::MAX)
}

/// `at`, and so much later.
fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
