//! What follows from a survey. Every repair is safe to repeat, and safe to be cut off before or after any of its calls.

use cluster_client::{Presence, Removal};
use domain::limits::WORK_MAX;
use domain::{
    Application, ApplicationId, CellName, Health, Look, Outcome, PodSeen, Reason, Repair, State, first_look, health,
};
use net::Scope;
use store::{Row, WriteError};

use crate::advance::{Progress, step_of};
use crate::{Error, Finding, HomeCell, Lifecycle};

/// What a repair came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mended {
    /// Nothing was to be done after all: a list was a moment old.
    Nothing,
    /// What had no record has one.
    Adopted,
    /// What came after the end is removed, or going.
    Cleared,
    /// What it ran in is gone, and it has failed.
    Failed,
    /// It says what is wrong with it.
    Troubled,
    /// It says no more that something is wrong with it.
    Recovered,
    /// Its route is made again.
    RouteMade,
    /// A route that nobody knows is removed.
    RouteRemoved,
    /// What was found without a record, and is of no use, ends.
    OrphanEnded,
    /// Others moved the row first, or the outside could not be asked: it is found again by the next survey.
    NotNow,
}

impl Lifecycle {
    /// Does what was found. What is a judgement ([`Repair::UnknownRoute`], [`Repair::UselessOrphan`]) is done at the
    /// caller's word that the brake allows it.
    ///
    /// # Errors
    /// [`enum@Error`]. What the cluster or the proxy refuses is noted, and [`Mended::NotNow`].
    pub async fn mend(&self, cell: &CellName, finding: Finding, look: &Look) -> Result<Mended, Error> {
        // An ending waits for whoever made a route again for no longer than this.
        let scope = Scope::current().unwrap_or_else(|| Scope::lasting(WORK_MAX));
        net::within(
            scope.at_most(WORK_MAX),
            Box::pin(self.mend_in_time(cell, finding, look)),
        )
        .await
    }

    async fn mend_in_time(&self, cell: &CellName, finding: Finding, look: &Look) -> Result<Mended, Error> {
        let home = self.home_of(cell)?;
        let Finding { id, row, repair } = finding;
        match (repair, row) {
            (
                Repair::Adopt {
                    template,
                    namespace_uid,
                },
                None,
            ) => {
                let orphan = Application::orphan(id, template, &home.cell, namespace_uid, look.now);
                let due_at = first_look(&orphan, look.now);
                self.store.adopt(&orphan, due_at, &step_of(look, "adopt")).await?;
                Ok(Mended::Adopted)
            }
            (Repair::UnknownRoute, None) => self.remove_unknown_route(home, &id, look).await,
            (Repair::ClearPreload { namespace_uid }, None) => {
                Ok(removed(home.cluster.delete_preload(&id, Some(&namespace_uid)).await))
            }
            (Repair::Clear { namespace, route }, Some(_)) => Ok(clear(home, &id, namespace, route).await),
            (Repair::Look, Some(row)) => self.look_closer(home, row, look).await,
            (Repair::Recover, Some(row)) => {
                let recovered = row.value.recovered(look.now);
                self.amend(&row, &recovered, Mended::Recovered, look).await
            }
            (Repair::MakeRoute { target }, Some(row)) => self.remake_route(home, row, &target, look).await,
            (Repair::UselessOrphan(reason), Some(row)) => {
                self.end(row, Outcome::Deleted, reason, Mended::OrphanEnded, look).await
            }
            _ => Ok(Mended::Nothing),
        }
    }

    /// Looks at the pod on its own: a list may have been old, or wrong.
    async fn look_closer(&self, home: &HomeCell, row: Row<Application>, look: &Look) -> Result<Mended, Error> {
        let seen = match observe(home, &row.value).await {
            Ok(seen) => seen,
            Err(error) => return Ok(not_now("looking at a pod", &error)),
        };
        match health(&row.value, seen) {
            Health::Lost(reason) => self.end(row, Outcome::Failed, reason, Mended::Failed, look).await,
            Health::Troubled(reason) if row.value.waiting.as_ref() == Some(&reason) => Ok(Mended::Nothing),
            Health::Troubled(reason) => {
                let troubled = row.value.troubled(reason, look.now);
                self.amend(&row, &troubled, Mended::Troubled, look).await
            }
            Health::Well if row.value.waiting.is_some() && matches!(row.value.state, State::Running { .. }) => {
                let recovered = row.value.recovered(look.now);
                self.amend(&row, &recovered, Mended::Recovered, look).await
            }
            Health::Well => Ok(Mended::Nothing),
        }
    }

