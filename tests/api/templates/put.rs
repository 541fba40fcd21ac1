//! `PUT /templates/{name}`.

use std::time::Duration;

use serde_json::{Value, json};
use tests::App;

/// Writes `body` and gives the sentence with which it is refused.
async fn refused(app: &App, body: &Value, status: u16, kind: &str) -> String {
    let answer = app.put("/templates/notebook").key(app.admin()).json(body).await;
    answer.problem(status, kind)
}

#[tokio::test]
async fn a_whole_template_is_kept_as_written() {
    App::run(async |app| {
        let whole = json!({
            "name": "whole", "image-name": "Whole", "image-source": "registry.example:5000/team/web@sha256:00",
            "command": ["serve", "<port>", "<id>"], "port": 8080,
            "limits": { "cpu": "500m", "memory": "512Mi" }, "requests": { "cpu": "0.25", "memory": "256M" },
            "cull-timeout": 60_000, "max-age": 120_000, "quota": 3, "env": { "MODE": "demo" },
            "node-selector": { "disk": "ssd" },
            "tolerations": [{ "key": "spot", "operator": "Exists", "effect": "NoSchedule" }],
            "run-as-user": "image", "security": "baseline", "image-pull-policy": "Always",
        });
        let mut written = app
            .put("/templates/whole")
            .key(app.admin())
            .json(&whole)
            .await
            .expect(200);
        assert_eq!(written, app.get("/templates/whole").key(app.apps()).await.expect(200));
        let fields = written.as_object_mut().unwrap();
        assert!(fields.remove("time-created").is_some() && fields.remove("time-modified").is_some());
        assert_eq!(written, whole);
    })
    .await;
}

#[tokio::test]
async fn a_second_write_replaces_all_but_when_it_was_first_written() {
    App::run(async |app| {
        let put = async |body: Value| {
            app.put("/templates/notebook")
                .key(app.admin())
                .json(&body)
                .await
                .expect(200)
        };
        let first = put(json!({ "image-source": "layby/notebook:1", "port": 80 })).await;
        app.advance(Duration::from_secs(5)).await;
        let second = put(json!({ "image-source": "layby/notebook:2" })).await;
        assert_eq!(
            (&second["time-created"], &second["port"]),
            (&first["time-created"], &json!(8888))
        );
        let at = |value: &Value| {
            value["time-modified"]
                .as_str()
                .unwrap()
                .parse::<jiff::Timestamp>()
                .unwrap()
        };
        assert!(at(&second) > at(&first));
    })
    .await;
}

#[tokio::test]
async fn unknown_fields_are_refused_by_name_and_the_old_registrys_own_are_ignored() {
    App::run(async |app| {
        let body = json!({ "image-source": "x", "image-sauce": "y" });
        let sentence = refused(app, &body, 400, "malformedRequest").await;
        assert!(
            sentence.starts_with("'image-sauce' is not as expected: unknown field `image-sauce`, expected one of"),
            "{sentence}"
        );
        let body = json!({ "image-source": "x", "limits": { "gpu": 1 } });
        let sentence = refused(app, &body, 400, "malformedRequest").await;
        assert!(
            sentence.starts_with("'limits.gpu' is not as expected: unknown field `gpu`"),
            "{sentence}"
        );
        let old = json!({
            "name": "notebook", "image-source": "x", "services": [{ "name": "spark" }],
            "time-created": "yesterday", "time-modified": "2016-01-01T00:00:00.000Z",
        });
        app.template_of("notebook", &old).await;
    })
    .await;
}

#[tokio::test]
async fn a_quantity_with_a_unit_of_another_world_is_refused_with_what_was_meant() {
    App::run(async |app| {
        for (field, value, sentence) in [
            (
                "memory",
                json!("512MB"),
                "'512MB' is not a quantity: write '512Mi' (powers of 1024) or '512M' (powers of 1000)",
            ),
            (
                "memory",
                json!("1GB"),
                "'1GB' is not a quantity: write '1Gi' (powers of 1024) or '1G' (powers of 1000)",
            ),
            ("memory", json!("0"), "'0' is not a quantity: it must be more than zero"),
            (
                "cpu",
                json!("half"),
                "'half' is not a quantity: write a number and a unit, such as '512Mi' of memory or '500m' of CPU",
            ),
            (
                "cpu",
                json!(-1),
                "'-1' is not a quantity: write a number and a unit, such as '512Mi' of memory or '500m' of CPU",
            ),
        ] {
            let body = json!({ "image-source": "x", "limits": { field: value } });
            let expected = format!("'limits.{field}' is not as expected: {sentence}");
            assert_eq!(refused(app, &body, 400, "malformedRequest").await, expected);
        }
        app.template_of(
            "notebook",
            &json!({ "image-source": "x", "limits": { "cpu": 2, "memory": "1.5e9" } }),
        )
        .await;
    })
    .await;
}

