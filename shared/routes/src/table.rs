//! The proxy's table as it tells it: which routes are this installation's.

use std::collections::BTreeMap;

use domain::{ApplicationId, InstallationId};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::Error;

/// What the proxy has of one installation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteTable {
    /// The routes of its applications.
    pub own: BTreeMap<ApplicationId, RouteSeen>,
    /// Whether the marker is among the routes: without it the proxy has lost them.
    pub marked: bool,
}

/// A route as the proxy tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSeen {
    /// Where it leads, `http://<ip>:<port>`.
    pub target: String,
    /// When the proxy last saw traffic of it; its registration counts as such.
    pub last_activity: Timestamp,
}

/// One entry. Whoever else uses the proxy may have posted anything beside the target, under any name.
#[derive(Deserialize)]
struct Entry {
    target: String,
    last_activity: Timestamp,
    #[serde(default)]
    layby: Value,
}

impl Entry {
    fn is_of(&self, installation: &InstallationId) -> bool {
        self.layby == installation.as_str()
    }
}

/// Reads one route; none when it is somebody else's.
pub(crate) fn one(body: &[u8], installation: &InstallationId) -> Result<Option<RouteSeen>, Error> {
    let entry = entry(body)?;
    Ok(entry.is_of(installation).then_some(RouteSeen {
        target: entry.target,
        last_activity: entry.last_activity,
    }))
}

/// Reads the whole table.
pub(crate) fn read(body: &[u8], installation: &InstallationId) -> Result<RouteTable, Error> {
    let entries: BTreeMap<String, Entry> = serde_json::from_slice(body)
        .map_err(|_| Error::Nonsense("it is no table of routes with their targets and last activity"))?;
    let marker = format!("/layby/{installation}");
    let mut table = RouteTable::default();
    for (path, entry) in entries.into_iter().filter(|(_, entry)| entry.is_of(installation)) {
        if path == marker {
            table.marked = true;
        } else if let Some(id) = path.strip_prefix("/user/").and_then(|id| ApplicationId::parse(id).ok()) {
            let Entry {
                target, last_activity, ..
            } = entry;
            table.own.insert(id, RouteSeen { target, last_activity });
        }
    }
    Ok(table)
}

/// Reads the route at the marker's path.
pub(crate) fn is_marked(body: &[u8], installation: &InstallationId) -> Result<bool, Error> {
    Ok(entry(body)?.is_of(installation))
}

fn entry(body: &[u8]) -> Result<Entry, Error> {
    serde_json::from_slice(body).map_err(|_| Error::Nonsense("it is no route with its target and last activity"))
}
