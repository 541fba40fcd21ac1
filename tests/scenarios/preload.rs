//! Preloads: an image onto every node that its template may use, and nothing left of it but a record.

mod crash_points;

use std::time::Duration;

use domain::{CellName, Preload, PreloadState, TemplateName};
use http::Method;
use jiff::SignedDuration;
use net::Peer;
use serde_json::{Value, json};
use tests::scenario::{invariants, meddling};
use tests::{App, Http};

const TEMPLATE: &str = "notebook";
const PATH: &str = "/preload/notebook";
/// Domain time between two looks, or two runs.
const PACE: Duration = Duration::from_secs(2);
/// Looks or runs until the end is there.
const ROUNDS_MAX: usize = 20;

#[tokio::test]
async fn it_is_completed_when_both_nodes_have_reported_and_leaves_nothing() {
    App::run(async |app| {
        start(app, &image("layby/notebook:1")).await;
        let pods = pods(app).await;
        assert_eq!(nodes_of(&pods), ["embedded-1", "embedded-2"]);
        let account = &pods[0]["spec"]["automountServiceAccountToken"];
        assert_eq!(
            (account, &pods[0]["spec"]["containers"][0]["command"]),
            (&json!(false), &json!(["true"]))
        );
        let told = look_until_done(app).await;
        assert_eq!((&told["status"], &told["error"]), (&json!("completed"), &Value::Null));
    })
    .await;
}

#[tokio::test]
async fn it_needs_nobody_to_look() {
    App::run(async |app| {
        start(app, &image("layby/notebook:1")).await;
        for _ in 0..ROUNDS_MAX {
            app.advance(PACE).await;
            assert_eq!(app.reap().await["errors"], 0);
        }
        assert_eq!(row(app).await.state, PreloadState::Done { completed: true });
        assert_eq!(namespaces(app).await, Vec::<String>::new());
        assert_eq!(app.reap().await["due"], 0);
    })
    .await;
}

#[tokio::test]
async fn a_cordoned_node_is_left_out_until_it_is_not_cordoned_any_more() {
    App::run(async |app| {
        patch(app, "embedded-2", &json!({"spec": {"unschedulable": true}})).await;
        start(app, &image("layby/pull-error-on-embedded-1:1")).await;
        app.advance(PACE).await;
        let told = told(app).await;
        assert!(told["error"].as_str().unwrap().contains("Node 'embedded-1'"), "{told}");
        assert_eq!(nodes_of(&pods(app).await), ["embedded-1"]);
        patch(app, "embedded-2", &json!({"spec": {"unschedulable": false}})).await;
        app.advance(PACE).await;
        self::told(app).await;
        assert_eq!(nodes_of(&pods(app).await), ["embedded-1", "embedded-2"]);
        // Without the node that fails, the other one is enough.
        patch(app, "embedded-1", &json!({"spec": {"unschedulable": true}})).await;
        assert_eq!(look_until_done(app).await["status"], "completed");
    })
    .await;
}

