//! Who gets which cluster: whoever asks, or whoever has waited longest for such a one.

use std::ops::ControlFlow;

use domain::limits::{GRANT_LEAST, GRANT_MAX, LEASE_TRIES_MAX, LOOK_MAX, OFFERS_A_PAGE};
use domain::{Cluster, ClusterPool, Lease, LeaseId, LeaseTime, Line, Look, Offer, ProviderName, Ticket, Wanted, Wish};
use jiff::{SignedDuration, Timestamp};
use net::Scope;
use store::{Binding, Bound, ClusterTaken, NextDue, Row, TakenFor, WriteError, bound_as};

use crate::Error;
use crate::advance::step_of;
use crate::leasing::Leasing;
use crate::leasing::grant::{Grant, Granted, is_shorter};
use crate::leasing::waiting::Joined;

/// What a caller asks for.
#[derive(Clone)]
pub struct LeaseAsk {
    /// Who asks, in a word.
    pub caller: String,
    /// The rules of the pool that is asked.
    pub pool: ClusterPool,
    /// What is wanted, as it was said.
    pub wish: Wish,
    /// What is wanted, as it was understood.
    pub wanted: Wanted,
    /// For how long.
    pub time: LeaseTime,
    /// The place that the caller shows. It becomes one when it is shown first.
    pub ticket: Option<LeaseId>,
    /// Whether the caller wants to wait, so that a place is taken for a caller who shows none.
    pub waits: bool,
    /// The `Idempotency-Key`, if there is one.
    pub binding: Option<Binding>,
    /// The id of the lease, should there be one, and of the place otherwise: random.
    pub id: LeaseId,
}

/// What became of an ask.
pub enum Acquired {
    /// A cluster.
    Granted(Box<Granted>),
    /// None is free that nobody else waits for.
    None {
        /// The place that the caller has, or would have.
        ticket: LeaseId,
        /// How many it waits for, itself included.
        position: usize,
        /// When a cluster that fits may become free at the latest, as far as is known.
        expected_at: Option<Timestamp>,
        /// Whether the place is taken.
        waits: bool,
        /// Whether any cluster of the pool is of the provider that is wanted.
        is_known: bool,
    },
    /// Nobody can wait any more: the line is full, or the caller has as many places as one may have.
    LineFull {
        /// Whether it is the caller's own places that are too many.
        own: bool,
    },
    /// Others took every cluster that was tried, or too little time is left to try the next.
    Raced,
    /// The `Idempotency-Key` came with another body.
    AnotherBody,
    /// The lease that the `Idempotency-Key` was answered with has ended.
    Over,
    /// A cluster was taken for the caller, and what came of that cannot be said yet: the same `Idempotency-Key` tells.
    Unsaid,
}

/// What an ask has on the way.
#[derive(Default)]
pub(crate) struct Hold {
    /// The caller's place in the line.
    pub(crate) place: Option<Row<Ticket>>,
    /// What the `Idempotency-Key` is bound to, where that came to nothing.
    pub(crate) bound_to: Option<String>,
}

/// What one cluster that was tried came to.
enum Tried {
    /// The caller has it.
    Given(Box<Granted>),
    /// Somebody else was quicker.
    Beaten,
    /// It was taken, and cannot be given to anybody for now: what a key would be bound to.
    Unfit(String),
    /// The `Idempotency-Key` is bound already.
    Bound(Bound),
    /// It was taken, and what came of that cannot be said yet.
    Unsaid,
}

/// Hexadecimal digits of an ask's id that say where it begins.
const FROM_DIGITS: usize = 8;
/// What a key is bound to whose cluster could not be given, so that it is good for another try.
pub(crate) const NOTHING: &str = "nothing";
/// Hexadecimal digits of a lease's id.
const LEASE_ID_DIGITS: usize = 32;

