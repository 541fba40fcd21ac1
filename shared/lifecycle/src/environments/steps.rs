//! An environment's steps: whoever looks takes the row, does what is next, and records it.

use cluster_client::{Applied, EnvironmentRemoval, Error as ClusterError};
use domain::limits::{STEPS_MAX, WORK_MAX};
use domain::{
    Environment, EnvironmentEnd, EnvironmentStep, Look, due_after_failure, due_after_take, due_soon,
    next_for_environment,
};
use jiff::Timestamp;
use net::Scope;
use store::{EnvironmentWritten, NextDue, WriteError};

use crate::advance::step_of;
use crate::environments::{EnvironmentRow, Environments};
use crate::{Error, HomeCell};

/// When an environment is looked at again after a step.
enum Then {
    /// At once.
    GoOn,
    /// Soon: there may be something new.
    Soon,
    /// Later and later: the step failed for now.
    Later,
}

impl Environments {
    /// Brings an environment on as far as possible in this look, if it is due: of many lookers, the one whose take is
    /// first does the work and the others get the row as it is.
    ///
    /// # Errors
    /// [`enum@Error`]; what was not recorded is done again by the next look.
    pub async fn advance(&self, row: EnvironmentRow, look: &Look) -> Result<EnvironmentRow, Error> {
        if row.due_at.is_none_or(|due_at| due_at > look.now) {
            return Ok(row);
        }
        let taken = NextDue {
            at: not_after_end(&row.value, due_after_take(look.now, row.attempt), look),
            attempt: row.attempt.saturating_add(1),
        };
        match self
            .record(&row, &row.value, Some(taken), &step_of(look, "environment-take"))
            .await?
        {
            (taken, true) => self.work(taken, look).await,
            (theirs, false) => Ok(theirs),
        }
    }

    /// Does the steps of a row that this look has taken.
    pub(super) async fn work(&self, row: EnvironmentRow, look: &Look) -> Result<EnvironmentRow, Error> {
        let scope = Scope::current().unwrap_or_else(|| Scope::lasting(WORK_MAX));
        net::within(scope.at_most(WORK_MAX), Box::pin(self.steps(row, look))).await
    }

    async fn steps(&self, mut row: EnvironmentRow, look: &Look) -> Result<EnvironmentRow, Error> {
        for number in 0..STEPS_MAX {
            let look = step_of(look, format!("environment-step-{number}"));
            let home = self.0.lifecycle.home_of(&row.value.cell)?;
            let next = next_for_environment(&row.value, look.now);
            let (changed, then) = match next {
                EnvironmentStep::Wait(_) | EnvironmentStep::Nothing => (row.value.clone(), Then::GoOn),
                EnvironmentStep::End(ref why) => (row.value.ending(why.clone(), look.now), Then::GoOn),
                EnvironmentStep::Apply => self.apply(home, &row.value, &look).await?,
                EnvironmentStep::Remove => remove(home, &row.value, &look).await,
            };
            let goes_on = matches!(then, Then::GoOn) && !is_at_rest(&changed, &look);
            let due = due(&row, &changed, then, &look);
            let (written, is_ours) = self.record(&row, &changed, due, &look).await?;
            if !is_ours && next == EnvironmentStep::Apply {
                self.take_back(home, &changed, &written).await;
            }
            row = written;
            if !is_ours || !goes_on {
                break;
            }
        }
        Ok(row)
    }

    /// Makes an environment's namespace be what was asked last, with the pods of its deployments or without.
    async fn apply(
        &self,
        home: &HomeCell,
        environment: &Environment,
        look: &Look,
    ) -> Result<(Environment, Then), Error> {
        let keys = self.keys(environment)?;
        let applied = match home.cluster.apply_environment(environment, &keys, &self.0.rules).await {
            // In a namespace that is new there is nothing to be put to sleep.
            Ok(Applied::Done { namespace_uid }) if environment.applied.is_some() => {
                let scaled = home.cluster.scale_deployments(environment).await;
                scaled.map(|()| Applied::Done { namespace_uid })
            }
            applied => applied,
        };
        Ok(match applied {
            Ok(Applied::Done { namespace_uid }) => (environment.applied(namespace_uid), Then::GoOn),
            Ok(Applied::Late) => (
                environment.troubled("something later was asked of an environment of its name"),
                Then::Later,
            ),
            Err(ClusterError::NotOurs) if environment.applied.is_none() => {
                (environment.ending(EnvironmentEnd::Taken, look.now), Then::GoOn)
            }
            Err(ClusterError::Terminating) => (
                environment.troubled("an earlier namespace of its name is still being deleted"),
                Then::Soon,
            ),
            Err(error) => failed(environment, &error),
        })
    }

