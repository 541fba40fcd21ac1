//! From a tombstone to a record.

use cluster_client::{Presence, Removal};
use domain::{Application, EndingStep, Look, Outcome, Reason, State, due_soon};
use store::{Row, WriteError};

use crate::advance::{Progress, step_of};
use crate::trouble::Trouble;
use crate::{Error, Lifecycle};

/// How often a stop is tried again when others keep moving the row.
const STOP_TRIES_MAX: usize = 3;

impl Lifecycle {
    /// Ends an application at a caller's word, and as much of it as this look has time for. What has a tombstone
    /// already only goes on ending.
    ///
    /// # Errors
    /// [`Error::Overtaken`] when others moved the row at every try; [`Error::Store`].
    pub async fn stop(&self, row: Row<Application>, by: &str, look: &Look) -> Result<Row<Application>, Error> {
        let mut row = row;
        for number in 0..STOP_TRIES_MAX {
            if !row.value.is_live() {
                return Ok(self.advance(row, look).await?.into_row());
            }
            let reason = Reason::Stopped { by: by.to_owned() };
            let look_of_try = step_of(look, format!("stop-{number}"));
            match self.entomb(row, Outcome::Deleted, reason, &look_of_try).await? {
                Progress::On(entombed) => return self.work(entombed, look).await,
                Progress::Rest(moved) => row = moved,
            }
        }
        Err(Error::Overtaken)
    }

    /// Writes the tombstone.
    pub(crate) async fn entomb(
        &self,
        row: Row<Application>,
        outcome: Outcome,
        reason: Reason,
        look: &Look,
    ) -> Result<Progress, Error> {
        let tombstone = row.value.entombed(outcome, reason, look.now);
        self.record_and_go_on(&row, &tombstone, look).await
    }

    pub(crate) async fn remove_route(&self, row: Row<Application>, look: &Look) -> Result<Progress, Error> {
        match self.home(&row.value)?.routes.remove(&row.value.id).await {
            Ok(()) => {
                self.record_and_go_on(&row, &at_step(&row.value, EndingStep::Namespace), look)
                    .await
            }
            Err(error) => {
                net::note("removing the route", &error);
                self.record_trouble(&row, Trouble::from(&error), look).await
            }
        }
    }

    pub(crate) async fn delete_namespace(&self, row: Row<Application>, look: &Look) -> Result<Progress, Error> {
        let application = &row.value;
        match self
            .home(application)?
            .cluster
            .delete_namespace(&application.id, application.namespace_uid())
            .await
        {
            Ok(Removal::Gone | Removal::NotOurs) => self.finish(row, look).await,
            Ok(Removal::Going) => {
                self.record_and_rest(&row, &at_step(application, EndingStep::Gone), due_soon(look.now), look)
                    .await
            }
            Err(error) => {
                net::note("deleting the namespace", &error);
                self.record_trouble(&row, Trouble::from(&error), look).await
            }
        }
    }

    pub(crate) async fn await_gone(&self, row: Row<Application>, look: &Look) -> Result<Progress, Error> {
        let application = &row.value;
        match self
            .home(application)?
            .cluster
            .namespace(&application.id, application.namespace_uid())
            .await
        {
            Ok(Presence::Gone | Presence::NotOurs) => self.finish(row, look).await,
            Ok(Presence::Going) => {
                self.record_and_rest(&row, &row.value.clone(), due_soon(look.now), look)
                    .await
            }
            Ok(Presence::There) => {
                self.record_and_go_on(&row, &at_step(application, EndingStep::Namespace), look)
                    .await
            }
            Err(error) => {
                net::note("looking for the namespace", &error);
                self.record_trouble(&row, Trouble::from(&error), look).await
            }
        }
    }

    /// The terminal write: only the record is left.
    async fn finish(&self, row: Row<Application>, look: &Look) -> Result<Progress, Error> {
        let Some(last) = row.value.finished(look.now) else {
            return Ok(Progress::Rest(row));
        };
        if let Some(at) = row.value.makers_done_at().filter(|at| look.now < *at) {
            let again = at_step(&row.value, EndingStep::Route);
            return self.record_and_rest(&row, &again, at, look).await;
        }
        match self.store.finish(&row, &last, look).await {
            Ok(row) => Ok(Progress::Rest(row)),
            Err(WriteError::Overtaken) => Ok(Progress::Rest(self.reread(&row.value.id, look).await?)),
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }
}

/// The same ending, at `step`.
fn at_step(application: &Application, step: EndingStep) -> Application {
    let mut next = application.clone();
    if let State::Ending { step: current, .. } = &mut next.state {
        *current = step;
    }
    next
}
