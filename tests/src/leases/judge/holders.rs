//! Who holds a cluster, by which epoch, and until when.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::ClusterName;

use super::super::history::{Acquired, Asked, Deed, Event, Renewed, Seen};
use super::facts::{Facts, LeaseFacts};
use super::{Verdict, later, skew};

/// Hexadecimal digits of a lease's id.
const LEASE_ID_DIGITS: usize = 32;

/// An epoch of a cluster is one lease, and the next one comes only when nobody can rely on it any more.
pub(super) fn one_by_epoch(facts: &Facts<'_>, verdict: &mut Verdict) {
    let rule = "one holder";
    for ((cluster, epoch), ids) in &facts.by_epoch {
        let first = ids.first().and_then(|id| facts.leases.get(id));
        if let (Some(first), [_, others @ ..]) = (first, ids.as_slice()) {
            for other in others.iter().filter_map(|id| facts.leases.get(id)) {
                let sentence = format!("{cluster} by {epoch} is both of {} and of {}", first.id, other.id);
                verdict.against(rule, &[first.first, other.first], &sentence);
            }
        }
        let Some(first) = first else { continue };
        let Some(next) = first.followed else { continue };
        verdict.count("leases that followed others", 1);
        let told = first.told_before(next.from).filter(|_| !first.may_be_ended(next));
        if let Some(end) = told.filter(|end| next.end < later(*end, skew())) {
            let sentence = format!("{cluster} by {epoch} was promised until {end} and given to the next before");
            verdict.against(rule, &[first.first, next], &sentence);
        }
        if next.to < first.first.from {
            let sentence = format!("{cluster} by {epoch} was given after a later epoch was");
            verdict.against(rule, &[next, first.first], &sentence);
        }
    }
}

/// Epochs of a cluster rise in the order in which they are seen, and each is of one lease or of nobody.
pub(super) fn epochs_rise(events: &[Event], verdict: &mut Verdict) {
    let rule = "epochs rise";
    let mut seen: Vec<(u64, bool, &ClusterName, u64, &Event)> = Vec::new();
    let mut whose: HashMap<(&ClusterName, u64), (&str, &Event)> = HashMap::new();
    for event in events {
        let mut note = |cluster, epoch, whom| {
            seen.push((event.from, false, cluster, epoch, event));
            seen.push((event.to, true, cluster, epoch, event));
            let Some(whom): Option<&str> = whom else { return };
            let known = whose.get(&(cluster, epoch)).copied();
            match known {
                Some((other, before)) if other != whom => {
                    let sentence = format!("the epoch {epoch} of {cluster} is of '{other}' and of '{whom}'");
                    verdict.against(rule, &[before, event], &sentence);
                }
                Some(_) => {}
                None => {
                    whose.insert((cluster, epoch), (whom, event));
                }
            }
        };
        match &event.deed {
            Deed::Acquire {
                heard: Some(Acquired::Granted {
                    cluster, epoch, lease, ..
                }),
                ..
            } => note(cluster, *epoch, Some(lease)),
            Deed::Look { clusters, .. } | Deed::Quiet { clusters } => {
                for one in clusters {
                    note(&one.cluster, one.epoch, whom(one));
                }
            }
            Deed::Bring { heard: Some(one), .. } => note(&one.cluster, one.epoch, whom(one)),
            _ => {}
        }
    }
    seen.sort_by_key(|(at, ..)| *at);
    let mut highest: BTreeMap<&ClusterName, (u64, &Event)> = BTreeMap::new();
    for (_, is_end, cluster, epoch, event) in seen {
        let known = highest.get(cluster).copied();
        match known {
            Some((high, before)) if !is_end && epoch < high => {
                let sentence = format!("{cluster} was seen by {epoch} after {high}");
                verdict.against(rule, &[before, event], &sentence);
            }
            Some((high, _)) if high >= epoch => {}
            _ if is_end => {
                highest.insert(cluster, (epoch, event));
            }
            _ => {}
        }
    }
}

