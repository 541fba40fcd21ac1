//! A proxy that was started again.

use futures::StreamExt;
use serde_json::json;
use tokio::time::timeout;

use crate::ask::ARRIVES_MAX;
use crate::server::Server;
use crate::websockets::connect;

checks! {
    a_restart_has_lost_every_route
    a_restart_ends_websockets
}

async fn a_restart_has_lost_every_route(server: &Server) {
    let target = server.with_target().await;
    server
        .post(
            "/layby/prod",
            &json!({ "target": "http://127.0.0.1:9", "layby": "prod" }),
        )
        .await;
    assert_eq!(server.routes().await.len(), 2);
    server.restart().await;
    assert_eq!(server.routes().await.len(), 0);
    assert_eq!(server.get("/user/x").await.status, 404);
    server.route("/user/x", target.address).await;
    assert_eq!(server.get("/user/x").await.status, 200);
}

async fn a_restart_ends_websockets(server: &Server) {
    let _target = server.with_target().await;
    let mut socket = connect(server, "/user/x").await.unwrap();
    server.restart().await;
    let end = timeout(ARRIVES_MAX, socket.next()).await.expect("it ends");
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
}
