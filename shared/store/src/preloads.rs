//! Preloads: what a template's preload is doing, or came to, in each cell.

use domain::{CellName, Lane, Look, Preload, TemplateName, shard_of};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::items::{FIRST_VERSION, Head, Kind, decode, encode};
use crate::keys::{self, Key};
use crate::request::{Condition, Outcome};
use crate::{Error, NextDue, Row, Store, WriteError};

/// A preload's row. `state` and `cell` are strings at the top, because the index carries them.
#[derive(Debug, Serialize, Deserialize)]
struct PreloadItem {
    #[serde(flatten)]
    head: Head,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_part: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_since: Option<Timestamp>,
    #[serde(default)]
    attempt: u32,
    #[serde(flatten)]
    preload: Preload,
}

impl PreloadItem {
    fn new(old: Option<&Row<Preload>>, preload: &Preload, due: Option<NextDue>, look: &Look) -> Self {
        let key = Key::preload(&preload.template, &preload.cell);
        let version = old.map_or(FIRST_VERSION, |row| row.version + 1);
        let mut item = Self {
            head: Head::new(&key, Kind::Preload, version, look),
            due_part: None,
            due_key: None,
            due_since: None,
            attempt: 0,
            preload: preload.clone(),
        };
        if let Some(NextDue { at, attempt }) = due {
            let before = old.and_then(|row| row.due_since).filter(|_| attempt > 0);
            let lane = Lane::Applications(preload.cell.clone());
            item.due_part = Some(keys::due_part(&lane, shard_of(&preload.current.id)));
            item.due_key = Some(keys::due_key(at, &keys::due_name(&key)));
            item.due_since = Some(keys::whole_millis(before.unwrap_or(at)));
            item.attempt = attempt;
        }
        item
    }

    fn into_row(self) -> Row<Preload> {
        let due_at = self.due_key.as_deref().and_then(keys::split_due_key).map(|(at, _)| at);
        Row {
            value: self.preload,
            version: self.head.version,
            due_at,
            due_since: self.due_since,
            attempt: self.attempt,
            by: self.head.by,
        }
    }
}

impl Store {
    /// AP17 The preload of a template in one cell, strongly consistent.
    ///
    /// # Errors
    /// As for every read.
    pub async fn preload(&self, template: &TemplateName, cell: &CellName) -> Result<Option<Row<Preload>>, Error> {
        Ok(self.preloads(template, [cell]).await?.pop())
    }

    /// AP17 The preloads of a template in these cells, strongly consistent, in any order: those that there are.
    ///
    /// # Errors
    /// As for every read.
    pub async fn preloads(
        &self,
        template: &TemplateName,
        cells: impl IntoIterator<Item = &CellName>,
    ) -> Result<Vec<Row<Preload>>, Error> {
        let keys: Vec<Key> = cells.into_iter().map(|cell| Key::preload(template, cell)).collect();
        let items = self.batch_get(&keys).await?.into_iter().map(decode::<PreloadItem>);
        items.map(|item| item.map(PreloadItem::into_row)).collect()
    }

    /// W1, W2 Writes a preload over the row that was read, or where there is none, and when somebody must come back to
    /// it, if anybody must. Of many writers over one version one succeeds. Such a row is never deleted.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] for the others.
    pub async fn put_preload(
        &self,
        old: Option<&Row<Preload>>,
        next: &Preload,
        due: Option<NextDue>,
        look: &Look,
    ) -> Result<Row<Preload>, WriteError> {
        let item = PreloadItem::new(old, next, due, look);
        let condition = match old {
            None => Condition::absent(),
            Some(row) => Condition::version(row.version),
        };
        let stored = match self.put(&encode(&item)?, &condition).await? {
            Outcome::Done => return Ok(item.into_row()),
            Outcome::Refused(stored) => stored.map(decode::<PreloadItem>).transpose()?,
        };
        let own = |stored: &PreloadItem| stored.head.by == look.by && stored.head.version == item.head.version;
        stored
            .filter(own)
            .map(PreloadItem::into_row)
            .ok_or(WriteError::Overtaken)
    }
}
