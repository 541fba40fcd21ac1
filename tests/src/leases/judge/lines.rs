//! Nobody is passed who waits.

use std::collections::BTreeMap;

use domain::limits::PLACE_KEPT;
use domain::{ClusterName, ClusterPoolName, Offer, Ticket, Wanted};
use jiff::{SignedDuration, Timestamp};

use super::super::history::{Acquired, Deed, Event, Known};
use super::{Verdict, later};

/// While a place certainly waited: it was seen with one and the same last ask, and given nothing, before and after.
struct Waited<'a> {
    pool: &'a ClusterPoolName,
    ticket: &'a Ticket,
    wanted: Wanted,
    from: u64,
    to: u64,
}

/// A cluster that was handed to a place.
type Given<'a> = (&'a ClusterName, u64);

/// No ask without a place, and no place further behind, gets a cluster that fits one that waits.
pub(super) fn nobody_is_passed(events: &[Event], verdict: &mut Verdict) {
    let known: BTreeMap<&ClusterName, &Known> = events
        .iter()
        .filter_map(|event| match &event.deed {
            Deed::Begin { clusters } => Some(clusters),
            _ => None,
        })
        .flatten()
        .map(|known| (&known.offer.name, known))
        .collect();
    let waited = all_waited(events);
    verdict.count("spans in which a place waited", waited.len());
    newcomers(events, &known, &waited, verdict);
    handed_over(events, &known, &waited, verdict);
}

fn all_waited(events: &[Event]) -> Vec<Waited<'_>> {
    let mut began: BTreeMap<(&str, Timestamp), u64> = BTreeMap::new();
    let mut spans: BTreeMap<(&str, Timestamp), Waited<'_>> = BTreeMap::new();
    let mut answered = |id, seen_at, to| {
        let at = began.entry((id, seen_at)).or_insert(to);
        *at = to.min(*at);
    };
    for event in events {
        match &event.deed {
            Deed::Acquire {
                heard: Some(Acquired::None { ticket, waits: true }),
                ..
            } => answered(ticket.as_str(), event.now, event.to),
            Deed::Look { tickets, .. } => {
                for (_, ticket) in tickets.iter().filter(|(_, ticket)| ticket.granted.is_none()) {
                    answered(ticket.id.as_str(), ticket.seen_at, event.to);
                }
            }
            _ => {}
        }
    }
    for event in events {
        let Deed::Look { tickets, .. } = &event.deed else {
            continue;
        };
        for (pool, ticket) in tickets.iter().filter(|(_, ticket)| ticket.granted.is_none()) {
            let place = (ticket.id.as_str(), ticket.seen_at);
            let (Some(from), Ok(wanted)) = (began.get(&place), ticket.wish.understood()) else {
                continue;
            };
            let span = spans.entry(place).or_insert(Waited {
                pool,
                ticket,
                wanted,
                from: *from,
                to: event.from,
            });
            span.to = span.to.max(event.from);
        }
    }
    let mut spans: Vec<Waited<'_>> = spans.into_values().filter(|span| span.from < span.to).collect();
    spans.sort_by_key(|span| span.from);
    spans
}

impl Waited<'_> {
    /// Whether it waited all the time from `from` to `to`, also by a clock that shows `now`, for such a cluster.
    fn waited_for(&self, cluster: &Known, (from, to): (u64, u64), now: Timestamp) -> bool {
        let kept = SignedDuration::try_from(PLACE_KEPT).unwrap_or_default();
        let offer: &Offer = &cluster.offer;
        self.from < from
            && to < self.to
            && *self.pool == cluster.pool
            && now < later(self.ticket.seen_at, kept)
            && self.wanted.fits(offer)
    }
}

