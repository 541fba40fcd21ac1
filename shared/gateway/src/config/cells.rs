//! What an installation is told about its cells.

use std::collections::BTreeMap;

use domain::CellName;
use serde::{Deserialize, Serialize};

/// A home cluster with its route proxy.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CellConfig {
    /// The name that its rows carry.
    pub name: CellName,
    /// URL of its Kubernetes API.
    pub api: String,
    /// Its certificate authority: PEM, or base64 of PEM. Empty means the public ones.
    #[serde(default)]
    pub ca: String,
    /// Client certificate and key in PEM, where the API is asked with one. Not for Lambda: secrets have their own place.
    #[serde(default, skip)]
    pub client_identity_pem: Option<Vec<u8>>,
    /// Where the token for it comes from.
    pub token: TokenKind,
    /// The recorded uid of its `kube-system`, checked before the first use.
    #[serde(default)]
    pub identity: String,
    /// URL of its route proxy's API.
    pub proxy_api: String,
    /// The namespace that its route proxy runs in: the only source of traffic to applications.
    #[serde(default = "default_proxy_namespace")]
    pub proxy_namespace: String,
    /// Labels of the route proxy's pods.
    #[serde(default = "default_proxy_labels")]
    pub proxy_labels: BTreeMap<String, String>,
    /// Host, with a port where needed, at which people reach the route proxy. `{id}` as its first label stands for each
    /// application's own id.
    pub public_host: String,
    /// The most that may live in it at once, spares included, if there is a limit. A launch that finds no room goes to
    /// the next cell.
    #[serde(default, deserialize_with = "limit", skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u32>,
    /// The most that may be starting in it at once, spares included, if there is a limit.
    #[serde(default, deserialize_with = "limit", skip_serializing_if = "Option::is_none")]
    pub starts: Option<u32>,
}

fn default_proxy_namespace() -> String {
    "layby".to_owned()
}

fn default_proxy_labels() -> BTreeMap<String, String> {
    BTreeMap::from([("app.kubernetes.io/name".to_owned(), "layby-proxy".to_owned())])
}

/// Where the token for a cluster's API comes from: `secret`, `eks:<cluster name>` or `none`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum TokenKind {
    /// From the installation's secrets.
    Secret,
    /// Made from the function's own credentials, for this EKS cluster.
    Eks(String),
    /// There is none.
    None,
}

impl TryFrom<String> for TokenKind {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        match (text.as_str(), text.strip_prefix("eks:")) {
            ("secret", _) => Ok(TokenKind::Secret),
            ("none", _) => Ok(TokenKind::None),
            (_, Some(cluster)) if !cluster.is_empty() => Ok(TokenKind::Eks(cluster.to_owned())),
            _ => Err(format!(
                "'{text}' is no token source: write 'secret', 'eks:<cluster name>' or 'none'"
            )),
        }
    }
}

impl From<TokenKind> for String {
    fn from(kind: TokenKind) -> String {
        match kind {
            TokenKind::Secret => "secret".to_owned(),
            TokenKind::Eks(cluster) => format!("eks:{cluster}"),
            TokenKind::None => "none".to_owned(),
        }
    }
}

/// A number, as a number or as text, because a deployment's template writes every value as text. Empty for none.
fn limit<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a limit is a whole number, or empty for none")]
    enum Written {
        Number(u32),
        Text(String),
    }
    match Written::deserialize(deserializer)? {
        Written::Number(number) => Ok(Some(number)),
        Written::Text(text) if text.is_empty() => Ok(None),
        Written::Text(text) => {
            let number = text.parse().map(Some);
            number.map_err(|_| serde::de::Error::custom(format!("'{text}' is no whole number")))
        }
    }
}