impl Leasing {
    /// Takes a cluster for `ask`, if one is free that fits and that nobody has waited for longer; otherwise says where
    /// in the line the caller is. It is over within [`LOOK_MAX`], whichever clusters do not answer.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn acquire(&self, ask: &LeaseAsk, look: &Look) -> Result<Acquired, Error> {
        let scope = Scope::current().unwrap_or_else(|| Scope::lasting(LOOK_MAX));
        let acquired = net::within(scope.at_most(LOOK_MAX), Box::pin(self.acquired(ask, look))).await?;
        Ok(match acquired {
            Acquired::Granted(mut granted) => {
                let asked_until = granted.lease.granted_at.checked_add(ask.time.duration());
                granted.shortened |= asked_until.is_ok_and(|until| is_shorter(granted.lease.expires_at, until));
                Acquired::Granted(granted)
            }
            other => other,
        })
    }

    async fn acquired(&self, ask: &LeaseAsk, look: &Look) -> Result<Acquired, Error> {
        let mut hold = Hold::default();
        if let Some(binding) = &ask.binding
            && let Some(bound) = self.store().binding(binding, look.now).await?
            && let Some(acquired) = self.bound(ask, &bound, &mut hold, look).await?
        {
            return Ok(acquired);
        }
        let acquired = self.by_place(ask, &mut hold, look).await?;
        let Some(binding) = &ask.binding else {
            return Ok(acquired);
        };
        let before = hold.bound_to.as_deref();
        match &acquired {
            Acquired::Granted(granted) if hold.place.is_some() => {
                let made = bound_as(&granted.cluster);
                self.store().bind(binding, &made, before, look).await?;
            }
            // The cluster that the key was bound to will be somebody's again, and never by this key.
            Acquired::None { .. } | Acquired::LineFull { .. } | Acquired::Raced if before.is_some() => {
                self.store().bind(binding, NOTHING, before, look).await?;
            }
            _ => {}
        }
        Ok(acquired)
    }

    /// As [`Leasing::acquire`], for an ask whose key has made nothing that is known.
    async fn by_place(&self, ask: &LeaseAsk, hold: &mut Hold, look: &Look) -> Result<Acquired, Error> {
        let mut tickets = self.store().tickets(&ask.pool.name).await?;
        let own = |row: &Row<Ticket>| row.value.caller == ask.caller && Some(&row.value.id) == ask.place().as_ref();
        if let Some(number) = tickets.iter().position(own) {
            let row = tickets.swap_remove(number);
            if row.value.granted.is_some() && !is_time_to_try() {
                // It is fetched by whoever shows the ticket next.
                hold.place = Some(row);
                return Ok(late(&Line::default(), hold));
            }
            if let Some(acquired) = self.fetch(&row, ask, look).await? {
                hold.place = Some(row);
                return Ok(acquired);
            }
            hold.place = self.kept(ask, row, look).await?;
            tickets.extend(hold.place.clone());
        }
        self.sweep_line(ask, &tickets, look.now).await;
        let line = Line::new(tickets.into_iter().map(|row| row.value).collect(), look.now);
        if let Some(acquired) = self.take_proposed(ask, &line, hold, look).await? {
            return Ok(acquired);
        }
        let listed = match self.take_listed(ask, &line, hold, look).await? {
            ControlFlow::Break(acquired) => return Ok(acquired),
            ControlFlow::Continue(listed) => listed,
        };
        let joins = hold.place.is_none() && (ask.waits || ask.ticket.is_some());
        if !joins || !is_known(ask, &listed) {
            return Ok(none(ask, &line, hold, listed, look));
        }
        match self.join(ask, look).await? {
            Joined::Place(row) => hold.place = Some(*row),
            Joined::Full { own } => return Ok(Acquired::LineFull { own }),
            Joined::Beaten => return Ok(Acquired::Raced),
        }
        // What became free before the place was taken was not handed to it.
        let line = self.line(ask, look.now).await?;
        Ok(match self.take_listed(ask, &line, hold, look).await? {
            ControlFlow::Break(acquired) => acquired,
            ControlFlow::Continue(listed) => none(ask, &line, hold, listed, look),
        })
    }

    /// Tries clusters that fit and that nobody else waits for, of those that the index proposes, until one is given.
    async fn take_proposed(
        &self,
        ask: &LeaseAsk,
        line: &Line,
        hold: &mut Hold,
        look: &Look,
    ) -> Result<Option<Acquired>, Error> {
        let own = hold.place.as_ref().map(|row| row.value.id.clone());
        let may_have = |offer: &Offer| ask.may_have(offer, line, own.as_ref(), look.now);
        let from = &ask.id.as_str()[..FROM_DIGITS];
        let proposed = self.store().free_offers(&ask.pool.name, from, OFFERS_A_PAGE).await?;
        let proposed: Vec<Offer> = proposed.into_iter().map(|offer| offer.in_pool(&ask.pool)).collect();
        for offer in proposed.iter().filter(|offer| may_have(offer)).take(LEASE_TRIES_MAX) {
            if let Some(acquired) = self.tried(ask, offer, line, hold, look).await? {
                return Ok(Some(acquired));
            }
        }
        Ok(None)
    }

    /// As [`Leasing::take_proposed`], of all that the pool lists, consistently: only after this may it be said that none
    /// is free. That list, where there is none.
    async fn take_listed(
        &self,
        ask: &LeaseAsk,
        line: &Line,
        hold: &mut Hold,
        look: &Look,
    ) -> Result<ControlFlow<Acquired, Vec<Offer>>, Error> {
        let own = hold.place.as_ref().map(|row| row.value.id.clone());
        let listed = self.store().offers(&ask.pool.name).await?;
        let listed: Vec<Offer> = listed.into_iter().map(|offer| offer.in_pool(&ask.pool)).collect();
        let may_have = |offer: &&Offer| ask.may_have(offer, line, own.as_ref(), look.now);
        let mut others: Vec<&Offer> = listed.iter().filter(may_have).collect();
        // From a place of the caller's own on, so that many who come here at once do not begin with the same.
        let first = ask.seed().checked_rem(others.len()).unwrap_or_default();
        others.rotate_left(first);
        for offer in others.iter().take(LEASE_TRIES_MAX) {
            if let Some(acquired) = self.tried(ask, offer, line, hold, look).await? {
                return Ok(ControlFlow::Break(acquired));
            }
        }
        Ok(match others.is_empty() {
            true => ControlFlow::Continue(listed),
            false => ControlFlow::Break(Acquired::Raced),
        })
    }

    async fn tried(
        &self,
        ask: &LeaseAsk,
        offer: &Offer,
        line: &Line,
        hold: &mut Hold,
        look: &Look,
    ) -> Result<Option<Acquired>, Error> {
        if !is_time_to_try() {
            return Ok(Some(late(line, hold)));
        }
        match self.take(ask, offer, hold, look).await? {
            Tried::Given(granted) => Ok(Some(Acquired::Granted(granted))),
            Tried::Unsaid => Ok(Some(Acquired::Unsaid)),
            Tried::Bound(bound) => self.bound(ask, &bound, hold, look).await,
            Tried::Beaten => Ok(None),
            Tried::Unfit(made) => {
                // The place was given a cluster that nobody can have, and waits again.
                if let Some(row) = hold.place.take() {
                    hold.place = self.regained(ask, &row, look).await?;
                }
                hold.bound_to = Some(made);
                Ok(None)
            }
        }
    }

    async fn take(&self, ask: &LeaseAsk, offer: &Offer, hold: &Hold, look: &Look) -> Result<Tried, Error> {
        let place = hold.place.as_ref();
        let row = self.store().cluster(&offer.name).await?.filter(|row| {
            // It may have been moved, or changed, since it was proposed.
            let offer = row.value.offer().in_pool(&ask.pool);
            let is_wanted = row.value.pool == ask.pool.name && ask.wanted.fits(&offer);
            is_wanted && row.value.is_free() && offer.lasts(ask.time, look.now)
        });
        let Some(row) = row else {
            return Ok(Tried::Beaten);
        };
        let id = place.map_or(&ask.id, |row| &row.value.id);
        let Some(lease) = self.lease(id, &row.value, &ask.caller, ask.time, look.now) else {
            return Ok(Tried::Beaten);
        };
        let look = step_of(look, format!("cluster-{}-take", row.value.name));
        let taken = row.value.taken(lease.clone(), true);
        let taken_for = TakenFor {
            place: place.map(|place| (&ask.pool.name, place)),
            binding: ask.binding.as_ref(),
            bound_to: hold.bound_to.as_deref(),
        };
        let made = bound_as(&taken);
        let due = due_at(look.now, GRANT_MAX);
        let row = match self
            .store()
            .take_cluster(&row, &taken, &lease, due, taken_for, &look)
            .await
        {
            Ok(ClusterTaken::Taken(row)) => row,
            Ok(ClusterTaken::Bound(bound)) => return Ok(Tried::Bound(bound)),
            Err(WriteError::Overtaken | WriteError::Store(store::Error::Throttled(_))) => return Ok(Tried::Beaten),
            Err(WriteError::Store(error)) => return Err(error.into()),
        };
        Ok(match self.grant(row, &ask.pool, &step_of(&look, "grant")).await? {
            Grant::Given(granted) => Tried::Given(granted),
            Grant::Unfit | Grant::Ended => Tried::Unfit(made),
            Grant::Unsaid => Tried::Unsaid,
        })
    }

    /// The lease by which a free cluster is about to be taken for an ask or a place of this id, from `now` on. The same
    /// again while the cluster is the same and free.
    pub(crate) fn lease(
        &self,
        id: &LeaseId,
        cluster: &Cluster,
        holder: &str,
        time: LeaseTime,
        now: Timestamp,
    ) -> Option<Lease> {
        let mut told = vault::sha256_hex(format!("{id}#{}#{}", cluster.name, cluster.epoch).as_bytes());
        told.truncate(LEASE_ID_DIGITS);
        let id = LeaseId::parse(&told).ok()?;
        let token = self.tokens(&id).next()?;
        Some(Lease {
            token_sha256: vault::sha256_hex(token.as_bytes()),
            id,
            holder: holder.to_owned(),
            granted_at: now,
            expires_at: now.checked_add(time.duration()).unwrap_or(Timestamp::MAX),
        })
    }
}

