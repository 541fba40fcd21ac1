//! An application: one launch of a template, from its row's first write to its tombstone.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::{LAUNCH_MAX, MILLIS_MAX, ORPHAN_GRACE, TAKE_BUDGET};
use crate::{
    ApplicationId, Cell, CellName, Counted, Counter, Event, Happening, Millis, Reason, Template, TemplateName, Workload,
};

/// One launch of a template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Application {
    /// Its id, the name of its namespace and the end of its location.
    pub id: ApplicationId,
    /// The template that it was launched from.
    pub template: TemplateName,
    /// The cell that it lives in.
    pub cell: CellName,
    /// When it was launched.
    pub created_at: Timestamp,
    /// Inactivity after which it is culled.
    pub cull_timeout: Millis,
    /// Age at which it ends whatever its use.
    pub max_age: Millis,
    /// What runs, as the template said at launch; gone when the application has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<Workload>,
    /// Where it is in its life.
    #[serde(flatten)]
    pub state: State,
    /// Where it answers, or answered; absent until it first did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// What it waits for, or what is wrong with it while it runs, as the last look saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Reason>,
    /// Started ahead for its template's pool, and nobody's yet.
    #[serde(default, skip_serializing_if = "is_false")]
    pub spare: bool,
    /// When it was last used, as far as is known here: reported by itself, or seen by the proxy at the last judgement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
    /// When its route was made again, after it was lost, where no use was seen since. What the proxy calls its last
    /// activity is then that moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remade: Option<Timestamp>,
    /// Since when it waits under the brake, judged to have no use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_since: Option<Timestamp>,
    /// The counters that it is counted in; given back with the write that says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counted>,
    /// What happened to it, oldest first: at most [`crate::limits::EVENTS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Where an application is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Its row is written, its objects perhaps. Next: whoever looks makes them.
    Pending,
    /// Its objects exist. Next: whoever looks asks how its pod is, and makes the route when it is ready.
    Starting {
        /// The namespace that is its own.
        namespace_uid: String,
    },
    /// Its route is made. Next: the reaper judges it when it may be idle or too old.
    Running {
        /// The namespace that is its own.
        namespace_uid: String,
        /// When its route was made.
        deployed_at: Timestamp,
    },
    /// Found in its cluster without a row. Next: the reaper judges it, and what nobody uses ends.
    Orphaned {
        /// The namespace that is its own.
        namespace_uid: String,
        /// When it was found.
        found_at: Timestamp,
    },
    /// Its tombstone stands; route, then namespace, then row. Next: whoever looks does the step.
    Ending {
        /// The namespace that is its own, where one was recorded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace_uid: Option<String>,
        /// How and why.
        ended: Ended,
        /// What is left to do.
        step: EndingStep,
    },
    /// Nothing of it is left but this record. Next: nobody.
    Ended {
        /// How and why.
        ended: Ended,
    },
}

/// How, why and when an application came to its end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// Why.
    pub reason: Reason,
    /// When its tombstone was written.
    pub at: Timestamp,
}

/// How an application came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did not come up, or what it ran in is gone.
    Failed,
    /// It was culled or stopped.
    Deleted,
}

/// What is left of an ending, in order: a stale route could point at another tenant's pod, so it goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndingStep {
    /// The route is to be removed.
    Route,
    /// The namespace is to be deleted.
    Namespace,
    /// The namespace is going; the row waits until it is gone.
    Gone,
}

/// An application's `status`, in the older service's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Nothing made yet.
    Pending,
    /// Being made.
    Deploying,
    /// It answers at its location.
    Deployed,
    /// It did not come up.
    Failed,
    /// Culled or stopped, from the tombstone on.
    Deleted,
}

impl Status {
    /// As written on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Pending => "pending",
            Status::Deploying => "deploying",
            Status::Deployed => "deployed",
            Status::Failed => "failed",
            Status::Deleted => "deleted",
        }
    }

    /// Each status.
    pub const ALL: [Status; 5] = [
        Status::Pending,
        Status::Deploying,
        Status::Deployed,
        Status::Failed,
        Status::Deleted,
    ];
}

/// A finer word than [`Status`] for where an application is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Waiting for its objects.
    Waiting,
    /// Waiting for its pod.
    Starting,
    /// Answering.
    Running,
    /// Found without a record; it ends when nobody uses it.
    Orphaned,
    /// Route, namespace and row are going.
    Ending,
    /// Only the record is left.
    Ended,
}

