//! The command line of binder-client. It ends with 0 whatever the server says, and with 1 where an argument is missing.

use real::{Binder, Ran};
use serde_json::{Value, json};
use tests::App;

use crate::{IDLE, LOOKS_MAX, PACE, UNKNOWN_ID, address, page, run};

/// The command line, used on one installation with a key.
struct Line<'a> {
    app: &'a App,
    binder: &'a Binder,
    key: &'a str,
}

impl Line<'_> {
    /// What a command leaves.
    async fn run(&self, args: &[&str]) -> Ran {
        let (host, port) = address(self.app);
        let options = [
            format!("--host={host}"),
            format!("--port={port}"),
            format!("--api-key={}", self.key),
        ];
        let args: Vec<&str> = args.iter().copied().chain(options.iter().map(String::as_str)).collect();
        self.binder.run(&args).await.unwrap()
    }

    /// What the server answered, once the command has said `said` and gone well.
    async fn answer(&self, args: &[&str], said: &str) -> Value {
        let ran = self.run(args).await;
        assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""), "{ran:?}");
        let (message, body) = ran.stdout.trim().split_once("\n\n").unwrap();
        assert_eq!(message, said);
        serde_json::from_str(body).unwrap()
    }

    /// What the command complains of: of a refused key on standard error, of everything else on standard output.
    async fn complaint(&self, args: &[&str]) -> String {
        let ran = self.run(args).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let after = ran.stdout.trim().split_once("\n\n").map_or("", |(_, after)| after);
        let told = format!("{}{}", after.trim(), ran.stderr.trim());
        let told = told.strip_prefix("Error: ").map(str::to_owned);
        told.unwrap_or_else(|| panic!("{args:?}: {ran:?}"))
    }
}

/// Runs `test` with the command line and the key with the scope `apps`.
async fn with_line(test: impl AsyncFnOnce(Line<'_>)) {
    run(async |app, binder| {
        let key = app.apps();
        test(Line { app, binder, key }).await;
    })
    .await;
}

/// Every command that calls a server, as `binder COMMAND --help` has them.
#[tokio::test]
async fn every_command_is_known_here() {
    run(async |_, binder| {
        let known = [
            ("build", vec!["start", "status", "status-all"]),
            ("registry", vec!["fetch", "fetch-all"]),
            (
                "deploy",
                vec!["deploy", "status", "status-all", "preload", "preload-status"],
            ),
        ];
        for (group, commands) in known {
            let help = binder.run(&[group, "--help"]).await.unwrap().stdout;
            let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
            let listed: Vec<&str> = listed.filter_map(|line| line.split_whitespace().next()).collect();
            assert_eq!(listed, [commands, vec!["help"]].concat(), "{group}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_application_lives_from_its_launch_to_its_end() {
    with_line(async |line| {
        let deploy = ["deploy", "deploy", "course", "600000"];
        let launched = line.answer(&deploy, "Deploying course onto a Binder backend").await;
        let id = launched["id"].as_str().unwrap();
        let status = ["deploy", "status", "course", id];
        let said = format!("Getting information about the single deployment course - {id}");
        let mut seen = line.answer(&status, &said).await;
        for _ in 0..LOOKS_MAX {
            if seen["status"] == "deployed" {
                break;
            }
            line.app.advance(PACE).await;
            seen = line.answer(&status, &said).await;
        }
        assert_eq!(page(&seen["location"]).await.0, 200);
        for name in ["course", ""] {
            let said = format!("Getting information about all deployments for {name}");
            let all = line.answer(&["deploy", "status-all", name], &said).await;
            assert_eq!(all[0]["location"], seen["location"], "{all}");
        }
        line.app.advance(IDLE).await;
        line.app.reap().await;
        assert_eq!(line.answer(&status, &said).await["status"], "deleted");
    })
    .await;
}

#[tokio::test]
async fn templates_are_read_and_preloaded() {
    with_line(async |line| {
        let course = line
            .answer(&["registry", "fetch", "course"], "Fetching template from the registry")
            .await;
        assert_eq!(course["image-source"], "layby/notebook:1");
        let said = "Fetching all templates from the registry";
        assert_eq!(line.answer(&["registry", "fetch-all"], said).await, json!([course]));

        let said = "Preloading course onto all nodes of the cluster";
        let started = line.answer(&["deploy", "preload", "course"], said).await;
        assert_eq!(started, json!({ "template": "course" }));
        let said = "Checking preloading status of course";
        let mut seen = Value::Null;
        for _ in 0..LOOKS_MAX {
            seen = line.answer(&["deploy", "preload-status", "course"], said).await;
            if seen["status"] == "completed" {
                break;
            }
            line.app.advance(PACE).await;
        }
        assert_eq!(seen["status"], "completed");
    })
    .await;
}

#[tokio::test]
async fn a_wrong_key_is_told() {
    with_line(async |line| {
        let wrong = Line { key: "wrong", ..line };
        let commands: [&[&str]; 5] = [
            &["registry", "fetch", "course"],
            &["registry", "fetch-all"],
            &["deploy", "status-all", "course"],
            &["deploy", "preload", "course"],
            &["deploy", "preload-status", "course"],
        ];
        for args in commands {
            let told = wrong.complaint(args).await;
            let hint = "make sure to include a valid API token with any privileged requests";
            assert_eq!(
                told,
                format!("Unauthorized request\n  - Possible fix: {hint}"),
                "{args:?}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_told_in_the_clients_words() {
    with_line(async |line| {
        let told: [(&[&str], &str); 4] = [
            (
                &["registry", "fetch", "unknown"],
                "The requested resource does not exist\n",
            ),
            (
                &["deploy", "deploy", "unknown", "600000"],
                "Could not fetch template with name unknown from registry\n",
            ),
            (
                &["deploy", "status", "course", UNKNOWN_ID],
                "There is no record for that template/ID combination\n",
            ),
            (
                &["deploy", "preload", "unknown"],
                "Could not fetch the template to preload from the registry\n",
            ),
        ];
        for (args, sentence) in told {
            let complaint = line.complaint(args).await;
            assert!(
                complaint.starts_with(sentence) && complaint.contains("Possible fix"),
                "{complaint}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn bad_input_is_told_in_a_sentence() {
    with_line(async |line| {
        let soon = line.complaint(&["deploy", "deploy", "course", "soon"]).await;
        let told = [
            "An unidentifiable error occured",
            "malformedRequest",
            "'cull-timeout' is not as expected",
        ];
        assert!(told.iter().all(|part| soon.contains(part)), "{soon}");
        let named = line.complaint(&["deploy", "deploy", "No Name", "600000"]).await;
        assert!(named.contains("a template's name begins with"), "{named}");
        let missing = line.run(&["deploy", "status", "course"]).await;
        let expected = Ran {
            code: Some(1),
            stdout: String::new(),
            stderr: "error: missing required argument `id'\n".to_owned(),
        };
        assert_eq!(missing, expected);
    })
    .await;
}

#[tokio::test]
async fn builds_are_nowhere() {
    with_line(async |line| {
        let commands: [&[&str]; 3] = [
            &["build", "start", "https://github.com/example/course", "false"],
            &["build", "status", "course"],
            &["build", "status-all"],
        ];
        for args in commands {
            let told = line.complaint(args).await;
            let parts = [
                "An unidentifiable error occured",
                "\"status\":404",
                "\"type\":\"notFound\"",
            ];
            assert!(parts.iter().all(|part| told.contains(part)), "{args:?}: {told}");
        }
    })
    .await;
}
