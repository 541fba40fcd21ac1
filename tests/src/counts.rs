//! How many requests each operation makes, held against what it may make. Counted, never timed.

mod environments;
mod leases;
mod pass;

use std::fmt;
use std::time::Duration;

use domain::{Application, ApplicationId, Ended, EndingStep, Look, Outcome, Reason, State, Template, limits};
use futures::{StreamExt, stream};
use jiff::SignedDuration;
use local::Options;
use serde_json::{Value, json};
use store::{Launched, Store};

use crate::App;
use crate::scenario::meddling;

pub use environments::of_environments;
pub use leases::{Crowd, of_a_crowd, of_leases};
pub use pass::of_a_pass;

/// Requests to DynamoDB before a launch's answer.
const LAUNCH_STORE_MAX: u64 = 3;
/// Requests to DynamoDB for the key that a call needs: to look it up, and to note its use, once in ten minutes.
const KEY_STORE_MAX: u64 = 2;
/// Requests to DynamoDB for a launch that takes a spare: template and pool, which spares are ready (twice, where few are),
/// their rows, and the transaction.
const TAKE_STORE_MAX: u64 = 5;
/// Requests to DynamoDB for a launch that is refused, beside what tells when something ends: template and pool, the
/// transaction, what each shard counts; then the template's oldest applications, by two.
const REFUSED_STORE_MAX: u64 = 5;
/// Runs in which a small pool fills up.
const REFILLED_IN: usize = 4;
/// Requests to Kubernetes before a launch's answer: namespace, account, policy and pod, each made once, and the
/// cluster's identity, once a process.
const LAUNCH_CLUSTER_MAX: u64 = 5;
/// Requests to DynamoDB for a list of a thousand of all applications: the living in their shards, the past by its days,
/// twice where a page was short, and the rows a hundred at a time.
const LIST_STORE_MAX: u64 = 150;
/// Requests to DynamoDB of a run that finds nothing due: a query a shard, of applications and of
/// environments, one for what is known of the cell, and one for the pools. A shard of the sweep, of which one is due each minute, is measured by itself.
const IDLE_STORE: u64 = limits::DUE_SHARDS as u64 + 2 + limits::ENVIRONMENT_SHARDS as u64 + IDLE_LEASES;
/// Those of clusters that can be leased: what is due, by shard, and the list of them.
const IDLE_LEASES: u64 = limits::LEASE_SHARDS as u64 + 1;
/// Requests to Kubernetes, and to the route proxy, with which a run finds out whether they can be reached.
const PROBE: u64 = 1;
/// Writes for a row that is taken, found gone and finished. Rows are read [`limits::REAP_READ`] at once.
const FINISH_STORE: u64 = 2;
/// Rows written at a time.
const WRITERS: usize = 32;
/// How often memory is looked at.
const MEMORY_EVERY: Duration = Duration::from_millis(50);
/// Runs of the reaper over many due rows: each ends before its function would, so one may not do.
const RUNS_MAX: usize = 20;

/// Requests by whom they go to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// To DynamoDB.
    pub store: u64,
    /// To Kubernetes.
    pub cluster: u64,
    /// To the route proxy.
    pub proxy: u64,
}

impl Requests {
    fn new(store: u64, cluster: u64, proxy: u64) -> Self {
        Self { store, cluster, proxy }
    }

    /// Of the last request or run that `app` logged.
    fn of_last(app: &App) -> Self {
        let log = app.log();
        let line = log.last().expect("a request is logged");
        let count = |name: &str| line[name].as_u64().expect("a log line has its counts");
        Self::new(count("store_calls"), count("cluster_calls"), count("proxy_calls"))
    }

    /// Of all requests and runs in these log lines together.
    #[cfg(feature = "real")]
    pub(crate) fn of_lines(lines: &[Value]) -> Self {
        let sum = |name: &str| lines.iter().filter_map(|line| line[name].as_u64()).sum();
        Self::new(sum("store_calls"), sum("cluster_calls"), sum("proxy_calls"))
    }

