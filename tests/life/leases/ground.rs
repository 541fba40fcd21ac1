//! A real cluster to lease, and the steps about it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cluster_client::{ClusterAccess, Inventory, LeasedCluster};
use domain::{
    Cluster, ClusterName, ClusterPool, ClusterState, Difference, Exempt, InstallationId, Lane, LeaseId, LeaseTime,
    Look, Subject, Thing, Wish,
};
use jiff::Timestamp;
use kube::api::DynamicObject;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::discovery::{Discovery, verbs};
use kube::{Api, Client, Config};
use lifecycle::{Acquired, Granted, LeaseAsk, Leasing, LeasingRules, Registered};
use net::Net;
use real::{ControlPlane, Kwok};
use serde_json::json;
use store::Store;
use tests::parts::sdk;
use tests::{cluster_pools, default_pool, lease_rules, registration, this_machine};
use tokio::time::{Instant, sleep};
use vault::Keyring;

use crate::ground::dynamodb;

/// Between two looks at a cluster that is on its way.
const PACE: Duration = Duration::from_millis(500);
/// Such looks until it is there.
const LOOKS_MAX: usize = 360;
/// How long nothing must have changed in a cluster that has just begun.
const SETTLED: Duration = Duration::from_secs(4);
/// Kinds that change by themselves in every cluster.
const RESTLESS: [&str; 3] = ["Event", "Lease", "Node"];

/// One cluster, which is registered as `leased`.
pub(crate) struct Ground {
    pub(crate) leasing: Leasing,
    pub(crate) control: ControlPlane,
    /// They end before the control plane does.
    _nodes: Kwok,
    ahead: Mutex<Duration>,
}

