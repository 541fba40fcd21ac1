//! An application's life, and the schedule, by way of the functions.

use std::time::Duration;

use api::ENDPOINTS;
use http::StatusCode;
use serde_json::{Value, json};
use tests::Http;

use crate::support::{run, told_directly};

/// Runs of the reaper until an application has ended: the second pass over what never ran is a minute later.
const RUNS_MAX: usize = 10;

/// Looks at a function that goes down.
const LOOKS_MAX: usize = 200;
/// Between two of them.
const PACE: Duration = Duration::from_millis(100);

/// The event of the schedule, as EventBridge sends it.
fn scheduled() -> Value {
    json!({
        "version": "0", "id": "89d1a02d-5ec7-412e-82f5-13505f849b41", "detail-type": "Scheduled Event",
        "source": "aws.events", "account": "123456789012", "time": "2026-11-21T12:00:00Z", "region": "eu-central-1",
        "resources": ["arn:aws:events:eu-central-1:123456789012:rule/layby-reaper"], "detail": {},
    })
}

#[tokio::test]
async fn an_application_lives_from_its_launch_to_its_end() {
    run(async |app, _| {
        app.template("notebook", "layby/notebook:1").await;
        let (reaped, read) = (app.launch("notebook").await, app.launch("notebook").await);

        let held = app.get(&format!("{}?wait=20", read.path())).await.expect(200);
        assert_eq!(held["status"], "deployed");
        let page = Http::new("")
            .get(&format!("http://{}/", held["location"].as_str().unwrap()))
            .await;
        assert_eq!(page.status, StatusCode::OK);
        let logs = app.get(&format!("{}/logs", read.path())).key(app.apps()).await;
        assert_eq!(
            (logs.status, logs.header("content-type")),
            (StatusCode::OK, Some("text/plain; charset=utf-8"))
        );

        // Nobody reads this one: the schedule alone brings it on, and ends it.
        let report = app.reap_asked(&scheduled()).await.expect(200);
        assert_eq!(
            (&report["due"], &report["deployed"], &report["errors"]),
            (&json!(1), &json!(1), &json!(0)),
            "{report}"
        );
        let listed = app
            .get("/applications?status=deployed")
            .key(app.apps())
            .await
            .expect(200);
        assert_eq!(listed.as_array().unwrap().len(), 2);
        for launched in [&reaped, &read] {
            app.delete(&launched.path()).key(&launched.token).await.expect(202);
        }
        let mut ended = 0;
        for _ in 0..RUNS_MAX {
            ended += app.reap_asked(&scheduled()).await.expect(200)["ended"]
                .as_u64()
                .unwrap();
            if ended == 2 {
                break;
            }
            app.advance(Duration::from_secs(10)).await;
        }
        assert_eq!(ended, 2);
        let over = app.read(&reaped).await;
        assert_eq!((&over["status"], &over["phase"]), (&json!("deleted"), &json!("ended")));

        let dry = app.reap_asked(&json!({ "dry-run": true })).await.expect(200);
        assert_eq!(dry["errors"], 0, "{dry}");
    })
    .await;
}

#[tokio::test]
async fn each_function_writes_a_line_a_request_and_nothing_else() {
    run(async |app, functions| {
        for endpoint in ENDPOINTS {
            match endpoint.http() {
                Some((method, paths)) => {
                    let path = paths[0].replace(['{', '}'], "");
                    app.ask(method.as_str().parse().unwrap(), &path).await;
                }
                None if endpoint.id == api::REAPER.id => {
                    app.reap_asked(&scheduled()).await.expect(200);
                }
                None => {
                    app.get("/nowhere").await.problem(404, "notFound");
                }
            }
        }
        for (name, log) in functions.logs().unwrap() {
            let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
            assert_eq!(lines.len(), 1, "{name}: {log}");
            assert_eq!(lines[0]["function"], name, "{log}");
            assert!(lines[0]["level"] != "ERROR", "{log}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_function_that_is_told_nonsense_says_so_and_goes_down() {
    let told = [
        ("LAYBY_INSTALLATION", "test".to_owned()),
        ("LAYBY_LAUNCHES", "perhaps".to_owned()),
    ];
    let functions = told_directly("version-read", &told).await;
    for _ in 0..LOOKS_MAX {
        if !functions.ended().is_empty() {
            break;
        }
        tokio::time::sleep(PACE).await;
    }
    assert_eq!(functions.ended(), ["version-read"]);
    let log = &functions.logs().unwrap()["version-read"];
    assert!(
        log.contains("LAYBY_LAUNCHES: 'perhaps' is neither 'open' nor 'keyed'"),
        "{log}"
    );
}
