//! What people ask of environments.

use cluster_client::RoutingKeys;
use domain::{
    Environment, EnvironmentAsk, EnvironmentChange, EnvironmentEnd, EnvironmentName, EnvironmentState, HostName, Look,
    Refusal,
};
use store::{Binding, EnvironmentWritten, WriteError, made_as};

use crate::Error;
use crate::advance::{due_at_once, step_of};
use crate::environments::{EnvironmentRow, Environments, TRIES};

/// What became of an environment that was asked for.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is what is asked for; it is moved once"
)]
pub enum Asked {
    /// It is written, and made as far as this look came.
    Made(EnvironmentRow),
    /// There is one of its name.
    Exists,
    /// The one of its name is still being deleted.
    StillDeleting,
    /// An environment of another name has the same namespace.
    SharesNamespace(EnvironmentName),
    /// Another environment has this host name.
    HostTaken(HostName),
    /// The namespace is somebody else's.
    NamespaceTaken,
    /// The `Idempotency-Key` came with another body before.
    AnotherBody,
    /// What this `Idempotency-Key` made has ended since.
    Over,
    /// Somebody deleted it while it was made.
    Deleted,
}

/// What became of a change.
pub enum EnvironmentChanged {
    /// It is written, and done as far as this look came.
    Changed(EnvironmentRow),
    /// There is no such environment.
    Unknown,
    /// It is being deleted.
    Deleting(EnvironmentRow),
    /// Another environment has this host name.
    HostTaken(HostName),
    /// A rule refuses it.
    Refused(Refusal),
}

impl Environments {
    /// Writes down an environment with these routing keys, claims its host names, and makes it as far as this look comes.
    /// `nonce` is random and never used twice.
    ///
    /// # Errors
    /// [`Error::Overtaken`] when others moved its row at every try; [`Error::Store`].
    pub async fn create(
        &self,
        ask: &EnvironmentAsk,
        (keys, nonce): (&RoutingKeys, [u8; 12]),
        binding: Option<&Binding>,
        look: &Look,
    ) -> Result<Asked, Error> {
        let namespace = ask.name.namespace();
        let cell = self.0.lifecycle.cells().next().ok_or(Error::NoCell)?.cell.name.clone();
        for number in 0..TRIES {
            let old = self.store().environment(&namespace).await?;
            let last = old.as_ref().map(|row| row.value.generation);
            let there = old.as_ref().map(|row| &row.value).filter(|old| !old.has_ended());
            if let Some(there) = there {
                // It may be what the same key made a moment ago.
                return Ok(match self.asked_before(binding, look).await? {
                    Some(asked) => asked,
                    None if there.name != ask.name => Asked::SharesNamespace(there.name.clone()),
                    None if there.is_live() => Asked::Exists,
                    None => Asked::StillDeleting,
                });
            }
            let next = Environment::new(ask.clone(), cell.clone(), String::new(), last, look.now);
            let next = self.sealed(next, keys, nonce);
            let look_of_try = step_of(look, format!("create-{number}"));
            let put = self
                .store()
                .put_environment(old.as_ref(), &next, Some(due_at_once(look)), binding, &look_of_try);
            match put.await {
                Ok(EnvironmentWritten::Written(row)) => {
                    return Ok(made(self.worked(row, look).await, Asked::Deleted));
                }
                Ok(EnvironmentWritten::HostTaken(host)) => return Ok(Asked::HostTaken(host)),
                Ok(EnvironmentWritten::Bound(_)) => {
                    return Ok(self.asked_before(binding, look).await?.unwrap_or(Asked::Over));
                }
                Err(WriteError::Overtaken) => {}
                Err(WriteError::Store(error)) => return Err(error.into()),
            }
        }
        Err(Error::Overtaken)
    }