impl Ground {
    /// A cluster of its own that is free, over a table of this name.
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, async |_| {}).await
    }

    /// As [`Ground::start`]; `furnish` is done before the cluster is taken in.
    pub(crate) async fn start_with(name: &str, furnish: impl AsyncFnOnce(&ControlPlane)) -> Self {
        let control = ControlPlane::start().await.unwrap_or_else(|error| panic!("{error}"));
        let nodes = Kwok::start(&control).await.unwrap_or_else(|error| panic!("{error}"));
        furnish(&control).await;
        let rules = LeasingRules {
            installation: InstallationId::parse(name).unwrap(),
            ..lease_rules(this_machine())
        };
        let keyring = Keyring::from_base64(&["MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="]).unwrap();
        let store = Store::connect(&sdk(dynamodb().await), &net(), name);
        store.ensure_table().await.unwrap();
        let ground = Self {
            leasing: Leasing::new(cluster_pools(store), net(), keyring, rules),
            control,
            _nodes: nodes,
            ahead: Mutex::default(),
        };
        ground.settled().await;
        let asked = registration("leased", &ground.kubeconfig());
        match ground.leasing.register(&asked, &ground.look()).await.unwrap() {
            Registered::Known(row) => assert_eq!(row.value.word(), "free", "{row:?}"),
            Registered::Refused(why) | Registered::Unreachable(why) => panic!("{why}"),
        }
        ground
    }

    /// As its operator registers it: with the administrator's bearer token.
    fn kubeconfig(&self) -> String {
        let authority = std::fs::read(self.control.folder().join("certificates/apiserver.crt")).unwrap();
        json!({
            "current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            "clusters": [{"name": "x", "cluster": {
                "server": self.control.url(), "certificate-authority-data": STANDARD.encode(authority),
            }}],
            "users": [{"name": "x", "user": {"token": self.control.token()}}],
        })
        .to_string()
    }

    /// The cluster by layby's own client.
    pub(crate) async fn inventory(&self) -> Inventory {
        let access = ClusterAccess::read(&self.kubeconfig()).unwrap();
        let client =
            LeasedCluster::connect(&net(), &access, &this_machine(), &self.leasing.rules().installation).unwrap();
        client.inventory(&Exempt::default(), None).await.unwrap()
    }

    /// What tells the cluster from its baseline.
    pub(crate) async fn difference(&self) -> Difference {
        let cluster = self.cluster().await;
        let baseline: Vec<Thing> = self
            .leasing
            .store()
            .baseline(&cluster.name, cluster.intake)
            .await
            .unwrap();
        let inventory = self.inventory().await;
        assert!(inventory.unlisted.is_empty(), "{:?}", inventory.unlisted);
        domain::compare(&baseline, inventory.seen)
    }

    /// Waits until what every new cluster makes for itself is there.
    async fn settled(&self) {
        let mut before = BTreeSet::new();
        for _ in 0..LOOKS_MAX {
            let now = self.everything().await;
            if now == before {
                return;
            }
            before = now;
            sleep(SETTLED).await;
        }
        panic!("a new cluster never came to rest");
    }

    /// Kind, place, uid and version of everything in the cluster but what changes by itself, by kube's own client.
    pub(crate) async fn everything(&self) -> BTreeSet<String> {
        let client = self.control.client().await.unwrap();
        let discovery = Discovery::new(client.clone()).run().await.unwrap();
        let mut found = BTreeSet::new();
        for (kind, can) in discovery.groups().flat_map(|group| group.recommended_resources()) {
            if !can.supports_operation(verbs::LIST) || RESTLESS.contains(&kind.kind.as_str()) {
                continue;
            }
            let objects: Api<DynamicObject> = Api::all_with(client.clone(), &kind);
            for object in objects.list(&Default::default()).await.unwrap() {
                let meta = object.metadata;
                found.insert(format!(
                    "{} {}/{} {} {}",
                    kind.kind,
                    meta.namespace.unwrap_or_default(),
                    meta.name.unwrap_or_default(),
                    meta.uid.unwrap_or_default(),
                    meta.resource_version.unwrap_or_default()
                ));
            }
        }
        found
    }

    /// A look at this moment.
    pub(crate) fn look(&self) -> Look {
        Look {
            now: now() + *self.ahead.lock().unwrap(),
            by: format!("life-{}", fastrand::u64(..)),
        }
    }

    /// From now on looks say that it is so much later: for what layby itself gives so long, while nothing happens.
    pub(crate) fn skip(&self, by: Duration) {
        *self.ahead.lock().unwrap() += by;
    }

    pub(crate) fn ask(&self, time: LeaseTime) -> LeaseAsk {
        let wish = Wish::default();
        LeaseAsk {
            caller: "ci".to_owned(),
            pool: ClusterPool::new(default_pool()),
            wanted: wish.understood().unwrap(),
            wish,
            time,
            ticket: None,
            waits: false,
            binding: None,
            id: LeaseId::from_bytes(fastrand::u128(..).to_be_bytes()),
        }
    }

    pub(crate) async fn granted(&self, seconds: u64) -> Granted {
        let ask = self.ask(LeaseTime::new(seconds).unwrap());
        match self.leasing.acquire(&ask, &self.look()).await.unwrap() {
            Acquired::Granted(granted) => *granted,
            _ => panic!("not granted: {:?}", self.cluster().await),
        }
    }

    pub(crate) async fn cluster(&self) -> Cluster {
        let name = ClusterName::parse("leased").unwrap();
        self.leasing.store().cluster(&name).await.unwrap().unwrap().value
    }

    /// Brings the cluster on if it is due, as a run of the reaper does.
    pub(crate) async fn reap(&self) {
        let store = self.leasing.store();
        for shard in 0..Lane::Leases.shards() {
            let due = store.due(&Lane::Leases, shard, self.look().now, None).await.unwrap();
            for due in due.items {
                let Subject::Cluster(name) = due.subject else {
                    panic!("{due:?}");
                };
                if let Some(row) = store.cluster(&name).await.unwrap() {
                    self.leasing.advance(row, &self.look()).await.unwrap();
                }
            }
        }
    }

    /// The cluster once it is in one of these states. Each state that it goes through is told.
    pub(crate) async fn until(&self, words: &[&str]) -> Cluster {
        let begun = instant();
        let mut told = String::new();
        for _ in 0..LOOKS_MAX {
            let cluster = self.cluster().await;
            let state = format!("{} {}", cluster.word(), cluster.trouble.as_deref().unwrap_or_default());
            if state != told {
                println!("  {:4.1} s {state}", begun.elapsed().as_secs_f64());
                told = state;
            }
            if words.contains(&cluster.word()) {
                return cluster;
            }
            sleep(PACE).await;
            self.reap().await;
        }
        panic!("never {words:?}: {:?}", self.cluster().await);
    }

    /// What is still there of what a holder left, and what is not as it was, as people read it.
    pub(crate) async fn list(&self, cluster: &Cluster) -> Vec<String> {
        assert!(matches!(cluster.state, ClusterState::Quarantined { .. }), "{cluster:?}");
        let list = self.leasing.store().left_over(&cluster.name, cluster.epoch).await;
        list.unwrap().unwrap()
    }

    /// Runs kubectl by a kubeconfig.
    pub(crate) fn kubectl(&self, kubeconfig: &Path, arguments: &[&str]) -> String {
        let ran = self.control.kubectl_by(kubeconfig, arguments);
        ran.unwrap_or_else(|error| panic!("{error}")).printed
    }

    /// Writes a file beside the cluster's own.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.control.folder().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// Applies a manifest by a kubeconfig.
    pub(crate) fn apply(&self, kubeconfig: &Path, manifest: &str) {
        let file = self.file("applied.yaml", manifest);
        self.kubectl(kubeconfig, &["apply", "--filename", &file.to_string_lossy()]);
    }
}

/// kube's own client by a kubeconfig.
pub(crate) async fn client(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

fn net() -> Net {
    Net::new(net::Settings::default()).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "an edge: a real cluster lives in real time")]
fn now() -> Timestamp {
    Timestamp::now()
}

#[expect(clippy::disallowed_methods, reason = "how long something takes is mechanical time")]
pub(crate) fn instant() -> Instant {
    Instant::now()
}
