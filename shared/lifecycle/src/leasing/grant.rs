//! What a holder is given: an account of the lease's own in the cluster, and a kubeconfig with a token of it.

use std::time::Duration;

use cluster_client::{ClusterAccess, Hand, LeasedCluster};
use domain::limits::LOOK_MAX;
use domain::{Cluster, ClusterPool, ClusterState, Lease, Look, Quarantine};
use jiff::{SignedDuration, Timestamp};
use net::Scope;
use store::{NextDue, WriteError};

use crate::Error;
use crate::leasing::{ClusterRow, Leasing, Obstacle};

/// How long whoever takes a cluster looks whether it is well, in time-outs of one call: with those that are usual 3 s, so
/// that one that hangs is left in time for the next.
const FIT_CALLS: f32 = 0.6;
/// How long whoever takes a cluster makes the holder's credential in it, likewise: with the usual ones 10 s.
const ADMIT_CALLS: f32 = 2.0;
/// By how much a token may end before its lease so that nobody is told: tokens last whole seconds, by their cluster's
/// clock.
const TOKEN_SLACK: SignedDuration = SignedDuration::from_secs(5);

/// A lease, as its holder is told of it.
#[derive(Clone)]
pub struct Granted {
    /// The cluster, which is leased.
    pub cluster: Cluster,
    /// The lease.
    pub lease: Lease,
    /// Its token.
    pub token: String,
    /// A kubeconfig for the holder, in YAML.
    pub kubeconfig: String,
    /// The host of the cluster's API.
    pub ip: String,
    /// Whether it ends earlier than it was asked for, or than it was said to: its cluster gives no longer tokens, or its
    /// registered credential ends.
    pub shortened: bool,
}

/// What became of a cluster that was taken.
pub(crate) enum Grant {
    /// Its holder may have it.
    Given(Box<Granted>),
    /// It is in no state to be given to anybody; the next one may be.
    Unfit,
    /// The lease has ended meanwhile.
    Ended,
    /// It could not be said within this look; whoever asks again with the same key gets it.
    Unsaid,
}

