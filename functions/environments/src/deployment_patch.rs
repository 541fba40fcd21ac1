//! `PATCH /environments/{environment}/deployments/{name}`.

use api::{Code, DeploymentBody};
use cluster_client::{DeploymentPatch, Replicas, Sleep};
use gateway::{Call, EnvironmentsAndOrigins, Problem, Reply};

use crate::deployment::{check_hosts, given, home, name as deployment_name, refused, settled, template, unknown};
use crate::one::{live, name};

/// How often a deployment is read and written again that others change at the same moment.
const TRIES: usize = 4;

/// Changes what is named of a deployment; `{}` starts its pods anew.
pub async fn patch(powers: EnvironmentsAndOrigins, call: Call) -> Result<Reply, Problem> {
    let EnvironmentsAndOrigins {
        environments: powers,
        fetch,
    } = powers;
    let environment = name(&call)?;
    let deployment = deployment_name(&call)?;
    let body: DeploymentBody = call.body()?;
    let replicas = body.replicas.map(Replicas::read).transpose()?;
    let given = given(&body)?;
    let environment = live(&powers, &environment).await?;
    let cluster = &home(&powers, &environment)?.cluster;
    let patch = DeploymentPatch {
        template: template(&powers, &fetch, &call, &body).await?,
        given,
        replicas,
        allow_privileged: powers.rules.allow_privileged,
    };
    for _ in 0..TRIES {
        let seen = cluster
            .deployment(&environment, &deployment)
            .await?
            .ok_or_else(unknown)?;
        let change = seen.patched(&patch, Sleep::of(&environment), call.look().now)?;
        check_hosts(&powers, &environment, change.hosts()).await?;
        let written = cluster.change_deployment(&change).await;
        if let Some(written) = written.map_err(|error| refused(&environment, error))? {
            let changed = settled(&powers, &environment, &deployment, written).await?;
            return Reply::ok(&changed.into_answer());
        }
    }
    Err(Problem::new(
        Code::Conflict,
        format!("Others changed the deployment '{deployment}' at the same moment, again and again"),
    ))
}
