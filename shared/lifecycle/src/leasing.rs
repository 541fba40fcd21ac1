//! Steps about clusters that can be leased: they are taken in, given to one holder at a time, taken back, cleaned, and
//! compared with what they were.
//!
//! As with applications, whoever looks takes the row, does the one step that `domain` asks for, and records it. What
//! keeps two holders apart is the epoch: it rises in the transaction that takes a cluster, every account in the cluster
//! carries it, and nothing is believed of a cluster whose identity is not the recorded one.

mod acquire;
mod again;
mod clean;
mod grant;
mod held;
mod pools;
mod register;
mod steps;
mod waiting;

use std::collections::BTreeSet;
use std::sync::Arc;

use cluster_client::{ClusterAccess, Error as ClusterError, LeasedCluster};
use domain::{Cluster, ClusterName, ClusterPool, Exempt, InstallationId, LeaseId, Look};
use jiff::Timestamp;
use net::{Net, Reach};
use store::{Row, Seal, Store, WriteError};
use vault::Keyring;

pub use acquire::{Acquired, LeaseAsk};
pub use grant::Granted;
pub use held::{Cleaned, Held, Renewed, verified};
pub use pools::ClusterPools;
pub use register::{Registered, Registration, Removed};

/// What sealed kubeconfigs are sealed for.
const SEALED: &str = "cluster kubeconfig";
/// What tickets are derived for.
const TICKET: &str = "lease ticket";
/// What leases' tokens are derived for.
const TOKEN: &str = "lease token";
/// How often a row that others move is read and written again.
const TRIES: usize = 4;
/// Bytes of a token.
const TOKEN_BYTES: usize = 16;

/// What the steps about leases are done with.
#[derive(Clone)]
pub struct Leasing(Arc<Inner>);

struct Inner {
    pools: ClusterPools,
    net: Net,
    keyring: Keyring,
    rules: LeasingRules,
}

/// What an installation says of leases.
#[derive(Clone, Debug)]
pub struct LeasingRules {
    /// The installation, on everything that is made in a cluster.
    pub installation: InstallationId,
    /// Who provides what callers want who name no provider; empty for anybody.
    pub default_provider: String,
    /// What inventories leave out.
    pub exempt: Exempt,
    /// The identities of the installation's own cells: nothing is leased, and nothing deleted, in any of them. None where
    /// they are not all known; no cluster is registered then, and none cleaned.
    pub homes: Option<BTreeSet<String>>,
    /// Which addresses that are not of the public internet clusters may have.
    pub reach: Reach,
    /// Whether clusters are cleaned. Otherwise they are compared only, and what is not as it was is quarantined.
    pub cleans: bool,
}

/// What stands in the way of a step in a cluster.
pub(crate) enum Obstacle {
    /// Too little time is left in this look.
    OutOfTime,
    /// It is another cluster than the recorded one.
    Another {
        /// The uid of its `kube-system`.
        seen: String,
    },
    /// The table could not be read or written, which says nothing of the cluster.
    Table(store::Error),
    /// The cluster does not answer at the moment, in a sentence.
    Unreachable(String),
    /// It failed, in a sentence, and does not pass by itself.
    Failed(String),
}

impl From<store::Error> for Obstacle {
    fn from(error: store::Error) -> Self {
        match error {
            // It will be no better by itself, and is this cluster's alone.
            store::Error::Corrupt(_) => {
                net::note("a cluster that can be leased", &error);
                Obstacle::Failed(error.to_string())
            }
            error => Obstacle::Table(error),
        }
    }
}

impl From<ClusterError> for Obstacle {
    fn from(error: ClusterError) -> Self {
        match error {
            ClusterError::OutOfTime => Obstacle::OutOfTime,
            ClusterError::Identity { found, .. } => Obstacle::Another { seen: found },
            error => {
                net::note("a cluster that can be leased", &error);
                match error {
                    ClusterError::Unreachable(_) => Obstacle::Unreachable(error.sentence()),
                    _ => Obstacle::Failed(error.sentence()),
                }
            }
        }
    }
}

impl Leasing {
    /// The steps over these pools and whatever clusters their table has.
    pub fn new(pools: ClusterPools, net: Net, keyring: Keyring, rules: LeasingRules) -> Self {
        Self(Arc::new(Inner {
            pools,
            net,
            keyring,
            rules,
        }))
    }

    /// The table.
    pub fn store(&self) -> &Store {
        self.pools().store()
    }

    /// What the installation says of leases.
    pub fn rules(&self) -> &LeasingRules {
        &self.0.rules
    }

    /// The pools that clusters are in.
    pub fn pools(&self) -> &ClusterPools {
        &self.0.pools
    }

    /// The rules of the pool that a cluster is in; of one that is not written down any more, a new pool's.
    pub(crate) async fn pool_of(&self, cluster: &Cluster) -> Result<ClusterPool, store::Error> {
        let pool = self.pools().read(&cluster.pool).await?;
        Ok(pool.unwrap_or_else(|| ClusterPool::new(cluster.pool.clone())))
    }

