//! What a caller gives a deployment beside its template.

use domain::Refusal;
use k8s_openapi::api::core::v1::EnvVar;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::template::{decode, merge};

/// What a caller gives a deployment beside its template: it is kept with the deployment, so that it holds for a new
/// template too.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Given {
    /// The hosts that the public router serves it under, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) public_hosts: Option<String>,
    /// The hosts that the private router serves it under, separated by spaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) private_hosts: Option<String>,
    /// Variables of its first container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) env_vars: Vec<EnvVar>,
}

impl Given {
    /// Reads what is given: hosts for the public and the private router, each separated by spaces, and variables of the
    /// first container, as Kubernetes writes them. What is absent is not given.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] with the path of what cannot be read in the variables, or of one without a name.
    pub fn read(
        public_hosts: Option<String>,
        private_hosts: Option<String>,
        env_vars: Option<&Value>,
    ) -> Result<Self, Refusal> {
        let read: Vec<EnvVar> = env_vars.map_or(Ok(Vec::new()), |given| decode(given, "'envVars'"))?;
        if let Some(at) = read.iter().position(|one| one.name.is_empty()) {
            return Err(Refusal::Malformed(format!(
                "'envVars' cannot be read: [{at}].name: a variable has a name"
            )));
        }
        let mut env_vars = Vec::new();
        merge(&mut env_vars, &read);
        Ok(Self {
            public_hosts,
            private_hosts,
            env_vars,
        })
    }

    /// What holds once `more` is given, too.
    pub(super) fn and(mut self, more: &Given) -> Self {
        self.public_hosts = more.public_hosts.clone().or(self.public_hosts);
        self.private_hosts = more.private_hosts.clone().or(self.private_hosts);
        merge(&mut self.env_vars, &more.env_vars);
        self
    }

    /// Whether nothing is given.
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
