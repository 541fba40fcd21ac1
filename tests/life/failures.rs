//! Real parts that die or hang in the middle of launches and of runs of the reaper, and come back.

mod faults;

use std::io::Write;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tests::scenario::invariants;
use tests::{App, Launched, on_a_large_stack, parts};
use tokio::time::sleep;

use crate::callers::{ANSWERED, Callers};
use faults::{Fault, Part, Parts};

/// How long a part that was killed is away.
const AWAY: Duration = Duration::from_secs(4);
/// How long a part hangs: longer than layby tries one request, and once as long as it may try all of a call.
const HANGS: Duration = Duration::from_secs(12);
const HANGS_LONG: Duration = Duration::from_secs(30);
/// What is idle for this long is culled. No fault lasts as long as what is in use may be idle.
const SHORT: Duration = Duration::from_secs(15);
const LONG: Duration = Duration::from_secs(120);
/// Applications that nobody uses, beside each part's faults.
const IDLE: usize = 2;
/// After what the fault comes first, what else goes on meanwhile begins.
const LATER: Duration = Duration::from_secs(2);
/// Launches in the middle of each fault.
const LAUNCHES: usize = 3;
/// After a fault everything is as it should be within so many looks, [`PACE`] apart: a row that was taken by who could
/// not record what it did is taken again after a minute, or two.
const LOOKS_MAX: usize = 360;
const PACE: Duration = Duration::from_millis(500);

/// The whole of one installation amid faults.
struct Amid {
    parts: Parts,
    app: App,
    callers: Callers,
    /// Somebody uses it all the time, and nobody uses it, which is not due yet.
    residents: [Launched; 2],
    faults: usize,
    launched: usize,
}

#[test]
fn a_cluster_that_dies_or_hangs_costs_nobody_anything() {
    endure([Part::ApiServer, Part::Etcd]);
}

#[test]
fn a_table_or_a_proxy_that_dies_or_hangs_costs_nobody_anything() {
    endure([Part::Table, Part::Proxy]);
}

fn endure(parts: [Part; 2]) {
    on_a_large_stack(async || {
        let mut amid = Amid::start().await;
        for part in parts {
            amid.endure(part).await;
        }
        amid.end().await;
    });
}

impl Amid {
    async fn start() -> Self {
        let parts = Parts::start().await;
        let options = parts::options(
            parts.cluster.kubeconfig(),
            &parts.dynamodb,
            parts::address(&parts.proxy),
            "failures",
        );
        let app = App::start_on(options, Some(parts.cluster.administrator())).await;
        app.template("notebook", "layby/notebook:1").await;
        let callers = Callers::of(&app);
        let resident = async || {
            let body = json!({ "cull-timeout": LONG.as_millis() as u64 });
            callers.launch("notebook", &body).await
        };
        let unused = callers.launch("notebook", &json!({})).await;
        let residents = [resident().await, unused];
        let amid = Self {
            parts,
            app,
            callers,
            residents,
            faults: 0,
            launched: 0,
        };
        let residents = amid.residents.clone();
        amid.settled(&residents, &[]).await;
        amid
    }

    /// A part dies and hangs amid launches, and amid runs of the reaper.
    async fn endure(&mut self, part: Part) {
        let faults = [
            (Fault::Killed(AWAY), true),
            (Fault::Killed(AWAY), false),
            (Fault::Stopped(HANGS_LONG), true),
            (Fault::Stopped(HANGS), false),
        ];
        // One is stopped in each fault, and some become idle sooner or later.
        let (none, short) = (json!({}), json!({ "cull-timeout": SHORT.as_millis() as u64 }));
        let bodies = std::iter::repeat_n(&none, faults.len()).chain(std::iter::repeat_n(&short, IDLE));
        let ending = bodies.map(|body| self.callers.launch("notebook", body));
        let ending: Vec<Launched> = join_all(ending).await;
        join_all(ending.iter().map(|one| self.deployed(one))).await;
        self.launched += ending.len();
        let mut launched = Vec::new();
        for ((fault, launches_first), stopped) in faults.into_iter().zip(&ending) {
            println!(
                "{part:?} {fault:?}, amid {}",
                if launches_first {
                    "launches"
                } else {
                    "a run of the reaper"
                }
            );
            launched.extend(self.one(part, fault, launches_first, stopped).await);
        }
        println!("until all is well after {part:?}");
        self.settled(&launched, &ending).await;
    }

