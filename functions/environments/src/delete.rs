//! `DELETE /environments/{environment}`.

use gateway::{Call, Problem, Reply, TableAndEnvironments};

use crate::one::{changed, name};

/// Ends an environment with all that is in it: its tombstone is written before this answers, and its host names are free
/// when its namespace is gone.
pub async fn delete(powers: TableAndEnvironments, call: Call) -> Result<Reply, Problem> {
    let name = name(&call)?;
    let done = powers.environments.delete(&name, &call.look()).await?;
    changed(&powers, &name, done)?;
    Ok(Reply::no_content())
}
