//! `GET /leases`.

use api::HolderView;
use domain::Line;
use domain::limits::LIST_DEFAULT;
use futures::future::try_join_all;
use gateway::{Call, Problem, Reply, TableAndLeases};

/// Lists who has which cluster until when; on the last page, who waits in each pool's line, the first of each, at most as
/// many as a page has. Never a token.
pub async fn list(powers: TableAndLeases, call: Call) -> Result<Reply, Problem> {
    let ask = call.page(LIST_DEFAULT, "")?;
    let store = powers.leasing.store();
    let page = store.clusters(ask.limit, ask.after.as_deref()).await?;
    let mut holders: Vec<HolderView> = page.items.iter().filter_map(|row| HolderView::of(&row.value)).collect();
    if page.next.is_none() {
        holders.extend(waiting(&powers, &call, ask.limit).await?);
    }
    call.reply_page(&ask, &holders, page.next.as_deref())
}

async fn waiting(powers: &TableAndLeases, call: &Call, most: usize) -> Result<Vec<HolderView>, Problem> {
    let now = call.look().now;
    let pools = powers.leasing.pools().names().await?;
    let lines = pools.iter().map(|pool| powers.leasing.store().tickets(pool));
    let mut waiting = Vec::new();
    for (pool, tickets) in pools.iter().zip(try_join_all(lines).await?) {
        let tickets: Vec<_> = tickets.into_iter().map(|row| row.value).collect();
        let line = Line::new(tickets.clone(), now);
        let placed = tickets
            .iter()
            .filter_map(|ticket| Some((line.position(&ticket.id)?, ticket)));
        waiting
            .extend(placed.map(|(position, ticket)| (position, HolderView::waiting(pool.as_str(), ticket, position))));
    }
    waiting.sort_by_key(|(position, _)| *position);
    Ok(waiting.into_iter().take(most).map(|(_, view)| view).collect())
}