    fn within(self, most: Self) -> bool {
        self.store <= most.store && self.cluster <= most.cluster && self.proxy <= most.proxy
    }
}

impl fmt::Display for Requests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6} {:>7} {:>6}", self.store, self.cluster, self.proxy)
    }
}

/// What one operation took, and what it may take.
#[derive(Clone, Debug)]
pub struct Measure {
    /// The operation, in words.
    pub operation: String,
    /// What it took.
    pub took: Requests,
    /// The most that it may take.
    pub most: Requests,
}

impl Measure {
    /// Whether it kept within its bound.
    pub fn holds(&self) -> bool {
        self.took.within(self.most)
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.holds() { "" } else { "  TOO MANY" };
        write!(
            f,
            "{:<44} {}   of at most {}{verdict}",
            self.operation, self.took, self.most
        )
    }
}

/// Launches, reads and a stop.
pub async fn of_one_application() -> Vec<Measure> {
    let app = App::start(Options::embedded()).await;
    app.template("notebook", "layby/notebook:1").await;
    let launch = Requests::new(LAUNCH_STORE_MAX, LAUNCH_CLUSTER_MAX, 0);
    let mut measures = Vec::new();
    let mut add = |operation: &str, most| {
        let (operation, took) = (operation.to_owned(), Requests::of_last(&app));
        measures.push(Measure { operation, took, most });
    };

    let one = app.launch("notebook").await;
    add("launch", launch);
    let key = "a-key-for-this-launch-alone";
    let asked = || app.post("/applications/notebook").header("idempotency-key", key);
    asked().await.expect(200);
    add("launch with an Idempotency-Key", launch);
    asked().await.expect(200);
    add("the same launch again", launch);
    app.advance(Duration::from_secs(5)).await;
    app.read(&one).await;
    add("read that makes the route", Requests::new(3, 1, 1));
    app.read(&one).await;
    add("read of a deployed application", Requests::new(1, 0, 0));
    app.delete(&one.path()).key(&one.token).await.expect(202);
    // The token is looked up as a key; then the row is read, and tombstone, route and namespace are each recorded.
    add("stop with the launch's token", Requests::new(5, 2, 1));
    app.stop().await;

    let mut options = Options::embedded();
    options.variables = [("LAYBY_LAUNCHES".to_owned(), "keyed".to_owned())].into();
    let app = App::start(options).await;
    app.template("notebook", "layby/notebook:1").await;
    app.post("/applications/notebook").key(app.apps()).await.expect(200);
    let most = Requests::new(LAUNCH_STORE_MAX + KEY_STORE_MAX, LAUNCH_CLUSTER_MAX, 0);
    let (operation, took) = ("launch where launches need a key".to_owned(), Requests::of_last(&app));
    measures.push(Measure { operation, took, most });
    app.stop().await;
    measures
}

/// Launches that take a spare out of a pool, and those that are counted or refused because of limits.
pub async fn of_pools_and_quotas() -> Vec<Measure> {
    let mut options = Options::embedded();
    options.variables = [("LAYBY_QUOTA".to_owned(), "6".to_owned())].into();
    let app = App::start(options).await;
    app.template("pooled", "layby/notebook:1").await;
    app.template_of("counted", &json!({ "image-source": "layby/notebook:1", "quota": 2 }))
        .await;
    let mut measures = Vec::new();
    let mut add = |operation: &str, most| {
        let (operation, took) = (operation.to_owned(), Requests::of_last(&app));
        measures.push(Measure { operation, took, most });
    };
    app.pool("pooled", 2).await;
    for _ in 0..REFILLED_IN {
        app.reap().await;
        app.advance(Duration::from_secs(2)).await;
    }
    for operation in ["launch from a pool", "launch from a pool, its last spare"] {
        app.launch("pooled").await;
        add(operation, Requests::new(TAKE_STORE_MAX, 1, 1));
    }
    app.launch("pooled").await;
    let nothing_ready = Requests::new(TAKE_STORE_MAX, LAUNCH_CLUSTER_MAX, 0);
    add("launch, nothing ready in the pool", nothing_ready);
    app.launch("counted").await;
    add(
        "launch under two quotas",
        Requests::new(LAUNCH_STORE_MAX, LAUNCH_CLUSTER_MAX, 0),
    );
    app.launch("counted").await;
    app.post("/applications/counted").await.problem(429, "quotaExceeded");
    add("launch over a template's quota", Requests::new(REFUSED_STORE_MAX, 0, 0));
    app.template("other", "layby/notebook:1").await;
    app.launch("other").await;
    app.post("/applications/other").await.problem(429, "quotaExceeded");
    let refused = Requests::new(REFUSED_STORE_MAX + u64::from(limits::DUE_SHARDS), 0, 0);
    add("launch over the installation's quota", refused);
    app.stop().await;
    measures
}