impl Application {
    /// A launch of `template` into `cell`, not yet written anywhere. What the launch itself says goes before what the
    /// template says.
    pub fn launch(
        id: ApplicationId,
        template: &Template,
        cell: &Cell,
        cull_timeout: Option<Millis>,
        max_age: Option<Millis>,
        now: Timestamp,
    ) -> Self {
        let mut launched = Self {
            id,
            template: template.name.clone(),
            cell: cell.name.clone(),
            created_at: now,
            cull_timeout: cull_timeout.unwrap_or(template.cull_timeout),
            max_age: max_age.unwrap_or(template.max_age),
            run: Some(template.workload.clone()),
            state: State::Pending,
            location: None,
            waiting: Some(Reason::Waiting),
            spare: false,
            used_at: None,
            remade: None,
            held_since: None,
            counted: Vec::new(),
            events: Vec::new(),
        };
        launched.note(now, Happening::Launched);
        launched
    }

    /// A spare for the pool of `template`, not yet written anywhere.
    pub fn spare(id: ApplicationId, template: &Template, cell: &Cell, now: Timestamp) -> Self {
        let mut spare = Self::launch(id, template, cell, None, None, now);
        spare.spare = true;
        spare.events.clear();
        spare.note(now, Happening::MadeAhead);
        spare
    }

    /// What was found in `cell` without a row, in a namespace of its name: it has nobody's limits, and ends when nobody
    /// uses it for [`ORPHAN_GRACE`].
    pub fn orphan(
        id: ApplicationId,
        template: TemplateName,
        cell: &Cell,
        namespace_uid: String,
        now: Timestamp,
    ) -> Self {
        let mut orphan = Self {
            location: Some(cell.location(&id)),
            id,
            template,
            cell: cell.name.clone(),
            created_at: now,
            cull_timeout: Millis::of(ORPHAN_GRACE),
            max_age: Millis::of(Duration::from_millis(MILLIS_MAX)),
            run: None,
            state: State::Orphaned {
                namespace_uid,
                found_at: now,
            },
            waiting: Some(Reason::Orphaned { found_at: now }),
            spare: false,
            used_at: None,
            remade: None,
            held_since: None,
            counted: Vec::new(),
            events: Vec::new(),
        };
        orphan.note(now, Happening::Orphaned);
        orphan
    }

    /// This spare as the application that a launch took it for, answering since `now`; nothing unless it is a spare that
    /// runs. What the launch itself says goes before what the template says.
    pub fn claimed(
        &self,
        template: &Template,
        cull_timeout: Option<Millis>,
        max_age: Option<Millis>,
        now: Timestamp,
    ) -> Option<Self> {
        let State::Running { namespace_uid, .. } = &self.state else {
            return None;
        };
        let mut claimed = Self {
            created_at: now.max(self.created_at),
            cull_timeout: cull_timeout.unwrap_or(template.cull_timeout),
            max_age: max_age.unwrap_or(template.max_age),
            state: State::Running {
                namespace_uid: namespace_uid.clone(),
                deployed_at: now.max(self.created_at),
            },
            spare: false,
            waiting: None,
            remade: None,
            ..self.clone()
        };
        claimed.note(now, Happening::Claimed);
        self.spare.then_some(claimed)
    }

    /// Whether it is a spare that a launch could take, as far as its row knows.
    pub fn is_ready_spare(&self) -> bool {
        self.spare && matches!(self.state, State::Running { .. })
    }

    /// Whether it is what a launch of `template` would start now.
    pub fn may_serve(&self, template: &Template) -> bool {
        self.template == template.name && self.run.as_ref() == Some(&template.workload)
    }

    /// The same application, answering at `location` since `now`, and no start any more.
    pub fn deployed(&self, namespace_uid: String, location: String, now: Timestamp) -> Self {
        let deployed_at = now.max(self.created_at);
        let mut deployed = Self {
            state: State::Running {
                namespace_uid,
                deployed_at,
            },
            location: Some(location),
            waiting: None,
            counted: self.without_start(),
            ..self.clone()
        };
        deployed.note(now, Happening::Deployed);
        deployed
    }

    /// The same application, waiting for `reason`.
    pub fn waiting_for(&self, reason: Reason, now: Timestamp) -> Self {
        let mut waiting = self.clone();
        waiting.note(now, Happening::Waits { reason: reason.clone() });
        waiting.waiting = Some(reason);
        waiting
    }

    /// The same application, of which `reason` is wrong while it runs.
    pub fn troubled(&self, reason: Reason, now: Timestamp) -> Self {
        let mut troubled = self.clone();
        troubled.note(now, Happening::Troubled { reason: reason.clone() });
        troubled.waiting = Some(reason);
        troubled
    }

