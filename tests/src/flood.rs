//! A flood: thousands of applications, and everything that can go wrong around the reaper that judges them.
//!
//! A seed decides who uses what when, and what goes wrong. After every run of the reaper the installation is looked at
//! from outside: nobody in use was culled, nothing of others was touched. At the end nothing is left but records.

mod check;
mod deeds;
mod findings;
mod people;
mod plan;
mod rounds;
pub(crate) mod weather;

use std::collections::BTreeMap;
use std::time::Duration;

use domain::State;
use fastrand::Rng;
use futures::{StreamExt, stream};
use jiff::Timestamp;
use local::Options;
use rustix::process::{Resource, getrlimit};
use serde_json::Value;

use crate::scenario::invariants;
use crate::{App, Launched, on_large_stacks};
use deeds::{Foreign, foreign, make_foreign, routes};
use people::Life;
use plan::{KINDS, Kind, Run};
use weather::{Table, Weather};

pub use findings::Findings;

/// The fewest applications: with fewer the brake has nothing to hold.
pub const APPLICATIONS_MIN: usize = 200;
/// The most: the simulated nodes hold few more.
pub const APPLICATIONS_MAX: usize = 9_000;

/// How long a flood may take.
const FLOOD_MAX: Duration = Duration::from_secs(15 * 60);
/// Launches under way at once.
const LAUNCHERS: usize = 32;
/// Open files for each application (its pod's socket, and both ends of a connection to it), and for all the rest.
const FILES_EACH: u64 = 3;
const FILES_BESIDES: u64 = 1_000;
/// Runs until everything runs, and until nothing is left.
const STARTING_RUNS_MAX: usize = 60;
const ENDING_RUNS_MAX: usize = 40;
/// Domain time between two runs while everything starts.
const START_PACE: Duration = Duration::from_secs(3);
/// Domain time between two runs while everything ends.
const END_PACE: Duration = Duration::from_secs(5 * 60);
/// What a flood is made of.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How many applications.
    pub applications: usize,
    /// Decides everything that is left open.
    pub seed: u64,
}

/// A flood on its way.
pub(crate) struct Flood<'a> {
    app: &'a App,
    rng: Rng,
    lives: Vec<Life>,
    /// Ids of namespaces that appeared without an application.
    strangers: Vec<String>,
    /// Places in counters of rows that were deleted by hand.
    uncounted: Vec<String>,
    counters: BTreeMap<String, i64>,
    foreign: Foreign,
    /// When everything ran.
    began: Timestamp,
    /// When the proxy was restarted. What it told before is unknown for as long as a cull timeout from then.
    restarted: Timestamp,
    /// What the proxy told of the routes when they were made.
    registered: Table,
    findings: Findings,
}

/// Plays a flood as [`run`] does, on a runtime of its own: without optimisation the nested futures need more stack than
/// threads have.
///
/// # Errors
/// As [`run`], and when the runtime cannot be started.
pub fn play(settings: Settings) -> Result<Findings, String> {
    on_large_stacks(FLOOD_MAX, run(settings))
}

/// Plays a flood in an installation of its own, telling of each round on standard output.
///
/// # Errors
/// A sentence, when it cannot be played with these numbers or on this machine.
///
/// # Panics
/// When something cannot even be tried, such as a launch that nothing stands in the way of.
pub async fn run(settings: Settings) -> Result<Findings, String> {
    let Settings { applications, seed } = settings;
    if !(APPLICATIONS_MIN..=APPLICATIONS_MAX).contains(&applications) {
        return Err(format!(
            "a flood has {APPLICATIONS_MIN} to {APPLICATIONS_MAX} applications, not {applications}"
        ));
    }
    let mut options = Options::embedded();
    options.variables = [("LAYBY_QUOTA".to_owned(), applications.to_string())].into();
    let app = App::start(options).await;
    enough_files(applications)?;
    let mut rng = Rng::with_seed(seed);
    println!("{applications} applications, seed {seed}\n{}", rounds::HEAD);
    let mut flood = Flood::begin(&app, applications, &mut rng).await;
    let rounds = plan::rounds(applications, &mut rng);
    flood.rng = rng;
    for (number, round) in rounds.iter().enumerate() {
        let next = rounds.get(number + 1).unwrap_or(round);
        flood.play(round, next.at).await;
    }
    flood.let_run_out().await;
    flood.at_the_end().await;
    let findings = flood.findings;
    app.stop().await;
    Ok(findings)
}

