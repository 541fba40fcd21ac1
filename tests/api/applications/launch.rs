//! `POST /applications/{template}` and `POST /applications` with `{"template-name"}`.

mod bodies;
mod idempotency;
mod outages;
mod quotas;
mod registry;

use local::Options;
use serde_json::json;
use tests::{App, Http, Launched, in_time};

#[tokio::test]
async fn a_launch_answers_with_an_id_and_a_token_and_comes_up_at_its_location() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let answer = app.post("/applications/notebook").await;
        let body = answer.expect(200);
        let launched = Launched::of("notebook", &answer);
        assert_eq!(body, json!({ "id": launched.id, "token": launched.token }));
        assert!(launched.id.len() == 32 && launched.id.bytes().all(|b| b"0123456789abcdef".contains(&b)));

        let location = app.read_until(&launched, "deployed").await["location"].clone();
        let proxy = app.ready().proxy.clone();
        let expected = format!("{}/user/{}", proxy.strip_prefix("http://").unwrap(), launched.id);
        assert_eq!(location, expected);
        let page = Http::new(&proxy).get(&format!("/user/{}/", launched.id)).await;
        assert!(
            page.status == 200 && page.text().contains(&launched.id),
            "{}",
            page.text()
        );
    })
    .await;
}

#[tokio::test]
async fn where_the_public_host_has_the_id_in_it_each_application_answers_at_a_host_of_its_own() {
    let mut options = Options::embedded();
    options.host_per_application = true;
    in_time(async {
        let app = App::start(options).await;
        app.template("notebook", "layby/notebook:1").await;
        let (one, other) = (app.launch("notebook").await, app.launch("notebook").await);
        let proxy = app.ready().proxy.clone();
        let port = proxy.rsplit(':').next().unwrap();
        for launched in [&one, &other] {
            let id = &launched.id;
            let seen = app.read_until(launched, "deployed").await;
            let host = format!("{id}.localhost:{port}");
            assert_eq!(seen["location"], format!("{host}/user/{id}"));
            // As a browser asks, which finds every name below localhost on this machine.
            let page = Http::new(&proxy)
                .get(&format!("/user/{id}/"))
                .header("host", &host)
                .await;
            assert!(page.status == 200 && page.text().contains(id), "{}", page.text());
        }
        app.stop().await;
    })
    .await;
}

#[tokio::test]
async fn both_old_forms_launch_and_the_path_goes_before_the_body() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.template("other", "layby/notebook:1").await;
        for body in [
            json!({ "template-name": "notebook" }),
            json!({ "templateName": "notebook" }),
        ] {
            let launched = Launched::of("notebook", &app.post("/applications/").json(&body).await);
            assert_eq!(app.read(&launched).await["template-name"], "notebook");
        }
        let launched = app.launch_of("notebook", &json!({ "template-name": "other" })).await;
        assert_eq!(app.read(&launched).await["template-name"], "notebook");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_template_is_told_in_the_old_sentence_with_its_name() {
    App::run(async |app| {
        let sentence = "Could not fetch template with name nothing-here from registry";
        let by_path = app.post("/applications/nothing-here").await;
        assert_eq!(by_path.problem(404, "registryError"), sentence);
        let by_body = app
            .post("/applications")
            .json(&json!({ "template-name": "nothing-here" }))
            .await;
        assert_eq!(by_body.problem(404, "registryError"), sentence);
    })
    .await;
}

#[tokio::test]
async fn without_a_template_name_the_missing_parameter_is_told_in_the_old_sentence() {
    App::run(async |app| {
        let sentence = app
            .post("/applications/")
            .json(&json!({ "name": "x" }))
            .await
            .problem(422, "malformedRequest");
        assert_eq!(
            sentence,
            "Request does not contain the required parameters for this endpoint: template-name"
        );
    })
    .await;
}

#[tokio::test]
async fn a_name_that_no_template_can_have_is_refused_with_the_rule() {
    App::run(async |app| {
        let rule = "a template's name begins with a lower-case letter or digit and has at most 253 lower-case letters, digits, '.', '_' and '-'";
        for (path, shown) in [("Big", "Big"), ("-x", "-x"), ("a%20b", "a b"), ("%C3%A4", "ä"), ("a%0Ab", "ab")] {
            let sentence = app.post(&format!("/applications/{path}")).await.problem(400, "malformedRequest");
            assert_eq!(sentence, format!("'{shown}' is not allowed: {rule}"));
        }
        let long = "x".repeat(254);
        let sentence = app.post(&format!("/applications/{long}")).await.problem(400, "malformedRequest");
        assert_eq!(sentence, format!("'{}…' is not allowed: {rule}", "x".repeat(80)));
        let in_body = app.post("/applications").json(&json!({ "template-name": "Big" })).await;
        assert_eq!(in_body.problem(400, "malformedRequest"), format!("'Big' is not allowed: {rule}"));
    })
    .await;
}

#[tokio::test]
async fn where_launches_are_keyed_nobody_launches_without_a_key() {
    App::run_with(&[("LAYBY_LAUNCHES", "keyed")], async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let refused = "this needs an API key with the scope 'apps' in the Authorization header";
        assert_eq!(
            app.post("/applications/notebook").await.problem(403, "unauthorized"),
            refused
        );
        let wrong = app.post("/applications/notebook").key("wrong").await;
        assert_eq!(wrong.problem(403, "unauthorized"), refused);
        app.post("/applications/notebook").key(app.apps()).await.expect(200);
        app.post("/applications")
            .key(app.admin())
            .json(&json!({ "template-name": "notebook" }))
            .await
            .expect(200);
    })
    .await;
}
