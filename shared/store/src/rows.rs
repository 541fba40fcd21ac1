//! Rows as they are read and written, and the small ones that are nothing but a value.

use domain::Look;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::items::{FIRST_VERSION, Head, Item, Kind, decode, encode};
use crate::keys::{self, Key};
use crate::merge::Proposed;
use crate::request::{Condition, Outcome};
use crate::transact::Write;
use crate::{Error, NextDue, Page, Store, WriteError};

/// A row as it was read or written: the value, and what deciding about it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<T> {
    /// What it says.
    pub value: T,
    /// How often it has been written. Every write is conditional on the version that was read.
    pub version: u64,
    /// When somebody else must take over, to the millisecond; none once nobody must.
    pub due_at: Option<Timestamp>,
    /// Since when it has been due without an actor finishing; does not move with takes.
    pub due_since: Option<Timestamp>,
    /// Tries that failed in a row.
    pub attempt: u32,
    /// Who wrote it last: [`Look::by`].
    pub by: String,
}

/// A row that is nothing but its value and its places in the indexes.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ValueItem<T> {
    #[serde(flatten)]
    head: Head,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_part: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_since: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "is_zero")]
    attempt: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list_part: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) list_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    free_part: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    free_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forget_at: Option<i64>,
    #[serde(flatten)]
    value: T,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl<T> ValueItem<T> {
    /// Whether the row counts as absent at `now`.
    pub(crate) fn is_forgotten(&self, now: Timestamp) -> bool {
        self.forget_at.is_some_and(|second| second <= now.as_second())
    }

    pub(crate) fn into_row(self) -> Row<T> {
        let due_at = self.due_key.as_deref().and_then(keys::split_due_key).map(|(at, _)| at);
        Row {
            value: self.value,
            version: self.head.version,
            due_at,
            due_since: self.due_since,
            attempt: self.attempt,
            by: self.head.by,
        }
    }
}

/// What is to be written of a value.
pub(crate) struct Next<'a, T> {
    key: Key,
    kind: Kind,
    value: &'a T,
    due: Option<(String, NextDue)>,
    listed: Option<(String, String)>,
    free: Option<(String, String)>,
    forget_at: Option<i64>,
}

impl<'a, T> Next<'a, T> {
    pub(crate) fn new(key: Key, kind: Kind, value: &'a T) -> Self {
        Self {
            key,
            kind,
            value,
            due: None,
            listed: None,
            free: None,
            forget_at: None,
        }
    }

    /// Somebody must come back to it, if anybody must, and then in this partition of the `due` index.
    pub(crate) fn due(self, part: String, due: Option<NextDue>) -> Self {
        Self {
            due: due.map(|due| (part, due)),
            ..self
        }
    }

    /// Its partition and sort key in the `list` index.
    pub(crate) fn listed(self, part: impl Into<String>, key: String) -> Self {
        Self {
            listed: Some((part.into(), key)),
            ..self
        }
    }

    /// Its partition and sort key in the `free` index, while it can be taken.
    pub(crate) fn free_at(self, place: Option<(String, String)>) -> Self {
        Self { free: place, ..self }
    }

    /// The second from which on it counts as absent.
    pub(crate) fn forgotten_at(self, second: i64) -> Self {
        Self {
            forget_at: Some(second),
            ..self
        }
    }
}

/// A value's write over the row that was read, or where there was none: a row that has come or moved on since is left
/// alone.
pub(crate) struct Prepared<T> {
    item: ValueItem<T>,
    condition: Condition,
}

