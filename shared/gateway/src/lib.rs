//! The edge: a [`Call`] comes in, a [`Reply`] or a [`Problem`] goes out.
//!
//! Only here are the clock, the environment and randomness read, callers authenticated, bodies and cursors opened,
//! problems rendered, and the one log line of a request written. A [`Route`] joins an endpoint's descriptor to its
//! handler; [`serve`] runs one as a Lambda function, [`Router`] many in one process.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod auth;
mod call;
mod clock;
mod config;
mod edge;
mod fetch;
mod kvm;
mod log;
mod page;
mod powers;
mod problem;
mod reply;
mod route;
mod router;
mod serve;
mod templates;

pub use auth::key_sha256;
pub use call::{Call, rest};
pub use clock::{Clock, Entropy};
pub use config::{
    CellConfig, Config, ConfigError, DeployState, DeploymentRules, EnvironmentConfig, FetchConfig, IssuerConfig,
    Launches, LeaseConfig, OutsideConfig, RouterConfig, Secrets, SecretsFrom, TokenKind,
};
pub use edge::{Edge, Opening};
pub use fetch::{Asker, Fetch, FetchError};
pub use kvm::{Kvm, KvmError};
pub use log::{LogLine, LogSink, Metric, Unit};
pub use page::PageAsk;
pub use powers::{
    EnvironmentsAndKvm, EnvironmentsAndOrigins, Everything, Nothing, Powers, Table, TableAndCells,
    TableAndClusterPools, TableAndEnvironments, TableAndLeases, TableAndTemplates,
};
pub use problem::Problem;
pub use reply::Reply;
pub use route::{Incoming, Mounted, Route, api_deadline};
pub use router::Router;
pub use serve::{Error, serve, serve_rooms, serve_schedule};
pub use templates::{TemplateError, Templates};
