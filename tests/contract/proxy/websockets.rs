//! Websockets through the proxy.

use std::time::Duration;

use bytes::Bytes;
use contract::eventually;
use futures::future::join_all;
use futures::{SinkExt, StreamExt};
use http::header::{HOST, SEC_WEBSOCKET_PROTOCOL};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, connect_async_with_config};

use crate::ask::{ARRIVES_MAX, Wire};
use crate::server::Server;
use crate::target::{SUBPROTOCOL, nobody};

checks! {
    text_and_binary_are_echoed
    frames_of_megabytes_get_through
    the_handshake_gets_through
    what_is_sent_with_the_handshake_gets_through
    pings_are_answered_by_the_other_side
    the_callers_close_reaches_the_target_with_its_code
    the_targets_close_reaches_the_caller_with_its_code
    the_other_side_is_told_when_one_vanishes
    a_handshake_that_the_target_refuses_is_answered_as_the_target_does
    a_websocket_that_leads_nowhere_is_refused
    a_target_that_closes_in_the_handshake_ends_it
    many_websockets_are_kept_apart
    a_websocket_outlives_its_route
}

/// A handshake byte by byte.
const HANDSHAKE: &str = "GET /user/x HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\n\
    Sec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\n\n";

pub(crate) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a websocket at the public port.
pub(crate) async fn connect(server: &Server, path: &str) -> Result<Socket, tungstenite::Error> {
    Ok(connect_async(server.socket(path)).await?.0)
}

/// The next message.
async fn next(socket: &mut Socket) -> Message {
    let next = timeout(ARRIVES_MAX, socket.next()).await;
    next.expect("a message comes").unwrap().unwrap()
}

/// The status of a handshake that was answered otherwise.
fn refusal(refused: Result<Socket, tungstenite::Error>) -> u16 {
    match refused {
        Err(tungstenite::Error::Http(answer)) => answer.status().as_u16(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused"),
    }
}

async fn text_and_binary_are_echoed(server: &Server) {
    let _target = server.with_target().await;
    let mut socket = connect(server, "/user/x").await.unwrap();
    for message in [
        Message::text("a word"),
        Message::text("ünïcödé 🦀"),
        Message::text(""),
        Message::binary(Bytes::new()),
        Message::binary(vec![0, 255, 128, 13, 10]),
        Message::binary(vec![7; 126]),
        Message::binary(vec![7; 65_536]),
    ] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(next(&mut socket).await, message);
    }
}

async fn frames_of_megabytes_get_through(server: &Server) {
    let _target = server.with_target().await;
    let config = WebSocketConfig::default().max_frame_size(Some(16 << 20));
    let url = server.socket("/user/x");
    let (mut socket, _) = connect_async_with_config(url, Some(config), false).await.unwrap();
    for size in [1 << 20, 10 << 20] {
        let data: Bytes = (0..size)
            .map(|n: u32| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        socket.send(Message::Binary(data.clone())).await.unwrap();
        let echo = next(&mut socket).await.into_data();
        assert!(echo == data, "{} bytes came of {size}", echo.len());
    }
}

async fn the_handshake_gets_through(server: &Server) {
    let _target = server.with_target().await;
    let mut request = server
        .socket("/user/x/kernel%20a?session=1&s=2")
        .into_client_request()
        .unwrap();
    let headers = request.headers_mut();
    headers.insert(HOST, "apps.example:444".parse().unwrap());
    headers.insert(SEC_WEBSOCKET_PROTOCOL, format!("other, {SUBPROTOCOL}").parse().unwrap());
    headers.insert("cookie", "a=1".parse().unwrap());
    headers.insert("origin", "https://apps.example:444".parse().unwrap());
    headers.insert("x-forwarded-for", "1.1.1.1".parse().unwrap());
    headers.insert("x-forwarded-proto", "wss".parse().unwrap());
    let (mut socket, answer) = connect_async(request).await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()[SEC_WEBSOCKET_PROTOCOL]),
        (101, &SUBPROTOCOL.parse().unwrap())
    );
    socket.send(Message::text("tell")).await.unwrap();
    let told: Value = next(&mut socket).await.to_text().unwrap().parse().unwrap();
    let headers = &told["headers"];
    assert_eq!(told["uri"], "/user/x/kernel%20a?session=1&s=2");
    assert_eq!(headers["host"], json!(["apps.example:444"]));
    assert_eq!(headers["origin"], json!(["https://apps.example:444"]));
    assert_eq!(headers["cookie"], json!(["a=1"]));
    assert_eq!(headers["sec-websocket-version"], json!(["13"]));
    assert_eq!(headers["x-forwarded-for"], json!(["1.1.1.1,127.0.0.1"]));
    assert_eq!(headers["x-forwarded-port"], json!(["444"]));
    assert_eq!(headers["x-forwarded-proto"], json!(["wss,ws"]));
    assert_eq!(headers["x-forwarded-host"], Value::Null);
}

