//! Bodies of a launch.

use std::time::Duration;

use serde_json::{Value, json};
use tests::App;

/// Posts `body` and gives the sentence with which it is refused.
async fn refused(app: &App, body: &str) -> String {
    let answer = app.post("/applications/notebook").body(body.to_owned()).await;
    answer.problem(400, "malformedRequest")
}

#[tokio::test]
async fn a_duration_is_whole_milliseconds_up_to_a_week() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let range = "a whole number of milliseconds, 1 to 604800000";
        for (value, shown) in [
            ("0", "integer `0`"),
            ("-1", "integer `-1`"),
            ("1.5", "floating point `1.5`"),
            ("604800001", "integer `604800001`"),
            ("99999999999999999999", "floating point `1e+20`"),
            (r#""0""#, r#"string "0""#),
            (r#""-1""#, r#"string "-1""#),
            (r#""1.5""#, r#"string "1.5""#),
            (r#""""#, r#"string """#),
            (r#""soon""#, r#"string "soon""#),
        ] {
            for field in ["cull-timeout", "max-age", "cullTimeout", "maxAge"] {
                let sentence = refused(app, &format!(r#"{{"{field}": {value}}}"#)).await;
                let value_or_type = sentence.replace("invalid type", "invalid value");
                // The camel-cased names are other spellings of the same two fields.
                let named = field
                    .replace("cullTimeout", "cull-timeout")
                    .replace("maxAge", "max-age");
                let either = [field.to_owned(), named];
                let expected =
                    |name: &String| format!("'{name}' is not as expected: invalid value: {shown}, expected {range}");
                assert!(either.iter().map(expected).any(|it| it == value_or_type), "{sentence}");
            }
        }
        for value in ["true", "[]", "{}"] {
            let sentence = refused(app, &format!(r#"{{"cull-timeout": {value}}}"#)).await;
            assert!(
                sentence.starts_with("'cull-timeout' is not as expected: invalid type: "),
                "{sentence}"
            );
            assert!(sentence.ends_with(&format!("expected {range}")), "{sentence}");
        }
    })
    .await;
}

#[tokio::test]
async fn numbers_numeric_strings_and_camel_case_are_accepted() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        for body in [
            json!({ "cull-timeout": 1 }),
            json!({ "cull-timeout": 604_800_000 }),
            json!({ "cull-timeout": "60000" }),
            json!({ "cullTimeout": 60_000 }),
            json!({ "max-age": "60000", "cull-timeout": 60_000 }),
            json!({ "maxAge": 60_000 }),
            json!({ "cull-timeout": null }),
        ] {
            app.launch_of("notebook", &body).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_launch_says_goes_before_what_its_template_says() {
    App::run(async |app| {
        let template = json!({ "image-source": "layby/notebook:1", "cull-timeout": 3_600_000, "max-age": 7_200_000 });
        app.template_of("notebook", &template).await;
        let idle = app.launch_of("notebook", &json!({ "cull-timeout": "60000" })).await;
        let old = app.launch_of("notebook", &json!({ "maxAge": 90_000 })).await;
        let usual = app.launch("notebook").await;
        for launched in [&idle, &old, &usual] {
            app.read_until(launched, "deployed").await;
        }
        app.advance(Duration::from_secs(120)).await;
        assert_eq!(app.reap().await["culled"], 2);
        let why = async |launched| {
            app.read_until_ended(launched).await["reason"]
                .as_str()
                .unwrap()
                .to_owned()
        };
        let (idle, old) = (why(&idle).await, why(&old).await);
        assert!(
            idle.starts_with("Culled for inactivity: ") && idle.contains("its limit is 1 min."),
            "{idle}"
        );
        assert!(
            old.starts_with("Ended by its maximum age: ") && old.contains("its limit is 1 min 30 s."),
            "{old}"
        );
        assert_eq!(app.read(&usual).await["status"], "deployed");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_json_is_refused_with_its_position() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        for (body, line, column) in [
            ("{", 1, 1),
            ("{\"cull-timeout\": 1,\n  oops}", 2, 3),
            ("{} x", 1, 4),
            ("nope", 1, 2),
            ("{\"cull-timeout\": 01}", 1, 19),
        ] {
            let expected = format!("The body is not JSON: line {line}, column {column}");
            assert_eq!(refused(app, body).await, expected, "{body}");
        }
        let no_text = &b"{\"template-name\": \"\xff\"}"[..];
        let sentence = app
            .post("/applications")
            .body(no_text)
            .await
            .problem(400, "malformedRequest");
        assert_eq!(sentence, "The body is not JSON: line 1, column 20");
    })
    .await;
}

#[tokio::test]
async fn json_that_is_no_object_is_refused() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        for body in ["[]", r#"["notebook"]"#, "null", "3", "true", r#""notebook""#] {
            let sentence = refused(app, body).await;
            assert!(
                sentence.starts_with("The body is not as expected: "),
                "{body}: {sentence}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_wrong_type_is_refused_by_the_name_of_its_field() {
    App::run(async |app| {
        let answer = app.post("/applications").json(&json!({ "template-name": 7 })).await;
        let sentence = answer.problem(400, "malformedRequest");
        assert_eq!(
            sentence,
            "'template-name' is not as expected: invalid type: integer `7`, expected a string"
        );
    })
    .await;
}

#[tokio::test]
async fn unknown_fields_content_types_and_absent_bodies_do_not_matter() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.launch_of("notebook", &json!({ "unheard-of": { "deep": [1, 2, 3] } }))
            .await;
        app.post("/applications/notebook").body(" \n ").await.expect(200);
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "nonsense"] {
            let ask = app.post("/applications").header("content-type", content_type);
            ask.json(&json!({ "template-name": "notebook" })).await.expect(200);
        }
    })
    .await;
}

#[tokio::test]
async fn a_body_of_exactly_1_mib_is_read_and_one_byte_more_is_not() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let padded = |bytes: usize| {
            let body = json!({ "padding": "" }).to_string();
            body.replace(r#""""#, &format!("\"{}\"", "x".repeat(bytes - body.len())))
        };
        app.post("/applications/notebook")
            .body(padded(1024 * 1024))
            .await
            .expect(200);
        let over = app.post("/applications/notebook").body(padded(1024 * 1024 + 1)).await;
        let sentence = over.problem(413, "bodyTooLarge");
        assert_eq!(sentence, "The body has 1048577 bytes, at most 1048576 are allowed");
        let list = app.get("/applications/").key(app.apps()).await.expect(200);
        assert_eq!(
            list.as_array().map(Vec::len),
            Some(1),
            "the refused one launched nothing"
        );
        assert_ne!(list[0], Value::Null);
    })
    .await;
}
