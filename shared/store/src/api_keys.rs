//! API keys, by the digest of the key and by name.

use domain::{KeyRecord, Look};

use crate::items::{KeyItem, KeyNameItem, decode, encode};
use crate::keys::Key;
use crate::request::{Condition, Outcome, Write, token};
use crate::{Error, Store};

impl Store {
    /// AP14 The key whose SHA-256 (lower-case hexadecimal) this is, whether it has expired or not.
    ///
    /// # Errors
    /// As for every read.
    pub async fn key(&self, sha256: &str) -> Result<Option<KeyRecord>, Error> {
        let item = self.get(&Key::api_key(sha256)).await?;
        item.map(|item| decode::<KeyItem>(item).map(KeyItem::into_record))
            .transpose()
    }

    /// Stores a key and claims its name, together. `false`: another key has the name, or this key another name, and
    /// nothing was written. The same key under the same name is `true` and stays as it was first written.
    ///
    /// # Errors
    /// As for every write.
    pub async fn put_key(&self, sha256: &str, key: &KeyRecord, look: &Look) -> Result<bool, Error> {
        let writes = [
            Write {
                item: encode(&KeyNameItem::new(&key.name, sha256, look))?,
                condition: Condition::absent(),
            },
            Write {
                item: encode(&KeyItem::new(sha256, key, look))?,
                condition: Condition::absent(),
            },
        ];
        let mut same = true;
        let outcomes = self
            .transact(&writes, &token(&look.by, &Key::api_key(sha256).pk))
            .await?;
        for (number, outcome) in outcomes.into_iter().enumerate() {
            same &= match outcome {
                Outcome::Done => true,
                Outcome::Refused(None) => false,
                Outcome::Refused(Some(old)) if number == 0 => decode::<KeyNameItem>(old)?.sha256 == sha256,
                Outcome::Refused(Some(old)) => decode::<KeyItem>(old)?.name == key.name,
            };
        }
        Ok(same)
    }
}