/// A run of the reaper that finds nothing due, and a list, each with none and with `living` applications.
pub async fn of_many_living(living: u64) -> Vec<Measure> {
    let app = App::start(Options::embedded()).await;
    settle(&app).await;
    let mut measures = Vec::new();
    for count in [0, living] {
        write_rows(&app, count, running, |app| app.now() + SignedDuration::from_hours(1)).await;
        let report = app.reap().await;
        assert_eq!(report["due"], 0, "{report}");
        let (operation, took) = (format!("reaper, nothing due, {count} living"), Requests::of_last(&app));
        let most = Requests::new(IDLE_STORE, PROBE, PROBE);
        measures.push(Measure { operation, took, most });

        let listed = app.get("/applications/").key(app.apps()).await.expect(200);
        let listed = listed.as_array().map_or(0, Vec::len) as u64;
        assert_eq!(listed, count.min(limits::LIST_MAX as u64));
        let (operation, took) = (format!("list of {listed} out of {count}"), Requests::of_last(&app));
        let most = Requests::new(LIST_STORE_MAX, 0, 0);
        measures.push(Measure { operation, took, most });
    }
    app.stop().await;
    measures
}

/// What many due rows took.
#[derive(Clone, Debug)]
pub struct ManyDue {
    /// The requests of all runs together, against two and one for each row, and what it takes to read them.
    pub measure: Measure,
    /// Runs until nothing was due.
    pub runs: usize,
    /// Resident memory of this process before the first run, in bytes.
    pub memory_before: u64,
    /// The most during the runs.
    pub memory_peak: u64,
}

/// Runs of the reaper over `due` rows whose namespaces are gone, until nothing is due. The table is kept in a file, so
/// that the memory is the reaper's.
pub async fn of_many_due(due: u64) -> ManyDue {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = Some(folder.path().to_owned());
    let app = App::start(Options {
        data,
        ..Options::embedded()
    })
    .await;
    settle(&app).await;
    write_rows(&app, due, almost_gone, |app| app.now()).await;
    // From then on nobody can be making anything of them.
    app.advance(limits::TAKE_BUDGET).await;
    let memory_before = resident();
    let (mut runs, mut ended, mut took) = (0, 0, Requests::default());
    let ((), memory_peak) = while_watching_memory(async {
        while ended < due {
            assert!(runs < RUNS_MAX, "{ended} of {due} rows ended in {runs} runs");
            let report = app.reap().await;
            assert_eq!(report["errors"], 0, "{report}");
            ended += report["ended"].as_u64().expect("a report counts what ended");
            runs += 1;
            let run = Requests::of_last(&app);
            took = Requests::new(
                took.store + run.store,
                took.cluster + run.cluster,
                took.proxy + run.proxy,
            );
        }
    })
    .await;
    let (many, runs_made) = (due / limits::REAP_READ as u64, runs as u64);
    let pages = due / limits::DUE_PAGE as u64 + 2 * u64::from(limits::DUE_SHARDS) * runs_made;
    let reads = many + (IDLE_STORE - u64::from(limits::DUE_SHARDS) + 1) * runs_made;
    let probes = PROBE * runs_made;
    let most = Requests::new(FINISH_STORE * due + pages + reads, due + 1 + probes, probes);
    app.stop().await;
    let measure = Measure {
        operation: format!("reaper, {due} due"),
        took,
        most,
    };
    ManyDue {
        measure,
        runs,
        memory_before,
        memory_peak,
    }
}

