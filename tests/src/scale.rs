//! Many applications on real parts: launched, read until they run, visited, left alone and culled. How long each part
//! took is told and not judged; what must hold is that all of them live, and that nothing is left at the end.

mod told;

use std::time::Duration;

use domain::limits::HELD_AGAIN;
use futures::{StreamExt, TryStreamExt, stream};
use real::{DynamoDb, Error, Proxy};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::counts::while_watching_memory;
use crate::parts::{self, Cluster};
use crate::scenario::invariants;
use crate::{App, Http, Launched};
use told::Telling;

/// The most applications: the played nodes, and the files that a process may open, hold few more.
pub const APPLICATIONS_MAX: usize = 5_000;

const TEMPLATE: &str = "scale";
/// How long an application may be unused: longer than it takes to visit all.
const IDLE: Duration = Duration::from_secs(60);
/// Callers at a time.
const CALLERS: usize = 16;
/// Times that a caller asks again who is told to come again, and the pause before.
const AGAIN_MAX: usize = 30;
const AGAIN: Duration = Duration::from_secs(1);
/// Reads of an application until it runs, which may take five minutes, one after every [`AGAIN`].
const READS_MAX: usize = 330;
/// Runs of the reaper, and the pause between two, in which the cluster takes namespaces apart.
const RUNS_MAX: usize = 300;
const PAUSE: Duration = Duration::from_secs(3);

/// Plays `applications` of them, and prints what is done and how long it takes.
///
/// # Errors
/// A sentence, when something does not come about.
///
/// # Panics
/// When table, cluster and proxy do not agree, and when a part cannot be started.
pub async fn play(applications: usize) -> Result<(), String> {
    let failed = |error: Error| error.to_string();
    let mut cluster = Cluster::start().await;
    let mut dynamodb = DynamoDb::start().await.map_err(failed)?;
    let mut proxy = Proxy::start().await.map_err(failed)?;
    let options = parts::options(cluster.kubeconfig(), &dynamodb, parts::address(&proxy), "scale");
    let app = App::start_on(options, Some(cluster.administrator())).await;
    let (played, peak) = while_watching_memory(live(&app, applications)).await;
    played?;
    app.stop().await;
    let parts = [
        (
            "this: layby, its callers, and the played kubelets with a web server a pod",
            Some(peak),
        ),
        ("kube-apiserver", cluster.control().apiserver().memory()),
        ("etcd", cluster.control().etcd().memory()),
        ("kube-controller-manager", cluster.control().controllers().memory()),
        ("kube-scheduler", cluster.control().scheduler().memory()),
        ("DynamoDB Local", dynamodb.process().memory()),
        ("configurable-http-proxy", proxy.process().memory()),
    ];
    told::memory(&parts);
    Ok(())
}

/// The whole life of all of them.
async fn live(app: &App, applications: usize) -> Result<(), String> {
    let limits = json!({ "cpu": "1m", "memory": "1Mi" });
    let idle = u64::try_from(IDLE.as_millis()).unwrap_or(u64::MAX);
    let template = json!({ "image-source": "layby/notebook:1", "cull-timeout": idle, "limits": limits });
    app.template_of(TEMPLATE, &template).await;
    let mut telling = Telling::begin(app, applications);

    let launches = stream::iter(0..applications).map(|number| launch(app, number));
    let launched: Vec<Launched> = launches.buffer_unordered(CALLERS).try_collect().await?;
    telling.tell("launched");
    let reads = stream::iter(&launched).map(|one| until_it_runs(app, one));
    reads.buffer_unordered(CALLERS).try_collect::<()>().await?;
    telling.tell("read until running");
    all_run(app, applications).await?;
    telling.skip();
    let visits = stream::iter(&launched).map(|one| visit(app, one));
    visits.buffer_unordered(CALLERS).try_collect::<()>().await?;
    telling.tell("visited through the proxy");

    sleep(IDLE + AGAIN).await;
    telling.skip();
    let in_runs = cull(app, applications).await?;
    telling.tell("culled, until nothing is left");
    telling.tell_runs(in_runs);
    nothing_is_left(app, applications).await
}

