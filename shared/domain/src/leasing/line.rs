//! The waiting room: who waits for a cluster of a pool, and who is next.
//!
//! Start-time fair queuing, with a caller's key as the flow and one lease as its unit: a place's start is where the
//! head of the line is when it is taken, or behind the caller's own last place, whichever is later. So one caller with a
//! hundred places does not keep another waiting for a hundred leases, and among equals who came first is first. Where
//! nobody waits nothing is to be fair about, so starts begin at zero again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::application::after;
use crate::leasing::{Epoch, LeaseTime, Offer, Wanted, Wish};
use crate::limits::{GRANTED_KEPT, PLACE_KEPT, SKEW_MAX};
use crate::{ClusterName, LeaseId};

/// A place in the line of a pool.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its id.
    pub id: LeaseId,
    /// Who waits, in a word.
    pub caller: String,
    /// For what.
    pub wish: Wish,
    /// For how long the cluster is wanted.
    pub time: LeaseTime,
    /// Where in the line it is: what starts lower comes first, and among equals what was taken earlier.
    pub start: u64,
    /// When it was taken.
    pub since: Timestamp,
    /// When its owner last asked.
    pub seen_at: Timestamp,
    /// What it was given, if anything yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub granted: Option<(ClusterName, Epoch)>,
}

/// Where in the line somebody is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its start.
    pub start: u64,
    /// How many it waits for, itself included.
    pub position: usize,
}

/// Those who wait for a cluster of one pool, in order.
#[derive(Clone, Debug, Default)]
pub struct Line {
    waiting: Vec<(Ticket, Wanted)>,
    now: Timestamp,
}

impl Ticket {
    /// Whether its owner has asked within [`PLACE_KEPT`], so that the place is still kept at `now`.
    pub fn is_kept(&self, now: Timestamp) -> bool {
        now < after(self.seen_at, PLACE_KEPT)
    }

    /// Whether it waits at `now`.
    pub fn waits(&self, now: Timestamp) -> bool {
        self.granted.is_none() && self.is_kept(now)
    }

    /// Whether nobody can come back to it at `now`, whatever clock they go by: it may be deleted.
    pub fn is_over(&self, now: Timestamp) -> bool {
        let kept = if self.granted.is_some() {
            GRANTED_KEPT
        } else {
            PLACE_KEPT
        };
        now >= after(self.seen_at, kept + 2 * SKEW_MAX)
    }

    /// The same place, kept by its owner's having asked at `now`. What it was given and did not get is forgotten.
    #[must_use]
    pub fn asked_again(&self, now: Timestamp) -> Self {
        Self {
            seen_at: now,
            granted: None,
            ..self.clone()
        }
    }

    fn order(&self) -> (u64, Timestamp, &LeaseId) {
        (self.start, self.since, &self.id)
    }
}

impl Line {
    /// The line of a pool at `now`, of all its tickets in any order. What nobody kept asking for, was given something,
    /// or says what cannot be understood is not in it.
    pub fn new(tickets: Vec<Ticket>, now: Timestamp) -> Self {
        let waiting = tickets.into_iter().filter(|ticket| ticket.waits(now));
        let mut waiting: Vec<(Ticket, Wanted)> = waiting
            .filter_map(|ticket| {
                let wanted = ticket.wish.understood().ok()?;
                Some((ticket, wanted))
            })
            .collect();
        waiting.sort_by(|(one, _), (other, _)| one.order().cmp(&other.order()));
        Self { waiting, now }
    }

    /// Who is to be given `cluster`: the first whom it fits.
    pub fn first_for(&self, cluster: &Offer) -> Option<&Ticket> {
        let fits = |(ticket, wanted): &&(Ticket, Wanted)| wanted.fits(cluster) && cluster.lasts(ticket.time, self.now);
        let first = self.waiting.iter().find(fits);
        first.map(|(ticket, _)| ticket)
    }

    /// Whether whoever has this ticket, or none, may take `cluster` without passing anybody whom it fits.
    pub fn may_take(&self, cluster: &Offer, own: Option<&LeaseId>) -> bool {
        self.first_for(cluster).is_none_or(|first| Some(&first.id) == own)
    }

    /// The place that `caller` would have with a new ticket.
    pub fn place_for(&self, caller: &str) -> Place {
        let own = self.waiting.iter().filter(|(ticket, _)| ticket.caller == caller);
        let after_own = own.map(|(ticket, _)| ticket.start + 1).max();
        let head = self.waiting.first().map_or(0, |(ticket, _)| ticket.start);
        let start = after_own.unwrap_or_default().max(head);
        Place {
            start,
            position: 1 + self.waiting.iter().filter(|(ticket, _)| ticket.start <= start).count(),
        }
    }

