//! The clusters that are leased, and what is seen of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use domain::{
    Cluster, ClusterName, ClusterPool, ClusterPoolName, ClusterState, LabelKey, LabelValue, Look, ProviderName, Reuse,
};
use embedded::kubernetes::{Kubernetes, Settings};
use gateway::Clock;
use http::{Method, Request};
use jiff::Timestamp;
use lifecycle::{Leasing, Registered, Registration};
use serde_json::{Value, json};

use super::history::{Deed, Event, Known, Seen};
use super::host::Air;
use crate::{App, Http};

/// The pool that most ask.
pub(super) const USUAL: &str = "default";
/// The pool whose clusters are leased once.
pub(super) const ONCE: &str = "once";
/// The administrator's token in each cluster.
const ADMINISTRATOR: &str = "registered";
/// What a holder leaves that does not go by itself.
const STUCK: &str = "/api/v1/namespaces/default/configmaps/stuck";

/// The clusters, and the history so far.
pub(super) struct Ground {
    pub(super) air: Air,
    pub(super) known: Vec<Known>,
    clock: Clock,
    clusters: BTreeMap<ClusterName, Kubernetes>,
    moments: AtomicU64,
    events: Mutex<Vec<Event>>,
}

/// The beginning of an event.
pub(super) struct Begun {
    from: u64,
    begin: Timestamp,
}

impl Ground {
    /// So many clusters of the usual pool, and of the one that is leased once, which are not registered yet.
    pub(super) async fn start(app: &App, usual: usize, once: usize, air: Air) -> Self {
        let clock = app.adapter().clock();
        let (mut clusters, mut known) = (BTreeMap::new(), Vec::new());
        for number in 0..usual + once {
            let (is_once, size) = (number >= usual, ["small", "large"][number % 2]);
            let name = ClusterName::parse(&format!("leased-{number}")).unwrap();
            let domain_time = clock.clone();
            let mut settings = Settings::new(Arc::new(move || domain_time.now()), name.as_str(), ADMINISTRATOR);
            settings.https = true;
            clusters.insert(name.clone(), Kubernetes::start(settings).await.unwrap());
            known.push((name, pool(if is_once { ONCE } else { USUAL }), size));
        }
        let unknown = |(name, pool, size): (ClusterName, ClusterPoolName, &str)| Known {
            once: pool.as_str() == ONCE,
            offer: domain::Offer {
                name,
                cloud_provider: ProviderName::parse("static").unwrap(),
                labels: [(LabelKey::parse("size").unwrap(), LabelValue::parse(size).unwrap())].into(),
                version: String::new(),
                state: String::new(),
                is_free: true,
                expires_at: None,
                lent_until: None,
            },
            pool,
        };
        Self {
            air,
            known: known.into_iter().map(unknown).collect(),
            clock,
            clusters,
            moments: AtomicU64::new(0),
            events: Mutex::default(),
        }
    }

    /// Registers every cluster: afterwards all are free.
    pub(super) async fn register(&mut self, leasing: &Leasing) {
        let mut once = ClusterPool::new(pool(ONCE));
        once.reuse = Reuse::Once;
        let look = |by: &str| Look {
            now: self.now(),
            by: by.to_owned(),
        };
        leasing.pools().write(&once, &look("pool")).await.unwrap();
        for (number, known) in self.known.iter_mut().enumerate() {
            let asked = registration(known, &self.clusters, number as u128);
            let look = Look {
                now: self.clock.now(),
                by: format!("register-{number}"),
            };
            let Registered::Known(row) = leasing.register(&asked, &look).await.unwrap() else {
                panic!("{} is refused", asked.name);
            };
            assert_eq!(row.value.word(), "free", "{row:?}");
            known.offer.version = row.value.version().to_owned();
        }
        let begun = self.begin();
        let now = begun.begin;
        let clusters = self.known.clone();
        self.ended(begun, now, "all", Deed::Begin { clusters });
    }

    /// How an operator registers a cluster once more.
    pub(super) fn registration(&self, cluster: &ClusterName, random: u128) -> Option<Registration> {
        let known = self.known.iter().find(|known| known.offer.name == *cluster)?;
        Some(registration(known, &self.clusters, random))
    }

    /// True domain time.
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Begins an event.
    pub(super) fn begin(&self) -> Begun {
        Begun {
            from: self.moments.fetch_add(1, Ordering::SeqCst),
            begin: self.now(),
        }
    }

    /// Ends an event: it is in the history.
    pub(super) fn ended(&self, begun: Begun, now: Timestamp, who: &str, deed: Deed) {
        let end = self.now();
        let event = Event {
            from: begun.from,
            to: self.moments.fetch_add(1, Ordering::SeqCst),
            begin: begun.begin,
            end,
            now,
            who: who.to_owned(),
            deed,
        };
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }

    /// The history so far, which is empty afterwards.
    pub(super) fn history(&self) -> Vec<Event> {
        let mut events = std::mem::take(&mut *self.events.lock().unwrap_or_else(PoisonError::into_inner));
        events.sort_by_key(|event| event.from);
        events
    }

