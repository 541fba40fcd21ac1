//! `GET /environments`.

use api::EnvironmentView;
use domain::Administered;
use domain::limits::LIST_DEFAULT;
use gateway::{Call, Problem, Reply, Table};
use store::Organisations;

/// Lists the environments of the organisations that the caller administers, the newest first, without their keys.
pub async fn list(powers: Table, call: Call) -> Result<Reply, Problem> {
    let ask = call.page(LIST_DEFAULT, "")?;
    let of = match call.caller().administered() {
        Administered::Every => Organisations::All,
        Administered::These(organisations) => Organisations::Some(organisations.clone()),
    };
    let page = powers.store.environments(&of, ask.limit, ask.after.as_deref()).await?;
    let views: Vec<EnvironmentView> = page.items.iter().map(|row| EnvironmentView::of(&row.value)).collect();
    call.reply_page(&ask, &views, page.next.as_deref())
}