impl LeaseAsk {
    /// The place that the ask has or would have, whichever try it is; nothing for one that cannot be told from others.
    pub(crate) fn place(&self) -> Option<LeaseId> {
        let of_key = |binding: &Binding| {
            let mut told =
                vault::sha256_hex(format!("{}#{}#{}", binding.caller, binding.route, binding.key).as_bytes());
            told.truncate(LEASE_ID_DIGITS);
            LeaseId::parse(&told).ok()
        };
        self.ticket.clone().or_else(|| self.binding.as_ref().and_then(of_key))
    }

    /// Where this ask begins with what many look at, so that they do not all begin with the same.
    pub(crate) fn seed(&self) -> usize {
        usize::from_str_radix(&self.id.as_str()[..FROM_DIGITS], 16).unwrap_or_default()
    }

    /// Whether the ask may have this one, by its own place in the line or by none.
    fn may_have(&self, offer: &Offer, line: &Line, own: Option<&LeaseId>, now: Timestamp) -> bool {
        offer.is_free && self.wanted.fits(offer) && offer.lasts(self.time, now) && line.may_take(offer, own)
    }
}

/// Whether enough is left of the look to bring one more cluster to whoever asks.
fn is_time_to_try() -> bool {
    Scope::current().is_none_or(|scope| scope.left() >= GRANT_LEAST)
}

