//! Who leases clusters: they ask, wait, renew, verify, give back, forget, and die over any of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use domain::{ClusterName, Epoch, LeaseId, LeaseTime, Look};
use http::Method;
use jiff::{SignedDuration, Timestamp};
use lifecycle::{Acquired, Granted, LeaseAsk, Renewed};
use serde_json::Value;

use super::asks::{asked, drawn, heard};
use super::ground::Ground;
use super::history::{self, Deed};
use super::host::Host;

/// Leases of which everybody knows, the latest.
const BOARD: usize = 24;
/// How long a lease is asked for, in seconds.
pub(super) const TIMES: std::ops::Range<u64> = 15..150;
/// What a credential is good for at least, without the time that a call may take: Kubernetes' ten minutes.
const CREDENTIAL: SignedDuration = SignedDuration::from_mins(9);
/// The calls of the longest ask, about: one that dies does so before one of them.
const CALLS: usize = 22;

/// A lease as its holder knows it.
#[derive(Clone)]
pub(super) struct Lease {
    id: String,
    token: String,
    cluster: ClusterName,
    epoch: Epoch,
    credential: String,
    made_at: Timestamp,
}

impl Lease {
    fn told(granted: &Granted, now: Timestamp) -> Self {
        let access = cluster_client::ClusterAccess::read(&granted.kubeconfig).unwrap();
        Self {
            id: granted.lease.id.to_string(),
            token: granted.token.clone(),
            cluster: granted.cluster.name.clone(),
            epoch: granted.cluster.epoch,
            credential: access.token_text().to_owned(),
            made_at: now,
        }
    }
}

/// What everybody knows: third parties verify leases of others.
pub(super) type Board = Arc<Mutex<VecDeque<Lease>>>;

/// Somebody who leases clusters.
pub(super) struct Client {
    pub(super) host: Host,
    pub(super) made: BTreeMap<&'static str, u64>,
    ground: Arc<Ground>,
    board: Board,
    caller: String,
    mine: Option<Lease>,
    waiting: Option<LeaseAsk>,
    /// An ask with a key, to be sent again.
    again: Option<LeaseAsk>,
    /// The last ask with a key that was granted.
    last: Option<LeaseAsk>,
}

impl Client {
    pub(super) fn new(host: Host, ground: &Arc<Ground>, board: &Board, caller: String) -> Self {
        Self {
            host,
            made: BTreeMap::new(),
            ground: Arc::clone(ground),
            board: Arc::clone(board),
            caller,
            mine: None,
            waiting: None,
            again: None,
            last: None,
        }
    }

    /// So many calls.
    pub(super) async fn go(mut self, calls: usize) -> Self {
        for _ in 0..calls {
            match self.host.rng.u16(0..1_000) {
                0..640 => self.as_third_party().await,
                640..644 => self.look_at_all().await,
                _ => self.own_business().await,
            }
        }
        self
    }

    /// Nobody comes back to what was asked or is held.
    pub(super) fn forgets(&mut self) {
        (self.mine, self.waiting, self.again) = (None, None, None);
        self.last = None;
    }

    async fn as_third_party(&mut self) {
        let lease = {
            let board = self.board.lock().unwrap();
            // The latest most of all: they hold.
            let back = self.host.rng.usize(0..BOARD).min(self.host.rng.usize(0..BOARD));
            board.iter().rev().nth(back.min(board.len().saturating_sub(1))).cloned()
        };
        let Some(lease) = lease else {
            return self.own_business().await;
        };
        match self.host.rng.u8(0..100) {
            0..3 => self.verify(&lease, Epoch(lease.epoch.0.saturating_sub(1))).await,
            3..20 => self.show(&lease).await,
            _ => self.verify(&lease, lease.epoch).await,
        }
    }

