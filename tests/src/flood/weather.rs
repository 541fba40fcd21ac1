//! What happens to the calls of a reaper.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::{Method, Request, Response};
use net::{Fault, Faults, Peer, Settings, Timeouts};
use serde_json::{Map, Value, json};

/// The time-out of a cluster's calls while it is late.
const CLUSTER_TIMEOUT: Duration = Duration::from_millis(400);
/// How long a late call takes, in milliseconds: around the time-out.
const LATE: std::ops::Range<u64> = 200..600;
/// How many of a hundred calls something happens to.
const ODDS: u8 = 6;
/// How many of a hundred calls to a late cluster are late.
const LATENESS: u8 = 12;
/// How many of a hundred transactions meet another.
const CONFLICTS: u8 = 20;
/// The path of the proxy's whole table.
const TABLE: &str = "/api/routes";

/// What happens to calls, by whom they go to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// What the route proxy says.
    pub proxy: Proxy,
    /// How the cluster is.
    pub cluster: Cluster,
    /// How the table is.
    pub store: Store,
}

/// What the route proxy says.
#[derive(Clone, Copy, Debug, Default)]
pub enum Proxy {
    /// The truth.
    #[default]
    Honest,
    /// Nothing but 500.
    Fails,
    /// Something wrong.
    Lies(Lie),
}

/// What is wrong in what the proxy says. It does as it is told all the same, and asked for one by one it knows its routes
/// and its marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Its table is empty.
    Empty,
    /// Nothing was used since 1970.
    LongAgo,
    /// Half of it was not.
    HalfLongAgo,
    /// Half of the routes are missing.
    HalfMissing,
    /// Nothing was used since its route was made.
    Registered,
}

/// How the cluster is.
#[derive(Clone, Copy, Debug, Default)]
pub enum Cluster {
    /// Well.
    #[default]
    Calm,
    /// Some calls take about as long as they may.
    Late,
    /// Some calls get 500 or 429, and some answers are lost.
    Busy,
}

/// How the table is.
#[derive(Clone, Copy, Debug, Default)]
pub enum Store {
    /// Well.
    #[default]
    Calm,
    /// Some writes meet others, some calls are throttled, and some answers are lost.
    Busy,
}

/// How often something was injected, by what it was.
pub type Injected = Arc<Mutex<BTreeMap<&'static str, u64>>>;

/// The proxy's table, by path.
pub type Table = Map<String, Value>;

impl Lie {
    /// What the proxy says instead of `truth`; `registered` is what it said when the routes were made.
    pub fn told(self, truth: &Table, registered: &Table) -> Table {
        let is_of_half = |path: &str| path.bytes().map(usize::from).sum::<usize>().is_multiple_of(2);
        let told = truth.iter().filter_map(|(path, entry)| {
            let mut entry = entry.clone();
            let is_application = path.starts_with("/user/");
            match self {
                _ if !is_application => {}
                Lie::HalfMissing if is_of_half(path) => return None,
                Lie::LongAgo => entry["last_activity"] = json!("1970-01-01T00:00:00.000Z"),
                Lie::HalfLongAgo if is_of_half(path) => {
                    entry["last_activity"] = json!("1970-01-01T00:00:00.000Z");
                }
                Lie::Registered => {
                    if let Some(first) = registered.get(path) {
                        entry["last_activity"] = first["last_activity"].clone();
                    }
                }
                Lie::Empty | Lie::HalfLongAgo | Lie::HalfMissing => {}
            }
            Some((path.clone(), entry))
        });
        told.collect()
    }
}

impl Weather {
    /// Whether nothing happens to any call.
    pub fn is_calm(self) -> bool {
        matches!(self.proxy, Proxy::Honest)
            && matches!(self.cluster, Cluster::Calm)
            && matches!(self.store, Store::Calm)
    }

    /// A connector's settings under which this happens. `told` is what a proxy that lies says.
    pub fn settings(self, told: Table, rng: Rng, injected: &Injected) -> Settings {
        let (rng, injected) = (Mutex::new(rng), Arc::clone(injected));
        let told = Arc::new(told);
        let faults: Faults = Arc::new(move |peer, request| {
            let (what, fault) = self.strikes(peer, request, &told, &mut rng.lock().unwrap());
            if !matches!(fault, Fault::Pass) {
                *injected.lock().unwrap().entry(what).or_default() += 1;
            }
            fault
        });
        let mut timeouts = Timeouts::default();
        if let Cluster::Late = self.cluster {
            timeouts.cluster = CLUSTER_TIMEOUT;
        }
        Settings {
            timeouts,
            faults: Some(faults),
            names: None,
        }
    }

    /// What happens to a call, and what that is called.
    pub fn strikes(self, peer: Peer, request: &Request<Bytes>, told: &Table, rng: &mut Rng) -> (&'static str, Fault) {
        match peer {
            Peer::Proxy => self.to_proxy(request, told),
            Peer::Cluster | Peer::Leased => self.to_cluster(rng),
            Peer::Store => self.to_store(request, rng),
            Peer::Platform | Peer::Outside => ("", Fault::Pass),
        }
    }

    fn to_proxy(self, request: &Request<Bytes>, told: &Table) -> (&'static str, Fault) {
        match self.proxy {
            Proxy::Honest => ("", Fault::Pass),
            Proxy::Fails => ("proxy: 500", Fault::Answer(answer(500, ""))),
            Proxy::Lies(_) if request.method() != Method::GET => ("", Fault::Pass),
            Proxy::Lies(lie) => (
                "proxy: wrong answers",
                lies(lie, request.uri().path(), told).map_or(Fault::Pass, Fault::Answer),
            ),
        }
    }

