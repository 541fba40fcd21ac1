//! Rows as they are read and written, and the small ones that are nothing but a value.

use domain::Look;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::items::{FIRST_VERSION, Head, Item, Kind, decode, encode};
use crate::keys::Key;
use crate::request::{Condition, Outcome};
use crate::{Error, Store, WriteError};

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

/// A row that is nothing but its value, perhaps with a place in a list.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ValueItem<T> {
    #[serde(flatten)]
    head: Head,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list_part: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) list_key: Option<String>,
    #[serde(flatten)]
    value: T,
}

impl<T> ValueItem<T> {
    pub(crate) fn into_row(self) -> Row<T> {
        Row {
            value: self.value,
            version: self.head.version,
            due_at: None,
            due_since: None,
            attempt: 0,
            by: self.head.by,
        }
    }
}

/// What is to be written of a value.
pub(crate) struct Next<'a, T> {
    pub(crate) key: Key,
    pub(crate) kind: Kind,
    /// Partition and sort key in the `list` index.
    pub(crate) listed: Option<(String, String)>,
    pub(crate) value: &'a T,
}

impl Store {
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
        let (version, condition) = match old {
            None => (FIRST_VERSION, Condition::absent()),
            Some(row) => (row.version + 1, Condition::same(row.version, &row.by)),
        };
        let (list_part, list_key) = next.listed.unzip();
        let item = ValueItem {
            head: Head::new(&next.key, next.kind, version, look),
            list_part,
            list_key,
            value: next.value.clone(),
        };
        match self.put(&encode(&item)?, &condition).await? {
            Outcome::Done => Ok(item.into_row()),
            Outcome::Refused(old) => {
                let old: Option<ValueItem<T>> = old.map(decode).transpose()?;
                let own = |old: &ValueItem<T>| old.head.by == look.by && old.head.version == version;
                old.filter(own).map(ValueItem::into_row).ok_or(WriteError::Overtaken)
            }
        }
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
