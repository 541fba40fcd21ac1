//! What is seen from outside, held against what the flood knows.

use std::collections::BTreeMap;

use domain::limits::ORPHAN_GRACE;
use domain::{Application, ApplicationId, Ended, Millis, Reason, State};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use store::Row;

use super::Flood;
use super::deeds::{foreign, routes};
use super::people::{Life, Meddled};
use super::weather::Table;
use crate::scenario::invariants::{self, Stored};

/// How long after it was idle what is to be culled may still live: what waited under a brake is judged again then.
const LATE: SignedDuration = SignedDuration::from_mins(6);

/// All rows of which the flood knows.
pub type Rows = BTreeMap<ApplicationId, Row<Application>>;

/// Tombstones that were seen for the first time.
#[derive(Clone, Copy, Debug, Default)]
pub struct News {
    /// For what was judged to have no use.
    pub judged: usize,
    /// For maximum ages.
    pub aged: usize,
    /// Of what failed.
    pub failed: usize,
}

impl Flood<'_> {
    /// Looks at everything: whoever got a tombstone got it rightly, and what belongs to others is as it was.
    pub(super) async fn inspect(&mut self, place: &str) -> News {
        let states = invariants::rows(self.app).await;
        let ends = |life: &&Life| !life.ended && state(&states, life).is_some_and(|row| !row.is_live());
        let new: Vec<ApplicationId> = self.lives.iter().filter(ends).map(|life| life.id.clone()).collect();
        let rows = self.rows_of(&new).await;
        let (mut news, mut wrong) = (News::default(), Vec::new());
        for life in &mut self.lives {
            if state(&states, life).is_none() && life.meddled != Some(Meddled::Orphaned) {
                wrong.push(format!("the row of {} is gone", life.id));
            }
            let Some(row) = rows.get(&life.id) else { continue };
            let Some(ended) = tombstone(&row.value) else { continue };
            life.ended = true;
            match &ended.reason {
                Reason::Idle { .. } | Reason::OrphanUnused { .. } => news.judged += 1,
                Reason::TooOld { .. } => news.aged += 1,
                _ => news.failed += 1,
            }
            if let Err(why) = rightly(life, &row.value, ended) {
                wrong.push(format!("{} of '{}' {why}", life.id, life.kind.name));
            }
        }
        if foreign(self.app, &routes(self.app).await).await != self.foreign {
            wrong.push("something that belongs to others was changed".into());
        }
        self.findings.disagree(place, wrong);
        news
    }

    /// Every row that the flood knows of, read by id.
    pub(super) async fn rows(&self) -> Rows {
        let mut ids: Vec<ApplicationId> = self.lives.iter().map(|life| life.id.clone()).collect();
        ids.extend(self.strangers.iter().map(|id| ApplicationId::parse(id).unwrap()));
        self.rows_of(&ids).await
    }

    async fn rows_of(&self, ids: &[ApplicationId]) -> Rows {
        let lifecycle = self.app.adapter().lifecycle().unwrap();
        let read = lifecycle.store().applications_by_id(ids, self.app.now());
        net::within(net::Scope::lasting(crate::TEST_MAX), read).await.unwrap()
    }

    /// Who waits under the brake although they are in use.
    pub(super) async fn held_in_use(&self) -> Vec<String> {
        let (now, states) = (self.app.now(), invariants::rows(self.app).await);
        let held = |life: &&Life| state(&states, life).is_some_and(|row| row.is_live() && row.held);
        let in_use = self.lives.iter().filter(|life| life.idle_at() > now).filter(held);
        in_use
            .map(|life| format!("{} is in use and waits under the brake", life.id))
            .collect()
    }

    /// What lives although it has no use that anybody could know of.
    pub(super) async fn idle_and_alive(&self) -> Vec<String> {
        let (late, states) = (self.app.now() - LATE, invariants::rows(self.app).await);
        let known_idle = |life: &Life| life.idle_at().max(self.restarted + life.cull_timeout.duration());
        let alive = |life: &&Life| state(&states, life).is_some_and(Stored::is_live);
        let idle = self.lives.iter().filter(|life| known_idle(life) < late).filter(alive);
        let told = idle.map(|life| format!("{} lives and was idle at {}", life.id, life.idle_at()));
        told.collect()
    }

    /// What lives although its age has ended.
    pub(super) async fn old_and_alive(&self) -> Vec<String> {
        let (now, states) = (self.app.now(), invariants::rows(self.app).await);
        let alive = |life: &&Life| state(&states, life).is_some_and(Stored::is_live);
        let old = self.lives.iter().filter(|life| life.old_at < now).filter(alive);
        old.map(|life| format!("{} lives and its age ended at {}", life.id, life.old_at))
            .collect()
    }

    /// What runs and has no route, and whether the proxy knows no marker.
    pub(super) async fn without_route(&self) -> Vec<String> {
        let (routes, states) = (routes(self.app).await, invariants::rows(self.app).await);
        let runs = |life: &&Life| {
            let running = state(&states, life).is_some_and(|row| row.state == "running");
            running && life.meddled.is_none()
        };
        let paths = self.lives.iter().filter(runs).map(|life| format!("/user/{}", life.id));
        let missing = paths.filter(|path| !routes.contains_key(path));
        let mut missing: Vec<String> = missing.map(|path| format!("{path} is no route")).collect();
        if !routes.contains_key(&self.marker()) {
            missing.push("the proxy has no marker".into());
        }
        missing
    }

    /// Ids of what has ended, at most so many.
    pub(super) fn ended_ids(&self, most: usize) -> Vec<String> {
        let ended = self.lives.iter().filter(|life| life.ended && life.meddled.is_none());
        // Those that ended last may still be ending.
        ended.take(most).map(|life| life.id.to_string()).collect()
    }

    /// Whether nothing is left but records.
    pub(super) async fn is_quiet(&self) -> bool {
        let rows = invariants::rows(self.app).await;
        rows.values().all(|row| row.state == "ended")
            && self.namespaces().await.is_empty()
            && self.own_routes(&routes(self.app).await).is_empty()
    }

    /// What must hold at the end: only records are left, each of which says why.
    pub(super) async fn at_the_end(&mut self) {
        let mut wrong = Vec::new();
        for (id, row) in invariants::rows(self.app).await {
            if row.state != "ended" {
                wrong.push(format!("{id} is still {}", row.state));
            }
        }
        let namespaces = self.namespaces().await;
        wrong.extend(
            namespaces
                .iter()
                .map(|name| format!("the namespace {name} is left over")),
        );
        let routes = routes(self.app).await;
        wrong.extend(
            self.own_routes(&routes)
                .iter()
                .map(|path| format!("the route {path} is left over")),
        );
        if !routes.contains_key(&self.marker()) {
            wrong.push("the proxy has no marker".into());
        }
        wrong.extend(self.wrong_counters().await);
        for (id, row) in self.rows().await {
            let Some(ended) = tombstone(&row.value) else { continue };
            let word = serde_json::to_value(&ended.reason).unwrap();
            let word = word["why"].as_str().unwrap_or_default().to_owned();
            *self.findings.ends.entry(word).or_default() += 1;
            if let Err(why) = names_inputs(&row.value, ended) {
                wrong.push(format!("{id}: {why} in '{}'", ended.reason.sentence()));
            }
        }
        let zero = self.counters.values().filter(|number| **number == 0).count();
        self.findings.find("counters at zero again", zero);
        self.findings.disagree("at the end", wrong);
    }

    /// Counters that count something. Those of rows that were deleted by hand are nobody's to lower.
    async fn wrong_counters(&mut self) -> Vec<String> {
        let mut expected: BTreeMap<String, i64> = BTreeMap::new();
        for place in &self.uncounted {
            *expected.entry(format!("QUOTA#{place}")).or_default() += 1;
        }
        self.counters = invariants::counters(self.app).await;
        let wrong = self.counters.iter().filter_map(|(place, number)| {
            let expected = expected.get(place).copied().unwrap_or_default();
            (*number != expected).then(|| format!("{place} counts {number} instead of {expected}"))
        });
        wrong.collect()
    }

    async fn namespaces(&self) -> Vec<String> {
        let installation = self.app.adapter().config().installation;
        let path = format!("/api/v1/namespaces?labelSelector=layby.dev/installation%3D{installation}");
        let list = invariants::cluster(self.app, Method::GET, &path, None)
            .await
            .expect(200);
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Paths of the installation's routes but for the marker.
    fn own_routes(&self, routes: &Table) -> Vec<String> {
        let installation = self.app.adapter().config().installation;
        let own = routes
            .iter()
            .filter(|(path, route)| **path != self.marker() && route["layby"].as_str() == Some(installation.as_str()));
        own.map(|(path, _)| path.clone()).collect()
    }

    fn marker(&self) -> String {
        format!("/layby/{}", self.app.adapter().config().installation)
    }
}

