//! The launch itself.

use domain::{Application, ApplicationId, Look, due_after_take};
use store::{Binding, Launched, Row};

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
        match self
            .store
            .launch(application, due_at, &step_of(look, "launch"), binding)
            .await?
        {
            Launched::Written(row) => Ok(LaunchAnswer::Launched(Box::new(self.begin(row, look).await))),
            Launched::Bound(bound) => {
                if binding.is_some_and(|asked| asked.body_sha256 != bound.body_sha256) {
                    return Ok(LaunchAnswer::KeyReused);
                }
                self.replay(&bound.made, look).await
            }
        }
    }

    /// The row was written, so the launch stands, whatever happens to its first step.
    async fn begin(&self, row: Row<Application>, look: &Look) -> Row<Application> {
        let written = row.clone();
        self.work(row, look).await.unwrap_or(written)
    }

    /// The same key and body again: the same application, brought on if its first launcher left it.
    async fn replay(&self, made: &str, look: &Look) -> Result<LaunchAnswer, Error> {
        let Ok(id) = ApplicationId::parse(made) else {
            return Ok(LaunchAnswer::KeyEnded);
        };
        match self.store.application(&id, look.now).await? {
            Some(row) if row.value.is_live() => {
                let written = row.clone();
                let row = self.advance(row, look).await.unwrap_or(written);
                Ok(LaunchAnswer::Launched(Box::new(row)))
            }
            _ => Ok(LaunchAnswer::KeyEnded),
        }
    }
}
