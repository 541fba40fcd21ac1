//! `GET /version`.

use serde_json::json;
use tests::App;

#[tokio::test]
async fn anybody_is_told_name_and_version() {
    App::run(async |app| {
        let answer = app.get("/version").await;
        assert_eq!(
            answer.expect(200),
            json!({ "name": "layby", "version": env!("CARGO_PKG_VERSION") })
        );
        app.template("notebook", "layby/notebook:1").await;
        let one = app.launch("notebook").await;
        app.read_until(&one, "deployed").await;
    })
    .await;
}
