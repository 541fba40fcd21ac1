//! The secrets of an installation.

use std::collections::BTreeMap;

use domain::CellName;
use serde::Deserialize;
use vault::Keyring;

use crate::ConfigError;

/// Where the secrets are.
#[derive(Clone)]
pub enum SecretsFrom {
    /// In AWS Secrets Manager, under this ARN.
    Manager(String),
    /// Handed over.
    Given(Box<Secrets>),
    /// Nowhere: what needs them cannot be mounted.
    Nowhere,
}

/// The secrets of an installation, all in one entry.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// Seals cursors and derives tokens: each 32 bytes in base64. The first seals, all open.
    #[serde(deserialize_with = "keyring")]
    pub keyring: Keyring,
    /// For the external template registry, sent as it is. Empty means that it wants none.
    #[serde(default)]
    pub registry_key: String,
    /// What the operator's internal router is shown when a pod template is fetched through it. Empty means that it wants
    /// nothing.
    #[serde(default)]
    pub router_secret: String,
    /// By cell.
    #[serde(default)]
    pub cells: BTreeMap<CellName, CellSecrets>,
}

/// The secrets of one cell.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellSecrets {
    /// For its Kubernetes API, where [`TokenKind::Secret`] says so.
    #[serde(default)]
    pub token: String,
    /// For its route proxy's API.
    #[serde(default)]
    pub proxy_token: String,
}

impl Secrets {
    /// # Errors
    /// [`ConfigError::Secrets`] with what is wrong, never with the text.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        serde_json::from_str(text).map_err(|error| {
            ConfigError::Secrets(format!(
                "not the expected JSON (line {}, column {})",
                error.line(),
                error.column()
            ))
        })
    }
}

fn keyring<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Keyring, D::Error> {
    let keys = Vec::<String>::deserialize(deserializer)?;
    Keyring::from_base64(&keys).map_err(serde::de::Error::custom)
}
