//! `DELETE /templates/{name}`.

use serde_json::json;
use tests::App;

#[tokio::test]
async fn a_removed_template_launches_nothing_more_and_its_applications_live_on() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        let answer = app.delete("/templates/notebook").key(app.admin()).await;
        assert_eq!(answer.expect(200), json!({ "name": "notebook" }));
        app.post("/applications/notebook").await.problem(404, "registryError");
        app.get("/templates/notebook")
            .key(app.apps())
            .await
            .problem(404, "doesNotExist");
        app.read_until(&launched, "deployed").await;
        let again = app.delete("/templates/notebook").key(app.admin()).await;
        assert_eq!(
            again.problem(404, "doesNotExist"),
            "The requested resource does not exist"
        );
    })
    .await;
}

#[tokio::test]
async fn only_an_admin_removes() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.delete("/templates/notebook")
            .key(app.apps())
            .await
            .problem(403, "unauthorized");
        app.get("/templates/notebook").key(app.apps()).await.expect(200);
    })
    .await;
}
