//! Judging what runs, many at a time.
//!
//! What is in use is recorded at once. What is not is only a [`Candidate`]: it is taken, so that of two runs one has it,
//! and nothing happens to it before the brake has ruled over all candidates of its cell.

use std::collections::BTreeMap;

use domain::limits::{ASKED_ONE_BY_ONE, HELD_AGAIN};
use domain::{
    Activity, Application, ApplicationId, CellName, Judgement, Look, Outcome, Reason, Suspect, due_after_take,
    is_plausible, judge,
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use store::{NextDue, Row, WriteError};

use crate::advance::{Progress, step_of};
use crate::{Error, HomeCell, Lifecycle};

/// When applications of one cell were used last, as its route proxy says.
#[derive(Debug, Default)]
pub struct LastUses(BTreeMap<ApplicationId, Activity>);

impl LastUses {
    /// What is known of one application's use. Where the proxy could not be asked, or must not be believed, that is
    /// [`Activity::Unknown`] for all.
    pub fn of(&self, id: &ApplicationId) -> Activity {
        self.0.get(id).copied().unwrap_or(Activity::Unknown)
    }
}

/// An application that was judged to have no use, taken by this run.
#[derive(Debug)]
pub struct Candidate {
    /// Its row, as the run took it.
    pub row: Row<Application>,
    /// Why it would be culled.
    pub reason: Reason,
    /// When it was judged so first.
    pub since: Timestamp,
}

impl Candidate {
    /// As the brake sees it.
    pub fn suspect(&self) -> Suspect {
        Suspect {
            since: self.since,
            held: self.row.value.held_since.is_some(),
        }
    }
}

/// What came of judging one application.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is what is asked for; it is moved once"
)]
#[derive(Debug)]
pub enum Judged {
    /// It is in use, not idle for long enough, or nothing is known of its use. That is recorded.
    Kept,
    /// It has no use.
    Candidate(Candidate),
    /// Its row has moved on since it was read.
    Overtaken,
}

impl Lifecycle {
    /// Asks the route proxy of `cell` when these were used last: a few one by one, more with one request for all that it
    /// knows. An answer that looks wrong, because it knows none of them or less than half of many, is not believed.
    pub async fn last_uses(&self, cell: &CellName, ids: &[ApplicationId]) -> LastUses {
        let Ok(home) = self.home_of(cell) else {
            return LastUses::default();
        };
        if ids.len() <= ASKED_ONE_BY_ONE {
            one_by_one(home, ids).await
        } else {
            all_at_once(home, ids).await
        }
    }

    /// Judges an application by its last use, which was asked for after `asked_at`. What is kept is recorded under one
    /// condition, that the row is as it was read: nothing outside is done, so nobody needs to take it first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn judge(
        &self,
        row: Row<Application>,
        activity: Activity,
        asked_at: Timestamp,
        look: &Look,
    ) -> Result<Judged, Error> {
        let written = match judge(&row.value, activity, asked_at) {
            Judgement::Keep { due_at, seen, known } => {
                let next = match seen {
                    Some(at) => row.value.seen_in_use(at, look.now),
                    None if known => row.value.released(look.now),
                    None => row.value.clone(),
                };
                let due = NextDue { at: due_at, attempt: 0 };
                let recorded = self.store.record(&row, &next, due, &step_of(look, "keep")).await;
                recorded.map(|_| Judged::Kept)
            }
            Judgement::Cull(reason) => {
                let until = due_after_take(look.now, row.attempt);
                let taken = self.store.take(&row, until, &step_of(look, "take")).await;
                taken.map(|row| {
                    let since = row.value.held_since.unwrap_or(asked_at);
                    Judged::Candidate(Candidate { row, reason, since })
                })
            }
        };
        match written {
            Ok(judged) => Ok(judged),
            Err(WriteError::Overtaken) => Ok(Judged::Overtaken),
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }

    /// Lets a candidate wait under the brake: it is judged again in [`HELD_AGAIN`], and until then nothing is done to
    /// it. False when its row has moved on.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn hold(&self, candidate: Candidate, look: &Look) -> Result<bool, Error> {
        let row = candidate.row;
        let held = row.value.held(candidate.since);
        let again = SignedDuration::try_from(HELD_AGAIN).unwrap_or_default();
        let again = look.now.checked_add(again).unwrap_or(Timestamp::MAX);
        let due = NextDue {
            at: again.min(held.age_end()),
            attempt: 0,
        };
        match self.store.record(&row, &held, due, &step_of(look, "hold")).await {
            Ok(_) => Ok(true),
            Err(WriteError::Overtaken) => Ok(false),
            Err(WriteError::Store(error)) => Err(error.into()),
        }
    }

    /// Writes the tombstone, and nothing more; [`Lifecycle::go_on`] does the rest. Nothing when the row has moved on
    /// since it was read.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn write_tombstone(
        &self,
        row: Row<Application>,
        outcome: Outcome,
        reason: Reason,
        look: &Look,
    ) -> Result<Option<Row<Application>>, Error> {
        match self.entomb(row, outcome, reason, &step_of(look, "tombstone")).await {
            Ok(Progress::On(row)) => Ok(Some(row)),
            Ok(Progress::Rest(_)) | Err(Error::Gone) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Does the steps of a row that this look has just written.
    ///
    /// # Errors
    /// [`enum@Error`]; what was not recorded is done again by the next look.
    pub async fn go_on(&self, row: Row<Application>, look: &Look) -> Result<Row<Application>, Error> {
        self.work(row, &step_of(look, "on")).await
    }
}

async fn one_by_one(home: &HomeCell, ids: &[ApplicationId]) -> LastUses {
    let asked = ids.iter().map(|id| async move {
        let activity = home.routes.last_use(id).await.unwrap_or_else(|error| {
            net::note("asking for the last use", &error);
            Activity::Unknown
        });
        (id.clone(), activity)
    });
    LastUses(join_all(asked).await.into_iter().collect())
}

async fn all_at_once(home: &HomeCell, ids: &[ApplicationId]) -> LastUses {
    let table = match home.routes.list().await {
        Ok(table) => table,
        Err(error) => {
            net::note("asking for all last uses", &error);
            return LastUses::default();
        }
    };
    let known = ids.iter().filter(|id| table.own.contains_key(id)).count();
    if known == 0 || !is_plausible(known, ids.len()) {
        net::note(
            "asking for all last uses",
            &Doubtful {
                known,
                asked: ids.len(),
            },
        );
        return LastUses::default();
    }
    let activity = |id: &ApplicationId| {
        let route = table.own.get(id);
        route.map_or(Activity::NoRoute, |route| Activity::LastUse(route.last_activity))
    };
    LastUses(ids.iter().map(|id| (id.clone(), activity(id))).collect())
}

/// An answer that is not believed.
#[derive(Debug, thiserror::Error)]
#[error("the route proxy knows {known} of {asked} applications that run, so it is not believed")]
struct Doubtful {
    known: usize,
    asked: usize,
}
