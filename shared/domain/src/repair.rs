//! What a cell has, held against what the table says, one application at a time.
//!
//! Lists propose: [`Evidence::matches`] says what needs no further look. [`repair`] decides by the row itself, read after
//! the lists were, and nothing is failed before its pod was looked at on its own ([`Health`]).

use jiff::Timestamp;

use crate::application::after;
use crate::limits::{DOUBT_LEAST, ORPHAN_GRACE, PRELOAD_GRACE};
use crate::{
    Application, ApplicationId, CellName, PodSeen, PodState, Preload, PreloadState, Reason, State, TemplateName,
};

/// What the lists of a cell say of one application.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Its row, where the index has one that is not ended.
    pub row: Option<RowSeen>,
    /// The namespace of its name.
    pub namespace: Option<NamespaceSeen>,
    /// Its pod in there.
    pub pod: Option<PodState>,
    /// Its route.
    pub route: RouteSeen,
}

/// A row as the index has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowSeen {
    /// Its state's word.
    pub state: String,
    /// Whether it says that something is wrong with it while it runs.
    pub troubled: bool,
}

/// A namespace of this installation's, by its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceSeen {
    /// Its uid.
    pub uid: String,
    /// The template that it says it was made from.
    pub template: Option<String>,
    /// Whether it is being deleted.
    pub going: bool,
}

/// A route of this installation's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RouteSeen {
    /// The proxy could not be asked.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// It leads there.
    To(String),
}

/// What is to be done about an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Nothing: it is as it should be, or others bring it on.
    Nothing,
    /// It has no row and gets one: [`Application::orphan`].
    Adopt {
        /// The template that it says it was made from, or `unknown`.
        template: TemplateName,
        /// Its namespace.
        namespace_uid: String,
    },
    /// It has ended, and something of it was made, or found again, after that: it goes at once.
    Clear {
        /// The namespace is there.
        namespace: bool,
        /// The route is there.
        route: bool,
    },
    /// Its pod, or its namespace, does not look as it should: it is looked at on its own, and [`health`] decides.
    Look,
    /// It runs well and its row says otherwise.
    Recover,
    /// Its route is missing or leads elsewhere: it is made again.
    MakeRoute {
        /// `http://<pod ip>:<port>`.
        target: String,
    },
    /// Its route is all that there is of it. Removing it is a judgement, under the brake.
    UnknownRoute,
    /// It is the namespace of a preload that is over: it goes at once.
    ClearPreload {
        /// Its namespace.
        namespace_uid: String,
    },
    /// It has neither record nor route, and its pod is not ready, so nobody can use it. Ending it is a judgement, under
    /// the brake.
    UselessOrphan(Reason),
}

/// How an application is that was looked at on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// As it should be.
    Well,
    /// It runs, and its row is to say that this is wrong with it.
    Troubled(Reason),
    /// What it ran in is gone: it has failed.
    Lost(Reason),
}

impl Evidence {
    /// Whether all of this agrees, so that the row itself need not be read. What is on its way up or down is brought on
    /// by its own `due_at`.
    pub fn matches(&self) -> bool {
        let Some(row) = &self.row else {
            return self.namespace.is_none() && !matches!(self.route, RouteSeen::To(_));
        };
        match row.state.as_str() {
            "running" | "orphaned" => self.is_well() && !row.troubled,
            _ => true,
        }
    }

    /// Whether its namespace stands, its pod is ready there, and its route, where that is known, leads to it.
    fn is_well(&self) -> bool {
        let Some(PodState::Ready { target }) = &self.pod else {
            return false;
        };
        self.stands() && !self.is_misrouted(target)
    }

    fn stands(&self) -> bool {
        self.namespace.as_ref().is_some_and(|namespace| !namespace.going)
    }

    fn is_misrouted(&self, target: &str) -> bool {
        match &self.route {
            RouteSeen::Unknown => false,
            RouteSeen::Missing => true,
            RouteSeen::To(other) => other != target,
        }
    }
}

