//! `GET /templates`.

use std::time::Duration;

use serde_json::{Value, json};
use tests::App;

#[tokio::test]
async fn templates_are_listed_newest_first_page_by_page() {
    App::run(async |app| {
        let mut path = "/templates?limit=2".to_owned();
        assert_eq!(app.get(&path).key(app.apps()).await.expect(200), json!([]));
        for name in ["one", "two", "three"] {
            app.template(name, "layby/notebook:1").await;
            app.advance(Duration::from_secs(1)).await;
        }
        app.template("one", "layby/notebook:2").await;
        let mut names: Vec<Value> = Vec::new();
        loop {
            let answer = app.get(&path).key(app.apps()).await;
            let page = answer.expect(200);
            names.extend(page.as_array().unwrap().iter().map(|template| template["name"].clone()));
            match crate::applications::next(&answer) {
                Some(next) => path = next,
                None => break,
            }
        }
        assert_eq!(names, ["three", "two", "one"], "a write does not make a template newer");
        let whole = app.get("/templates").key(app.apps()).await.expect(200);
        assert_eq!(whole[0], app.get("/templates/three").key(app.apps()).await.expect(200));
    })
    .await;
}
