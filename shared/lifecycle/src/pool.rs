//! Spares: one taken by a launch, and a pool filled up again.

use domain::limits::{CANDIDATES_MAX, REAP_CONCURRENCY};
use domain::{
    Application, ApplicationId, Look, Outcome, PodSeen, PodState, Pool, Reason, Refill, Template, first_look,
};
use futures::StreamExt;
use futures::stream::iter;
use net::Scope;
use store::{Claimed, Launched, NextDue, Row, WriteError};

use crate::advance::{Progress, step_of};
use crate::launch::Ask;
use crate::meter::count_change;
use crate::{Error, HomeCell, LaunchAnswer, Lifecycle};

/// What is left of a run's time when no work on a spare is begun any more.
const MARGIN: std::time::Duration = std::time::Duration::from_secs(10);

/// What became of a spare that a launch tried to take.
enum Tried {
    /// The launch has its answer.
    Answered(LaunchAnswer),
    /// It cannot be had; another may.
    Another,
    /// The cluster or the proxy cannot be reached: no spare of this cell can be had.
    OutOfReach,
}

/// What a refill did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Refilled {
    /// Spares that were ready when it began.
    pub ready: usize,
    /// Spares that were starting when it began.
    pub starting: usize,
    /// Spares whose rows were written. They come up, whoever looks; the sooner they are begun, the sooner.
    pub made: Vec<Row<Application>>,
    /// Spares that got their tombstones.
    pub ended: usize,
    /// Spares that are wanting and for which no cell had room.
    pub without_room: usize,
    /// Spares that could not be written or worked on; what is written goes on by itself.
    pub errors: usize,
}

impl Lifecycle {
    /// Takes a spare out of the `pool` of the template, if one is ready: it is the launch's own at once, and `fresh`
    /// becomes the id of the one that takes its place, unless the pool has more than its size. `None`: there is none to
    /// be had, and an application of its own is to be started.
    ///
    /// A spare is looked at, and its route made anew, before it is claimed: one that died since never goes out, and
    /// what its proxy knows of its use begins now.
    ///
    /// # Errors
    /// [`Error::Store`]; what was asked for with an `Idempotency-Key` can be asked for again.
    pub async fn launch_from_pool(
        &self,
        ask: &Ask<'_>,
        pool: &Pool,
        fresh: &ApplicationId,
        look: &Look,
    ) -> Result<Option<LaunchAnswer>, Error> {
        let mut number = 0;
        for home in self.cells() {
            let ready = self
                .store
                .ready_spares(&home.cell.name, ask.template, ask.id, look.now)
                .await?;
            let replaces = pool.replaces_at_once() && ready.len() <= pool.size as usize;
            let replacement = replaces.then(|| Application::spare(fresh.clone(), ask.template, &home.cell, look.now));
            for row in ready {
                number += 1;
                if number > CANDIDATES_MAX {
                    return Ok(None);
                }
                let look = step_of(look, format!("claim-{number}"));
                match self.take_spare(ask, home, &row, replacement.as_ref(), &look).await? {
                    Tried::Answered(answer) => return Ok(Some(answer)),
                    Tried::Another => {}
                    Tried::OutOfReach => break,
                }
            }
        }
        Ok(None)
    }

