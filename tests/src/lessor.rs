//! Somebody who leases clusters out: the steps about leases by calls of its own, over the table of an installation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::{ClusterName, ClusterPoolName, Exempt, InstallationId, Look, ProviderName, limits};
use jiff::SignedDuration;
use lifecycle::{ClusterPools, Leasing, LeasingRules, Registration};
use net::{Faults, Net, Peer, Reach, Scope, Settings};
use store::Store;
use vault::Keyring;

use crate::App;
use crate::process::{Fate, Wire};
use crate::scenario::invariants;

/// How long a call may be held: shorter than a look, longer than what others do meanwhile.
const HELD_MAX: Duration = Duration::from_secs(8);
/// A key of thirty-two bytes.
const KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

/// One process among those that lease clusters out. It can die at any of its calls, and its clock may be wrong.
pub struct Lessor {
    /// The steps.
    pub leasing: Leasing,
    wire: Arc<Wire>,
    ahead: SignedDuration,
}

impl Lessor {
    /// One with this fate.
    pub fn start(app: &App, fate: Fate) -> Self {
        Self::amid(app, fate, Settings::default())
    }

    /// One to whose calls happens what `faults` say. They may be held for longer than usual.
    pub fn held_by(app: &App, faults: Faults) -> Self {
        let mut settings = Settings {
            faults: Some(faults),
            ..Settings::default()
        };
        (settings.timeouts.store, settings.timeouts.cluster) = (HELD_MAX, HELD_MAX);
        Self::amid(app, Fate::Lives, settings)
    }

    /// One whose clock is so many seconds ahead.
    pub fn ahead(app: &App, seconds: i64) -> Self {
        let ahead = SignedDuration::from_secs(seconds);
        Self {
            ahead,
            ..Self::start(app, Fate::Lives)
        }
    }

    /// One with this fate, to whose calls besides happens what `settings` say.
    pub fn amid(app: &App, fate: Fate, settings: Settings) -> Self {
        let wire = Wire::new(fate);
        let settings = Settings {
            faults: Some(wire.faults(settings.faults.clone())),
            ..settings
        };
        let net = Net::new(settings).unwrap();
        let store = Store::connect(&invariants::sdk(app, &net), &net, &app.adapter().config().table);
        Self {
            leasing: Leasing::new(
                cluster_pools(store),
                net,
                Keyring::from_base64(&[KEY]).unwrap(),
                lease_rules(this_machine()),
            ),
            wire,
            ahead: SignedDuration::ZERO,
        }
    }

    /// A look of its own, by its clock.
    pub fn look(&self, app: &App, by: &str) -> Look {
        Look {
            now: app.now() + self.ahead,
            by: format!("{by}-{}", fastrand::u64(..)),
        }
    }

    /// What comes of `work`, which only it does; nothing when it dies over it.
    pub async fn unless_dead<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.wire.unless_dead(work).await
    }

    /// Does `work` as one look, which ends when an API function's would.
    pub async fn in_a_look<T>(&self, work: impl Future<Output = T>) -> T {
        net::within(Scope::lasting(limits::LOOK_MAX), work).await
    }

    /// The calls so far that have a number.
    pub fn calls(&self) -> Vec<(Peer, String)> {
        self.wire.calls()
    }

    /// Looks at whether it has met its fate.
    ///
    /// # Panics
    /// When it lives and should have died, or the other way round.
    pub fn has_met_its_fate(&self) {
        self.wire.has_met_its_fate();
    }
}

/// The pools of an installation.
pub fn cluster_pools(store: Store) -> ClusterPools {
    ClusterPools::new(store, default_pool())
}

/// The pool that clusters are in.
pub fn default_pool() -> ClusterPoolName {
    ClusterPoolName::parse("default").unwrap()
}

/// How an operator registers a cluster in it.
pub fn registration(name: &str, kubeconfig: &str) -> Registration {
    Registration {
        name: ClusterName::parse(name).unwrap(),
        pool: default_pool(),
        cloud_provider: ProviderName::parse("static").unwrap(),
        labels: BTreeMap::new(),
        kubeconfig: kubeconfig.to_owned(),
        nonce: fastrand::u128(..).to_be_bytes()[..12].try_into().unwrap(),
        anew: false,
    }
}

/// What an installation says of leases in which nothing is out of the ordinary, and whose clusters are within `reach`.
pub fn lease_rules(reach: Reach) -> LeasingRules {
    LeasingRules {
        installation: InstallationId::parse("tests").unwrap(),
        default_provider: String::new(),
        exempt: Exempt::default(),
        homes: Some([].into()),
        reach,
        cleans: true,
    }
}

/// Where clusters on this machine are.
pub fn this_machine() -> Reach {
    Reach {
        networks: Vec::new(),
        loopback: true,
    }
}
