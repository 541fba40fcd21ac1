//! `DELETE /environments/{environment}/deployments/{name}`.

use gateway::{Call, Problem, Reply, TableAndEnvironments};

use crate::deployment::{home, name as deployment_name, unknown};
use crate::one::{name, read};

/// Deletes a deployment; its replica sets and pods follow in the background.
pub async fn delete(powers: TableAndEnvironments, call: Call) -> Result<Reply, Problem> {
    let (environment, deployment) = (name(&call)?, deployment_name(&call)?);
    let environment = read(&powers, &environment).await?.value;
    let cluster = &home(&powers, &environment)?.cluster;
    match cluster.delete_deployment(&environment, &deployment).await? {
        true => Ok(Reply::no_content()),
        false => Err(unknown()),
    }
}
