//! A lease while it holds: it is verified, renewed and given back, by its token or by an operator.

use domain::{ClusterName, ClusterState, EndingWhy, Epoch, Lease, LeaseTime, Look, Refusal};
use jiff::Timestamp;
use store::{NextDue, Store, WriteError};

use crate::Error;
use crate::advance::{due_at_once, step_of};
use crate::leasing::grant::Granted;
use crate::leasing::{ClusterRow, Leasing, TRIES};

/// What a token leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The cluster, as its row is.
    pub row: ClusterRow,
    /// The lease, which the cluster still has: it holds, or is about to be taken away.
    pub lease: Lease,
}

impl Held {
    /// Whether its holder has been given it.
    pub fn is_given(&self) -> bool {
        matches!(self.row.value.state, ClusterState::Leased { .. })
    }
}

/// What became of a renewal.
pub enum Renewed {
    /// It holds longer, or as long as it did; with a kubeconfig that lasts so long.
    Renewed(Box<Granted>),
    /// The pool's rules do not allow it.
    Refused(Refusal),
    /// There is no such lease any more.
    Over,
    /// Its cluster cannot be asked for a token at the moment: it holds for as long as it did, or longer.
    Unsaid,
}

/// What became of a cluster that shall be clean.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is what is asked for; it is moved once"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cleaned {
    /// It is being cleaned, or taken in anew, or that is done already.
    Begun(ClusterRow),
    /// Somebody has it, or it is on its way back.
    Held,
}

impl Leasing {
    /// The lease that a token leads to, by consistent reads, whether or not it still holds at this moment; nothing when
    /// no cluster has it any more.
    ///
    /// # Errors
    /// As for every read.
    pub async fn held(&self, token: &str, now: Timestamp) -> Result<Option<Held>, Error> {
        held(self.store(), token, now).await
    }

    /// As [`verified`].
    ///
    /// # Errors
    /// As for every read.
    pub async fn verified(&self, token: &str, epoch: Epoch, now: Timestamp) -> Result<Option<Lease>, Error> {
        verified(self.store(), token, epoch, now).await
    }

    /// Makes a lease that still holds hold for `time` from now on, as far as its pool allows, its cluster gives tokens
    /// that last so long, and its cluster's registered credential does.
    ///
    /// # Errors
    /// [`Error::Overtaken`] when others moved it at every try; [`Error::Store`].
    pub async fn renew(&self, token: &str, time: LeaseTime, look: &Look) -> Result<Renewed, Error> {
        for number in 0..TRIES {
            let held = self.held(token, look.now).await?;
            let held = held.filter(|held| held.lease.holds_at(look.now) && held.is_given());
            let Some(Held { row, lease }) = held else {
                return Ok(Renewed::Over);
            };
            let pool = self.pool_of(&row.value).await?;
            let mut next = match lease.renewed(time, &pool, look.now) {
                Ok(next) => next,
                Err(refusal) => return Ok(Renewed::Refused(refusal)),
            };
            // No more is promised than what the holder's next token lasts, and the cluster can be returned after.
            let Ok((access, lasts)) = self.fresh_token(&row.value, &next, look.now).await else {
                return Ok(Renewed::Unsaid);
            };
            let wanted = next.expires_at;
            let until = lasts.min(row.value.lent_until().unwrap_or(Timestamp::MAX));
            next.expires_at = next.expires_at.min(until).max(lease.expires_at);
            let lease = next;
            let look = step_of(look, format!("renew-{number}"));
            let due = NextDue {
                at: lease.taken_away_at(),
                attempt: 0,
            };
            match self
                .store()
                .put_cluster(Some(&row), &row.value.held(lease.clone()), Some(due), &look)
                .await
            {
                Ok(row) => {
                    let told = self.told_until(row.value, lease, &access, lasts, wanted);
                    return Ok(told.map_or(Renewed::Unsaid, |granted| Renewed::Renewed(Box::new(granted))));
                }
                Err(WriteError::Overtaken) => {}
                Err(WriteError::Store(error)) => return Err(error.into()),
            }
        }
        Err(Error::Overtaken)
    }

