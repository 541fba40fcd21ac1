//! Preloads: the image of a template onto the nodes of a cell. As with applications, whoever looks takes the row, does
//! the step that `domain` asks for, and records it.

use cluster_client::{Error as ClusterError, Removal};
use domain::limits::{PRELOAD_NODES_MAX, STEPS_MAX, WORK_MAX};
use domain::{
    CellName, Look, NodeImage, Preload, PreloadRun, PreloadState, PreloadStep, PreloadTrouble, TemplateName,
    due_after_failure, due_after_take, due_soon, may_use,
};
use jiff::Timestamp;
use net::Scope;
use store::{NextDue, Row, WriteError};

use crate::advance::step_of;
use crate::{Error, HomeCell, Lifecycle};

/// How often a start is tried again when others keep moving the row.
const START_TRIES_MAX: usize = 4;

/// When a step's row is looked at again.
enum Then {
    /// At once.
    GoOn,
    /// Soon: there may be something new.
    Soon,
    /// At this instant.
    At(Timestamp),
    /// Later and later: the step failed for now.
    Later,
    /// Never.
    Never,
}

impl Lifecycle {
    /// Begins to preload `run` in one cell, and as much of it as this look has time for. Where the same is being loaded
    /// already, that goes on; where something else is, this begins once that is removed.
    ///
    /// # Errors
    /// [`Error::Overtaken`] when others moved the row at every try; [`Error::Store`] when it could not be written.
    pub async fn start_preload(
        &self,
        template: &TemplateName,
        cell: &CellName,
        run: &PreloadRun,
        look: &Look,
    ) -> Result<Row<Preload>, Error> {
        for number in 0..START_TRIES_MAX {
            let look_of_try = step_of(look, format!("preload-{cell}-start-{number}"));
            let old = self.store.preload(template, cell).await?;
            let next = match &old {
                None => Preload::new(template.clone(), cell.clone(), run.clone()),
                Some(row) => match row.value.asked(run) {
                    Some(next) => next,
                    None => return Ok(self.advance_preload_or_keep(row.clone(), look).await),
                },
            };
            // Who is at work on a former preload keeps its time; a new one is this look's own.
            let ongoing = old.as_ref().and_then(|row| Some((row.due_at?, row.attempt)));
            let (at, attempt) = ongoing.unwrap_or((due_after_take(look.now, 0), 0));
            let due = Some(NextDue { at, attempt });
            match self.store.put_preload(old.as_ref(), &next, due, &look_of_try).await {
                Ok(row) if ongoing.is_some() => return Ok(self.advance_preload_or_keep(row, look).await),
                Ok(row) => {
                    let written = row.clone();
                    return Ok(kept(written, self.work_on_preload(row, look).await));
                }
                Err(WriteError::Overtaken) => {}
                Err(WriteError::Store(error)) => return Err(error.into()),
            }
        }
        Err(Error::Overtaken)
    }

    /// Brings the preload of a template in one cell on, if it is due. Nothing when there is no such preload.
    ///
    /// # Errors
    /// As [`Lifecycle::advance_preload`].
    pub async fn advance_preload_by_name(
        &self,
        template: &TemplateName,
        cell: &CellName,
        look: &Look,
    ) -> Result<Option<Row<Preload>>, Error> {
        match self.store.preload(template, cell).await? {
            Some(row) => self.advance_preload(row, look).await.map(Some),
            None => Ok(None),
        }
    }

