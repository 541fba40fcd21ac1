//! What is known of a cell: its brake, and how far its sweep has come.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Brake, CellName, Look, Sweep};
use futures::FutureExt;

use crate::items::Kind;
use crate::keys::Key;
use crate::rows::{Next, sort_key, value_row};
use crate::{Error, Row, Store, WriteError};

/// Rows under one cell's key.
const ROWS_MAX: i32 = 2;

/// The rows of a cell, as far as there are any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CellRows {
    /// Its brake.
    pub brake: Option<Row<Brake>>,
    /// Its sweep.
    pub sweep: Option<Row<Sweep>>,
}

impl Store {
    /// AP7 The rows of a cell, strongly consistent.
    ///
    /// # Errors
    /// As for every read.
    pub async fn cell_rows(&self, cell: &CellName) -> Result<CellRows, Error> {
        let (brake, sweep) = (Key::brake(cell), Key::sweep(cell));
        let request = self.client.query().table_name(&*self.table).consistent_read(true);
        let answer = request
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(brake.pk))
            .limit(ROWS_MAX)
            .send()
            .boxed()
            .await?;
        let mut rows = CellRows::default();
        for item in answer.items.unwrap_or_default() {
            match sort_key(&item) {
                Some(sk) if sk == brake.sk => rows.brake = value_row(Some(item))?,
                Some(sk) if sk == sweep.sk => rows.sweep = value_row(Some(item))?,
                _ => {}
            }
        }
        Ok(rows)
    }

    /// Writes a cell's brake over the one that was read, or where there was none.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when somebody else has written it since.
    pub async fn put_brake(
        &self,
        old: Option<&Row<Brake>>,
        next: &Brake,
        look: &Look,
    ) -> Result<Row<Brake>, WriteError> {
        let next = Next::new(Key::brake(&next.cell), Kind::Brake, next);
        self.put_value(old, next, look).await
    }

    /// Writes how far a cell's sweep has come over what was read, or where there was nothing.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when somebody else has written it since.
    pub async fn put_sweep(
        &self,
        old: Option<&Row<Sweep>>,
        next: &Sweep,
        look: &Look,
    ) -> Result<Row<Sweep>, WriteError> {
        let next = Next::new(Key::sweep(&next.cell), Kind::Sweep, next);
        self.put_value(old, next, look).await
    }
}
