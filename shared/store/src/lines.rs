//! The waiting room: who waits for a cluster of a pool.

use domain::{ClusterPoolName, Look, Ticket, limits};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::clusters::ticket_row;
use crate::items::Kind;
use crate::keys::{self, Key};
use crate::request::{Condition, Outcome};
use crate::rows::{Next, Prepared, value_row};
use crate::transact::token_of;
use crate::{Error, Row, Store, WriteError};

/// Pages of a line: at three kilobytes a ticket, the longest, more than two thousand.
const LINE_PAGES_MAX: usize = 8;

/// What keeps one caller's places from being taken two at a time: it is written with each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TicketShare {
    /// The start of the place that was taken last.
    pub start: u64,
}

impl Store {
    /// AP13 Everybody who has a place in a pool's line, strongly consistent, in the line's order. Those who have lost
    /// theirs meanwhile, or were given something, are among them.
    ///
    /// # Errors
    /// As for every read.
    pub async fn tickets(&self, pool: &ClusterPoolName) -> Result<Vec<Row<Ticket>>, Error> {
        self.prefixed(&Key::share(pool, "").pk, keys::TICKET, LINE_PAGES_MAX)
            .await
    }

    /// AP13 A caller's share of a line, strongly consistent.
    ///
    /// # Errors
    /// As for every read.
    pub async fn ticket_share(&self, pool: &ClusterPoolName, caller: &str) -> Result<Option<Row<TicketShare>>, Error> {
        value_row(self.get(&Key::share(pool, caller)).await?)
    }

    /// AP13 Takes a place in a line, together with the caller's share as it was read before the line was: of many places
    /// that one caller takes at once, one is.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] for the others.
    pub async fn join_line(
        &self,
        pool: &ClusterPoolName,
        share: Option<&Row<TicketShare>>,
        ticket: &Ticket,
        look: &Look,
    ) -> Result<Row<Ticket>, WriteError> {
        let taken = TicketShare { start: ticket.start };
        let forget = SignedDuration::try_from(limits::TICKET_KEPT).unwrap_or(SignedDuration::MAX);
        let forget_at = keys::forget_second(look.now.checked_add(forget).unwrap_or(Timestamp::MAX));
        let next = Next::new(Key::share(pool, &ticket.caller), Kind::TicketShare, &taken).forgotten_at(forget_at);
        let place = Prepared::new(None, ticket_row(pool, ticket, look), look);
        let writes = [place.write()?, Prepared::new(share, next, look).write()?];
        let token = token_of(&[&look.by, ticket.id.as_str(), "join"]);
        let mut outcomes = self.transact(&writes, &token).await?.into_iter();
        let (placed, shared) = (outcomes.next(), outcomes.next());
        let outcome = match placed {
            Some(Outcome::Refused(old)) => Outcome::Refused(old),
            _ if shared.is_some_and(|shared| shared.is_refused()) => Outcome::Refused(None),
            _ => Outcome::Done,
        };
        place.settled(outcome, look)
    }

    /// AP13 Writes a place over the ticket that was read.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when it was given something, or was left, since.
    pub async fn put_ticket(
        &self,
        pool: &ClusterPoolName,
        row: &Row<Ticket>,
        next: &Ticket,
        look: &Look,
    ) -> Result<Row<Ticket>, WriteError> {
        self.put_value(Some(row), ticket_row(pool, next, look), look).await
    }

    /// AP13 Leaves a line: the place as it was read goes. One that is gone is no failure.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when it was given something, or kept, since.
    pub async fn leave_line(&self, pool: &ClusterPoolName, row: &Row<Ticket>) -> Result<(), WriteError> {
        let condition = Condition::same(row.version, &row.by);
        match self.delete(&Key::ticket(pool, &row.value), &condition).await? {
            Outcome::Done | Outcome::Refused(None) => Ok(()),
            Outcome::Refused(Some(_)) => Err(WriteError::Overtaken),
        }
    }
}
