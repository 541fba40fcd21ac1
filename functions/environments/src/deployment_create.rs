//! `POST /environments/{environment}/deployments`.

use api::{Code, DeploymentBody};
use cluster_client::{DeploymentMade, DeploymentSeen, NewDeployment, Replicas, Sleep};
use domain::{DeploymentName, Environment, Refusal};
use gateway::{Call, EnvironmentsAndOrigins, Problem, Reply, TableAndEnvironments};
use http::{StatusCode, header};
use store::Binding;

use crate::deployment::{check_hosts, given, home, refused, settled, template};
use crate::one::{live, name};

/// Makes a deployment, and answers with it as Kubernetes does.
pub async fn create(powers: EnvironmentsAndOrigins, call: Call) -> Result<Reply, Problem> {
    let EnvironmentsAndOrigins {
        environments: powers,
        fetch,
    } = powers;
    let environment = name(&call)?;
    let body: DeploymentBody = call.body()?;
    let named = body.deployment_name.as_deref();
    let deployment = DeploymentName::parse(named.ok_or_else(|| missing("No deploymentName given"))?)?;
    body.check_hosts_are_said()?;
    let replicas = body.replicas.map_or(Ok(Replicas::DEFAULT), Replicas::read)?;
    let given = given(&body)?;
    let binding = call.binding()?;
    let environment = live(&powers, &environment).await?;
    if let Some(made) = made_before(&powers, &environment, &deployment, binding.as_ref(), &call).await? {
        let made = settled(&powers, &environment, &deployment, made).await?;
        return created(&environment, &deployment, made);
    }
    let template = template(&powers, &fetch, &call, &body).await?;
    let new = NewDeployment {
        name: deployment.clone(),
        template: template.ok_or_else(|| missing("No ptsURL or pts given"))?,
        given,
        replicas,
        sleep: Sleep::of(&environment),
        made_by: binding.as_ref().map_or_else(|| call.look().by, made_by),
    };
    check_hosts(&powers, &environment, new.hosts()).await?;
    let taken = |why: String| Err(Problem::new(Code::NameTaken, why));
    let cluster = &home(&powers, &environment)?.cluster;
    let made = cluster.make_deployment(&environment, &new).await;
    match made.map_err(|error| refused(&environment, error))? {
        DeploymentMade::Made(seen) => {
            if let Some(binding) = &binding {
                let store = powers.environments.store();
                store.bind(binding, deployment.as_str(), None, &call.look()).await?;
            }
            let seen = settled(&powers, &environment, &deployment, seen).await?;
            created(&environment, &deployment, seen)
        }
        // The same key made it with another body, and its maker died before it was bound.
        DeploymentMade::NameTaken { made_by: Some(by) } if is_of_key(&by, binding.as_ref()) => {
            Err(Problem::key_reused())
        }
        DeploymentMade::NameTaken { .. } => taken(format!("Deployment {deployment} already exists")),
        DeploymentMade::ComponentTaken { component, by } => taken(format!(
            "LabelSelector component={component} already exists: the deployment '{by}' has it"
        )),
    }
}

/// What this `Idempotency-Key` has made already.
async fn made_before(
    powers: &TableAndEnvironments,
    environment: &Environment,
    deployment: &DeploymentName,
    binding: Option<&Binding>,
    call: &Call,
) -> Result<Option<DeploymentSeen>, Problem> {
    let Some(binding) = binding else { return Ok(None) };
    let bound = powers.environments.store().binding(binding, call.look().now).await?;
    match bound {
        None => Ok(None),
        Some(bound) if bound.body_sha256 != binding.body_sha256 => Err(Problem::key_reused()),
        Some(_) => {
            let cluster = &home(powers, environment)?.cluster;
            let seen = cluster.deployment(environment, deployment).await?;
            // One of its name that was made since is another.
            let own = seen.filter(|seen| seen.made_by() == Some(&made_by(binding)));
            own.map(Some).ok_or_else(Problem::key_ended)
        }
    }
}

/// Whom a deployment says that it was made by: key and body.
fn made_by(binding: &Binding) -> String {
    format!("{} {}", binding.digest(), binding.body_sha256)
}

/// Whether what a deployment says that it was made by is this key, whatever the body.
fn is_of_key(made_by: &str, binding: Option<&Binding>) -> bool {
    let of = made_by.split_once(' ').map(|(key, _)| key);
    of.is_some() && of == binding.map(Binding::digest).as_deref()
}

fn created(environment: &Environment, deployment: &DeploymentName, seen: DeploymentSeen) -> Result<Reply, Problem> {
    let location = format!("/environments/{}/deployments/{deployment}", environment.name);
    Reply::json(StatusCode::CREATED, &seen.into_answer())?.with_header(header::LOCATION, &location)
}

fn missing(sentence: &str) -> Refusal {
    Refusal::Malformed(sentence.to_owned())
}