    /// A ticket as its owner is told of it: nobody else can show it, and nobody can make one up.
    pub fn ticket_text(&self, caller: &str, id: &LeaseId) -> String {
        let proof = self.0.keyring.token(TICKET, &format!("{caller}#{id}"));
        format!("{id}.{proof}")
    }

    /// The ticket that a caller shows, if it is that caller's.
    pub fn ticket_of(&self, caller: &str, text: &str) -> Option<LeaseId> {
        let (id, proof) = text.split_once('.')?;
        let id = LeaseId::parse(id).ok()?;
        let is_its = self.0.keyring.token_matches(TICKET, &format!("{caller}#{id}"), proof);
        is_its.then_some(id)
    }

    /// Seals the kubeconfig of a cluster for the cluster of this name and identity. `nonce` is random and never used
    /// twice.
    pub fn sealed(&self, cluster: &Cluster, kubeconfig: &str, nonce: [u8; 12]) -> String {
        let bound_to = [cluster.name.as_str(), identity(cluster)];
        self.0.keyring.seal(SEALED, &bound_to, kubeconfig.as_bytes(), nonce)
    }

    /// The token of a lease, under each of the installation's keys, the newest first: a UUID of version 4 with 122 bits
    /// that nobody without the key can tell.
    pub fn tokens(&self, id: &LeaseId) -> impl Iterator<Item = String> {
        let tokens = self.0.keyring.tokens(TOKEN, id.as_str());
        tokens.map(|token| {
            let mut bytes = [0; TOKEN_BYTES];
            let digits = vault::sha256_hex(token.as_bytes());
            for (number, byte) in bytes.iter_mut().enumerate() {
                let pair = digits.get(2 * number..2 * number + 2).unwrap_or_default();
                *byte = u8::from_str_radix(pair, 16).unwrap_or_default();
            }
            uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
        })
    }

    /// A client of a cluster by its registered kubeconfig, and that kubeconfig.
    pub(crate) async fn reach(
        &self,
        cluster: &Cluster,
        now: Timestamp,
    ) -> Result<(LeasedCluster, ClusterAccess), Obstacle> {
        let failed = |why: &str| Obstacle::Failed(why.to_owned());
        let seal = self.store().seal(&cluster.name).await?;
        let seal = seal.ok_or_else(|| failed("its kubeconfig is not there"))?;
        let bound_to = [cluster.name.as_str(), identity(cluster)];
        let opened = self
            .0
            .keyring
            .open_and_reseal(SEALED, &bound_to, &seal.value.sealed)
            .map_err(|_| failed("its kubeconfig was sealed with another key, or for another cluster"))?;
        if let Some(sealed) = opened.resealed {
            self.reseal(&cluster.name, &seal, sealed, now).await;
        }
        let text = String::from_utf8(opened.text).map_err(|_| failed("its kubeconfig is no text"))?;
        let access = ClusterAccess::read(&text).map_err(|error| failed(&error.to_string()))?;
        Ok((self.connect(&access)?, access))
    }

    /// Keeps a kubeconfig that was sealed anew, unless it was registered again meanwhile. What fails is done by the next
    /// who opens it.
    async fn reseal(&self, name: &ClusterName, old: &Row<Seal>, sealed: String, now: Timestamp) {
        // Everybody who opens the same seal writes the same, so that it need not be told whose write it was.
        let look = Look {
            now,
            by: "reseal".to_owned(),
        };
        match self.store().put_seal(Some(old), name, sealed, &look).await {
            Ok(_) | Err(WriteError::Overtaken) => {}
            Err(WriteError::Store(error)) => net::note("sealing a kubeconfig with the newest key", &error),
        }
    }

    /// A client of the cluster that `access` leads to.
    pub(crate) fn connect(&self, access: &ClusterAccess) -> Result<LeasedCluster, ClusterError> {
        let rules = self.rules();
        LeasedCluster::connect(&self.0.net, access, &rules.reach, &rules.installation)
    }

    /// As [`Leasing::reach`], of the very cluster that was recorded, which is none of the installation's own.
    pub(crate) async fn reach_same(
        &self,
        cluster: &Cluster,
        now: Timestamp,
    ) -> Result<(LeasedCluster, ClusterAccess), Obstacle> {
        let (client, access) = self.reach(cluster, now).await?;
        let seen = client.identity().await?.uid;
        let is_home = |homes: &BTreeSet<String>| homes.contains(&seen);
        if seen != identity(cluster) || self.rules().homes.as_ref().is_some_and(is_home) {
            return Err(Obstacle::Another { seen });
        }
        Ok((client, access))
    }

    /// An obstacle to deleting anything but accounts of its own, while the installation cannot tell which clusters are
    /// its own.
    pub(crate) fn knows_its_own(&self) -> Result<(), Obstacle> {
        match self.rules().homes {
            Some(_) => Ok(()),
            None => Err(Obstacle::Failed(
                "the installation does not know the identity of each of its own clusters, and deletes nothing"
                    .to_owned(),
            )),
        }
    }
}

/// The recorded uid of a cluster's `kube-system`.
fn identity(cluster: &Cluster) -> &str {
    cluster.identity.as_ref().map_or("", |identity| identity.uid.as_str())
}

/// The row of a cluster as a step reads and writes it.
pub(crate) type ClusterRow = Row<Cluster>;
