//! `POST /clusters/{name}/clean`.

use api::{CleanBody, ClusterView, Code};
use domain::ClusterName;
use gateway::{Call, Problem, Reply, TableAndLeases};
use http::StatusCode;
use lifecycle::Cleaned;

use crate::one::of_cluster;

/// Cleans a cluster that nobody holds once more, or takes what is there for what shall be there.
pub async fn clean(powers: TableAndLeases, call: Call) -> Result<Reply, Problem> {
    let name = call.param("name", ClusterName::parse)?;
    let body: CleanBody = call.body()?;
    let done = powers.leasing.clean_again(&name, body.accept, &call.look()).await;
    match done.map_err(of_cluster)? {
        Cleaned::Begun(row) => Reply::json(StatusCode::ACCEPTED, &ClusterView::from(&row.value)),
        Cleaned::Held => Err(Problem::new(
            Code::InUse,
            format!(
                "The cluster '{name}' cannot be cleaned now: only one that is free or quarantined is, \
                 which nobody holds and which is on no way back"
            ),
        )),
    }
}
