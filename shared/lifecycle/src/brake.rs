//! The brake of a cell, on its row: whoever wants to remove what was judged reserves it there first.

use domain::limits::RULE_TRIES_MAX;
use domain::{Brake, CellName, Counts, Lane, Look, Ruling, Suspect};
use jiff::Timestamp;
use store::{Row, WriteError};

use crate::advance::step_of;
use crate::{Error, Lifecycle};

impl Lifecycle {
    /// Rules over all candidates of a cell together, and reserves what may be culled before it says so: two runs at
    /// once count each other's. `row` is the brake as it was read. Without suspects it rules whether the brake holds on.
    ///
    /// # Errors
    /// [`Error::Store`], and [`Error::Overtaken`] when others ruled at every try: then nobody is culled.
    pub async fn rule(
        &self,
        cell: &CellName,
        row: Option<Row<Brake>>,
        suspects: &[Suspect],
        look: &Look,
    ) -> Result<Ruling, Error> {
        let asked = suspects.len() as u64;
        let decide = |brake: &Brake, counts| {
            let ruling = brake.rule(suspects, counts, look.now);
            (ruling.brake, ruling.may_cull)
        };
        let (brake, may_cull) = self.reserve(cell, row, asked, look, decide).await?;
        Ok(Ruling { brake, may_cull })
    }

    /// How many of `number` things that were judged and have no row, such as routes that nobody knows, may be removed.
    /// They are reserved on the same row as culls.
    ///
    /// # Errors
    /// As [`Lifecycle::rule`]: then none may.
    pub async fn may_remove(&self, cell: &CellName, number: u64, look: &Look) -> Result<u64, Error> {
        if number == 0 {
            return Ok(0);
        }
        let row = self.store.cell_rows(cell).await?.brake;
        let decide = |brake: &Brake, counts| brake.rule_strays(number, counts, look.now);
        let (_, may) = self
            .reserve(cell, row, number, &step_of(look, "strays"), decide)
            .await?;
        Ok(may)
    }

    /// Writes an operator's word: what was judged at `before` or earlier may be culled, `at_most` of it.
    ///
    /// # Errors
    /// As [`Lifecycle::rule`]: then nothing is confirmed.
    pub async fn confirm(&self, cell: &CellName, before: Timestamp, at_most: u64, look: &Look) -> Result<(), Error> {
        let mut row = self.store.cell_rows(cell).await?.brake;
        for number in 0..RULE_TRIES_MAX {
            let confirmed = current(cell, row.as_ref(), look.now).confirmed(before, at_most);
            let look = step_of(look, format!("confirm-{number}"));
            match self.store.put_brake(row.as_ref(), &confirmed, &look).await {
                Ok(_) => return Ok(()),
                Err(WriteError::Overtaken) => row = self.store.cell_rows(cell).await?.brake,
                Err(WriteError::Store(error)) => return Err(error.into()),
            }
        }
        Err(Error::Overtaken)
    }

    /// Decides on the brake as it is and writes what follows, again where somebody else was first.
    async fn reserve<T>(
        &self,
        cell: &CellName,
        mut row: Option<Row<Brake>>,
        asked: u64,
        look: &Look,
        decide: impl Fn(&Brake, Option<Counts>) -> (Brake, T),
    ) -> Result<(Brake, T), Error> {
        let mut counts = None;
        for number in 0..RULE_TRIES_MAX {
            let brake = current(cell, row.as_ref(), look.now);
            if counts.is_none() && brake.wants_counts(asked, look.now) {
                let lane = Lane::Applications(cell.clone());
                counts = Some(self.store.count_living(&lane).await?);
            }
            let (next, said) = decide(&brake, counts);
            if next == brake {
                return Ok((next, said));
            }
            let look = step_of(look, format!("rule-{number}"));
            match self.store.put_brake(row.as_ref(), &next, &look).await {
                Ok(_) => return Ok((next, said)),
                Err(WriteError::Overtaken) => row = self.store.cell_rows(cell).await?.brake,
                Err(WriteError::Store(error)) => return Err(error.into()),
            }
        }
        Err(Error::Overtaken)
    }
}

/// The brake as it was read, or that of a cell in which nothing was culled yet.
fn current(cell: &CellName, row: Option<&Row<Brake>>, now: Timestamp) -> Brake {
    row.map_or_else(|| Brake::new(cell.clone(), now), |row| row.value.clone())
}
