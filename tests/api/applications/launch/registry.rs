//! Launches whose templates come from an external registry.

use std::time::Duration;

use local::Options;
use serde_json::{Value, json};
use tests::{App, Launched, Page, Registry, in_time};

const SENTENCE: &str = "Could not fetch template with name course from registry";
const UNREACHABLE: &str = "The template registry cannot be reached or did not answer in time; try again shortly";

/// A document as the older registry writes it, which runs.
fn course() -> Value {
    json!({
        "_id": "5784f2b1", "__v": 0, "name": "course", "image-name": "course", "image-source": "layby/notebook",
        "port": 8888, "command": [], "services": [{"name": "spark", "version": "1.5", "params": {}}],
        "cull-timeout": 600_000, "time-created": "2016-07-12T13:37:54.000Z", "time-modified": "2016-07-12T13:37:54.000Z",
    })
}

/// Runs `test` with an installation whose templates come from `url`, which it asks with `key`.
async fn run(url: &str, key: &str, test: impl AsyncFnOnce(&App)) {
    let mut options = Options::embedded();
    options.real.registry_url = Some(url.to_owned());
    options.real.registry_key = Some(key.to_owned());
    in_time(async {
        let app = App::start(options).await;
        Box::pin(test(&app)).await;
        Box::pin(app.stop()).await;
    })
    .await;
}

#[tokio::test]
async fn a_launch_takes_what_the_registry_has_and_the_table_is_served_on() {
    let registry = Registry::start().await;
    registry.has("course", &course());
    run(registry.url(), Registry::KEY, async |app| {
        app.template("course", "layby/never-ready:1").await;
        let launched = app.launch("course").await;
        assert_eq!(registry.asked(), ["/templates/course"]);
        let line = app.log().pop().unwrap();
        assert_eq!(
            (&line["function"], &line["outside_calls"]),
            (&json!("application-launch"), &json!(1))
        );
        let seen = app.read_until(&launched, "deployed").await;
        assert_eq!(seen["template-name"], "course", "it is the registry's, which runs");

        let table = app.get("/templates/course").key(app.apps()).await.expect(200);
        assert_eq!(table["image-source"], "layby/never-ready:1");
        let by_body = app
            .post("/applications")
            .json(&json!({ "template-name": "course" }))
            .await;
        by_body.expect(200);
        assert_eq!(registry.asked().len(), 2, "reads and lists of templates do not ask it");
    })
    .await;
}

#[tokio::test]
async fn what_is_no_template_is_the_old_sentence_with_what_is_wrong_and_never_in_the_log() {
    let registry = Registry::start().await;
    let telling = "a-telling-piece-of-the-answer";
    run(registry.url(), Registry::KEY, async |app| {
        let unknown = app.post("/applications/course").await.problem(404, "registryError");
        assert_eq!(unknown, format!("{SENTENCE}: it answered 404"));
        let answer = |status, body: &str| Page::Answer(status, body.to_owned());
        let too_large = json!({"image-source": "layby/notebook", "x": "x".repeat(1024 * 1024)}).to_string();
        for (page, why) in [
            (answer(500, telling), "it answered 500"),
            (answer(204, ""), "it answered 204"),
            (answer(201, &course().to_string()), "it answered 201"),
            (Page::Redirect("/templates/elsewhere".to_owned()), "it answered 302"),
            (answer(200, &format!("<p>{telling}</p>")), "not JSON (line 1, column 1)"),
            (answer(200, ""), "not JSON"),
            (answer(200, "[]"), "no JSON object"),
            (
                answer(200, r#"{"type":"doesNotExist","error":"x"}"#),
                "the registry's answer has no 'image-source'",
            ),
            (
                answer(200, r#"{"name":"other","image-source":"x"}"#),
                "another one, \"other\"",
            ),
            (
                answer(200, r#"{"image-source":"Not An Image"}"#),
                "'Not An Image' is not an image",
            ),
            (
                answer(200, r#"{"image-source":"x","run-as-user":0}"#),
                "'run-as-user' 0 is root",
            ),
            (answer(200, &too_large), "too large"),
        ] {
            registry.answers("course", page);
            let said = app.post("/applications/course").await.problem(404, "registryError");
            let after = said.strip_prefix(SENTENCE).and_then(|rest| rest.strip_prefix(": "));
            assert!(after.is_some_and(|after| after.contains(why)), "{said}");
            assert!(said.chars().count() < 400 && !said.contains(telling), "{said}");
        }
        registry.answers(
            "course",
            answer(200, &json!({ "image-source": telling.repeat(10_000) }).to_string()),
        );
        let said = app.post("/applications/course").await.problem(404, "registryError");
        assert!(said.chars().count() < 400, "{said}");

        assert!(
            !registry.asked().contains(&"/templates/elsewhere".to_owned()),
            "redirects are not followed"
        );
        let log: String = app.log().iter().map(Value::to_string).collect();
        for told in [telling, Registry::KEY, "elsewhere", "Not An Image", "doesNotExist"] {
            assert!(!log.contains(told), "{told}");
        }
        assert_eq!(app.get("/applications").key(app.apps()).await.expect(200), json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_key_that_the_registry_does_not_take_is_told() {
    let registry = Registry::start().await;
    registry.has("course", &course());
    for key in ["another-key", ""] {
        run(registry.url(), key, async |app| {
            let said = app.post("/applications/course").await.problem(404, "registryError");
            assert_eq!(said, format!("{SENTENCE}: it answered 403"));
        })
        .await;
    }
    assert!(registry.asked().is_empty());
}

#[tokio::test]
async fn a_registry_that_is_out_of_reach_is_503_and_leaves_the_idempotency_key_free() {
    let registry = Registry::start().await;
    let key = "a-key-for-this-launch-alone";
    run(registry.url(), Registry::KEY, async |app| {
        let ask = || app.post("/applications/course").header("idempotency-key", key);
        registry.answers("course", Page::Slow(Duration::from_secs(30), course().to_string()));
        // Waited for, it would have been launched.
        let answer = ask().await;
        assert_eq!(answer.problem(503, "registryUnreachable"), UNREACHABLE);
        assert_eq!(answer.header("retry-after"), Some("5"));
        assert_eq!(app.get("/applications").key(app.apps()).await.expect(200), json!([]));

        registry.has("course", &course());
        let launched = Launched::of("course", &ask().await);
        app.outages().begin(net::Peer::Outside);
        let again = Launched::of("course", &ask().await);
        assert_eq!(
            (&again.id, &again.token),
            (&launched.id, &launched.token),
            "what stands needs no template"
        );
        app.post("/applications/course")
            .await
            .problem(503, "registryUnreachable");
        app.outages().end(net::Peer::Outside);
        app.read_until(&launched, "deployed").await;
    })
    .await;
}

#[tokio::test]
async fn where_nobody_listens_the_registry_is_out_of_reach() {
    let url = Registry::start().await.url().to_owned();
    tokio::task::yield_now().await;
    run(&url, Registry::KEY, async |app| {
        let answer = app.post("/applications/course").await;
        assert_eq!(answer.problem(503, "registryUnreachable"), UNREACHABLE);
        assert_eq!(answer.header("retry-after"), Some("5"));
    })
    .await;
}
