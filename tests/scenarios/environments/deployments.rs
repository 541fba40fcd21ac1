//! Deployments: made, changed and deleted by processes that die over it, or while their environment falls asleep.

use http::Method;
use net::{Faults, Peer};
use serde_json::{Value, json};
use tests::cases::settings::pod_template;
use tests::process::Process;
use tests::{App, Gate, on_a_large_stack};

use super::{PATH, at_every_call, key, made};

const DEPLOYMENTS: &str = "/environments/acme:one/deployments";
const WEB: &str = "/environments/acme:one/deployments/web";

/// What is done by a process that dies over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    Make,
    Patch,
    Delete,
}

fn asked() -> Value {
    json!({"deploymentName": "web", "publicHosts": "one.example", "pts": pod_template()})
}

async fn replicas(app: &App) -> Value {
    app.get(WEB).key(key(app)).await.expect(200)["spec"]["replicas"].take()
}

#[test]
fn a_deployment_that_is_made_is_made_once_whoever_dies_over_it() {
    on_a_large_stack(|| every_call(Flow::Make));
}

#[test]
fn a_deployment_that_is_changed_is_changed_whoever_dies_over_it() {
    on_a_large_stack(|| every_call(Flow::Patch));
}

#[test]
fn a_deployment_that_is_deleted_goes_whoever_dies_over_it() {
    on_a_large_stack(|| every_call(Flow::Delete));
}

async fn every_call(flow: Flow) {
    let app = App::start(local::Options::embedded()).await;
    made(&app).await;
    at_every_call(&app, flow, async |process, word| point(&app, flow, process, word).await).await;
    app.stop().await;
}

/// The flow in the process, as far as it lives; then whoever asked asks again, and has it.
async fn point(app: &App, flow: Flow, process: &Process, once: &str) {
    if flow != Flow::Make {
        app.post(DEPLOYMENTS).key(key(app)).json(&asked()).await.expect(201);
    }
    let scaled = json!({"replicas": 2, "envVars": [{"name": "A", "value": "b"}]});
    let (method, path, body) = match flow {
        Flow::Make => (Method::POST, DEPLOYMENTS, asked()),
        Flow::Patch => (Method::PATCH, WEB, scaled.clone()),
        Flow::Delete => (Method::DELETE, WEB, Value::Null),
    };
    let headers = [("authorization", key(app)), ("idempotency-key", once)];
    let told = process.ask(method, path, &headers, &body.to_string()).await;
    let is_told = told.is_some_and(|answer| answer.status().is_success());
    match flow {
        Flow::Make => {
            let again = app.post(DEPLOYMENTS).key(key(app)).header("idempotency-key", once);
            assert_eq!(again.json(&asked()).await.expect(201)["metadata"]["name"], "web");
            let list = app.get(DEPLOYMENTS).key(key(app)).await.expect(200);
            assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
        }
        Flow::Patch => {
            if is_told {
                assert_eq!(replicas(app).await, 2);
            }
            let changed = app.patch(WEB).key(key(app)).json(&scaled).await.expect(200);
            assert_eq!(changed["spec"]["replicas"], 2);
            let variables = &changed["spec"]["template"]["spec"]["containers"][0]["env"];
            assert_eq!(variables, &json!([{"name": "A", "value": "b"}]), "each once");
        }
        Flow::Delete => {
            let again = app.delete(WEB).key(key(app)).await;
            assert!(matches!(again.status.as_u16(), 204 | 404), "{again:?}");
            assert!(!is_told || again.status == 404, "{again:?}");
            app.get(WEB).key(key(app)).await.problem(404, "doesNotExist");
            return;
        }
    }
    app.delete(WEB).key(key(app)).await.expect(204);
}

/// Something is asked of a deployment and held at its write until the environment is put to sleep; it wakes with so many.
async fn while_it_falls_asleep(method: Method, path: &str, body: &Value, written: &'static str, wakes_with: u64) {
    App::run(async |app| {
        made(app).await;
        if path == WEB {
            app.post(DEPLOYMENTS).key(key(app)).json(&asked()).await.expect(201);
        }
        let write = if path == WEB { Method::PUT } else { Method::POST };
        let (gate, faults): (_, Faults) = Gate::at(Peer::Cluster, write, written);
        let slow = Process::other(app, app.adapter().config(), faults).await;
        let headers = [("authorization", key(app))];
        let body = body.to_string();
        let asked = slow.ask(method, path, &headers, &body);
        let sleep = async |asleep: bool| {
            let body = json!({"asleep": asleep});
            app.patch(PATH).key(key(app)).json(&body).await.expect(200)
        };
        let (answer, _) = gate.amid(asked, sleep(true)).await;
        let answer = answer.unwrap();
        assert!(answer.status().is_success(), "{answer:?}");
        let told: Value = serde_json::from_slice(answer.body()).unwrap();
        assert_eq!((&told["spec"]["replicas"], replicas(app).await), (&json!(0), json!(0)));
        sleep(false).await;
        assert_eq!(replicas(app).await, wakes_with);
    })
    .await;
}

#[tokio::test]
async fn a_deployment_that_is_made_while_its_environment_falls_asleep_sleeps_too() {
    while_it_falls_asleep(Method::POST, DEPLOYMENTS, &asked(), "/deployments", 1).await;
}

#[tokio::test]
async fn a_deployment_that_is_changed_while_its_environment_falls_asleep_sleeps_too() {
    while_it_falls_asleep(Method::PATCH, WEB, &json!({"replicas": 3}), "/deployments/web", 3).await;
}

#[tokio::test]
async fn of_two_deployments_of_one_component_no_more_than_one_stays() {
    App::run(async |app| {
        made(app).await;
        for round in 0..4 {
            let named = |name: &str| {
                let mut body = asked();
                body["deploymentName"] = json!(format!("{name}-{round}"));
                body
            };
            let (one, other) = (named("one"), named("other"));
            let ask = async |body: &Value| app.post(DEPLOYMENTS).key(key(app)).json(body).await;
            let (one, other) = futures::join!(ask(&one), ask(&other));
            let stay = [&one, &other].into_iter().filter(|answer| answer.status == 201).count();
            for answer in [&one, &other].into_iter().filter(|answer| answer.status != 201) {
                answer.problem(409, "nameTaken");
            }
            let list = app.get(DEPLOYMENTS).key(key(app)).await.expect(200);
            let there = list["items"].as_array().unwrap();
            assert!(stay <= 1 && there.len() == stay, "{stay} {list}");
            for deployment in there {
                let path = format!("{DEPLOYMENTS}/{}", deployment["metadata"]["name"].as_str().unwrap());
                app.delete(&path).key(key(app)).await.expect(204);
            }
        }
    })
    .await;
}
