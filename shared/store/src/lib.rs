//! The table: its keys, rows, access patterns and write rules. The four tables of this crate's README are its map.
//!
//! Indexes propose, conditional writes decide. Every write carries the stamp of the look that made it
//! ([`domain::Look::by`]), so that a lost answer is told from a lost race.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod api_keys;
mod applications;
mod bindings;
mod cells;
mod cluster_pools;
mod clusters;
mod due;
mod environments;
mod error;
mod identities;
mod inventories;
mod items;
mod key_sets;
mod keys;
mod launches;
mod lines;
mod list;
mod lookups;
mod merge;
mod places;
mod pools;
mod preloads;
mod request;
mod rows;
pub mod schema;
mod seals;
mod spares;
mod table;
mod templates;
mod transact;

use std::sync::Arc;

use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;

pub use api_keys::{KeyCreated, ListedKey, StoredKey};
pub use applications::NextDue;
pub use bindings::{Binding, Bound};
pub use cells::CellRows;
pub use clusters::{ClusterTaken, LeasePointer, TakenFor, bound_as};
pub use environments::{EnvironmentWritten, Organisations, made_as};
pub use error::{Error, WriteError};
pub use identities::Claim;
pub use key_sets::KeySet;
pub use launches::Launched;
pub use lines::TicketShare;
pub use list::Which;
pub use rows::Row;
pub use seals::Seal;
pub use spares::Claimed;

/// The table. Cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct Store {
    client: Client,
    table: Arc<str>,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    /// In the list's order. A page may be short, or empty, though another follows.
    pub items: Vec<T>,
    /// The position after which to go on; none when this was the last page.
    pub next: Option<String>,
}

impl Store {
    /// The table called `table`, at the address and with the credentials of `sdk`, over the connections of `net`,
    /// which also has the time-outs and the retries. Nothing is sent.
    pub fn connect(sdk: &SdkConfig, net: &net::Net, table: &str) -> Store {
        let config = aws_sdk_dynamodb::config::Builder::from(sdk)
            .http_client(net.aws(net::Peer::Store))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build();
        Store {
            client: Client::from_conf(config),
            table: table.into(),
        }
    }

    /// Opens the connection with one cheap read, of a row that never exists. Also tells whether the table answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`], [`Error::Throttled`], or [`Error::Rejected`] when there is no such table.
    pub async fn warm(&self) -> Result<(), Error> {
        self.get(&keys::Key::warm()).await.map(drop)
    }
}
