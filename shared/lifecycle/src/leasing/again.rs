//! What was taken before, for whoever asks again: by a key, or by a place to which it was handed.

use domain::limits::GRANT_MAX;
use domain::{ClusterName, ClusterPool, ClusterState, Look, Quarantine, Ticket};
use store::{Bound, Row, WriteError};

use crate::Error;
use crate::advance::step_of;
use crate::leasing::acquire::{Acquired, Hold, LeaseAsk, NOTHING, due_at};
use crate::leasing::grant::Grant;
use crate::leasing::{ClusterRow, Leasing};

impl Leasing {
    /// A cluster that was handed to the caller's place: it goes on from there.
    pub(crate) async fn fetch(
        &self,
        ticket: &Row<Ticket>,
        ask: &LeaseAsk,
        look: &Look,
    ) -> Result<Option<Acquired>, Error> {
        let Some((name, epoch)) = &ticket.value.granted else {
            return Ok(None);
        };
        let row = self
            .store()
            .cluster(name)
            .await?
            .filter(|row| row.value.epoch == *epoch);
        let is_its = |row: &ClusterRow| row.value.lease().is_some_and(|lease| lease.holder == ask.caller);
        let Some(row) = row.filter(is_its) else {
            // It went on to the next before its owner came, or could not be given to anybody.
            return Ok(None);
        };
        Ok(match self.go_on(row, &ask.pool, look).await? {
            Grant::Given(granted) => Some(Acquired::Granted(granted)),
            Grant::Unsaid => Some(Acquired::Unsaid),
            Grant::Unfit | Grant::Ended => None,
        })
    }

    /// Brings a lease that was taken before to its end: the credential is made, or made again.
    pub(crate) async fn go_on(&self, row: ClusterRow, pool: &ClusterPool, look: &Look) -> Result<Grant, Error> {
        let row = match &row.value.state {
            ClusterState::Granting { lease, begun } if !begun || !lease.may_be_joined(look.now) => {
                let lease = lease.from_now_on(look.now);
                let begun = ClusterState::Granting { lease, begun: true };
                let due = Some(due_at(look.now, GRANT_MAX));
                let look = step_of(look, format!("cluster-{}-begin", row.value.name));
                let begun = row.value.in_state(begun);
                match self.store().put_cluster(Some(&row), &begun, due, &look).await {
                    Ok(row) => row,
                    Err(WriteError::Overtaken) => return Ok(Grant::Unsaid),
                    Err(WriteError::Store(error)) => return Err(error.into()),
                }
            }
            ClusterState::Granting { .. } => row,
            ClusterState::Leased { lease } if lease.holds_at(look.now) => {
                let again = self.kubeconfig_again(&row, look.now).await?;
                return Ok(again.map_or(Grant::Unsaid, |granted| Grant::Given(Box::new(granted))));
            }
            _ => return Ok(Grant::Ended),
        };
        self.grant(row, pool, &step_of(look, "grant")).await
    }

    /// What an `Idempotency-Key` was answered with before; nothing where that came to nothing, so that the key is good
    /// for another try.
    pub(crate) async fn bound(
        &self,
        ask: &LeaseAsk,
        bound: &Bound,
        hold: &mut Hold,
        look: &Look,
    ) -> Result<Option<Acquired>, Error> {
        if ask
            .binding
            .as_ref()
            .is_some_and(|binding| binding.body_sha256 != bound.body_sha256)
        {
            return Ok(Some(Acquired::AnotherBody));
        }
        if bound.made == NOTHING {
            hold.bound_to = Some(bound.made.clone());
            return Ok(None);
        }
        let named = bound
            .made
            .rsplit_once('#')
            .and_then(|(name, epoch)| Some((ClusterName::parse(name).ok()?, epoch)));
        let Some((name, epoch)) = named else {
            return Ok(Some(Acquired::Over));
        };
        let row = self.store().cluster(&name).await?;
        let is_its = |row: &ClusterRow| {
            let holder = row.value.lease().map(|lease| &lease.holder);
            row.value.epoch.to_string() == epoch && holder.is_none_or(|holder| *holder == ask.caller)
        };
        let Some(row) = row.filter(is_its) else {
            return Ok(Some(Acquired::Over));
        };
        // What is kept for another reason may have been leased, and a key leases once.
        let was_unfit = matches!(
            row.value.state,
            ClusterState::Quarantined {
                why: Quarantine::Unhealthy { .. },
                ..
            }
        );
        let gone_on = if was_unfit {
            Grant::Unfit
        } else {
            self.go_on(row, &ask.pool, look).await?
        };
        Ok(match gone_on {
            Grant::Given(granted) => Some(Acquired::Granted(granted)),
            Grant::Unsaid => Some(Acquired::Unsaid),
            Grant::Ended => Some(Acquired::Over),
            Grant::Unfit => {
                hold.bound_to = Some(bound.made.clone());
                None
            }
        })
    }
}