    fn to_cluster(self, rng: &mut Rng) -> (&'static str, Fault) {
        match (self.cluster, rng.u8(0..100)) {
            (Cluster::Late, 0..LATENESS) => (
                "cluster: late answers",
                Fault::Delay(Duration::from_millis(rng.u64(LATE))),
            ),
            (Cluster::Busy, 0..ODDS) => ("cluster: 500 and 429", rough(rng, [500, 429])),
            _ => ("", Fault::Pass),
        }
    }

    fn to_store(self, request: &Request<Bytes>, rng: &mut Rng) -> (&'static str, Fault) {
        let Store::Busy = self.store else {
            return ("", Fault::Pass);
        };
        let target = request
            .headers()
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok());
        let operation = target.and_then(|target| target.rsplit('.').next()).unwrap_or_default();
        match (operation, rng.u8(0..100)) {
            ("TransactWriteItems", 0..CONFLICTS) => ("table: transaction conflicts", conflicting(request.body())),
            ("PutItem" | "UpdateItem" | "DeleteItem", 0..ODDS) => (
                "table: transaction conflicts",
                refused("TransactionConflictException", &Value::Null),
            ),
            (_, 0..ODDS) => ("table: throttling", refused("ThrottlingException", &Value::Null)),
            (_, 99) => ("table: answers lost", Fault::LoseAnswer),
            _ => ("", Fault::Pass),
        }
    }
}

/// What a proxy that lies answers; nothing where it tells the truth.
fn lies(lie: Lie, path: &str, told: &Table) -> Option<Response<Bytes>> {
    if path == TABLE {
        let table = if lie == Lie::Empty {
            "{}".to_owned()
        } else {
            Value::Object(told.clone()).to_string()
        };
        return Some(answer(200, &table));
    }
    let route = path.strip_prefix(TABLE).filter(|route| route.starts_with("/user/"))?;
    told.get(route).map(|entry| answer(200, &entry.to_string()))
}

/// One of these answers, or the true one is lost.
fn rough(rng: &mut Rng, statuses: [u16; 2]) -> Fault {
    match rng.u8(0..4) {
        0 => Fault::LoseAnswer,
        odds => Fault::Answer(answer(statuses[usize::from(odds % 2)], "")),
    }
}

/// A transaction of which one write meets another's.
fn conflicting(body: &[u8]) -> Fault {
    let sent: Value = serde_json::from_slice(body).unwrap_or_default();
    let writes = sent["TransactItems"].as_array().map_or(1, Vec::len);
    let reason = |number| if number == 0 { "TransactionConflict" } else { "None" };
    let reasons: Vec<Value> = (0..writes).map(|number| json!({"Code": reason(number)})).collect();
    refused("TransactionCanceledException", &json!(reasons))
}

fn refused(code: &str, reasons: &Value) -> Fault {
    let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
    let mut body = json!({"__type": kind, "message": "injected"});
    if !reasons.is_null() {
        body["CancellationReasons"] = reasons.clone();
    }
    Fault::Answer(answer(400, &body.to_string()))
}

fn answer(status: u16, body: &str) -> Response<Bytes> {
    let answer = Response::builder()
        .status(status)
        .header("content-type", "application/json");
    answer
        .body(Bytes::copy_from_slice(body.as_bytes()))
        .expect("the answer is well formed")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let route = |number: u8| {
            (
                format!("/user/{number:032x}"),
                json!({"target": "http://127.64.0.1:8888", "last_activity": "2026-01-01T01:00:00.000Z"}),
            )
        };
        let marker = (
            "/layby/one".to_owned(),
            json!({"last_activity": "2026-01-01T00:00:00.000Z"}),
        );
        (0..100).map(route).chain([marker]).collect()
    }

    #[test]
    fn every_lie_leaves_the_marker_and_about_half_is_half() {
        let truth = table();
        let long_ago = |told: &Table| {
            told.values()
                .filter(|entry| entry["last_activity"].as_str() < Some("2"))
                .count()
        };
        for lie in [Lie::LongAgo, Lie::HalfLongAgo, Lie::HalfMissing, Lie::Registered] {
            let told = lie.told(&truth, &Table::new());
            assert_eq!(told["/layby/one"], truth["/layby/one"], "{lie:?}");
            let (routes, wrong) = (told.len() - 1, long_ago(&told));
            match lie {
                Lie::LongAgo => assert_eq!((routes, wrong), (100, 100)),
                Lie::HalfLongAgo => assert!(routes == 100 && (40..=60).contains(&wrong), "{wrong}"),
                Lie::HalfMissing => assert!((40..=60).contains(&routes) && wrong == 0, "{routes}"),
                Lie::Registered | Lie::Empty => assert_eq!((routes, wrong), (100, 0)),
            }
        }
    }

    #[test]
    fn a_plausible_lie_is_the_first_that_was_told() {
        let (path, first) = (format!("/user/{:032x}", 7), "2026-01-01T00:00:00.000Z");
        let registered = Table::from_iter([(path.clone(), json!({"last_activity": first}))]);
        let told = Lie::Registered.told(&table(), &registered);
        assert_eq!(told[&path]["last_activity"], first);
        assert_eq!(told[&path]["target"], "http://127.64.0.1:8888");
    }
}
