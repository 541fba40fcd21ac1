//! What it costs to get a cluster, of few and of many, alone and among many at once.
//!
//! The clusters are rows that lead to one embedded cluster. Nothing is taken back here, and each row counts its epochs
//! from a number of its own, so that no two leases share an account in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::{
    Cluster, ClusterName, ClusterPool, ClusterPoolName, ClusterState, Epoch, Lease, LeaseId, LeaseTime, Look,
    ProviderName, Wish,
};
use embedded::kubernetes::{Kubernetes, Settings as Embedded};
use futures::{StreamExt, stream};
use http::Request;
use jiff::SignedDuration;
use lifecycle::{Acquired, LeaseAsk, Registered, Registration};
use local::Options;
use net::{Fault, Faults, Peer, Scope, Settings};

use super::{Measure, Requests, WRITERS};
use crate::process::Fate;
use crate::{App, Lessor, TEST_MAX};

/// Requests to DynamoDB for a cluster that is free: the line, what the index proposes (twice, where it is little), its
/// row, the transaction that takes it, its sealed kubeconfig, and the transaction that says that it is held.
const FREE_STORE_MAX: u64 = 7;
/// Requests to a cluster that is given: which it is, by its namespace and its version; its nodes; account, binding and
/// token of the holder.
const FREE_CLUSTER_MAX: u64 = 6;
/// Requests to DynamoDB to say that none is free: the line, what the index proposes, twice, and all that the pool lists.
const TAKEN_STORE_MAX: u64 = 4;
/// Requests to DynamoDB for each caller of many at once: what it costs to find out that none is free, and so many tries
/// to take one that somebody else is quicker at.
const CROWD_STORE_MAX: u64 = TAKEN_STORE_MAX + 12;
/// Epochs between two rows.
const EPOCHS_APART: u64 = 1_000;
/// How often one caller asks again who is told that others were quicker, and how long it waits between.
const ASKS_MAX: usize = 20;
const ASKS_APART: Duration = Duration::from_secs(1);
/// How long one call of the crowd may take.
const PATIENCE: Duration = Duration::from_secs(8);
/// The word by which a caller's writes are known.
const CALLER: &str = "counted/";

/// What getting a cluster took while so many were registered, free or all taken.
pub async fn of_leases(clusters: &[u64]) -> Vec<Measure> {
    let yard = Yard::start(Settings::default()).await;
    let mut measures = Vec::new();
    for count in clusters {
        for is_free in [true, false] {
            let word = if is_free { "free" } else { "taken" };
            let pool = ClusterPoolName::parse(&format!("{word}-{count}")).expect("a pool's name");
            yard.register(&pool, *count, is_free).await;
            let scope = Scope::lasting(TEST_MAX);
            let look = yard.lessor.look(&yard.app, "counted");
            let acquired = net::within(scope.clone(), yard.lessor.leasing.acquire(&ask(&pool, 0), &look)).await;
            let acquired = acquired.expect("the table answers");
            assert!(matches!(acquired, Acquired::Granted(_)) == is_free, "it is {word}");
            let counts = scope.counts();
            measures.push(Measure {
                operation: format!("lease, {count} clusters, {word}"),
                took: Requests::new(counts.store, counts.leased, counts.proxy),
                most: match is_free {
                    true => Requests::new(FREE_STORE_MAX, FREE_CLUSTER_MAX, 0),
                    false => Requests::new(TAKEN_STORE_MAX, 0, 0),
                },
            });
        }
    }
    yard.stop().await;
    measures
}

/// What many callers at once took, and what they were told.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The requests of all of them together.
    pub measure: Measure,
    /// Those who got a cluster.
    pub granted: u64,
    /// Those who were told that none is free.
    pub none: u64,
    /// Answers that others were quicker, after which a caller asks again.
    pub raced: u64,
    /// Clusters that nobody got because, on a machine that is too busy with all of this, they were too slow for somebody.
    pub slow: u64,
    /// Transactions that came to nothing, because others were quicker.
    pub conflicts: u64,
    /// What is wrong with what they were told, in sentences.
    pub wrong: Vec<String>,
}

