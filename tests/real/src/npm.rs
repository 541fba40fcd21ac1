//! What comes from npm: the route proxy, DynamoDB Local's archive, and an old client.

use std::path::PathBuf;

use crate::Error;
use crate::cache::{Recipe, Tool};

/// Node, which runs the proxy and the client.
pub(crate) const NODE: Tool = Tool {
    name: "node",
    how: "install Node 20 or newer, on Debian `apt-get install nodejs npm`",
};

/// What installs packages.
pub(crate) const NPM: Tool = Tool {
    name: "npm",
    how: NODE.how,
};

const PACKAGES: Recipe = Recipe {
    name: "npm",
    files: &[
        ("package.json", include_str!("../npm/package.json")),
        ("package-lock.json", include_str!("../npm/package-lock.json")),
    ],
    commands: &["npm ci --ignore-scripts --no-audit --no-fund"],
    needs: &[NODE, NPM],
};

/// Installs the packages, if they are not there, and gives the folder that `node_modules` is in.
///
/// # Errors
/// When Node is missing or a package cannot be had.
pub fn install() -> Result<PathBuf, Error> {
    PACKAGES.folder()
}
