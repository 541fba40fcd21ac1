//! One application, from its launch to its end.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use serde_json::{Value, json};
use tests::scenario::invariants;
use tests::{Http, in_time};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

use crate::ground::{Installation, cluster};

/// The idle limit.
const IDLE: Duration = Duration::from_secs(6);
/// Messages on the websocket, over more than twice the limit.
const MESSAGES: usize = 15;
/// Between two of them.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a websocket may take to answer.
const ECHO_MAX: Duration = Duration::from_secs(5);

#[tokio::test]
async fn what_is_used_lives_and_what_is_not_is_culled() {
    in_time(async {
        let installation = Installation::start("life").await;
        let app = &installation.app;
        // No command: what runs then is what notebooks have.
        let limits = json!({ "cull-timeout": IDLE.as_millis() as u64, "env": { "GREETING": "hello" } });
        installation.template("notebook", limits).await;
        let one = app.launch("notebook").await;
        let seen = installation.deployed(&one).await;

        let page = installation.page(&seen, "/lab?reset").await;
        assert_eq!(page["path"], format!("/user/{}/lab", one.id));
        assert_eq!(page["pod"], "frontend-server");
        assert_eq!(page["user"], 1000);
        let none = "0000000000000000";
        let rights = json!({ "CapBnd": none, "CapEff": none, "NoNewPrivs": "1", "Seccomp": "2" });
        assert_eq!((&page["rights"], &page["secrets"]), (&rights, &json!([])));
        let environment = page["environment"].as_array().unwrap();
        assert!(environment.contains(&json!("GREETING=hello")), "{page}");
        let of_the_cluster = |line: &Value| line.as_str().unwrap().contains("LAYBY");
        assert!(!environment.iter().any(of_the_cluster), "{page}");
        assert_eq!(
            page["arguments"][3],
            format!("--NotebookApp.base_url='/user/{}'", one.id)
        );

        let logs = app.get(&format!("{}/logs", one.path())).key(app.apps()).await;
        assert_eq!(logs.text(), "listens on port 8888\n");

        let url = format!("ws://{}/echo", seen["location"].as_str().unwrap());
        let (mut socket, _) = connect_async(&url).await.unwrap();
        for _ in 0..MESSAGES {
            socket.send(Message::text("still here?")).await.unwrap();
            let echo = timeout(ECHO_MAX, socket.next()).await.expect("an echo in time");
            assert_eq!(echo.unwrap().unwrap().to_text().unwrap(), "still here?");
            assert_eq!(app.read(&one).await["status"], "deployed");
            sleep(PAUSE).await;
        }
        assert!(installation.has_namespace(&one).await && installation.has_route(&one).await);

        // The socket stays open and silent, which is no use.
        let seen = installation.ended(&one).await;
        assert_eq!(seen["status"], "deleted");
        let reason = seen["reason"].as_str().unwrap();
        assert!(
            reason.contains("Culled for inactivity") && reason.contains("its limit is 6 s"),
            "{reason}"
        );
        assert!(!installation.has_namespace(&one).await && !installation.has_route(&one).await);
        let pods: Api<Pod> = Api::namespaced(cluster().await, &one.id);
        assert_eq!(pods.list(&Default::default()).await.unwrap().items.len(), 0);
        let location = seen["location"].as_str().unwrap();
        assert_eq!(Http::new(&format!("http://{location}")).get("/").await.status, 404);
        let rows = invariants::rows(app).await;
        let row = &rows[&one.id];
        assert!(row.state == "ended" && !row.due, "{row:?}");
        drop(socket);
        installation.app.stop().await;
    })
    .await;
}
