//! `DELETE /applications/{template}/{id}`.

use net::Peer;
use serde_json::json;
use tests::{App, Http};

use super::apart;

const REFUSED: &str = "this needs an API key with the scope 'apps', or the token that the launch was answered with, in the Authorization header";

#[tokio::test]
async fn a_stopped_application_is_deleted_from_then_on_and_gone_from_its_location() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        let location = app.read_until(&launched, "deployed").await["location"].clone();
        let stopped = app.delete(&launched.path()).key(app.apps()).await.expect(202);
        let reason = stopped["reason"].as_str().unwrap();
        assert!(reason.starts_with("Stopped by the key 'local-apps-"), "{reason}");
        let expected = json!({
            "id": launched.id, "template-name": "notebook", "location": location, "status": "deleted",
            "phase": "ending", "reason": reason,
        });
        assert_eq!(stopped, expected);
        let page = Http::new(&app.ready().proxy)
            .get(&format!("/user/{}/", launched.id))
            .await;
        assert_ne!(page.status, 200, "{}", page.text());
        assert_eq!(app.read_until_ended(&launched).await["reason"], reason);
    })
    .await;
}

#[tokio::test]
async fn the_token_of_a_launch_stops_it_and_nothing_else() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        for form in ["", "Bearer ", "token "] {
            let (one, other) = (app.launch("notebook").await, app.launch("notebook").await);
            let refused = app
                .delete(&one.path())
                .header("authorization", &format!("{form}{}", other.token))
                .await;
            assert_eq!(refused.problem(403, "unauthorized"), REFUSED);
            let stopped = app
                .delete(&one.path())
                .header("authorization", &format!("{form}{}", one.token))
                .await;
            assert_eq!(stopped.expect(202)["reason"], "Stopped by the token of its launch.");
            assert_ne!(app.read(&other).await["status"], "deleted");
        }
    })
    .await;
}

#[tokio::test]
async fn whoever_may_not_stop_it_is_not_told_whether_it_exists() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        let nobody_there = "/applications/notebook/00000000000000000000000000000000";
        for path in [&launched.path(), nobody_there, "/applications/notebook/nonsense"] {
            assert_eq!(app.delete(path).await.problem(403, "unauthorized"), REFUSED);
            assert_eq!(
                app.delete(path).key("wrong").await.problem(403, "unauthorized"),
                REFUSED
            );
        }
        for path in [
            nobody_there,
            "/applications/notebook/nonsense",
            &format!("/applications/other/{}", launched.id),
        ] {
            let sentence = app.delete(path).key(app.apps()).await.problem(404, "noRecord");
            assert_eq!(sentence, "There is no record for that template/ID combination");
        }
    })
    .await;
}

#[tokio::test]
async fn stopping_twice_is_stopping_once() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        let first = app.delete(&launched.path()).key(&launched.token).await.expect(202);
        let second = app.delete(&launched.path()).key(app.admin()).await.expect(202);
        assert_eq!(second["reason"], first["reason"], "the first word stands");
        let (ended, _) = apart(app.read_until_ended(&launched).await);
        assert_eq!(app.delete(&launched.path()).key(app.apps()).await.expect(202), ended);
    })
    .await;
}

#[tokio::test]
async fn a_stop_without_cluster_and_proxy_is_taken_and_finished_later() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        app.read_until(&launched, "deployed").await;
        app.outages().begin(Peer::Cluster);
        app.outages().begin(Peer::Proxy);
        let stopped = app.delete(&launched.path()).key(app.apps()).await.expect(202);
        assert_eq!(
            (&stopped["status"], &stopped["phase"]),
            (&json!("deleted"), &json!("ending"))
        );
        app.advance(std::time::Duration::from_secs(5)).await;
        assert_eq!(app.read(&launched).await["phase"], "ending");
        app.outages().end(Peer::Cluster);
        app.outages().end(Peer::Proxy);
        app.read_until_ended(&launched).await;
    })
    .await;
}