impl<T> Prepared<T>
where
    T: Clone + Serialize + DeserializeOwned,
{
    pub(crate) fn new(old: Option<&Row<T>>, next: Next<'_, T>, look: &Look) -> Self {
        let (version, condition) = match old {
            None => (FIRST_VERSION, Condition::absent()),
            Some(row) => (row.version + 1, Condition::same(row.version, &row.by)),
        };
        Self::under(condition, version, old, next, look)
    }

    /// A write over whatever is there: it stands in a transaction with one that has a condition.
    pub(crate) fn beside(next: Next<'_, T>, look: &Look) -> Self {
        Self::under(Condition::any(), FIRST_VERSION, None, next, look)
    }

    /// A write where there is nothing, or what is forgotten.
    pub(crate) fn where_absent_or_forgotten(next: Next<'_, T>, look: &Look) -> Self {
        let condition = Condition::absent_or_forgotten(look.now.as_second());
        Self::under(condition, FIRST_VERSION, None, next, look)
    }

    fn under(condition: Condition, version: u64, old: Option<&Row<T>>, next: Next<'_, T>, look: &Look) -> Self {
        let due_key = |due: &NextDue| keys::due_key(due.at, &keys::due_name(&next.key));
        let (list_part, list_key) = next.listed.clone().unzip();
        let (free_part, free_key) = next.free.clone().unzip();
        let item = ValueItem {
            head: Head::new(&next.key, next.kind, version, look),
            due_key: next.due.as_ref().map(|(_, due)| due_key(due)),
            due_since: next.due.as_ref().map(|(_, due)| {
                let before = old.and_then(|row| row.due_since).filter(|_| due.attempt > 0);
                keys::whole_millis(before.unwrap_or(due.at))
            }),
            attempt: next.due.as_ref().map_or(0, |(_, due)| due.attempt),
            due_part: next.due.map(|(part, _)| part),
            list_part,
            list_key,
            free_part,
            free_key,
            forget_at: next.forget_at,
            value: next.value.clone(),
        };
        Self { item, condition }
    }

    /// The write, for a transaction.
    pub(crate) fn write(&self) -> Result<Write, Error> {
        Ok(Write::Put {
            item: encode(&self.item)?,
            condition: self.condition.clone(),
        })
    }

    /// What is there after the write had this outcome.
    pub(crate) fn settled(self, outcome: Outcome, look: &Look) -> Result<Row<T>, WriteError> {
        match outcome {
            Outcome::Done => Ok(self.item.into_row()),
            Outcome::Refused(old) => {
                let old: Option<ValueItem<T>> = old.map(decode).transpose()?;
                let own = |old: &ValueItem<T>| old.head.by == look.by && old.head.version == self.item.head.version;
                old.filter(own).map(ValueItem::into_row).ok_or(WriteError::Overtaken)
            }
        }
    }
}

impl Store {
    /// The rows that an index proposes for one page, in its order. `key` is that of what has this name.
    pub(crate) async fn listed<T: DeserializeOwned>(
        &self,
        proposed: Proposed,
        key: impl Fn(&str) -> Option<Key>,
    ) -> Result<Page<Row<T>>, Error> {
        let named = |position: &String| {
            let key = keys::split_position(position).and_then(|(_, name)| key(name));
            key.ok_or_else(|| Error::corrupt("list", "a position without a name"))
        };
        let wanted = proposed.keys.iter().map(named).collect::<Result<Vec<Key>, Error>>()?;
        let items = self.batch_get(&wanted).await?.into_iter().map(decode::<ValueItem<T>>);
        let mut items = items.collect::<Result<Vec<_>, _>>()?;
        items.sort_by(|one, other| one.list_key.cmp(&other.list_key));
        Ok(Page {
            items: items.into_iter().map(ValueItem::into_row).collect(),
            next: proposed.next,
        })
    }

    /// Writes a value over the row that was read, or where there is none: a row that has come or moved on since is
    /// left alone.
    pub(crate) async fn put_value<T>(
        &self,
        old: Option<&Row<T>>,
        next: Next<'_, T>,
        look: &Look,
    ) -> Result<Row<T>, WriteError>
    where
        T: Clone + Serialize + DeserializeOwned,
    {
        let prepared = Prepared::new(old, next, look);
        let outcome = self.put(&encode(&prepared.item)?, &prepared.condition).await?;
        prepared.settled(outcome, look)
    }
}

/// The sort key of a row.
pub(crate) fn sort_key(item: &Item) -> Option<&str> {
    item.get("sk")?.as_s().ok().map(String::as_str)
}

/// The value's row in an item, if there is one.
pub(crate) fn value_row<T: DeserializeOwned>(item: Option<Item>) -> Result<Option<Row<T>>, Error> {
    let item = item.map(decode::<ValueItem<T>>).transpose()?;
    Ok(item.map(ValueItem::into_row))
}
