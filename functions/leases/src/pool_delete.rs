//! `DELETE /cluster-pools/{name}`.

use api::{ClusterPoolView, Code};
use domain::ClusterPoolName;
use gateway::{Call, Problem, Reply, TableAndClusterPools};

/// Deletes the rules of a pool in which there is no cluster any more.
pub async fn delete(powers: TableAndClusterPools, call: Call) -> Result<Reply, Problem> {
    let name = call.param("name", ClusterPoolName::parse)?;
    let store = powers.pools.store();
    let row = store.cluster_pool(&name).await?.ok_or_else(Problem::does_not_exist)?;
    if !store.offers(&name).await?.is_empty() {
        let why = format!("There are clusters in the pool '{name}'; delete them, or move them to another, first");
        return Err(Problem::new(Code::InUse, why));
    }
    powers.pools.delete(&row).await?;
    Reply::ok(&ClusterPoolView::from(row.value))
}
