//! Clusters to lease, and the steps about them, in an installation of their own.

use std::collections::BTreeMap;
use std::sync::Arc;

use cluster_client::ClusterAccess;
use domain::{Cluster, ClusterName, ClusterPool, ClusterPoolName, Lane, LeaseId, LeaseTime, Look, Subject, Wish};
use embedded::kubernetes::{Kubernetes, Settings};
use http::{Method, Request};
use lifecycle::{Acquired, Granted, LeaseAsk, Leasing, LeasingRules, Registered, Registration};
use net::{Net, Peer, Reach};
use serde_json::{Value, json};
use tests::process::Fate;
use tests::{App, Lessor, cluster_pools, default_pool, lease_rules, registration};
use vault::Keyring;

pub(crate) const HOUR: LeaseTime = match LeaseTime::new(3_600) {
    Some(time) => time,
    None => panic!("an hour is a time"),
};

/// The key of the installation.
pub(crate) const KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

pub(crate) fn seconds(seconds: u64) -> LeaseTime {
    LeaseTime::new(seconds).unwrap()
}

/// Time that passes between two looks at a cluster that is on its way.
const PACE: i64 = 10;
/// Such looks until it is there: over a quarter of an hour.
const LOOKS_MAX: usize = 120;

pub(crate) struct Ground<'a> {
    pub(crate) app: &'a App,
    pub(crate) leasing: Leasing,
    lessor: Lessor,
    clusters: BTreeMap<String, Kubernetes>,
}

/// Somebody who goes by a kubeconfig.
pub(crate) struct Client {
    client: net::Client,
    server: String,
    token: String,
}

impl<'a> Ground<'a> {
    /// So many clusters, `leased-1` and so on, which are free.
    pub(crate) async fn start(app: &'a App, clusters: usize) -> Self {
        let lessor = Lessor::start(app, Fate::Lives);
        let mut ground = Self {
            app,
            leasing: lessor.leasing.clone(),
            lessor,
            clusters: BTreeMap::new(),
        };
        for number in 1..=clusters {
            ground.add(&format!("leased-{number}"), |_| {}).await;
        }
        ground
    }

    /// One more cluster, which is free, with these settings.
    pub(crate) async fn add(&mut self, name: &str, set: impl FnOnce(&mut Settings)) {
        let cluster = self.make(name, set).await;
        self.clusters.insert(name.to_owned(), cluster);
        let Registered::Known(row) = self.register(name, &self.kubeconfig(name), "first").await else {
            panic!("{name} is refused");
        };
        assert_eq!(row.value.word(), "free", "{row:?}");
    }

    async fn make(&self, identity: &str, set: impl FnOnce(&mut Settings)) -> Kubernetes {
        let clock = self.app.adapter().clock();
        let mut settings = Settings::new(Arc::new(move || clock.now()), identity, "registered");
        settings.https = true;
        set(&mut settings);
        Kubernetes::start(settings).await.unwrap()
    }

    /// Puts another cluster at the address of one, with the same authority vouching for nothing: as its operator would,
    /// it is registered by its own kubeconfig, under the old one's identity.
    pub(crate) async fn replace(&mut self, name: &str, identity: &str) {
        let other = self.make(identity, |_| {}).await;
        let old = self.clusters.insert(name.to_owned(), other).unwrap();
        old.stop().await;
        self.lead_to(name, &self.kubeconfig(name)).await;
    }

    /// Ends a cluster for good.
    pub(crate) async fn destroy(&mut self, name: &str) {
        self.clusters.remove(name).unwrap().stop().await;
    }

    /// Seals another kubeconfig for a cluster, behind its registration's back.
    pub(crate) async fn lead_to(&self, name: &str, kubeconfig: &str) {
        let cluster = self.cluster(name).await;
        let sealed = self.leasing.sealed(&cluster, kubeconfig, [7; 12]);
        let seal = self.leasing.store().seal(&cluster.name).await.unwrap();
        let look = self.look("lead-to");
        let put = self
            .leasing
            .store()
            .put_seal(seal.as_ref(), &cluster.name, sealed, &look);
        put.await.unwrap();
    }

    pub(crate) fn kubeconfig(&self, name: &str) -> String {
        self.clusters[name].kubeconfig()
    }

    pub(crate) async fn register(&self, name: &str, kubeconfig: &str, by: &str) -> Registered {
        self.register_by(&self.leasing, name, kubeconfig, by).await
    }

    /// Registers a cluster in another pool.
    pub(crate) async fn register_in(&self, pool: ClusterPoolName, name: &str) -> Registered {
        let asked = Registration {
            pool,
            ..registration(name, &self.kubeconfig(name))
        };
        self.leasing.register(&asked, &self.look("register-in")).await.unwrap()
    }

