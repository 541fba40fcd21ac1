//! A process of its own over the parts of an installation, that can die at any of its calls.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use gateway::{Clock, Config, Edge, Entropy, Incoming, Mounted, Opening, Route, Router};
use http::{Method, Request, Response};
use net::{Fault, Faults, Net, Peer, Settings};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::App;

/// How long a run of the reaper may take: on a busy machine much longer than a test of a few applications may.
pub const RUN_MAX: Duration = Duration::from_secs(240);
/// Longer than any test: a call of a process that is dead already.
const NEVER: Duration = Duration::from_secs(24 * 3600);

/// Who comes after a process that died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Whoever looks at what it left.
    Look,
    /// The reaper.
    Reaper,
}

/// What happens to a process, by the number of a call. Reads of the due index, and of all that is in a cluster, are not
/// numbered: dying there is dying before the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Lives,
    /// It dies before this call is sent.
    DiesBefore(usize),
    /// It lives, and the answer to this call is lost.
    LosesAnswer(usize),
    /// It lives, and whatever it asks, with a number or without, is answered at the second try.
    LosesEachOnce,
}

/// The calls of a process, and the moment of its death.
pub(crate) struct Wire {
    fate: Fate,
    calls: Mutex<Vec<(Peer, String)>>,
    /// What has been asked, and its answer lost.
    lost: Mutex<HashSet<String>>,
    dead: AtomicBool,
    died: Notify,
}

impl Wire {
    pub(crate) fn new(fate: Fate) -> Arc<Self> {
        Arc::new(Self {
            fate,
            calls: Mutex::default(),
            lost: Mutex::default(),
            dead: AtomicBool::new(false),
            died: Notify::new(),
        })
    }

    /// What happens to each call: its fate, or what `besides` says.
    pub(crate) fn faults(self: &Arc<Self>, besides: Option<Faults>) -> Faults {
        let line = Arc::clone(self);
        Arc::new(move |peer, request| match (line.fault(peer, request), &besides) {
            (Fault::Pass, Some(besides)) => besides(peer, request),
            (fault, _) => fault,
        })
    }

    pub(crate) fn calls(&self) -> Vec<(Peer, String)> {
        self.calls.lock().unwrap().clone()
    }

    pub(crate) fn has_met_its_fate(&self) {
        let dies = matches!(self.fate, Fate::DiesBefore(_));
        assert_eq!(self.dead.load(Ordering::SeqCst), dies, "{:?}", self.calls());
    }

    /// Death ends the work in the middle: whatever it would have done next does not happen.
    pub(crate) async fn unless_dead<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.died.notified() => None,
            done = work => Some(done),
        }
    }

    fn fault(&self, peer: Peer, request: &Request<Bytes>) -> Fault {
        if self.fate == Fate::LosesEachOnce {
            let asked = format!("{} {} {:?}", described(request), request.uri(), request.body());
            let mut lost = self.lost.lock().unwrap();
            if !lost.remove(&asked) {
                lost.insert(asked);
                return Fault::LoseAnswer;
            }
        }
        if is_due_query(request) || is_inventory(peer, request) {
            return Fault::Pass;
        }
        let mut calls = self.calls.lock().unwrap();
        let number = calls.len();
        calls.push((peer, described(request)));
        match self.fate {
            Fate::DiesBefore(last) if number >= last => self.die(),
            Fate::LosesAnswer(lost) if number == lost => Fault::LoseAnswer,
            _ => Fault::Pass,
        }
    }

    fn die(&self) -> Fault {
        self.dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
        Fault::Delay(NEVER)
    }
}

/// Whether a request asks the due index.
fn is_due_query(request: &Request<Bytes>) -> bool {
    let target = request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok());
    let due = || String::from_utf8_lossy(request.body()).contains("\"IndexName\":\"due\"");
    target.is_some_and(|target| target.ends_with(".Query")) && due()
}

