//! Steps about environments: they are asked for, made, changed and removed.
//!
//! As with applications, whoever looks takes the row, does the one step that `domain` asks for, and records it. What
//! keeps a late call from undoing a later one is the generation, which stands on the row and on all that is made of it.

mod ask;
mod steps;
mod stray;

use std::sync::Arc;

use cluster_client::{EnvironmentRules, RoutingKeys};
use domain::{Environment, Look};
use store::{Row, Store};
use vault::Keyring;

use crate::{Error, HomeCell, Lifecycle};

pub use ask::{Asked, EnvironmentChanged};
pub use stray::Strays;

/// What sealed routing keys are sealed for.
const SEALED: &str = "environment keys";
/// How often a row that others move is read and written again.
const TRIES: usize = 4;

/// The row of an environment as a step reads and writes it.
pub(crate) type EnvironmentRow = Row<Environment>;

/// What the steps about environments are done with.
#[derive(Clone)]
pub struct Environments(Arc<Inner>);

struct Inner {
    lifecycle: Lifecycle,
    keyring: Keyring,
    rules: EnvironmentRules,
}

impl Environments {
    /// The steps over the table and the cells of `lifecycle`, the first of which has new environments.
    pub fn new(lifecycle: Lifecycle, keyring: Keyring, rules: EnvironmentRules) -> Self {
        Self(Arc::new(Inner {
            lifecycle,
            keyring,
            rules,
        }))
    }

    /// The steps over the cells.
    pub fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    /// The table.
    pub fn store(&self) -> &Store {
        self.0.lifecycle.store()
    }

    /// The cell that an environment is in.
    ///
    /// # Errors
    /// [`Error::UnknownCell`] when it was taken out of the configuration.
    pub fn home(&self, environment: &Environment) -> Result<&HomeCell, Error> {
        self.0.lifecycle.home_of(&environment.cell)
    }

    /// The routing keys of an environment.
    ///
    /// # Errors
    /// [`Error::Sealed`] when they were sealed with a key that the installation does not have any more.
    pub fn keys(&self, environment: &Environment) -> Result<RoutingKeys, Error> {
        let bound_to = [environment.name.to_string(), environment.born.0.to_string()];
        let opened = self.0.keyring.open(
            SEALED,
            &bound_to.each_ref().map(String::as_str),
            &environment.sealed_keys,
        );
        let text = opened.map_err(|_| Error::Sealed)?;
        serde_json::from_slice(&text).map_err(|_| Error::Sealed)
    }

    /// The environment with these routing keys. `nonce` is random and never used twice.
    fn sealed(&self, environment: Environment, keys: &RoutingKeys, nonce: [u8; 12]) -> Environment {
        let bound_to = [environment.name.to_string(), environment.born.0.to_string()];
        // Two texts can always be written.
        let text = serde_json::to_vec(keys).unwrap_or_default();
        let bound_to = bound_to.each_ref().map(String::as_str);
        Environment {
            sealed_keys: self.0.keyring.seal(SEALED, &bound_to, &text, nonce),
            ..environment
        }
    }

    /// The row as it is now, after somebody else moved it. Where another environment has it by now, this one is over.
    async fn reread(&self, row: &EnvironmentRow, look: &Look) -> Result<EnvironmentRow, Error> {
        let now = self.store().environment(&row.value.name.namespace()).await?;
        let now = now.ok_or(Error::Gone)?;
        Ok(
            match now.value.name == row.value.name && now.value.born == row.value.born {
                true => now,
                false => Row {
                    value: row.value.ended(look.now),
                    ..now
                },
            },
        )
    }

    /// Brings on what was just written, if this look still can. What fails is done by the next look.
    async fn worked(&self, row: EnvironmentRow, look: &Look) -> EnvironmentRow {
        match self.work(row.clone(), look).await {
            Ok(row) => row,
            Err(error) => {
                net::note("bringing an environment on", &error);
                row
            }
        }
    }
}
