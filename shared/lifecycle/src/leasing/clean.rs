//! Intake, cleaning and comparison.

use std::time::Duration;

use cluster_client::{ClusterAccess, Error as ClusterError, Hand, Inventory, LeasedCluster};
use domain::limits::{CLEAN_MAX, CLEAN_PASSES};
use domain::{Cluster, ClusterState, Difference, Fingerprint, Identity, Look, Quarantine, Thing, compare, deletions};
use jiff::Timestamp;

use crate::leasing::steps::Then;
use crate::leasing::{Leasing, Obstacle};

/// The role that whoever cleans is bound to.
const CLEANER_ROLE: &str = "cluster-admin";
/// Hexadecimal digits of a number of thirty-two bits.
const NUMBER_DIGITS: usize = 8;
/// How long a cleaner's token lasts: Kubernetes' least.
const CLEANER_TOKEN: Duration = Duration::from_secs(10 * 60);

impl Leasing {
    /// Takes a cluster's identity and baseline.
    pub(crate) async fn take_in(&self, cluster: &Cluster, look: &Look) -> Result<(Cluster, Then), Obstacle> {
        self.knows_its_own()?;
        let (client, _) = self.reach_same(cluster, look.now).await?;
        let seen = client.identity().await?;
        // What an earlier registration of the same cluster left is not part of what it is.
        let mut is_bare = client.dismiss(Hand::Holder, cluster.epoch).await?;
        is_bare &= client.dismiss(Hand::Cleaner, cluster.epoch).await?;
        if !is_bare {
            return Ok((
                cluster.troubled("accounts of an earlier lease are not gone yet"),
                Then::Soon,
            ));
        }
        let inventory = self.whole_inventory(&client).await?;
        let mut baseline: Vec<Thing> = inventory.seen.into_iter().map(|seen| seen.thing).collect();
        baseline.sort_unstable();
        // By a number of its own: whoever was held up writes over nobody's.
        let intake = number_of(look);
        self.store()
            .put_baseline(&cluster.name, intake, &baseline, look)
            .await?;
        let identity = Identity {
            version: seen.version,
            uid: seen.uid,
        };
        Ok((cluster.taken_in(identity, intake), Then::GoOn))
    }

    /// Deletes what was not there at the intake, as far as this look comes.
    pub(crate) async fn clean(&self, cluster: &Cluster, look: &Look) -> Result<(Cluster, Then), Obstacle> {
        let ClusterState::Cleaning { since, pass } = &cluster.state else {
            return Ok((cluster.clone(), Then::GoOn));
        };
        self.knows_its_own()?;
        let (client, access) = self.reach_same(cluster, look.now).await?;
        let inventory = client.inventory(&self.rules().exempt, Some(cluster.epoch)).await?;
        let baseline = self.baseline(cluster).await?;
        let mut approved = cluster.approved.clone();
        let is_new = |thing: &&Thing| !baseline.iter().any(|known| known.uid == thing.uid);
        approved.extend(inventory.approved.iter().filter(is_new).map(|thing| thing.name.clone()));
        approved.sort_unstable();
        approved.dedup();
        if approved != cluster.approved {
            // Recorded before anything is deleted: these requests go too, and nothing else says that they were approved.
            let known = Cluster {
                approved,
                ..cluster.clone()
            };
            return Ok((known, Then::GoOn));
        }
        let difference = compare(&baseline, everything(inventory));
        let verifying = || ClusterState::Verifying {
            since: look.now,
            pass: *pass,
        };
        let at_it = elapsed(*since, look.now);
        let next = deletions(&difference.left_over, *since, at_it);
        let is_done = next.is_empty() && !difference.left_over.iter().any(|seen| seen.terminating);
        if is_done || at_it >= CLEAN_MAX || !self.rules().cleans {
            return Ok((cluster.in_state(verifying()), Then::GoOn));
        }
        let deleted = match next.as_slice() {
            [] => Ok(()),
            next => {
                let delete = async {
                    let cleaner = self.cleaner(cluster, &client, &access).await?;
                    Ok(cleaner.delete_things(next).await?)
                };
                delete.await
            }
        };
        let left = difference.left_over.len();
        let left = format!("{left} objects that its last holder left are still there");
        match deleted {
            Ok(()) => Ok((cluster.troubled(&left), Then::Soon)),
            Err(Obstacle::Failed(why) | Obstacle::Unreachable(why)) => {
                // Whoever still had rights may have made rules since the holder was dismissed.
                self.disarm(&client, &baseline, *since).await?;
                Ok((cluster.troubled(&format!("{left}: {why}")), Then::Soon))
            }
            Err(obstacle) => Err(obstacle),
        }
    }

    /// Deletes what a holder made that may refuse deletions. What is refused goes with the next try: a policy counts for a
    /// moment after it is gone.
    pub(crate) async fn disarm(
        &self,
        client: &LeasedCluster,
        baseline: &[Thing],
        before: Timestamp,
    ) -> Result<(), Obstacle> {
        match client.disarm(&self.rules().exempt, baseline, before).await {
            Ok(_) => Ok(()),
            Err(ClusterError::OutOfTime) => Err(Obstacle::OutOfTime),
            Err(error) => {
                net::note("deleting what refuses deletions", &error);
                Ok(())
            }
        }
    }