async fn what_is_sent_with_the_handshake_gets_through(server: &Server) {
    let _target = server.with_target().await;
    let mut wire = Wire::to(&server.url).await;
    // A whole frame of the text "hi" behind the head, masked with zeros.
    wire.write(&format!("{HANDSHAKE}\u{1}\u{2}\0\0\0\0hi")).await;
    let answer = wire.read_until("hi").await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(answer.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{answer}");
}

async fn pings_are_answered_by_the_other_side(server: &Server) {
    let target = server.with_target().await;
    let mut socket = connect(server, "/user/x").await.unwrap();
    socket.send(Message::Ping("to the target".into())).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::Pong("to the target".into()));
    target.later();
    socket.send(Message::text("ping-later")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::Ping("there?".into()));
}

async fn the_callers_close_reaches_the_target_with_its_code(server: &Server) {
    let target = server.with_target().await;
    let mut socket = connect(server, "/user/x").await.unwrap();
    let close = CloseFrame {
        code: CloseCode::from(4002),
        reason: "done here".into(),
    };
    socket.close(Some(close)).await.unwrap();
    while timeout(ARRIVES_MAX, socket.next())
        .await
        .expect("the socket ends")
        .is_some()
    {}
    eventually("the target knows", async || (!target.ends().is_empty()).then_some(())).await;
    assert_eq!(target.ends(), [Some((4002, "done here".to_owned()))]);
}

async fn the_targets_close_reaches_the_caller_with_its_code(server: &Server) {
    let _target = server.with_target().await;
    let mut socket = connect(server, "/user/x").await.unwrap();
    socket.send(Message::text("close")).await.unwrap();
    let Message::Close(Some(close)) = next(&mut socket).await else {
        panic!("no close frame with a code");
    };
    assert_eq!((u16::from(close.code), &*close.reason), (4001, "enough"));
    while timeout(ARRIVES_MAX, socket.next())
        .await
        .expect("the socket ends")
        .is_some()
    {}
}

async fn the_other_side_is_told_when_one_vanishes(server: &Server) {
    let target = server.with_target().await;
    let socket = connect(server, "/user/x").await.unwrap();
    drop(socket);
    eventually("the target knows", async || (target.ends() == [None]).then_some(())).await;
    let mut socket = connect(server, "/user/x").await.unwrap();
    socket.send(Message::text("vanish")).await.unwrap();
    let end = timeout(ARRIVES_MAX, socket.next()).await.expect("the socket ends");
    assert!(!matches!(end, Some(Ok(_))), "{end:?}");
}

async fn a_handshake_that_the_target_refuses_is_answered_as_the_target_does(server: &Server) {
    let _target = server.with_target().await;
    let mut wire = Wire::to(&server.url).await;
    wire.write(&HANDSHAKE.replace("/user/x", "/user/x/refuse")).await;
    let answer = wire.read_until("not you").await;
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{answer}");
    assert_eq!(refusal(connect(server, "/user/x/refuse").await), 403);
}

async fn a_websocket_that_leads_nowhere_is_refused(server: &Server) {
    assert_eq!(refusal(connect(server, "/user/x").await), 404);
    server.route("/user/x", nobody().await).await;
    assert_eq!(refusal(connect(server, "/user/x").await), 503);
}

async fn a_target_that_closes_in_the_handshake_ends_it(server: &Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    server.route("/user/x", listener.local_addr().unwrap()).await;
    let (refused, ()) = futures::join!(connect(server, "/user/x"), async {
        drop(Wire::forwarded_to(&listener).await);
    });
    assert_eq!(refusal(refused), 503);
}

async fn many_websockets_are_kept_apart(server: &Server) {
    let _target = server.with_target().await;
    let talks = (0..50).map(async |number| {
        let mut socket = connect(server, "/user/x").await.unwrap();
        for turn in 0..20 {
            let message = Message::text(format!("{number} {turn}"));
            socket.send(message.clone()).await.unwrap();
            assert_eq!(next(&mut socket).await, message);
        }
    });
    join_all(talks).await;
}

async fn a_websocket_outlives_its_route(server: &Server) {
    let _target = server.with_target().await;
    let mut socket = connect(server, "/user/x").await.unwrap();
    server.manage(http::Method::DELETE, "/api/routes/user/x", "").await;
    for _ in 0..2 {
        socket.send(Message::text("still there?")).await.unwrap();
        assert_eq!(next(&mut socket).await, Message::text("still there?"));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.routes().await.len(), 0, "its use makes no route");
}
