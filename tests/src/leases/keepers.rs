//! Who looks after clusters: reapers that bring on what is due, and an operator.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::{ClusterName, ClusterState, Lane, Quarantine, Subject};
use lifecycle::Registered;

use super::ground::{Ground, seen};
use super::history::Deed;
use super::host::Host;

/// The calls of the longest look at a cluster, about.
const CALLS: usize = 160;
/// How many of a hundred looks at a cluster are the last one of their process.
const KILLED: u8 = 8;

/// Somebody who looks after clusters.
pub(super) struct Keeper {
    pub(super) host: Host,
    pub(super) made: BTreeMap<&'static str, u64>,
    ground: Arc<Ground>,
    unwell: Vec<ClusterName>,
    removed: Vec<ClusterName>,
}

impl Keeper {
    pub(super) fn new(host: Host, ground: &Arc<Ground>) -> Self {
        Self {
            host,
            made: BTreeMap::new(),
            ground: Arc::clone(ground),
            unwell: Vec::new(),
            removed: Vec::new(),
        }
    }

    /// Brings on every cluster that is due. With `dies`, over some of them it dies, and the next one comes.
    pub(super) async fn reap(&mut self, dies: bool) {
        for shard in 0..Lane::Leases.shards() {
            let look = self.host.look();
            let store = self.host.leasing.store();
            let due = self
                .host
                .live(None, store.due(&Lane::Leases, shard, look.now, None))
                .await;
            let Some(Ok(due)) = due else { continue };
            for due in due.items {
                if let Subject::Cluster(name) = due.subject {
                    self.bring_on(&name, dies).await;
                }
            }
        }
    }

    async fn bring_on(&mut self, name: &ClusterName, dies: bool) {
        let is_doomed = dies && self.host.rng.u8(0..100) < KILLED;
        let dies = is_doomed.then(|| self.host.rng.usize(0..CALLS));
        let begun = self.ground.begin();
        let look = self.host.look();
        let Some(Ok(Some(row))) = self.host.live(None, self.host.leasing.store().cluster(name)).await else {
            return;
        };
        let before = row.value.epoch.0;
        let brought = self.host.live(dies, self.host.leasing.advance(row, &look)).await;
        let deed = Deed::Bring {
            cluster: name.clone(),
            before,
            heard: brought.and_then(Result::ok).map(|row| seen(&row.value)),
        };
        self.ground.ended(begun, look.now, &self.host.name, deed);
    }

    /// What an operator does now and then: ends a lease, removes a cluster and registers it again, makes one unwell or
    /// well, mends what was left dirty.
    pub(super) async fn operate(&mut self) {
        self.register_again().await;
        let names: Vec<ClusterName> = self.ground.known.iter().map(|known| known.offer.name.clone()).collect();
        let some = self.host.rng.usize(0..names.len());
        let Some(some) = names.get(some) else { return };
        match self.host.rng.u8(0..10) {
            0 => self.end(some).await,
            1 => self.remove(some).await,
            2 => {
                self.ground.be_well(some, false);
                self.unwell.push(some.clone());
                self.ground.air.inject("cluster: nodes not ready");
            }
            3..6 => self.heal(),
            _ => self.mend().await,
        }
    }

    /// All clusters are well from now on.
    pub(super) fn heal(&mut self) {
        for name in self.unwell.drain(..) {
            self.ground.be_well(&name, true);
        }
    }

    async fn end(&mut self, cluster: &ClusterName) {
        *self.made.entry("end by operator").or_default() += 1;
        let (begun, look) = (self.ground.begin(), self.host.look());
        let dies = (self.host.rng.u8(0..10) == 0).then(|| self.host.rng.usize(0..14));
        let ended = self
            .host
            .live(dies, self.host.leasing.release_cluster(cluster, &look))
            .await;
        let deed = Deed::EndByOperator {
            cluster: cluster.clone(),
            heard: ended.and_then(Result::ok),
        };
        self.ground.ended(begun, look.now, &self.host.name, deed);
    }

    /// Removes a cluster, whoever has it.
    async fn remove(&mut self, cluster: &ClusterName) {
        *self.made.entry("remove").or_default() += 1;
        let (begun, look) = (self.ground.begin(), self.host.look());
        let dies = (self.host.rng.u8(0..10) == 0).then(|| self.host.rng.usize(0..14));
        drop(
            self.host
                .live(dies, self.host.leasing.remove(cluster, true, &look))
                .await,
        );
        self.removed.push(cluster.clone());
        let deed = Deed::EndByOperator {
            cluster: cluster.clone(),
            heard: None,
        };
        self.ground.ended(begun, look.now, &self.host.name, deed);
    }

    /// Registers what was removed, whether it is gone yet or not.
    pub(super) async fn register_again(&mut self) {
        for cluster in std::mem::take(&mut self.removed) {
            let Some(asked) = self.ground.registration(&cluster, self.host.rng.u128(..)) else {
                continue;
            };
            *self.made.entry("register").or_default() += 1;
            let look = self.host.look();
            let registered = self.host.live(None, self.host.leasing.register(&asked, &look)).await;
            if !matches!(registered, Some(Ok(Registered::Known(_)))) {
                self.removed.push(cluster);
            }
        }
    }

    /// Has one cluster cleaned again that was left dirty, or takes it as it is.
    async fn mend(&mut self) {
        let (begun, look) = (self.ground.begin(), self.host.look());
        let rows = self.host.live(None, self.ground.rows(&self.host.leasing)).await;
        let Some(Ok(rows)) = rows else { return };
        let dirty = rows.iter().filter(|cluster| {
            matches!(
                &cluster.state,
                ClusterState::Quarantined {
                    why: Quarantine::Unclean { .. },
                    ..
                }
            )
        });
        let dirty: Vec<_> = dirty.collect();
        let Some(cluster) = self.host.rng.choice(&dirty) else {
            return;
        };
        let accept = self.host.rng.u8(0..4) == 0;
        if !accept {
            self.ground.unstick(&cluster.name);
        }
        *self.made.entry("clean again").or_default() += 1;
        let cleaned = self
            .host
            .live(None, self.host.leasing.clean_again(&cluster.name, accept, &look))
            .await;
        let heard = match cleaned.and_then(Result::ok) {
            Some(lifecycle::Cleaned::Begun(row)) => Some(seen(&row.value)),
            _ => None,
        };
        let deed = Deed::Bring {
            cluster: cluster.name.clone(),
            before: cluster.epoch.0,
            heard,
        };
        self.ground.ended(begun, look.now, &self.host.name, deed);
    }
}
