//! What a handler can touch, by type.
//!
//! A handler names its powers in its signature, so a reader sees what it can do, its binary contains only the clients
//! that it needs, and what is warmed before the first event is known. Powers are cheap to clone.

use std::sync::Arc;

use domain::Cell;
use futures::future::{BoxFuture, FutureExt, join_all};
use lifecycle::{ClusterPools, Environments, Leasing, Lifecycle};
use store::Store;

use crate::{ConfigError, DeploymentRules, Edge, Fetch, Kvm, Templates};

/// Something that a handler can be given.
pub trait Powers: Clone + Send + Sync + 'static {
    /// Makes the clients that it takes.
    ///
    /// # Errors
    /// [`ConfigError`] when the configuration does not have what they need.
    fn connect(edge: &Arc<Edge>) -> Result<Self, ConfigError>;

    /// Opens their connections, all at once. What cannot be reached now may be reached later, so nothing fails.
    fn warm(&self) -> BoxFuture<'static, ()>;
}

/// Nothing outside this process.
#[derive(Clone)]
pub struct Nothing;

impl Powers for Nothing {
    fn connect(_: &Arc<Edge>) -> Result<Self, ConfigError> {
        Ok(Self)
    }

    fn warm(&self) -> BoxFuture<'static, ()> {
        async {}.boxed()
    }
}

/// The table.
#[derive(Clone)]
pub struct Table {
    /// The table.
    pub store: Store,
}

impl Powers for Table {
    fn connect(edge: &Arc<Edge>) -> Result<Self, ConfigError> {
        Ok(Self {
            store: edge.store().clone(),
        })
    }

    fn warm(&self) -> BoxFuture<'static, ()> {
        warmed(&self.store)
    }
}

/// The table, and where the templates of launches come from.
#[derive(Clone)]
pub struct TableAndTemplates {
    /// The table.
    pub store: Store,
    /// Where the templates of launches come from.
    pub templates: Templates,
}

impl Powers for TableAndTemplates {
    fn connect(edge: &Arc<Edge>) -> Result<Self, ConfigError> {
        Ok(Self {
            store: edge.store().clone(),
            templates: edge.templates()?,
        })
    }

    fn warm(&self) -> BoxFuture<'static, ()> {
        warmed(&self.store)
    }
}

/// The table, and the home clusters with their route proxies.
#[derive(Clone)]
pub struct TableAndCells {
    /// The table.
    pub store: Store,
    /// The steps over both.
    pub lifecycle: Lifecycle,
    /// The cells, the default first.
    pub cells: Vec<Cell>,
    /// Where the templates of launches come from.
    pub templates: Templates,
}

impl Powers for TableAndCells {
    fn connect(edge: &Arc<Edge>) -> Result<Self, ConfigError> {
        Ok(Self {
            store: edge.store().clone(),
            lifecycle: edge.lifecycle()?,
            cells: edge.cells(),
            templates: edge.templates()?,
        })
    }

    fn warm(&self) -> BoxFuture<'static, ()> {
        let Self { store, lifecycle, .. } = self.clone();
        async move {
            let cells = join_all(lifecycle.cells().map(|home| async {
                let _ = futures::join!(home.cluster.warm(), home.routes.warm());
            }));
            let _ = futures::join!(store.warm(), cells);
        }
        .boxed()
    }
}

/// The table, and the clusters that can be leased.
#[derive(Clone)]
pub struct TableAndLeases {
    /// The steps over both.
    pub leasing: Leasing,
}

impl Powers for TableAndLeases {
    fn connect(edge: &Arc<Edge>) -> Result<Self, ConfigError> {
        Ok(Self {
            leasing: edge.leasing()?,
        })
    }

    fn warm(&self) -> BoxFuture<'static, ()> {
        warmed(self.leasing.store())
    }
}

/// The table, and the pools that clusters are in.
#[derive(Clone)]
pub struct TableAndClusterPools {
    /// The pools over the table.
    pub pools: ClusterPools,
}

impl Powers for TableAndClusterPools {
    fn connect(edge: &Arc<Edge>) -> Result<Self, ConfigError> {
        Ok(Self {
            pools: edge.cluster_pools(),
        })
    }

    fn warm(&self) -> BoxFuture<'static, ()> {
        warmed(self.pools.store())
    }
}

/// The table, and the environments in the home clusters.
#[derive(Clone)]
pub struct TableAndEnvironments {
    /// The steps over both.
    pub environments: Environments,
    /// What the installation says of deployments, and of what older clients expect.
    pub rules: DeploymentRules,
    /// Namespaces that are no environment's: those of the routers and route proxies, which others let in.
    pub reserved: Arc<[String]>,
}

impl Powers for TableAndEnvironments {
    fn connect(edge: &Arc<Edge>) -> Result<Self, ConfigError> {
        Ok(Self {
            environments: edge.environments()?,
            rules: edge.config.environments.deployments,
            reserved: edge.config.reserved_namespaces().collect(),
        })
    }

    fn warm(&self) -> BoxFuture<'static, ()> {
        let (store, lifecycle) = (self.environments.store().clone(), self.environments.lifecycle().clone());
        async move {
            let clusters = join_all(lifecycle.cells().map(|home| home.cluster.warm()));
            let _ = futures::join!(store.warm(), clusters);
        }
        .boxed()
    }
}

/// As [`TableAndEnvironments`], with what tells Apigee the keys of new environments.
#[derive(Clone)]
pub struct EnvironmentsAndKvm {
    /// The environments.
    pub environments: TableAndEnvironments,
    /// Apigee's key value maps, where they are told.
    pub kvm: Option<Kvm>,
}

impl Powers for EnvironmentsAndKvm {
    fn connect(edge: &Arc<Edge>) -> Result<Self, ConfigError> {
        Ok(Self {
            environments: TableAndEnvironments::connect(edge)?,
            kvm: edge.kvm()?,
        })
    }

    fn warm(&self) -> BoxFuture<'static, ()> {
        self.environments.warm()
    }
}

/// As [`TableAndEnvironments`], with what fetches pod templates.
#[derive(Clone)]
pub struct EnvironmentsAndOrigins {
    /// The environments.
    pub environments: TableAndEnvironments,
    /// What fetches pod templates.
    pub fetch: Fetch,
}

impl Powers for EnvironmentsAndOrigins {
    fn connect(edge: &Arc<Edge>) -> Result<Self, ConfigError> {
        Ok(Self {
            environments: TableAndEnvironments::connect(edge)?,
            fetch: edge.fetch()?,
        })
    }

    fn warm(&self) -> BoxFuture<'static, ()> {
        self.environments.warm()
    }
}

/// All that there is.
#[derive(Clone)]
pub struct Everything {
    /// The table, and the home clusters with their route proxies.
    pub homes: TableAndCells,
    /// The steps over environments.
    pub environments: Environments,
    /// The steps over the clusters that can be leased.
    pub leasing: Leasing,
}

impl Powers for Everything {
    fn connect(edge: &Arc<Edge>) -> Result<Self, ConfigError> {
        Ok(Self {
            homes: TableAndCells::connect(edge)?,
            environments: edge.environments()?,
            leasing: edge.leasing()?,
        })
    }

    fn warm(&self) -> BoxFuture<'static, ()> {
        self.homes.warm()
    }
}

/// Opens the table's connection.
fn warmed(store: &Store) -> BoxFuture<'static, ()> {
    let store = store.clone();
    async move { drop(store.warm().await) }.boxed()
}