    /// Brings a preload on as far as possible in this look, if it is due: of many lookers, the one whose take is first
    /// does the work and the others get the row as it is.
    ///
    /// # Errors
    /// [`enum@Error`]; what was not recorded is done again by the next look.
    pub async fn advance_preload(&self, row: Row<Preload>, look: &Look) -> Result<Row<Preload>, Error> {
        if row.due_at.is_none_or(|due_at| due_at > look.now) {
            return Ok(row);
        }
        let taken = NextDue {
            at: due_after_take(look.now, row.attempt),
            attempt: row.attempt.saturating_add(1),
        };
        let look_of_take = step_of(look, format!("preload-{}-take", row.value.cell));
        match self
            .store
            .put_preload(Some(&row), &row.value, Some(taken), &look_of_take)
            .await
        {
            Ok(taken) => self.work_on_preload(taken, look).await,
            Err(WriteError::Overtaken) => self.reread_preload(&row.value).await,
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }

    /// Brings a preload on where it is due; a failure leaves it as it was read, for the next look.
    pub async fn advance_preload_or_keep(&self, row: Row<Preload>, look: &Look) -> Row<Preload> {
        let read = row.clone();
        kept(read, self.advance_preload(row, look).await)
    }

    /// Does the steps of a row that this look has taken.
    async fn work_on_preload(&self, row: Row<Preload>, look: &Look) -> Result<Row<Preload>, Error> {
        let scope = Scope::current().unwrap_or_else(|| Scope::lasting(WORK_MAX));
        net::within(scope.at_most(WORK_MAX), Box::pin(self.preload_steps(row, look))).await
    }

    async fn preload_steps(&self, mut row: Row<Preload>, look: &Look) -> Result<Row<Preload>, Error> {
        for number in 0..STEPS_MAX {
            let look = step_of(look, format!("preload-{}-step-{number}", row.value.cell));
            let (next, then) = self.preload_step(&row.value, &look).await?;
            let goes_on = matches!(then, Then::GoOn);
            let due = due(&row, then, &look);
            row = match self.store.put_preload(Some(&row), &next, due, &look).await {
                Ok(written) => written,
                Err(WriteError::Overtaken) => return self.overtaken(&next).await,
                Err(WriteError::Store(error)) => return Err(error.into()),
            };
            if !goes_on {
                break;
            }
        }
        Ok(row)
    }

    /// Does the one step that the preload needs next: what it has become, and when to look again.
    async fn preload_step(&self, preload: &Preload, look: &Look) -> Result<(Preload, Then), Error> {
        let home = self.home_of(&preload.cell)?;
        Ok(match preload.next_step(look.now) {
            PreloadStep::MakeNamespace => match home.cluster.make_preload(preload).await {
                Ok(made) => (preload.loading(made.namespace_uid), Then::GoOn),
                Err(error) => trouble(preload, &error, look),
            },
            PreloadStep::Load => match load(home, preload, look).await {
                Ok(next) if next.next_step(look.now) == PreloadStep::Clear => (next, Then::GoOn),
                Ok(next) => (next, Then::Soon),
                Err(error) => trouble(preload, &error, look),
            },
            PreloadStep::Abandon => (preload.given_up(None, look.now), Then::GoOn),
            PreloadStep::Clear => clear(home, preload, look).await,
            PreloadStep::Nothing => (preload.clone(), Then::Never),
        })
    }

    /// The row as it is now, after somebody else moved it. What this look made goes where nobody will come for it.
    async fn overtaken(&self, ours: &Preload) -> Result<Row<Preload>, Error> {
        let row = self.reread_preload(ours).await?;
        let made = matches!(ours.state, PreloadState::Loading { .. });
        let is_over = row.value.current.id != ours.current.id || matches!(row.value.state, PreloadState::Done { .. });
        if let (true, true, Ok(home)) = (made, is_over, self.home_of(&ours.cell)) {
            let _ = home
                .cluster
                .delete_preload(&ours.current.id, ours.namespace_uid())
                .await;
        }
        Ok(row)
    }

    async fn reread_preload(&self, preload: &Preload) -> Result<Row<Preload>, Error> {
        let row = self.store.preload(&preload.template, &preload.cell).await?;
        row.ok_or(Error::Gone)
    }
}

/// Looks at the nodes that the template may use and at their pods, and makes the pods that are missing.
async fn load(home: &HomeCell, preload: &Preload, look: &Look) -> Result<Preload, ClusterError> {
    let mut pods = home.cluster.observe_preload(preload).await?;
    let nodes = home.cluster.nodes().await?.into_iter();
    let usable = nodes
        .filter(|node| may_use(&preload.current.workload, node))
        .map(|node| node.name);
    let usable: Vec<String> = usable.collect();
    let has_image = |node: &String| preload.nodes.get(node) == Some(&NodeImage::Pulled);
    let missing = usable
        .iter()
        .filter(|node| !pods.contains_key(*node) && !has_image(node));
    let missing: Vec<String> = missing.cloned().collect();
    if usable.len() <= PRELOAD_NODES_MAX {
        pods.extend(home.cluster.make_preload_pods(preload, missing).await?);
    }
    let seen = usable.into_iter().map(|node| {
        let image = pods.remove(&node).unwrap_or(NodeImage::Waiting);
        (node, image)
    });
    Ok(preload.seen(seen.collect(), look.now))
}

/// Deletes the namespace, or says how far that is.
async fn clear(home: &HomeCell, preload: &Preload, look: &Look) -> (Preload, Then) {
    let deleted = home
        .cluster
        .delete_preload(&preload.current.id, preload.namespace_uid())
        .await;
    match deleted {
        Ok(Removal::Going) => (preload.clone(), Then::Soon),
        Ok(Removal::Gone | Removal::NotOurs) => match preload.makers_done_at().filter(|at| look.now < *at) {
            Some(at) => (preload.clone(), Then::At(at)),
            None => {
                let next = preload.cleared();
                let is_done = matches!(next.state, PreloadState::Done { .. });
                (next, if is_done { Then::Never } else { Then::GoOn })
            }
        },
        Err(ClusterError::OutOfTime) => (preload.clone(), Then::Soon),
        Err(error) => {
            net::note("deleting a preload's namespace", &error);
            (preload.clone(), Then::Later)
        }
    }
}

/// What a call that did not work means for the preload that it was made for.
fn trouble(preload: &Preload, error: &ClusterError, look: &Look) -> (Preload, Then) {
    use ClusterError as E;
    if matches!(error, E::OutOfTime) {
        return (preload.clone(), Then::Soon);
    }
    net::note("preloading", error);
    let lasting = match error {
        E::Terminating => return (preload.begun_again(look.now), Then::GoOn),
        E::Refused { message } => {
            let message = message.clone();
            return (
                preload.given_up(Some(PreloadTrouble::Refused { message }), look.now),
                Then::GoOn,
            );
        }
        E::NotOurs => return (preload.given_up(Some(PreloadTrouble::NotOurs), look.now), Then::GoOn),
        E::Identity { .. } | E::Rejected(_) => PreloadTrouble::ClusterUnusable,
        E::OutOfTime | E::Unreachable(_) => PreloadTrouble::ClusterUnreachable,
    };
    (preload.troubled(lasting, look.now), Then::Later)
}

fn due(row: &Row<Preload>, then: Then, look: &Look) -> Option<NextDue> {
    let (at, attempt) = match then {
        Then::GoOn => (due_after_take(look.now, 0), 0),
        Then::Soon => (due_soon(look.now), 0),
        Then::At(at) => (at, 0),
        // A take has counted this try already; only a start begins without one.
        Then::Later => (
            due_after_failure(look.now, row.attempt.saturating_sub(1)),
            row.attempt.max(1),
        ),
        Then::Never => return None,
    };
    Some(NextDue { at, attempt })
}

/// What became of the row, or the row as it was when that could not be done or recorded.
fn kept(before: Row<Preload>, after: Result<Row<Preload>, Error>) -> Row<Preload> {
    after.unwrap_or_else(|error| {
        net::note("bringing a preload on", &error);
        before
    })
}
