//! What an installation is told about leases.

use std::collections::BTreeSet;

use domain::{ClusterPoolName, Exempt};
use net::Reach;

use crate::{ConfigError, key_sha256};

/// The pool that is meant where none is named.
const POOL_DEFAULT: &str = "default";
/// The prefix under which the older service read its variables as well, and first.
const OLD_PREFIX: &str = "K8S-CLAIMER_";

/// What an installation is told about leases.
#[derive(Clone)]
pub struct LeaseConfig {
    /// The pool of clusters that are registered without one, and of callers who name none.
    pub pool: ClusterPoolName,
    /// Who provides what callers want who name no provider; empty for anybody.
    pub provider: String,
    /// What inventories leave out.
    pub exempt: Exempt,
    /// Which addresses that are not of the public internet clusters may have.
    pub reach: Reach,
    /// Whether clusters that are given back are cleaned. Otherwise they are compared only.
    pub cleans: bool,
    /// SHA-256, in hex, of a key with the scope `leases`.
    pub key_sha256: Option<String>,
    /// The identities of all cells, where they are known without the cells' own settings.
    pub homes: Option<BTreeSet<String>>,
}

impl LeaseConfig {
    /// Reads the part of the configuration that is about leases; see [`crate::Config::read`].
    pub(super) fn read(get: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let wrong = |name: &'static str, why: String| ConfigError::Variable { name, why };
        let pool = get("LAYBY_LEASE_POOL").unwrap_or_else(|| POOL_DEFAULT.to_owned());
        let exempt = get("LAYBY_LEASE_EXEMPT").unwrap_or_default();
        let networks = get("LAYBY_LEASE_NETWORKS").unwrap_or_default();
        let given = |name: &'static str| get(name).map(|text| super::sha256_of(name, &text)).transpose();
        let key_sha256 = match given("LAYBY_LEASES_KEY_SHA256")? {
            Some(sha256) => Some(sha256),
            None => old(&get, "K8S-CLAIMER_AUTH_TOKEN", "AUTH_TOKEN").map(|(_, key)| key_sha256(&key)),
        };
        let cleans = match old(&get, "K8S-CLAIMER_CLEAR_NAMESPACES", "CLEAR_NAMESPACES") {
            None => true,
            Some((name, _)) => super::switch(&get, name, true)?,
        };
        Ok(Self {
            pool: ClusterPoolName::parse(&pool).map_err(|refusal| wrong("LAYBY_LEASE_POOL", refusal.to_string()))?,
            provider: get("LAYBY_LEASE_PROVIDER").unwrap_or_default(),
            exempt: Exempt::with(&exempt).map_err(|refusal| wrong("LAYBY_LEASE_EXEMPT", refusal.to_string()))?,
            reach: Reach::of_networks(&networks).map_err(|why| wrong("LAYBY_LEASE_NETWORKS", why))?,
            cleans,
            key_sha256,
            homes: None,
        })
    }
}

/// A variable of the older service and its value: with its prefix, or without.
fn old(
    get: impl Fn(&'static str) -> Option<String>,
    prefixed: &'static str,
    bare: &'static str,
) -> Option<(&'static str, String)> {
    debug_assert_eq!(prefixed.strip_prefix(OLD_PREFIX), Some(bare));
    let of = |name| get(name).map(|value| (name, value));
    of(prefixed).or_else(|| of(bare))
}
