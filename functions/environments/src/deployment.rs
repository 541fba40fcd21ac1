//! The one deployment that a path names, and what is asked of deployments.

use api::{Code, DeploymentBody, TemplateSource, hosts_in};
use cluster_client::{DeploymentSeen, Error, Given, PodTemplate};
use domain::{DeploymentName, Environment};
use gateway::{Call, Fetch, Problem, TableAndEnvironments};
use lifecycle::HomeCell;

use crate::one::host_taken;

/// The deployment that the path of `call` names.
///
/// # Errors
/// 404 when it can name none.
pub(crate) fn name(call: &Call) -> Result<DeploymentName, Problem> {
    call.param("name", DeploymentName::parse).map_err(|_| unknown())
}

pub(crate) fn unknown() -> Problem {
    Problem::new(
        Code::DoesNotExist,
        "There is no deployment of that name in this environment",
    )
}

/// The cell that an environment is in, once its namespace is made.
///
/// # Errors
/// 409 while it is not.
pub(crate) fn home<'a>(powers: &'a TableAndEnvironments, environment: &Environment) -> Result<&'a HomeCell, Problem> {
    if environment.namespace_uid.is_none() {
        let why = environment.trouble.as_deref().unwrap_or("try again in a moment");
        let why = format!("The environment '{}' is still being made: {why}", environment.name);
        return Err(Problem::new(Code::Conflict, why));
    }
    Ok(powers.environments.home(environment)?)
}

/// Why nothing is made or changed in an environment's namespace.
pub(crate) fn refused(environment: &Environment, error: Error) -> Problem {
    match error {
        Error::NotOurs | Error::Terminating => {
            let why = "is being deleted, or is not its any more; look at the environment";
            let namespace = environment.name.namespace();
            Problem::new(Code::Conflict, format!("The namespace '{namespace}' {why}"))
        }
        error => error.into(),
    }
}

/// The deployment that was just written for `environment` as it was read. Should that have been put to sleep or woken
/// meanwhile, its deployments follow what it is now: whoever changed it may have looked for them before this one was
/// written.
///
/// # Errors
/// Those of the table and the cluster.
pub(crate) async fn settled(
    powers: &TableAndEnvironments,
    environment: &Environment,
    name: &DeploymentName,
    written: DeploymentSeen,
) -> Result<DeploymentSeen, Problem> {
    let namespace = environment.name.namespace();
    let now = powers.environments.store().environment(&namespace).await?;
    let asked = written.sleep().asked;
    let later = |now: &Environment| now.born == environment.born && now.is_live() && now.sleep_asked > asked;
    let Some(now) = now.map(|row| row.value).filter(later) else {
        return Ok(written);
    };
    let cluster = &home(powers, &now)?.cluster;
    cluster.scale_deployments(&now).await?;
    Ok(cluster.deployment(&now, name).await?.unwrap_or(written))
}

/// What a body gives beside the template.
///
/// # Errors
/// 400 with the path of what cannot be read.
pub(crate) fn given(body: &DeploymentBody) -> Result<Given, Problem> {
    let (public_hosts, private_hosts) = (body.public_hosts.clone(), body.private_hosts.clone());
    Ok(Given::read(public_hosts, private_hosts, body.env_vars.as_ref())?)
}

/// The template that a body has or names, if it does.
///
/// # Errors
/// 400 for one that may not run, or may not be fetched; 502 when its origin fails.
pub(crate) async fn template(
    powers: &TableAndEnvironments,
    fetch: &Fetch,
    call: &Call,
    body: &DeploymentBody,
) -> Result<Option<PodTemplate>, Problem> {
    let allow_privileged = powers.rules.allow_privileged;
    Ok(match body.template()? {
        None => None,
        Some(TemplateSource::Inline(template)) => Some(PodTemplate::read(template, allow_privileged)?),
        Some(TemplateSource::Url(url)) => {
            let fetched = fetch.pod_template(call.asker(), url).await?;
            Some(PodTemplate::read(&fetched, allow_privileged)?)
        }
    })
}

/// Refuses host names that another environment has or, where the installation says so, that are not the environment's
/// own.
///
/// # Errors
/// 400 for what is no host name, 409 for one of another environment.
pub(crate) async fn check_hosts(
    powers: &TableAndEnvironments,
    environment: &Environment,
    texts: impl IntoIterator<Item = impl AsRef<str>>,
) -> Result<(), Problem> {
    let hosts = hosts_in(texts)?;
    if powers.rules.hosts_must_be_own
        && let Some(host) = hosts.iter().find(|host| !environment.hosts.has(host))
    {
        let why = format!(
            "The environment '{}' does not have the host name '{host}'",
            environment.name
        );
        return Err(Problem::new(Code::MalformedRequest, why));
    }
    if hosts.is_empty() {
        return Ok(());
    }
    let owners = powers.environments.store().host_owners(&hosts).await?;
    let namespace = environment.name.namespace();
    match owners.iter().find(|(_, owner)| **owner != namespace) {
        Some((host, _)) => Err(host_taken(powers, host.as_str())),
        None => Ok(()),
    }
}
