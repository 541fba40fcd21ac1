//! The brake on culling many at once.
//!
//! A judgement may be wrong for everybody at the same time: a proxy that tells nonsense, a clock that jumped. So what is
//! judged to have no use is only a candidate until the brake has ruled over all candidates of a cell together. Promises,
//! such as the maximum age, are not judged and know no brake.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::application::after;
use crate::limits::{BRAKE_LEAST, BRAKE_SHARE, BRAKE_STRAYS_KEPT, BRAKE_WINDOW};
use crate::{CellName, Counts};

/// What is known of one cell's brake. Whoever wants to cull reserves it here first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Brake {
    /// The cell.
    pub cell: CellName,
    /// When the counting of [`Brake::culled`] began.
    pub window_started: Timestamp,
    /// Culls by judgement that were reserved since, without those that were confirmed.
    #[serde(default)]
    pub culled: u64,
    /// Since when, and how much, waits to be confirmed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tripped: Option<Tripped>,
    /// What may be culled all the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed: Option<Confirmed>,
    /// Judged things without a row, which cannot say themselves that they wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strays: Option<Strays>,
}

/// The brake holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Tripped {
    /// Since when.
    pub since: Timestamp,
    /// How many wait.
    pub waiting: u64,
    /// How many lived when that was ruled last, those that wait among them.
    pub live: u64,
}

/// An operator's word that what was judged is right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Confirmed {
    /// For what was judged then or earlier.
    pub before: Timestamp,
    /// How many more it allows.
    pub left: u64,
}

/// Judged things without a row that wait, such as routes that nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Strays {
    /// How many, as far as was asked last.
    pub number: u64,
    /// When they were judged first.
    pub since: Timestamp,
    /// When they were asked about last.
    pub asked_at: Timestamp,
}

/// An application that was judged to have no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// When it was judged so first.
    pub since: Timestamp,
    /// Whether it waits under the brake already.
    pub held: bool,
}

/// What the brake says to those who asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruling {
    /// The brake as it is from now on. Nothing is culled before this is written.
    pub brake: Brake,
    /// For each suspect, in the order of the question, whether it may be culled. The others wait.
    pub may_cull: Vec<bool>,
}

impl Brake {
    /// The brake of a cell in which nothing was culled yet.
    pub fn new(cell: CellName, now: Timestamp) -> Self {
        Self {
            cell,
            window_started: now,
            culled: 0,
            tripped: None,
            confirmed: None,
            strays: None,
        }
    }

    /// Whether what lives must be counted before [`Brake::rule`] can rule: few are culled without that, where nothing
    /// waits. `asked` is the number of candidates.
    pub fn wants_counts(&self, asked: u64, now: Timestamp) -> bool {
        let current = self.at(now);
        current.tripped.is_some() || current.culled + asked + current.strays_waiting() > BRAKE_LEAST
    }

    /// Rules over all candidates of the cell together. All may be culled, unless they are too many together with what
    /// was culled in the window and what waits already: then only what is confirmed, the longest judged first.
    /// Without `counts`, which is right only where [`Brake::wants_counts`] says so, nothing else lives or waits.
    pub fn rule(&self, suspects: &[Suspect], counts: Option<Counts>, now: Timestamp) -> Ruling {
        let current = self.at(now);
        let asked = suspects.len() as u64;
        let counts = counts.unwrap_or(Counts { living: asked, held: 0 });
        let held = suspects.iter().filter(|suspect| suspect.held).count() as u64;
        let others = counts.held.saturating_sub(held) + current.strays_waiting();
        if current.allows(asked + others, counts.living) {
            let culled = current.culled + asked;
            let brake = Brake {
                culled,
                tripped: None,
                confirmed: None,
                ..current
            };
            let may_cull = vec![true; suspects.len()];
            return Ruling { brake, may_cull };
        }
        let may_cull = current.confirmed_of(suspects);
        let confirmed = may_cull.iter().filter(|may| **may).count() as u64;
        let brake = current
            .spent(confirmed)
            .tripped(asked - confirmed + others, counts.living, now);
        Ruling { brake, may_cull }
    }

