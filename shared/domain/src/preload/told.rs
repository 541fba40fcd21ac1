//! What is told of a template's preload over all cells.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{NodeImage, Preload, PreloadState, PreloadTrouble};
use crate::CellName;
use crate::limits::{PRELOAD_MAX, PRELOAD_NAMED_MAX, PRELOAD_NODES_MAX};
use crate::time::in_words;

/// A preload's `status`, in the older service's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PreloadStatus {
    /// Not every node has the image, or is known to have it.
    Loading,
    /// Every node that the template may use has reported the image's id.
    Completed,
}

/// What is told of a template's preload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreloadTold {
    /// Completed when it is in every cell.
    pub status: PreloadStatus,
    /// When it was asked for last.
    pub started_at: Timestamp,
    /// What is in the way, in sentences.
    pub error: Option<String>,
}

/// What is told of `preloads`, all of one template, where these `cells` are configured; nothing when it was never
/// preloaded in any of them.
pub fn preload_told(cells: &[CellName], preloads: &[Preload]) -> Option<PreloadTold> {
    let of = |cell: &CellName| preloads.iter().find(|preload| preload.cell == *cell);
    let started_at = cells.iter().filter_map(of).map(|own| own.newest().started_at).max()?;
    let completed = cells.iter().all(|cell| of(cell).is_some_and(Preload::is_completed));
    let errors = cells.iter().filter_map(|cell| {
        let error = match of(cell) {
            Some(own) => own.error()?,
            None => format!("It was not asked for there yet. {AGAIN}"),
        };
        Some(match cells.len() {
            1 => error,
            _ => format!("Cell '{cell}': {error}"),
        })
    });
    let error = errors.collect::<Vec<_>>().join(" ");
    Some(PreloadTold {
        status: if completed {
            PreloadStatus::Completed
        } else {
            PreloadStatus::Loading
        },
        started_at,
        error: Some(error).filter(|error| !error.is_empty()),
    })
}

const AGAIN: &str = "Preload the template again to try again.";

impl Preload {
    /// Whether every node has the image, and nothing was asked for since.
    fn is_completed(&self) -> bool {
        let done = matches!(
            self.state,
            PreloadState::Clearing { completed: true, .. } | PreloadState::Done { completed: true }
        );
        done && self.next.is_none()
    }

    /// What is in its way, or what it was given up for.
    fn error(&self) -> Option<String> {
        if self.is_completed() || self.next.is_some() {
            return None;
        }
        let given_up = matches!(self.state, PreloadState::Clearing { .. } | PreloadState::Done { .. });
        let mut sentences: Vec<String> = self.trouble.iter().map(PreloadTrouble::sentence).collect();
        let named: Vec<String> = self
            .nodes
            .iter()
            .filter_map(|(name, image)| named(name, image, given_up))
            .collect();
        sentences.extend(named.iter().take(PRELOAD_NAMED_MAX).cloned());
        if let Some(more) = named.len().checked_sub(PRELOAD_NAMED_MAX).filter(|more| *more > 0) {
            sentences.push(format!("So it is with {more} more."));
        }
        if given_up {
            sentences.insert(0, "Given up.".to_owned());
            sentences.push(AGAIN.to_owned());
        }
        (!sentences.is_empty()).then(|| sentences.join(" "))
    }
}

/// What keeps one node from having the image. One that is only waited for is named once nobody waits any more.
fn named(name: &str, image: &NodeImage, given_up: bool) -> Option<String> {
    match image {
        NodeImage::Failing { message } | NodeImage::Failed { message } => {
            let end = if message.ends_with(['.', '…']) { "" } else { "." };
            Some(format!("Node '{name}': {message}{end}"))
        }
        NodeImage::Waiting if given_up => {
            let limit = in_words(SignedDuration::try_from(PRELOAD_MAX).unwrap_or_default());
            Some(format!("Node '{name}' did not report the image within {limit}."))
        }
        NodeImage::Waiting | NodeImage::Pulled => None,
    }
}

impl PreloadTrouble {
    /// What people read.
    fn sentence(&self) -> String {
        match self {
            PreloadTrouble::ClusterUnreachable => "The cluster could not be reached.".into(),
            PreloadTrouble::ClusterUnusable => {
                "The cluster does not accept this installation as it is configured; its operator finds the cause in the log."
                    .into()
            }
            PreloadTrouble::Refused { message } => format!("The cluster refused it: {message}."),
            PreloadTrouble::NotOurs => {
                "A namespace of its name exists in the cluster and belongs to somebody else; it is left alone.".into()
            }
            PreloadTrouble::NoNode => {
                "There is no node that the template may use: its 'node-selector' or its 'tolerations' fit none that is ready and schedulable."
                    .into()
            }
            PreloadTrouble::TooManyNodes { nodes } => {
                format!("The template may use {nodes} nodes, and a preload serves {PRELOAD_NODES_MAX} at most: narrow its 'node-selector'.")
            }
        }
    }
}
