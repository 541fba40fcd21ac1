//! `POST /applications/{template}/{id}/activity`.

use api::{ActivityBody, Code};
use domain::{Application, Look, State, reports_use};
use gateway::{Call, Problem, Reply, Table};
use store::{Row, WriteError};

use crate::one::{One, key_or_launch_token};

/// How often the report is written again when others move the row at the same moment.
const TRIES: usize = 3;

/// Counts as use now, for an application whose traffic the route proxy does not see. It does not prolong the maximum
/// age.
pub async fn activity(powers: Table, call: Call) -> Result<Reply, Problem> {
    key_or_launch_token(&call)?;
    let ActivityBody {} = call.body()?;
    let one = One::of(&call)?;
    for _ in 0..TRIES {
        let look = call.look();
        let row = one.read(&powers.store, &look).await?;
        if report(&powers, &row, &look).await? {
            return Ok(Reply::no_content());
        }
    }
    Err(Problem::new(
        Code::Conflict,
        "Somebody else changed this application at the same moment, again and again; try again",
    ))
}

/// `false`: somebody else moved the row.
async fn report(powers: &Table, row: &Row<Application>, look: &Look) -> Result<bool, Problem> {
    if let State::Ending { .. } | State::Ended { .. } = row.value.state {
        return Err(Problem::new(
            Code::HasEnded,
            "This application has ended; launch a new one",
        ));
    }
    if !reports_use(&row.value, look.now) {
        return Ok(true);
    }
    match powers.store.report_use(row, look.now, look).await {
        Ok(_) => Ok(true),
        Err(WriteError::Overtaken) => Ok(false),
        Err(WriteError::Store(error)) => Err(error.into()),
    }
}
