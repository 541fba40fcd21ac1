//! What happens in a flood, and in which order. Minutes are domain time since everything runs.

use std::time::Duration;

use domain::Millis;
use fastrand::Rng;
use serde_json::{Value, json};

use super::weather::{Cluster, Lie, Proxy, Store, Weather};

/// A template of the flood.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// The template's name.
    pub name: &'static str,
    /// How many of a hundred applications are of it.
    percent: usize,
    /// Inactivity after which one is culled, in minutes.
    cull_timeout: u64,
    /// Age at which one ends, in minutes.
    max_age: u64,
}

/// The templates. Half of all is judged first at the moment at which the proxy begins its plausible lie, and a tenth
/// comes to its maximum age while that goes on.
pub const KINDS: [Kind; 4] = [
    Kind::new("quick", 10, 60, 600),
    Kind::new("usual", 50, 150, 600),
    Kind::new("patient", 30, 240, 600),
    Kind::new("brief", 10, 150, 168),
];

impl Kind {
    const fn new(name: &'static str, percent: usize, cull_timeout: u64, max_age: u64) -> Self {
        Self {
            name,
            percent,
            cull_timeout,
            max_age,
        }
    }

    /// Inactivity after which one is culled.
    pub fn cull_timeout(&self) -> Millis {
        Millis::of(minutes(self.cull_timeout))
    }

    /// Age at which one ends.
    pub fn max_age(&self) -> Millis {
        Millis::of(minutes(self.max_age))
    }

    /// The template's body: next to no requests, so that two nodes hold all pods.
    pub fn body(&self, quota: usize) -> Value {
        json!({
            "image-source": "layby/flood:1",
            "requests": {"cpu": "1m", "memory": "1Mi"},
            "limits": {"cpu": "1", "memory": "64Mi"},
            "cull-timeout": self.cull_timeout().get(),
            "max-age": self.max_age().get(),
            "quota": quota,
        })
    }

    /// The kinds of `applications` applications, in a random order.
    pub fn draw(applications: usize, rng: &mut Rng) -> Vec<Kind> {
        let share = |kind: &Kind| (applications * kind.percent).div_ceil(100);
        let kinds = KINDS
            .iter()
            .rev()
            .flat_map(|kind| std::iter::repeat_n(*kind, share(kind)));
        let mut drawn: Vec<Kind> = kinds.take(applications).collect();
        rng.shuffle(&mut drawn);
        drawn
    }
}

/// Who uses what is theirs in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    /// All but those who never do, each just before its application would be idle.
    Regulars,
    /// The few who stay when the others leave.
    Loyal,
    /// These, and some who come back after their application was idle for long enough.
    Returning,
}

/// What somebody does behind the installation's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// The proxy is restarted and has lost its routes.
    RestartProxy,
    /// Pods are evicted.
    Evict,
    /// Namespaces are deleted.
    DeleteNamespaces,
    /// Rows are deleted.
    LoseRows,
    /// Namespaces appear of what has ended, and of what never was.
    LateNamespaces,
}

/// How the reaper runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// Once.
    Whole,
    /// It is killed somewhere.
    Killed,
    /// Twice at the same time.
    Doubled,
    /// Twice at the same time, and one of them is killed somewhere.
    DoubledAndKilled,
}

/// What must have come of a round, besides that nobody in use was culled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing else.
    Safe,
    /// Nobody was culled by judgement.
    NobodyJudged,
    /// Some wait under the brake, it says so, and nobody was culled by judgement.
    BrakeHolds,
    /// The brake is free, and nobody in use waits.
    BrakeFree,
    /// The brake is free, nobody in use waits, and what has no use is gone.
    IdleGone,
    /// Exactly so many were culled by judgement, in the first run.
    Confirmed(usize),
    /// Everything that runs has its route, and the marker is there.
    RoutesBack,
    /// As [`Expected::BrakeHolds`], and what came to its maximum age has ended meanwhile.
    PromisesKept,
}

/// A round: time passes, applications are used, things happen, the reaper runs.
#[derive(Clone, Debug)]
pub struct Round {
    /// What it is, for people.
    pub name: &'static str,
    /// When it begins, in minutes.
    pub at: u64,
    /// Who uses what is theirs.
    pub users: Users,
    /// What happens behind the installation's back.
    pub deeds: &'static [Deed],
    /// What happens to calls of the reaper.
    pub weather: Weather,
    /// How it runs.
    pub runs: &'static [Run],
    /// How many culls are confirmed to the first run.
    pub confirm: Option<usize>,
    /// What must come of it.
    pub expected: Expected,
}

impl Round {
    fn new(at: u64, name: &'static str) -> Self {
        Self {
            name,
            at,
            users: Users::Regulars,
            deeds: &[],
            weather: Weather::default(),
            runs: &[Run::Whole],
            confirm: None,
            expected: Expected::Safe,
        }
    }

