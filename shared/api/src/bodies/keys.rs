//! API keys.

use std::collections::BTreeSet;

use domain::{KeyAsk, KeyName, KeyRecord, OrganisationName, Refusal, Scopes};
use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// The body of `POST /keys`. Unknown fields are refused by name.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyBody {
    name: KeyName,
    scopes: Scopes,
    organisations: Option<BTreeSet<OrganisationName>>,
    expires_at: Option<Instant>,
}

/// What stands where an instant is expected.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Instant {
    Is(Timestamp),
    IsNot(IgnoredAny),
}

impl KeyBody {
    /// What is asked for.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for an end that is no instant.
    pub fn into_ask(self) -> Result<KeyAsk, Refusal> {
        let expires_at = match self.expires_at {
            None => None,
            Some(Instant::Is(end)) => Some(end),
            Some(Instant::IsNot(_)) => {
                return Err(Refusal::Malformed(
                    "'expires_at' is an RFC 3339 instant, such as 2027-01-31T00:00:00Z".to_owned(),
                ));
            }
        };
        Ok(KeyAsk {
            name: self.name,
            scopes: self.scopes,
            organisations: self.organisations,
            expires_at,
        })
    }
}

/// An API key as people see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyView {
    /// Its name.
    pub name: KeyName,
    /// What it is good for.
    pub scopes: Scopes,
    /// The organisations that it is limited to; absent for all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub organisations: BTreeSet<OrganisationName>,
    /// From when on it is refused, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to ten minutes; absent until it first was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

impl KeyView {
    /// The key of this record, which was last used at `last_used_at`.
    pub fn new(record: KeyRecord, last_used_at: Option<Timestamp>) -> Self {
        Self {
            name: record.name,
            scopes: record.scopes,
            organisations: record.organisations,
            expires_at: record.expires_at,
            created_at: record.created_at,
            last_used_at,
        }
    }
}

/// The answer to `POST /keys`. It has no `Debug`, because the key is shown once and to its maker only.
#[derive(Serialize)]
pub struct KeyMade {
    /// What the lists show too.
    #[serde(flatten)]
    pub view: KeyView,
    /// The key itself.
    pub key: String,
}
