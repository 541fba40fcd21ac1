//! `PUT /cluster-pools/{name}`.

use api::{ClusterPoolBody, ClusterPoolView};
use domain::ClusterPoolName;
use gateway::{Call, Problem, Reply, TableAndClusterPools};

/// Writes down the rules of a pool. They hold for leases from now on, and for renewals.
pub async fn put(powers: TableAndClusterPools, call: Call) -> Result<Reply, Problem> {
    let name = call.param("name", ClusterPoolName::parse)?;
    let body: ClusterPoolBody = call.body()?;
    let pool = body.into_pool(name);
    pool.check()?;
    let row = powers.pools.write(&pool, &call.look()).await?;
    Reply::ok(&ClusterPoolView::from(row.value))
}
