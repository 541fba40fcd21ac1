//! A cluster that can be leased, from its registration to its retirement.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::application::{after, later};
use crate::leasing::{ClusterPool, Epoch, Lease, LeaseTime};
use crate::limits::{CLEAN_MAX, MESSAGE_MAX, RETURN_MAX};
use crate::{ClusterName, ClusterPoolName, LabelKey, LabelValue, ProviderName};

/// A cluster that can be leased.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// What people call it.
    pub name: ClusterName,
    /// The pool that it is in.
    pub pool: ClusterPoolName,
    /// Who provides it.
    pub cloud_provider: ProviderName,
    /// What callers may choose it by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<LabelKey, LabelValue>,
    /// The URL of its API.
    pub server: String,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// When the credential that it was registered with ends, if that says when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_ends_at: Option<Timestamp>,
    /// What it was found to be; nothing until its intake is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<Identity>,
    /// The intake whose baseline counts, or zero while none does. Each look that takes a cluster in has a number of its own
    /// for what it finds.
    pub intake: u32,
    /// Counts who had it.
    pub epoch: Epoch,
    /// Certificate signing requests that were approved during its last lease: whoever has such a certificate keeps it, and
    /// nobody else gets the cluster before an operator takes it in anew.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approved: Vec<String>,
    /// It is to go: nobody gets it any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub leaving: bool,
    /// Where it is in its life.
    #[serde(flatten)]
    pub state: ClusterState,
    /// What keeps its next step from being done, as the last look saw it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// What a pool's list says of one of its clusters: what it is chosen by, and whether it can be had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Its name.
    pub name: ClusterName,
    /// Who provides it.
    pub cloud_provider: ProviderName,
    /// What callers may choose it by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<LabelKey, LabelValue>,
    /// Its version, or nothing while it is not known.
    pub version: String,
    /// Its state in a word.
    pub state: String,
    /// Whether somebody may take it.
    pub is_free: bool,
    /// Until when its lease holds, if it is leased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Until when a lease of it may last at most, if anything is known of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lent_until: Option<Timestamp>,
}

/// What a cluster was found to be at its intake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The uid of its namespace `kube-system`: another uid is another cluster, which nothing is done to.
    pub uid: String,
    /// Its version, such as `v1.35.4`.
    pub version: String,
}

/// Where a cluster is in its life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ClusterState {
    /// It was registered. Next: whoever looks takes its identity and its baseline.
    Intake,
    /// Nobody has it.
    Free,
    /// Somebody took it. Next: its taker looks whether it is well and makes the holder's credential; when the taker does
    /// not come back, it is returned.
    Granting {
        /// Whose it is about to be.
        lease: Lease,
        /// Whether something may have been made in it. Before that, it goes on to the next as it is.
        begun: bool,
    },
    /// Somebody holds it. Next: at its end the lease is ended.
    Leased {
        /// Whose it is.
        lease: Lease,
    },
    /// Its lease has ended. Next: binding and account of the holder are deleted, and whoever looks waits until the
    /// cluster does not know them any more.
    Ending {
        /// How and why.
        ending: Ending,
    },
    /// Its holder is gone. Next: what was not there at its intake is deleted.
    Cleaning {
        /// When it began: what is younger is not touched.
        since: Timestamp,
        /// How often it has been cleaned since its last holder.
        #[serde(default)]
        pass: u32,
    },
    /// It seems to be clean. Next: it is compared with its baseline once more, by another account.
    Verifying {
        /// When it began.
        since: Timestamp,
        /// How often it has been cleaned since its last holder, but for this time.
        #[serde(default)]
        pass: u32,
    },
    /// Nobody gets it, until an operator has looked at it or, where it was only unwell, until it is well again.
    Quarantined {
        /// Since when.
        since: Timestamp,
        /// Why.
        why: Quarantine,
    },
    /// It was leased once, and is not leased again. Next: an operator takes it away.
    Retired {
        /// Since when.
        since: Timestamp,
    },
}

/// How a lease ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// The lease.
    pub lease: Lease,
    /// Why.
    pub why: EndingWhy,
    /// When its end was decided.
    pub at: Timestamp,
    /// When binding and account of its holder were last seen to be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

