//! What the events say of each lease.

use std::collections::{BTreeMap, HashMap};

use domain::ClusterName;
use jiff::{SignedDuration, Timestamp};

use super::super::history::{Acquired, Deed, Event, Renewed};
use super::{Verdict, later};

/// What is known of a lease.
pub(super) struct LeaseFacts<'a> {
    pub(super) id: &'a str,
    pub(super) cluster: &'a ClusterName,
    pub(super) epoch: u64,
    /// Who was told of it first.
    pub(super) first: &'a Event,
    /// The answer that told of it and was over first.
    pub(super) known: &'a Event,
    /// What holders were told of its end, by the ends of the calls that told it.
    told: Vec<(u64, Timestamp)>,
    /// Until when renewals may have made it hold of which nobody heard, by their beginnings.
    unheard: Vec<(u64, Timestamp)>,
    /// Whoever may have ended it by hand, by the beginnings of the calls.
    hands: Vec<u64>,
    /// The end of the first call that was told that it ended this very lease.
    pub(super) given_back: Option<(u64, &'a Event)>,
    /// The answer that was over first of those that told of a later lease of the same cluster.
    pub(super) followed: Option<&'a Event>,
}

impl LeaseFacts<'_> {
    /// The latest end that was told by a call that was over before `from`.
    pub(super) fn told_before(&self, from: u64) -> Option<Timestamp> {
        let told = self.told.iter().filter(|(to, _)| *to < from);
        told.map(|(_, end)| *end).max()
    }

    /// The latest end that it may have had when a call came to its end at `to`.
    pub(super) fn most(&self, to: u64) -> Option<Timestamp> {
        let told = self.told.iter().map(|(_, end)| *end);
        let unheard = self.unheard.iter().filter(|(from, _)| *from < to).map(|(_, end)| *end);
        told.chain(unheard).max()
    }

    /// Whether somebody else may have ended it by hand before `call` was over.
    pub(super) fn may_be_ended(&self, call: &Event) -> bool {
        self.hands.iter().any(|from| *from < call.to && *from != call.from)
    }
}

/// What is known of all leases.
pub(super) struct Facts<'a> {
    pub(super) leases: BTreeMap<&'a str, LeaseFacts<'a>>,
    /// Leases of a cluster by epoch.
    pub(super) by_epoch: BTreeMap<(&'a ClusterName, u64), Vec<&'a str>>,
}

impl<'a> Facts<'a> {
    pub(super) fn gather(events: &'a [Event], verdict: &mut Verdict) -> Self {
        let mut leases: BTreeMap<&str, LeaseFacts<'a>> = BTreeMap::new();
        let mut by_epoch: BTreeMap<(&ClusterName, u64), Vec<&str>> = BTreeMap::new();
        for event in events {
            let Deed::Acquire {
                heard:
                    Some(Acquired::Granted {
                        cluster,
                        epoch,
                        lease,
                        expires_at,
                    }),
                ..
            } = &event.deed
            else {
                continue;
            };
            let facts = leases.entry(lease).or_insert_with(|| LeaseFacts {
                id: lease,
                cluster,
                epoch: *epoch,
                first: event,
                known: event,
                told: Vec::new(),
                unheard: Vec::new(),
                hands: Vec::new(),
                given_back: None,
                followed: None,
            });
            if (facts.cluster, facts.epoch) != (cluster, *epoch) {
                let sentence = format!("{lease} is of two clusters or epochs: {cluster} by {epoch}");
                verdict.against("one holder", &[facts.first, event], &sentence);
            }
            if event.from < facts.first.from {
                facts.first = event;
            }
            if event.to < facts.known.to {
                facts.known = event;
            }
            facts.told.push((event.to, *expires_at));
            let of_epoch = by_epoch.entry((cluster, *epoch)).or_default();
            if !of_epoch.contains(&lease.as_str()) {
                of_epoch.push(lease);
            }
        }
        let mut facts = Self { leases, by_epoch };
        facts.tell(events);
        facts.end(events);
        facts.follow();
        verdict.count("leases", facts.leases.len());
        facts
    }

    /// What renewals and others told of leases' ends.
    fn tell(&mut self, events: &'a [Event]) {
        for event in events {
            match &event.deed {
                Deed::Renew { lease, seconds, heard } => {
                    let Some(facts) = self.leases.get_mut(lease.as_str()) else {
                        continue;
                    };
                    match heard {
                        Some(Renewed::Until(end)) => facts.told.push((event.to, *end)),
                        Some(_) => {}
                        None => {
                            let end = later(event.now, SignedDuration::from_secs(i64::from(*seconds)));
                            facts.unheard.push((event.from, end));
                        }
                    }
                }
                Deed::Release { lease, heard } => {
                    let Some(facts) = self.leases.get_mut(lease.as_str()) else {
                        continue;
                    };
                    facts.hands.push(event.from);
                    let is_earlier = facts.given_back.is_none_or(|(to, _)| event.to < to);
                    if *heard == Some(true) && is_earlier {
                        facts.given_back = Some((event.to, event));
                    }
                }
                _ => {}
            }
        }
        for facts in self.leases.values_mut() {
            facts.told.sort_unstable();
        }
    }

    /// Which leases operators may have ended: those that a cluster may have had when they called.
    fn end(&mut self, events: &'a [Event]) {
        let mut calls: HashMap<&ClusterName, Vec<(u64, u64)>> = HashMap::new();
        for event in events {
            if let Deed::EndByOperator { cluster, heard } = &event.deed
                && *heard != Some(false)
            {
                calls.entry(cluster).or_default().push((event.from, event.to));
            }
        }
        for facts in self.leases.values_mut() {
            let calls = calls.get(facts.cluster).map(Vec::as_slice).unwrap_or_default();
            // A call that was over before anybody asked for the lease ended another one.
            let ending = calls.iter().filter(|(_, to)| *to > facts.first.from);
            facts.hands.extend(ending.map(|(from, _)| *from));
        }
    }

    /// Which lease of a cluster came after which.
    fn follow(&mut self) {
        let mut next: Option<(&ClusterName, &'a Event)> = None;
        for ((cluster, _), ids) in self.by_epoch.iter().rev() {
            let later = next.filter(|(of, _)| of == cluster).map(|(_, event)| event);
            let mut earliest = later;
            for id in ids {
                let Some(facts) = self.leases.get_mut(id) else { continue };
                facts.followed = later;
                if earliest.is_none_or(|event| facts.known.to < event.to) {
                    earliest = Some(facts.known);
                }
            }
            next = earliest.map(|event| (*cluster, event));
        }
    }
}
