//! The line of those who wait for a cluster: places are taken and kept, and whoever frees a cluster hands it over.

use domain::limits::{GRANT_FETCHED, TICKETS_A_CALLER, TICKETS_MAX, TICKETS_SWEPT};
use domain::{Cluster, Lease, Line, Look, Ticket};
use futures::future::join_all;
use jiff::Timestamp;
use store::{ClusterTaken, Row, TakenFor, WriteError};

use crate::Error;
use crate::advance::step_of;
use crate::leasing::acquire::{LeaseAsk, due_at};
use crate::leasing::{ClusterRow, Leasing};

/// What became of a place that was to be taken.
pub(crate) enum Joined {
    /// It is taken.
    Place(Box<Row<Ticket>>),
    /// There is no room for it in the line, or for another one of the caller's own.
    Full {
        /// Whether it is the caller's own places that are too many.
        own: bool,
    },
    /// The caller took another one at the same moment.
    Beaten,
}

impl Leasing {
    pub(crate) async fn line(&self, ask: &LeaseAsk, now: Timestamp) -> Result<Line, Error> {
        let tickets = self.store().tickets(&ask.pool.name).await?;
        Ok(Line::new(tickets.into_iter().map(|row| row.value).collect(), now))
    }

    /// Clears a line of some of the places that nobody comes back to, so that it stays about as long as those who wait in
    /// it are many. What fails is done by the next who asks.
    /// Each begins at a place of its own, so that many who ask at once do not all clear the same.
    pub(crate) async fn sweep_line(&self, ask: &LeaseAsk, tickets: &[Row<Ticket>], now: Timestamp) {
        let mut over: Vec<&Row<Ticket>> = tickets.iter().filter(|row| row.value.is_over(now)).collect();
        let first = ask.seed().checked_rem(over.len()).unwrap_or_default();
        over.rotate_left(first);
        let over = over.into_iter().take(TICKETS_SWEPT);
        let left = over.map(|row| self.store().leave_line(&ask.pool.name, row));
        for left in join_all(left).await {
            if let Err(WriteError::Store(error)) = left {
                net::note("clearing a line", &error);
            }
        }
    }

    /// The caller's place, kept by having asked again; nothing when it was lost.
    pub(crate) async fn kept(
        &self,
        ask: &LeaseAsk,
        row: Row<Ticket>,
        look: &Look,
    ) -> Result<Option<Row<Ticket>>, Error> {
        if !row.value.is_kept(look.now) {
            return match self.store().leave_line(&ask.pool.name, &row).await {
                Ok(()) | Err(WriteError::Overtaken) => Ok(None),
                Err(WriteError::Store(error)) => Err(error.into()),
            };
        }
        let next = Ticket {
            wish: ask.wish.clone(),
            time: ask.time,
            ..row.value.asked_again(look.now)
        };
        let look = step_of(look, format!("keep-place-{}", row.version));
        match self.store().put_ticket(&ask.pool.name, &row, &next, &look).await {
            Ok(row) => Ok(Some(row)),
            // It was given something at this moment: the next look fetches it.
            Err(WriteError::Overtaken) => Ok(Some(row)),
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }

    /// Takes a place in the line. The caller's share is read first: of places that one caller takes at once, one is.
    pub(crate) async fn join(&self, ask: &LeaseAsk, look: &Look) -> Result<Joined, Error> {
        let share = self.store().ticket_share(&ask.pool.name, &ask.caller).await?;
        let line = self.line(ask, look.now).await?;
        let own = line.places_of(&ask.caller) >= TICKETS_A_CALLER;
        if own || line.len() >= TICKETS_MAX {
            return Ok(Joined::Full { own });
        }
        let ticket = Ticket {
            id: ask.place().unwrap_or_else(|| ask.id.clone()),
            caller: ask.caller.clone(),
            wish: ask.wish.clone(),
            time: ask.time,
            start: line.place_for(&ask.caller).start,
            since: look.now,
            seen_at: look.now,
            granted: None,
        };
        let look = step_of(look, "join-line");
        let joined = self
            .store()
            .join_line(&ask.pool.name, share.as_ref(), &ticket, &look)
            .await;
        match joined {
            Ok(row) => Ok(Joined::Place(Box::new(row))),
            Err(WriteError::Overtaken) => Ok(Joined::Beaten),
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }

    /// The caller's place as it is after it was given what could not be had.
    pub(crate) async fn regained(
        &self,
        ask: &LeaseAsk,
        row: &Row<Ticket>,
        look: &Look,
    ) -> Result<Option<Row<Ticket>>, Error> {
        let tickets = self.store().tickets(&ask.pool.name).await?;
        match tickets.into_iter().find(|ticket| ticket.value.id == row.value.id) {
            Some(row) => self.kept(ask, row, look).await,
            None => Ok(None),
        }
    }

    /// Gives a cluster that nobody has begun to use to whoever waits for it, or makes it free: its grant was not
    /// fetched.
    pub(crate) async fn pass_on(&self, row: ClusterRow, look: &Look) -> Result<ClusterRow, Error> {
        let free = row.value.freed();
        self.give_or_free(row, free, look).await
    }

    /// Writes that a cluster is free; where somebody waits for such a one, it is theirs in the same write.
    pub(crate) async fn give_or_free(&self, row: ClusterRow, free: Cluster, look: &Look) -> Result<ClusterRow, Error> {
        let next = match free.is_free() {
            true => self.next_for(&free, look.now).await?,
            false => None,
        };
        let written = match next {
            None => self.store().put_cluster(Some(&row), &free, None, look).await,
            Some((ticket, lease)) => {
                let taken = row.value.taken(lease.clone(), false);
                let taken_for = TakenFor {
                    place: Some((&free.pool, &ticket)),
                    ..TakenFor::default()
                };
                let due = due_at(look.now, GRANT_FETCHED);
                let taken = self.store().take_cluster(&row, &taken, &lease, due, taken_for, look);
                match taken.await {
                    Ok(ClusterTaken::Taken(row)) => Ok(row),
                    // Whoever waited does not any more: the next look tells who does.
                    Ok(ClusterTaken::Bound(_)) => Err(WriteError::Overtaken),
                    Err(error) => Err(error),
                }
            }
        };
        match written {
            Ok(row) => Ok(row),
            Err(WriteError::Overtaken) => self.reread(&row.value.name).await,
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }

    /// Who waits for such a cluster, and the lease by which it is about to be theirs.
    async fn next_for(&self, free: &Cluster, now: Timestamp) -> Result<Option<(Row<Ticket>, Lease)>, Error> {
        let tickets = self.store().tickets(&free.pool).await?;
        let line = Line::new(tickets.iter().map(|row| row.value.clone()).collect(), now);
        let offer = free.offer().in_pool(&self.pool_of(free).await?);
        let Some(first) = line.first_for(&offer) else {
            return Ok(None);
        };
        let lease = self.lease(&first.id, free, &first.caller, first.time, now);
        let ticket = tickets.iter().find(|row| row.value.id == first.id).cloned();
        Ok(ticket.zip(lease))
    }
}
