//! What the adapter tells the program that started it.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::identity::write_private;

/// Addresses and keys, written once everything is served.
#[derive(Clone, Serialize, Deserialize)]
pub struct Ready {
    /// URL of the API.
    pub api: String,
    /// URL of the route proxy, where applications answer.
    pub proxy: String,
    /// URL of DynamoDB.
    pub dynamodb: String,
    /// Path of an admin kubeconfig for the cluster.
    pub kubeconfig: String,
    /// API keys by their scope: `apps`, `envs`, `leases` and `admin`.
    pub keys: BTreeMap<String, String>,
    /// An organisation to try environments with, where its issuer is embedded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub demo: Option<DemoOrganisation>,
}

/// An organisation to try environments with.
#[derive(Clone, Serialize, Deserialize)]
pub struct DemoOrganisation {
    /// Its name.
    pub organisation: String,
    /// The issuer of its administrator's access tokens.
    pub issuer: String,
    /// An access token of its administrator, good for a day.
    pub token: String,
}

impl Ready {
    /// Writes it whole or not at all, for its owner only: it holds keys.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> Result<(), Error> {
        write_private(file, &serde_json::to_vec_pretty(self).unwrap_or_default())
    }
}
