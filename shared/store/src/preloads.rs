//! Preloads: what a template's preload is doing, or came to, in each cell.

use domain::{CellName, Lane, Look, Preload, TemplateName, shard_of};

use crate::items::{Kind, decode};
use crate::keys::{self, Key};
use crate::rows::{Next, ValueItem};
use crate::{Error, NextDue, Row, Store, WriteError};

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
        let items = self
            .batch_get(&keys)
            .await?
            .into_iter()
            .map(decode::<ValueItem<Preload>>);
        items.map(|item| item.map(ValueItem::into_row)).collect()
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
        let lane = Lane::Applications(next.cell.clone());
        let part = keys::due_part(&lane, shard_of(&next.current.id));
        let key = Key::preload(&next.template, &next.cell);
        self.put_value(old, Next::new(key, Kind::Preload, next).due(part, due), look)
            .await
    }
}