#[tokio::test]
async fn only_nodes_that_the_template_selects_and_tolerates_are_used() {
    App::run(async |app| {
        let taint = json!([{"key": "dedicated", "value": "users", "effect": "NoSchedule"}]);
        patch(app, "embedded-1", &json!({"spec": {"taints": taint}})).await;
        patch(app, "embedded-2", &json!({"metadata": {"labels": {"pool": "system"}}})).await;
        let toleration = json!([{"key": "dedicated", "operator": "Equal", "value": "users"}]);
        for (more, used) in [
            (json!({}), &["embedded-2"][..]),
            (json!({"tolerations": toleration}), &["embedded-1", "embedded-2"]),
            (json!({"node-selector": {"pool": "system"}}), &["embedded-2"]),
            (json!({"node-selector": {"pool": "users"}}), &[]),
        ] {
            let mut template = image("layby/notebook:1");
            template
                .as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            start(app, &template).await;
            assert_eq!(nodes_of(&pods(app).await), used, "{more}");
            if used.is_empty() {
                let told = told(app).await;
                assert_eq!(told["status"], "loading");
                assert!(
                    told["error"].as_str().unwrap().starts_with("There is no node"),
                    "{told}"
                );
            } else {
                assert_eq!(look_until_done(app).await["status"], "completed");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_failing_node_is_named_and_given_up_after_half_an_hour() {
    App::run(async |app| {
        start(app, &image("layby/pull-error-on-embedded-2:1")).await;
        app.advance(PACE).await;
        let told = told(app).await;
        assert_eq!(told["status"], "loading");
        let error = told["error"].as_str().unwrap();
        assert!(
            error.starts_with("Node 'embedded-2': 'layby/pull-error-on-embedded-2:1' cannot be pulled"),
            "{error}"
        );
        assert!(!error.contains("embedded-1"), "{error}");
        app.advance(domain::limits::PRELOAD_MAX).await;
        let told = look_until_done(app).await;
        assert_eq!(told["status"], "loading");
        let error = told["error"].as_str().unwrap();
        assert!(error.starts_with("Given up. Node 'embedded-2'"), "{error}");
        assert!(error.ends_with("Preload the template again to try again."), "{error}");

        app.post(PATH).key(app.apps()).await.expect(200);
        assert_eq!(nodes_of(&pods(app).await), ["embedded-1", "embedded-2"]);
        assert_ne!(self::told(app).await["start-time"], told["start-time"]);
    })
    .await;
}

#[tokio::test]
async fn another_image_takes_the_place_of_the_one_that_loads() {
    App::run(async |app| {
        start(app, &image("layby/pull-error:1")).await;
        let former = namespaces(app).await;
        start(app, &image("layby/notebook:2")).await;
        let told = told(app).await;
        assert_eq!((&told["status"], &told["error"]), (&json!("loading"), &Value::Null));
        assert_eq!(look_until_done(app).await["status"], "completed");
        let row = row(app).await;
        assert_eq!(row.current.workload.image.as_str(), "layby/notebook:2");
        assert_ne!(former, [row.current.id.to_string()]);
    })
    .await;
}

#[tokio::test]
async fn one_whose_namespace_is_deleted_by_somebody_else_begins_again() {
    App::run(async |app| {
        start(app, &image("layby/notebook:1")).await;
        let namespace = namespaces(app).await.pop().unwrap();
        let path = format!("/api/v1/namespaces/{namespace}");
        invariants::cluster(app, Method::DELETE, &path, None).await.expect(200);
        assert_eq!(look_until_done(app).await["status"], "completed");
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_is_out_of_reach_is_told_and_waited_for() {
    App::run(async |app| {
        app.outages().begin(Peer::Cluster);
        start(app, &image("layby/notebook:1")).await;
        let told = told(app).await;
        assert_eq!(
            (&told["status"], &told["error"]),
            (&json!("loading"), &json!("The cluster could not be reached."))
        );
        app.outages().end(Peer::Cluster);
        assert_eq!(look_until_done(app).await["status"], "completed");
    })
    .await;
}

#[tokio::test]
async fn the_namespace_of_one_that_is_over_goes_once_it_is_not_young() {
    App::run(async |app| {
        app.reap().await;
        start(app, &image("layby/pull-error:1")).await;
        let current = namespaces(app).await;
        let (late, theirs) = ("ab".repeat(16), "cd".repeat(16));
        let installation = app.adapter().config().installation;
        meddling::make_preload_namespace(app, &late, installation.as_str()).await;
        meddling::make_preload_namespace(app, &theirs, "another").await;
        let swept = async || {
            meddling::set_sweep(app, 0, app.now() - SignedDuration::from_hours(1)).await;
            let report = app.reap().await;
            assert_eq!(report["errors"], 0, "{report}");
            app.advance(Duration::from_secs(5)).await;
            let mut left = namespaces(app).await;
            left.retain(|name| !current.contains(name));
            (report["lanes"][0]["repairs"]["late-removed"].clone(), left)
        };
        assert_eq!(swept().await, (json!(0), vec![late.clone(), theirs.clone()]));
        app.advance(domain::limits::PRELOAD_GRACE).await;
        assert_eq!(swept().await, (json!(1), vec![theirs.clone()]));
        assert_eq!(swept().await, (json!(0), vec![theirs]));
        assert_eq!(told(app).await["status"], "loading");
        assert_eq!(current, [row(app).await.current.id.to_string()], "it goes on");
    })
    .await;
}

fn image(image: &str) -> Value {
    json!({ "image-source": image })
}

/// Writes the template and asks for its preload.
async fn start(app: &App, template: &Value) {
    app.template_of(TEMPLATE, template).await;
    app.post(PATH).key(app.apps()).await.expect(200);
}

async fn told(app: &App) -> Value {
    app.get(PATH).key(app.apps()).await.expect(200)
}

/// Looks, over time, until only the record is left, and gives what is told of it then.
async fn look_until_done(app: &App) -> Value {
    for _ in 0..ROUNDS_MAX {
        app.advance(PACE).await;
        let told = told(app).await;
        if matches!(row(app).await.state, PreloadState::Done { .. }) {
            assert_eq!(namespaces(app).await, Vec::<String>::new());
            return told;
        }
    }
    panic!("it is not over: {:?}", row(app).await)
}

async fn stored(app: &App) -> Option<Preload> {
    let (template, cell) = (
        TemplateName::parse(TEMPLATE).unwrap(),
        CellName::parse("default").unwrap(),
    );
    let lifecycle = app.adapter().lifecycle().unwrap();
    let row = lifecycle.store().preload(&template, &cell).await.unwrap();
    row.map(|row| row.value)
}

async fn row(app: &App) -> Preload {
    stored(app).await.unwrap()
}

/// The names of all namespaces of preloads.
async fn namespaces(app: &App) -> Vec<String> {
    let path = "/api/v1/namespaces?labelSelector=layby.dev/preload";
    let list = invariants::cluster(app, Method::GET, path, None).await.expect(200);
    let names = list["items"].as_array().unwrap().iter();
    names
        .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

/// The pods of all preloads.
async fn pods(app: &App) -> Vec<Value> {
    let path = "/api/v1/pods?labelSelector=layby.dev/preload";
    let list = invariants::cluster(app, Method::GET, path, None).await.expect(200);
    list["items"].as_array().unwrap().clone()
}

/// The nodes that these pods are on, in order.
fn nodes_of(pods: &[Value]) -> Vec<&str> {
    let mut nodes: Vec<&str> = pods
        .iter()
        .map(|pod| pod["spec"]["nodeName"].as_str().unwrap())
        .collect();
    nodes.sort_unstable();
    nodes
}

/// Changes a node, as its administrator.
async fn patch(app: &App, node: &str, change: &Value) {
    let kubernetes = app.adapter().kubernetes().expect("the cluster is embedded");
    let answer = Http::new(&kubernetes.url())
        .ask(Method::PATCH, &format!("/api/v1/nodes/{node}"))
        .key(&format!("Bearer {}", kubernetes.token()))
        .header("content-type", "application/merge-patch+json")
        .json(change)
        .await;
    answer.expect(200);
}