/// Why a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndingWhy {
    /// Its holder gave it back.
    Released,
    /// Its time was over.
    Expired,
    /// It was taken, and whoever took it did not come back.
    Abandoned,
    /// An operator ended it.
    EndedByOperator,
}

/// Why nobody gets a cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "quarantine", rename_all = "snake_case")]
pub enum Quarantine {
    /// It was not well when somebody wanted it. It is free again when two looks in a row find it well.
    Unhealthy {
        /// What was seen.
        message: String,
        /// Looks in a row that found it well since.
        #[serde(default)]
        passed: u32,
    },
    /// After a lease it is not what it was. What exactly is in rows of its own.
    Unclean {
        /// Objects that could not be deleted, or came again.
        left_over: u32,
        /// Objects of its baseline that were changed.
        changed: u32,
        /// Objects of its baseline that are missing.
        missing: u32,
    },
    /// After a lease it could not be made what it was.
    NotCleaned {
        /// Why.
        message: String,
    },
    /// It is another cluster than the one that was registered. Nothing is done to it.
    AnotherCluster {
        /// The uid of the `kube-system` that was seen.
        seen: String,
    },
}

impl Offer {
    /// The offer with the labels that its pool lends it: its own go before them.
    #[must_use]
    pub fn in_pool(mut self, pool: &ClusterPool) -> Self {
        for (key, value) in &pool.labels {
            self.labels.entry(key.clone()).or_insert_with(|| value.clone());
        }
        self
    }

    /// Whether a lease of so long from `now` on ends in time for it to be returned by its registered credential. One
    /// that is too old for any lease is not told from others: whoever takes it sees that it is unwell, and says so.
    pub fn lasts(&self, time: LeaseTime, now: Timestamp) -> bool {
        let lasts = |until: Timestamp| until <= now || later(now, time.duration()) <= until;
        self.lent_until.is_none_or(lasts)
    }
}

impl Cluster {
    /// Its version, or nothing while it is not known.
    pub fn version(&self) -> &str {
        self.identity.as_ref().map_or("", |identity| identity.version.as_str())
    }

    /// What its pool's list says of it.
    pub fn offer(&self) -> Offer {
        Offer {
            name: self.name.clone(),
            cloud_provider: self.cloud_provider.clone(),
            labels: self.labels.clone(),
            version: self.version().to_owned(),
            state: self.word().to_owned(),
            is_free: self.is_free(),
            expires_at: self.lease().map(|lease| lease.expires_at),
            lent_until: self.lent_until(),
        }
    }

    /// Until when a lease of it may last at most: afterwards it is returned, by the credential that it was registered
    /// with.
    pub fn lent_until(&self) -> Option<Timestamp> {
        let returned = SignedDuration::try_from(RETURN_MAX).unwrap_or(SignedDuration::MAX);
        self.credential_ends_at
            .map(|end| end.checked_sub(returned).unwrap_or(Timestamp::MIN))
    }

    /// Why it cannot be leased any more by the credential that it was registered with, in a sentence, if so.
    pub fn is_too_old(&self, now: Timestamp) -> Option<String> {
        let end = self
            .credential_ends_at
            .filter(|_| self.lent_until().is_some_and(|until| until <= now))?;
        Some(format!("its registered credential ends at {end}"))
    }

    /// Whether it still cannot be cleaned, or compared, at `now`, long after that began: then it does not pass by itself.
    pub fn is_given_up(&self, now: Timestamp) -> bool {
        match &self.state {
            ClusterState::Cleaning { since, .. } | ClusterState::Verifying { since, .. } => {
                now >= after(*since, 2 * CLEAN_MAX)
            }
            _ => false,
        }
    }

    /// Whether somebody may take it.
    pub fn is_free(&self) -> bool {
        matches!(self.state, ClusterState::Free) && !self.leaving
    }

