//! The keys that the router asks callers of an environment for.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use serde::{Deserialize, Serialize};

/// A routing key: 32 random bytes as URL-safe base64, 44 characters, which is what the environment's secret holds. Its
/// `Debug` does not show it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RoutingKey(String);

impl RoutingKey {
    /// The key made of 32 random bytes, which the edge drew.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(URL_SAFE.encode(bytes))
    }

    /// As the secret holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As callers are told it, and as the router compares it with their header: base64 once more, 60 characters.
    pub fn header(&self) -> String {
        STANDARD.encode(&self.0)
    }
}

impl fmt::Debug for RoutingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RoutingKey(…)")
    }
}

/// The two routing keys of an environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingKeys {
    /// For what comes by the public router.
    pub public: RoutingKey,
    /// For what comes by the private router.
    pub private: RoutingKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_44_characters_stored_and_60_shown() {
        let key = RoutingKey::from_bytes([0xfb; 32]);
        assert_eq!(key.as_str(), "-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s=");
        assert_eq!((key.as_str().len(), key.header().len()), (44, 60));
        assert_eq!(STANDARD.decode(key.header()).unwrap(), key.as_str().as_bytes());
        assert!(!format!("{key:?}").contains("v7"));
    }
}
