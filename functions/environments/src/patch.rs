//! `PATCH /environments/{environment}`.

use api::EnvironmentBody;
use gateway::{Call, Problem, Reply, TableAndEnvironments};

use crate::one::{changed, name, view};

/// Changes what is said of an environment: what is not said stays, but host names are replaced as a whole.
pub async fn patch(powers: TableAndEnvironments, call: Call) -> Result<Reply, Problem> {
    let name = name(&call)?;
    let body: EnvironmentBody = call.body()?;
    let look = call.look();
    let done = powers
        .environments
        .change(&name, &body.change(look.now)?, &look)
        .await?;
    Reply::ok(&view(&powers, &changed(&powers, &name, done)?)?)
}
