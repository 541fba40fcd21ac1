//! `GET /keys`.

use api::KeyView;
use domain::limits::LIST_DEFAULT;
use gateway::{Call, Problem, Reply, Table};

/// All API keys, newest first, without the keys themselves. Those that have expired are among them until they are
/// deleted.
pub async fn list(powers: Table, call: Call) -> Result<Reply, Problem> {
    let ask = call.page(LIST_DEFAULT, "")?;
    let page = powers.store.keys(ask.limit, ask.after.as_deref()).await?;
    let views = page.items.into_iter();
    let views: Vec<KeyView> = views.map(|key| KeyView::new(key.record, key.last_used_at)).collect();
    call.reply_page(&ask, &views, page.next.as_deref())
}
