//! Where applications live.

use crate::{ApplicationId, CellName};

/// A home cluster with its route proxy, as decisions see it: no address of its API and no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The name that every row living here carries.
    pub name: CellName,
    /// Host, with a port where needed, at which people reach the route proxy. No scheme.
    pub public_host: String,
}

impl Cell {
    /// Where an application answers once it runs: `<host>/user/<id>`, no scheme and no trailing slash, as the older
    /// service gave it.
    pub fn location(&self, id: &ApplicationId) -> String {
        format!("{}/user/{id}", self.public_host)
    }
}