    /// The same application, with which nothing is wrong any more.
    pub fn recovered(&self, now: Timestamp) -> Self {
        let mut recovered = Self {
            waiting: None,
            ..self.clone()
        };
        recovered.note(now, Happening::Recovered);
        recovered
    }

    /// The same application, seen in use at `at`: it neither waits under the brake nor is its use unknown.
    pub fn seen_in_use(&self, at: Timestamp, now: Timestamp) -> Self {
        Self {
            used_at: Some(self.used_at.unwrap_or(at).max(at)),
            remade: None,
            ..self.released(now)
        }
    }

    /// The same application, judged to have no use, waiting under the brake.
    pub fn held(&self, now: Timestamp) -> Self {
        let mut held = self.clone();
        if held.held_since.is_none() {
            held.held_since = Some(now);
            held.note(now, Happening::Held);
        }
        held
    }

    /// The same application, waiting under the brake no more.
    pub fn released(&self, now: Timestamp) -> Self {
        let mut released = self.clone();
        if released.held_since.take().is_some() {
            released.note(now, Happening::Released);
        }
        released
    }

    /// The same application with its route made again at `now`.
    pub fn route_remade(&self, now: Timestamp) -> Self {
        let mut remade = Self {
            remade: Some(now),
            ..self.clone()
        };
        remade.note(now, Happening::RouteRemade);
        remade
    }

    /// Adds to what happened to it. The same thing again in a row replaces what it said before, and of too many the
    /// oldest goes but for the first.
    pub fn note(&mut self, at: Timestamp, what: Happening) {
        crate::event::add(&mut self.events, Event { at, what });
    }

    /// Its counters but for that of its start.
    fn without_start(&self) -> Vec<Counted> {
        let others = self.counted.iter();
        others
            .filter(|counted| !matches!(counted.counter, Counter::Starts(_)))
            .cloned()
            .collect()
    }

    /// Its status in the older service's words.
    pub fn status(&self) -> Status {
        match &self.state {
            State::Pending => Status::Pending,
            State::Starting { .. } => Status::Deploying,
            State::Running { .. } | State::Orphaned { .. } => Status::Deployed,
            State::Ending { ended, .. } | State::Ended { ended } => match ended.outcome {
                Outcome::Failed => Status::Failed,
                Outcome::Deleted => Status::Deleted,
            },
        }
    }

    /// The finer word.
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Pending => Phase::Waiting,
            State::Starting { .. } => Phase::Starting,
            State::Running { .. } => Phase::Running,
            State::Orphaned { .. } => Phase::Orphaned,
            State::Ending { .. } => Phase::Ending,
            State::Ended { .. } => Phase::Ended,
        }
    }

    /// Why it is not (yet, or any more) answering, or what is wrong with it while it runs.
    pub fn reason(&self) -> Option<&Reason> {
        match &self.state {
            State::Ending { ended, .. } | State::Ended { ended } => Some(&ended.reason),
            State::Pending | State::Starting { .. } | State::Running { .. } | State::Orphaned { .. } => {
                self.waiting.as_ref()
            }
        }
    }

    /// Whether it has no tombstone.
    pub fn is_live(&self) -> bool {
        !matches!(self.state, State::Ending { .. } | State::Ended { .. })
    }

    /// The namespace that is its own, where one was recorded.
    pub fn namespace_uid(&self) -> Option<&str> {
        match &self.state {
            State::Starting { namespace_uid }
            | State::Running { namespace_uid, .. }
            | State::Orphaned { namespace_uid, .. } => Some(namespace_uid),
            State::Ending { namespace_uid, .. } => namespace_uid.as_deref(),
            State::Pending | State::Ended { .. } => None,
        }
    }

    /// When its launch must have become ready.
    pub fn launch_deadline(&self) -> Timestamp {
        after(self.created_at, LAUNCH_MAX)
    }

    /// When its maximum age ends it. What was found without a record has none.
    pub fn age_end(&self) -> Timestamp {
        match self.state {
            State::Orphaned { .. } => Timestamp::MAX,
            _ => later(self.created_at, self.max_age.duration()),
        }
    }

    /// Until when its ending must wait before it is done. Whoever was making objects or a route when the tombstone was
    /// written may still be at it for as long as a take lasts; what comes late is removed by a second pass. Once it ran,
    /// nobody makes anything any more, but for the route of a spare, which whoever wants to take it makes once more, and
    /// for a route that is made again.
    pub fn makers_done_at(&self) -> Option<Timestamp> {
        let State::Ending { ended, .. } = &self.state else {
            return None;
        };
        let begun = if self.location.is_none() || self.spare {
            Some(ended.at)
        } else {
            // Whoever else wanted to take it when it was claimed may still be making its route.
            let claimed = self.events.iter().rfind(|event| event.what == Happening::Claimed);
            self.remade.max(claimed.map(|event| event.at))
        };
        begun.map(|at| after(at, TAKE_BUDGET))
    }

    /// The same application with its tombstone: from now on it only ends.
    pub fn entombed(&self, outcome: Outcome, reason: Reason, now: Timestamp) -> Self {
        let state = State::Ending {
            namespace_uid: self.namespace_uid().map(str::to_owned),
            ended: Ended {
                outcome,
                reason,
                at: now.max(self.created_at),
            },
            step: EndingStep::Route,
        };
        let mut entombed = Self {
            state,
            run: None,
            waiting: None,
            held_since: None,
            counted: self.without_start(),
            ..self.clone()
        };
        entombed.note(now, Happening::Entombed);
        entombed
    }

    /// The same application with nothing left of it but its record; it must be ending.
    pub fn finished(&self, now: Timestamp) -> Option<Self> {
        let State::Ending { ended, .. } = &self.state else {
            return None;
        };
        let mut finished = Self {
            state: State::Ended { ended: ended.clone() },
            remade: None,
            counted: Vec::new(),
            ..self.clone()
        };
        finished.note(now, Happening::Finished);
        Some(finished)
    }
}

