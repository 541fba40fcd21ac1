//! Websockets through the proxy.

use futures::{SinkExt, StreamExt};
use http::header::{CONTENT_LENGTH, SERVER};
use tokio_tungstenite::tungstenite::{self, Message};

use super::*;

#[tokio::test]
async fn a_websocket_echoes_through_the_proxy_and_what_it_sends_counts_as_use() {
    let (stage, pod) = (stage().await, pod().await);
    stage.route("/user/x", pod.address()).await;
    stage.wind(60);
    let (mut socket, handshake) = tokio_tungstenite::connect_async(stage.socket_url("/user/x/echo"))
        .await
        .unwrap();
    assert_eq!(
        (handshake.status().as_u16(), &handshake.headers()[SERVER]),
        (101, &"layby-embedded-pod".parse().unwrap())
    );
    assert_eq!(stage.used("/user/x"), 0, "a handshake alone is not use");
    for size in [1, 70_000] {
        stage.wind(60);
        let sent = Message::binary(vec![7; size]);
        socket.send(sent.clone()).await.unwrap();
        assert_eq!(socket.next().await.unwrap().unwrap(), sent);
        assert_eq!(
            stage.used("/user/x"),
            stage.clock.load(Ordering::SeqCst) - 1_800_000_000
        );
    }
    pod.stop().await;
    let end = tokio::time::timeout(Duration::from_secs(5), socket.next())
        .await
        .expect("ends with its target");
    assert!(!matches!(end, Some(Ok(Message::Text(_) | Message::Binary(_)))));
}

#[tokio::test]
async fn a_websocket_to_nowhere_is_refused_with_the_same_statuses() {
    let stage = stage().await;
    stage.route("/user/x", dead_address().await).await;
    for (path, expected) in [("/user/x", 503), ("/none", 404)] {
        let error = tokio_tungstenite::connect_async(stage.socket_url(path))
            .await
            .unwrap_err();
        let tungstenite::Error::Http(answer) = error else {
            panic!("{error}")
        };
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()[CONTENT_LENGTH]),
            (expected, &"0".parse().unwrap())
        );
    }
}

#[tokio::test]
async fn stopping_frees_both_ports_and_ends_tunnels() {
    let (stage, pod) = (stage().await, pod().await);
    stage.route("/user/x", pod.address()).await;
    let (mut socket, _) = tokio_tungstenite::connect_async(stage.socket_url("/user/x"))
        .await
        .unwrap();
    let address = stage.proxy.public_address();
    stage.proxy.stop().await;
    tokio::time::timeout(Duration::from_secs(5), socket.next())
        .await
        .expect("the tunnel ends");
    TcpListener::bind(address).await.expect("the port is free");
}
