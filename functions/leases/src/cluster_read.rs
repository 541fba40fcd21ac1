//! `GET /clusters/{name}`.

use api::ClusterView;
use domain::{ClusterName, ClusterState};
use gateway::{Call, Problem, Reply, Table};

/// Tells of a cluster, why it is in its state, and what its last holder left where that keeps it from others.
pub async fn read(powers: Table, call: Call) -> Result<Reply, Problem> {
    let name = call.param("name", ClusterName::parse)?;
    let store = powers.store;
    let row = store.cluster(&name).await?.ok_or_else(Problem::does_not_exist)?;
    let mut view = ClusterView::from(&row.value);
    if matches!(row.value.state, ClusterState::Quarantined { .. }) {
        view.left_over = store.left_over(&name, row.value.epoch).await?.unwrap_or_default();
    }
    Reply::ok(&view)
}