/// Launches one, as a client does that may have to come again.
async fn launch(app: &App, number: usize) -> Result<Launched, String> {
    let mut answered = String::new();
    for _ in 0..AGAIN_MAX {
        let ask = app.post(&format!("/applications/{TEMPLATE}")).json(&json!({}));
        let answer = ask
            .header("idempotency-key", &format!("scale-run-launch-{number:08}"))
            .await;
        answered = format!("{}: {}", answer.status, answer.text());
        match answer.status.as_u16() {
            200 => return Ok(Launched::of(TEMPLATE, &answer)),
            429 | 503 => sleep(AGAIN).await,
            _ => break,
        }
    }
    Err(format!("launch {number} was last answered {answered}"))
}

/// Reads an application until it runs.
async fn until_it_runs(app: &App, launched: &Launched) -> Result<(), String> {
    let mut seen = Value::Null;
    for _ in 0..READS_MAX {
        let answer = app.get(&launched.path()).await;
        if answer.status.is_success() {
            seen = answer.json();
            match seen["status"].as_str() {
                Some("deployed") => return Ok(()),
                Some("failed" | "deleted") => break,
                _ => {}
            }
        }
        sleep(AGAIN).await;
    }
    Err(format!("it does not run: {seen}"))
}

/// Checks that all run, and that table, cluster and proxy agree.
async fn all_run(app: &App, applications: usize) -> Result<(), String> {
    let rows = invariants::routed(app).await;
    let running = rows.values().filter(|row| row.state == "running").count();
    if (running, rows.len()) == (applications, applications) {
        Ok(())
    } else {
        Err(format!(
            "{running} of {} run, and {applications} were launched",
            rows.len()
        ))
    }
}

/// Uses an application once: it answers, and nobody else does in its place.
async fn visit(app: &App, launched: &Launched) -> Result<(), String> {
    let page = Http::new(&app.ready().proxy)
        .get(&format!("/user/{}/", launched.id))
        .await;
    if page.status.as_u16() == 200 && page.text().contains(&launched.id) {
        Ok(())
    } else {
        Err(format!("{} answers {}: {}", launched.id, page.status, page.text()))
    }
}

/// Runs the reaper until only records are left, and gives how long each run took. The brake holds so many who are
/// unused at once, until an operator says that it is right; what it holds is judged again after five minutes.
async fn cull(app: &App, applications: usize) -> Result<Vec<Duration>, String> {
    let confirm = json!({ "confirm": { "cell": "default", "at-most": applications } });
    let (mut event, mut runs, mut left) = (json!({}), Vec::new(), applications);
    for _ in 0..RUNS_MAX {
        let begun = told::now();
        let report = app.post("/_local/reap").json(&event).await.expect(200);
        let took = begun.elapsed();
        runs.push(took);
        let rows = invariants::rows(app).await;
        left = rows.values().filter(|row| row.state != "ended").count();
        println!("{}", told::run(runs.len(), took, &report, left));
        if left == 0 {
            return Ok(runs);
        }
        // Of very many a run judges some, and the next one others: an operator waits until all are judged.
        let waiting = report["lanes"][0]["brake"]["waiting"].as_u64().unwrap_or_default();
        if waiting > 0 && report["held"] == 0 && event != confirm {
            println!(
                "  {waiting} wait under the brake; an operator confirms that they go, and they are judged again …"
            );
            event = confirm.clone();
            sleep(HELD_AGAIN + AGAIN).await;
        } else {
            sleep(PAUSE).await;
        }
    }
    Err(format!("{left} of {applications} are left after {RUNS_MAX} runs"))
}

/// Checks that only records are left, and that none of them is lost.
async fn nothing_is_left(app: &App, applications: usize) -> Result<(), String> {
    let rows = invariants::routed(app).await;
    let (namespaces, routes) = (invariants::namespaces(app).await, invariants::routes(app).await);
    let listed = app
        .get("/applications/?status=deleted&limit=1")
        .key(app.apps())
        .await
        .expect(200);
    if rows.len() != applications || rows.values().any(|row| row.state != "ended") {
        return Err(format!("{} records, of {applications} launches", rows.len()));
    }
    if !namespaces.is_empty() || !routes.is_empty() || listed.as_array().is_none_or(Vec::is_empty) {
        return Err(format!(
            "namespaces {namespaces:?}, routes {routes:?} are left, {listed}"
        ));
    }
    println!("{applications} records, no namespace and no route are left.");
    Ok(())
}
