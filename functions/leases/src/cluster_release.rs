//! `POST /clusters/{name}/release`.

use api::{ClusterView, Code};
use domain::ClusterName;
use gateway::{Call, Problem, Reply, TableAndLeases};
use http::StatusCode;

use crate::one::of_cluster;

/// Ends whatever lease holds a cluster: its token may be lost.
pub async fn release(powers: TableAndLeases, call: Call) -> Result<Reply, Problem> {
    let name = call.param("name", ClusterName::parse)?;
    let released = powers.leasing.release_cluster(&name, &call.look()).await;
    if !released.map_err(of_cluster)? {
        return Err(Problem::new(
            Code::NoLease,
            format!("Nobody holds the cluster '{name}'"),
        ));
    }
    let row = powers
        .leasing
        .store()
        .cluster(&name)
        .await?
        .ok_or_else(Problem::does_not_exist)?;
    Reply::json(StatusCode::ACCEPTED, &ClusterView::from(&row.value))
}