/// Who had no place took nothing that fits a place that waited.
fn newcomers(events: &[Event], known: &BTreeMap<&ClusterName, &Known>, waited: &[Waited<'_>], verdict: &mut Verdict) {
    let mut keys: BTreeMap<(&str, &str), u64> = BTreeMap::new();
    for event in events {
        let Deed::Acquire { ask, heard } = &event.deed else {
            continue;
        };
        // What a key was asked for before may have been taken then.
        let is_asked_again = ask.key.as_deref().is_some_and(|key| {
            let count = keys.entry((&ask.caller, key)).or_default();
            *count += 1;
            *count > 1
        });
        let Some(Acquired::Granted { cluster, .. }) = heard else {
            continue;
        };
        let has_none = ask.ticket.is_none() && !ask.waits && !is_asked_again;
        let Some(cluster) = known.get(cluster).filter(|_| has_none) else {
            continue;
        };
        verdict.count("grants to newcomers", 1);
        for place in amid(waited, event.from) {
            if place.waited_for(cluster, (event.from, event.to), event.now) {
                let sentence = format!(
                    "{} got {}, for which {} waited",
                    ask.caller, cluster.offer.name, place.ticket.id
                );
                verdict.against("passed", &[event], &sentence);
            }
        }
    }
}

/// What was handed over went to the first whom it fits.
fn handed_over(events: &[Event], known: &BTreeMap<&ClusterName, &Known>, waited: &[Waited<'_>], verdict: &mut Verdict) {
    let mut given: BTreeMap<Given<'_>, &Ticket> = BTreeMap::new();
    let mut brings: BTreeMap<&ClusterName, Vec<&Event>> = BTreeMap::new();
    for event in events {
        match &event.deed {
            Deed::Look { tickets, .. } => {
                for (_, ticket) in tickets {
                    if let Some((cluster, epoch)) = &ticket.granted {
                        given.insert((cluster, epoch.0), ticket);
                    }
                }
            }
            Deed::Bring { cluster, .. } => brings.entry(cluster).or_default().push(event),
            _ => {}
        }
    }
    for (cluster, brings) in &brings {
        let Some(known) = known.get(cluster) else { continue };
        for (number, event) in brings.iter().enumerate() {
            let Deed::Bring { before, heard, .. } = &event.deed else {
                continue;
            };
            let Some(seen) = heard.as_ref().filter(|seen| seen.handed_over && seen.epoch > *before) else {
                continue;
            };
            let Some(ticket) = given.get(&(*cluster, seen.epoch)) else {
                continue;
            };
            verdict.count("clusters handed over", 1);
            // Whoever was at the cluster at the same time may be who handed it over.
            let near = number.saturating_sub(NEAR)..brings.len().min(number + NEAR);
            let near = brings.get(near).unwrap_or_default();
            let others: Vec<&&Event> = near
                .iter()
                .filter(|other| other.from < event.to && event.from < other.to)
                .collect();
            let from = others.iter().map(|other| other.from).min().unwrap_or(event.from);
            let now = others.iter().map(|other| other.now).max().unwrap_or(event.now);
            for place in amid(waited, from) {
                let is_before = order(place.ticket) < order(ticket);
                if is_before && place.waited_for(known, (from, event.to), now) {
                    let sentence = format!(
                        "{cluster} was handed to {}, and {} waited before it",
                        ticket.id, place.ticket.id
                    );
                    verdict.against("passed", &[event], &sentence);
                }
            }
        }
    }
}

/// So many calls before and after one are looked at for those that were under way at the same time.
const NEAR: usize = 64;
/// So many of the spans that began before a moment are looked at: longer ago than that all are over.
const SPANS_AMID: usize = 4_096;

/// Spans that may still have lasted at `from`.
fn amid<'a, 'b>(waited: &'b [Waited<'a>], from: u64) -> impl Iterator<Item = &'b Waited<'a>> {
    let before = waited.partition_point(|span| span.from < from);
    let spans = waited
        .get(before.saturating_sub(SPANS_AMID)..before)
        .unwrap_or_default();
    spans.iter().filter(move |span| from < span.to)
}

fn order(ticket: &Ticket) -> (u64, Timestamp, &str) {
    (ticket.start, ticket.since, ticket.id.as_str())
}