/// Lets the first run find the route proxy's marker missing, and keeps the sweep from being due meanwhile: both are
/// measured by themselves.
async fn settle(app: &App) {
    app.reap().await;
    meddling::set_sweep(app, 0, app.now() + SignedDuration::from_hours(1)).await;
}

/// Does `work` and tells the most memory that this process had meanwhile.
pub(crate) async fn while_watching_memory<T>(work: impl Future<Output = T>) -> (T, u64) {
    let mut peak = resident();
    let mut work = Box::pin(work);
    loop {
        tokio::select! {
            done = &mut work => return (done, peak.max(resident())),
            () = tokio::time::sleep(MEMORY_EVERY) => peak = peak.max(resident()),
        }
    }
}

/// Resident memory of this process, in bytes, as Linux tells it in pages of 4 KiB.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux tells a process its memory");
    let pages = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse::<u64>().ok());
    pages.expect("the second number is the resident pages") * 4096
}

/// Where a row is in its life, and its location.
type Life = fn(&App) -> (State, Option<String>);

fn running(app: &App) -> (State, Option<String>) {
    let state = State::Running {
        namespace_uid: "00000000-0000-4000-8000-000000000000".to_owned(),
        deployed_at: app.now(),
    };
    (state, Some("apps.example/user/x".to_owned()))
}

fn almost_gone(app: &App) -> (State, Option<String>) {
    let ended = Ended {
        outcome: Outcome::Deleted,
        reason: Reason::NamespaceGone,
        at: app.now(),
    };
    let state = State::Ending {
        namespace_uid: Some("00000000-0000-4000-8000-000000000000".to_owned()),
        ended,
        step: EndingStep::Gone,
    };
    (state, Some("apps.example/user/x".to_owned()))
}

/// `count` launches, evenly over the shards, not yet written anywhere.
fn applications(app: &App, count: u64) -> Vec<Application> {
    let lifecycle = app.adapter().lifecycle().expect("the adapter is configured");
    let template: Template = serde_json::from_value(template()).expect("a template");
    let cell = lifecycle.cells().next().expect("there is a cell").cell.clone();
    let launch = |number: u64| {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&((number % 65_536) as u16).to_be_bytes());
        id[8..].copy_from_slice(&number.to_be_bytes());
        Application::launch(ApplicationId::from_bytes(id), &template, &cell, None, None, app.now())
    };
    (0..count).map(launch).collect()
}

/// Writes `count` rows straight into the table.
async fn write_rows(app: &App, count: u64, life: Life, due_at: fn(&App) -> jiff::Timestamp) {
    let lifecycle = app.adapter().lifecycle().expect("the adapter is configured");
    let store = lifecycle.store();
    let writes = applications(app, count).into_iter().enumerate();
    let writes = writes.map(|(number, mut application)| {
        (application.state, application.location) = life(app);
        let look = Look {
            now: app.now(),
            by: format!("counts/{number}"),
        };
        write_row(store.clone(), application, due_at(app), look)
    });
    stream::iter(writes)
        .buffer_unordered(WRITERS)
        .for_each(|()| async {})
        .await;
}

async fn write_row(store: Store, application: Application, due_at: jiff::Timestamp, look: Look) {
    let written = Box::pin(store.launch(&application, due_at, &look, None, &[]))
        .await
        .expect("the row is written");
    assert!(matches!(written, Launched::Written(_)));
}

fn template() -> Value {
    let small = json!({ "cpu": "1m", "memory": "1Mi" });
    json!({ "name": "counted", "image-source": "layby/notebook:1", "requests": small, "limits": small })
}