impl Leasing {
    /// Makes the credential of a lease that was taken, and records that it holds. Safe to repeat.
    pub(crate) async fn grant(&self, row: ClusterRow, pool: &ClusterPool, look: &Look) -> Result<Grant, Error> {
        let Some(lease) = row.value.lease().cloned() else {
            return Ok(Grant::Ended);
        };
        let made = self.credential(&row.value, &lease, pool, look.now).await;
        let (access, until) = match made {
            Ok(made) => made,
            Err(Obstacle::OutOfTime) => return Ok(Grant::Unsaid),
            Err(Obstacle::Table(error)) => return Err(error.into()),
            Err(Obstacle::Another { seen }) => {
                let why = Quarantine::AnotherCluster { seen };
                return self.unfit(&row, &lease, why, look).await;
            }
            Err(Obstacle::Failed(message) | Obstacle::Unreachable(message)) => {
                let why = Quarantine::Unhealthy { message, passed: 0 };
                return self.unfit(&row, &lease, why, look).await;
            }
        };
        // A cluster may give a shorter token than it was asked for: then the lease is no longer than that.
        let lent_until = row.value.lent_until().unwrap_or(Timestamp::MAX);
        let lease = Lease {
            expires_at: lease.expires_at.min(until.min(lent_until).max(look.now)),
            ..lease
        };
        let held = row.value.held(lease.clone());
        let due = NextDue {
            at: lease.taken_away_at(),
            attempt: 0,
        };
        match self.store().put_cluster(Some(&row), &held, Some(due), look).await {
            Ok(row) => Ok(self.told(row.value, lease, &access, false)),
            Err(WriteError::Overtaken) => self.ended_meanwhile(&row, &lease, look).await,
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }

    /// A fresh kubeconfig for the holder of a lease. Where the cluster gives a shorter token than it did, the lease is
    /// told as no longer than that.
    ///
    /// # Errors
    /// As for every read.
    pub async fn kubeconfig_again(&self, row: &ClusterRow, now: Timestamp) -> Result<Option<Granted>, Error> {
        let Some(lease) = row.value.lease().cloned() else {
            return Ok(None);
        };
        let Ok((access, until)) = self.fresh_token(&row.value, &lease, now).await else {
            return Ok(None);
        };
        let wanted = lease.expires_at;
        Ok(self.told_until(row.value.clone(), lease, &access, until, wanted))
    }

    /// What a holder is told of a lease by a token that lasts until `until`: no more is promised than that, and it is said
    /// where this is less than what was wanted.
    pub(crate) fn told_until(
        &self,
        cluster: Cluster,
        lease: Lease,
        access: &ClusterAccess,
        until: Timestamp,
        wanted: Timestamp,
    ) -> Option<Granted> {
        let lease = Lease {
            expires_at: if is_shorter(until, lease.expires_at) {
                until
            } else {
                lease.expires_at
            },
            ..lease
        };
        let shortened = is_shorter(lease.expires_at, wanted);
        match self.told(cluster, lease, access, shortened) {
            Grant::Given(granted) => Some(*granted),
            _ => None,
        }
    }

    /// A token of the holder for as long as `lease` lasts, and until when it really does.
    pub(crate) async fn fresh_token(
        &self,
        cluster: &Cluster,
        lease: &Lease,
        now: Timestamp,
    ) -> Result<(ClusterAccess, Timestamp), Obstacle> {
        let (client, access) = self.reach_same(cluster, now).await?;
        let (token, until) = client.token(Hand::Holder, cluster.epoch, left(lease, now)).await?;
        Ok((access.by_token(token), until))
    }

    fn told(&self, cluster: Cluster, lease: Lease, access: &ClusterAccess, shortened: bool) -> Grant {
        let is_its = |token: &String| vault::sha256_hex(token.as_bytes()) == lease.token_sha256;
        let token = self.tokens(&lease.id).find(is_its);
        match (token, access.kubeconfig(cluster.name.as_str())) {
            (Some(token), Ok(kubeconfig)) => Grant::Given(Box::new(Granted {
                ip: access.host(),
                cluster,
                lease,
                token,
                kubeconfig,
                shortened,
            })),
            _ => Grant::Unsaid,
        }
    }

    /// Account, binding and token of a holder, and until when the token really lasts.
    async fn credential(
        &self,
        cluster: &Cluster,
        lease: &Lease,
        pool: &ClusterPool,
        now: Timestamp,
    ) -> Result<(ClusterAccess, Timestamp), Obstacle> {
        let (client, access) = bounded(self.for_calls(FIT_CALLS), self.fit(cluster, now)).await?;
        let admitted = async {
            client.admit(Hand::Holder, cluster.epoch, &pool.role).await?;
            Ok(client.token(Hand::Holder, cluster.epoch, left(lease, now)).await?)
        };
        let (token, until) = bounded(self.for_calls(ADMIT_CALLS), admitted).await?;
        Ok((access.by_token(token), until))
    }

    /// Time for so many calls of a cluster as slow as one may be, beside what is the table's.
    pub(crate) fn for_calls(&self, calls: f32) -> Duration {
        let timeouts = self.0.net.timeouts();
        timeouts.store + timeouts.cluster.mul_f32(calls)
    }

    /// A client of a cluster that can be given to somebody, and its kubeconfig: it answers, is the recorded one, and is
    /// well.
    async fn fit(&self, cluster: &Cluster, now: Timestamp) -> Result<(LeasedCluster, ClusterAccess), Obstacle> {
        if let Some(why) = cluster.is_too_old(now) {
            return Err(Obstacle::Failed(why));
        }
        let (client, access) = self.reach_same(cluster, now).await?;
        match client.unwell().await? {
            None => Ok((client, access)),
            Some(why) => Err(Obstacle::Failed(why)),
        }
    }

    /// Keeps everybody from a cluster that was taken and cannot be given. What may have been made in it is dismissed
    /// when it is looked after, or taken in: here there is no time for a cluster that does not answer.
    async fn unfit(&self, row: &ClusterRow, lease: &Lease, why: Quarantine, look: &Look) -> Result<Grant, Error> {
        let kept = row.value.quarantined(why, look.now);
        let due = crate::leasing::steps::due(row, &kept, crate::leasing::steps::Then::GoOn, look);
        match self.store().put_cluster(Some(row), &kept, due, look).await {
            Ok(_) => Ok(Grant::Unfit),
            // Another look that makes the same credential may have found it well, and have given it.
            Err(WriteError::Overtaken) => self.ended_meanwhile(row, lease, look).await,
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }

    /// Takes back what was made for a holder who never was, as far as that can be done now.
    async fn dismiss_holder(&self, cluster: &Cluster, now: Timestamp) {
        if let Ok((client, _)) = self.reach_same(cluster, now).await
            && let Err(error) = client.dismiss(Hand::Holder, cluster.epoch).await
        {
            net::note("dismissing a holder who never was", &error);
        }
    }

    /// What was made is dismissed unless the row says, by another's hand, that the same lease holds.
    async fn ended_meanwhile(&self, row: &ClusterRow, lease: &Lease, look: &Look) -> Result<Grant, Error> {
        let now = match self.reread(&row.value.name).await {
            Err(Error::Gone) => {
                self.dismiss_holder(&row.value, look.now).await;
                return Ok(Grant::Ended);
            }
            now => now?,
        };
        let is_same = now.value.epoch == row.value.epoch && now.value.lease().is_some_and(|held| held.id == lease.id);
        match now.value.state {
            ClusterState::Leased { .. } if is_same => {
                let granted = self.kubeconfig_again(&now, look.now).await?;
                Ok(granted.map_or(Grant::Unsaid, |granted| Grant::Given(Box::new(granted))))
            }
            // Another look has begun anew, and what it says of it is not known yet.
            _ if is_same => Ok(Grant::Unsaid),
            // Another look has found it unwell as well.
            ClusterState::Quarantined {
                why: Quarantine::Unhealthy { .. },
                ..
            } if now.value.epoch == row.value.epoch => Ok(Grant::Unfit),
            _ => {
                self.dismiss_holder(&row.value, look.now).await;
                Ok(Grant::Ended)
            }
        }
    }
}

/// Does `work` within so much of what is left of the look. What is too slow for that, and not because the look is over,
/// has failed.
pub(crate) async fn bounded<T>(most: Duration, work: impl Future<Output = Result<T, Obstacle>>) -> Result<T, Obstacle> {
    let whole = Scope::current().unwrap_or_else(|| Scope::lasting(LOOK_MAX));
    let is_cut = whole.left() > most;
    match net::within(whole.at_most(most), work).await {
        Err(Obstacle::OutOfTime) if is_cut => Err(Obstacle::Unreachable("it answers too slowly".to_owned())),
        done => done,
    }
}

/// Whether what ends at `end` ends earlier than it should, by more than whole seconds and other clocks make.
pub(crate) fn is_shorter(end: Timestamp, than: Timestamp) -> bool {
    than.duration_since(end) > TOKEN_SLACK
}

/// How long a lease still holds.
fn left(lease: &Lease, now: Timestamp) -> Duration {
    Duration::try_from(lease.expires_at.duration_since(now)).unwrap_or_default()
}
