//! The loop: ask, do, record, ask again.

use domain::limits::{STEPS_MAX, WORK_MAX};
use domain::{Application, Figure, Look, Next, due_after_failure, due_after_take, next};
use futures::FutureExt;
use jiff::Timestamp;
use net::Scope;
use store::{NextDue, Row, WriteError};

use crate::meter::{count, count_change};
use crate::{Error, Lifecycle};

/// What a step left behind.
pub(crate) enum Progress {
    /// There may be more to do at once.
    On(Row<Application>),
    /// Nothing more can be done for now; the row says when to look again.
    Rest(Row<Application>),
}

/// Whose turn a look was.
#[derive(Debug)]
pub enum Turn {
    /// This look brought the row on, or found that nothing was due.
    Ours(Row<Application>),
    /// Somebody else took the row first; this is what they made of it so far.
    Theirs(Row<Application>),
}

impl Turn {
    /// The row, whoever brought it on.
    pub fn into_row(self) -> Row<Application> {
        match self {
            Turn::Ours(row) | Turn::Theirs(row) => row,
        }
    }
}

impl Lifecycle {
    /// Brings an application on as far as possible in this look, if it is due: of many lookers, the one whose take is
    /// first does the work and the others get the row as it is. What runs is judged by nobody here: that is done for all
    /// of a cell together, under its brake.
    ///
    /// # Errors
    /// [`enum@Error`]; what was not recorded is done again by the next look.
    pub async fn advance(&self, row: Row<Application>, look: &Look) -> Result<Turn, Error> {
        let is_due = row.due_at.is_some_and(|due_at| due_at <= look.now);
        if !is_due || next(&row.value, look.now) == Next::AskLastUse {
            return Ok(Turn::Ours(row));
        }
        let until = due_after_take(look.now, row.attempt);
        match self.store.take(&row, until, &step_of(look, "take")).await {
            Ok(taken) => Ok(Turn::Ours(self.work(taken, look).await?)),
            Err(WriteError::Overtaken) => Ok(Turn::Theirs(self.reread(&row.value.id, look).await?)),
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }

    /// Does the steps of a row that this look has taken: up to a number of them, and never for so long that somebody
    /// else may have taken it.
    pub(crate) async fn work(&self, row: Row<Application>, look: &Look) -> Result<Row<Application>, Error> {
        let scope = Scope::current().unwrap_or_else(|| Scope::lasting(WORK_MAX));
        net::within(scope.at_most(WORK_MAX), self.steps(row, look)).await
    }

    async fn steps(&self, mut row: Row<Application>, look: &Look) -> Result<Row<Application>, Error> {
        for number in 0..STEPS_MAX {
            let look = step_of(look, number);
            match self.step(row, &look).await? {
                Progress::On(moved) => row = moved,
                Progress::Rest(resting) => return Ok(resting),
            }
        }
        Ok(row)
    }

    /// Each step is boxed: together they would take much of a thread's stack.
    async fn step(&self, row: Row<Application>, look: &Look) -> Result<Progress, Error> {
        match next(&row.value, look.now) {
            Next::MakeObjects => self.make_objects(row, look).boxed().await,
            Next::ObservePod => self.observe_pod(row, look).boxed().await,
            Next::CheckSpare => self.check_spare(row, look).boxed().await,
            Next::Entomb(outcome, reason) => self.entomb(row, outcome, reason, look).boxed().await,
            Next::RemoveRoute => self.remove_route(row, look).boxed().await,
            Next::DeleteNamespace => self.delete_namespace(row, look).boxed().await,
            Next::AwaitGone => self.await_gone(row, look).boxed().await,
            Next::AskLastUse | Next::Nothing => Ok(Progress::Rest(row)),
        }
    }

    /// Records `next` and goes on working on it.
    pub(crate) async fn record_and_go_on(
        &self,
        row: &Row<Application>,
        next: &Application,
        look: &Look,
    ) -> Result<Progress, Error> {
        self.recorded(row, next, due_at_once(look), look)
            .await
            .map(|(row, ours)| if ours { Progress::On(row) } else { Progress::Rest(row) })
    }

    /// Records `next`, to be looked at again at `at`.
    pub(crate) async fn record_and_rest(
        &self,
        row: &Row<Application>,
        next: &Application,
        at: Timestamp,
        look: &Look,
    ) -> Result<Progress, Error> {
        let due = NextDue { at, attempt: 0 };
        self.recorded(row, next, due, look)
            .await
            .map(|(row, _)| Progress::Rest(row))
    }

    /// Records `next` of a step that failed for now: it is tried again later and later.
    pub(crate) async fn record_failure(
        &self,
        row: &Row<Application>,
        next: &Application,
        look: &Look,
    ) -> Result<Progress, Error> {
        count(Figure::StepsTriedAgain, 1.0);
        // A take has counted this try already; only a launch begins without one.
        let due = NextDue {
            at: due_after_failure(look.now, row.attempt.saturating_sub(1)),
            attempt: row.attempt.max(1),
        };
        self.recorded(row, next, due, look)
            .await
            .map(|(row, _)| Progress::Rest(row))
    }

    /// Records `next`. The flag says whether it is this look's write that stands; otherwise the row is what somebody
    /// else made of it.
    pub(crate) async fn recorded(
        &self,
        row: &Row<Application>,
        next: &Application,
        due: NextDue,
        look: &Look,
    ) -> Result<(Row<Application>, bool), Error> {
        match self.store.record(row, next, due, look).await {
            Ok(written) => {
                count_change(&row.value, &written.value);
                Ok((written, true))
            }
            Err(WriteError::Overtaken) => Ok((self.reread(&row.value.id, look).await?, false)),
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }
}

/// When somebody must come back to what this look goes on with at once.
pub(crate) fn due_at_once(look: &Look) -> NextDue {
    NextDue {
        at: due_after_take(look.now, 0),
        attempt: 0,
    }
}

/// The same look, stamped with one of its steps: a stamp is never used for two writes.
pub(crate) fn step_of(look: &Look, step: impl std::fmt::Display) -> Look {
    Look {
        now: look.now,
        by: format!("{}/{step}", look.by),
    }
}