    /// Ends the lease that a token leads to, and begins to take it away; `false` when there is none.
    ///
    /// # Errors
    /// [`Error::Overtaken`] when others moved it at every try; [`Error::Store`] when its end was not recorded. What
    /// comes after is the reaper's as well, and never fails this.
    pub async fn release(&self, token: &str, look: &Look) -> Result<bool, Error> {
        for number in 0..TRIES {
            let Some(Held { row, lease }) = self.held(token, look.now).await? else {
                return Ok(false);
            };
            if self.ended(&row, &lease, EndingWhy::Released, number, look).await? {
                return Ok(true);
            }
        }
        Err(Error::Overtaken)
    }

    /// Ends whatever lease a cluster has, for an operator; `false` when it has none.
    ///
    /// # Errors
    /// As [`Leasing::release`]; [`Error::Gone`] when there is no such cluster.
    pub async fn release_cluster(&self, name: &ClusterName, look: &Look) -> Result<bool, Error> {
        for number in 0..TRIES {
            let row = self.reread(name).await?;
            let Some(lease) = row.value.lease().cloned() else {
                return Ok(false);
            };
            if self
                .ended(&row, &lease, EndingWhy::EndedByOperator, number, look)
                .await?
            {
                return Ok(true);
            }
        }
        Err(Error::Overtaken)
    }

    /// Cleans a cluster that nobody holds once more, or takes it in anew: then what is there now is what shall be there.
    ///
    /// # Errors
    /// [`Error::Gone`] when there is no such cluster; [`Error::Overtaken`] when others moved it at every try.
    pub async fn clean_again(&self, name: &ClusterName, accept: bool, look: &Look) -> Result<Cleaned, Error> {
        for number in 0..TRIES {
            let row = self.reread(name).await?;
            let may_be = matches!(row.value.state, ClusterState::Quarantined { .. } | ClusterState::Free);
            if !may_be {
                return Ok(Cleaned::Held);
            }
            let look_of_try = step_of(look, format!("clean-{number}"));
            let next = if accept {
                row.value.to_take_in()
            } else {
                row.value.to_clean(look.now)
            };
            let due = Some(due_at_once(look));
            match self.store().put_cluster(Some(&row), &next, due, &look_of_try).await {
                Ok(next) => {
                    // What was in the way of it before says nothing any more.
                    if let Err(error) = self.store().forget_left_over(name, next.value.epoch).await {
                        net::note("forgetting what was left over", &error);
                    }
                    self.forget_baseline(&row.value, &next.value).await;
                    return Ok(Cleaned::Begun(self.worked(next, look).await));
                }
                Err(WriteError::Overtaken) => {}
                Err(WriteError::Store(error)) => return Err(error.into()),
            }
        }
        Err(Error::Overtaken)
    }

    /// Ends a lease at this try, and goes on as far as this look comes; `false` when the row has moved on.
    async fn ended(
        &self,
        row: &ClusterRow,
        lease: &Lease,
        why: EndingWhy,
        number: usize,
        look: &Look,
    ) -> Result<bool, Error> {
        let look_of_try = step_of(look, format!("release-{number}"));
        let ended = row.value.ended(lease, why, look.now);
        let due = Some(due_at_once(look));
        match self.store().put_cluster(Some(row), &ended, due, &look_of_try).await {
            Ok(row) => {
                self.worked(row, look).await;
                Ok(true)
            }
            Err(WriteError::Overtaken) => Ok(false),
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }
}

/// As [`Leasing::held`]: it takes nothing but the table.
async fn held(store: &Store, token: &str, now: Timestamp) -> Result<Option<Held>, Error> {
    let sha256 = vault::sha256_hex(token.as_bytes());
    let Some(pointer) = store.lease_pointer(&sha256, now).await? else {
        return Ok(None);
    };
    let row = store.cluster(&pointer.cluster).await?;
    let row = row.filter(|row| row.value.epoch == pointer.epoch);
    Ok(row.and_then(|row| {
        let lease = row.value.lease().filter(|lease| lease.token_sha256 == sha256)?.clone();
        Some(Held { row, lease })
    }))
}

/// The lease that a token leads to, by consistent reads, if it holds at `now` by this epoch, with the margin for other
/// clocks.
///
/// # Errors
/// As for every read.
pub async fn verified(store: &Store, token: &str, epoch: Epoch, now: Timestamp) -> Result<Option<Lease>, Error> {
    let held = held(store, token, now).await?;
    let held = held.filter(|held| held.row.value.epoch == epoch && held.is_given());
    Ok(held.map(|held| held.lease).filter(|lease| lease.holds_at(now)))
}
