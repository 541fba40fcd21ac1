//! `POST /environments`.

use api::{Code, EnvironmentBody};
use gateway::{Call, EnvironmentsAndKvm, Problem, Reply};
use http::{StatusCode, header};
use lifecycle::Asked;

use crate::keys::{routing_keys, tell};
use crate::one::{host_taken, view};

/// Writes the environment down, claims its host names, and makes its namespace with the routing keys as far as this look
/// comes: the reaper goes on with what is left.
pub async fn create(powers: EnvironmentsAndKvm, call: Call) -> Result<Reply, Problem> {
    let EnvironmentsAndKvm {
        environments: powers,
        kvm,
    } = powers;
    let body: EnvironmentBody = call.body()?;
    let name = &body.name()?;
    call.administers(name.organisation())?;
    let namespace = name.namespace();
    if powers.reserved.iter().any(|reserved| reserved == namespace.as_str()) {
        let why = format!("'{name}' is not allowed: the namespace '{namespace}' is the installation's own");
        return Err(Problem::new(Code::MalformedRequest, why));
    }
    let (look, binding) = (call.look(), call.binding()?);
    let environments = &powers.environments;
    let asked = match environments.asked_before(binding.as_ref(), &look).await? {
        Some(asked) => asked,
        None => {
            let ask = body.ask(look.now)?;
            let (keys, nonce) = (routing_keys(&call)?, call.random()?);
            let made = environments.create(&ask, (&keys, nonce), binding.as_ref(), &look);
            made.await?
        }
    };
    let taken = |why: String| Problem::new(Code::NameTaken, why);
    let row = match asked {
        Asked::Made(row) => row,
        Asked::Exists => return Err(taken(format!("The environment '{name}' exists already"))),
        Asked::StillDeleting => return Err(taken(format!("The environment '{name}' is still being deleted"))),
        Asked::SharesNamespace(other) => {
            let namespace = name.namespace();
            return Err(taken(format!(
                "The environment '{other}' has the namespace '{namespace}', which '{name}' would share"
            )));
        }
        Asked::NamespaceTaken => {
            let namespace = name.namespace();
            return Err(taken(format!(
                "The namespace '{namespace}' is there, and no environment's"
            )));
        }
        Asked::HostTaken(host) => return Err(host_taken(&powers, host.as_str())),
        Asked::AnotherBody => return Err(Problem::key_reused()),
        Asked::Over => return Err(Problem::key_ended()),
        Asked::Deleted => {
            let why = format!("The environment '{name}' was deleted while it was made");
            return Err(Problem::new(Code::Conflict, why));
        }
    };
    let mut view = view(&powers, &row.value)?;
    view.warning = tell(kvm.as_ref(), &call, &powers, &row.value).await?;
    Reply::json(StatusCode::CREATED, &view)?.with_header(header::LOCATION, &format!("/environments/{name}"))
}
