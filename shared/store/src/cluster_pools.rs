//! Pools of clusters that can be leased: their rules.

use domain::{ClusterPool, ClusterPoolName, Look};

use crate::items::Kind;
use crate::keys::{self, Key};
use crate::request::{Condition, Outcome};
use crate::rows::{Next, value_row};
use crate::{Error, Page, Row, Store, WriteError};

impl Store {
    /// AP10 The rules of a pool, strongly consistent.
    ///
    /// # Errors
    /// As for every read.
    pub async fn cluster_pool(&self, name: &ClusterPoolName) -> Result<Option<Row<ClusterPool>>, Error> {
        value_row(self.get(&Key::cluster_pool(name)).await?)
    }

    /// AP16 Pools of clusters, by name: at most `limit` of them, from the position `after`.
    ///
    /// # Errors
    /// [`Error::Rejected`] when `after` is no position; otherwise as for every read.
    pub async fn cluster_pools(&self, limit: usize, after: Option<&str>) -> Result<Page<Row<ClusterPool>>, Error> {
        let proposed = self.propose_one(keys::CLUSTER_POOLS, limit, after).await?;
        let key = |name: &str| ClusterPoolName::parse(name).ok().map(|name| Key::cluster_pool(&name));
        self.listed(proposed, key).await
    }

    /// W1, W2 Writes the rules of a pool over those that were read, or where there are none.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when somebody else has written them since.
    pub async fn put_cluster_pool(
        &self,
        old: Option<&Row<ClusterPool>>,
        next: &ClusterPool,
        look: &Look,
    ) -> Result<Row<ClusterPool>, WriteError> {
        let next = Next::new(Key::cluster_pool(&next.name), Kind::ClusterPool, next)
            .listed(keys::CLUSTER_POOLS, keys::by_name(next.name.as_str()));
        self.put_value(old, next, look).await
    }

    /// Deletes the rules of a pool as they were read. What is gone is no failure.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when somebody else has written them since.
    pub async fn delete_cluster_pool(&self, row: &Row<ClusterPool>) -> Result<(), WriteError> {
        let condition = Condition::same(row.version, &row.by);
        match self.delete(&Key::cluster_pool(&row.value.name), &condition).await? {
            Outcome::Done | Outcome::Refused(None) => Ok(()),
            Outcome::Refused(Some(_)) => Err(WriteError::Overtaken),
        }
    }
}