    /// The position of a ticket that waits, from 1 on.
    pub fn position(&self, id: &LeaseId) -> Option<usize> {
        let before = self.waiting.iter().position(|(ticket, _)| ticket.id == *id)?;
        Some(before + 1)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many places `caller` has.
    pub fn places_of(&self, caller: &str) -> usize {
        let own = self.waiting.iter().filter(|(ticket, _)| ticket.caller == caller);
        own.count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;
    use crate::leasing::cluster::tests::free;

    fn ticket(number: u8, caller: &str, start: u64, pattern: &str) -> Ticket {
        Ticket {
            id: LeaseId::from_bytes([number; 16]),
            caller: caller.into(),
            wish: Wish {
                cluster_regex: pattern.into(),
                ..Wish::default()
            },
            time: LeaseTime::new(60).unwrap(),
            start,
            since: at(0),
            seen_at: at(0),
            granted: None,
        }
    }

    /// The callers in the order in which they are given one cluster after the other.
    fn served(mut line: Vec<Ticket>) -> String {
        let mut served = String::new();
        while let Some(first) = Line::new(line.clone(), at(1)).first_for(&free("x").offer()) {
            served.push_str(&first.caller);
            let id = first.id.clone();
            line.retain(|ticket| ticket.id != id);
        }
        served
    }

    /// A line that these callers have joined one after the other.
    fn joined(callers: &str) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        for (number, caller) in callers.chars().enumerate() {
            let place = Line::new(tickets.clone(), at(0)).place_for(&caller.to_string());
            tickets.push(ticket(number as u8, &caller.to_string(), place.start, ""));
        }
        tickets
    }

    #[test]
    fn who_comes_first_is_first_and_nobody_waits_for_all_of_another() {
        assert_eq!(served(joined("abc")), "abc");
        assert_eq!(served(joined("aaaabb")), "ababaa");
        assert_eq!(served(joined("aaab")), "abaa");
    }

    #[test]
    fn whoever_comes_later_begins_where_the_line_is() {
        let waiting = vec![ticket(1, "a", 7, ""), ticket(2, "a", 8, "")];
        let line = Line::new(waiting, at(1));
        assert_eq!(line.place_for("b"), Place { start: 7, position: 2 });
        assert_eq!(line.place_for("a"), Place { start: 9, position: 3 });
        assert_eq!(Line::default().place_for("a"), Place { start: 0, position: 1 });
    }

    #[test]
    fn whoever_was_served_and_asks_again_does_not_pass_those_who_came_before() {
        let mut waiting = vec![ticket(1, "a", 3, ""), ticket(2, "c", 3, "")];
        let again = Line::new(waiting.clone(), at(5)).place_for("b");
        waiting.push(Ticket {
            since: at(5),
            ..ticket(0, "b", again.start, "")
        });
        assert_eq!(again.position, 3);
        assert_eq!(served(waiting), "acb");
    }

    #[test]
    fn a_cluster_goes_to_the_first_whom_it_fits_and_nobody_else_takes_it() {
        let waiting = vec![
            ticket(1, "a", 0, "^us"),
            ticket(2, "b", 1, "^eu"),
            ticket(3, "c", 2, ""),
        ];
        let line = Line::new(waiting, at(1));
        let first = |name: &str| line.first_for(&free(name).offer()).map(|ticket| ticket.caller.clone());
        assert_eq!(first("eu-1").as_deref(), Some("b"));
        assert_eq!(first("us-1").as_deref(), Some("a"));
        assert_eq!(first("ap-1").as_deref(), Some("c"));
        assert!(!line.may_take(&free("eu-1").offer(), None));
        assert!(!line.may_take(&free("eu-1").offer(), Some(&LeaseId::from_bytes([3; 16]))));
        assert!(line.may_take(&free("eu-1").offer(), Some(&LeaseId::from_bytes([2; 16]))));
        let only = Line::new(vec![ticket(1, "a", 0, "^us")], at(1));
        assert!(
            only.may_take(&free("eu-1").offer(), None),
            "whom it does not fit is not passed"
        );
    }

    #[test]
    fn whoever_wants_a_cluster_for_longer_than_it_can_be_leased_is_passed() {
        let long = Ticket {
            time: LeaseTime::new(7_200).unwrap(),
            ..ticket(1, "a", 0, "")
        };
        let line = Line::new(vec![long, ticket(2, "b", 1, "")], at(1));
        let mut offer = free("x").offer();
        assert_eq!(line.first_for(&offer).map(|ticket| ticket.caller.as_str()), Some("a"));
        offer.lent_until = Some(at(3_600));
        assert_eq!(line.first_for(&offer).map(|ticket| ticket.caller.as_str()), Some("b"));
    }

    #[test]
    fn a_place_is_kept_for_a_minute_after_its_owner_asked() {
        let silent = ticket(1, "a", 0, "");
        let asking = Ticket {
            seen_at: at(30),
            ..ticket(2, "b", 1, "")
        };
        let line = Line::new(vec![silent.clone(), asking.clone()], at(59));
        assert_eq!((line.len(), line.position(&asking.id)), (2, Some(2)));
        let line = Line::new(vec![silent, asking.clone()], at(60));
        assert_eq!((line.places_of("a"), line.position(&asking.id)), (0, Some(1)));
        assert!(!asking.is_over(at(93)) && asking.is_over(at(94)));
        let granted = Ticket {
            granted: Some((free("x").name, Epoch(2))),
            ..asking
        };
        assert!(Line::new(vec![granted.clone()], at(31)).is_empty());
        assert!(!granted.is_over(at(3_633)) && granted.is_over(at(3_634)));
    }
}
