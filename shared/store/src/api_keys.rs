//! API keys: by the digest of the key, by name, all of them, and when each was last used.

use std::collections::HashMap;

use domain::{KeyId, KeyName, KeyRecord, Look, limits};
use jiff::Timestamp;

use crate::error::Cause;
use crate::items::{BindingItem, Head, KeyItem, KeyNameItem, KeyUseItem, decode, encode};
use crate::keys::{self, Key};
use crate::request::{Condition, Outcome};
use crate::transact::{Write, token, token_of};
use crate::{Binding, Bound, Error, Page, Store};

/// How often a name that others write at the same time is read and deleted again.
const TRIES: usize = 4;

/// What became of a new key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyCreated {
    /// It is written.
    Written,
    /// Another key has its name, or it has another name; nothing was written.
    Taken,
    /// The `Idempotency-Key` is bound already; nothing was written.
    Bound(Bound),
}

/// A key with what is kept beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredKey {
    /// The key's record.
    pub record: KeyRecord,
    /// SHA-256 of the key itself, in lower-case hexadecimal.
    pub sha256: String,
}

/// A key in the list of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedKey {
    /// The key's record.
    pub record: KeyRecord,
    /// When it was last used, as far as that was noted.
    pub last_used_at: Option<Timestamp>,
}

impl Store {
    /// AP14 The key whose SHA-256 (lower-case hexadecimal) this is, whether it has expired or not.
    ///
    /// # Errors
    /// As for every read.
    pub async fn key(&self, sha256: &str) -> Result<Option<KeyRecord>, Error> {
        let item = self.get(&Key::api_key(sha256)).await?;
        item.map(|item| decode::<KeyItem>(item).map(|item| item.record))
            .transpose()
    }

    /// AP14 The key of this name, whether it has expired or not.
    ///
    /// # Errors
    /// As for every read.
    pub async fn key_named(&self, name: &KeyName) -> Result<Option<StoredKey>, Error> {
        let Some(KeyNameItem { sha256, .. }) = self.key_name_item(name).await? else {
            return Ok(None);
        };
        let record = self.key(&sha256).await?;
        Ok(record.map(|record| StoredKey { record, sha256 }))
    }

    async fn key_name_item(&self, name: &KeyName) -> Result<Option<KeyNameItem>, Error> {
        self.get(&Key::key_name(name)).await?.map(decode).transpose()
    }

    /// AP14, AP15 Stores a key, claims its name, and binds the `Idempotency-Key`, together. An expired binding is
    /// replaced. The same key under the same name is written once, whoever says it again.
    ///
    /// # Errors
    /// As for every write.
    pub async fn create_key(
        &self,
        sha256: &str,
        record: &KeyRecord,
        look: &Look,
        binding: Option<&Binding>,
    ) -> Result<KeyCreated, Error> {
        let made = record.id.as_str();
        let mut writes = vec![
            Write::Put {
                item: encode(&KeyNameItem::new(sha256, record, look))?,
                condition: Condition::absent(),
            },
            Write::Put {
                item: encode(&KeyItem::new(sha256, record, look))?,
                condition: Condition::absent(),
            },
        ];
        if let Some(binding) = binding {
            writes.push(Write::Put {
                item: encode(&BindingItem::new(&binding.row(), &binding.body_sha256, made, look))?,
                condition: Condition::absent_or_forgotten(look.now.as_second()),
            });
        }
        let token = token(&look.by, &Key::api_key(sha256).pk);
        let mut outcomes = self.transact(&writes, &token).await?.into_iter();
        let (named, stored, bound) = (outcomes.next(), outcomes.next(), outcomes.next());
        if let Some(Outcome::Refused(Some(old))) = bound {
            let old: BindingItem = decode(old)?;
            if old.made != made {
                return Ok(KeyCreated::Bound(old.into()));
            }
        }
        let same_name = match named {
            Some(Outcome::Refused(Some(old))) => decode::<KeyNameItem>(old)?.sha256 == sha256,
            _ => true,
        };
        let same_key = match stored {
            Some(Outcome::Refused(Some(old))) => decode::<KeyItem>(old)?.record.name == record.name,
            _ => true,
        };
        Ok(if same_name && same_key {
            KeyCreated::Written
        } else {
            KeyCreated::Taken
        })
    }