    /// Makes a route again, unless the proxy has it after all: a list proposes, and a route that is made again loses its
    /// last activity. The row says so first, so that what the proxy then calls its last activity is never taken for use,
    /// wherever this is cut off; and it is read again at the end, because the ending's route step may have been done
    /// before this one.
    async fn remake_route(
        &self,
        home: &HomeCell,
        row: Row<Application>,
        target: &str,
        look: &Look,
    ) -> Result<Mended, Error> {
        let id = row.value.id.clone();
        match home.routes.find(&id).await {
            Ok(Some(route)) if route.target == target => return Ok(Mended::Nothing),
            Ok(_) => {}
            Err(error) => return Ok(not_now("looking for a route", &error)),
        }
        let remade = row.value.route_remade(look.now);
        let written = self.amend(&row, &remade, Mended::RouteMade, look).await?;
        if written != Mended::RouteMade {
            return Ok(written);
        }
        if let Err(error) = home.routes.add(&id, target).await {
            return Ok(not_now("making a route again", &error));
        }
        let now = self.store.application(&id, look.now).await?;
        if now.is_some_and(|row| row.value.is_live()) {
            return Ok(Mended::RouteMade);
        }
        // A failure here is found by the next survey: the route of what has ended.
        let _ = home.routes.remove(&id).await;
        Ok(Mended::Nothing)
    }

    async fn remove_unknown_route(&self, home: &HomeCell, id: &ApplicationId, look: &Look) -> Result<Mended, Error> {
        if self.store.application(id, look.now).await?.is_some() {
            return Ok(Mended::Nothing);
        }
        Ok(match home.routes.remove(id).await {
            Ok(()) => Mended::RouteRemoved,
            Err(error) => not_now("removing a route that nobody knows", &error),
        })
    }

    /// Writes the tombstone, and ends as much as this look has time for.
    async fn end(
        &self,
        row: Row<Application>,
        outcome: Outcome,
        reason: Reason,
        mended: Mended,
        look: &Look,
    ) -> Result<Mended, Error> {
        match self.entomb(row, outcome, reason, &step_of(look, "end")).await? {
            Progress::On(entombed) => self.work(entombed, look).await.map(|_| mended),
            Progress::Rest(_) => Ok(Mended::NotNow),
        }
    }

    /// Writes what is new of a row, and leaves alone when somebody must come back to it.
    async fn amend(
        &self,
        row: &Row<Application>,
        next: &Application,
        mended: Mended,
        look: &Look,
    ) -> Result<Mended, Error> {
        match self.store.amend(row, next, &step_of(look, "mend")).await {
            Ok(_) => Ok(mended),
            Err(WriteError::Overtaken) => Ok(Mended::NotNow),
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }
}

/// What was found without a record does not know its port, and is judged by its use: only its namespace is looked for.
pub(crate) async fn observe(home: &HomeCell, application: &Application) -> Result<PodSeen, cluster_client::Error> {
    if application.run.is_some() {
        return home.cluster.observe_pod(application).await;
    }
    let namespace = home
        .cluster
        .namespace(&application.id, application.namespace_uid())
        .await?;
    Ok(match namespace {
        Presence::There => PodSeen::Gone,
        Presence::Going | Presence::Gone | Presence::NotOurs => PodSeen::NamespaceGone,
    })
}

/// Removes what was made, or came again, after the end: the route first, as in every ending.
async fn clear(home: &HomeCell, id: &ApplicationId, namespace: bool, route: bool) -> Mended {
    if route && let Err(error) = home.routes.remove(id).await {
        return not_now("removing the route of what has ended", &error);
    }
    if !namespace {
        return Mended::Cleared;
    }
    removed(home.cluster.delete_namespace(id, None).await)
}

fn removed(namespace: Result<Removal, cluster_client::Error>) -> Mended {
    match namespace {
        Ok(Removal::Gone | Removal::Going) => Mended::Cleared,
        Ok(Removal::NotOurs) => Mended::Nothing,
        Err(error) => not_now("deleting a namespace of what has ended", &error),
    }
}

fn not_now(what: &str, error: &(dyn std::error::Error + 'static)) -> Mended {
    net::note(what, error);
    Mended::NotNow
}
