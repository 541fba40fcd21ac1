//! Many who lease few clusters at the same time, and die over it: what they were told is recorded, and judged.
//!
//! A seed decides who wants what and what goes wrong; which of many calls at once comes first, the machine decides. The
//! record is judged by [`judge::judge`], which is pure: a saved one is judged again as it was.

mod asks;
mod clients;
mod ground;
pub mod history;
mod host;
pub mod judge;
mod keepers;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use domain::limits::SKEW_MAX;
use fastrand::Rng;
use jiff::SignedDuration;
use local::Options;

use crate::flood::weather::{self, Injected, Weather};
use crate::{App, on_large_stacks};
use clients::{Board, Client};
use ground::Ground;
use history::{Deed, Event};
use host::{Air, Host, NO_NEWS, Sky};
use judge::Verdict;
use keepers::Keeper;

/// How long a play may take.
const PLAY_MAX: Duration = Duration::from_secs(90 * 60);
/// Calls of each client between two looks at all.
const CALLS: usize = 12;
/// How often the clock is wound while calls are under way: by a few seconds, so that none takes longer than it may.
const WINDS: usize = 4;
/// Real time between two of them.
const WIND_PACE: Duration = Duration::from_millis(60);
/// Rounds of the reaper after which all must be quiet, and domain time between them.
const QUIET_ROUNDS: usize = 60;
const QUIET_PACE: Duration = Duration::from_secs(40);

/// What a play is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many calls clients make at least.
    pub operations: u64,
    /// Decides everything that is left open.
    pub seed: u64,
    /// How many clusters are leased again and again.
    pub clusters: usize,
    /// How many are leased once.
    pub once: usize,
    /// How many clients there are.
    pub clients: usize,
    /// Where the history is saved whatever comes of it.
    pub save: Option<PathBuf>,
    /// Where it is saved when it is not as it must be.
    pub save_wrong: PathBuf,
}

/// What was done, what was injected, and what was found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Calls of clients, by what they were.
    pub operations: BTreeMap<&'static str, u64>,
    /// How often something was injected, by what it was.
    pub injected: Injected,
    /// What the judge says.
    pub verdict: Verdict,
    /// How long it took in domain time.
    pub lasted: SignedDuration,
    /// Where the history is.
    pub saved: Option<PathBuf>,
}

/// Plays, records and judges, on a runtime of its own: without optimisation the nested futures need more stack than
/// threads have.
///
/// # Errors
/// A sentence, when the runtime cannot be started, when it takes too long, or when the history cannot be saved.
pub fn play(settings: Settings) -> Result<Findings, String> {
    on_large_stacks(PLAY_MAX, run(settings))
}

