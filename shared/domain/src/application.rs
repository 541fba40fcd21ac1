//! An application: one launch of a template, from its row's first write to its tombstone.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::{LAUNCH_MAX, TAKE_BUDGET};
use crate::{ApplicationId, Cell, CellName, Millis, Reason, Template, TemplateName, Workload};

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
    /// What it waits for, as the last look saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Reason>,
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
        Self {
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
        }
    }

    /// Its status in the older service's words.
    pub fn status(&self) -> Status {
        match &self.state {
            State::Pending => Status::Pending,
            State::Starting { .. } => Status::Deploying,
            State::Running { .. } => Status::Deployed,
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
            State::Ending { .. } => Phase::Ending,
            State::Ended { .. } => Phase::Ended,
        }
    }

    /// Why it is not (yet, or any more) answering; nothing while it runs.
    pub fn reason(&self) -> Option<&Reason> {
        match &self.state {
            State::Ending { ended, .. } | State::Ended { ended } => Some(&ended.reason),
            State::Pending | State::Starting { .. } => self.waiting.as_ref(),
            State::Running { .. } => None,
        }
    }

    /// Whether it has no tombstone.
    pub fn is_live(&self) -> bool {
        !matches!(self.state, State::Ending { .. } | State::Ended { .. })
    }

    /// The namespace that is its own, where one was recorded.
    pub fn namespace_uid(&self) -> Option<&str> {
        match &self.state {
            State::Starting { namespace_uid } | State::Running { namespace_uid, .. } => Some(namespace_uid),
            State::Ending { namespace_uid, .. } => namespace_uid.as_deref(),
            State::Pending | State::Ended { .. } => None,
        }
    }

    /// When its launch must have become ready.
    pub fn launch_deadline(&self) -> Timestamp {
        later(
            self.created_at,
            SignedDuration::try_from(LAUNCH_MAX).unwrap_or_default(),
        )
    }

    /// When its maximum age ends it.
    pub fn age_end(&self) -> Timestamp {
        later(self.created_at, self.max_age.duration())
    }

    /// Until when its ending must wait before it is done. Whoever was making objects or a route when the tombstone was
    /// written may still be at it for as long as a take lasts; what comes late is removed by a second pass. Once it ran,
    /// nobody makes anything any more.
    pub fn makers_done_at(&self) -> Option<Timestamp> {
        match &self.state {
            State::Ending { ended, .. } if self.location.is_none() => Some(later(
                ended.at,
                SignedDuration::try_from(TAKE_BUDGET).unwrap_or_default(),
            )),
            State::Pending
            | State::Starting { .. }
            | State::Running { .. }
            | State::Ending { .. }
            | State::Ended { .. } => None,
        }
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
        Self {
            state,
            run: None,
            waiting: None,
            ..self.clone()
        }
    }
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
    fn an_ending_waits_for_late_makers_only_where_it_never_ran() {
        let tombstone = |application: Application| application.entombed(Outcome::Failed, Reason::PodGone, at(5));
        assert_eq!(tombstone(launched()).makers_done_at(), Some(at(65)));
        assert_eq!(tombstone(starting()).makers_done_at(), Some(at(65)));
        assert_eq!(tombstone(running()).makers_done_at(), None);
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
