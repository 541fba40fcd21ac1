//! `GET /templates`.

use domain::limits::LIST_MAX;
use gateway::{Call, Problem, Reply, Table};

/// All templates, newest first.
pub async fn list(powers: Table, call: Call) -> Result<Reply, Problem> {
    let ask = call.page(LIST_MAX, "")?;
    let page = powers.store.templates(ask.limit, ask.after.as_deref()).await?;
    call.reply_page(&ask, &page.items, page.next.as_deref())
}
