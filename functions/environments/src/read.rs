//! `GET /environments/{environment}`.

use gateway::{Call, Problem, Reply, TableAndEnvironments};

use crate::one::{name, read as row, view};

/// Tells of an environment, its routing keys among the rest; brings it on when something of it is due.
pub async fn read(powers: TableAndEnvironments, call: Call) -> Result<Reply, Problem> {
    let name = name(&call)?;
    let row = row(&powers, &name).await?;
    let row = powers.environments.advance(row, &call.look()).await?;
    Reply::ok(&view(&powers, &row.value)?)
}