    async fn take_spare(
        &self,
        ask: &Ask<'_>,
        home: &HomeCell,
        row: &Row<Application>,
        replacement: Option<&Application>,
        look: &Look,
    ) -> Result<Tried, Error> {
        let spare = &row.value;
        let target = match home.cluster.observe_pod(spare).await {
            Ok(PodSeen::There(PodState::Ready { target })) => target,
            // It is the reaper that ends it.
            Ok(_) => return Ok(Tried::Another),
            Err(error) => {
                net::note("looking at a spare's pod", &error);
                return Ok(Tried::OutOfReach);
            }
        };
        if let Err(error) = home.routes.add(&spare.id, &target).await {
            net::note("making a spare's route", &error);
            return Ok(Tried::OutOfReach);
        }
        let Some(claimed) = spare.claimed(ask.template, ask.cull_timeout, ask.max_age, look.now) else {
            return Ok(Tried::Another);
        };
        let due = NextDue {
            at: first_look(&claimed, look.now),
            attempt: 0,
        };
        // Its place in its cell it has already: there the limits are those of the one that replaces it.
        let limits = self.quotas.for_launch(ask.template, &home.cell.name);
        let replacement = replacement.map(|replacement| (replacement, look.now));
        let tried = self
            .store
            .claim(row, &claimed, due, look, ask.binding, &limits, replacement)
            .await;
        match tried {
            Ok(Claimed::Taken(taken)) => {
                count_change(spare, &taken.value);
                Ok(Tried::Answered(LaunchAnswer::Launched(Box::new(taken))))
            }
            Ok(Claimed::Bound(bound)) => Ok(Tried::Answered(self.bound(&bound, ask, look).await?)),
            Ok(Claimed::Full(counter)) => match limits.into_iter().find(|limit| limit.counter == counter) {
                Some(limit) => Ok(Tried::Answered(self.full(limit, ask.id, look).await)),
                None => Ok(Tried::Another),
            },
            Err(WriteError::Overtaken) => {
                self.take_back_route(home, &spare.id, look).await;
                Ok(Tried::Another)
            }
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }

    /// The spare moved on while its route was made. Where it is ending, its route step may have found nothing yet; a
    /// failure here is left to the ending, which comes by once more.
    async fn take_back_route(&self, home: &HomeCell, id: &ApplicationId, look: &Look) {
        match self.store.application(id, look.now).await {
            Ok(Some(row)) if row.value.is_live() => {}
            Ok(_) => drop(home.routes.remove(id).await),
            Err(error) => net::note("reading a spare again", &error),
        }
    }

    /// Makes what is missing of a pool, and ends what is too much, of an older revision of its `template`, or of one
    /// that is gone. Of many who want to, one does. `fresh` are ids for those that are made, which the caller begins.
    ///
    /// # Errors
    /// [`Error::Store`] when the pool or its spares could not be read or written; what was begun goes on by itself.
    pub async fn refill(
        &self,
        row: &Row<Pool>,
        template: Option<&Template>,
        fresh: Vec<ApplicationId>,
        look: &Look,
    ) -> Result<Refilled, Error> {
        let pool = &row.value;
        let spares = self.store.spares(&pool.template, look.now).await?;
        let (rows, values): (Vec<_>, Vec<_>) = spares.into_iter().map(|row| (row.clone(), row.value)).unzip();
        let ready = values.iter().filter(|spare| spare.is_ready_spare()).count();
        let starting = values.iter().filter(|spare| spare.is_live()).count() - ready;
        let mut done = Refilled {
            ready,
            starting,
            ..Refilled::default()
        };
        if pool.is_being_refilled(look.now) {
            return Ok(done);
        }
        let refill = pool.refill(template, &values, look.now);
        if refill.is_over {
            return match self.store.delete_pool(row).await {
                Ok(()) | Err(WriteError::Overtaken) => Ok(done),
                Err(WriteError::Store(error)) => Err(error.into()),
            };
        }
        if !refill.is_needed(pool) {
            return Ok(done);
        }
        let taken = pool.taken_for(&refill, look.now);
        match self.store.take_pool(row, &taken, &step_of(look, "refill")).await {
            Ok(_) => {}
            Err(WriteError::Overtaken) => return Ok(done),
            Err(WriteError::Store(error)) => return Err(error.into()),
        }
        self.end_spares(&refill, rows, look, &mut done).await;
        if let Some(template) = template {
            let fresh = fresh.into_iter().take(refill.make as usize);
            self.make_spares(template, fresh, look, &mut done).await;
        }
        Ok(done)
    }

    async fn end_spares(&self, refill: &Refill, rows: Vec<Row<Application>>, look: &Look, done: &mut Refilled) {
        // Collected first: a stream that holds the closure cannot be shown to be `Send` for every lifetime.
        let ends: Vec<_> = rows
            .into_iter()
            .filter(|row| refill.end.contains(&row.value.id))
            .map(|row| self.end_spare(row, look))
            .collect();
        let mut ends = iter(ends).buffer_unordered(REAP_CONCURRENCY);
        while let Some(ended) = ends.next().await {
            match ended {
                Ok(ended) => done.ended += usize::from(ended),
                Err(error) => {
                    net::note("ending a spare", &error);
                    done.errors += 1;
                }
            }
        }
    }

    /// `false`: it was taken, or somebody else works on it.
    async fn end_spare(&self, row: Row<Application>, look: &Look) -> Result<bool, Error> {
        let not_needed = step_of(look, "not-needed");
        match self
            .entomb(row, Outcome::Deleted, Reason::SpareNotNeeded, &not_needed)
            .await?
        {
            Progress::On(entombed) => {
                if has_time() {
                    self.work(entombed, look).await?;
                }
                Ok(true)
            }
            Progress::Rest(_) => Ok(false),
        }
    }

    async fn make_spares(
        &self,
        template: &Template,
        fresh: impl Iterator<Item = ApplicationId>,
        look: &Look,
        done: &mut Refilled,
    ) {
        for id in fresh {
            if done.without_room > 0 {
                done.without_room += 1;
                continue;
            }
            match self.make_spare(&id, template, look).await {
                Ok(Some(row)) => done.made.push(row),
                Ok(None) => done.without_room += 1,
                Err(error) => {
                    net::note("making a spare", &error);
                    done.errors += 1;
                }
            }
        }
    }

    /// Writes a spare's row in the first cell that has room; whoever looks makes it. `None`: there is no room.
    async fn make_spare(
        &self,
        id: &ApplicationId,
        template: &Template,
        look: &Look,
    ) -> Result<Option<Row<Application>>, Error> {
        for home in self.cells() {
            let spare = Application::spare(id.clone(), template, &home.cell, look.now);
            let limits = self.quotas.for_starting(&home.cell.name);
            let look_of_try = step_of(look, format!("spare@{}", home.cell.name));
            let launched = self.store.launch(&spare, look.now, &look_of_try, None, &limits).await?;
            if let Launched::Written(row) = launched {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }
}

/// Whether this run begins more.
fn has_time() -> bool {
    Scope::current().is_none_or(|scope| scope.left() > MARGIN)
}
