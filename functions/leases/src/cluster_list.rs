//! `GET /clusters`.

use api::ClusterView;
use domain::limits::LIST_DEFAULT;
use gateway::{Call, Problem, Reply, Table};

/// Lists clusters, the newest first.
pub async fn list(powers: Table, call: Call) -> Result<Reply, Problem> {
    let ask = call.page(LIST_DEFAULT, "")?;
    let page = powers.store.clusters(ask.limit, ask.after.as_deref()).await?;
    let views: Vec<ClusterView> = page.items.iter().map(|row| ClusterView::from(&row.value)).collect();
    call.reply_page(&ask, &views, page.next.as_deref())
}