    /// Who holds it or is about to.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            ClusterState::Granting { lease, .. } | ClusterState::Leased { lease } => Some(lease),
            _ => None,
        }
    }

    /// Its state in a word.
    pub fn word(&self) -> &'static str {
        match self.state {
            ClusterState::Intake => "intake",
            ClusterState::Free => "free",
            ClusterState::Granting { .. } => "granting",
            ClusterState::Leased { .. } => "leased",
            ClusterState::Ending { .. } => "ending",
            ClusterState::Cleaning { .. } => "cleaning",
            ClusterState::Verifying { .. } => "verifying",
            ClusterState::Quarantined { .. } => "quarantined",
            ClusterState::Retired { .. } => "retired",
        }
    }

    /// The cluster as it is to be taken in: no earlier intake counts.
    pub fn to_take_in(&self) -> Self {
        Self {
            intake: 0,
            ..self.in_state(ClusterState::Intake)
        }
    }

    /// The cluster as it is to be cleaned, or to be taken in where it never was.
    pub fn to_clean(&self, now: Timestamp) -> Self {
        match self.intake {
            0 => self.to_take_in(),
            _ => self.in_state(ClusterState::Cleaning { since: now, pass: 0 }),
        }
    }

    /// The cluster after the intake of this number found this.
    pub fn taken_in(&self, identity: Identity, intake: u32) -> Self {
        Self {
            identity: Some(identity),
            intake,
            approved: Vec::new(),
            ..self.freed()
        }
    }

    /// The cluster as nobody's, by an epoch of its own.
    pub fn freed(&self) -> Self {
        Self {
            epoch: self.epoch.next(),
            ..self.in_state(ClusterState::Free)
        }
    }

    /// The cluster, taken for `lease` by an epoch of its own. `begun`: whoever takes it goes on at once.
    pub fn taken(&self, lease: Lease, begun: bool) -> Self {
        Self {
            epoch: self.epoch.next(),
            ..self.in_state(ClusterState::Granting { lease, begun })
        }
    }

    /// The cluster, held by `lease` from now on.
    pub fn held(&self, lease: Lease) -> Self {
        self.in_state(ClusterState::Leased { lease })
    }

    /// The cluster whose `lease` has ended.
    pub fn ended(&self, lease: &Lease, why: EndingWhy, now: Timestamp) -> Self {
        let ending = Ending {
            lease: lease.clone(),
            why,
            at: now,
            revoked_at: None,
        };
        self.in_state(ClusterState::Ending { ending })
    }

    /// The cluster as it is after its last holder is gone, by its pool's rule: retired, or to be cleaned.
    pub fn returned(&self, pool: &ClusterPool, now: Timestamp) -> Self {
        match pool.reuse {
            super::Reuse::Once => self.in_state(ClusterState::Retired { since: now }),
            super::Reuse::Clean => self.to_clean(now),
        }
    }

    /// The cluster, kept from everybody for this reason.
    pub fn quarantined(&self, why: Quarantine, now: Timestamp) -> Self {
        self.in_state(ClusterState::Quarantined { since: now, why })
    }

    /// The cluster in another state, in which nothing is known to stand in the way.
    pub fn in_state(&self, state: ClusterState) -> Self {
        Self {
            state,
            trouble: None,
            ..self.clone()
        }
    }

    /// The cluster whose next step could not be done for this reason.
    pub fn troubled(&self, message: &str) -> Self {
        Self {
            trouble: Some(message.chars().take(MESSAGE_MAX).collect()),
            ..self.clone()
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::LeaseId;
    use crate::fixture::at;

    #[test]
    fn what_was_never_taken_in_has_nothing_to_be_compared_with() {
        let taken_in = free("x");
        assert_eq!(taken_in.to_clean(at(0)).word(), "cleaning");
        let to_take_in = taken_in.to_take_in();
        let quarantined = to_take_in.quarantined(Quarantine::AnotherCluster { seen: "v".into() }, at(0));
        assert_eq!(quarantined.to_clean(at(1)).word(), "intake");
        assert_eq!(quarantined.intake, 0);
    }

    #[test]
    fn what_cannot_be_cleaned_for_long_is_given_up() {
        let cleaning = free("x").in_state(ClusterState::Cleaning { since: at(0), pass: 0 });
        assert!(!cleaning.is_given_up(at(1_199)));
        assert!(cleaning.is_given_up(at(1_200)));
        assert!(!free("x").is_given_up(at(9_999)));
    }

    /// A free cluster of the pool `default`, of version 1.35.4, small.
    pub(crate) fn free(name: &str) -> Cluster {
        Cluster {
            name: ClusterName::parse(name).unwrap(),
            pool: ClusterPoolName::parse("default").unwrap(),
            cloud_provider: ProviderName::parse("static").unwrap(),
            labels: [(LabelKey::parse("size").unwrap(), LabelValue::parse("small").unwrap())].into(),
            server: "https://203.0.113.7:6443".into(),
            registered_at: at(0),
            credential_ends_at: None,
            identity: Some(Identity {
                uid: "u".into(),
                version: "v1.35.4+k3s1".into(),
            }),
            intake: 1,
            epoch: Epoch(1),
            approved: Vec::new(),
            leaving: false,
            state: ClusterState::Free,
            trouble: None,
        }
    }

    /// From `at(0)` for an hour.
    pub(crate) fn lease() -> Lease {
        Lease {
            id: LeaseId::from_bytes([1; 16]),
            token_sha256: "t".into(),
            holder: "key:ci".into(),
            granted_at: at(0),
            expires_at: at(3_600),
        }
    }

    #[test]
    fn the_epoch_rises_when_it_is_taken_and_when_it_becomes_free_and_never_else() {
        let free = free("a");
        let taken = free.taken(lease(), true);
        let held = taken.held(lease());
        let ended = held.ended(&lease(), EndingWhy::Released, at(9));
        let pool = ClusterPool::new(free.pool.clone());
        let cleaning = ended.returned(&pool, at(30));
        let freed = cleaning.freed();
        let epochs = [&free, &taken, &held, &ended, &cleaning, &freed].map(|cluster| cluster.epoch.0);
        assert_eq!(epochs, [1, 2, 2, 2, 2, 3]);
        let unwell = Quarantine::Unhealthy {
            message: "x".into(),
            passed: 0,
        };
        assert_eq!(taken.quarantined(unwell, at(1)).epoch, taken.epoch);
    }

    #[test]
    fn what_is_stored_says_its_state_in_the_word_that_is_told() {
        let cluster = free("a").taken(lease(), false);
        let stored = serde_json::to_value(&cluster).unwrap();
        assert_eq!(stored["state"], cluster.word());
        assert_eq!(serde_json::from_value::<Cluster>(stored).unwrap(), cluster);
    }

    #[test]
    fn a_pool_whose_clusters_are_used_once_retires_them() {
        let mut pool = ClusterPool::new(ClusterPoolName::parse("default").unwrap());
        pool.reuse = crate::leasing::Reuse::Once;
        assert_eq!(free("a").returned(&pool, at(1)).word(), "retired");
    }

    #[test]
    fn a_pool_lends_its_labels_and_a_cluster_keeps_its_own() {
        let label = |key: &str, value: &str| (LabelKey::parse(key).unwrap(), LabelValue::parse(value).unwrap());
        let mut pool = ClusterPool::new(ClusterPoolName::parse("default").unwrap());
        pool.labels = [label("size", "large"), label("region", "eu")].into();
        let labels = free("a").offer().in_pool(&pool).labels;
        assert_eq!(labels, [label("size", "small"), label("region", "eu")].into());
    }

    #[test]
    fn a_credential_must_outlast_a_lease_and_the_return_after_it() {
        let time = |seconds| LeaseTime::new(seconds).unwrap();
        let returned = i64::try_from(RETURN_MAX.as_secs()).unwrap();
        let mut cluster = free("a");
        assert!(cluster.offer().lasts(time(999_999), at(0)) && cluster.is_too_old(at(0)).is_none());
        cluster.credential_ends_at = Some(at(3_600 + returned));
        assert_eq!(cluster.lent_until(), Some(at(3_600)));
        assert!(cluster.offer().lasts(time(3_600), at(0)) && !cluster.offer().lasts(time(3_600), at(1)));
        assert!(cluster.offer().lasts(time(1), at(3_599)) && cluster.is_too_old(at(3_599)).is_none());
        let why = format!("its registered credential ends at {}", at(3_600 + returned));
        assert_eq!(cluster.is_too_old(at(3_600)), Some(why));
        assert!(cluster.offer().lasts(time(1), at(3_600)), "whoever takes it says why");
    }

    #[test]
    fn nobody_takes_what_is_leaving() {
        let leaving = Cluster {
            leaving: true,
            ..free("a")
        };
        assert!(free("a").is_free() && !leaving.is_free());
    }
}
