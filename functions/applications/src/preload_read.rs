//! `GET /preload/{template}`.

use api::PreloadView;
use domain::{CellName, TemplateName, preload_told};
use futures::future::join_all;
use gateway::{Call, Problem, Reply, TableAndCells};
use serde_json::json;

/// Answers how far the template's preload is over all cells, bringing it on where it is due; `{}` where there never was
/// one.
pub async fn read(powers: TableAndCells, call: Call) -> Result<Reply, Problem> {
    let never = json!({});
    let Ok(name) = call.param("template", TemplateName::parse) else {
        return Reply::ok(&never);
    };
    let look = call.look();
    let cells: Vec<CellName> = powers.cells.iter().map(|cell| cell.name.clone()).collect();
    let rows = powers.store.preloads(&name, &cells).await?.into_iter();
    let rows = join_all(rows.map(|row| powers.lifecycle.advance_preload_or_keep(row, &look))).await;
    let preloads: Vec<_> = rows.into_iter().map(|row| row.value).collect();
    match preload_told(&cells, &preloads) {
        Some(told) => Reply::ok(&PreloadView::of(name, told)),
        None => Reply::ok(&never),
    }
}