/// Nobody is told that a lease holds when it does not, nor is its credential any good once somebody else has the cluster.
pub(super) fn nobody_relies_too_long(events: &[Event], facts: &Facts<'_>, verdict: &mut Verdict) {
    let rule = "relied on too long";
    for event in events {
        let (lease, until, epoch) = match &event.deed {
            Deed::Verify {
                lease,
                epoch,
                heard: Some(Some(until)),
            } => (lease, Some(*until), Some(*epoch)),
            Deed::Renew {
                lease,
                heard: Some(Renewed::Until(until)),
                ..
            } => (lease, Some(*until), None),
            Deed::Use {
                lease,
                heard: Some(true),
            } => (lease, None, None),
            _ => continue,
        };
        let Some(known) = facts.leases.get(lease.as_str()) else {
            verdict.against(rule, &[event], &format!("nobody was ever told of {lease}"));
            continue;
        };
        if let Some(epoch) = epoch.filter(|epoch| *epoch != known.epoch) {
            let sentence = format!("{lease} was said to hold by {epoch}, and is of {}", known.epoch);
            verdict.against(rule, &[event], &sentence);
        }
        if let Some(next) = known.followed.filter(|next| next.to < event.from) {
            let sentence = format!("{lease} was good after {} was given to the next", known.cluster);
            verdict.against(rule, &[next, event], &sentence);
        }
        let Some(until) = until else { continue };
        if let Some((_, given_back)) = known.given_back.filter(|(to, _)| *to < event.from) {
            let sentence = format!("{lease} was said to hold after it was given back");
            verdict.against(rule, &[given_back, event], &sentence);
        }
        if event.begin >= until {
            let sentence = format!("{lease} was said to hold at {} and ends at {until}", event.begin);
            verdict.against(rule, &[event], &sentence);
        }
        if known.most(event.to).is_some_and(|most| until > most) {
            let sentence = format!("{lease} was said to hold until {until}, which nobody asked for");
            verdict.against(rule, &[event], &sentence);
        }
        if epoch.is_some() {
            verdict.count("verified", 1);
        }
    }
}

/// What was granted and told is known for as long as it was said to hold, unless somebody gave it back.
pub(super) fn nothing_is_lost(events: &[Event], facts: &Facts<'_>, verdict: &mut Verdict) {
    for event in events {
        let lease = match &event.deed {
            Deed::Verify {
                lease,
                epoch,
                heard: Some(None),
            } if facts
                .leases
                .get(lease.as_str())
                .is_some_and(|known| known.epoch == *epoch) =>
            {
                lease
            }
            Deed::Show {
                lease,
                heard: Some(None),
            }
            | Deed::Renew {
                lease,
                heard: Some(Renewed::Over),
                ..
            }
            | Deed::Release {
                lease,
                heard: Some(false),
            }
            | Deed::Use {
                lease,
                heard: Some(false),
            } => lease,
            _ => continue,
        };
        let Some(known) = facts.leases.get(lease.as_str()) else {
            continue;
        };
        verdict.count("refused", 1);
        should_hold(known, event, verdict);
    }
}

/// Says so when `event` found a lease gone that should have held all the while.
fn should_hold(known: &LeaseFacts<'_>, event: &Event, verdict: &mut Verdict) {
    let Some(end) = known.told_before(event.from) else {
        return;
    };
    if event.end < end && later(event.now, skew()) < end && !known.may_be_ended(event) {
        let sentence = format!(
            "{} of {} was gone, and was to hold until {end}",
            known.id, known.cluster
        );
        verdict.against("lost", &[known.first, event], &sentence);
    }
}

