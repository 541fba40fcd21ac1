//! The local adapter: every endpoint and the schedule in one process, on loopback.
//!
//! It runs the handlers that Lambda runs, over the same clients; what differs is the addresses they are given. Where
//! no address is given, an embedded part stands in, and while every part is embedded the clock can be wound.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod adapter;
pub mod args;
mod console;
mod demo;
mod http;
mod identity;
mod leasable;
mod options;
mod parts;
mod ready;
mod server;
mod tour;

pub use adapter::{Adapter, Advanced};
pub use console::{Console, LogFormat};
pub use demo::demo;
pub use identity::Identity;
pub use options::{Options, RealParts};
pub use ready::Ready;
pub use tour::tour;

/// Why the adapter could not start or go on: a sentence that says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}. Choose another with {flag}, or port 0 for any free one")]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The flag that says another.
        flag: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A file cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Something else that a sentence says best.
    #[error("{0}")]
    Sentence(String),
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] gateway::ConfigError),
    /// The table cannot be used.
    #[error("the table cannot be used: {0}")]
    Store(#[from] store::Error),
    /// What is there could not be held against the table.
    #[error("what runs could not be looked over: {0}")]
    Survey(#[from] lifecycle::SurveyError),
    /// A step failed.
    #[error("an application could not be looked after: {0}")]
    Lifecycle(#[from] lifecycle::Error),
}

impl Error {
    pub(crate) fn file(path: &std::path::Path, source: std::io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            source,
        }
    }
}
