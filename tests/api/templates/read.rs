//! `GET /templates/{name}`.

use serde_json::json;
use tests::App;

#[tokio::test]
async fn a_small_template_is_told_with_its_defaults() {
    App::run(async |app| {
        app.template("small", "layby/notebook").await;
        let mut template = app.get("/templates/small").key(app.apps()).await.expect(200);
        let written = template["time-created"].take();
        assert_eq!(template["time-modified"].take(), written);
        assert!(
            written.as_str().unwrap().parse::<jiff::Timestamp>().is_ok(),
            "{written}"
        );
        let expected = json!({
            "name": "small", "image-source": "layby/notebook:latest", "port": 8888, "cull-timeout": 3_600_000,
            "max-age": 21_600_000, "run-as-user": 1000, "security": "restricted",
            "time-created": null, "time-modified": null,
        });
        assert_eq!(template, expected);
    })
    .await;
}

#[tokio::test]
async fn a_template_that_is_not_there_does_not_exist_whatever_its_name() {
    App::run(async |app| {
        for name in ["unknown", "Not-A-Name", "a%20b", &"x".repeat(300)] {
            let sentence = app
                .get(&format!("/templates/{name}"))
                .key(app.apps())
                .await
                .problem(404, "doesNotExist");
            assert_eq!(sentence, "The requested resource does not exist");
        }
    })
    .await;
}