    /// The same for `number` judged things without a row: all of them, none, or as many as are confirmed. Gives the
    /// brake as it is from now on, and how many may be removed.
    pub fn rule_strays(&self, number: u64, counts: Option<Counts>, now: Timestamp) -> (Brake, u64) {
        let since = self.at(now).strays.map_or(now, |strays| strays.since);
        let current = Brake {
            strays: None,
            ..self.at(now)
        };
        let counts = counts.unwrap_or_default();
        if current.allows(number + counts.held, counts.living) {
            let culled = current.culled + number;
            let brake = Brake {
                culled,
                tripped: None,
                confirmed: None,
                ..current
            };
            return (brake, number);
        }
        let confirmed = current.confirmed.as_ref().filter(|confirmed| since <= confirmed.before);
        let may = confirmed.map_or(0, |confirmed| confirmed.left.min(number));
        let waiting = number - may;
        let strays = (waiting > 0).then_some(Strays {
            number: waiting,
            since,
            asked_at: now,
        });
        let brake = current.spent(may).tripped(waiting + counts.held, counts.living, now);
        (Brake { strays, ..brake }, may)
    }

    /// The same brake with an operator's word: what was judged at `before` or earlier may be culled, `at_most` of it. The
    /// same word again does not allow it twice while any of it is left.
    pub fn confirmed(&self, before: Timestamp, at_most: u64) -> Self {
        let said = self.confirmed.as_ref().filter(|said| said.before == before);
        let left = said.map_or(at_most, |said| said.left.min(at_most));
        Self {
            confirmed: Some(Confirmed { before, left }),
            ..self.clone()
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> u64 {
        self.tripped.as_ref().map_or(0, |tripped| tripped.waiting)
    }

    /// The same brake at `now`: the window begins again when it is over, and what nobody asked about for long does not
    /// wait any more.
    fn at(&self, now: Timestamp) -> Self {
        let mut current = self.clone();
        if now >= after(self.window_started, BRAKE_WINDOW) {
            (current.window_started, current.culled) = (now, 0);
        }
        current.strays = current
            .strays
            .filter(|strays| now < after(strays.asked_at, BRAKE_STRAYS_KEPT));
        current
    }

    /// Whether `more` may be culled where `living` live.
    fn allows(&self, more: u64, living: u64) -> bool {
        let total = self.culled.saturating_add(more);
        let base = living.saturating_add(self.culled);
        total <= BRAKE_LEAST || total.saturating_mul(100) <= base.saturating_mul(BRAKE_SHARE)
    }

    fn strays_waiting(&self) -> u64 {
        self.strays.as_ref().map_or(0, |strays| strays.number)
    }

    /// Which of `suspects` an operator has confirmed.
    fn confirmed_of(&self, suspects: &[Suspect]) -> Vec<bool> {
        let mut may_cull = vec![false; suspects.len()];
        let Some(confirmed) = &self.confirmed else {
            return may_cull;
        };
        let mut order: Vec<usize> = (0..suspects.len())
            .filter(|index| suspects[*index].since <= confirmed.before)
            .collect();
        order.sort_by_key(|index| suspects[*index].since);
        let left = usize::try_from(confirmed.left).unwrap_or(usize::MAX);
        for index in order.into_iter().take(left) {
            may_cull[index] = true;
        }
        may_cull
    }

    /// The same brake with `number` less to confirm.
    fn spent(self, number: u64) -> Self {
        let confirmed = self.confirmed.map(|confirmed| Confirmed {
            left: confirmed.left.saturating_sub(number),
            ..confirmed
        });
        Self {
            confirmed: confirmed.filter(|confirmed| confirmed.left > 0),
            ..self
        }
    }

    /// The same brake, holding while anything waits.
    fn tripped(self, waiting: u64, live: u64, now: Timestamp) -> Self {
        let since = self.tripped.as_ref().map_or(now, |tripped| tripped.since);
        let tripped = (waiting > 0).then_some(Tripped { since, waiting, live });
        Self { tripped, ..self }
    }
}

#[cfg(test)]
mod tests;