    async fn own_business(&mut self) {
        let odds = self.host.rng.u8(0..100);
        if let Some(ask) = self.again.take() {
            return self.acquire(ask).await;
        }
        if let Some(ask) = self.waiting.take() {
            return match odds {
                0..35 => self.acquire(ask).await,
                // It is left to itself.
                35..36 => {}
                _ => {
                    self.waiting = Some(ask);
                    self.as_third_party_or_look().await;
                }
            };
        }
        if odds < 2
            && let Some(ask) = self.last.take()
        {
            return self.acquire(ask).await;
        }
        let Some(lease) = self.mine.clone() else {
            let ask = drawn(&self.caller, &mut self.host.rng);
            return self.acquire(ask).await;
        };
        match odds {
            ..45 => self.verify(&lease, lease.epoch).await,
            45..61 => self.renew(&lease).await,
            61..72 => self.show(&lease).await,
            72..80 => self.use_it(&lease).await,
            80..83 => {
                let stuck = self.host.rng.u8(0..4) == 0;
                self.ground.litter(&lease.cluster, &lease.credential, stuck);
            }
            83..97 => self.release(&lease).await,
            _ => self.mine = None,
        }
    }

    async fn as_third_party_or_look(&mut self) {
        let latest = self.board.lock().unwrap().back().cloned();
        match latest {
            Some(lease) => self.verify(&lease, lease.epoch).await,
            None => self.look_at_all().await,
        }
    }

    /// One in so many of a hundred calls is the last one of its process.
    fn doom(&mut self, percent: f64, calls: usize) -> Option<usize> {
        let is_doomed = self.host.rng.f64() * 100.0 < percent;
        is_doomed.then(|| self.host.rng.usize(0..calls))
    }

    fn count(&mut self, what: &'static str) {
        *self.made.entry(what).or_default() += 1;
    }

    async fn acquire(&mut self, mut ask: LeaseAsk) {
        // Who is impatient sends it again while it is still under way.
        let is_doubled = ask.binding.is_some() && self.host.rng.u8(0..12) == 0;
        if is_doubled {
            let mut other = ask.clone();
            ask.id = self.fresh();
            other.id = self.fresh();
            let looks = [self.host.look(), self.host.look()];
            self.count("acquire");
            self.count("acquire");
            self.ground.air.inject("sent twice at once");
            let one = self.told(&ask, &looks[0], None);
            let answered = futures::future::join(one, self.told(&other, &looks[1], None)).await;
            let (now, first) = (looks[0].now, answered.0);
            return match (first, answered.1) {
                (first, Some(Acquired::Granted(granted))) if !matches!(first, Some(Acquired::Granted(_))) => {
                    self.settle(other, Some(Acquired::Granted(granted)), now);
                }
                (first, _) => self.settle(ask, first, now),
            };
        }
        self.count("acquire");
        ask.id = self.fresh();
        let dies = self.doom(9.0, CALLS);
        let look = self.host.look();
        let answered = self.told(&ask, &look, dies).await;
        self.settle(ask, answered, look.now);
    }

    fn fresh(&mut self) -> LeaseId {
        LeaseId::from_bytes(self.host.rng.u128(..).to_be_bytes())
    }

    /// Asks, and says what was heard, if anything was.
    async fn told(&self, ask: &LeaseAsk, look: &Look, dies: Option<usize>) -> Option<Acquired> {
        let begun = self.ground.begin();
        let answered = self.host.live(dies, self.host.leasing.acquire(ask, look)).await;
        let answered = answered.and_then(Result::ok);
        let deed = Deed::Acquire {
            ask: asked(ask),
            heard: answered.as_ref().map(heard),
        };
        self.ground.ended(begun, look.now, &self.host.name, deed);
        answered
    }

    /// What an ask came to, and what is done about it next.
    fn settle(&mut self, mut ask: LeaseAsk, answered: Option<Acquired>, now: Timestamp) {
        let is_keyed = ask.binding.is_some();
        match answered {
            Some(Acquired::Granted(granted)) => {
                let lease = Lease::told(&granted, now);
                let mut board = self.board.lock().unwrap();
                board.push_back(lease.clone());
                if board.len() > BOARD {
                    board.pop_front();
                }
                drop(board);
                self.mine = Some(lease);
                // Some send it again all the same, at once or when the lease is long over.
                self.last = is_keyed.then_some(ask);
            }
            Some(Acquired::None { ticket, .. }) if ask.waits || ask.ticket.is_some() || self.host.rng.u8(0..3) == 0 => {
                ask.ticket = Some(ticket);
                ask.binding = None;
                self.waiting = Some(ask);
            }
            None | Some(Acquired::Unsaid) if is_keyed => self.again = Some(ask),
            // A place is kept by its ticket.
            None | Some(Acquired::Unsaid | Acquired::Raced) if ask.ticket.is_some() => self.waiting = Some(ask),
            _ => {}
        }
    }