/// Whether a request lists a whole kind of what is in a cluster.
fn is_inventory(peer: Peer, request: &Request<Bytes>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    peer == Peer::Leased && query.contains("limit=") && !query.contains("labelSelector=")
}

fn described(request: &Request<Bytes>) -> String {
    match request
        .headers()
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
    {
        Some(target) => target.rsplit('.').next().unwrap_or_default().to_owned(),
        None => format!("{} {}", request.method(), request.uri().path()),
    }
}

/// Every endpoint and the reaper, over the table, cluster and proxy of an installation.
pub struct Process {
    router: Router,
    reaper: Mounted,
    edge: Arc<Edge>,
    wire: Arc<Wire>,
}

impl Process {
    /// A process with this fate.
    pub async fn start(app: &App, fate: Fate) -> Self {
        Self::amid(app, fate, Settings::default()).await
    }

    /// A process with this fate, to whose calls besides happens what `settings` say.
    pub async fn amid(app: &App, fate: Fate, settings: Settings) -> Self {
        Self::open(app, app.adapter().config(), fate, settings).await
    }

    /// A process that is told something else than the others, or to whose calls something else happens.
    pub async fn other(app: &App, config: Config, faults: Faults) -> Self {
        let settings = Settings {
            faults: Some(faults),
            ..Settings::default()
        };
        Self::open(app, config, Fate::Lives, settings).await
    }

    async fn open(app: &App, config: Config, fate: Fate, settings: Settings) -> Self {
        let wire = Wire::new(fate);
        let settings = Settings {
            faults: Some(wire.faults(settings.faults.clone())),
            ..settings
        };
        let clock: Clock = app.adapter().clock();
        let opening = Opening {
            config,
            net: Net::new(settings).unwrap(),
            clock,
            entropy: Entropy::system(),
            log: Arc::new(|_| {}),
        };
        let edge = Edge::open(opening).await.unwrap();
        let rooms: Vec<&Route> = fallback::ROOMS.concat();
        let router = Router::mount(&edge, &rooms, &api::FALLBACK).unwrap();
        let reaper = (reaper::REAPER.mount)(&edge, reaper::REAPER.endpoint).unwrap();
        Self {
            router,
            reaper,
            edge,
            wire,
        }
    }

    /// Whether it has come to the call that it dies over.
    pub fn is_dead(&self) -> bool {
        self.wire.dead.load(Ordering::SeqCst)
    }

    /// Looks at whether it has met its fate.
    ///
    /// # Panics
    /// When it lives and should have died, or the other way round.
    pub fn has_met_its_fate(&self) {
        self.wire.has_met_its_fate();
    }

    /// The calls so far, without those to the due index.
    pub fn calls(&self) -> Vec<(Peer, String)> {
        self.wire.calls()
    }

    /// How many calls went to `peer` so far.
    pub fn calls_to(&self, peer: Peer) -> usize {
        self.calls().iter().filter(|(to, _)| *to == peer).count()
    }

    /// Asks the API; nothing comes back from a process that dies over it.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Option<Response<Bytes>> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        let deadline = gateway::api_deadline(Duration::ZERO);
        self.wire.unless_dead(self.router.answer(request, None, deadline)).await
    }

    /// Runs the reaper once and gives its report.
    pub async fn reap(&self) -> Option<Value> {
        self.reap_asked(&Value::Null).await
    }

    /// Runs the reaper once with this event and gives its report.
    #[expect(clippy::disallowed_methods, reason = "a run's deadline is mechanical time")]
    pub async fn reap_asked(&self, event: &Value) -> Option<Value> {
        let event = if event.is_null() {
            Bytes::new()
        } else {
            Bytes::from(event.to_string())
        };
        let deadline = Instant::now() + RUN_MAX;
        let run = Incoming::scheduled(event, self.edge.request_id(), deadline);
        let answer = self.wire.unless_dead(Box::pin(self.reaper.answer(run))).await?;
        Some(serde_json::from_slice(answer.body()).unwrap())
    }
}