    /// AP14 Deletes the key of this name and its last use, together. `false`: there was none.
    ///
    /// # Errors
    /// [`Error::Conflict`] when others wrote the same name each time it was tried; otherwise as for every write.
    pub async fn delete_key(&self, name: &KeyName, look: &Look) -> Result<bool, Error> {
        let key = Key::key_name(name);
        for _ in 0..TRIES {
            let Some(named) = self.key_name_item(name).await? else {
                return Ok(false);
            };
            let Head { version, by, .. } = &named.head;
            let token = token_of(&[&look.by, &key.pk, by]);
            let delete = |key, condition| Write::Delete { key, condition };
            let writes = [
                delete(key.clone(), Condition::same(*version, by)),
                delete(Key::api_key(&named.sha256), Condition::any()),
                delete(Key::key_use(&named.id), Condition::any()),
            ];
            match self.transact(&writes, &token).await?.into_iter().next() {
                // The name is another key's by now.
                Some(Outcome::Refused(Some(_))) => {}
                // Gone by this hand, also when its answer was lost, or by another's since it was read.
                _ => return Ok(true),
            }
        }
        Err(Error::Conflict(Cause::boxed(
            "delete",
            "the key was written by others at the same time",
        )))
    }

    /// AP14 Keys, the newest first: at most `limit` of them, from the position `after`.
    ///
    /// # Errors
    /// [`Error::Rejected`] when `after` is no position; otherwise as for every read.
    pub async fn keys(&self, limit: usize, after: Option<&str>) -> Result<Page<ListedKey>, Error> {
        let proposed = self.propose_one(keys::API_KEYS, limit, after).await?;
        let wanted: Result<Vec<Key>, Error> = proposed.keys.iter().map(|key| key_row(key)).collect();
        let rows = self.batch_get(&wanted?).await?;
        let mut items = rows.into_iter().map(decode::<KeyItem>).collect::<Result<Vec<_>, _>>()?;
        items.sort_by(|one, other| one.list_key.cmp(&other.list_key));
        let uses = self.key_uses(items.iter().map(|item| &item.record.id)).await?;
        let listed = items.into_iter().map(|item| ListedKey {
            last_used_at: uses.get(&item.record.id).copied(),
            record: item.record,
        });
        Ok(Page {
            items: listed.collect(),
            next: proposed.next,
        })
    }

    async fn key_uses(&self, ids: impl Iterator<Item = &KeyId>) -> Result<HashMap<KeyId, Timestamp>, Error> {
        let wanted: Vec<Key> = ids.map(Key::key_use).collect();
        let rows = self.batch_get(&wanted).await?;
        let uses = rows.into_iter().map(|row| {
            let item: KeyUseItem = decode(row)?;
            Ok((item.id.clone(), item.used_at()?))
        });
        uses.collect()
    }

    /// AP14 Notes that the key of this id is used, unless that was noted less than [`limits::KEY_USE_EVERY`] ago. The
    /// answer is when it was noted last, to the second.
    ///
    /// # Errors
    /// As for every write.
    pub async fn note_key_use(&self, id: &KeyId, look: &Look) -> Result<Timestamp, Error> {
        let item = KeyUseItem::new(id, look);
        let unused = Condition::absent_or_unused_since(look.now.as_second() - limits::KEY_USE_EVERY.as_secs() as i64);
        match self.put(&encode(&item)?, &unused).await? {
            Outcome::Refused(Some(noted)) => decode::<KeyUseItem>(noted)?.used_at(),
            Outcome::Done | Outcome::Refused(None) => item.used_at(),
        }
    }
}

fn key_row(list_key: &str) -> Result<Key, Error> {
    let sha256 = keys::split_position(list_key).map(|(_, sha256)| Key::api_key(sha256));
    sha256.ok_or_else(|| Error::corrupt("list", "a key without a digest"))
}