    async fn renew(&mut self, lease: &Lease) {
        self.count("renew");
        let time = LeaseTime::new(self.host.rng.u64(TIMES)).unwrap();
        let dies = self.doom(2.0, 4);
        let (begun, look) = (self.ground.begin(), self.host.look());
        let renewed = self
            .host
            .live(dies, self.host.leasing.renew(&lease.token, time, &look))
            .await;
        let heard = renewed.and_then(Result::ok).and_then(|renewed| match renewed {
            Renewed::Renewed(held) => Some(history::Renewed::Until(held.lease.expires_at)),
            Renewed::Refused(_) => Some(history::Renewed::Refused),
            Renewed::Over => Some(history::Renewed::Over),
            Renewed::Unsaid => None,
        });
        if matches!(heard, Some(history::Renewed::Over)) {
            self.mine = None;
        }
        let deed = Deed::Renew {
            lease: lease.id.clone(),
            seconds: time.seconds(),
            heard,
        };
        self.ground.ended(begun, look.now, &self.host.name, deed);
    }

    async fn verify(&mut self, lease: &Lease, epoch: Epoch) {
        self.count("verify");
        let dies = self.doom(0.3, 3);
        let (begun, look) = (self.ground.begin(), self.host.look());
        let verified = self.host.leasing.verified(&lease.token, epoch, look.now);
        let verified = self.host.live(dies, verified).await;
        let deed = Deed::Verify {
            lease: lease.id.clone(),
            epoch: epoch.0,
            heard: verified
                .and_then(Result::ok)
                .map(|lease| lease.map(|lease| lease.expires_at)),
        };
        self.ground.ended(begun, look.now, &self.host.name, deed);
    }

    async fn show(&mut self, lease: &Lease) {
        self.count("show");
        let (begun, look) = (self.ground.begin(), self.host.look());
        let held = self
            .host
            .live(None, self.host.leasing.held(&lease.token, look.now))
            .await;
        let deed = Deed::Show {
            lease: lease.id.clone(),
            heard: held
                .and_then(Result::ok)
                .map(|held| held.map(|held| held.lease.expires_at)),
        };
        self.ground.ended(begun, look.now, &self.host.name, deed);
    }

    async fn release(&mut self, lease: &Lease) {
        self.count("release");
        let dies = self.doom(15.0, 14);
        let (begun, look) = (self.ground.begin(), self.host.look());
        let released = self
            .host
            .live(dies, self.host.leasing.release(&lease.token, &look))
            .await;
        let heard = released.and_then(Result::ok);
        // Who did not hear of it tries again, or not.
        if heard.is_some() || self.host.rng.bool() {
            self.mine = None;
        }
        let deed = Deed::Release {
            lease: lease.id.clone(),
            heard,
        };
        self.ground.ended(begun, look.now, &self.host.name, deed);
    }

    async fn use_it(&mut self, lease: &Lease) {
        let begun = self.ground.begin();
        let now = self.ground.now();
        if now.duration_since(lease.made_at) > CREDENTIAL {
            return self.verify(lease, lease.epoch).await;
        }
        self.count("use");
        let code = self.ground.ask(
            &lease.cluster,
            Method::GET,
            "/api/v1/namespaces",
            &lease.credential,
            &Value::Null,
        );
        let deed = Deed::Use {
            lease: lease.id.clone(),
            heard: match code {
                200 => Some(true),
                401 | 403 => Some(false),
                _ => None,
            },
        };
        self.ground.ended(begun, now, &self.host.name, deed);
        tokio::task::yield_now().await;
    }

    async fn look_at_all(&mut self) {
        self.count("look at all");
        let (begun, look) = (self.ground.begin(), self.host.look());
        let seen = self.host.live(None, self.ground.look_at_all(&self.host.leasing)).await;
        if let Some(Ok(deed)) = seen {
            self.ground.ended(begun, look.now, &self.host.name, deed);
        }
    }
}