/// Judges a history that was saved.
///
/// # Errors
/// A sentence, when it cannot be read.
pub fn judge_saved(file: &Path) -> Result<Verdict, String> {
    let events = history::load(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    Ok(judge::judge(&events))
}

async fn run(settings: Settings) -> Result<Findings, String> {
    let app = App::start(Options::embedded()).await;
    let mut findings = Findings::default();
    let began = app.now();
    let events = record(&app, &settings, &mut findings).await;
    findings.lasted = app.now().duration_since(began);
    app.stop().await;
    findings.verdict = judge::judge(&events);
    let wrong = Some(settings.save_wrong).filter(|_| !findings.verdict.wrong.is_empty());
    if let Some(file) = settings.save.or(wrong) {
        let saved = history::save(&events, &file);
        saved.map_err(|error| format!("the history cannot be saved in {}: {error}", file.display()))?;
        findings.saved = Some(file);
    }
    Ok(findings)
}

/// Plays, and gives the history.
async fn record(app: &App, settings: &Settings, findings: &mut Findings) -> Vec<Event> {
    let mut rng = Rng::with_seed(settings.seed);
    let air = Air {
        sky: Arc::default(),
        injected: Arc::clone(&findings.injected),
        news: Arc::new(Mutex::new(Bytes::from_static(NO_NEWS))),
    };
    let mut ground = Ground::start(app, settings.clusters, settings.once, air).await;
    let store = app.adapter().lifecycle().unwrap().store().clone();
    ground.register(&host::leasing(store)).await;
    let ground = Arc::new(ground);

    let board = Board::new(Mutex::new(VecDeque::new()));
    let mut clients = Vec::new();
    for number in 0..settings.clients {
        let skew = skew(&mut rng);
        let host = Host::start(app, &ground, &format!("client-{number}"), skew, &mut rng).await;
        // Some callers are several at once.
        clients.push(Client::new(host, &ground, &board, format!("key:{}", number / 2)));
    }
    let mut keepers = Vec::new();
    let furthest = SignedDuration::try_from(SKEW_MAX).unwrap_or_default();
    for (number, skew) in [furthest, -furthest].into_iter().enumerate() {
        let host = Host::start(app, &ground, &format!("reaper-{number}"), skew, &mut rng).await;
        keepers.push(Keeper::new(host, &ground));
    }

    let mut next_told = settings.operations / 10;
    loop {
        let made: u64 = made(&clients, &keepers).values().sum();
        if made >= next_told {
            println!("{made} operations");
            next_told += settings.operations / 10;
        }
        if made >= settings.operations {
            break;
        }
        *ground.air.sky.lock().unwrap() = sky(&mut rng);
        (clients, keepers) = round(app, clients, keepers, &mut rng).await;
        *ground.air.sky.lock().unwrap() = Sky::default();
        look(&ground, &keepers[0].host.leasing).await;
        ground.remember(app).await;
        let wind = match rng.u8(0..20) {
            0..9 => rng.u64(1..10),
            9..19 => rng.u64(10..45),
            _ => rng.u64(90..150),
        };
        wound(app, &ground, Duration::from_secs(wind)).await;
        look(&ground, &keepers[0].host.leasing).await;
    }
    findings.operations = made(&clients, &keepers);
    clients.iter_mut().for_each(Client::forgets);
    keepers.iter_mut().for_each(Keeper::heal);
    for _ in 0..QUIET_ROUNDS {
        wound(app, &ground, QUIET_PACE).await;
        for keeper in &mut keepers {
            keeper.register_again().await;
            keeper.reap(false).await;
        }
        if is_quiet(&ground, &keepers[0].host.leasing).await {
            break;
        }
    }
    let begun = ground.begin();
    let rows = ground.rows(&keepers[0].host.leasing).await.unwrap();
    let clusters = rows.iter().map(ground::seen).collect();
    ground.ended(begun, ground.now(), "all", Deed::Quiet { clusters });
    ground.history()
}

/// Everybody goes about their business at the same time.
async fn round(app: &App, clients: Vec<Client>, keepers: Vec<Keeper>, rng: &mut Rng) -> (Vec<Client>, Vec<Keeper>) {
    let operates = rng.usize(0..keepers.len());
    let clients: Vec<_> = clients
        .into_iter()
        .map(|client| tokio::spawn(client.go(CALLS)))
        .collect();
    let keepers = keepers.into_iter().enumerate().map(|(number, mut keeper)| {
        tokio::spawn(async move {
            keeper.reap(true).await;
            if number == operates {
                keeper.operate().await;
            }
            keeper.reap(true).await;
            keeper
        })
    });
    let keepers: Vec<_> = keepers.collect();
    for _ in 0..WINDS {
        tokio::time::sleep(WIND_PACE).await;
        app.advance(Duration::from_millis(rng.u64(0..2_500))).await;
    }
    let joined = futures::future::join(futures::future::join_all(clients), futures::future::join_all(keepers));
    let (clients, keepers) = joined.await;
    (
        clients.into_iter().map(Result::unwrap).collect(),
        keepers.into_iter().map(Result::unwrap).collect(),
    )
}

async fn look(ground: &Ground, leasing: &lifecycle::Leasing) {
    let begun = ground.begin();
    // On a machine that is too busy to answer there is nothing to see.
    if let Ok(seen) = ground.look_at_all(leasing).await {
        ground.ended(begun, ground.now(), "all", seen);
    }
}

async fn wound(app: &App, ground: &Ground, by: Duration) {
    app.advance(by).await;
    ground.tick().await;
}

async fn is_quiet(ground: &Ground, leasing: &lifecycle::Leasing) -> bool {
    let Ok(rows) = ground.rows(leasing).await else {
        return false;
    };
    let at_rest = |cluster: &domain::Cluster| match &cluster.state {
        domain::ClusterState::Quarantined { why, .. } => !matches!(why, domain::Quarantine::Unhealthy { .. }),
        domain::ClusterState::Free | domain::ClusterState::Retired { .. } => true,
        _ => false,
    };
    rows.iter().all(at_rest)
}

fn made(clients: &[Client], keepers: &[Keeper]) -> BTreeMap<&'static str, u64> {
    let all = clients.iter().map(|client| &client.made);
    let mut sum = BTreeMap::new();
    for (what, number) in all.chain(keepers.iter().map(|keeper| &keeper.made)).flatten() {
        *sum.entry(*what).or_default() += number;
    }
    sum
}

/// By how much a client's clock differs from the true one.
fn skew(rng: &mut Rng) -> SignedDuration {
    let most = i64::try_from(SKEW_MAX.as_millis()).unwrap_or_default();
    SignedDuration::from_millis(rng.i64(-most..=most))
}

fn sky(rng: &mut Rng) -> Sky {
    let mut weather = Weather::default();
    if rng.u8(0..10) < 3 {
        weather.store = weather::Store::Busy;
    }
    if rng.u8(0..10) < 1 {
        weather.cluster = weather::Cluster::Busy;
    }
    Sky {
        weather,
        lags: rng.bool(),
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<44} {:>9}", "judged", "times")?;
        for (what, number) in &self.judged {
            writeln!(f, "  {what:<42} {number:>9}")?;
        }
        if self.wrong.is_empty() {
            return f.write_str("everything agrees");
        }
        writeln!(f, "{} findings:", self.wrong.len())?;
        for sentence in self.wrong.iter().take(WRONG_TOLD) {
            writeln!(f, "  {sentence}")?;
        }
        Ok(())
    }
}

/// How many sentences are told of what does not agree.
const WRONG_TOLD: usize = 40;

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: u64 = self.operations.values().sum();
        writeln!(f, "{:<44} {all:>9}", "operations")?;
        for (what, number) in &self.operations {
            writeln!(f, "  {what:<42} {number:>9}")?;
        }
        writeln!(f, "{:<44} {:>9}", "injected", "times")?;
        for (what, number) in &*self.injected.lock().unwrap() {
            writeln!(f, "  {what:<42} {number:>9}")?;
        }
        writeln!(f, "{:<44} {:>8}m", "domain time", self.lasted.as_mins())?;
        self.verdict.fmt(f)?;
        if let Some(file) = &self.saved {
            write!(f, "\nthe history is in {}", file.display())?;
        }
        Ok(())
    }
}
