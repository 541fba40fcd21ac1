//! Many who ask the same at once, and whoever is held up until it is too late.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use http::Method;
use net::{Faults, Peer};
use serde_json::{Value, json};
use tests::cases::settings::pod_template;
use tests::process::Process;
use tests::scenario::invariants::cluster;
use tests::{Answer, App, Gate};

use super::{MINUTE, NAMESPACE, PACE, PATH, ROUNDS_MAX, agrees, key, made, namespace, until};

/// Who claim one host name at once: every other one for an environment that it has already.
const CLAIMANTS: usize = 64;
/// Environments that two reapers come to at the same moment.
const DUE: usize = 8;
/// More than an environment that has ended is remembered.
const FORGOTTEN: Duration = Duration::from_secs(25 * 60 * 60);

async fn claim(app: &App, number: usize) -> Answer {
    let hosts = json!(["shared.example", format!("own-{number}.example")]);
    match number % 2 {
        0 => {
            let body = json!({"environmentName": format!("acme:new-{number}"), "hostNames": hosts});
            app.post("/environments").key(key(app)).json(&body).await
        }
        _ => {
            let path = format!("/environments/acme:old-{number}");
            app.patch(&path).key(key(app)).json(&json!({"hostNames": hosts})).await
        }
    }
}

#[tokio::test]
async fn of_64_who_claim_a_host_name_one_gets_it() {
    App::run(async |app| {
        for number in (1..CLAIMANTS).step_by(2) {
            let body = json!({"environmentName": format!("acme:old-{number}")});
            app.post("/environments").key(key(app)).json(&body).await.expect(201);
        }
        let answers = join_all((0..CLAIMANTS).map(|number| claim(app, number))).await;
        let (won, lost): (Vec<_>, Vec<_>) = answers
            .iter()
            .enumerate()
            .partition(|(_, answer)| answer.status.is_success());
        assert_eq!((won.len(), lost.len()), (1, CLAIMANTS - 1));
        for (_, answer) in &lost {
            answer.problem(409, "hostTaken");
        }
        // Whoever lost has none of the others either, and the winner gives it up for the next.
        let (winner, loser) = (won[0].1.json(), lost[0].0);
        let winner = format!("/environments/{}", winner["environmentName"].as_str().unwrap());
        let none = json!({"hostNames": []});
        app.patch(&winner).key(key(app)).json(&none).await.expect(200);
        assert!(claim(app, loser).await.status.is_success());
    })
    .await;
}

async fn ask(process: &Process, app: &App, method: Method, path: &str, body: &Value) -> (u16, Value) {
    let headers = [("authorization", key(app))];
    let answer = process.ask(method, path, &headers, &body.to_string()).await;
    let answer = answer.expect("it lives");
    let body = serde_json::from_slice(answer.body()).unwrap_or_default();
    (answer.status().as_u16(), body)
}

async fn slow(app: &App, faults: Faults) -> Process {
    Process::other(app, app.adapter().config(), faults).await
}

/// Waits until there is no namespace of the name.
async fn without_namespace(app: &App) {
    for _ in 0..ROUNDS_MAX {
        if namespace(app).await.is_none() {
            return;
        }
        app.advance(PACE).await;
    }
    panic!("{:?} stays", namespace(app).await);
}

/// A creation is held at one of its calls until the environment is deleted.
async fn deleted_meanwhile(gate: (Arc<Gate>, Faults)) {
    App::run(async |app| {
        let (gate, faults) = gate;
        let slow = slow(app, faults).await;
        let body = json!({"environmentName": "acme:one", "hostNames": ["one.example"]});
        let create = ask(&slow, app, Method::POST, "/environments", &body);
        let delete = async { app.delete(PATH).key(key(app)).await.expect(204) };
        let ((status, told), _) = gate.amid(create, delete).await;
        assert_eq!((status, &told["type"]), (409, &json!("conflict")), "{told}");
        until(app, "gone").await;
        without_namespace(app).await;
        made(app).await;
    })
    .await;
}

#[tokio::test]
async fn a_delete_overtakes_a_creation_that_has_no_namespace_yet() {
    deleted_meanwhile(Gate::at(Peer::Cluster, Method::POST, "/api/v1/namespaces")).await;
}

#[tokio::test]
async fn a_delete_overtakes_a_creation_that_has_its_namespace() {
    deleted_meanwhile(Gate::at(Peer::Cluster, Method::POST, "/secrets")).await;
}

