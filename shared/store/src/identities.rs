//! Which name a cluster is registered under, by its identity: under two, it would be two clusters to lease.

use domain::{Cluster, ClusterName, Look};
use serde::{Deserialize, Serialize};

use crate::clusters::{cluster_row, cluster_token, listing};
use crate::items::Kind;
use crate::keys::Key;
use crate::request::{Condition, Outcome};
use crate::rows::{Next, Prepared, value_row};
use crate::transact::Write;
use crate::{Error, NextDue, Row, Store, WriteError};

/// The name under which a cluster of some identity is registered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// The name.
    pub cluster: ClusterName,
}

impl Store {
    /// AP11 The name under which the cluster of this identity is registered, strongly consistent. Its row may be gone.
    ///
    /// # Errors
    /// As for every read.
    pub async fn identity_claim(&self, identity: &str) -> Result<Option<Row<Claim>>, Error> {
        value_row(self.get(&Key::claim(identity)).await?)
    }

    /// AP11, W1, W2 Writes a cluster where there is none, with what its pool's list says of it and, over the one that
    /// was read, the claim of its identity: of many names that are given to one cluster at once, one is.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] for the others.
    pub async fn register_cluster(
        &self,
        claim: Option<&Row<Claim>>,
        next: &Cluster,
        due: Option<NextDue>,
        look: &Look,
    ) -> Result<Row<Cluster>, WriteError> {
        let prepared = Prepared::new(None, cluster_row(next, due), look);
        let mut writes = vec![prepared.write()?];
        let own = Claim {
            cluster: next.name.clone(),
        };
        if let Some(identity) = &next.identity {
            let row = Next::new(Key::claim(&identity.uid), Kind::ClusterClaim, &own);
            writes.push(Prepared::new(claim, row, look).write()?);
        }
        writes.extend(listing(None, next, look)?);
        let mut outcomes = self.transact(&writes, &cluster_token(look, next)).await?.into_iter();
        // After a lost answer every condition fails, and the cluster's row tells whose hand it was.
        let cluster = match (outcomes.next(), outcomes.next()) {
            (Some(Outcome::Refused(old)), _) => Outcome::Refused(old),
            (_, Some(Outcome::Refused(_))) => Outcome::Refused(None),
            _ => Outcome::Done,
        };
        prepared.settled(cluster, look)
    }

    /// What takes back the claim of a cluster's identity, if it has it.
    pub(crate) async fn unclaim(&self, cluster: &Cluster) -> Result<Option<Write>, Error> {
        let Some(identity) = &cluster.identity else {
            return Ok(None);
        };
        let claim = self.identity_claim(&identity.uid).await?;
        let own = claim.filter(|claim| claim.value.cluster == cluster.name);
        Ok(own.map(|claim| Write::Delete {
            key: Key::claim(&identity.uid),
            condition: Condition::same(claim.version, &claim.by),
        }))
    }
}