    fn proxy(mut self, proxy: Proxy) -> Self {
        self.weather.proxy = proxy;
        self
    }

    fn lie(self, lie: Lie) -> Self {
        self.proxy(Proxy::Lies(lie))
    }

    fn cluster(mut self, cluster: Cluster) -> Self {
        self.weather.cluster = cluster;
        self
    }

    fn store(mut self) -> Self {
        self.weather.store = Store::Busy;
        self
    }

    fn runs(self, runs: &'static [Run]) -> Self {
        Self { runs, ..self }
    }

    fn users(self, users: Users) -> Self {
        Self { users, ..self }
    }

    fn deeds(self, deeds: &'static [Deed]) -> Self {
        Self { deeds, ..self }
    }

    fn expect(self, expected: Expected) -> Self {
        Self { expected, ..self }
    }
}

/// The rounds of a flood of `applications`. `rng` moves those whose moment does not matter.
pub fn rounds(applications: usize, rng: &mut Rng) -> Vec<Round> {
    use Expected::{BrakeFree, BrakeHolds, Confirmed, IdleGone, NobodyJudged, PromisesKept, RoutesBack};
    use Run::{Doubled, DoubledAndKilled, Killed, Whole};
    let few = (applications / 20).max(1);
    let mut rounds = vec![
        Round::new(rng.u64(8..=20), "a run that dies").runs(&[Killed, Whole]),
        Round::new(rng.u64(32..=38), "pods are evicted")
            .deeds(&[Deed::Evict])
            .cluster(Cluster::Busy)
            .runs(&[Killed, Whole]),
        // From here on some are due.
        Round::new(66, "the proxy fails")
            .proxy(Proxy::Fails)
            .runs(&[Whole, Doubled])
            .expect(NobodyJudged),
        Round::new(rng.u64(78..=82), "its list is empty")
            .lie(Lie::Empty)
            .runs(&[Whole, Doubled])
            .expect(NobodyJudged),
        Round::new(rng.u64(92..=96), "all it tells is 1970")
            .lie(Lie::LongAgo)
            .runs(&[Killed, Whole, Whole])
            .expect(NobodyJudged),
        Round::new(rng.u64(106..=110), "it is well; late cluster")
            .store()
            .cluster(Cluster::Late)
            .runs(&[Killed, Doubled, Whole]),
        Round::new(rng.u64(119..=122), "half it tells is 1970")
            .lie(Lie::HalfLongAgo)
            .deeds(&[Deed::LoseRows])
            .store()
            .runs(&[Doubled, Whole]),
        Round::new(rng.u64(130..=136), "all is well").runs(&[Whole, Whole]),
        // Half of all is judged for the first time, and all of it seems never to have been used.
        Round::new(153, "it lies plausibly")
            .lie(Lie::Registered)
            .runs(&[Killed, Whole])
            .expect(BrakeHolds),
        Round::new(168, "it lies on; ages end")
            .lie(Lie::Registered)
            .store()
            .runs(&[DoubledAndKilled, Whole])
            .expect(PromisesKept),
        Round::new(rng.u64(180..=184), "it is well again")
            .runs(&[Doubled, Whole])
            .expect(BrakeFree),
        Round::new(rng.u64(194..=198), "half of its list is missing")
            .lie(Lie::HalfMissing)
            .cluster(Cluster::Late)
            .runs(&[Killed, Whole]),
        Round::new(rng.u64(208..=214), "it is restarted")
            .deeds(&[Deed::RestartProxy, Deed::DeleteNamespaces])
            .runs(&[Killed, Whole, Whole])
            .expect(RoutesBack),
        Round::new(rng.u64(226..=230), "busy cluster and table")
            .deeds(&[Deed::Evict, Deed::LateNamespaces])
            .cluster(Cluster::Busy)
            .store()
            .runs(&[DoubledAndKilled, Doubled, Whole]),
    ];
    // Most leave, and no reaper runs for a long while.
    let silent = (255..=405).step_by(25);
    rounds.extend(silent.map(|at| Round::new(at, "no reaper runs").users(Users::Loyal).runs(&[])));
    rounds.extend([
        Round::new(415, "most are truly idle")
            .users(Users::Loyal)
            .runs(&[Whole, DoubledAndKilled])
            .expect(BrakeHolds),
        Round {
            confirm: Some(few),
            ..Round::new(424, "a few are confirmed")
        }
        .users(Users::Returning)
        .expect(Confirmed(few)),
        Round {
            confirm: Some(100_000),
            ..Round::new(431, "all are confirmed")
        }
        .users(Users::Loyal)
        .cluster(Cluster::Busy)
        .runs(&[Killed, Whole, Whole])
        .expect(IdleGone),
    ]);
    rounds
}

fn minutes(minutes: u64) -> Duration {
    Duration::from_secs(minutes * 60)
}
