//! Environments: namespaces with routing keys and host names, in which deployments run.

mod ask;
mod name;
mod state;
mod step;

pub use ask::{EnvironmentAsk, EnvironmentChange, HostNames, Lifetime};
pub use name::{EnvironmentName, EnvironmentPart, HostName, NamespaceName};
pub use state::{Environment, EnvironmentEnd, EnvironmentState, Generation};
pub use step::{EnvironmentStep, are_strays_credible, next_for_environment};