/// A creation is held at one of its calls until another environment of the same name is there.
async fn made_again_meanwhile(gate: (Arc<Gate>, Faults)) {
    App::run(async |app| {
        let (gate, faults) = gate;
        let slow = slow(app, faults).await;
        let body = json!({"environmentName": "acme:one", "hostNames": ["late.example"]});
        let create = ask(&slow, app, Method::POST, "/environments", &body);
        let again = async {
            app.delete(PATH).key(key(app)).await.expect(204);
            until(app, "gone").await;
            made(app).await
        };
        let ((status, told), again) = gate.amid(create, again).await;
        assert_eq!((status, &told["type"]), (409, &json!("conflict")), "{told}");
        let settled = until(app, "ready").await;
        assert_eq!(settled["publicSecret"], again["publicSecret"]);
        agrees(app, &settled).await;
    })
    .await;
}

#[tokio::test]
async fn a_late_namespace_is_none_of_the_next_environments() {
    made_again_meanwhile(Gate::at(Peer::Cluster, Method::POST, "/api/v1/namespaces")).await;
}

#[tokio::test]
async fn late_keys_are_none_of_the_next_environments() {
    made_again_meanwhile(Gate::at(Peer::Cluster, Method::POST, "/secrets")).await;
}

#[tokio::test]
async fn late_host_names_do_not_come_over_later_ones() {
    App::run(async |app| {
        made(app).await;
        let (gate, faults) = Gate::at(Peer::Cluster, Method::PUT, "/namespaces/acme-one");
        let slow = slow(app, faults).await;
        let hosts = |name: &str| json!({"hostNames": [name]});
        let (early, late) = (hosts("early.example"), hosts("late.example"));
        let patch = ask(&slow, app, Method::PATCH, PATH, &early);
        let later = async { app.patch(PATH).key(key(app)).json(&late).await.expect(200) };
        gate.amid(patch, later).await;
        let settled = until(app, "ready").await;
        assert_eq!(settled["hostNames"], late["hostNames"]);
        agrees(app, &settled).await;
    })
    .await;
}

#[tokio::test]
async fn two_reapers_at_once_make_and_remove_each_environment_once() {
    App::run(async |app| {
        let paths: Vec<String> = (0..DUE).map(|number| format!("/environments/acme:e{number}")).collect();
        app.outages().begin(Peer::Cluster);
        for path in &paths {
            let name = path.trim_start_matches("/environments/");
            let body = json!({"environmentName": name, "ttl": 3_600});
            app.post("/environments").key(key(app)).json(&body).await.expect(201);
        }
        app.outages().end(Peer::Cluster);
        let free = || -> Faults { Arc::new(|_, _| net::Fault::Pass) };
        let reapers = [slow(app, free()).await, slow(app, free()).await];
        let both = async || {
            app.advance(MINUTE).await;
            futures::join!(reapers[0].reap(), reapers[1].reap())
        };
        both().await;
        for path in &paths {
            assert_eq!(app.get(path).key(key(app)).await.expect(200)["phase"], "ready");
        }
        app.advance(60 * MINUTE).await;
        for _ in 0..ROUNDS_MAX {
            both().await;
        }
        for path in &paths {
            app.get(path).key(key(app)).await.problem(404, "doesNotExist");
        }
    })
    .await;
}

/// A namespace of an environment that no row knows.
async fn stray(app: &App, name: &str) -> String {
    let installation = app.adapter().config().installation.to_string();
    let namespace = json!({"metadata": {"name": name.replace('.', "-"), "labels": {
        "layby.dev/installation": installation, "layby.dev/environment": name, "layby.dev/born": "1",
        "app.kubernetes.io/managed-by": "layby",
    }}});
    cluster(app, Method::POST, "/api/v1/namespaces", Some(&namespace))
        .await
        .expect(201);
    format!("/api/v1/namespaces/{}", name.replace('.', "-"))
}

/// Runs the reaper over an hour, and gives what each told of environments.
async fn reap_for_an_hour(app: &App) -> Vec<Value> {
    let mut told = Vec::new();
    for _ in 0..60 {
        app.advance(MINUTE).await;
        told.push(app.reap().await["environments"].take());
    }
    told
}

#[tokio::test]
async fn a_namespace_that_nobody_knows_goes_when_nobody_can_be_making_it_any_more() {
    App::run(async |app| {
        made(app).await;
        let path = stray(app, "acme.lost").await;
        reap_for_an_hour(app).await;
        cluster(app, Method::GET, &path, None).await.expect(200);
        app.advance(FORGOTTEN).await;
        let told = reap_for_an_hour(app).await;
        assert!(told.iter().any(|one| one["strays-removed"] == 1), "{told:?}");
        assert_eq!(cluster(app, Method::GET, &path, None).await.status, 404);
        agrees(app, &until(app, "ready").await).await;
    })
    .await;
}