/// What is to be done about an application of `cell`, by its row, read after the lists that `evidence` is from.
pub fn repair(row: Option<&Application>, evidence: &Evidence, cell: &CellName, now: Timestamp) -> Repair {
    let has_route = matches!(evidence.route, RouteSeen::To(_));
    let Some(row) = row else {
        return match &evidence.namespace {
            Some(namespace) if !namespace.going => Repair::Adopt {
                template: template(namespace),
                namespace_uid: namespace.uid.clone(),
            },
            // What goes takes its route with it in the end: then that is all there is of it.
            Some(_) => Repair::Nothing,
            None if has_route => Repair::UnknownRoute,
            None => Repair::Nothing,
        };
    };
    match &row.state {
        State::Ended { .. } if evidence.stands() || has_route => Repair::Clear {
            namespace: evidence.stands(),
            route: has_route,
        },
        _ if row.cell != *cell => Repair::Nothing,
        State::Running { .. } => running(row, evidence),
        State::Orphaned { found_at, .. } => orphaned(row, *found_at, evidence, now),
        State::Pending | State::Starting { .. } | State::Ending { .. } | State::Ended { .. } => Repair::Nothing,
    }
}

fn running(row: &Application, evidence: &Evidence) -> Repair {
    match &evidence.pod {
        Some(PodState::Ready { target }) if evidence.stands() => {
            if evidence.is_misrouted(target) {
                Repair::MakeRoute { target: target.clone() }
            } else if row.waiting.is_some() {
                Repair::Recover
            } else {
                Repair::Nothing
            }
        }
        _ => Repair::Look,
    }
}

fn orphaned(row: &Application, found_at: Timestamp, evidence: &Evidence, now: Timestamp) -> Repair {
    if !evidence.stands() {
        return Repair::Look;
    }
    let last_use = row.used_at.unwrap_or(found_at).max(found_at);
    match &evidence.pod {
        Some(PodState::Ready { target }) if evidence.is_misrouted(target) => {
            Repair::MakeRoute { target: target.clone() }
        }
        Some(PodState::Ready { .. }) => Repair::Nothing,
        _ if evidence.route == RouteSeen::Missing && now >= after(last_use, ORPHAN_GRACE) => {
            Repair::UselessOrphan(Reason::OrphanUnused {
                found_at,
                last_use,
                judged_at: now,
            })
        }
        _ => Repair::Nothing,
    }
}

/// What is to be done about the namespace of a preload, by the preload's row. A young one may be somebody's who is about
/// to record it.
pub fn repair_preload(
    row: Option<&Preload>,
    id: &ApplicationId,
    namespace_uid: &str,
    made_at: Timestamp,
    now: Timestamp,
) -> Repair {
    let is_over = row.is_none_or(|row| row.current.id != *id || matches!(row.state, PreloadState::Done { .. }));
    if is_over && now >= after(made_at, PRELOAD_GRACE) {
        let namespace_uid = namespace_uid.to_owned();
        Repair::ClearPreload { namespace_uid }
    } else {
        Repair::Nothing
    }
}

/// What follows from an application's pod, looked at on its own. A spare whose pod is not ready would not go out, so it
/// ends; what is somebody's goes on, and says what is wrong. What was found without a record is judged by its use alone.
pub fn health(row: &Application, seen: PodSeen) -> Health {
    let is_orphan = matches!(row.state, State::Orphaned { .. });
    match seen {
        PodSeen::NamespaceGone => Health::Lost(Reason::NamespaceGone),
        _ if is_orphan => Health::Well,
        PodSeen::Gone => Health::Lost(Reason::PodGone),
        PodSeen::There(PodState::Ended { message }) => Health::Lost(Reason::PodEnded { message }),
        PodSeen::There(PodState::Ready { .. }) => Health::Well,
        PodSeen::There(PodState::Waiting(reason) | PodState::Hopeless(reason)) if row.spare => Health::Lost(reason),
        PodSeen::There(PodState::Waiting(reason) | PodState::Hopeless(reason)) => Health::Troubled(reason),
    }
}

/// Whether an answer that knows `known` of `expected` is to be believed: one that knows less than half of many is taken
/// for wrong, and nothing follows from it.
pub fn is_plausible(known: usize, expected: usize) -> bool {
    expected < DOUBT_LEAST || 2 * known >= expected
}

fn template(namespace: &NamespaceSeen) -> TemplateName {
    let said = namespace.template.as_deref().map(TemplateName::parse);
    said.and_then(Result::ok).unwrap_or_else(TemplateName::unknown)
}

#[cfg(test)]
mod tests;