/// What is said when too little is left of the look to try another cluster.
fn late(line: &Line, hold: &Hold) -> Acquired {
    match &hold.place {
        None => Acquired::Raced,
        Some(row) => Acquired::None {
            ticket: row.value.id.clone(),
            position: line.position(&row.value.id).unwrap_or(1),
            expected_at: None,
            waits: true,
            is_known: true,
        },
    }
}

/// What is said when none of the pool's clusters can be had.
fn none(ask: &LeaseAsk, line: &Line, hold: &Hold, listed: Vec<Offer>, look: &Look) -> Acquired {
    let place = hold.place.as_ref();
    let position = match place {
        Some(row) => line.position(&row.value.id).unwrap_or(1),
        None => line.place_for(&ask.caller).position,
    };
    let is_known = is_known(ask, &listed);
    let fitting = listed.iter().filter(|offer| ask.wanted.fits(offer));
    let mut ends: Vec<Timestamp> = fitting.filter_map(|offer| offer.expires_at).collect();
    ends.sort_unstable();
    let expected_at = ends.get(position - 1).or(ends.last()).copied();
    let ticket = place.map(|row| row.value.id.clone()).or_else(|| ask.place());
    Acquired::None {
        ticket: ticket.unwrap_or_else(|| ask.id.clone()),
        position,
        expected_at: expected_at.map(|at| at.max(look.now)),
        waits: place.is_some(),
        is_known,
    }
}

/// Whether any cluster of the pool is of the provider that is wanted.
fn is_known(ask: &LeaseAsk, listed: &[Offer]) -> bool {
    let is_its = |provider: &ProviderName| listed.iter().any(|offer| offer.cloud_provider == *provider);
    ask.wanted.provider().is_none_or(is_its)
}

/// When somebody must come back to a cluster that was taken.
pub(crate) fn due_at(now: Timestamp, span: std::time::Duration) -> NextDue {
    let span = SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX);
    NextDue {
        at: now.checked_add(span).unwrap_or(Timestamp::MAX),
        attempt: 0,
    }
}
