//! `DELETE /clusters/{name}`.

use api::{ClusterView, Code};
use domain::ClusterName;
use gateway::{Call, Problem, Reply, TableAndLeases};
use lifecycle::Removed;

use crate::one::of_cluster;

/// Takes a cluster out; with `?force=true` also from whoever holds it.
pub async fn delete(powers: TableAndLeases, call: Call) -> Result<Reply, Problem> {
    let name = call.param("name", ClusterName::parse)?;
    let force = call.query_flag("force")?;
    let done = powers.leasing.remove(&name, force, &call.look()).await;
    match done.map_err(of_cluster)? {
        Removed::Going(cluster) => Reply::ok(&ClusterView::from(&*cluster)),
        Removed::Held => Err(Problem::new(
            Code::InUse,
            format!("Somebody holds the cluster '{name}'; release it first, or delete it with ?force=true"),
        )),
    }
}
