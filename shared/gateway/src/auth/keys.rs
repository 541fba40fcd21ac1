//! API keys.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use domain::limits::{CACHE, KEY_USE_WAIT_MAX};
use domain::{Caller, KeyId, KeyRecord, Look, key_use_due};
use futures::FutureExt;
use jiff::Timestamp;
use net::Scope;
use store::Store;
use tokio::time::Instant;

use crate::Problem;

/// The most keys that are remembered. The cache is emptied when it is full.
const REMEMBERED_MAX: usize = 1024;

/// Keys read from the table, for at most [`CACHE`], so that a revoked key is refused within that time.
#[derive(Default)]
pub(crate) struct Keys {
    remembered: Mutex<HashMap<String, Remembered>>,
}

struct Remembered {
    record: KeyRecord,
    read_at: Instant,
    /// From when on its use is to be noted again, as far as this process knows.
    note_at: Timestamp,
}

/// What the table keeps of an API key instead of the key: its SHA-256 in hex.
pub fn key_sha256(key: &str) -> String {
    vault::sha256_hex(key.as_bytes())
}

impl Keys {
    /// Who presents `credential`: one of those whose key's hash is in the configuration, or whose key is in the table.
    /// That a key of the table is used is noted, every ten minutes at most.
    ///
    /// # Errors
    /// 503 when the table cannot be asked: nobody is refused for that.
    pub(crate) async fn caller(
        &self,
        credential: Option<&str>,
        configured: &[(Option<&str>, Caller)],
        store: &Store,
        look: &Look,
    ) -> Result<Caller, Problem> {
        let Some(credential) = credential else {
            return Ok(Caller::Nobody);
        };
        let sha256 = key_sha256(credential);
        let is_this = |known: &&str| vault::same(known.as_bytes(), sha256.as_bytes());
        let mut configured = configured.iter();
        if let Some((_, caller)) = configured.find(|(known, _)| known.as_ref().is_some_and(is_this)) {
            return Ok(caller.clone());
        }
        let record = match self.remembered(&sha256) {
            Some(record) => Some(record),
            None => {
                let record = store.key(&sha256).await?;
                self.remember(&sha256, record.as_ref());
                record
            }
        };
        let Some(record) = record.filter(|record| record.holds_at(look.now)) else {
            return Ok(Caller::Nobody);
        };
        if self.must_note(&sha256, look.now) {
            self.note(&sha256, &record.id, store, look).await;
        }
        let KeyRecord {
            name,
            scopes,
            organisations,
            ..
        } = record;
        Ok(Caller::Key {
            name,
            scopes,
            organisations,
        })
    }

    fn remembered(&self, sha256: &str) -> Option<KeyRecord> {
        let remembered = self.lock();
        let one = remembered.get(sha256)?;
        (one.read_at.elapsed() < CACHE).then(|| one.record.clone())
    }

    /// Only known keys are remembered: a key that was just made is good at once.
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a key is remembered is mechanical time"
    )]
    fn remember(&self, sha256: &str, record: Option<&KeyRecord>) {
        let mut remembered = self.lock();
        let before = remembered.remove(sha256);
        let Some(record) = record.cloned() else {
            return;
        };
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        let one = Remembered {
            record,
            read_at: Instant::now(),
            note_at: before.map_or(Timestamp::MIN, |before| before.note_at),
        };
        remembered.insert(sha256.to_owned(), one);
    }

    /// Whether the use of this key is to be noted by whoever asks. Of many that ask at once one is told so.
    fn must_note(&self, sha256: &str, now: Timestamp) -> bool {
        match self.lock().get_mut(sha256) {
            Some(one) if one.note_at <= now => {
                one.note_at = key_use_due(now);
                true
            }
            _ => false,
        }
    }

    /// Notes that a key is used. A request does not fail for that, and waits for it only so long.
    async fn note(&self, sha256: &str, id: &KeyId, store: &Store, look: &Look) {
        let scope = Scope::current().unwrap_or_else(|| Scope::lasting(KEY_USE_WAIT_MAX));
        let noting = store.note_key_use(id, look).boxed();
        match net::within(scope.at_most(KEY_USE_WAIT_MAX), noting).await {
            Ok(noted) => {
                if let Some(one) = self.lock().get_mut(sha256) {
                    one.note_at = key_use_due(noted);
                }
            }
            Err(error) => net::note("noting that a key was used", &error),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{KeyAsk, KeyName, Scope as KeyScope};
    use jiff::SignedDuration;
    use std::time::Duration;

    fn now() -> Timestamp {
        "2026-11-21T10:00:00Z".parse().unwrap()
    }

    fn record() -> KeyRecord {
        let asked = KeyAsk {
            name: KeyName::parse("ci").unwrap(),
            scopes: [KeyScope::Apps].into(),
            organisations: None,
            expires_at: None,
        };
        asked.into_record(KeyId::from_bytes([1; 16]), now()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_remembered_for_less_than_thirty_seconds_and_forgotten_once_it_is_gone() {
        let keys = Keys::default();
        assert_eq!(keys.remembered("aa"), None);
        keys.remember("aa", Some(&record()));
        tokio::time::advance(Duration::from_millis(29_999)).await;
        assert_eq!(keys.remembered("aa"), Some(record()));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(keys.remembered("aa"), None);
        keys.remember("aa", None);
        assert!(keys.lock().is_empty());
    }

    #[tokio::test]
    async fn one_of_many_notes_a_use_and_reading_the_key_again_changes_nothing() {
        let keys = Keys::default();
        keys.remember("aa", Some(&record()));
        assert!(keys.must_note("aa", now()));
        assert!(!keys.must_note("aa", now()));
        keys.remember("aa", Some(&record()));
        assert!(!keys.must_note("aa", now() + SignedDuration::from_secs(599)));
        assert!(keys.must_note("aa", now() + SignedDuration::from_secs(600)));
        assert!(!keys.must_note("bb", now()));
    }

    #[tokio::test]
    async fn the_cache_is_bounded() {
        let keys = Keys::default();
        for number in 0..=REMEMBERED_MAX {
            keys.remember(&number.to_string(), Some(&record()));
        }
        assert_eq!(keys.lock().len(), 1);
    }
}
