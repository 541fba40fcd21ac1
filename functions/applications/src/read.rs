//! `GET /applications/{template}/{id}`.

use std::time::Duration;

use api::ApplicationView;
use domain::limits::WAIT_MAX;
use domain::{Application, State, Status};
use gateway::{Call, Problem, Reply, TableAndCells, rest};
use store::Row;

use crate::one::One;

/// How long a waiting request rests between two looks.
const REST: Duration = Duration::from_millis(400);

/// Answers what is known, bringing a launch or an ending on where it is due; with `?wait=` holds the answer until the
/// status changes.
pub async fn read(powers: TableAndCells, call: Call) -> Result<Reply, Problem> {
    let one = One::of(&call)?;
    let wait = call.query_seconds("wait", WAIT_MAX)?;

    // A change that this request's own look brings about is one as well.
    let (known, mut application) = look(&powers, &call, &one).await?;
    if let Some(wait) = wait {
        let until = call.end_of_wait(wait);
        while application.status() == known && !is_over(&application) && rest(REST, until).await {
            (_, application) = look(&powers, &call, &one).await?;
        }
    }
    Reply::ok(&ApplicationView::with_events(&application))
}

/// The status that was stored, and the application as this look leaves it.
async fn look(powers: &TableAndCells, call: &Call, one: &One) -> Result<(Status, Application), Problem> {
    let look = call.look();
    let row = one.read(&powers.store, &look).await?;
    let known = row.value.status();
    let row = if may_advance(&row) {
        powers.lifecycle.advance_or_keep(row, &look).await
    } else {
        row
    };
    Ok((known, row.value))
}

/// A read brings launches and endings on. Judging what runs is the reaper's.
fn may_advance(row: &Row<Application>) -> bool {
    matches!(
        row.value.state,
        State::Pending | State::Starting { .. } | State::Ending { .. }
    )
}

fn is_over(application: &Application) -> bool {
    matches!(application.state, State::Ended { .. })
}
