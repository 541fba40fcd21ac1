//! The launch itself.

use std::time::Duration;

use domain::{
    Application, ApplicationId, Counter, Lane, Limit, Look, Millis, Template, due_after_take, due_soon, expected_end,
    retry_after,
};
use futures::future::try_join_all;
use jiff::Timestamp;
use store::{Binding, Bound, Launched, Row};

use crate::advance::step_of;
use crate::{Error, Lifecycle};

/// Applications of a template that are looked at to tell which ends next.
const OLDEST: usize = 50;

/// A launch as somebody asked for it.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    /// The application's id, unless a spare is taken, which has its own.
    pub id: &'a ApplicationId,
    /// What is launched.
    pub template: &'a Template,
    /// Inactivity after which it is culled, instead of the template's.
    pub cull_timeout: Option<Millis>,
    /// Age at which it ends, instead of the template's.
    pub max_age: Option<Millis>,
    /// The `Idempotency-Key` that it came with.
    pub binding: Option<&'a Binding>,
}

/// What became of a launch.
#[derive(Debug)]
pub enum LaunchAnswer {
    /// It is written down, and begun as far as the cluster allowed. Also for the same `Idempotency-Key` again.
    Launched(Box<Row<Application>>),
    /// The `Idempotency-Key` was used with another body.
    KeyReused,
    /// What the `Idempotency-Key` made has ended since.
    KeyEnded,
    /// There is no room. Nothing is written, and no key is bound.
    Full(Full),
    /// There is no cell to launch into.
    NoCell,
}

/// Why there is no room, and when there may be some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Full {
    /// The limit that is reached.
    pub limit: Limit,
    /// How long to wait before another try.
    pub retry_after: Duration,
}

impl Lifecycle {
    /// Writes an application's row (with what its `Idempotency-Key` binds to, in one transaction) in the first cell
    /// that has room, makes what can be made at once, and does not wait for the pod. Once the row is written a dead
    /// cluster is no failure: the row says why it is pending, and the next look goes on.
    ///
    /// # Errors
    /// [`Error::Store`] when the row could not be written: then nothing was made and no key is bound.
    pub async fn launch(&self, ask: &Ask<'_>, look: &Look) -> Result<LaunchAnswer, Error> {
        let Ask {
            template,
            cull_timeout,
            max_age,
            ..
        } = *ask;
        let due_at = due_after_take(look.now, 0);
        let mut full = None;
        for home in self.cells() {
            let cell = &home.cell;
            let application = Application::launch(ask.id.clone(), template, cell, cull_timeout, max_age, look.now);
            let limits = self.quotas.for_launch(template, &cell.name);
            let look_of_try = step_of(look, format!("launch@{}", cell.name));
            let launched = self
                .store
                .launch(&application, due_at, &look_of_try, ask.binding, &limits)
                .await?;
            match launched {
                Launched::Written(row) => return Ok(LaunchAnswer::Launched(Box::new(self.begin(row, look).await))),
                Launched::Bound(bound) => return self.bound(&bound, ask, look).await,
                Launched::Full(counter) => full = limits.into_iter().find(|limit| limit.counter == counter),
            }
            if full.as_ref().is_some_and(|limit| !limit.counter.is_of_cell()) {
                break;
            }
        }
        match full {
            Some(limit) => Ok(self.full(limit, ask.id, look).await),
            None => Ok(LaunchAnswer::NoCell),
        }
    }

    /// The `Idempotency-Key` of `ask` is bound already.
    pub(crate) async fn bound(&self, bound: &Bound, ask: &Ask<'_>, look: &Look) -> Result<LaunchAnswer, Error> {
        match ask.binding {
            Some(asked) => self.replay(bound, asked, look).await,
            None => Ok(LaunchAnswer::KeyReused),
        }
    }

    /// There is no room under `limit`.
    pub(crate) async fn full(&self, limit: Limit, id: &ApplicationId, look: &Look) -> LaunchAnswer {
        let next = self.next_end(&limit.counter, look).await.unwrap_or_else(|error| {
            net::note("looking for what ends next", &error);
            None
        });
        let retry_after = retry_after(next, id, look.now);
        LaunchAnswer::Full(Full { limit, retry_after })
    }

    /// When something that `counter` counts ends or moves on next, as far as that can be told.
    async fn next_end(&self, counter: &Counter, look: &Look) -> Result<Option<Timestamp>, Error> {
        let lanes: Vec<Lane> = match counter {
            Counter::Template(name) => {
                let living = self.store.oldest_of(name, OLDEST, look.now).await?;
                return Ok(living.iter().filter_map(|one| expected_end(one, look.now)).min());
            }
            // What starts is ready, or has failed, long before anything that runs ends.
            Counter::Starts(_) => return Ok(Some(due_soon(look.now))),
            Counter::Cell(cell) => vec![Lane::Applications(cell.clone())],
            Counter::All => {
                let cells = self.cells().map(|home| home.cell.name.clone());
                cells.map(Lane::Applications).collect()
            }
        };
        let next = try_join_all(lanes.iter().map(|lane| self.store.next_to_end(lane, look.now))).await?;
        Ok(next
            .iter()
            .flatten()
            .filter_map(|one| expected_end(one, look.now))
            .min())
    }

    /// What an `Idempotency-Key` made before, if anything: for a launch whose template has gone since.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn launched_before(&self, asked: &Binding, look: &Look) -> Result<Option<LaunchAnswer>, Error> {
        match self.store.binding(asked, look.now).await? {
            Some(bound) => self.replay(&bound, asked, look).await.map(Some),
            None => Ok(None),
        }
    }

    /// The row was written, so the launch stands, whatever happens to its first step.
    async fn begin(&self, row: Row<Application>, look: &Look) -> Row<Application> {
        let written = row.clone();
        self.work(row, look).await.unwrap_or_else(|error| {
            net::note("beginning a launch", &error);
            written
        })
    }

    /// The same key again: with the same body the same application, brought on if its first launcher left it.
    async fn replay(&self, bound: &Bound, asked: &Binding, look: &Look) -> Result<LaunchAnswer, Error> {
        if asked.body_sha256 != bound.body_sha256 {
            return Ok(LaunchAnswer::KeyReused);
        }
        let Ok(id) = ApplicationId::parse(&bound.made) else {
            return Ok(LaunchAnswer::KeyEnded);
        };
        match self.store.application(&id, look.now).await? {
            Some(row) if row.value.is_live() => {
                let row = self.advance_or_keep(row, look).await;
                Ok(LaunchAnswer::Launched(Box::new(row)))
            }
            _ => Ok(LaunchAnswer::KeyEnded),
        }
    }

    /// Brings a row on where it is due; a failure leaves it as it was read, for the next look.
    pub async fn advance_or_keep(&self, row: Row<Application>, look: &Look) -> Row<Application> {
        let read = row.clone();
        match self.advance(row, look).await {
            Ok(turn) => turn.into_row(),
            Err(error) => {
                net::note("bringing an application on", &error);
                read
            }
        }
    }
}
