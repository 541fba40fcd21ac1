//! Embedded clusters that can be leased: each a Kubernetes API of its own, by https.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use domain::{ClusterName, Look, ProviderName, Refusal};
use embedded::Clock;
use embedded::kubernetes::{Kubernetes, Settings};
use gateway::Edge;
use lifecycle::{Registered, Registration};

use crate::parts::ANY;
use crate::{Error, Identity};

/// How long the installation's own clusters may take to say who they are.
const IDENTITY_MAX: Duration = Duration::from_secs(10);

/// The clusters, `local-1` and so on, by their names. The same identity gives the same ones over restarts.
pub(crate) struct Leasable(Vec<(String, Kubernetes)>);

impl Leasable {
    /// Starts so many.
    pub(crate) async fn start(number: usize, identity: &Identity, clock: &Clock) -> Result<Self, Error> {
        let mut clusters = Vec::with_capacity(number);
        for number in 1..=number {
            let name = format!("local-{number}");
            let own = format!("{}/{name}", identity.cluster);
            let mut settings = Settings::new(clock.clone(), own, &identity.cluster_token);
            settings.https = true;
            let started = Kubernetes::start(settings).await;
            let cluster = started.map_err(|source| Error::Listen {
                address: ANY,
                flag: "--clusters",
                source,
            })?;
            clusters.push((name, cluster));
        }
        Ok(Self(clusters))
    }

    /// The cluster of this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Kubernetes> {
        let own = self.0.iter().find(|(own, _)| own == name);
        own.map(|(_, cluster)| cluster)
    }

    pub(crate) async fn tick(&self) {
        for (_, cluster) in &self.0 {
            cluster.tick().await;
        }
    }

    pub(crate) async fn stop(self) {
        for (_, cluster) in self.0 {
            cluster.stop().await;
        }
    }

    /// Registers each, so that it is free. What was in them ended with the process before.
    pub(crate) async fn offer(&self, edge: &Arc<Edge>, look: impl Fn() -> Look) -> Result<(), Error> {
        let sentence = |refusal: Refusal| Error::Sentence(refusal.to_string());
        for (name, cluster) in &self.0 {
            let leasing = edge.leasing()?;
            let asked = Registration {
                name: ClusterName::parse(name).map_err(sentence)?,
                pool: leasing.pools().default().clone(),
                cloud_provider: ProviderName::parse(api::PROVIDER_DEFAULT).map_err(sentence)?,
                labels: BTreeMap::new(),
                kubeconfig: cluster.kubeconfig(),
                nonce: edge.random()?,
                anew: true,
            };
            match leasing.register(&asked, &look()).await? {
                Registered::Known(row) if row.value.is_free() => {}
                Registered::Known(row) => {
                    let trouble = row.value.trouble.as_deref().unwrap_or("it is not free at once");
                    return Err(not_offered(name, trouble));
                }
                Registered::Refused(why) | Registered::Unreachable(why) => return Err(not_offered(name, &why)),
            }
        }
        Ok(())
    }
}

fn not_offered(name: &str, why: &str) -> Error {
    Error::Sentence(format!(
        "the cluster '{name}' cannot be offered for lease: {why}. With --clusters 0 none is"
    ))
}

/// The identities of the cells of `edge`, if all of them say who they are: none of those is a cluster to lease.
pub(crate) async fn homes(edge: &Arc<Edge>) -> Result<Option<BTreeSet<String>>, Error> {
    let lifecycle = edge.lifecycle()?;
    let mut homes = BTreeSet::new();
    for home in lifecycle.cells() {
        let scope = net::Scope::lasting(IDENTITY_MAX);
        match net::within(scope, home.cluster.identity()).await {
            Ok(identity) => homes.insert(identity),
            // An installation without its cluster begins all the same; it registers none to lease.
            Err(_) => return Ok(None),
        };
    }
    Ok(Some(homes))
}
