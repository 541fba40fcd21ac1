//! Authentication by API keys.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::limits::CACHE;
use domain::{Access, Caller, KeyRecord};
use http::HeaderMap;
use jiff::Timestamp;
use store::Store;
use tokio::time::Instant;

use crate::Problem;

/// The most keys that are remembered. The cache is emptied when it is full.
const REMEMBERED_MAX: usize = 1024;

/// Keys read from the table, for at most [`CACHE`], so that a revoked key is refused within that time.
#[derive(Default)]
pub(crate) struct Keys {
    remembered: Mutex<HashMap<String, (Instant, KeyRecord)>>,
}

/// What the table keeps of an API key instead of the key: its SHA-256 in hex.
pub fn key_sha256(key: &str) -> String {
    vault::sha256_hex(key.as_bytes())
}

/// What the caller presented: `Authorization: <key>`, `Bearer <key>` or `token <key>`.
pub(crate) fn credential(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(http::header::AUTHORIZATION)?.to_str().ok()?.trim();
    let bare = match value.split_once(' ') {
        Some((scheme, rest))
            if ["bearer", "token"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known)) =>
        {
            rest.trim()
        }
        _ => value,
    };
    (!bare.is_empty()).then(|| bare.to_owned())
}

/// Whether an endpoint of this access ever asks who calls.
pub(crate) fn asks_who(access: Access) -> bool {
    match access {
        Access::Open | Access::Schedule => false,
        Access::OpenUnlessClosed(_) | Access::AnyKey | Access::Key(_) | Access::KeyOrLaunchToken(_) => true,
    }
}

impl Keys {
    /// Who presents `credential`.
    ///
    /// # Errors
    /// 503 when the table cannot be asked: nobody is refused for that.
    pub(crate) async fn caller(
        &self,
        credential: Option<&str>,
        admin_key_sha256: Option<&str>,
        store: &Store,
        now: Timestamp,
    ) -> Result<Caller, Problem> {
        let Some(credential) = credential else {
            return Ok(Caller::Nobody);
        };
        let sha256 = key_sha256(credential);
        if admin_key_sha256.is_some_and(|known| vault::same(known.as_bytes(), sha256.as_bytes())) {
            return Ok(Caller::ConfiguredAdmin);
        }
        let record = match self.remembered(&sha256) {
            Some(record) => Some(record),
            None => {
                let record = store.key(&sha256).await?;
                if let Some(record) = &record {
                    self.remember(sha256, record.clone());
                }
                record
            }
        };
        Ok(match record.filter(|record| record.holds_at(now)) {
            Some(KeyRecord { name, scopes, .. }) => Caller::Key { name, scopes },
            None => Caller::Nobody,
        })
    }

    /// Only known keys are remembered: a key that was just made is good at once.
    fn remembered(&self, sha256: &str) -> Option<KeyRecord> {
        let remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, record) = remembered.get(sha256)?;
        (at.elapsed() < CACHE).then(|| record.clone())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "how long a key is remembered is mechanical time"
    )]
    fn remember(&self, sha256: String, record: KeyRecord) {
        let mut remembered = self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(sha256, (Instant::now(), record));
    }
}
