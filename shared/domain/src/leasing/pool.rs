//! Rules that the clusters of a pool share.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::leasing::LeaseTime;
use crate::limits::{LEASE_TIME_DEFAULT, LEASE_TOTAL_DEFAULT};
use crate::refusal::shown;
use crate::{ClusterPoolName, LabelKey, LabelValue, Refusal};

/// The role that a holder is bound to when its pool names none.
const ROLE_DEFAULT: &str = "cluster-admin";
/// The longest name in Kubernetes.
const ROLE_MAX: usize = 253;

/// A pool of clusters that can be leased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClusterPool {
    /// What people call it.
    pub name: ClusterPoolName,
    /// The longest that a lease, or one renewal of it, may ask for.
    pub max_time: LeaseTime,
    /// The longest that a lease may last with all its renewals.
    pub max_total: LeaseTime,
    /// The cluster role that holders are bound to.
    pub role: String,
    /// What becomes of a cluster after a lease.
    pub reuse: Reuse,
    /// Whether a cluster in which something of the baseline was changed, or is missing, is free again all the same.
    pub tolerate_changes: bool,
    /// Labels that all its clusters carry beside their own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<LabelKey, LabelValue>,
}

/// What becomes of a cluster after a lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reuse {
    /// It is cleaned, compared with its baseline, and leased again.
    #[default]
    Clean,
    /// It is retired: whoever provides it is to take it away.
    Once,
}

impl ClusterPool {
    /// A pool of which nothing but its name was said.
    pub fn new(name: ClusterPoolName) -> Self {
        Self {
            name,
            max_time: LeaseTime::of(LEASE_TIME_DEFAULT),
            max_total: LeaseTime::of(LEASE_TOTAL_DEFAULT),
            role: ROLE_DEFAULT.to_owned(),
            reuse: Reuse::Clean,
            tolerate_changes: false,
            labels: BTreeMap::new(),
        }
    }

    /// Whether a lease may be asked for so long.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] with the rule.
    pub fn check_time(&self, time: LeaseTime) -> Result<(), Refusal> {
        if time <= self.max_time {
            return Ok(());
        }
        Err(Refusal::Malformed(format!(
            "'max_time' is {} s; in the pool '{}' it is at most {} s",
            time.seconds(),
            self.name,
            self.max_time.seconds()
        )))
    }

    /// Checks what was said of the pool against itself.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a role that no cluster role can be called; [`Refusal::Rule`] when one lease may be longer
    /// than all its renewals together.
    pub fn check(&self) -> Result<(), Refusal> {
        // Kubernetes' rule for names of roles: whatever can be a segment of a path.
        let is_name = !matches!(self.role.as_str(), "" | "." | "..") && !self.role.contains(['/', '%']);
        if !is_name || self.role.len() > ROLE_MAX {
            return Err(Refusal::Malformed(format!(
                "'role' is '{}'; name a cluster role, such as {ROLE_DEFAULT}",
                shown(&self.role)
            )));
        }
        if self.max_time <= self.max_total {
            return Ok(());
        }
        Err(Refusal::Rule(
            "the most that a lease may last with its renewals is less than what one lease may ask for".to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_of_which_nothing_was_said_is_the_contracts() {
        let pool = ClusterPool::new(ClusterPoolName::parse("default").unwrap());
        assert_eq!(pool.max_time.seconds(), 24 * 3_600);
        assert_eq!(pool.max_total.seconds(), 72 * 3_600);
        assert_eq!((pool.role.as_str(), pool.reuse), ("cluster-admin", Reuse::Clean));
        assert_eq!(pool.check(), Ok(()));
    }

    #[test]
    fn a_lease_is_no_longer_than_its_pool_allows() {
        let mut pool = ClusterPool::new(ClusterPoolName::parse("ci").unwrap());
        pool.max_time = LeaseTime::new(60).unwrap();
        assert_eq!(pool.check_time(LeaseTime::new(60).unwrap()), Ok(()));
        let refused = pool.check_time(LeaseTime::new(61).unwrap()).unwrap_err().to_string();
        assert_eq!(refused, "'max_time' is 61 s; in the pool 'ci' it is at most 60 s");
        pool.max_total = LeaseTime::new(59).unwrap();
        assert!(pool.check().is_err());
    }

    #[test]
    fn a_role_is_what_a_cluster_role_can_be_called() {
        let mut pool = ClusterPool::new(ClusterPoolName::parse("ci").unwrap());
        for bad in ["", ".", "..", "a/b", "a%2fb", &"a".repeat(254)] {
            pool.role = bad.to_owned();
            assert!(matches!(pool.check(), Err(Refusal::Malformed(_))), "{bad}");
        }
        pool.role = "system:basic-user".to_owned();
        assert_eq!(pool.check(), Ok(()));
    }
}
