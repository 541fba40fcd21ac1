//! `GET /applications/{template}/{id}`.

use std::future::IntoFuture;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tests::App;

use super::{apart, said};

/// When something happened.
fn at(event: &Value) -> Timestamp {
    event["at"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn an_application_is_told_from_launch_to_record() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        let location = format!(
            "{}/user/{}",
            app.ready().proxy.strip_prefix("http://").unwrap(),
            launched.id
        );
        let expected = json!({
            "id": launched.id, "template-name": "notebook", "status": "deploying", "phase": "starting",
            "reason": "Its pod waits for a node.",
        });
        let mut happened = vec![("launched", "Launched."), ("waits", "Its pod waits for a node.")];
        assert_eq!(apart(app.read(&launched).await), (expected, said(&happened)));

        let expected = json!({
            "id": launched.id, "template-name": "notebook", "location": location, "status": "deployed",
            "phase": "running",
        });
        happened.push(("deployed", "Its port accepts connections and its route is made."));
        let deployed = app.read_until(&launched, "deployed").await;
        assert_eq!(apart(deployed), (expected, said(&happened)));

        app.delete(&launched.path()).key(&launched.token).await.expect(202);
        let reason = "Stopped by the token of its launch.";
        let expected = json!({
            "id": launched.id, "template-name": "notebook", "location": location, "status": "deleted",
            "phase": "ended", "reason": reason,
        });
        happened.push(("entombed", reason));
        happened.push(("finished", "Nothing of it is left but this record."));
        let ended = app.read_until_ended(&launched).await;
        let times: Vec<Timestamp> = ended["events"].as_array().unwrap().iter().map(at).collect();
        assert!(times.is_sorted() && times[0] < times[4], "{times:?}");
        assert_eq!(apart(ended), (expected, said(&happened)));
    })
    .await;
}

#[tokio::test]
async fn what_cannot_come_up_fails_with_the_reason() {
    App::run(async |app| {
        app.template("broken", "layby/pull-error:1").await;
        let launched = app.launch("broken").await;
        let failed = app.read_until(&launched, "failed").await;
        let reason = failed["reason"].as_str().unwrap();
        assert!(
            reason.contains("Its image 'layby/pull-error:1' cannot be pulled: "),
            "{reason}"
        );
        assert_eq!(failed.get("location"), None);
        assert_eq!(
            app.read_until_ended(&launched).await["reason"],
            reason,
            "and it stays on the record"
        );
    })
    .await;
}

#[tokio::test]
async fn an_id_that_is_not_there_is_no_record_whatever_it_looks_like() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        app.template("other", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        let upper = launched.id.to_uppercase();
        let digits = format!("{}x", &launched.id[..31]);
        for path in [
            "notebook/00000000000000000000000000000000".to_owned(),
            "notebook/nonsense".to_owned(),
            format!("notebook/{digits}"),
            format!("notebook/{}0", launched.id),
            format!("notebook/{}", &launched.id[..31]),
            format!("notebook/{}", if upper == launched.id { "F" } else { &upper }),
            "notebook/%F0%9F%9A%80".to_owned(),
            format!("other/{}", launched.id),
            format!("unknown/{}", launched.id),
            format!("Not-A-Name/{}", launched.id),
        ] {
            let sentence = app.get(&format!("/applications/{path}")).await.problem(404, "noRecord");
            assert_eq!(
                sentence, "There is no record for that template/ID combination",
                "{path}"
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_record_is_forgotten_after_thirty_days() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        app.delete(&launched.path()).key(app.apps()).await.expect(202);
        app.read_until_ended(&launched).await;
        app.advance(Duration::from_secs(29 * 24 * 60 * 60)).await;
        assert_eq!(app.read(&launched).await["status"], "deleted");
        app.advance(Duration::from_secs(25 * 60 * 60)).await;
        app.get(&launched.path()).await.problem(404, "noRecord");
        assert_eq!(app.get("/applications").key(app.apps()).await.expect(200), json!([]));
    })
    .await;
}

#[tokio::test]
async fn a_wait_out_of_range_is_refused_with_the_range() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        for wait in ["26", "-1", "1.5", "soon", "", "99999999999999999999"] {
            let answer = app.get(&format!("{}?wait={wait}", launched.path())).await;
            let sentence = answer.problem(400, "malformedRequest");
            assert_eq!(sentence, "'wait' is a whole number of seconds, 0 to 25", "{wait}");
        }
        app.get(&format!("{}?wait=0", launched.path())).await.expect(200);
        app.get(&format!("{}?unheard-of=1", launched.path())).await.expect(200);
    })
    .await;
}

#[tokio::test]
async fn a_wait_ends_when_the_status_changes() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        let path = format!("{}?wait=25", launched.path());
        let waited = app.get(&path).await.expect(200);
        assert_eq!(waited["status"], "deployed");

        let (waited, _) = futures::join!(app.get(&path).into_future(), async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            app.delete(&launched.path()).key(&launched.token).await.expect(202)
        });
        assert_eq!(waited.expect(200)["status"], "deleted");
    })
    .await;
}

#[tokio::test]
async fn a_wait_ends_when_its_own_first_look_changes_the_status() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let (plain, waiting) = (app.launch("notebook").await, app.launch("notebook").await);
        app.advance(Duration::from_secs(60)).await;
        let calls_of = async |path: &str| {
            assert_eq!(app.get(path).await.expect(200)["status"], "deployed");
            app.log().last().unwrap()["store_calls"].clone()
        };
        let looked_once = calls_of(&plain.path()).await;
        assert_eq!(calls_of(&format!("{}?wait=25", waiting.path())).await, looked_once);
    })
    .await;
}

#[tokio::test]
#[expect(
    clippy::disallowed_methods,
    reason = "how long an answer was held is mechanical time"
)]
async fn a_wait_for_nothing_is_held_as_long_as_asked_and_answers_what_is_known() {
    App::run(async |app| {
        app.template("stuck", "layby/never-ready:1").await;
        let launched = app.launch("stuck").await;
        let began = Instant::now();
        let waited = app.get(&format!("{}?wait=1", launched.path())).await.expect(200);
        assert!(began.elapsed() >= Duration::from_millis(950), "{:?}", began.elapsed());
        assert_eq!(waited["status"], "deploying");
    })
    .await;
}

#[tokio::test]
async fn without_the_table_an_application_is_not_called_unknown() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        app.outages().begin(net::Peer::Store);
        let answer = app.get(&launched.path()).await;
        answer.problem(503, "badDatabase");
        assert_eq!(answer.header("retry-after"), Some("5"));
    })
    .await;
}

#[tokio::test]
async fn a_running_application_is_told_without_cluster_and_proxy() {
    App::run(async |app| {
        app.template("notebook", "layby/notebook:1").await;
        let launched = app.launch("notebook").await;
        app.read_until(&launched, "deployed").await;
        app.outages().begin(net::Peer::Cluster);
        app.outages().begin(net::Peer::Proxy);
        assert_eq!(app.read(&launched).await["status"], "deployed");
    })
    .await;
}