    /// What an `Idempotency-Key` has made already, brought on as far as this look comes. Whoever asks for an environment
    /// looks for that first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn asked_before(&self, binding: Option<&Binding>, look: &Look) -> Result<Option<Asked>, Error> {
        let Some(binding) = binding else { return Ok(None) };
        let Some(bound) = self.store().binding(binding, look.now).await? else {
            return Ok(None);
        };
        if bound.body_sha256 != binding.body_sha256 {
            return Ok(Some(Asked::AnotherBody));
        }
        let namespace = bound.made.split_once('#').map(|(namespace, _)| namespace.to_owned());
        let namespace = namespace.and_then(|namespace| domain::NamespaceName::parse(&namespace).ok());
        let row = match namespace {
            Some(namespace) => self.store().environment(&namespace).await?,
            None => None,
        };
        Ok(Some(match row.filter(|row| made_as(&row.value) == bound.made) {
            Some(row) if row.value.is_live() => made(self.advance(row, look).await?, Asked::Over),
            _ => Asked::Over,
        }))
    }

    /// Changes an environment, claims and frees host names, and does what its namespace must follow as far as this look
    /// comes.
    ///
    /// # Errors
    /// As for [`Environments::create`].
    pub async fn change(
        &self,
        name: &EnvironmentName,
        change: &EnvironmentChange,
        look: &Look,
    ) -> Result<EnvironmentChanged, Error> {
        self.written(name, look, |environment| Ok(environment.changed(change)))
            .await
    }

    /// Gives an environment other routing keys. `nonce` is random and never used twice.
    ///
    /// # Errors
    /// As for [`Environments::create`].
    pub async fn rotate(
        &self,
        name: &EnvironmentName,
        (keys, nonce): (&RoutingKeys, [u8; 12]),
        look: &Look,
    ) -> Result<EnvironmentChanged, Error> {
        self.written(name, look, |environment| {
            let sealed = self.sealed(environment.clone(), keys, nonce).sealed_keys;
            Ok(environment.rotated(sealed))
        })
        .await
    }

    /// Deletes an environment: its tombstone first, then its namespace as far as this look comes.
    ///
    /// # Errors
    /// As for [`Environments::create`].
    pub async fn delete(&self, name: &EnvironmentName, look: &Look) -> Result<EnvironmentChanged, Error> {
        let deleted = self.written(name, look, |environment| environment.deleted(look.now));
        match deleted.await? {
            // To ask for it once more is to see how far it is.
            EnvironmentChanged::Deleting(row) => Ok(EnvironmentChanged::Changed(self.advance(row, look).await?)),
            done => Ok(done),
        }
    }

    async fn written(
        &self,
        name: &EnvironmentName,
        look: &Look,
        next: impl Fn(&Environment) -> Result<Environment, Refusal>,
    ) -> Result<EnvironmentChanged, Error> {
        for number in 0..TRIES {
            let row = self.store().environment(&name.namespace()).await?;
            let row = row.filter(|row| row.value.name == *name && !row.value.has_ended());
            let Some(row) = row else {
                return Ok(EnvironmentChanged::Unknown);
            };
            if !row.value.is_live() {
                return Ok(EnvironmentChanged::Deleting(row));
            }
            let next = match next(&row.value) {
                Ok(next) => next,
                Err(refusal) => return Ok(EnvironmentChanged::Refused(refusal)),
            };
            let look_of_try = step_of(look, format!("change-{number}"));
            let put = self
                .store()
                .put_environment(Some(&row), &next, Some(due_at_once(look)), None, &look_of_try);
            match put.await {
                Ok(EnvironmentWritten::HostTaken(host)) => return Ok(EnvironmentChanged::HostTaken(host)),
                Ok(EnvironmentWritten::Written(row)) => {
                    return Ok(EnvironmentChanged::Changed(self.worked(row, look).await));
                }
                Ok(EnvironmentWritten::Bound(_)) | Err(WriteError::Overtaken) => {}
                Err(WriteError::Store(error)) => return Err(error.into()),
            }
        }
        Err(Error::Overtaken)
    }
}

/// What became of an environment whose row is now so; `ended` where it ends by now.
fn made(row: EnvironmentRow, ended: Asked) -> Asked {
    match &row.value.state {
        EnvironmentState::Live => Asked::Made(row),
        // It was never made.
        EnvironmentState::Ending { why, .. } | EnvironmentState::Ended { why, .. } if *why == EnvironmentEnd::Taken => {
            Asked::NamespaceTaken
        }
        EnvironmentState::Ending { .. } | EnvironmentState::Ended { .. } => ended,
    }
}
