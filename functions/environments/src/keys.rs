//! Routing keys: made here, and told to Apigee where the installation says so.

use cluster_client::{RoutingKey, RoutingKeys};
use domain::Environment;
use gateway::{Call, Kvm, Problem, TableAndEnvironments};

/// How often Apigee is told.
const KVM_TRIES: usize = 2;

/// Two new routing keys.
///
/// # Errors
/// 500 when there is no randomness.
pub(crate) fn routing_keys(call: &Call) -> Result<RoutingKeys, Problem> {
    Ok(RoutingKeys {
        public: RoutingKey::from_bytes(call.random()?),
        private: RoutingKey::from_bytes(call.random()?),
    })
}

/// Tells Apigee the public key of an environment, where there is one to be told. That this fails is no reason to have no
/// environment: the warning, if so. Asked for again with the same `Idempotency-Key`, it is told again.
///
/// # Errors
/// 500 when the keys cannot be opened.
pub(crate) async fn tell(
    kvm: Option<&Kvm>,
    call: &Call,
    powers: &TableAndEnvironments,
    environment: &Environment,
) -> Result<Option<String>, Problem> {
    let Some(kvm) = kvm else { return Ok(None) };
    if environment.applied != Some(environment.generation) {
        let why = "Apigee was not told the public key: its namespace does not have it yet; ask again in a moment";
        return Ok(Some(why.to_owned()));
    }
    let key = powers.environments.keys(environment)?.public;
    let Some(authorization) = call.asker().authorization else {
        let why = "Apigee was not told the public key: there is no access token to tell it with";
        return Ok(Some(why.to_owned()));
    };
    let name = &environment.name;
    let (organisation, part) = (name.organisation().as_str(), name.environment().as_str());
    for _ in 0..KVM_TRIES {
        match kvm.put_key(authorization, organisation, part, key.as_str()).await {
            Ok(()) => return Ok(None),
            Err(error) => call.note("telling Apigee the public key of an environment", &error),
        }
    }
    let why = "Apigee was not told the public key; the operator finds the cause in the log";
    Ok(Some(why.to_owned()))
}
