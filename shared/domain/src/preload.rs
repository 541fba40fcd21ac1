//! A preload: the image of a template, brought onto the nodes of one cell ahead of its launches.

mod told;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::application::after;
use crate::limits::{PRELOAD_MAX, PRELOAD_MESSAGE_MAX, PRELOAD_NODES_MAX, TAKE_BUDGET};
use crate::{ApplicationId, CellName, TemplateName, Workload};

pub use told::{PreloadStatus, PreloadTold, preload_told};

/// What a template's preload is doing, or came to, in one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Preload {
    /// The template.
    pub template: TemplateName,
    /// The cell.
    pub cell: CellName,
    /// What is loaded, or was.
    pub current: PreloadRun,
    /// How far that is.
    #[serde(flatten)]
    pub state: PreloadState,
    /// Each node that the template may use, as the last look saw it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub nodes: BTreeMap<String, NodeImage>,
    /// What stands in the way of all nodes, as the last look saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<PreloadTrouble>,
    /// What begins once nothing of the current one is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<PreloadRun>,
}

/// One run of a preload.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct PreloadRun {
    /// The name of its namespace.
    pub id: ApplicationId,
    /// What is preloaded, as the template said when it was asked for.
    pub workload: Workload,
    /// When it was asked for.
    pub started_at: Timestamp,
}

/// How far a preload is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum PreloadState {
    /// Its row is written, its namespace perhaps made.
    Pending,
    /// Its namespace is made; each node gets a pod, and reports.
    Loading {
        /// The namespace that is its own.
        namespace_uid: String,
    },
    /// Its namespace is going.
    Clearing {
        /// The namespace that is its own, where one was recorded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        namespace_uid: Option<String>,
        /// Since when.
        since: Timestamp,
        /// Whether every node has the image; otherwise it was given up or replaced.
        completed: bool,
    },
    /// Nothing of it is left but this record.
    Done {
        /// Whether every node has the image; otherwise it was given up.
        completed: bool,
    },
}

/// How a node and the image are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "image", rename_all = "snake_case")]
pub enum NodeImage {
    /// The node has not reported yet.
    Waiting,
    /// The node cannot load it, and goes on trying.
    Failing {
        /// Its own sentence.
        message: String,
    },
    /// The node cannot load it, and tries no more.
    Failed {
        /// Its own sentence.
        message: String,
    },
    /// The node has reported the image's id.
    Pulled,
}

/// What stands in the way of all nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum PreloadTrouble {
    /// The cluster could not be reached.
    ClusterUnreachable,
    /// The cluster answers, but not as this installation is configured for it.
    ClusterUnusable,
    /// The cluster refused what the preload is made of.
    Refused {
        /// The cluster's own sentence.
        message: String,
    },
    /// A namespace of its name exists and is not its own.
    NotOurs,
    /// There is no node that the template may use.
    NoNode,
    /// The template may use more nodes than one preload serves.
    TooManyNodes {
        /// How many.
        nodes: usize,
    },
}

/// The one step that a preload needs next. Whoever looks does it, records it and asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PreloadStep {
    /// Namespace, service account and network policy are to be made. *Cluster required.*
    MakeNamespace,
    /// Nodes and pods are to be looked at, and missing pods made. *Cluster required.*
    Load,
    /// It is to be written that it ends: its time is over, or something else is wanted.
    Abandon,
    /// The namespace is to be deleted, and looked for until it is gone. *Cluster required.*
    Clear,
    /// Nothing.
    Nothing,
}

impl Preload {
    /// A preload of which nothing is made yet.
    pub fn new(template: TemplateName, cell: CellName, run: PreloadRun) -> Self {
        Self {
            template,
            cell,
            current: run,
            state: PreloadState::Pending,
            nodes: BTreeMap::new(),
            trouble: None,
            next: None,
        }
    }

    /// What becomes of this preload when `run` is asked for; nothing where the same workload is being loaded already:
    /// then whoever asks joins it.
    pub fn asked(&self, run: &PreloadRun) -> Option<Self> {
        let is_done = matches!(self.state, PreloadState::Done { .. });
        if self.is_loading() && self.newest().workload == run.workload {
            return None;
        }
        Some(if is_done {
            Self::new(self.template.clone(), self.cell.clone(), run.clone())
        } else {
            Self {
                next: Some(run.clone()),
                ..self.clone()
            }
        })
    }

    /// What it needs next.
    pub fn next_step(&self, now: Timestamp) -> PreloadStep {
        match &self.state {
            PreloadState::Pending | PreloadState::Loading { .. } if self.next.is_some() => PreloadStep::Abandon,
            PreloadState::Pending if self.is_late(now) => PreloadStep::Abandon,
            PreloadState::Pending => PreloadStep::MakeNamespace,
            // Looked at even past its time: what is there then counts.
            PreloadState::Loading { .. } => PreloadStep::Load,
            PreloadState::Clearing { .. } => PreloadStep::Clear,
            PreloadState::Done { .. } => PreloadStep::Nothing,
        }
    }

    /// The same preload, its namespace made.
    pub fn loading(&self, namespace_uid: String) -> Self {
        Self {
            state: PreloadState::Loading { namespace_uid },
            trouble: None,
            ..self.clone()
        }
    }

