//! The one environment that a path names, and who may act on it.

use api::{Code, EnvironmentView};
use domain::{Environment, EnvironmentName};
use gateway::{Call, Problem, TableAndEnvironments};
use lifecycle::EnvironmentChanged;
use store::Row;

/// The environment that the path of `call` names, which its caller administers. Whoever may not is refused before it is
/// told whether there is such a one.
///
/// # Errors
/// 400 for what is no name, 403.
pub(crate) fn name(call: &Call) -> Result<EnvironmentName, Problem> {
    let name = call.param("environment", EnvironmentName::parse)?;
    call.administers(name.organisation())?;
    Ok(name)
}

/// Its row.
///
/// # Errors
/// 404 when there is none; those of a read.
pub(crate) async fn read(powers: &TableAndEnvironments, name: &EnvironmentName) -> Result<Row<Environment>, Problem> {
    let row = powers.environments.store().environment(&name.namespace()).await?;
    row.filter(|row| row.value.name == *name && !row.value.has_ended())
        .ok_or_else(|| unknown(name))
}

/// As [`read`], of one that is not being deleted.
///
/// # Errors
/// 404; 409 while it is being deleted.
pub(crate) async fn live(powers: &TableAndEnvironments, name: &EnvironmentName) -> Result<Environment, Problem> {
    let environment = read(powers, name).await?.value;
    match environment.is_live() {
        true => Ok(environment),
        false => Err(deleting(name)),
    }
}

/// What its administrators are told of an environment.
///
/// # Errors
/// 404 when nothing is left of it by now; 500 when its keys cannot be opened, which is the operator's to mend.
pub(crate) fn view(powers: &TableAndEnvironments, environment: &Environment) -> Result<EnvironmentView, Problem> {
    if environment.has_ended() {
        return Err(unknown(&environment.name));
    }
    let keys = powers.environments.keys(environment)?;
    Ok(EnvironmentView::of(environment).with_keys(keys.public.header(), keys.private.header()))
}

/// The environment after a change.
///
/// # Errors
/// What became of the change instead.
pub(crate) fn changed(
    powers: &TableAndEnvironments,
    name: &EnvironmentName,
    changed: EnvironmentChanged,
) -> Result<Environment, Problem> {
    match changed {
        EnvironmentChanged::Changed(row) => Ok(row.value),
        EnvironmentChanged::Unknown => Err(unknown(name)),
        EnvironmentChanged::Deleting(_) => Err(deleting(name)),
        EnvironmentChanged::HostTaken(host) => Err(host_taken(powers, host.as_str())),
        EnvironmentChanged::Refused(refusal) => Err(refusal.into()),
    }
}

pub(crate) fn unknown(name: &EnvironmentName) -> Problem {
    let namespace = name.namespace();
    Problem::new(Code::DoesNotExist, format!("Namespace {namespace} doesn't exist"))
}

fn deleting(name: &EnvironmentName) -> Problem {
    Problem::new(Code::Conflict, format!("The environment '{name}' is being deleted"))
}

/// The older service said 500; its scripts may look for that.
pub(crate) fn host_taken(powers: &TableAndEnvironments, host: &str) -> Problem {
    let code = match powers.rules.taken_host_is_500 {
        true => Code::HostTakenOfOld,
        false => Code::HostTaken,
    };
    Problem::new(code, format!("Duplicate HostNames: another environment has '{host}'"))
}