    /// One fault. Gives what was launched meanwhile.
    async fn one(&mut self, part: Part, fault: Fault, launches_first: bool, stopped: &Launched) -> Vec<Launched> {
        self.callers.set_over(false);
        let callers = self.callers.clone();
        let [used, unused] = self.residents.clone();
        let body = json!({});
        let launches = async {
            if !launches_first {
                sleep(LATER).await;
            }
            join_all((0..LAUNCHES).map(|_| callers.launch("notebook", &body))).await
        };
        let reaping = async {
            if launches_first {
                sleep(LATER).await;
            }
            callers.stop(stopped).await;
            callers.keep_reaping().await;
        };
        let striking = async {
            sleep(Duration::from_millis(fastrand::u64(20..400))).await;
            self.parts.strike(part, fault).await;
            callers.set_over(true);
        };
        let residents = [&used, &unused];
        let (launched, ..) = tokio::join!(
            launches,
            reaping,
            striking,
            callers.look_on(&residents),
            callers.use_it(&used)
        );
        self.faults += 1;
        self.launched += launched.len();
        launched
    }

    async fn deployed(&self, one: &Launched) {
        let mut seen = Value::Null;
        for _ in 0..LOOKS_MAX {
            seen = self.callers.read(one).await.unwrap_or(seen);
            if seen["status"] == "deployed" {
                return;
            }
            assert!(
                ["pending", "deploying"].contains(&seen["status"].as_str().unwrap_or("pending")),
                "{seen}"
            );
            sleep(PACE).await;
        }
        panic!("never deployed: {seen}");
    }

    /// Runs the reaper until everything is as it should be: `live` and the residents run and answer, of `gone` there is
    /// nothing but its record, and nothing is without its partners.
    async fn settled(&self, live: &[Launched], gone: &[Launched]) {
        let mut open = String::new();
        for _ in 0..LOOKS_MAX {
            let report = self.callers.reap().await;
            open = self.open(live, gone).await;
            if open.is_empty() && report["errors"] == 0 {
                invariants::routed(&self.app).await;
                return;
            }
            self.callers.visit(&self.residents[0]).await;
            sleep(PACE).await;
        }
        panic!("not as it should be: {open}");
    }

    /// What is not yet as it should be.
    async fn open(&self, live: &[Launched], gone: &[Launched]) -> String {
        for one in live.iter().chain(&self.residents) {
            let seen = self.callers.read(one).await.unwrap_or_default();
            let is_lost = ["failed", "deleted"].contains(&seen["status"].as_str().unwrap_or_default());
            assert!(!is_lost, "it was to live: {seen}");
            if seen["status"] != "deployed" || !self.callers.visit(one).await {
                return format!("not there yet: {seen}");
            }
        }
        for one in gone {
            let seen = self.callers.read(one).await.unwrap_or_default();
            if seen["phase"] != "ended" {
                return format!("not gone yet: {seen}");
            }
        }
        let rows = invariants::rows(&self.app).await;
        let moving = rows
            .iter()
            .find(|(_, row)| !["running", "ended"].contains(&row.state.as_str()));
        moving.map(|(id, row)| format!("{id}: {row:?}")).unwrap_or_default()
    }

    /// Tells what was seen, and fails when any of it must not be.
    async fn end(self) {
        let wrong = self.callers.wrongs();
        let all = invariants::rows(&self.app).await.len();
        let told = format!(
            "\n{} faults amid {} launches; every answer was due within {ANSWERED:?}:\n{}{} applications had a row in the end\n",
            self.faults,
            self.launched,
            self.callers.summary(),
            all,
        );
        // Not captured: it is what this test found out.
        std::io::stderr().write_all(told.as_bytes()).unwrap();
        assert!(
            wrong.is_empty(),
            "{} things were wrong:\n{}",
            wrong.len(),
            wrong.join("\n")
        );
        assert_eq!(
            all,
            self.launched + self.residents.len(),
            "each launch is one, however often it was asked for"
        );
        self.app.stop().await;
    }
}