/// The row of a life, by its state.
fn state<'a>(states: &'a BTreeMap<String, Stored>, life: &Life) -> Option<&'a Stored> {
    states.get(life.id.as_str())
}

/// How and why an application came to its end, if it has.
fn tombstone(application: &Application) -> Option<&Ended> {
    match &application.state {
        State::Ending { ended, .. } | State::Ended { ended } => Some(ended),
        State::Pending | State::Starting { .. } | State::Running { .. } | State::Orphaned { .. } => None,
    }
}

/// Whether it was right to end this life.
fn rightly(life: &Life, application: &Application, ended: &Ended) -> Result<(), String> {
    let in_use = |judged_at: Timestamp| {
        let (used, idle_at) = (life.last_use, life.idle_at());
        format!("was in use: used at {used}, idle only at {idle_at}, and culled at {judged_at}")
    };
    match (&ended.reason, life.meddled) {
        (Reason::Idle { judged_at, .. }, None | Some(Meddled::Killed)) => {
            if life.idle_at() > *judged_at {
                return Err(in_use(*judged_at));
            }
            same("cull timeout", application.cull_timeout, life.kind.cull_timeout())
        }
        (Reason::OrphanUnused { judged_at, .. }, Some(Meddled::Orphaned)) => {
            if life.idle_at() > *judged_at {
                return Err(in_use(*judged_at));
            }
            Ok(())
        }
        (Reason::TooOld { .. }, meddled) => {
            if application.age_end() > ended.at {
                return Err(format!("was not old enough at {}", ended.at));
            }
            match meddled {
                Some(Meddled::Orphaned) => Ok(()),
                _ => same("maximum age", application.max_age, life.kind.max_age()),
            }
        }
        (Reason::PodEnded { .. } | Reason::PodGone | Reason::NamespaceGone, Some(Meddled::Killed)) => Ok(()),
        (reason, _) => Err(format!("ended without cause: {}", reason.sentence())),
    }
}

fn same(what: &str, one: Millis, other: Millis) -> Result<(), String> {
    if one == other {
        Ok(())
    } else {
        Err(format!("has the {what} {} ms instead of {} ms", one.get(), other.get()))
    }
}

/// Whether the reason of an end has the inputs of its decision, and they lead to it.
fn names_inputs(application: &Application, ended: &Ended) -> Result<(), &'static str> {
    let grace = SignedDuration::try_from(ORPHAN_GRACE).unwrap_or_default();
    let fits = match &ended.reason {
        Reason::Idle {
            last_use,
            cull_timeout,
            judged_at,
            ..
        } => *cull_timeout == application.cull_timeout && *last_use + cull_timeout.duration() <= *judged_at,
        Reason::OrphanUnused {
            found_at,
            last_use,
            judged_at,
        } => found_at <= last_use && *last_use + grace <= *judged_at,
        Reason::TooOld { created_at, max_age } => {
            *created_at == application.created_at && *created_at + max_age.duration() <= ended.at
        }
        Reason::PodEnded { message } => !message.is_empty(),
        Reason::PodGone | Reason::NamespaceGone => true,
        _ => false,
    };
    if fits {
        Ok(())
    } else {
        Err("the inputs do not lead to it")
    }
}