impl Crowd {
    /// Whether it kept within its bound, and everybody was told the truth.
    pub fn holds(&self) -> bool {
        self.measure.holds() && self.wrong.is_empty()
    }
}

impl fmt::Display for Crowd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_grant = |number: u64| number as f64 / self.granted.max(1) as f64;
        writeln!(f, "{}", self.measure)?;
        write!(
            f,
            "of them {} granted, {} told that none is free, {} told to ask again, {} clusters too slow; per grant {:.1} requests to the table, \
             {:.2} conflicts; {} wrong answers",
            self.granted,
            self.none,
            self.raced,
            self.slow,
            per_grant(self.measure.took.store),
            per_grant(self.conflicts),
            self.wrong.len()
        )?;
        self.wrong.iter().try_for_each(|wrong| write!(f, "\n  {wrong}"))
    }
}

/// So many callers ask at once for one of so many clusters, and keep what they get. Who is told that others were quicker
/// asks again.
pub async fn of_a_crowd(callers: u64, clusters: u64) -> Crowd {
    let sent = Arc::new(Mutex::new(Sent::default()));
    let seen = Arc::clone(&sent);
    let faults: Faults = Arc::new(move |peer, request| seen.lock().expect("nobody panics").saw(peer, request));
    let mut settings = Settings {
        faults: Some(faults),
        ..Settings::default()
    };
    // Counted, not timed: all of them share two processors and one table of a file's speed.
    (settings.timeouts.store, settings.timeouts.cluster) = (PATIENCE, PATIENCE);
    let yard = Yard::start(settings).await;
    let pool = ClusterPoolName::parse("crowd").expect("a pool's name");
    yard.register(&pool, clusters, true).await;
    let before = sent.lock().expect("nobody panics").transactions;
    let scope = Scope::lasting(TEST_MAX);
    let asked = (0..callers).map(|number| {
        let (leasing, now) = (yard.lessor.leasing.clone(), yard.app.now());
        let (ask, sent) = (ask(&pool, number), Arc::clone(&sent));
        let by = format!("{CALLER}{number}");
        tokio::spawn(net::within(scope.clone(), async move {
            let mut raced = 0;
            for _ in 0..ASKS_MAX {
                let look = Look { now, by: by.clone() };
                let acquired = Box::pin(leasing.acquire(&ask, &look)).await;
                match acquired.expect("the table answers") {
                    Acquired::Raced => raced += 1,
                    acquired => return (acquired, raced, sent.lock().expect("nobody panics").next()),
                }
                tokio::time::sleep(ASKS_APART).await;
            }
            (Acquired::Raced, raced, 0)
        }))
    });
    let asked: Vec<_> = asked.collect();
    let mut told = Vec::new();
    for caller in asked {
        told.push(caller.await.expect("a caller does not panic"));
    }
    let counts = scope.counts();
    let sent = std::mem::take(&mut *sent.lock().expect("nobody panics"));
    let mut crowd = Crowd {
        measure: Measure {
            operation: format!("{callers} callers at once, {clusters} clusters"),
            took: Requests::new(counts.store, counts.leased, counts.proxy),
            most: Requests::new(CROWD_STORE_MAX * callers, FREE_CLUSTER_MAX * clusters, 0),
        },
        granted: 0,
        none: 0,
        raced: told.iter().map(|(_, raced, _)| raced).sum(),
        slow: yard.slow(&pool).await,
        conflicts: 0,
        wrong: Vec::new(),
    };
    judge(&mut crowd, &told, &sent);
    // A grant is two transactions: the cluster is taken, and then held.
    crowd.conflicts = (sent.transactions - before).saturating_sub(2 * crowd.granted);
    if crowd.granted + crowd.slow != clusters.min(callers) {
        crowd.wrong.push(format!("{} of {clusters} were given", crowd.granted));
    }
    let accounts = yard.accounts().await;
    if !(crowd.granted..=crowd.granted + crowd.slow).contains(&accounts) {
        crowd.wrong.push(format!("there are {accounts} accounts of holders"));
    }
    yard.stop().await;
    crowd
}

