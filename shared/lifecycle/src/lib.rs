//! Steps that span table, cluster and route proxy.
//!
//! `domain` says what an application needs next; here that one step is done, recorded conditionally on the row that
//! was judged, and the question is asked again. Whoever looks may do this: the launch itself, a status read, the
//! reaper. Every step is safe to repeat, and safe to be cut off before or after any of its calls:
//!
//! - a row is *taken* before work on it begins, which moves its `due_at` to when somebody else must take over;
//! - what was made outside is followed by one conditional write of the row, and when the row has moved on meanwhile,
//!   the maker removes what it made;
//! - an ending goes tombstone, route, namespace, row, so that no route ever points at another tenant's pod.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod advance;
mod end;
mod launch;
mod start;
mod trouble;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_client::Cluster;
use domain::{Application, ApplicationId, Cell, CellName, Look};
use routes::Routes;
use store::{Row, Store};
use thiserror::Error;

pub use advance::Turn;
pub use launch::LaunchAnswer;

/// A home cluster with its route proxy, ready to be called.
#[derive(Clone)]
pub struct HomeCell {
    /// As decisions see it.
    pub cell: Cell,
    /// Its Kubernetes.
    pub cluster: Cluster,
    /// Its route proxy.
    pub routes: Routes,
}

/// The steps, over one table and the cells of one installation.
#[derive(Clone)]
pub struct Lifecycle {
    store: Store,
    cells: Arc<BTreeMap<CellName, HomeCell>>,
}

/// Why a step could not be done or recorded. What the cluster or the proxy refuses is not an error: it is recorded on
/// the row, with when it is tried again.
#[derive(Debug, Error)]
pub enum Error {
    /// The table failed; nothing of this step is recorded.
    #[error("the table failed")]
    Store(#[from] store::Error),
    /// The row kept moving under every try.
    #[error("the row was changed by others at every try")]
    Overtaken,
    /// The row is gone.
    #[error("the row is gone")]
    Gone,
    /// The row names a cell that this installation's configuration does not know.
    #[error("no cell '{0}' is configured")]
    UnknownCell(CellName),
}

impl Lifecycle {
    /// The steps over `store` and `cells`.
    pub fn new(store: Store, cells: impl IntoIterator<Item = HomeCell>) -> Self {
        let cells = cells.into_iter().map(|home| (home.cell.name.clone(), home)).collect();
        Self {
            store,
            cells: Arc::new(cells),
        }
    }

    /// The table.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The cells, by name.
    pub fn cells(&self) -> impl Iterator<Item = &HomeCell> {
        self.cells.values()
    }

    fn home(&self, application: &Application) -> Result<&HomeCell, Error> {
        self.cells
            .get(&application.cell)
            .ok_or_else(|| Error::UnknownCell(application.cell.clone()))
    }

    /// The row as it is now, after somebody else moved it.
    async fn reread(&self, id: &ApplicationId, look: &Look) -> Result<Row<Application>, Error> {
        self.store.application(id, look.now).await?.ok_or(Error::Gone)
    }
}