/// `at` plus `span`, at the end of time where that would pass it.
pub(crate) fn after(at: Timestamp, span: Duration) -> Timestamp {
    later(at, SignedDuration::try_from(span).unwrap_or_default())
}

/// `at` plus `by`, at the end of time where that would pass it.
pub(crate) fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{at, ending, launched, running, starting};

    #[test]
    fn the_old_words_and_the_finer_ones_follow_from_the_state() {
        let words = |application: &Application| (application.status().as_str(), application.phase());
        assert_eq!(words(&launched()), ("pending", Phase::Waiting));
        assert_eq!(words(&starting()), ("deploying", Phase::Starting));
        assert_eq!(words(&running()), ("deployed", Phase::Running));
        assert_eq!(words(&ending(EndingStep::Route)), ("deleted", Phase::Ending));
        let failed = launched().entombed(Outcome::Failed, Reason::PodGone, at(1));
        assert_eq!(words(&failed), ("failed", Phase::Ending));
    }

    #[test]
    fn a_tombstone_keeps_location_and_namespace_and_drops_what_ran() {
        let tombstone = running().entombed(Outcome::Deleted, Reason::PodGone, at(-5));
        assert_eq!(
            (tombstone.location.is_some(), tombstone.namespace_uid()),
            (true, Some("u"))
        );
        assert_eq!((tombstone.run.is_none(), tombstone.is_live()), (true, false));
        let State::Ending { ended, step, .. } = tombstone.state else {
            panic!("it is ending")
        };
        assert_eq!(
            (ended.at, step),
            (at(0), EndingStep::Route),
            "time never goes backwards"
        );
    }

    #[test]
    fn an_ending_waits_for_whoever_may_still_be_making_something() {
        let tombstone = |application: Application| application.entombed(Outcome::Failed, Reason::PodGone, at(5));
        assert_eq!(tombstone(launched()).makers_done_at(), Some(at(65)));
        assert_eq!(tombstone(starting()).makers_done_at(), Some(at(65)));
        assert_eq!(tombstone(running()).makers_done_at(), None);
        let mut claimed = running();
        claimed.note(at(4), Happening::Claimed);
        assert_eq!(tombstone(claimed).makers_done_at(), Some(at(64)), "or taking it");
        assert_eq!(tombstone(running().route_remade(at(3))).makers_done_at(), Some(at(63)));
        assert_eq!(running().makers_done_at(), None);
    }

    #[test]
    fn every_state_survives_being_stored() {
        for application in [launched(), starting(), running(), ending(EndingStep::Gone)] {
            let text = serde_json::to_string(&application).unwrap();
            assert_eq!(serde_json::from_str::<Application>(&text).unwrap(), application);
        }
    }

    #[test]
    fn what_the_launch_says_goes_before_what_the_template_says() {
        let template: Template =
            serde_json::from_value(serde_json::json!({"name": "t", "image-source": "i", "cull-timeout": 5})).unwrap();
        let cell = Cell {
            name: CellName::parse("default").unwrap(),
            public_host: "h".into(),
        };
        let launch =
            |cull| Application::launch(ApplicationId::from_bytes([1; 16]), &template, &cell, cull, None, at(0));
        assert_eq!(launch(None).cull_timeout.get(), 5);
        assert_eq!(launch(Millis::new(9)).cull_timeout.get(), 9);
    }
}
