//! What moves `last_activity`, and what does not: what culling rests on.

use futures::stream::iter;
use futures::{SinkExt, StreamExt};
use http::{Method, Request};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;

use crate::ask::{Wire, ask, pieces, send, whole};
use crate::server::Server;
use crate::target::nobody;
use crate::websockets::connect;

checks! {
    an_answer_below_300_counts
    an_answer_of_300_or_more_does_not_count
    an_answer_counts_once_it_has_gone_through_whole
    a_request_that_sends_data_counts_whatever_the_answer
    an_application_that_is_out_of_reach_is_not_used
    opening_a_websocket_does_not_count
    what_the_caller_sends_on_a_websocket_counts
    what_the_target_sends_on_a_websocket_does_not_count
    a_pong_to_the_targets_ping_counts
    a_websocket_that_is_refused_does_not_count
    the_use_of_one_route_is_not_that_of_another
    asking_the_api_does_not_count
}

async fn an_answer_below_300_counts(server: &Server) {
    let _target = server.with_target().await;
    server
        .counts("GET", async || assert_eq!(server.get("/user/x").await.status, 200))
        .await;
    server
        .counts("a path below", async || {
            assert_eq!(server.get("/user/x/a/b?q").await.status, 200)
        })
        .await;
    let head = async || assert_eq!(ask(Method::HEAD, &server.at("/user/x")).await.status, 200);
    server.counts("HEAD", head).await;
    for status in [201, 204] {
        let path = format!("/user/x/status-{status}");
        server
            .counts(&path, async || assert_eq!(server.get(&path).await.status, status))
            .await;
    }
}

async fn an_answer_of_300_or_more_does_not_count(server: &Server) {
    let _target = server.with_target().await;
    for status in [301, 302, 304, 307, 400, 401, 403, 404, 500, 503] {
        let path = format!("/user/x/status-{status}");
        server
            .does_not_count(&path, async || assert_eq!(server.get(&path).await.status, status))
            .await;
    }
}

async fn an_answer_counts_once_it_has_gone_through_whole(server: &Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    server.route("/user/x", listener.local_addr().unwrap()).await;
    let mut caller = Wire::to(&server.url).await;
    caller.write("GET /user/x HTTP/1.1\nHost: a\n\n").await;
    let mut target = caller.is_forwarded_to(&listener).await;
    let begin = async || {
        target
            .write("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nfirst\n")
            .await;
        caller.read_until("first").await;
    };
    server.does_not_count("the beginning of an answer", begin).await;
    let end = async || {
        target.write("4\nlast\n0\n\n").await;
        caller.read_until("0\r\n\r\n").await;
    };
    server.counts("the end of an answer", end).await;
}

async fn a_request_that_sends_data_counts_whatever_the_answer(server: &Server) {
    let _target = server.with_target().await;
    for status in [200, 302, 404, 500] {
        let url = server.at(&format!("/user/x/status-{status}"));
        let post = async || {
            let request = Request::post(&url).body(whole("data")).unwrap();
            assert_eq!(send(request).await.status, status);
        };
        server.counts(&format!("data, then {status}"), post).await;
    }
    let url = server.at("/user/x/status-404");
    let stream = async || {
        let body = pieces(iter([Ok("a".into()), Ok("b".into())]));
        assert_eq!(send(Request::put(&url).body(body).unwrap()).await.status, 404);
    };
    server.counts("data in pieces", stream).await;
    let empty = async || assert_eq!(ask(Method::POST, &url).await.status, 404);
    server.does_not_count("a POST without data", empty).await;
}

async fn an_application_that_is_out_of_reach_is_not_used(server: &Server) {
    server.route("/user/x", nobody().await).await;
    server
        .does_not_count("a 503", async || assert_eq!(server.get("/user/x").await.status, 503))
        .await;
    let refused = async || drop(connect(server, "/user/x").await.unwrap_err());
    server.does_not_count("a websocket that leads nowhere", refused).await;
}

async fn opening_a_websocket_does_not_count(server: &Server) {
    let _target = server.with_target().await;
    let _socket = server
        .does_not_count("a handshake", async || connect(server, "/user/x").await.unwrap())
        .await;
}

async fn what_the_caller_sends_on_a_websocket_counts(server: &Server) {
    let _target = server.with_target().await;
    let mut socket = connect(server, "/user/x").await.unwrap();
    let messages = [
        Message::text("a word"),
        Message::binary(vec![0, 1, 2]),
        Message::binary(vec![7; 100_000]),
        Message::Ping("?".into()),
        Message::Pong("!".into()),
        Message::Close(None),
    ];
    for message in messages {
        let what = if message.is_empty() { "a close" } else { "a message" };
        server.counts(what, async || socket.send(message).await.unwrap()).await;
    }
}

async fn what_the_target_sends_on_a_websocket_does_not_count(server: &Server) {
    let target = server.with_target().await;
    let mut socket = connect(server, "/user/x").await.unwrap();
    for _ in 0..2 {
        let ask = async || socket.send(Message::text("push-later")).await.unwrap();
        server.counts("asking for a push", ask).await;
        let pushed = async || {
            target.later();
            assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("pushed"));
        };
        server.does_not_count("what is pushed", pushed).await;
    }
}

async fn a_pong_to_the_targets_ping_counts(server: &Server) {
    let target = server.with_target().await;
    let mut socket = connect(server, "/user/x").await.unwrap();
    let ask = async || socket.send(Message::text("ping-later")).await.unwrap();
    server.counts("asking for a ping", ask).await;
    // Who reads answers it: the library does so by itself, as browsers do.
    let pinged = async || {
        target.later();
        assert_eq!(socket.next().await.unwrap().unwrap(), Message::Ping("there?".into()));
        socket.flush().await.unwrap();
    };
    server.counts("the pong", pinged).await;
}

async fn a_websocket_that_is_refused_does_not_count(server: &Server) {
    let _target = server.with_target().await;
    let refused = async || drop(connect(server, "/user/x/refuse").await.unwrap_err());
    server.does_not_count("a handshake that is refused", refused).await;
}

async fn the_use_of_one_route_is_not_that_of_another(server: &Server) {
    let target = server.with_target().await;
    for path in ["/user", "/user/x/deep", "/user/y"] {
        server.route(path, target.address).await;
    }
    for path in ["/user/x/deep", "/user/x/deep/er", "/user/y", "/user/other", "/other"] {
        server.does_not_count(path, async || server.get(path).await).await;
    }
    let deep = server.used("/user/x/deep").await;
    server
        .counts("its own", async || server.get("/user/x/deeper").await)
        .await;
    assert_eq!(server.used("/user/x/deep").await, deep);
}

async fn asking_the_api_does_not_count(server: &Server) {
    let target = server.with_target().await;
    let ask = async || {
        server.routes().await;
        server.manage(Method::GET, "/api/routes/user/x", "").await;
        server.manage(Method::PUT, "/api/routes/user/x", "").await;
        server.manage(Method::POST, "/api/routes/user/x", "{}").await;
        server.manage_as("", Method::DELETE, "/api/routes/user/x", "").await;
        server.route("/user/y", target.address).await;
        server.manage(Method::DELETE, "/api/routes/user/y", "").await;
    };
    server.does_not_count("asking the API", ask).await;
}
