//! `DELETE /keys/{name}`.

use futures::future::join_all;
use net::Fault;
use serde_json::json;
use tests::App;

use super::{made, shown};
use crate::own::Own;

#[tokio::test]
async fn a_deleted_key_is_refused_by_whoever_has_not_just_read_it() {
    App::run(async |app| {
        let answer = made(app, "ci").await;
        app.get("/templates").key(shown(&answer)).await.expect(200);
        let gone = app.delete("/keys/ci").key(app.admin()).await;
        assert_eq!((gone.status.as_u16(), gone.text().as_str()), (204, ""));
        // As another function's environment, or this one 30 s later.
        let pass: net::Faults = std::sync::Arc::new(|_, _| Fault::Pass);
        let own = Own::open(app, &api::TEMPLATE_LIST, app.adapter().config(), pass).await;
        let refused = own.http.get("/templates").key(shown(&answer)).await;
        refused.problem(403, "unauthorized");
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_does_not_exist_whatever_its_name() {
    App::run(async |app| {
        made(app, "ci").await;
        for (path, status) in [
            ("/keys/ci", 204),
            ("/keys/ci/", 404),
            ("/keys/CI", 404),
            ("/keys/a%2Fb", 404),
        ] {
            let answer = app.delete(path).key(app.admin()).await;
            assert_eq!(answer.status.as_u16(), status, "{path}");
            if status == 404 {
                let sentence = answer.problem(404, "doesNotExist");
                assert_eq!(sentence, "The requested resource does not exist");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_key_may_delete_itself_and_its_name_is_free_again() {
    App::run(async |app| {
        let body = json!({ "name": "self", "scopes": ["admin"] });
        let first = app.post("/keys").key(app.admin()).json(&body).await.expect(201);
        app.delete("/keys/self").key(shown(&first)).await.expect(204);
        let second = app.post("/keys").key(app.admin()).json(&body).await.expect(201);
        assert_ne!(first["key"], second["key"]);
        app.get("/keys").key(shown(&second)).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn of_many_that_delete_one_key_each_is_told_that_it_is_gone() {
    App::run(async |app| {
        made(app, "ci").await;
        let answers = join_all((0..6).map(|_| async { app.delete("/keys/ci").key(app.admin()).await })).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        assert!(statuses.contains(&204), "{statuses:?}");
        assert!(
            statuses.iter().all(|status| [204, 404].contains(status)),
            "{statuses:?}"
        );
    })
    .await;
}