#[tokio::test]
async fn a_wrong_value_is_refused_by_the_name_of_its_field() {
    App::run(async |app| {
        for (body, start) in [
            (json!({}), "The body is not as expected: missing field `image-source`"),
            (json!([]), "The body is not as expected: "),
            (
                json!({ "image-source": 1 }),
                "'image-source' is not as expected: invalid type: integer `1`",
            ),
            (
                json!({ "image-source": "" }),
                "'image-source' is not as expected: '' is not an image",
            ),
            (
                json!({ "image-source": "a b" }),
                "'image-source' is not as expected: 'a b' is not an image",
            ),
            (
                json!({ "image-source": "x", "port": 65536 }),
                "'port' is not as expected: invalid value: integer `65536`",
            ),
            (
                json!({ "image-source": "x", "port": "80" }),
                "'port' is not as expected: invalid type: string \"80\"",
            ),
            (
                json!({ "image-source": "x", "command": "run" }),
                "'command' is not as expected: invalid type: string \"run\"",
            ),
            (
                json!({ "image-source": "x", "cull-timeout": 0 }),
                "'cull-timeout' is not as expected: invalid value",
            ),
            (json!({ "image-source": "x", "env": { "1X": "y" } }), "'env"),
            (
                json!({ "image-source": "x", "run-as-user": "root" }),
                "'run-as-user' is not as expected: ",
            ),
            (
                json!({ "image-source": "x", "security": "none" }),
                "'security' is not as expected: unknown variant `none`",
            ),
        ] {
            let sentence = refused(app, &body, 400, "malformedRequest").await;
            assert!(sentence.starts_with(start), "{body}: {sentence}");
        }
        let other = json!({ "name": "other", "image-source": "x" });
        let sentence = refused(app, &other, 400, "malformedRequest").await;
        assert_eq!(sentence, "'name' in the body is not the path's 'notebook'");
    })
    .await;
}

#[tokio::test]
async fn what_contradicts_itself_is_refused_by_the_rule() {
    App::run(async |app| {
        for (body, sentence) in [
            (
                json!({ "image-source": "x", "requests": { "cpu": 2 }, "limits": { "cpu": "500m" } }),
                "'requests.cpu' (2) is more than 'limits.cpu' (500m)",
            ),
            (json!({ "image-source": "x", "port": 0 }), "'port' must be 1 to 65535"),
            (
                json!({ "image-source": "x", "run-as-user": 0 }),
                "'run-as-user' 0 is root, which 'security' restricted forbids: set 'security' to 'baseline' or choose another user",
            ),
            (
                json!({ "image-source": "x", "image-pull-secret": "registry" }),
                "'image-pull-secret' is not supported yet: use an image that the nodes can pull by themselves",
            ),
            (
                json!({ "image-source": "x", "command": vec!["x"; 65] }),
                "'command' has 65 entries, at most 64 are allowed",
            ),
        ] {
            assert_eq!(refused(app, &body, 422, "ruleRefused").await, sentence);
        }
        let large = json!({ "image-source": "x", "env": { "X": "y".repeat(17_000) } });
        let sentence = refused(app, &large, 422, "ruleRefused").await;
        assert!(sentence.ends_with(" bytes, at most 16384 are allowed"), "{sentence}");
        app.get("/templates/notebook").key(app.apps()).await.problem(404, "doesNotExist");
    })
    .await;
}

#[tokio::test]
async fn a_name_that_no_template_can_have_is_refused_with_the_rule() {
    App::run(async |app| {
        let body = json!({ "image-source": "x" });
        for name in ["Big", "-x", "a%20b", &"x".repeat(254)] {
            let answer = app
                .put(&format!("/templates/{name}"))
                .key(app.admin())
                .json(&body)
                .await;
            let sentence = answer.problem(400, "malformedRequest");
            assert!(
                sentence.contains("is not allowed: a template's name begins with a lower-case letter"),
                "{sentence}"
            );
        }
        app.template("0.a_b-c", "x").await;
    })
    .await;
}

#[tokio::test]
async fn only_an_admin_writes() {
    App::run(async |app| {
        let body = json!({ "image-source": "x" });
        let answer = app.put("/templates/notebook").key(app.apps()).json(&body).await;
        let sentence = answer.problem(403, "unauthorized");
        assert_eq!(
            sentence,
            "this needs an API key with the scope 'admin' in the Authorization header"
        );
    })
    .await;
}