/// Each simulated pod listens on a socket of its own.
fn enough_files(applications: usize) -> Result<(), String> {
    let needed = FILES_EACH * applications as u64 + FILES_BESIDES;
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < needed => Err(format!(
            "{applications} applications need {needed} open files and this process may have {limit}: raise the hard limit, `ulimit -Hn`, or play with fewer"
        )),
        _ => Ok(()),
    }
}

impl<'a> Flood<'a> {
    /// Launches everything, and waits until it runs.
    async fn begin(app: &'a App, applications: usize, rng: &mut Rng) -> Self {
        for kind in KINDS {
            app.template_of(kind.name, &kind.body(applications)).await;
        }
        make_foreign(app).await;
        let kinds = Kind::draw(applications, rng);
        let launches: Vec<_> = kinds.iter().map(|kind| app.launch(kind.name)).collect();
        let launched: Vec<Launched> = stream::iter(launches).buffered(LAUNCHERS).collect().await;
        let refused = app.post("/applications/usual").await;
        assert_eq!(refused.status, 429, "the quota is used up: {}", refused.text());

        let mut flood = Self {
            app,
            // Another sequence: how many runs it takes until everything runs, real time decides.
            rng: rng.clone(),
            lives: Vec::new(),
            strangers: Vec::new(),
            uncounted: Vec::new(),
            counters: BTreeMap::new(),
            foreign: foreign(app, &Table::new()).await,
            began: app.now(),
            restarted: app.now(),
            registered: Table::new(),
            findings: Findings::default(),
        };
        let lives = launched.into_iter().zip(kinds);
        flood.lives = lives
            .map(|(launched, kind)| Life::draw(launched, kind, app.now(), rng))
            .collect();
        flood.findings.find("applications launched", applications);
        flood.findings.find("launches refused over the quota", 1);
        flood.start_all().await;
        (flood.began, flood.restarted) = (app.now(), app.now());
        flood.registered = routes(app).await;
        flood.foreign = foreign(app, &flood.registered).await;
        flood
    }

    async fn start_all(&mut self) {
        let weather = Weather {
            store: weather::Store::Busy,
            ..Weather::default()
        };
        for _ in 0..STARTING_RUNS_MAX {
            self.app.advance(START_PACE).await;
            self.reap(weather, Run::Whole, &Value::Null).await;
            let rows = invariants::rows(self.app).await;
            if rows.values().all(|row| row.state == "running") {
                return self.note_starts().await;
            }
        }
        panic!("not everything comes up within {STARTING_RUNS_MAX} runs");
    }

    /// What has never been used counts as used when it began to answer.
    async fn note_starts(&mut self) {
        let rows = self.rows().await;
        for life in &mut self.lives {
            let Some(application) = rows.get(&life.id).map(|row| &row.value) else {
                continue;
            };
            if let State::Running { deployed_at, .. } = application.state {
                life.last_use = deployed_at;
            }
            life.old_at = application.age_end();
        }
    }

    /// Nobody uses anything any more, every age ends, and the reaper runs until nothing is left.
    async fn let_run_out(&mut self) {
        let living = self.lives.iter().filter(|life| !life.ended);
        let last = living.map(|life| life.old_at).max();
        let wait = last.map(|last| last.duration_since(self.app.now()));
        let wait = wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or_default();
        self.app.advance(wait).await;
        for _ in 0..ENDING_RUNS_MAX {
            self.app.advance(END_PACE).await;
            self.reap(Weather::default(), Run::Whole, &Value::Null).await;
            self.inspect("while all runs out").await;
            if self.is_quiet().await {
                return;
            }
        }
        self.findings.disagree(
            "at the end",
            vec![format!("it is not quiet after {ENDING_RUNS_MAX} runs")],
        );
    }
}
