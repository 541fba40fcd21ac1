//! `GET /cluster-pools/{name}`.

use api::ClusterPoolView;
use domain::ClusterPoolName;
use gateway::{Call, Problem, Reply, TableAndClusterPools};

/// Tells the rules of a pool.
pub async fn read(powers: TableAndClusterPools, call: Call) -> Result<Reply, Problem> {
    let name = call.param("name", ClusterPoolName::parse)?;
    let pool = powers.pools.read(&name).await?.ok_or_else(Problem::does_not_exist)?;
    Reply::ok(&ClusterPoolView::from(pool))
}