#[tokio::test]
async fn where_nobody_knows_most_namespaces_none_is_removed() {
    App::run(async |app| {
        let mut paths = Vec::new();
        for name in ["acme.a", "acme.b", "acme.c", "acme.d"] {
            paths.push(stray(app, name).await);
        }
        app.advance(FORGOTTEN).await;
        let told = reap_for_an_hour(app).await;
        assert!(told.iter().any(|one| one["strays-held"] == 4), "{told:?}");
        for path in &paths {
            cluster(app, Method::GET, path, None).await.expect(200);
        }
    })
    .await;
}

#[tokio::test]
async fn an_earlier_namespace_makes_way_for_the_environment_of_its_name() {
    App::run(async |app| {
        let path = stray(app, "acme.one").await;
        assert_eq!(path, NAMESPACE);
        let told = made(app).await;
        assert!(
            told["reason"]
                .as_str()
                .is_some_and(|why| why.contains("earlier namespace")),
            "{told}"
        );
        agrees(app, &until(app, "ready").await).await;
    })
    .await;
}

#[tokio::test]
async fn of_many_who_ask_with_one_key_each_gets_what_one_made() {
    App::run(async |app| {
        for round in 0..4 {
            let body = json!({"environmentName": format!("acme:k{round}"), "hostNames": [format!("k{round}.example")]});
            let once = format!("a-key-of-round-{round}");
            let ask = async |body: &Value| {
                let ask = app.post("/environments").key(key(app)).header("idempotency-key", &once);
                ask.json(body).await
            };
            let answers = join_all((0..8).map(|_| ask(&body))).await;
            let first = answers[0].expect(201);
            for answer in &answers {
                assert_eq!(answer.expect(201)["publicSecret"], first["publicSecret"]);
            }
            let mut other = body.clone();
            other["protect"] = json!(true);
            ask(&other).await.problem(422, "idempotencyKeyReused");
        }
    })
    .await;
}

#[tokio::test]
async fn a_late_sleep_does_not_come_over_a_later_waking() {
    App::run(async |app| {
        made(app).await;
        let asked = json!({"deploymentName": "web", "publicHosts": "", "replicas": 2, "pts": pod_template()});
        let path = format!("{PATH}/deployments");
        app.post(&path).key(key(app)).json(&asked).await.expect(201);
        let web = format!("{path}/web");
        for held in ["/namespaces/acme-one/deployments", "/deployments/web"] {
            let is_list = held.ends_with("deployments");
            let method = if is_list { Method::GET } else { Method::PUT };
            let (gate, faults) = Gate::at(Peer::Cluster, method, held);
            let slow = slow(app, faults).await;
            let sleep = json!({"asleep": true});
            let asleep = ask(&slow, app, Method::PATCH, PATH, &sleep);
            let awake = async {
                let awake = json!({"asleep": false});
                app.patch(PATH).key(key(app)).json(&awake).await.expect(200)
            };
            gate.amid(asleep, awake).await;
            assert_eq!(until(app, "ready").await["asleep"], false);
            let told = app.get(&web).key(key(app)).await.expect(200);
            assert_eq!(told["spec"]["replicas"], 2, "{held}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_has_lost_its_namespace_is_made_again() {
    App::run(async |app| {
        let before = made(app).await;
        cluster(app, Method::DELETE, NAMESPACE, None).await.expect(200);
        without_namespace(app).await;
        let told = reap_for_an_hour(app).await;
        assert!(told.iter().any(|one| one["lost"] == 1), "{told:?}");
        let settled = until(app, "ready").await;
        assert_eq!(settled["publicSecret"], before["publicSecret"]);
        agrees(app, &settled).await;
        let again = reap_for_an_hour(app).await;
        assert!(again.iter().all(|one| one["lost"] == 0), "{again:?}");
    })
    .await;
}

#[tokio::test]
async fn what_has_lost_its_labels_is_not_taken_for_gone() {
    App::run(async |app| {
        made(app).await;
        let mut bare = namespace(app).await.unwrap();
        let labels = bare["metadata"]["labels"].take();
        cluster(app, Method::PUT, NAMESPACE, Some(&bare)).await.expect(200);
        app.delete(PATH).key(key(app)).await.expect(204);
        app.advance(MINUTE).await;
        app.reap().await;
        let told = app.get(PATH).key(key(app)).await.expect(200);
        let reason = told["reason"].as_str().unwrap();
        assert!(told["phase"] == "deleting" && reason.contains("labels"), "{told}");
        let claim = json!({"environmentName": "acme:two", "hostNames": ["one.example"]});
        let claimed = app.post("/environments").key(key(app)).json(&claim).await;
        claimed.problem(409, "hostTaken");
        let mut back = namespace(app).await.unwrap();
        back["metadata"]["labels"] = labels;
        cluster(app, Method::PUT, NAMESPACE, Some(&back)).await.expect(200);
        until(app, "gone").await;
    })
    .await;
}
