//! Preloads.

use domain::{PreloadStatus, PreloadTold, TemplateName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The answer to a preload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreloadAnswer {
    /// The template's name.
    pub template: TemplateName,
}

/// How far the preload of a template is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PreloadView {
    /// The template's name.
    pub name: TemplateName,
    /// `completed` once every node that the template may use has reported the image's id.
    pub status: PreloadStatus,
    /// When it was asked for last.
    pub start_time: Timestamp,
    /// What is in the way, naming the nodes that fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl PreloadView {
    /// What is told of the preload of the template `name`.
    pub fn of(name: TemplateName, told: PreloadTold) -> Self {
        Self {
            name,
            status: told.status,
            start_time: told.started_at,
            error: told.error,
        }
    }
}