/// Holds what each was told against what was so: nobody has what another has, and nobody is told that none is free while
/// one is that nobody has begun to take.
fn judge(crowd: &mut Crowd, told: &[(Acquired, u64, u64)], sent: &Sent) {
    let mut taken = BTreeMap::new();
    for (number, (acquired, ..)) in told.iter().enumerate() {
        let Acquired::Granted(granted) = acquired else { continue };
        crowd.granted += 1;
        let name = granted.cluster.name.to_string();
        let at = sent.takes.get(&(number, name.clone())).copied().unwrap_or(u64::MAX);
        if taken.insert(name.clone(), at).is_some() {
            crowd.wrong.push(format!("{name} has two holders"));
        }
    }
    let last = taken.values().copied().max().unwrap_or_default();
    for (number, (acquired, _, at)) in told.iter().enumerate() {
        match acquired {
            // Whoever is told that it cannot be said yet has a slow cluster.
            Acquired::Granted(_) | Acquired::Unsaid => {}
            Acquired::None { .. } => {
                crowd.none += 1;
                if *at < last {
                    crowd
                        .wrong
                        .push(format!("caller {number} was told that none is free, and one was"));
                }
            }
            _ => crowd
                .wrong
                .push(format!("caller {number} got neither a cluster nor an answer")),
        }
    }
}

/// What was sent to the table, in order.
#[derive(Default)]
struct Sent {
    clock: u64,
    transactions: u64,
    /// When a caller last asked to take a cluster.
    takes: BTreeMap<(usize, String), u64>,
}

impl Sent {
    fn next(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn saw(&mut self, peer: Peer, request: &Request<Bytes>) -> Fault {
        let target = request.headers().get("x-amz-target").map(|target| target.as_bytes());
        if peer == Peer::Store && target.is_some_and(|target| target.ends_with(b"TransactWriteItems")) {
            self.transactions += 1;
            let at = self.next();
            let body = String::from_utf8_lossy(request.body());
            let take = || {
                let by = body.split_once(CALLER)?.1.split_once('"')?.0;
                let (number, step) = by.split_once('/')?;
                let name = step.strip_prefix("cluster-")?.strip_suffix("-take")?;
                Some((number.parse().ok()?, name.to_owned()))
            };
            if let Some(take) = take() {
                self.takes.insert(take, at);
            }
        }
        Fault::Pass
    }
}

/// An installation with one cluster that many names lead to.
struct Yard {
    app: App,
    lessor: Lessor,
    server: Kubernetes,
    like: Cluster,
    rows: Mutex<u64>,
}

impl Yard {
    async fn start(settings: Settings) -> Self {
        let app = App::start(Options::embedded()).await;
        let clock = app.adapter().clock();
        let mut embedded = Embedded::new(Arc::new(move || clock.now()), "counted", "registered");
        embedded.https = true;
        let server = Kubernetes::start(embedded).await.expect("a cluster starts");
        let (lessor, operator) = (
            Lessor::amid(&app, Fate::Lives, settings),
            Lessor::start(&app, Fate::Lives),
        );
        let asked = Registration {
            name: ClusterName::parse("like").expect("a name"),
            pool: ClusterPoolName::parse("like").expect("a name"),
            cloud_provider: ProviderName::parse("static").expect("a name"),
            labels: BTreeMap::new(),
            kubeconfig: server.kubeconfig(),
            nonce: [0; 12],
            anew: false,
        };
        let look = operator.look(&app, "register");
        let registered = operator.leasing.register(&asked, &look).await;
        let Ok(Registered::Known(row)) = registered else {
            panic!("the cluster is refused");
        };
        Self {
            app,
            lessor,
            server,
            like: row.value,
            rows: Mutex::new(1),
        }
    }