/// A key, and an ask without one, is answered with one lease at most, and a lease is told to one of them.
pub(super) fn one_lease_a_key(events: &[Event], facts: &Facts<'_>, verdict: &mut Verdict) {
    let rule = "given twice";
    let mut by_key: BTreeMap<(&str, &str), (&str, &Event)> = BTreeMap::new();
    let mut by_lease: BTreeMap<&str, (&Asked, &Event)> = BTreeMap::new();
    for event in events {
        let Deed::Acquire { ask, heard } = &event.deed else {
            continue;
        };
        let known = ask
            .key
            .as_deref()
            .and_then(|key| by_key.get(&(&ask.caller, key)).copied());
        match heard {
            Some(Acquired::Granted { lease, .. }) => {
                match (known, &ask.key) {
                    (Some((other, before)), _) if other != lease => {
                        let sentence = format!("one key was answered with {other} and with {lease}");
                        verdict.against(rule, &[before, event], &sentence);
                    }
                    (Some(_), _) => verdict.count("leases told again for their keys", 1),
                    (None, Some(key)) => {
                        by_key.insert((&ask.caller, key), (lease, event));
                    }
                    (None, None) => {}
                }
                if let Some((other, before)) = by_lease.get(lease.as_str())
                    && !is_same(other, ask)
                {
                    let sentence = format!("{lease} was told to two asks that have nothing in common");
                    verdict.against(rule, &[before, event], &sentence);
                }
                by_lease.entry(lease).or_insert((ask, event));
            }
            Some(Acquired::Over | Acquired::None { .. }) => {
                if let Some(known) = known.and_then(|(lease, _)| facts.leases.get(lease)) {
                    should_hold(known, event, verdict);
                }
            }
            _ => {}
        }
    }
    held_untold(events, facts, &by_key, verdict);
}

/// Leases that are held and that nobody was told of, though their key was answered with another.
fn held_untold(
    events: &[Event],
    facts: &Facts<'_>,
    by_key: &BTreeMap<(&str, &str), (&str, &Event)>,
    verdict: &mut Verdict,
) {
    let mut asks: HashMap<&str, Vec<(&Event, &Asked)>> = HashMap::new();
    for event in events {
        if let Deed::Acquire { ask, .. } = &event.deed
            && ask.key.is_some()
        {
            asks.entry(&ask.caller).or_default().push((event, ask));
        }
    }
    let mut judged = BTreeSet::new();
    for event in events {
        let Deed::Look { clusters, .. } = &event.deed else {
            continue;
        };
        for seen in clusters.iter().filter(|seen| seen.state == "leased") {
            let Some((lease, holder)) = &seen.lease else { continue };
            if facts.leases.contains_key(lease.as_str()) || !judged.insert(lease.as_str()) {
                continue;
            }
            verdict.count("leases that nobody was told of", 1);
            let asks = asks.get(holder.as_str()).map(Vec::as_slice).unwrap_or_default();
            let asked = asks
                .iter()
                .filter(|(ask, _)| ask.from < event.to)
                .rev()
                .find(|(_, ask)| is_made_for(lease, ask, seen));
            let told = asked.and_then(|(_, ask)| by_key.get(&(ask.caller.as_str(), ask.key.as_deref()?)));
            if let (Some((by, _)), Some((other, told))) = (asked, told) {
                let sentence = format!("one key has {lease}, of which nobody was told, and {other}");
                verdict.against("given twice", &[by, told, event], &sentence);
            }
        }
    }
}

/// Whether a lease is made of this ask: its id tells.
fn is_made_for(lease: &str, ask: &Asked, seen: &Seen) -> bool {
    let ids = [Some(&ask.id), ask.ticket.as_ref()];
    ids.into_iter().flatten().any(|id| {
        // The epoch is the one before it was taken, or the one by which it was handed over.
        [seen.epoch, seen.epoch.saturating_sub(1)].into_iter().any(|epoch| {
            let made = vault::sha256_hex(format!("{id}#{}#{epoch}", seen.cluster).as_bytes());
            made.get(..LEASE_ID_DIGITS) == Some(lease)
        })
    })
}

/// Whether two asks may be answered with one lease: by their key, or by a place.
fn is_same(one: &Asked, other: &Asked) -> bool {
    let by_key = one.key.is_some() && one.key == other.key;
    let ids = |ask: &Asked| [Some(ask.id.clone()), ask.ticket.clone()];
    let by_place = ids(one)
        .iter()
        .flatten()
        .any(|id| ids(other).contains(&Some(id.clone())));
    one.caller == other.caller && (by_key || by_place)
}

/// Who has the epoch by which a cluster is seen, where that can be said.
fn whom(seen: &Seen) -> Option<&str> {
    match seen.state.as_str() {
        "free" => Some("nobody"),
        "granting" | "leased" => seen.lease.as_ref().map(|(lease, _)| lease.as_str()),
        _ => None,
    }
}