    /// Registers a cluster in an installation that is set otherwise.
    pub(crate) async fn register_by(&self, leasing: &Leasing, name: &str, kubeconfig: &str, by: &str) -> Registered {
        let asked = registration(name, kubeconfig);
        let look = self.look(&format!("register-{name}-{by}"));
        leasing.register(&asked, &look).await.unwrap()
    }

    /// Why a cluster of this kubeconfig is refused.
    pub(crate) async fn refused(&self, name: &str, kubeconfig: &str) -> String {
        match self.register(name, kubeconfig, "refused").await {
            Registered::Refused(why) | Registered::Unreachable(why) => why,
            Registered::Known(row) => panic!("{row:?}"),
        }
    }

    /// Changes the rules of the pool.
    pub(crate) async fn rules(&self, change: impl FnOnce(&mut ClusterPool)) {
        let mut rules = ClusterPool::new(default_pool());
        change(&mut rules);
        let put = self
            .leasing
            .store()
            .put_cluster_pool(None, &rules, &self.look("rules"))
            .await;
        put.unwrap();
    }

    pub(crate) fn look(&self, by: &str) -> Look {
        Look {
            now: self.app.now(),
            by: format!("{by}-{}", fastrand::u64(..)),
        }
    }

    pub(crate) fn ask(&self, caller: &str, time: LeaseTime) -> LeaseAsk {
        let wish = Wish::default();
        LeaseAsk {
            caller: caller.to_owned(),
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

    /// An ask that tries this cluster first.
    pub(crate) async fn ask_that_begins_with(&self, name: &str) -> LeaseAsk {
        for _ in 0..LOOKS_MAX {
            let ask = self.ask("ci", HOUR);
            let from = &ask.id.as_str()[..8];
            let offers = self
                .leasing
                .store()
                .free_offers(&default_pool(), from, 1)
                .await
                .unwrap();
            if offers.first().is_some_and(|offer| offer.name.as_str() == name) {
                return ask;
            }
        }
        panic!("{name} is never the first");
    }

    pub(crate) async fn acquire(&self, ask: &LeaseAsk) -> Acquired {
        self.leasing.acquire(ask, &self.look("acquire")).await.unwrap()
    }

    pub(crate) async fn granted(&self, ask: &LeaseAsk) -> Granted {
        self.granted_by(&self.leasing, ask).await
    }

    /// A lease in an installation that is set otherwise.
    pub(crate) async fn granted_by(&self, leasing: &Leasing, ask: &LeaseAsk) -> Granted {
        match leasing.acquire(ask, &self.look("acquire")).await.unwrap() {
            Acquired::Granted(granted) => *granted,
            other => panic!("not granted: {}", word(&other)),
        }
    }

    /// Asks, gets none, and keeps the ticket.
    pub(crate) async fn none(&self, ask: &mut LeaseAsk) {
        match self.acquire(ask).await {
            Acquired::None { ticket, .. } => ask.ticket = Some(ticket),
            other => panic!("{}", word(&other)),
        }
    }

    pub(crate) async fn cluster(&self, name: &str) -> Cluster {
        let name = ClusterName::parse(name).unwrap();
        self.leasing.store().cluster(&name).await.unwrap().unwrap().value
    }

    pub(crate) async fn advance(&self, seconds: u64) {
        self.app.advance(std::time::Duration::from_secs(seconds)).await;
        for cluster in self.clusters.values() {
            cluster.tick().await;
        }
    }

    /// Brings on every cluster that is due.
    pub(crate) async fn reap(&self) {
        self.reap_by(&self.lessor).await;
    }

    /// As [`Ground::reap`], by another process.
    pub(crate) async fn reap_by(&self, lessor: &Lessor) {
        let (store, now) = (lessor.leasing.store(), lessor.look(self.app, "due").now);
        for shard in 0..Lane::Leases.shards() {
            let due = store.due(&Lane::Leases, shard, now, None).await.unwrap();
            for due in due.items {
                let Subject::Cluster(name) = due.subject else {
                    panic!("{due:?}");
                };
                if let Some(row) = store.cluster(&name).await.unwrap() {
                    let look = lessor.look(self.app, "reap");
                    lessor.leasing.advance(row, &look).await.unwrap();
                }
            }
        }
    }

    /// Whoever goes by a lease can do so.
    pub(crate) async fn works(&self, granted: &Granted) {
        let (code, said) = self.client(&granted.kubeconfig).get("/api/v1/namespaces").await;
        assert_eq!(code, 200, "{said}");
        let verified = self
            .leasing
            .verified(&granted.token, granted.cluster.epoch, self.app.now());
        assert_eq!(
            verified.await.unwrap().map(|lease| lease.id),
            Some(granted.lease.id.clone())
        );
    }

    /// Gives a lease back.
    pub(crate) async fn release(&self, granted: &Granted) {
        let released = self.leasing.release(&granted.token, &self.look("release")).await;
        assert!(released.unwrap(), "{} has no such lease", granted.cluster.name);
    }

    /// The cluster once it is in that state.
    pub(crate) async fn until(&self, name: &str, word: &str) -> Cluster {
        for _ in 0..LOOKS_MAX {
            let cluster = self.cluster(name).await;
            if cluster.word() == word {
                return cluster;
            }
            self.advance(PACE as u64).await;
            self.reap().await;
        }
        panic!("never {word}: {:?}", self.cluster(name).await);
    }

    /// Makes the nodes of a cluster ready, or not.
    pub(crate) fn cordon_ready(&self, name: &str, ready: bool) {
        let status = json!({"status": {"conditions": [
            {"type": "Ready", "status": if ready { "True" } else { "False" }},
        ]}});
        for node in ["embedded-1", "embedded-2"] {
            let request = Request::builder()
                .method(Method::PATCH)
                .uri(format!("/api/v1/nodes/{node}/status"))
                .header("content-type", "application/strategic-merge-patch+json")
                .header("authorization", "Bearer registered")
                .body(status.to_string().into())
                .unwrap();
            let now = self.app.now();
            self.clusters[name].with_machine(|machine| drop(machine.handle(now, request)));
        }
    }

    /// Kind, namespace and name of what is in a cluster.
    pub(crate) async fn everything(&self, name: &str) -> Vec<String> {
        let administrator = self.client(&self.kubeconfig(name));
        let mut found = Vec::new();
        for path in [
            "/api/v1/namespaces",
            "/api/v1/configmaps",
            "/api/v1/secrets",
            "/api/v1/serviceaccounts",
            "/api/v1/pods",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        ] {
            let (code, list) = administrator.get(path).await;
            assert_eq!(code, 200, "{list}");
            for item in list["items"].as_array().unwrap() {
                let meta = &item["metadata"];
                found.push(format!("{path} {}/{}", meta["namespace"], meta["name"]));
            }
        }
        found
    }

    /// Somebody who goes by a token of a cluster.
    pub(crate) fn client_by(&self, name: &str, token: &str) -> Client {
        self.client(&self.kubeconfig(name)).by(token)
    }

    pub(crate) fn client(&self, kubeconfig: &str) -> Client {
        let access = ClusterAccess::read(kubeconfig).unwrap();
        Client {
            client: net().client_trusting(Peer::Cluster, &access.trust).unwrap(),
            server: access.server.clone(),
            token: access.token_text().to_owned(),
        }
    }
}

impl Client {
    /// The same client, by another token.
    fn by(self, token: &str) -> Self {
        Self {
            token: token.to_owned(),
            ..self
        }
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        self.send(Method::GET, path, "", None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) {
        let (code, said) = self.send(Method::POST, path, "application/json", Some(body)).await;
        assert_eq!(code, 201, "{said}");
    }

    /// A JSON merge patch.
    pub(crate) async fn patch(&self, path: &str, body: &Value) {
        let (code, said) = self
            .send(Method::PATCH, path, "application/merge-patch+json", Some(body))
            .await;
        assert_eq!(code, 200, "{said}");
    }

    async fn send(&self, method: Method, path: &str, kind: &str, body: Option<&Value>) -> (u16, Value) {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.server))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", kind)
            .body(body.map(ToString::to_string).unwrap_or_default().into())
            .unwrap();
        let answer = self.client.send(request).await.unwrap();
        let body = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
        (answer.status().as_u16(), body)
    }
}

/// A kubeconfig for whatever is at `server`.
pub(crate) fn kubeconfig_at(server: &str, token: &str) -> String {
    json!({
        "current-context": "x", "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": server}}],
        "users": [{"name": "x", "user": {"token": token}}],
    })
    .to_string()
}

/// The steps in the installation of these keys, which connects to what `reach` says.
pub(crate) fn leasing(app: &App, net: Net, keys: &[&str], reach: Reach) -> Leasing {
    leasing_by(app, net, keys, lease_rules(reach))
}

/// The steps in an installation of these rules.
pub(crate) fn leasing_by(app: &App, net: Net, keys: &[&str], rules: LeasingRules) -> Leasing {
    let store = app.adapter().lifecycle().unwrap().store().clone();
    Leasing::new(cluster_pools(store), net, Keyring::from_base64(keys).unwrap(), rules)
}

pub(crate) fn net() -> Net {
    Net::new(net::Settings::default()).unwrap()
}

pub(crate) fn word(acquired: &Acquired) -> &'static str {
    match acquired {
        Acquired::Granted(_) => "granted",
        Acquired::None { .. } => "none free",
        Acquired::LineFull { .. } => "the line is full",
        Acquired::Raced => "raced",
        Acquired::AnotherBody => "another body",
        Acquired::Over => "over",
        Acquired::Unsaid => "unsaid",
    }
}