    /// Every cluster as its row is now.
    pub(super) async fn rows(&self, leasing: &Leasing) -> Result<Vec<Cluster>, store::Error> {
        let rows = self
            .known
            .iter()
            .map(|known| leasing.store().cluster(&known.offer.name));
        let rows = futures::future::try_join_all(rows).await?;
        Ok(rows.into_iter().flatten().map(|row| row.value).collect())
    }

    /// Everything that is in the table of clusters and of those who wait for one.
    pub(super) async fn look_at_all(&self, leasing: &Leasing) -> Result<Deed, store::Error> {
        let clusters = self.rows(leasing).await?.iter().map(seen).collect();
        let mut tickets = Vec::new();
        for pool in [USUAL, ONCE].map(pool) {
            let rows = leasing.store().tickets(&pool).await?;
            tickets.extend(rows.into_iter().map(|row| (pool.clone(), row.value)));
        }
        Ok(Deed::Look { clusters, tickets })
    }

    /// Keeps what the index of free clusters says now: later it is old news.
    pub(super) async fn remember(&self, app: &App) {
        let query = json!({
            "TableName": app.adapter().config().table, "IndexName": "free",
            "KeyConditionExpression": "free_part = :part",
            "ExpressionAttributeValues": {":part": {"S": format!("FREE#{USUAL}")}},
        });
        let asked = Http::new(&app.ready().dynamodb).post("/").json(&query);
        let asked = asked
            .header("content-type", "application/x-amz-json-1.0")
            .header("x-amz-target", "DynamoDB_20120810.Query")
            .header("x-amz-date", "20260101T000000Z")
            .header(
                "authorization",
                "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0",
            );
        let answer = asked.await;
        answer.expect(200);
        *self.air.news.lock().unwrap() = answer.body;
    }

    pub(super) async fn tick(&self) {
        for cluster in self.clusters.values() {
            cluster.tick().await;
        }
    }

    /// Asks a cluster behind everybody's back, with this token, and gives the answer's code.
    pub(super) fn ask(&self, cluster: &ClusterName, method: Method, path: &str, token: &str, body: &Value) -> u16 {
        let kind = match method {
            Method::PATCH => "application/strategic-merge-patch+json",
            _ => "application/json",
        };
        let body = if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .header("authorization", format!("Bearer {token}"))
            .body(body)
            .unwrap();
        let now = self.now();
        self.clusters[cluster].with_machine(|machine| match machine.handle(now, request) {
            embedded::kubernetes::Outcome::Answer(answer) => answer.status().as_u16(),
            embedded::kubernetes::Outcome::Watch(_) => 200,
        })
    }

    /// Leaves something in a cluster as its holder, which goes by itself or never.
    pub(super) fn litter(&self, cluster: &ClusterName, token: &str, stuck: bool) {
        let mut body = json!({"metadata": {"name": if stuck { "stuck" } else { "beside" }}});
        if stuck {
            body["metadata"]["finalizers"] = json!(["example.org/never"]);
        }
        self.ask(
            cluster,
            Method::POST,
            "/api/v1/namespaces/default/configmaps",
            token,
            &body,
        );
        self.ask(
            cluster,
            Method::POST,
            "/api/v1/namespaces",
            token,
            &json!({"metadata": {"name": "mine"}}),
        );
    }

    /// Lets go of what never goes.
    pub(super) fn unstick(&self, cluster: &ClusterName) {
        let body = json!({"metadata": {"finalizers": null}});
        self.ask(cluster, Method::PATCH, STUCK, ADMINISTRATOR, &body);
    }

    /// Makes the nodes of a cluster ready, or not.
    pub(super) fn be_well(&self, cluster: &ClusterName, well: bool) {
        let status = json!({"status": {"conditions": [
            {"type": "Ready", "status": if well { "True" } else { "False" }},
        ]}});
        for node in ["embedded-1", "embedded-2"] {
            let path = format!("/api/v1/nodes/{node}/status");
            self.ask(cluster, Method::PATCH, &path, ADMINISTRATOR, &status);
        }
    }
}

fn registration(known: &Known, clusters: &BTreeMap<ClusterName, Kubernetes>, random: u128) -> Registration {
    Registration {
        name: known.offer.name.clone(),
        pool: known.pool.clone(),
        cloud_provider: known.offer.cloud_provider.clone(),
        labels: known.offer.labels.clone(),
        kubeconfig: clusters[&known.offer.name].kubeconfig(),
        nonce: random.to_be_bytes()[4..].try_into().unwrap(),
        anew: false,
    }
}

/// What is kept of a cluster's row.
pub(super) fn seen(cluster: &Cluster) -> Seen {
    Seen {
        cluster: cluster.name.clone(),
        epoch: cluster.epoch.0,
        state: cluster.word().to_owned(),
        lease: cluster
            .lease()
            .map(|lease| (lease.id.to_string(), lease.holder.clone())),
        handed_over: matches!(cluster.state, ClusterState::Granting { begun: false, .. }),
    }
}

pub(super) fn pool(name: &str) -> ClusterPoolName {
    ClusterPoolName::parse(name).unwrap()
}
