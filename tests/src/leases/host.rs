//! A process that works on leases: it has a clock of its own, can die before any of its calls, and is told old news by
//! indexes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::Look;
use fastrand::Rng;
use gateway::{Edge, Entropy, Opening};
use http::{Request, Response};
use jiff::SignedDuration;
use lifecycle::Leasing;
use net::{Fault, Faults, Net, Peer, Scope, Settings};
use tokio::sync::Notify;
use vault::Keyring;

use super::ground::{Ground, USUAL};
use crate::flood::weather::{Injected, Table, Weather};
use crate::{App, cluster_pools, lease_rules, this_machine};

/// Longer than any play: a call of a process that is dead already.
const NEVER: Duration = Duration::from_secs(24 * 3600);
/// What one look may take.
const LOOK: Duration = Duration::from_secs(28);
/// How many of a hundred questions to an index get old news, while indexes lag.
const LAGS: u8 = 10;
/// What an index says in which nothing is.
pub(super) const NO_NEWS: &[u8] = br#"{"Count":0,"Items":[],"ScannedCount":0}"#;
/// What the installation's secrets are sealed with.
const KEY: &str = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI=";

/// What happens to everybody's calls at the moment.
#[derive(Clone, Copy, Default)]
pub(super) struct Sky {
    pub(super) weather: Weather,
    /// Whether indexes tell old news.
    pub(super) lags: bool,
}

/// What all hosts share.
#[derive(Clone)]
pub(super) struct Air {
    pub(super) sky: Arc<Mutex<Sky>>,
    pub(super) injected: Injected,
    /// What the index of free clusters said a moment ago of the usual pool.
    pub(super) news: Arc<Mutex<Bytes>>,
}

impl Air {
    pub(super) fn inject(&self, what: &'static str) {
        *self.injected.lock().unwrap().entry(what).or_default() += 1;
    }
}

/// The calls of a host, and the moment of its death.
struct Wire {
    air: Air,
    state: Mutex<State>,
    died: Notify,
}

struct State {
    rng: Rng,
    calls: usize,
    dies_before: Option<usize>,
}

/// A process.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) leasing: Leasing,
    pub(super) rng: Rng,
    skew: SignedDuration,
    ground: Arc<Ground>,
    wire: Arc<Wire>,
}

impl Wire {
    fn fault(&self, peer: Peer, request: &Request<Bytes>) -> Fault {
        let sky = *self.air.sky.lock().unwrap();
        let mut state = self.state.lock().unwrap();
        let number = state.calls;
        state.calls += 1;
        if state.dies_before.is_some_and(|last| number >= last) {
            if state.dies_before == Some(number) {
                self.air.inject("killed before a call");
            }
            self.died.notify_one();
            return Fault::Delay(NEVER);
        }
        if sky.lags && state.rng.u8(0..100) < LAGS && is_of_index(request, "due") {
            self.air.inject("index: a row that is due is not there yet");
            return Fault::Answer(answer(Bytes::from_static(NO_NEWS)));
        }
        if sky.lags && state.rng.u8(0..100) < LAGS && is_of_index(request, "free") {
            self.air.inject("index: old news of free clusters");
            let is_usual = contains(request.body(), &format!("FREE#{USUAL}\""));
            let old = if is_usual {
                self.air.news.lock().unwrap().clone()
            } else {
                Bytes::from_static(NO_NEWS)
            };
            return Fault::Answer(answer(old));
        }
        let (what, fault) = sky.weather.strikes(peer, request, &Table::new(), &mut state.rng);
        if !matches!(fault, Fault::Pass) {
            self.air.inject(what);
        }
        fault
    }
}

impl Host {
    /// A process whose clock differs so from the true one.
    pub(super) async fn start(
        app: &App,
        ground: &Arc<Ground>,
        name: &str,
        skew: SignedDuration,
        rng: &mut Rng,
    ) -> Self {
        let wire = Arc::new(Wire {
            air: ground.air.clone(),
            state: Mutex::new(State {
                rng: rng.fork(),
                calls: 0,
                dies_before: None,
            }),
            died: Notify::new(),
        });
        let line = Arc::clone(&wire);
        let faults: Faults = Arc::new(move |peer, request| line.fault(peer, request));
        let settings = Settings {
            faults: Some(faults),
            ..Settings::default()
        };
        let net = Net::new(settings).unwrap();
        let opening = Opening {
            config: app.adapter().config(),
            net: net.clone(),
            clock: app.adapter().clock(),
            entropy: Entropy::system(),
            log: Arc::new(|_| {}),
        };
        let store = Edge::open(opening).await.unwrap().lifecycle().unwrap().store().clone();
        Self {
            name: name.to_owned(),
            leasing: Leasing::new(cluster_pools(store), net, keyring(), lease_rules(this_machine())),
            rng: rng.fork(),
            skew,
            ground: Arc::clone(ground),
            wire,
        }
    }

    /// A look at this moment, as this host's clock shows it.
    pub(super) fn look(&mut self) -> Look {
        let now = self.ground.now();
        Look {
            now: now.checked_add(self.skew).unwrap_or(now),
            by: format!("{}-{:016x}", self.name, self.rng.u64(..)),
        }
    }

    /// Does `work`, and dies over it before the call of this number where there is one: then nothing comes back, and
    /// whatever it would have done next does not happen. The next work is that of the process that comes after.
    pub(super) async fn live<T>(&self, dies_before: Option<usize>, work: impl Future<Output = T>) -> Option<T> {
        {
            let mut state = self.wire.state.lock().unwrap();
            (state.calls, state.dies_before) = (0, dies_before);
        }
        let work = net::within(Scope::lasting(LOOK), Box::pin(work));
        let done = tokio::select! {
            biased;
            () = self.wire.died.notified() => None,
            done = work => Some(done),
        };
        self.wire.state.lock().unwrap().dies_before = None;
        done
    }
}

/// The steps over a table, by whoever makes it ready.
pub(super) fn leasing(store: store::Store) -> Leasing {
    let net = Net::new(Settings::default()).unwrap();
    Leasing::new(cluster_pools(store), net, keyring(), lease_rules(this_machine()))
}

fn keyring() -> Keyring {
    Keyring::from_base64(&[KEY]).unwrap()
}

/// Whether a request asks this index.
fn is_of_index(request: &Request<Bytes>, index: &str) -> bool {
    let target = request.headers().get("x-amz-target");
    let is_query = target
        .and_then(|target| target.to_str().ok())
        .is_some_and(|target| target.ends_with(".Query"));
    is_query && contains(request.body(), &format!("\"IndexName\":\"{index}\""))
}

fn contains(text: &[u8], part: &str) -> bool {
    text.windows(part.len()).any(|window| window == part.as_bytes())
}

fn answer(body: Bytes) -> Response<Bytes> {
    let answer = Response::builder()
        .status(200)
        .header("content-type", "application/x-amz-json-1.0");
    answer.body(body).expect("the answer is well formed")
}
