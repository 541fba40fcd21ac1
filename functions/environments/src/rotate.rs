//! `POST /environments/{environment}/keys`.

use gateway::{Call, EnvironmentsAndKvm, Problem, Reply};

use crate::keys::{routing_keys, tell};
use crate::one::{changed, name, view};

/// Gives an environment two other routing keys. The routers ask for them as soon as its secret has them.
pub async fn rotate(powers: EnvironmentsAndKvm, call: Call) -> Result<Reply, Problem> {
    let EnvironmentsAndKvm {
        environments: powers,
        kvm,
    } = powers;
    let name = name(&call)?;
    let (keys, nonce) = (routing_keys(&call)?, call.random()?);
    let done = powers.environments.rotate(&name, (&keys, nonce), &call.look()).await?;
    let environment = changed(&powers, &name, done)?;
    let mut view = view(&powers, &environment)?;
    view.warning = tell(kvm.as_ref(), &call, &powers, &environment).await?;
    Reply::ok(&view)
}