    /// The same preload after a look at all nodes that the template may use. A node that has reported once has the
    /// image. Completed when all of them have it; given up when none can be waited for, or its time is over.
    pub fn seen(&self, mut nodes: BTreeMap<String, NodeImage>, now: Timestamp) -> Self {
        let has = |name: &String| self.nodes.get(name) == Some(&NodeImage::Pulled);
        for (name, image) in &mut nodes {
            if has(name) {
                *image = NodeImage::Pulled;
            }
        }
        let (count, all) = (nodes.len(), !nodes.is_empty());
        let completed = all && nodes.values().all(|image| *image == NodeImage::Pulled);
        let settled = all && nodes.values().all(NodeImage::is_settled);
        let trouble = match count {
            0 => Some(PreloadTrouble::NoNode),
            _ if count > PRELOAD_NODES_MAX => Some(PreloadTrouble::TooManyNodes { nodes: count }),
            _ => None,
        };
        if count > PRELOAD_NODES_MAX {
            nodes.clear();
        }
        let over = settled || count > PRELOAD_NODES_MAX || self.is_late(now);
        let next = Self {
            nodes,
            trouble,
            ..self.clone()
        };
        if over { next.clearing(completed, now) } else { next }
    }

    /// The same preload with something in the way of all its nodes. Past its time it is given up for it.
    pub fn troubled(&self, trouble: PreloadTrouble, now: Timestamp) -> Self {
        let next = Self {
            trouble: Some(trouble),
            ..self.clone()
        };
        match self.state {
            PreloadState::Pending | PreloadState::Loading { .. } if self.is_late(now) => next.clearing(false, now),
            _ => next,
        }
    }

    /// The same preload, given up.
    pub fn given_up(&self, trouble: Option<PreloadTrouble>, now: Timestamp) -> Self {
        Self {
            trouble: trouble.or_else(|| self.trouble.clone()),
            ..self.clearing(false, now)
        }
    }

    /// The same preload, begun again once its namespace is gone, which somebody else has deleted.
    pub fn begun_again(&self, now: Timestamp) -> Self {
        Self {
            next: self.next.clone().or_else(|| Some(self.current.clone())),
            ..self.clearing(false, now)
        }
    }

    fn clearing(&self, completed: bool, now: Timestamp) -> Self {
        Self {
            state: PreloadState::Clearing {
                namespace_uid: self.namespace_uid().map(str::to_owned),
                since: now,
                completed,
            },
            ..self.clone()
        }
    }

    /// What follows once its namespace is gone: its end, or the beginning of what was asked for meanwhile.
    pub fn cleared(&self) -> Self {
        match (&self.next, &self.state) {
            (Some(next), _) => Self::new(self.template.clone(), self.cell.clone(), next.clone()),
            (None, PreloadState::Clearing { completed, .. } | PreloadState::Done { completed }) => Self {
                state: PreloadState::Done { completed: *completed },
                ..self.clone()
            },
            (None, PreloadState::Pending | PreloadState::Loading { .. }) => self.clone(),
        }
    }

    /// When nobody can be making its namespace any more, where none was recorded: until then it may still come to be.
    pub fn makers_done_at(&self) -> Option<Timestamp> {
        match &self.state {
            PreloadState::Clearing {
                namespace_uid: None,
                since,
                ..
            } => Some(after(*since, TAKE_BUDGET)),
            _ => None,
        }
    }

    /// The namespace that is its own, where one was recorded.
    pub fn namespace_uid(&self) -> Option<&str> {
        match &self.state {
            PreloadState::Loading { namespace_uid } => Some(namespace_uid),
            PreloadState::Clearing { namespace_uid, .. } => namespace_uid.as_deref(),
            PreloadState::Pending | PreloadState::Done { .. } => None,
        }
    }

    /// Whether it is on its way, or something is that was asked for meanwhile.
    fn is_loading(&self) -> bool {
        let current = matches!(self.state, PreloadState::Pending | PreloadState::Loading { .. });
        current || self.next.is_some()
    }

    fn is_late(&self, now: Timestamp) -> bool {
        now >= after(self.current.started_at, PRELOAD_MAX)
    }

    /// What was asked for last.
    fn newest(&self) -> &PreloadRun {
        self.next.as_ref().unwrap_or(&self.current)
    }
}

impl NodeImage {
    /// The node cannot load the image, and goes on trying.
    pub fn failing(message: &str) -> Self {
        let message = cut(message);
        NodeImage::Failing { message }
    }

    /// The node cannot load the image, and tries no more.
    pub fn failed(message: &str) -> Self {
        let message = cut(message);
        NodeImage::Failed { message }
    }

    fn is_settled(&self) -> bool {
        matches!(self, NodeImage::Failed { .. } | NodeImage::Pulled)
    }
}

fn cut(message: &str) -> String {
    const MORE: &str = "…";
    if message.len() <= PRELOAD_MESSAGE_MAX {
        return message.to_owned();
    }
    let kept = &message[..message.floor_char_boundary(PRELOAD_MESSAGE_MAX - MORE.len())];
    kept.trim_end().to_owned() + MORE
}

#[cfg(test)]
mod tests;
