//! `GET /cluster-pools`.

use api::ClusterPoolView;
use domain::limits::LIST_DEFAULT;
use gateway::{Call, Problem, Reply, Table};

/// Lists the pools that were written down, by name.
pub async fn list(powers: Table, call: Call) -> Result<Reply, Problem> {
    let ask = call.page(LIST_DEFAULT, "")?;
    let page = powers.store.cluster_pools(ask.limit, ask.after.as_deref()).await?;
    let views: Vec<ClusterPoolView> = page.items.into_iter().map(|row| row.value.into()).collect();
    call.reply_page(&ask, &views, page.next.as_deref())
}
