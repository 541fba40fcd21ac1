//! `GET /applications/{template}/{id}/logs`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use net::{Fault, Peer};
use tests::{App, Launched};

use crate::own::Own;

fn path(launched: &Launched, query: &str) -> String {
    format!("{}/logs{query}", launched.path())
}

/// What is told, once it is plain text that nobody may take for anything else.
async fn told(app: &App, launched: &Launched, query: &str) -> String {
    let answer = app.get(&path(launched, query)).key(app.apps()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    answer.text()
}

async fn launch(app: &App, image: &str) -> Launched {
    app.template("course", &format!("layby/{image}:1")).await;
    app.launch("course").await
}

#[tokio::test]
async fn the_newest_lines_of_the_container_are_told() {
    App::run(async |app| {
        let launched = launch(app, "notebook").await;
        app.read_until(&launched, "deployed").await;
        let both = "starting\nlistening on 0.0.0.0:8888\n";
        for (query, expected) in [
            ("", both),
            ("?tail=10000", both),
            ("?tail=1&previous=false", "listening on 0.0.0.0:8888\n"),
            ("?tail=0", ""),
        ] {
            assert_eq!(told(app, &launched, query).await, expected, "{query}");
        }
        let line = app.log().pop().unwrap();
        assert_eq!((&line["store_calls"], &line["cluster_calls"]), (&1.into(), &2.into()));
        assert_eq!(
            told(app, &launched, "?previous=true").await,
            "Its container was not started again, so there is no log of a run before this one.\n"
        );
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused_with_the_range() {
    App::run(async |app| {
        let launched = launch(app, "notebook").await;
        for tail in ["-1", "10001", "1.5", "many", "%2B5", ""] {
            let ask = app.get(&path(&launched, &format!("?tail={tail}"))).key(app.apps());
            let said = ask.await.problem(400, "malformedRequest");
            assert_eq!(said, "'tail' is a whole number, 0 to 10000", "{tail}");
        }
        let ask = app.get(&path(&launched, "?previous=yes")).key(app.apps());
        assert_eq!(
            ask.await.problem(400, "malformedRequest"),
            "'previous' is 'true' or 'false'"
        );
    })
    .await;
}

#[tokio::test]
async fn a_container_that_was_started_again_has_the_log_of_the_run_before() {
    App::run(async |app| {
        let launched = launch(app, "crash-loop-3").await;
        app.advance(Duration::from_secs(5)).await;
        app.read(&launched).await;
        let last = "starting\nexiting with code 3\n";
        assert_eq!(told(app, &launched, "").await, last);
        assert_eq!(told(app, &launched, "?previous=true").await, last);
    })
    .await;
}

#[tokio::test]
async fn what_has_not_started_is_told_with_its_state_in_one_line() {
    App::run(async |app| {
        app.outages().begin(Peer::Cluster);
        let pending = launch(app, "notebook").await;
        let waits = told(app, &pending, "").await;
        app.outages().end(Peer::Cluster);
        assert_eq!(
            waits,
            "The cluster cannot be reached at the moment; the launch goes on by itself when it can.\n"
        );

        let creating = launch(app, "notebook").await;
        assert_eq!(
            told(app, &creating, "").await,
            "Its node is pulling the image and making the container.\n"
        );
        let broken = launch(app, "pull-error").await;
        app.advance(Duration::from_secs(3)).await;
        for query in ["", "?tail=5"] {
            let told = told(app, &broken, query).await;
            assert!(
                told.starts_with("Its image 'layby/pull-error:1' cannot be pulled: ") && told.lines().count() == 1,
                "{told}"
            );
        }
        let large = serde_json::json!({"image-source": "layby/notebook:1", "requests": {"cpu": "900"}, "limits": {"cpu": "900"}});
        app.template_of("large", &large).await;
        let homeless = app.launch("large").await;
        app.advance(Duration::from_secs(3)).await;
        let told = told(app, &homeless, "").await;
        assert!(told.starts_with("No node can take its pod: "), "{told}");
    })
    .await;
}

#[tokio::test]
async fn what_has_ended_says_that_its_log_went_with_it() {
    App::run(async |app| {
        let launched = launch(app, "notebook").await;
        app.read_until(&launched, "deployed").await;
        app.delete(&launched.path()).key(&launched.token).await.expect(202);
        let gone = "It has ended, and its log went with it. Stopped by the token of its launch.\n";
        assert_eq!(told(app, &launched, "").await, gone);
        app.read_until_ended(&launched).await;
        assert_eq!(told(app, &launched, "?previous=true").await, gone);
    })
    .await;
}

#[tokio::test]
async fn an_application_whose_pod_is_gone_says_so() {
    App::run(async |app| {
        let launched = launch(app, "notebook").await;
        app.read_until(&launched, "deployed").await;
        let lifecycle = app.adapter().lifecycle().unwrap();
        let cluster = &lifecycle.cells().next().unwrap().cluster;
        let id = domain::ApplicationId::parse(&launched.id).unwrap();
        cluster.delete_namespace(&id, None).await.unwrap();
        app.advance(Duration::from_secs(5)).await;
        assert_eq!(told(app, &launched, "").await, "Its pod is gone from the cluster.\n");
    })
    .await;
}

#[tokio::test]
async fn only_a_key_reads_logs_and_only_of_what_the_path_names() {
    App::run(async |app| {
        let launched = launch(app, "notebook").await;
        for ask in [
            app.get(&path(&launched, "")),
            app.get(&path(&launched, "")).key(&launched.token),
        ] {
            ask.await.problem(403, "unauthorized");
        }
        let other_template = format!("/applications/other/{}/logs", launched.id);
        for path in [other_template.as_str(), "/applications/course/nonsense/logs"] {
            app.get(path).key(app.apps()).await.problem(404, "noRecord");
        }
    })
    .await;
}

#[tokio::test]
async fn without_the_cluster_the_caller_is_told_to_come_back() {
    App::run(async |app| {
        let launched = launch(app, "notebook").await;
        app.read_until(&launched, "deployed").await;
        app.outages().begin(Peer::Cluster);
        let answer = app.get(&path(&launched, "")).key(app.apps()).await;
        app.outages().end(Peer::Cluster);
        assert_eq!(
            answer.problem(503, "badKubeRequest"),
            "The cluster cannot be reached at the moment; try again shortly"
        );
        assert_eq!(answer.header("retry-after"), Some("5"));
    })
    .await;
}

#[tokio::test]
async fn of_a_long_log_the_newest_whole_lines_are_told_and_the_cut_is_marked() {
    App::run(async |app| {
        let launched = launch(app, "notebook").await;
        app.read_until(&launched, "deployed").await;
        let written: String = (0..300_000).map(|number| format!("{number:09}\n")).collect();
        let faults: net::Faults = Arc::new(move |peer, request| {
            if peer == Peer::Cluster && request.uri().path().ends_with("/log") {
                Fault::Answer(http::Response::new(Bytes::from(written.clone())))
            } else {
                Fault::Pass
            }
        });
        let own = Own::open(app, &api::APPLICATION_LOGS, app.adapter().config(), faults).await;
        let text = own.http.get(&path(&launched, "")).key(app.apps()).await.text();
        let (first, rest) = text.split_once('\n').unwrap();
        assert_eq!(first, "[… earlier lines left out]");
        assert!(rest.ends_with("\n000299999\n") && text.len() <= 1024 * 1024);
        assert!(text.len() > 1024 * 1024 - 20, "no more is left out than must be");
        assert!(rest.lines().all(|line| line.len() == 9), "no line is cut");
    })
    .await;
}