    /// A client by the account of this epoch's cleaner, which can do nothing any more once the cluster is free.
    async fn cleaner(
        &self,
        cluster: &Cluster,
        client: &LeasedCluster,
        access: &ClusterAccess,
    ) -> Result<LeasedCluster, Obstacle> {
        client.admit(Hand::Cleaner, cluster.epoch, CLEANER_ROLE).await?;
        let (token, _) = client.token(Hand::Cleaner, cluster.epoch, CLEANER_TOKEN).await?;
        Ok(self.connect(&access.by_token(token))?)
    }

    /// Compares a cluster with its baseline, once nobody of ours is in it any more.
    pub(crate) async fn verify(&self, cluster: &Cluster, look: &Look) -> Result<(Cluster, Then), Obstacle> {
        let ClusterState::Verifying { pass, .. } = &cluster.state else {
            return Ok((cluster.clone(), Then::GoOn));
        };
        let (client, _) = self.reach_same(cluster, look.now).await?;
        let mut is_bare = client.dismiss(Hand::Cleaner, cluster.epoch).await?;
        is_bare &= client.dismiss(Hand::Holder, cluster.epoch).await?;
        if !is_bare {
            return Ok((
                cluster.troubled("the accounts of its last holder and cleaner are not gone yet"),
                Then::Soon,
            ));
        }
        let inventory = self.whole_inventory(&client).await?;
        let baseline = self.baseline(cluster).await?;
        let difference = compare(&baseline, everything(inventory));
        let tolerates = self.pool_of(cluster).await?.tolerate_changes;
        if !difference.matters(tolerates) && cluster.approved.is_empty() {
            return Ok((cluster.freed(), Then::GoOn));
        }
        // What is going already goes no sooner for being asked again.
        let can_go = difference.left_over.iter().any(|seen| !seen.terminating);
        if self.rules().cleans && can_go && pass + 1 < CLEAN_PASSES {
            let again = ClusterState::Cleaning {
                since: look.now,
                pass: pass + 1,
            };
            return Ok((cluster.in_state(again), Then::GoOn));
        }
        let left = left_over(&difference);
        self.store()
            .put_left_over(&cluster.name, cluster.epoch, &left, look)
            .await?;
        let count = |things: usize| u32::try_from(things).unwrap_or(u32::MAX);
        let why = Quarantine::Unclean {
            left_over: count(difference.left_over.len()),
            changed: count(difference.changed.len()),
            missing: count(difference.missing.len()),
        };
        Ok((cluster.quarantined(why, look.now), Then::GoOn))
    }

    /// Forgets the baseline that no longer counts. One that cannot be forgotten now is never read.
    pub(crate) async fn forget_baseline(&self, before: &Cluster, now: &Cluster) {
        if before.intake != now.intake
            && let Err(error) = self.store().forget_baseline(&before.name, before.intake).await
        {
            net::note("forgetting a baseline", &error);
        }
    }

    /// Everything that is in a cluster: what of it cannot be listed cannot be compared.
    async fn whole_inventory(&self, client: &LeasedCluster) -> Result<Inventory, Obstacle> {
        let inventory = client.inventory(&self.rules().exempt, None).await?;
        match inventory.unlisted.first() {
            None => Ok(inventory),
            Some(kind) => Err(Obstacle::Failed(format!(
                "its objects of kind {} cannot be listed",
                kind.kind
            ))),
        }
    }

    /// What was in a cluster when it was taken in.
    pub(crate) async fn baseline(&self, cluster: &Cluster) -> Result<Vec<Thing>, Obstacle> {
        Ok(self.store().baseline(&cluster.name, cluster.intake).await?)
    }
}

/// A number that hardly another look has, above zero.
fn number_of(look: &Look) -> u32 {
    let digits = vault::sha256_hex(look.by.as_bytes());
    u32::from_str_radix(&digits[..NUMBER_DIGITS], 16)
        .unwrap_or_default()
        .max(1)
}

/// What is in a cluster, with what follows something that is gone: until it is gone too, nobody else gets the cluster.
fn everything(inventory: Inventory) -> Vec<Fingerprint> {
    let mut all = inventory.seen;
    all.extend(inventory.orphans);
    all
}

/// What people read of a difference, a line a thing, in order.
fn left_over(difference: &Difference) -> Vec<String> {
    let line = |seen: &Fingerprint| match seen.finalizers.as_slice() {
        [] => format!("left over: {}", seen.thing),
        waiting => format!(
            "left over: {} (waits for its finalizers {})",
            seen.thing,
            waiting.join(", ")
        ),
    };
    let lines = |word: &str, things: &[Thing]| {
        let mut lines: Vec<String> = things.iter().map(|thing| format!("{word}: {thing}")).collect();
        lines.sort_unstable();
        lines
    };
    let mut left: Vec<String> = difference.left_over.iter().map(line).collect();
    left.sort_unstable();
    left.extend(lines("changed", &difference.changed));
    left.extend(lines("missing", &difference.missing));
    left
}

fn elapsed(since: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(since)).unwrap_or_default()
}
