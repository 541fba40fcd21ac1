//! What goes wrong with real parts.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// What goes wrong with real parts.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something must be installed first.
    #[error("{what} needs {tool}, which is not here: {how}")]
    Missing {
        /// What is being installed or started.
        what: &'static str,
        /// What it needs.
        tool: &'static str,
        /// How to get that.
        how: &'static str,
    },
    /// A step of an installation failed.
    #[error("`{command}` failed in {}:\n{output}", folder.display())]
    Install {
        /// The command.
        command: String,
        /// Where it ran.
        folder: PathBuf,
        /// The end of what it printed.
        output: String,
    },
    /// A server could not be started.
    #[error("{name} cannot be started: {error}")]
    Start {
        /// The server.
        name: &'static str,
        /// Why.
        error: io::Error,
    },
    /// A server does not answer.
    #[error("{name} was not ready within {waited:?}; its log ends with:\n{log}")]
    NotReady {
        /// The server.
        name: &'static str,
        /// How long it was waited for.
        waited: Duration,
        /// The end of its log.
        log: String,
    },
    /// A file or folder cannot be used.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Error {
    /// As an error about a file or folder.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        |error| Self::File { path, error }
    }
}
