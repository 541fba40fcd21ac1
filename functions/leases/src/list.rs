//! `GET /leases`.

use api::HolderView;
use domain::Line;
use domain::limits::LIST_DEFAULT;
use gateway::{Call, Problem, Reply, TableAndLeases};

/// Lists who has which cluster until when; on the last page, who waits in each pool's line. Never a token.
pub async fn list(powers: TableAndLeases, call: Call) -> Result<Reply, Problem> {
    let ask = call.page(LIST_DEFAULT, "")?;
    let store = powers.leasing.store();
    let page = store.clusters(ask.limit, ask.after.as_deref()).await?;
    let mut holders: Vec<HolderView> = page.items.iter().filter_map(|row| HolderView::of(&row.value)).collect();
    if page.next.is_none() {
        holders.extend(waiting(&powers, &call).await?);
    }
    call.reply_page(&ask, &holders, page.next.as_deref())
}

async fn waiting(powers: &TableAndLeases, call: &Call) -> Result<Vec<HolderView>, Problem> {
    let now = call.look().now;
    let mut waiting = Vec::new();
    for pool in powers.leasing.pool_names().await? {
        let tickets = powers.leasing.store().tickets(&pool).await?;
        let tickets: Vec<_> = tickets.into_iter().map(|row| row.value).collect();
        let line = Line::new(tickets.clone(), now);
        waiting.extend(tickets.iter().filter_map(|ticket| {
            let position = line.position(&ticket.id)?;
            Some(HolderView::waiting(pool.as_str(), ticket, position))
        }));
    }
    Ok(waiting)
}
