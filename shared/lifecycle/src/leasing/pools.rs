//! The pools that clusters are in, which nothing but the table is needed for.

use domain::{ClusterPool, ClusterPoolName, Look};
use store::{Row, Store, WriteError};

use crate::Error;
use crate::advance::step_of;
use crate::leasing::TRIES;

/// The pools that clusters are in.
#[derive(Clone)]
pub struct ClusterPools {
    store: Store,
    default: ClusterPoolName,
}

impl ClusterPools {
    /// The pools of a table. `default` has clusters that are registered without a pool, and callers who name none.
    pub fn new(store: Store, default: ClusterPoolName) -> Self {
        Self { store, default }
    }

    /// The table.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The pool of clusters that are registered without one, and of callers who name none.
    pub fn default(&self) -> &ClusterPoolName {
        &self.default
    }

    /// The rules of a pool. The default pool need not have been written down.
    ///
    /// # Errors
    /// As for every read.
    pub async fn read(&self, name: &ClusterPoolName) -> Result<Option<ClusterPool>, store::Error> {
        let row = self.store.cluster_pool(name).await?;
        let unwritten = || (*name == self.default).then(|| ClusterPool::new(name.clone()));
        Ok(row.map(|row| row.value).or_else(unwritten))
    }

    /// Every pool that was written down, and the default one.
    ///
    /// # Errors
    /// As for every read.
    pub async fn names(&self) -> Result<Vec<ClusterPoolName>, Error> {
        let page = self.store.cluster_pools(domain::limits::LIST_MAX, None).await?;
        let mut names: Vec<ClusterPoolName> = page.items.into_iter().map(|row| row.value.name).collect();
        if !names.contains(&self.default) {
            names.push(self.default.clone());
        }
        Ok(names)
    }

    /// Writes the rules of a pool.
    ///
    /// # Errors
    /// [`Error::Overtaken`] when others wrote them at every try; [`Error::Store`].
    pub async fn write(&self, pool: &ClusterPool, look: &Look) -> Result<Row<ClusterPool>, Error> {
        for number in 0..TRIES {
            let old = self.store.cluster_pool(&pool.name).await?;
            let look = step_of(look, format!("pool-{number}"));
            match self.store.put_cluster_pool(old.as_ref(), pool, &look).await {
                Ok(row) => return Ok(row),
                Err(WriteError::Overtaken) => {}
                Err(WriteError::Store(error)) => return Err(error.into()),
            }
        }
        Err(Error::Overtaken)
    }

    /// Deletes the rules of a pool as they were read.
    ///
    /// # Errors
    /// [`Error::Overtaken`] when others have written them since; [`Error::Store`].
    pub async fn delete(&self, row: &Row<ClusterPool>) -> Result<(), Error> {
        match self.store.delete_cluster_pool(row).await {
            Ok(()) => Ok(()),
            Err(WriteError::Overtaken) => Err(Error::Overtaken),
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }
}
