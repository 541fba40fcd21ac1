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
mod brake;
mod end;
mod environments;
mod judge;
mod launch;
mod leasing;
mod meter;
mod pool;
mod preload;
mod repair;
mod start;
mod survey;
mod trouble;
mod watch;

use std::sync::Arc;

use cluster_client::Cluster;
use domain::{Application, ApplicationId, Cell, CellName, Look, Quotas};
use routes::Routes;
use store::{Row, Store};
use thiserror::Error;

pub use advance::Turn;
pub use environments::{Asked, EnvironmentChanged, Environments, Strays};
pub use judge::{Candidate, Judged, LastUses};
pub use launch::{Ask, Full, LaunchAnswer};
pub use leasing::{
    Acquired, Cleaned, ClusterPools, Granted, Held, LeaseAsk, Leasing, LeasingRules, Registered, Registration, Removed,
    Renewed, verified,
};
pub use meter::{Meter, count, metered};
pub use pool::Refilled;
pub use repair::Mended;
pub use routes::RouteTable;
pub use survey::{Finding, Survey, SurveyError};

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
    /// In the order in which they are filled.
    cells: Arc<[HomeCell]>,
    quotas: Arc<Quotas>,
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
    /// This installation has no cell.
    #[error("no cell is configured")]
    NoCell,
    /// What is sealed was sealed with a key that the installation does not have any more, or for something else.
    #[error("what is sealed cannot be opened with the installation's keys")]
    Sealed,
}

impl Lifecycle {
    /// The steps over `store` and `cells`, which are filled in their order, up to the `quotas`.
    pub fn new(store: Store, cells: impl IntoIterator<Item = HomeCell>, quotas: Quotas) -> Self {
        Self {
            store,
            cells: cells.into_iter().collect(),
            quotas: Arc::new(quotas),
        }
    }

    /// The table.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The cells, the default first.
    pub fn cells(&self) -> impl Iterator<Item = &HomeCell> {
        self.cells.iter()
    }

    /// The cell that `application` lives in.
    ///
    /// # Errors
    /// [`Error::UnknownCell`] when it was taken out of the configuration.
    pub fn home(&self, application: &Application) -> Result<&HomeCell, Error> {
        self.home_of(&application.cell)
    }

    fn home_of(&self, cell: &CellName) -> Result<&HomeCell, Error> {
        let mut cells = self.cells.iter();
        cells
            .find(|home| home.cell.name == *cell)
            .ok_or_else(|| Error::UnknownCell(cell.clone()))
    }

    /// The row as it is now, after somebody else moved it.
    async fn reread(&self, id: &ApplicationId, look: &Look) -> Result<Row<Application>, Error> {
        self.store.application(id, look.now).await?.ok_or(Error::Gone)
    }
}
