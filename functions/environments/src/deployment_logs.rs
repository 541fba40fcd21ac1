//! `GET /environments/{environment}/deployments/{name}/logs`.

use std::time::Duration;

use api::Code;
use cluster_client::{DeploymentLogs, LogAsk};
use domain::limits::{LOG_LINES_DEFAULT, LOG_LINES_MAX};
use gateway::{Call, Problem, Reply, TableAndEnvironments};

use crate::deployment::{home, name as deployment_name, unknown};
use crate::one::{name, read};

/// How far back `since` may reach.
const SINCE_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The newest lines that a deployment's pods wrote, each pod's after a line that names it.
pub async fn logs(powers: TableAndEnvironments, call: Call) -> Result<Reply, Problem> {
    let (environment, deployment) = (name(&call)?, deployment_name(&call)?);
    let since = call.query_seconds("since", SINCE_MAX)?;
    let ask = LogAsk {
        tail: call.query_number("tail", LOG_LINES_MAX)?.unwrap_or(LOG_LINES_DEFAULT),
        previous: call.query_flag("previous")?,
        container: call.query("container"),
        since_seconds: since.map(|since| u32::try_from(since.as_secs()).unwrap_or(u32::MAX)),
        timestamps: call.query_flag("timestamps")?,
    };
    let environment = read(&powers, &environment).await?.value;
    let cluster = &home(&powers, &environment)?.cluster;
    match cluster.deployment_logs(&environment, &deployment, &ask).await? {
        Some(DeploymentLogs::Text(text)) => Ok(Reply::text(text)),
        Some(DeploymentLogs::NoContainer { containers }) => Err(Problem::new(
            Code::MalformedRequest,
            format!("Its pods have no such container; they have {}", containers.join(", ")),
        )),
        None => Err(unknown()),
    }
}