    /// Registers so many clusters in a pool of their own, each free, or leased to somebody for an hour.
    async fn register(&self, pool: &ClusterPoolName, count: u64, is_free: bool) {
        let writes = (0..count).map(|number| async move {
            let row = {
                let mut rows = self.rows.lock().expect("nobody panics");
                *rows += 1;
                *rows
            };
            let free = Cluster {
                name: ClusterName::parse(&format!("{pool}-{number}")).expect("a name"),
                pool: pool.clone(),
                epoch: Epoch(EPOCHS_APART * row),
                ..self.like.clone()
            };
            let now = self.app.now();
            let lease = Lease {
                id: LeaseId::from_bytes(u128::from(row).to_be_bytes()),
                token_sha256: format!("nobody's {row}"),
                holder: "others".to_owned(),
                granted_at: now,
                expires_at: now + SignedDuration::from_hours(1),
            };
            let cluster = match is_free {
                true => free,
                false => free.in_state(ClusterState::Leased { lease }),
            };
            let (store, leasing) = (self.lessor.leasing.store(), &self.lessor.leasing);
            let mut nonce = [0; 12];
            nonce[..8].copy_from_slice(&row.to_be_bytes());
            let sealed = leasing.sealed(&cluster, &self.server.kubeconfig(), nonce);
            let look = self.lessor.look(&self.app, "register");
            let put = store.put_seal(None, &cluster.name, sealed, &look).await;
            put.expect("the seal is written");
            let put = store.put_cluster(None, &cluster, None, &look).await;
            put.expect("the row is written");
        });
        // Collected first: a stream that holds the closure cannot be shown to be `Send` for every lifetime.
        let writes: Vec<_> = writes.collect();
        stream::iter(writes)
            .buffer_unordered(WRITERS)
            .for_each(|()| async {})
            .await;
    }

    /// How many accounts of holders are in the cluster.
    /// Clusters of a pool that are neither free nor held.
    async fn slow(&self, pool: &ClusterPoolName) -> u64 {
        let offers = self.lessor.leasing.store().offers(pool).await;
        let offers = offers.expect("the table answers").into_iter();
        let slow = offers.filter(|offer| ["quarantined", "granting"].contains(&offer.state.as_str()));
        slow.count() as u64
    }

    async fn accounts(&self) -> u64 {
        let path = "/api/v1/namespaces/kube-system/serviceaccounts";
        let request = Request::get(path).header("authorization", "Bearer registered");
        let request = request.body(Bytes::new()).expect("a request");
        let now = self.app.now();
        let embedded::kubernetes::Outcome::Answer(answer) =
            self.server.with_machine(|machine| machine.handle(now, request))
        else {
            panic!("a list is an answer");
        };
        let list: serde_json::Value = serde_json::from_slice(answer.body()).expect("a list is JSON");
        let items = list["items"].as_array().expect("a list has items");
        let names = items.iter().filter_map(|item| item["metadata"]["name"].as_str());
        let holders: BTreeSet<&str> = names.filter(|name| name.contains("-holder-")).collect();
        holders.len() as u64
    }

    async fn stop(self) {
        drop(self.lessor);
        self.server.stop().await;
        self.app.stop().await;
    }
}

fn ask(pool: &ClusterPoolName, number: u64) -> LeaseAsk {
    let wish = Wish::default();
    // Ids are random; these are spread as evenly, and the same each time.
    let spread = vault::sha256_hex(&number.to_be_bytes());
    LeaseAsk {
        caller: format!("caller-{number}"),
        pool: ClusterPool::new(pool.clone()),
        wanted: wish.understood().expect("nothing is wanted"),
        wish,
        time: LeaseTime::new(3_600).expect("an hour is a time"),
        ticket: None,
        waits: false,
        binding: None,
        id: LeaseId::parse(&spread[..32]).expect("an id"),
    }
}
