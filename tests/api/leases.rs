//! `/lease`, `/leases` and `/clusters`: what their callers send and are told, in full.

use std::time::Duration;

use serde_json::{Value, json};
use tests::cases::leases::{UNKNOWN_TOKEN, key};
use tests::{Answer, App, Http};

/// What k8s-claimer's command line sends.
const OLD_BODY: &str =
    "{\"max_time\":60,\"cluster_regex\":\"\",\"cluster_version\":\"\",\"cloud_provider\":\"static\"}\n";

async fn ask(app: &App, body: &str) -> Answer {
    app.post("/lease").key(key(app)).body(body.to_owned()).await
}

async fn leased(app: &App, seconds: u64) -> Value {
    ask(app, &json!({ "max_time": seconds }).to_string()).await.expect(200)
}

fn path(lease: &Value) -> String {
    format!("/lease/{}", lease["token"].as_str().unwrap())
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_refused_with_the_rule() {
    App::run_leasing(1, async |app| {
        let rules = json!({ "max-time": 600 });
        let pool = app.put("/cluster-pools/default").key(app.admin()).json(&rules);
        pool.await.expect(200);
        let many: String = (0..20)
            .map(|number| format!(r#""{number}{}": "x","#, "k".repeat(60)))
            .collect();
        let many = format!(r#"{{"max_time": 60, "labels": {{{}}}}}"#, many.trim_end_matches(','));
        for (body, rule) in [
            ("{}", "'max_time' is missing"),
            (r#"{"max_time": 0}"#, "a whole number of seconds"),
            (r#"{"max_time": -1}"#, "a whole number of seconds"),
            (r#"{"max_time": 1.5}"#, "a whole number of seconds"),
            (r#"{"max_time": "60"}"#, "a whole number of seconds"),
            (r#"{"max_time": 601}"#, "at most 600 s"),
            (
                r#"{"max_time": 60, "cloud_provider": "google"}"#,
                "cloud provider 'google'",
            ),
            (
                r#"{"max_time": 60, "cloud_provider": "google", "wait": 25}"#,
                "cloud provider 'google'",
            ),
            (r#"{"max_time": 60, "pool": "none"}"#, "no cluster pool 'none'"),
            (
                r#"{"max_time": 60, "cluster_regex": "("}"#,
                "'cluster_regex' cannot be used",
            ),
            (r#"{"max_time": 60, "cluster_version": "1..2"}"#, "'cluster_version' is"),
            (r#"{"max_time": 60, "wait": 26}"#, "0 to 25"),
            (
                r#"{"max_time": 60, "ticket": "x"}"#,
                "'ticket' is none that was given to this key",
            ),
            (many.as_str(), "more than 1024 bytes"),
        ] {
            let said = ask(app, body).await.problem(400, "malformedRequest");
            assert!(said.contains(rule), "{body}: {said}");
        }
        for token in ["x", "google/x"] {
            let path = format!("/lease/{token}");
            let said = app.delete(&path).key(key(app)).await.problem(400, "malformedRequest");
            assert!(said.contains("a lease's token is a UUID"), "{said}");
        }
        let verify = app.post("/lease/x/verify").json(&json!({ "epoch": 1 })).await;
        verify.problem(400, "malformedRequest");
        let renew = Http::new(&app.ready().api)
            .patch(&format!("/lease/{UNKNOWN_TOKEN}"))
            .key(key(app))
            .json(&json!({}));
        assert!(
            renew
                .await
                .problem(400, "malformedRequest")
                .contains("'max_time' is missing")
        );
        app.post("/lease")
            .key("none")
            .body(OLD_BODY)
            .await
            .problem(401, "unauthorized");
    })
    .await;
}

#[tokio::test]
async fn an_old_client_is_answered_as_it_was() {
    App::run_leasing(1, async |app| {
        let lease = ask(app, OLD_BODY).await.expect(200);
        assert_eq!(lease["uuid"], lease["token"]);
        assert_eq!(
            (
                &lease["cluster_name"],
                &lease["cluster_version"],
                &lease["cloud_provider"],
                &lease["ip"]
            ),
            (
                &json!("local-1"),
                &json!("v1.35.4"),
                &json!("static"),
                &json!("127.0.0.1")
            )
        );
        assert!((58..=60).contains(&lease["expires_in"].as_u64().unwrap()), "{lease}");
        let none = ask(app, OLD_BODY).await;
        assert!(none.problem(409, "noneFree").starts_with("No available clusters found"));
        let old = format!("/lease/google/{}", lease["uuid"].as_str().unwrap());
        let released = app.delete(&old).key(key(app)).await;
        assert_eq!((released.status.as_u16(), released.text().as_str()), (200, ""));
        let again = app.delete(&old).key(key(app)).await.problem(409, "noLease");
        assert!(again.contains("doesn't exist"), "{again}");
        assert_eq!(app.get("/healthz").await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_holder_is_warned_and_told_when_it_is_over_whoever_has_come() {
    App::run_leasing(1, async |app| {
        let lease = leased(app, 1_200).await;
        let epoch = json!({ "epoch": lease["epoch"] });
        let verify = format!("{}/verify", path(&lease));
        for (minutes, left, warning) in [
            (0, 1_190..=1_200, None),
            (11, 530..=540, Some("this lease ends within 10 minutes")),
            (8, 50..=60, Some("this lease ends within 2 minutes")),
        ] {
            app.advance(Duration::from_secs(60 * minutes)).await;
            let shown = app.get(&path(&lease)).key(key(app)).await;
            shown.expect(200);
            let seconds: u64 = shown.header("x-lease-expires-in").unwrap().parse().unwrap();
            assert!(left.contains(&seconds), "{seconds}");
            assert_eq!(shown.header("x-lease-warning"), warning);
            app.post(&verify).json(&epoch).await.expect(200);
        }
        let below = json!({ "epoch": lease["epoch"].as_u64().unwrap() - 1 });
        app.post(&verify).json(&below).await.problem(410, "leaseOver");
        app.advance(Duration::from_secs(70)).await;
        app.post(&verify).json(&epoch).await.problem(410, "leaseOver");
        app.get(&path(&lease)).key(key(app)).await.problem(410, "leaseOver");
        let renewal = Http::new(&app.ready().api)
            .patch(&path(&lease))
            .key(key(app))
            .json(&json!({ "max_time": 60 }));
        renewal.await.problem(410, "leaseOver");
        for _ in 0..10 {
            app.reap().await;
            app.advance(Duration::from_secs(20)).await;
        }
        app.delete(&path(&lease)).key(key(app)).await.problem(409, "noLease");
    })
    .await;
}

#[tokio::test]
async fn whoever_finds_none_free_is_told_where_in_the_line_they_are_and_nobody_is_told_a_secret() {
    App::run_leasing(1, async |app| {
        let lease = leased(app, 600).await;
        let none = ask(app, r#"{"max_time": 60}"#).await;
        none.problem(409, "noneFree");
        let told = none.json();
        assert!(none.header("retry-after").is_some() && told["position"] == 1, "{told}");
        let expected: jiff::Timestamp = told["expected_at"].as_str().unwrap().parse().unwrap();
        assert!(
            (590..=600).contains(&expected.duration_since(app.now()).as_secs()),
            "{told}"
        );

        let other = json!({ "name": "other", "scopes": ["leases"] });
        let other = app.post("/keys").key(app.admin()).json(&other).await.expect(201);
        let shown = json!({ "max_time": 60, "ticket": told["ticket"] });
        let foreign = app
            .post("/lease")
            .key(other["key"].as_str().unwrap())
            .json(&shown)
            .await;
        foreign.problem(400, "malformedRequest");
        let kept = ask(app, &shown.to_string()).await;
        kept.problem(409, "noneFree");
        assert_eq!(kept.json()["ticket"], told["ticket"]);

        let mut lines = 1;
        let full = loop {
            let answer = ask(app, r#"{"max_time": 60, "wait": 0}"#).await;
            let said = answer.problem(409, "noneFree");
            if answer.json()["ticket"].is_null() {
                break said;
            }
            lines += 1;
        };
        assert_eq!((lines, full.contains("as many places")), (100, true), "{full}");

        for (list, caller) in [("/leases", key(app)), ("/clusters", app.admin())] {
            let text = app.get(list).key(caller).await;
            text.expect(200);
            for secret in [
                "token",
                "kubeconfig",
                told["ticket"].as_str().unwrap(),
                lease["token"].as_str().unwrap(),
            ] {
                assert!(!text.text().contains(secret), "{list} tells {secret}");
            }
        }
    })
    .await;
}
