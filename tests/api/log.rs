//! The one log line of a request.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use tests::{App, Launched};

#[tokio::test]
async fn a_request_writes_one_line_with_its_route_key() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        let before = app.log().len();
        let answers = [
            app.get("/version").await,
            app.get("/templates/").key(app.apps()).await,
            app.get(&format!("{}/", launched.path())).await,
            app.get("/applications/notebook/nonsense").await,
            app.post("/applications")
                .json(&json!({ "template-name": "unknown" }))
                .await,
            app.delete(&launched.path()).await,
            app.get("/nowhere/at-all").await,
            app.ask(Method::PATCH, "/templates/notebook").await,
        ];
        let expected = [
            ("version-read", "GET /version", "INFO", 200, Value::Null),
            ("template-list", "GET /templates", "INFO", 200, Value::Null),
            (
                "application-read",
                "GET /applications/{template}/{id}",
                "INFO",
                200,
                Value::Null,
            ),
            (
                "application-read",
                "GET /applications/{template}/{id}",
                "WARN",
                404,
                json!("noRecord"),
            ),
            (
                "application-launch",
                "POST /applications",
                "WARN",
                404,
                json!("registryError"),
            ),
            (
                "application-stop",
                "DELETE /applications/{template}/{id}",
                "WARN",
                403,
                json!("unauthorized"),
            ),
            ("fallback", "$default", "WARN", 404, json!("notFound")),
            ("fallback", "$default", "WARN", 405, json!("methodNotAllowed")),
        ];
        let lines = &app.log()[before..];
        assert_eq!(lines.len(), answers.len(), "{lines:#?}");
        for ((line, answer), (function, route, level, status, code)) in lines.iter().zip(&answers).zip(expected) {
            assert_eq!(line["request_id"], answer.header("x-request-id").unwrap());
            let seen = (
                &line["function"],
                &line["route"],
                &line["level"],
                &line["status"],
                &line["code"],
            );
            assert_eq!(
                seen,
                (&json!(function), &json!(route), &json!(level), &json!(status), &code)
            );
            assert!(line["duration_ms"].is_u64(), "{line}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_line_counts_what_was_asked_of_table_cluster_and_proxy() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        app.read_until(&launched, "deployed").await;
        let keyed = app
            .post("/applications/notebook")
            .key(app.apps())
            .header("idempotency-key", "k");
        keyed.await.expect(200);
        app.post("/applications/notebook")
            .key(app.apps())
            .header("idempotency-key", "l")
            .await
            .expect(200);
        let counts =
            |line: &Value| ["store_calls", "cluster_calls", "proxy_calls"].map(|name| line[name].as_u64().unwrap());
        let log = app.log();
        let of = |function: &str| {
            log.iter()
                .filter(|line| line["function"] == function)
                .collect::<Vec<_>>()
        };
        let launches = of("application-launch");
        assert_eq!(
            counts(launches[0]),
            [3, 4, 0],
            "a launch: template, row, record; four objects"
        );
        assert_eq!(
            counts(launches[1]),
            [5, 4, 0],
            "and the key, where there is one, with the note of its use"
        );
        assert_eq!(
            counts(launches[2]),
            [3, 4, 0],
            "a key just read is not read again, nor its use noted"
        );
        app.read(&launched).await;
        assert_eq!(
            counts(app.log().last().unwrap()),
            [1, 0, 0],
            "what runs is read from the table alone"
        );
        app.get("/version").await;
        assert_eq!(counts(app.log().last().unwrap()), [0, 0, 0]);
    })
    .await;
}

#[tokio::test]
async fn the_reapers_line_carries_its_lag_for_cloudwatch() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.launch("notebook").await;
        app.advance(Duration::from_secs(30)).await;
        let report = app.reap().await;
        let line = app.log().pop().unwrap();
        assert_eq!(
            (&line["function"], &line["route"]),
            (&json!("reaper"), &json!("schedule"))
        );
        let lag = line["ReaperLag"].as_f64().unwrap();
        assert_eq!(lag, report["lag-ms"].as_f64().unwrap());
        assert!(lag >= 25_000.0, "{line}");
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(
            (&metrics["Namespace"], &metrics["Dimensions"]),
            (&json!("layby"), &json!([["Installation"]]))
        );
        let named = metrics["Metrics"].as_array().unwrap();
        assert!(
            named.contains(&json!({ "Name": "ReaperLag", "Unit": "Milliseconds" })),
            "{metrics}"
        );
        assert!(
            named
                .iter()
                .all(|metric| line[metric["Name"].as_str().unwrap()].is_number()),
            "{line}"
        );
    })
    .await;
}

#[tokio::test]
async fn no_line_has_a_key_a_token_an_id_or_a_path_in_it() {
    App::run(async |app| {
        let secret_name = "a-template-with-a-telling-name";
        app.template(secret_name, "layby/notebook:1").await;
        let key = "an-idempotency-key-nobody-may-see";
        let body = json!({ "cull-timeout": 424_242 });
        let ask = || {
            app.post(&format!("/applications/{secret_name}"))
                .header("idempotency-key", key)
        };
        let launched = Launched::of(secret_name, &ask().json(&body).await);
        ask()
            .json(&json!({ "cull-timeout": "hunter2" }))
            .await
            .problem(400, "malformedRequest");
        app.read_until(&launched, "deployed").await;
        app.get(&format!("{}?wait=0&note=telling-query", launched.path()))
            .await
            .expect(200);
        app.get(&format!("/applications/{secret_name}?cursor=telling-cursor"))
            .key(app.apps())
            .await
            .problem(400, "badCursor");
        app.get("/templates")
            .key("a-wrong-key-that-was-typed")
            .await
            .problem(403, "unauthorized");
        app.get("/a-telling-path").await.problem(404, "notFound");
        app.delete(&launched.path())
            .header("authorization", &format!("Bearer {}", launched.token))
            .await
            .expect(202);
        app.outages().begin(net::Peer::Store);
        app.get(&launched.path()).await.problem(503, "badDatabase");
        app.outages().end(net::Peer::Store);
        app.reap().await;

        let log = app.log();
        let text = log.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
        assert!(
            log.len() > 10 && text.contains("the table is out of reach"),
            "the cause of an outage is there"
        );
        for told in [
            secret_name,
            key,
            &launched.id,
            &launched.token,
            app.apps(),
            app.admin(),
            "424242",
            "hunter2",
            "telling",
            "a-wrong-key",
            "/user/",
            "127.0.0.1",
        ] {
            let line = text.lines().find(|line| line.contains(told));
            assert_eq!(line, None, "{told}");
        }
    })
    .await;
}
