//! The rounds as they are played: time passes, applications are used, things happen, the reaper runs, all is looked at.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::Flood;
use super::deeds::routes;
use super::people::use_all;
use super::plan::{Expected, Round, Run};
use super::weather::{Proxy, Table, Weather};
use crate::process::{Fate, Process};

/// The head of what is told of each round.
pub const HEAD: &str = "minute  round                         used  runs  culled    aged  failed    held  brake";

/// Domain time between two runs of a round: longer than a run that died keeps rows to itself.
const BETWEEN_RUNS: Duration = Duration::from_secs(90);
/// How much earlier than need be people use what is theirs: runs and real time pass as well.
const SLACK: Duration = Duration::from_secs(10 * 60);
/// The first call before which a run may be killed.
const KILLED_FIRST: usize = 5;
/// One for so many applications is the last: about what most runs make.
const KILLED_SHARE: usize = 5;

/// What came of the runs of a round.
#[derive(Debug, Default)]
struct Outcome {
    judged: Vec<usize>,
    aged: usize,
    held: u64,
    tripped: bool,
}

impl Flood<'_> {
    /// Domain time until that minute of the flood; nothing when it is past.
    fn until(&self, minute: u64) -> Duration {
        let at = self.began + SignedDuration::from_mins(i64::try_from(minute).unwrap_or(i64::MAX));
        Duration::try_from(at.duration_since(self.app.now())).unwrap_or_default()
    }

    /// Plays a round, after which the next one comes at the minute `next`.
    pub(super) async fn play(&mut self, round: &Round, next: u64) {
        self.app.advance(self.until(round.at)).await;
        let gap = SignedDuration::try_from(self.until(next) + SLACK).unwrap_or_default();
        let (used, refused) = use_all(self.app, &mut self.lives, round.users, gap, &mut self.rng).await;
        self.findings.disagree(round.name, refused);
        self.findings.find("uses", used);
        for deed in round.deeds {
            self.meddle(*deed).await;
        }
        let mut outcome = Outcome::default();
        let (mut aged, mut failed) = (0, 0);
        for (number, run) in round.runs.iter().enumerate() {
            let confirm = round.confirm.filter(|_| number == 0);
            let event = confirm.map_or(
                Value::Null,
                |most| json!({"confirm": {"cell": "default", "at-most": most}}),
            );
            if number > 0 {
                self.app.advance(BETWEEN_RUNS).await;
            }
            let reports = self.reap(round.weather, *run, &event).await;
            if round.weather.is_calm() {
                self.findings.disagree(round.name, with_errors(&reports));
            }
            let held = reports.iter().filter_map(|report| report["held"].as_u64()).sum();
            outcome.held = outcome.held.max(held);
            if let Some(last) = reports.last() {
                outcome.tripped = last["lanes"][0]["brake"]["tripped"] == true;
            }
            let news = self.inspect(round.name).await;
            outcome.judged.push(news.judged);
            aged += news.aged;
            failed += news.failed;
        }
        outcome.aged = aged;
        let judged: usize = outcome.judged.iter().sum();
        println!(
            "{:>6}  {:<28} {used:>5} {:>5} {judged:>7} {aged:>7} {failed:>7} {:>7}  {}",
            round.at,
            round.name,
            round.runs.len(),
            outcome.held,
            if outcome.tripped { "holds" } else { "" }
        );
        let wrong = self.unexpected(round.expected, &outcome).await;
        self.findings.disagree(round.name, wrong);
    }

    /// Runs the reaper, and gives the reports of runs that lived to write one.
    pub(super) async fn reap(&mut self, weather: Weather, run: Run, event: &Value) -> Vec<Value> {
        let fates = match run {
            Run::Whole => vec![Fate::Lives],
            Run::Killed => vec![self.doom()],
            Run::Doubled => vec![Fate::Lives, Fate::Lives],
            Run::DoubledAndKilled => vec![self.doom(), Fate::Lives],
        };
        let told = match weather.proxy {
            Proxy::Lies(lie) => lie.told(&routes(self.app).await, &self.registered),
            Proxy::Honest | Proxy::Fails => Table::new(),
        };
        let mut processes = Vec::new();
        for fate in fates {
            let settings = weather.settings(told.clone(), self.rng.fork(), &self.findings.injected);
            processes.push(Process::amid(self.app, fate, settings).await);
        }
        let reports = futures::future::join_all(processes.iter().map(|process| process.reap_asked(event))).await;
        let killed = processes.iter().filter(|process| process.is_dead()).count();
        self.findings.find("runs of the reaper", processes.len());
        self.findings.inject("runs killed", killed);
        self.findings.inject("runs doubled", usize::from(processes.len() > 1));
        reports.into_iter().flatten().collect()
    }

    fn doom(&mut self) -> Fate {
        let last = KILLED_FIRST + self.lives.len() / KILLED_SHARE;
        Fate::DiesBefore(self.rng.usize(KILLED_FIRST..=last))
    }

    /// What of a round's end is not as it must be.
    async fn unexpected(&mut self, expected: Expected, outcome: &Outcome) -> Vec<String> {
        let judged: usize = outcome.judged.iter().sum();
        let mut wrong = Vec::new();
        let mut must = |holds: bool, sentence: String| {
            if !holds {
                wrong.push(sentence);
            }
        };
        let brake_holds = outcome.held > 0 && outcome.tripped;
        match expected {
            Expected::Safe => {}
            Expected::NobodyJudged => must(judged == 0, format!("{judged} were culled by judgement")),
            Expected::BrakeHolds | Expected::PromisesKept => {
                let saved = self.held_in_use().await.len();
                self.findings.find("in use, and held back by the brake", saved);
                must(judged == 0, format!("{judged} were culled by judgement"));
                must(brake_holds, format!("the brake does not hold: {outcome:?}"));
                if expected == Expected::PromisesKept {
                    must(outcome.aged > 0, "no age ended".into());
                    wrong.extend(self.old_and_alive().await);
                }
            }
            Expected::BrakeFree | Expected::IdleGone => {
                must(!outcome.tripped, "the brake still holds".into());
                wrong.extend(self.held_in_use().await);
                if expected == Expected::IdleGone {
                    wrong.extend(self.idle_and_alive().await);
                }
            }
            Expected::Confirmed(number) => must(
                outcome.judged.first() == Some(&number),
                format!("{:?} were culled, and {number} were confirmed", outcome.judged),
            ),
            Expected::RoutesBack => wrong.extend(self.without_route().await),
        }
        wrong
    }
}

/// Reports that tell of errors.
fn with_errors(reports: &[Value]) -> Vec<String> {
    let wrong = reports.iter().filter(|report| report["errors"] != 0);
    wrong.map(|report| format!("a run in calm weather: {report}")).collect()
}
