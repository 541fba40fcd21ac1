//! `/pools/{template}`.

use serde_json::{Value, json};
use tests::App;

const PATH: &str = "/pools/notebook";

async fn read(app: &App) -> Value {
    app.get(PATH).key(app.admin()).await.expect(200)
}

#[tokio::test]
async fn a_pool_is_written_read_and_taken_away_and_a_template_without_one_has_size_0() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let empty = json!({ "size": 0, "available": 0, "running": 0 });
        assert_eq!(read(app).await, empty);
        let one = json!({ "size": 1, "available": 0, "running": 0 });
        assert_eq!(app.pool("notebook", 1).await, one);
        for _ in 0..3 {
            app.reap().await;
            app.advance(std::time::Duration::from_secs(2)).await;
        }
        let ready = json!({ "size": 1, "available": 1, "running": 0 });
        assert_eq!(read(app).await, ready);
        app.launch("notebook").await;
        let taken = json!({ "size": 1, "available": 0, "running": 1 });
        assert_eq!(read(app).await, taken);
        for _ in 0..2 {
            let gone = app.delete(PATH).key(app.admin()).await.expect(200);
            assert_eq!(gone, json!({ "size": 0, "available": 0, "running": 1 }));
        }
    })
    .await;
}

#[tokio::test]
async fn a_size_is_a_whole_number_within_its_range_and_nothing_else_is_taken() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let put = |body: &str| app.put(PATH).key(app.admin()).body(body.to_owned());
        for good in ["0", "100"] {
            let size: u64 = good.parse().unwrap();
            assert_eq!(put(&format!(r#"{{"size": {good}}}"#)).await.expect(200)["size"], size);
        }
        for bad in ["-1", "101", "1.5", "4294967297", "\"5\"", "null", "[]", "true", "1e3"] {
            let sentence = put(&format!(r#"{{"size": {bad}}}"#))
                .await
                .problem(400, "malformedRequest");
            assert!(
                sentence.starts_with("'size' ") && sentence.contains("a whole number, 0 to 100"),
                "{bad}: {sentence}"
            );
        }
        let unknown = put(r#"{"size": 1, "sise": 2}"#).await.problem(400, "malformedRequest");
        assert!(unknown.contains("`sise`"), "{unknown}");
        let missing = put("").await.problem(400, "malformedRequest");
        assert!(missing.contains("`size`"), "{missing}");
        assert_eq!(read(app).await["size"], 100, "what is refused changes nothing");
    })
    .await;
}

#[tokio::test]
async fn a_template_that_does_not_exist_has_no_pool_but_one_that_it_left_can_be_taken_away() {
    App::run(async |app| {
        for path in ["/pools/unknown", "/pools/Unknown"] {
            app.get(path).key(app.admin()).await.problem(404, "doesNotExist");
            app.delete(path).key(app.admin()).await.problem(404, "doesNotExist");
            let put = app.put(path).key(app.admin()).json(&json!({ "size": 1 })).await;
            put.problem(404, "doesNotExist");
        }
        app.template("notebook", "layby/notebook:1").await;
        app.pool("notebook", 2).await;
        app.delete("/templates/notebook").key(app.admin()).await.expect(200);
        app.get(PATH).key(app.admin()).await.problem(404, "doesNotExist");
        app.delete(PATH).key(app.admin()).await.expect(200);
        app.reap().await;
        app.delete(PATH).key(app.admin()).await.problem(404, "doesNotExist");
    })
    .await;
}

#[tokio::test]
async fn a_pool_whose_spares_keep_failing_says_why_until_it_is_written_again() {
    App::run(async |app| {
        app.template("notebook", "layby/pull-error:1").await;
        app.pool("notebook", 3).await;
        app.reap().await;
        app.advance(std::time::Duration::from_secs(301)).await;
        app.reap().await;
        let seen = read(app).await;
        let error = seen["error"].as_str().unwrap();
        assert!(
            error.starts_with("Its spares keep failing") && error.contains("cannot be pulled"),
            "{seen}"
        );
        assert!(app.pool("notebook", 3).await.get("error").is_none());
    })
    .await;
}
