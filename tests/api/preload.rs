//! `POST` and `GET /preload/{template}`.

use serde_json::json;
use tests::App;
use tests::cases::REST;

#[tokio::test]
async fn a_preload_is_told_in_the_older_services_words() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let path = "/preload/notebook";
        assert_eq!(app.get(path).key(app.apps()).await.expect(200), json!({}));

        let asked_at = app.now();
        let answer = app.post(path).key(app.apps()).await;
        assert_eq!(answer.expect(200), json!({"template": "notebook"}));
        let told = app.get(path).key(app.apps()).await.expect(200);
        let start_time = told["start-time"].clone();
        assert_eq!(
            told,
            json!({"name": "notebook", "status": "loading", "start-time": start_time})
        );
        let started_at: jiff::Timestamp = start_time.as_str().unwrap().parse().unwrap();
        assert!((asked_at..=app.now()).contains(&started_at), "{told}");

        app.advance(REST).await;
        let told = app.get(path).key(app.apps()).await.expect(200);
        assert_eq!(
            told,
            json!({"name": "notebook", "status": "completed", "start-time": start_time})
        );
    })
    .await;
}

#[tokio::test]
async fn whoever_asks_while_it_loads_joins() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let path = "/preload/notebook";
        app.post(path).key(app.apps()).await.expect(200);
        let first = app.get(path).key(app.apps()).await.expect(200);
        app.post(path).key(app.apps()).await.expect(200);
        assert_eq!(app.get(path).key(app.apps()).await.expect(200), first);
    })
    .await;
}

#[tokio::test]
async fn an_unknown_template_is_told_in_the_older_services_words() {
    App::run(async |app| {
        for name in ["unknown", "Not-A-Name"] {
            let path = format!("/preload/{name}");
            let sentence = app.post(&path).key(app.apps()).await.problem(404, "registryError");
            assert_eq!(sentence, "Could not fetch the template to preload from the registry");
            assert_eq!(app.get(&path).key(app.apps()).await.expect(200), json!({}));
        }
    })
    .await;
}
