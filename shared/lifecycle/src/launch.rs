//! The launch itself.

use domain::{Application, ApplicationId, Look, due_after_take};
use store::{Binding, Bound, Launched, Row};

use crate::advance::step_of;
use crate::{Error, Lifecycle};

/// What became of a launch.
#[derive(Debug)]
pub enum LaunchAnswer {
    /// It is written down, and begun as far as the cluster allowed. Also for the same `Idempotency-Key` again.
    Launched(Box<Row<Application>>),
    /// The `Idempotency-Key` was used with another body.
    KeyReused,
    /// What the `Idempotency-Key` made has ended since.
    KeyEnded,
}

impl Lifecycle {
    /// Writes an application's row (with what its `Idempotency-Key` binds to, in one transaction), makes what can be
    /// made at once, and does not wait for the pod. Once the row is written a dead cluster is no failure: the row says
    /// why it is pending, and the next look goes on.
    ///
    /// # Errors
    /// [`Error::Store`] when the row could not be written: then nothing was made and no key is bound.
    pub async fn launch(
        &self,
        application: &Application,
        binding: Option<&Binding>,
        look: &Look,
    ) -> Result<LaunchAnswer, Error> {
        self.home(application)?;
        let due_at = due_after_take(look.now, 0);
        let launched = self
            .store
            .launch(application, due_at, &step_of(look, "launch"), binding)
            .await?;
        match (launched, binding) {
            (Launched::Written(row), _) => Ok(LaunchAnswer::Launched(Box::new(self.begin(row, look).await))),
            (Launched::Bound(bound), Some(asked)) => self.replay(&bound, asked, look).await,
            (Launched::Bound(_), None) => Ok(LaunchAnswer::KeyReused),
        }
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