    /// Removes what a look may have made that was so slow that its environment is not wanted any more.
    async fn take_back(&self, home: &HomeCell, made: &Environment, now: &EnvironmentRow) {
        if now.value.is_live() {
            return;
        }
        let uid = made.namespace_uid.as_deref();
        if let Err(error) = home.cluster.remove_environment(&made.name, made.born, uid).await {
            net::note("removing what was made too late", &error);
        }
    }

    /// Records what has become of a row. The flag says whether it is this look's write that stands; otherwise the row is
    /// what somebody else made of it.
    pub(super) async fn record(
        &self,
        row: &EnvironmentRow,
        next: &Environment,
        due: Option<NextDue>,
        look: &Look,
    ) -> Result<(EnvironmentRow, bool), Error> {
        match self.store().put_environment(Some(row), next, due, None, look).await {
            Ok(EnvironmentWritten::Written(written)) => Ok((written, true)),
            // Neither is asked for here.
            Ok(EnvironmentWritten::HostTaken(_) | EnvironmentWritten::Bound(_)) | Err(WriteError::Overtaken) => {
                Ok((self.reread(row, look).await?, false))
            }
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }
}

/// Deletes an environment's namespace, or sees how far that is.
async fn remove(home: &HomeCell, environment: &Environment, look: &Look) -> (Environment, Then) {
    let uid = environment.namespace_uid.as_deref();
    match home
        .cluster
        .remove_environment(&environment.name, environment.born, uid)
        .await
    {
        Ok(EnvironmentRemoval::NotOurs) if uid.is_some() => (
            environment.troubled("its namespace has lost the labels that say whose it is; put them back, or delete it"),
            Then::Later,
        ),
        Ok(EnvironmentRemoval::Gone | EnvironmentRemoval::NotOurs) => (environment.ended(look.now), Then::GoOn),
        Ok(EnvironmentRemoval::Going { why: None }) => (environment.clone(), Then::Soon),
        Ok(EnvironmentRemoval::Going { why: Some(why) }) => (environment.troubled(&why), Then::Later),
        Err(error) => failed(environment, &error),
    }
}

fn failed(environment: &Environment, error: &ClusterError) -> (Environment, Then) {
    net::note("an environment's namespace", error);
    (environment.troubled(&error.sentence()), Then::Later)
}

fn is_at_rest(environment: &Environment, look: &Look) -> bool {
    let next = next_for_environment(environment, look.now);
    matches!(next, EnvironmentStep::Wait(_) | EnvironmentStep::Nothing)
}

/// `at`, or before it the moment when the environment ends by itself: that is a promise, whatever fails meanwhile.
fn not_after_end(environment: &Environment, at: Timestamp, look: &Look) -> Timestamp {
    let end = environment.ends_at().filter(|end| *end > look.now);
    end.map_or(at, |end| end.min(at))
}

/// When somebody must come back to what an environment has become.
fn due(row: &EnvironmentRow, changed: &Environment, then: Then, look: &Look) -> Option<NextDue> {
    let at = |at| Some(NextDue { at, attempt: 0 });
    match then {
        Then::Later => Some(NextDue {
            at: not_after_end(changed, due_after_failure(look.now, row.attempt), look),
            attempt: row.attempt,
        }),
        Then::Soon => at(due_soon(look.now)),
        Then::GoOn => match next_for_environment(changed, look.now) {
            EnvironmentStep::Nothing => None,
            EnvironmentStep::Wait(until) => at(until),
            _ => at(due_after_take(look.now, 0)),
        },
    }
}
