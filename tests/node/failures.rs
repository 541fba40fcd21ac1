//! What goes wrong with containers, and what is said of it.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use tests::{App, Launched, in_time};
use tokio::time::sleep;

use crate::ground::Installation;

/// A template that comes to nothing, and what its application's reason has in it.
struct Failure {
    name: &'static str,
    template: Value,
    /// The first of them comes last.
    words: &'static [&'static str],
}

/// An image that is nowhere: its registry has no address.
const NOWHERE: &str = "registry.invalid/nobody/nothing:1";

fn failures() -> Vec<Failure> {
    let failure = |name, template, words| Failure { name, template, words };
    let crash = [
        "server",
        "--log=no database",
        "--listen-after=-1s",
        "--exit-after=300ms",
        "--exit-code=3",
    ];
    let hungry = ["server", "--log=loading", "--memory=256", "--listen-after=-1s"];
    vec![
        failure(
            "crash",
            json!({ "command": crash }),
            &[
                "keeps dying",
                "the last exit code was 3",
                "no database exits with 3, as it was told to",
            ],
        ),
        failure(
            "hungry",
            json!({ "command": hungry, "limits": { "memory": "48Mi" } }),
            &["more memory than its limit", "exit code", "137", "loading"],
        ),
        failure(
            "nowhere",
            json!({ "image-source": NOWHERE }),
            &["cannot be pulled", NOWHERE],
        ),
        failure(
            "never",
            json!({ "image-source": "layby/nothing:1", "image-pull-policy": "Never" }),
            &["cannot be pulled", "layby/nothing:1"],
        ),
        failure(
            "image",
            json!({ "run-as-user": "image" }),
            &["needs root", "runAsNonRoot"],
        ),
        failure(
            "write",
            json!({ "command": ["server", "--write=/home/main/file"] }),
            &["needs root", "as user 1000", "/home/main/file: permission denied"],
        ),
        failure(
            "command",
            json!({ "command": ["no-such-program"] }),
            &["no-such-program", "not found"],
        ),
        failure(
            "large",
            json!({ "requests": { "cpu": "1000" }, "limits": { "cpu": "1000" } }),
            &["No node can take its pod", "Insufficient cpu"],
        ),
        failure(
            "silent",
            json!({ "command": ["server", "--listen-after=-1s"] }),
            &["port 8888 does not accept"],
        ),
    ]
}

#[tokio::test]
async fn whatever_keeps_a_container_from_serving_is_explained() {
    in_time(async {
        let installation = Installation::start("failures").await;
        let app = &installation.app;
        let all = failures();
        let explained = join_all(all.iter().map(async |failure| {
            installation.template(failure.name, failure.template.clone()).await;
            let one = app.launch(failure.name).await;
            let seen = installation.explained(&one, failure.words[0]).await;
            (failure, one, seen)
        }))
        .await;
        for (failure, _, seen) in &explained {
            println!("{}: {}", failure.name, seen["reason"]);
            let reason = seen["reason"].as_str().unwrap();
            let missing: Vec<_> = failure.words.iter().filter(|words| !reason.contains(*words)).collect();
            assert!(missing.is_empty(), "{}: no {missing:?} in: {reason}", failure.name);
        }
        let (_, crash, _) = &explained[0];
        assert_eq!(
            log_before(app, crash).await,
            "no database\nexits with 3, as it was told to\n"
        );
        // It can never become anything else, so it has failed already.
        let is_over = |failure: &Failure| failure.name == "image";
        let (over, on): (Vec<_>, Vec<_>) = explained.iter().partition(|(failure, ..)| is_over(failure));
        for (_, one, _) in over {
            assert_eq!(installation.ended(one).await["status"], "failed");
        }
        join_all(on.iter().map(|(_, one, _)| installation.stop(one))).await;
        installation.app.stop().await;
    })
    .await;
}

/// The log of the run before this one. In the moment of another start, the status may still name a run that the node
/// has removed.
async fn log_before(app: &App, one: &Launched) -> String {
    for _ in 0..60 {
        let log = app.get(&format!("{}/logs?previous=true", one.path()));
        let log = log.key(app.apps()).await;
        assert_eq!(log.status, 200, "{log:?}");
        if !log.text().starts_with("Its node has removed that run") {
            return log.text();
        }
        sleep(Duration::from_secs(1)).await;
    }
    panic!("{} has no log of the run before this one", one.path());
}

#[tokio::test]
async fn what_may_have_root_has_it() {
    in_time(async {
        let installation = Installation::start("root").await;
        let template = json!({
            "command": ["server", "--write=/home/main/file"], "security": "baseline", "run-as-user": 0,
        });
        installation.template("root", template).await;
        let one = installation.app.launch("root").await;
        let seen = installation.deployed(&one).await;
        assert_eq!(installation.page(&seen, "/").await["user"], 0);
        installation.stop(&one).await;
        installation.app.stop().await;
    })
    .await;
}
