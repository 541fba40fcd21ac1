//! Leases.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::limits::WAIT_MAX;
use domain::{Cluster, Epoch, LabelKey, LabelValue, Lease, LeaseTime, Refusal, Ticket, Wish};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

/// The body of `POST /lease`. The older client sends all of its four fields, empty where it means nothing; fields that
/// nobody knows are ignored, as the older service did.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct LeaseBody {
    #[serde(default)]
    max_time: Option<LeaseTime>,
    /// A pattern (RE2) that is to be found in the cluster's name.
    #[serde(default)]
    pub cluster_regex: String,
    /// The beginning of the cluster's version, in whole segments.
    #[serde(default)]
    pub cluster_version: String,
    /// Who provides it.
    #[serde(default)]
    pub cloud_provider: String,
    /// The pool that is asked; the default one if none is named.
    #[serde(default)]
    pub pool: String,
    /// Labels that it carries.
    #[serde(default)]
    pub labels: BTreeMap<LabelKey, LabelValue>,
    /// How many seconds the answer may be held, 0 to 25: whoever waits has a place in the line.
    #[serde(default, deserialize_with = "wait")]
    pub wait: Option<u64>,
    /// A place in the line, as an earlier answer named it.
    #[serde(default)]
    pub ticket: String,
}

impl LeaseBody {
    /// For how long.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when it is not said.
    pub fn max_time(&self) -> Result<LeaseTime, Refusal> {
        self.max_time.ok_or_else(no_max_time)
    }

    /// What is wanted of a cluster. `provider` is meant where the body names none.
    pub fn wish(&self, provider: &str) -> Wish {
        let cloud_provider = if self.cloud_provider.is_empty() {
            provider
        } else {
            &self.cloud_provider
        };
        Wish {
            cluster_regex: self.cluster_regex.clone(),
            cluster_version: self.cluster_version.clone(),
            cloud_provider: cloud_provider.to_owned(),
            labels: self.labels.clone(),
        }
    }
}

fn wait<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let seconds = Option::<u64>::deserialize(deserializer)?;
    match seconds {
        Some(seconds) if seconds > WAIT_MAX.as_secs() => {
            let most = WAIT_MAX.as_secs();
            Err(serde::de::Error::custom(format!(
                "'wait' is a whole number of seconds, 0 to {most}"
            )))
        }
        seconds => Ok(seconds),
    }
}

/// A lease, as its holder is told of it: what the older client reads, and more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseView {
    /// YAML, in base64.
    pub kubeconfig: String,
    /// The host of the cluster's API.
    pub ip: String,
    /// What the holder shows to renew, verify or give back.
    pub token: String,
    /// The same, under the name that the older client reads.
    pub uuid: String,
    /// The cluster.
    pub cluster_name: String,
    /// Its version.
    pub cluster_version: String,
    /// Who provides it.
    pub cloud_provider: String,
    /// Until when the lease holds.
    pub expires_at: Timestamp,
    /// How many whole seconds that is from now.
    pub expires_in: u64,
    /// By which epoch it has the cluster.
    pub epoch: Epoch,
    /// Whether it ends earlier than was asked for, because the cluster gives no longer credential.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shortened: bool,
}

impl LeaseView {
    /// What a holder with this token and this kubeconfig, in YAML, is told at `now`.
    pub fn new(cluster: &Cluster, lease: &Lease, token: &str, kubeconfig: &str, ip: &str, now: Timestamp) -> Self {
        Self {
            kubeconfig: STANDARD.encode(kubeconfig),
            ip: ip.to_owned(),
            token: token.to_owned(),
            uuid: token.to_owned(),
            cluster_name: cluster.name.to_string(),
            cluster_version: cluster.version().to_owned(),
            cloud_provider: cluster.cloud_provider.to_string(),
            expires_at: lease.expires_at,
            expires_in: seconds_until(lease.expires_at, now),
            epoch: cluster.epoch,
            shortened: false,
        }
    }
}

/// Whole seconds from `now` until then; none when it is past.
pub fn seconds_until(then: Timestamp, now: Timestamp) -> u64 {
    u64::try_from(then.duration_since(now).as_secs()).unwrap_or_default()
}

/// The body of a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RenewBody {
    #[serde(default)]
    max_time: Option<LeaseTime>,
}

impl RenewBody {
    /// For how long from now.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] when it is not said.
    pub fn max_time(&self) -> Result<LeaseTime, Refusal> {
        self.max_time.ok_or_else(no_max_time)
    }
}

fn no_max_time() -> Refusal {
    Refusal::Malformed("'max_time' is missing: say for how many whole seconds".to_owned())
}

/// The body of a verification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyBody {
    /// The epoch that the holder says to have the cluster by.
    pub epoch: Epoch,
}

/// The answer to a verification of a lease that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VerifyView {
    /// It does.
    pub valid: bool,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Who has a cluster, or waits for one: never by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HolderView {
    /// `granting`, `leased` or `waiting`.
    pub state: String,
    /// The caller, in a word.
    pub holder: String,
    /// The pool.
    pub pool: String,
    /// The cluster that it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_name: Option<String>,
    /// By which epoch it has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<Epoch>,
    /// Since when it has it, or waits.
    pub since: Timestamp,
    /// Until when it has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// How many it waits for, itself included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
}

impl HolderView {
    /// Whoever has a cluster, if anybody does.
    pub fn of(cluster: &Cluster) -> Option<Self> {
        let lease = cluster.lease()?;
        Some(Self {
            state: cluster.word().to_owned(),
            holder: lease.holder.clone(),
            pool: cluster.pool.to_string(),
            cluster_name: Some(cluster.name.to_string()),
            epoch: Some(cluster.epoch),
            since: lease.granted_at,
            expires_at: Some(lease.expires_at),
            position: None,
        })
    }

    /// Whoever waits at this place of a pool's line.
    pub fn waiting(pool: &str, ticket: &Ticket, position: usize) -> Self {
        Self {
            state: "waiting".to_owned(),
            holder: ticket.caller.clone(),
            pool: pool.to_owned(),
            cluster_name: None,
            epoch: None,
            since: ticket.since,
            expires_at: None,
            position: Some(position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_older_clients_body_is_read_and_what_is_empty_is_not_meant() {
        let body = r#"{"max_time":60,"cluster_regex":"","cluster_version":"","cloud_provider":"google"}"#;
        let body: LeaseBody = serde_json::from_str(body).unwrap();
        assert_eq!((body.max_time().unwrap().seconds(), body.wait), (60, None));
        assert_eq!(body.wish("static").cloud_provider, "google");
        let body: LeaseBody = serde_json::from_str(r#"{"max_time": 30, "unheard-of": 1}"#).unwrap();
        assert_eq!(body.wish("static").cloud_provider, "static");
    }

    #[test]
    fn a_wait_is_bounded_and_a_time_must_be_said() {
        assert!(serde_json::from_str::<LeaseBody>(r#"{"max_time": 1, "wait": 25}"#).is_ok());
        for bad in [
            r#"{"max_time": 1, "wait": 26}"#,
            r#"{"max_time": 1, "wait": -1}"#,
            r#"{"max_time": "1"}"#,
            r#"{"max_time": 0}"#,
            r#"{"max_time": -1}"#,
            r#"{"max_time": 1.5}"#,
        ] {
            assert!(serde_json::from_str::<LeaseBody>(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<LeaseBody>("{}").unwrap().max_time().is_err());
    }
}
