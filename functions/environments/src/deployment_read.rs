//! `GET /environments/{environment}/deployments/{name}`.

use gateway::{Call, Problem, Reply, TableAndEnvironments};

use crate::deployment::{home, name as deployment_name, unknown};
use crate::one::{name, read as row};

/// The deployment as Kubernetes has it.
pub async fn read(powers: TableAndEnvironments, call: Call) -> Result<Reply, Problem> {
    let (environment, deployment) = (name(&call)?, deployment_name(&call)?);
    let environment = row(&powers, &environment).await?.value;
    let cluster = &home(&powers, &environment)?.cluster;
    let seen = cluster.deployment(&environment, &deployment).await?;
    Reply::ok(&seen.ok_or_else(unknown)?.into_answer())
}
