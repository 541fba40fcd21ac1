//! `DELETE /applications/{template}/{id}`.

use api::ApplicationView;
use gateway::{Call, Problem, Reply, TableAndCells};
use http::StatusCode;

use crate::one::{One, key_or_launch_token};

/// Ends an application now, for a key or for the token of its own launch.
pub async fn stop(powers: TableAndCells, call: Call) -> Result<Reply, Problem> {
    let by = key_or_launch_token(&call)?;
    let one = One::of(&call)?;
    let look = call.look();
    let row = one.read(&powers.store, &look).await?;

    let row = powers.lifecycle.stop(row, &by, &look).await?;
    Reply::json(StatusCode::ACCEPTED, &ApplicationView::from(&row.value))
}
