//! What a run is asked for.

use api::Code;
use domain::CellName;
use domain::limits::CONFIRM_MAX;
use gateway::{Call, Problem, TableAndCells};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What a run is asked for. The schedule's own event asks for nothing.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(crate) struct Ask {
    /// Only plan, and print the plan.
    pub(crate) dry_run: bool,
    /// Let go of a cell's brake first.
    pub(crate) confirm: Option<Confirm>,
    /// Whatever else stands there.
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// An operator's word that what was judged in a cell is right.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Confirm {
    /// The cell.
    cell: CellName,
    /// For what was judged then or earlier; now, unless it says so.
    before: Option<Timestamp>,
    /// How much of it.
    at_most: u64,
}

impl Ask {
    /// Reads the event.
    ///
    /// # Errors
    /// 400 for a field that is not known, which a typing error in `dry-run` would be, or has no sense here.
    pub(crate) fn of(call: &Call) -> Result<Self, Problem> {
        let ask: Self = call.body()?;
        // What EventBridge sends has fields of its own, which say nothing to this function.
        let is_scheduled = ask.rest.contains_key("detail-type");
        match ask.rest.keys().next().filter(|_| !is_scheduled) {
            Some(unknown) => Err(refused(format!(
                "A run knows no '{unknown}': it is asked for with 'dry-run', 'confirm', both absent, or not at all"
            ))),
            None if ask.dry_run && ask.confirm.is_some() => Err(refused(
                "A dry run changes nothing, so it cannot confirm anything".into(),
            )),
            None => Ok(ask),
        }
    }
}

impl Confirm {
    /// Writes it to the cell's brake.
    ///
    /// # Errors
    /// 400 for an unknown cell, an instant in the future, and a number that is out of range.
    pub(crate) async fn write(&self, powers: &TableAndCells, call: &Call) -> Result<(), Problem> {
        let look = call.look();
        let before = self.before.unwrap_or(look.now);
        if !powers.cells.iter().any(|cell| cell.name == self.cell) {
            let known: Vec<&str> = powers.cells.iter().map(|cell| cell.name.as_str()).collect();
            let (cell, known) = (&self.cell, known.join("', '"));
            return Err(refused(format!(
                "There is no cell '{cell}' to confirm for; there is '{known}'"
            )));
        }
        if before > look.now {
            return Err(refused(format!(
                "'before' is {before}, which is in the future: what is confirmed was judged at that time or earlier"
            )));
        }
        if !(1..=CONFIRM_MAX).contains(&self.at_most) {
            return Err(refused(format!(
                "'at-most' is {}: it is a whole number from 1 to {CONFIRM_MAX}",
                self.at_most
            )));
        }
        powers
            .lifecycle
            .confirm(&self.cell, before, self.at_most, &look)
            .await?;
        Ok(())
    }
}

fn refused(why: String) -> Problem {
    Problem::new(Code::MalformedRequest, why)
}
