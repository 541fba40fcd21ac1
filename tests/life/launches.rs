//! Launches, pools, preloads and logs.

use std::time::Duration;

use serde_json::{Value, json};
use tests::scenario::invariants;
use tests::{App, Http, Launched, in_time};
use tokio::time::sleep;

use crate::callers::Callers;
use crate::ground::installation;

/// Launches at once.
const MANY: usize = 20;
/// Between two looks.
const PACE: Duration = Duration::from_millis(500);
/// Looks until what goes on by itself has come about.
const LOOKS_MAX: usize = 120;

/// Reads the application until it has this status.
async fn read_until(app: &App, launched: &Launched, status: &str) -> Value {
    let mut seen = Value::Null;
    for _ in 0..LOOKS_MAX {
        seen = app.read(launched).await;
        if seen["status"] == status {
            return seen;
        }
        sleep(PACE).await;
    }
    panic!("it never became {status}: {seen}");
}

/// The page at an application's location.
async fn page(seen: &Value) -> String {
    let location = seen["location"].as_str().unwrap();
    let page = Http::new(&format!("http://{location}")).get("/").await;
    assert_eq!(page.status, 200, "{}", page.text());
    page.text()
}

#[tokio::test]
async fn twenty_launches_at_once_are_twenty_applications() {
    in_time(async {
        let (app, _proxy) = installation("twenty").await;
        app.template("notebook", "layby/notebook:1").await;
        let (callers, nothing) = (Callers::of(&app), json!({}));
        let launches = (0..MANY).map(|_| callers.launch("notebook", &nothing));
        let launched = futures::future::join_all(launches).await;
        let lives = launched.iter().map(|one| async {
            let seen = read_until(&app, one, "deployed").await;
            assert!(page(&seen).await.contains(&one.id));
        });
        futures::future::join_all(lives).await;
        assert_eq!(invariants::routed(&app).await.len(), MANY);
        let listed = app.get("/applications/notebook?status=deployed").key(app.apps()).await;
        assert_eq!(listed.expect(200).as_array().unwrap().len(), MANY);
        assert_eq!(callers.wrongs(), Vec::<String>::new());
        app.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_pool_hands_out_what_runs_already() {
    in_time(async {
        let (app, _proxy) = installation("pool").await;
        app.template("notebook", "layby/slow-5s:1").await;
        app.pool("notebook", 2).await;
        let mut pool = Value::Null;
        for _ in 0..LOOKS_MAX {
            assert_eq!(app.reap().await["errors"], 0);
            pool = app.get("/pools/notebook").key(app.admin()).await.expect(200);
            if pool["available"] == 2 {
                break;
            }
            sleep(PACE).await;
        }
        assert_eq!(pool, json!({ "size": 2, "available": 2, "running": 0 }));
        let taken = app.launch("notebook").await;
        let seen = app.read(&taken).await;
        assert_eq!(seen["status"], "deployed", "{seen}");
        assert!(page(&seen).await.contains(&taken.id));
        app.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_preload_brings_an_image_onto_every_node_and_leaves_nothing() {
    in_time(async {
        let (app, _proxy) = installation("preload").await;
        app.template("notebook", "layby/notebook:1").await;
        app.template("broken", "layby/pull-error-on-node-2:1").await;
        let preload = async |template: &str| {
            let path = format!("/preload/{template}");
            app.post(&path).key(app.apps()).await.expect(200);
            path
        };
        let told = async |path: &str| app.get(path).key(app.apps()).await.expect(200);
        let (path, broken) = (preload("notebook").await, preload("broken").await);
        let told_once = async |path: &str, is_there: fn(&Value) -> bool| {
            let mut seen = Value::Null;
            for _ in 0..LOOKS_MAX {
                seen = told(path).await;
                if is_there(&seen) {
                    break;
                }
                sleep(PACE).await;
            }
            seen
        };
        let seen = told_once(&path, |seen| seen["status"] == "completed").await;
        assert_eq!((&seen["status"], &seen["error"]), (&json!("completed"), &Value::Null));
        let seen = told_once(&broken, |seen| seen["error"].is_string()).await;
        let error = seen["error"].as_str().unwrap_or_default();
        assert!(error.contains("Node 'node-2'") && !error.contains("node-1"), "{seen}");
        app.stop().await;
    })
    .await;
}

#[tokio::test]
async fn logs_come_from_the_kubelet_through_the_api_server() {
    in_time(async {
        let (app, _proxy) = installation("logs").await;
        app.template("notebook", "layby/notebook:1").await;
        app.template("crashing", "layby/crash-loop-3:1").await;
        let (one, other) = (app.launch("notebook").await, app.launch("crashing").await);
        read_until(&app, &one, "deployed").await;
        let log = async |of: &Launched, query: &str| {
            let answer = app.get(&format!("{}/logs{query}", of.path())).key(app.apps()).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            answer.text()
        };
        assert_eq!(log(&one, "").await, "starting\nlistening on 0.0.0.0:8888\n");
        assert_eq!(log(&one, "?tail=1").await, "listening on 0.0.0.0:8888\n");
        assert!(
            log(&one, "?previous=true")
                .await
                .starts_with("Its container was not started again")
        );
        because(&app, &other, "the last exit code was 3").await;
        assert_eq!(log(&other, "?previous=true").await, "starting\nexiting with code 3\n");
        app.stop().await;
    })
    .await;
}

/// Reads the application until its reason says this.
async fn because(app: &App, launched: &Launched, words: &str) {
    let mut seen = Value::Null;
    for _ in 0..LOOKS_MAX {
        seen = app.read(launched).await;
        if seen["reason"].as_str().is_some_and(|reason| reason.contains(words)) {
            return;
        }
        sleep(PACE).await;
    }
    panic!("it never said '{words}': {seen}");
}

/// What the scripts say of these at the end of a launch, which is too long to wait for.
#[tokio::test]
async fn a_launch_says_what_it_waits_for() {
    in_time(async {
        let (app, _proxy) = installation("reasons").await;
        for (image, words) in [
            ("never-ready", "does not accept connections yet"),
            ("pull-error", "Its image 'layby/pull-error:1' cannot be pulled"),
            ("crash-loop-137", "the last exit code was 137"),
        ] {
            app.template(image, &format!("layby/{image}:1")).await;
            because(&app, &app.launch(image).await, words).await;
        }
        let cpu = json!({ "cpu": "4000" });
        let huge = json!({ "image-source": "layby/notebook:1", "limits": cpu, "requests": cpu });
        app.template_of("huge", &huge).await;
        because(&app, &app.launch("huge").await, "Insufficient cpu").await;
        for one in app
            .get("/applications/")
            .key(app.apps())
            .await
            .expect(200)
            .as_array()
            .unwrap()
        {
            assert_eq!(one["status"], "deploying", "{one}");
        }
        app.stop().await;
    })
    .await;
}
