//! Requests on their way to a target, and answers on their way back.

use bytes::Bytes;
use futures::stream::iter;
use http::{Method, Request};
use serde_json::json;
use tokio::net::TcpListener;

use crate::ask::{Wire, ask, pieces, send, whole};
use crate::server::Server;
use crate::target::ELSEWHERE;

checks! {
    every_method_gets_through
    the_host_is_the_callers_and_the_caller_is_told
    who_was_told_already_is_told_too
    headers_get_through_both_ways
    a_status_gets_through_and_a_redirect_as_it_is
    a_body_of_many_megabytes_gets_through_both_ways
    a_body_without_a_length_gets_through
    an_answer_to_head_has_no_body_and_leaves_the_connection_usable
    a_connection_is_kept_for_more_requests
    who_asks_before_sending_a_body_is_told_to_go_on
    an_answer_arrives_piece_by_piece
    a_caller_of_http_1_0_is_answered
    the_proxy_tells_its_own_health
}

async fn every_method_gets_through(server: &Server) {
    let _target = server.with_target().await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"] {
        let request = Request::builder().method(method).uri(server.at("/user/x/a"));
        let told = send(request.body(whole("data")).unwrap()).await;
        assert_eq!((told.status, &told.json()["method"]), (200, &json!(method)));
        assert_eq!(told.json()["length"], 4, "{method}");
    }
    for method in [Method::DELETE, Method::OPTIONS, Method::POST] {
        let told = ask(method.clone(), &server.at("/user/x/a")).await.json();
        assert_eq!((&told["method"], &told["length"]), (&json!(method.as_str()), &json!(0)));
    }
}

async fn the_host_is_the_callers_and_the_caller_is_told(server: &Server) {
    let _target = server.with_target().await;
    let port = server.url.rsplit(':').next().unwrap().to_owned();
    let host = format!("127.0.0.1:{port}");
    for (asked, told_port) in [(&*host, &*port), ("apps.example", "80"), ("apps.example:444", "444")] {
        let request = Request::get(server.at("/user/x")).header("host", asked);
        let headers = &send(request.body(whole("")).unwrap()).await.json()["headers"];
        assert_eq!(headers["host"], json!([asked]));
        assert_eq!(headers["x-forwarded-host"], json!([asked]));
        assert_eq!(headers["x-forwarded-for"], json!(["127.0.0.1"]));
        assert_eq!(headers["x-forwarded-port"], json!([told_port]));
        assert_eq!(headers["x-forwarded-proto"], json!(["http"]));
    }
}

async fn who_was_told_already_is_told_too(server: &Server) {
    let _target = server.with_target().await;
    let request = Request::get(server.at("/user/x"))
        .header("host", "inner")
        .header("x-forwarded-for", "1.1.1.1")
        .header("x-forwarded-port", "443")
        .header("x-forwarded-proto", "https")
        .header("x-forwarded-host", "outer");
    let headers = &send(request.body(whole("")).unwrap()).await.json()["headers"];
    assert_eq!(headers["x-forwarded-for"], json!(["1.1.1.1,127.0.0.1"]));
    assert_eq!(headers["x-forwarded-port"], json!(["443,80"]));
    assert_eq!(headers["x-forwarded-proto"], json!(["https,http"]));
    assert_eq!(headers["x-forwarded-host"], json!(["outer"]));
    assert_eq!(headers["host"], json!(["inner"]));
}

async fn headers_get_through_both_ways(server: &Server) {
    let _target = server.with_target().await;
    let request = Request::get(server.at("/user/x"))
        .header("cookie", "a=1; b=2")
        .header("authorization", "token of-the-application")
        .header("accept-encoding", "gzip")
        .header("x-own", "täg".as_bytes());
    let answer = send(request.body(whole("")).unwrap()).await;
    let headers = &answer.json()["headers"];
    assert_eq!(headers["cookie"], json!(["a=1; b=2"]));
    assert_eq!(headers["authorization"], json!(["token of-the-application"]));
    assert_eq!(headers["accept-encoding"], json!(["gzip"]));
    assert_eq!(headers["x-own"], json!(["täg"]));
    assert_eq!(answer.header("server"), Some("the target"));
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(cookies, ["a=1; Path=/user/x", "b=2"]);
}

async fn a_status_gets_through_and_a_redirect_as_it_is(server: &Server) {
    let _target = server.with_target().await;
    for status in [201, 204, 206, 400, 401, 418, 429, 500, 502, 599] {
        let answer = server.get(&format!("/user/x/status-{status}")).await;
        assert_eq!(
            (answer.status, answer.text(), answer.header("location")),
            (status, "", None)
        );
    }
    for status in [301, 302, 303, 307, 308] {
        let answer = server.get(&format!("/user/x/status-{status}")).await;
        assert_eq!((answer.status, answer.header("location")), (status, Some(ELSEWHERE)));
    }
}

async fn a_body_of_many_megabytes_gets_through_both_ways(server: &Server) {
    let _target = server.with_target().await;
    let body: Bytes = (0..8_u32 << 20)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    let request = Request::post(server.at("/user/x/echo")).body(whole(body.clone()));
    let answer = send(request.unwrap()).await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.body == body,
        "{} bytes came of {}",
        answer.body.len(),
        body.len()
    );
}

async fn a_body_without_a_length_gets_through(server: &Server) {
    let _target = server.with_target().await;
    let parts: Vec<Bytes> = (0..100)
        .map(|n| Bytes::from(vec![n; 1 + 100 * usize::from(n)]))
        .collect();
    let body = pieces(iter(parts.clone().into_iter().map(Ok)));
    let answer = send(Request::post(server.at("/user/x/echo")).body(body).unwrap()).await;
    assert_eq!((answer.status, &answer.body[..]), (200, &parts.concat()[..]));
    let body = pieces(iter(parts.clone().into_iter().map(Ok)));
    let told = send(Request::put(server.at("/user/x")).body(body).unwrap())
        .await
        .json();
    assert_eq!(told["headers"]["transfer-encoding"], json!(["chunked"]));
    assert_eq!(
        (&told["length"], &told["headers"]["content-length"]),
        (&json!(parts.concat().len()), &json!(null))
    );
}

async fn an_answer_to_head_has_no_body_and_leaves_the_connection_usable(server: &Server) {
    let _target = server.with_target().await;
    let length = server.get("/user/x").await.body.len();
    let mut wire = Wire::to(&server.url).await;
    wire.write("HEAD /user/x HTTP/1.1\nHost: a\n\n").await;
    let head = wire.read_until("\r\n\r\n").await.to_lowercase();
    assert!(
        head.starts_with("http/1.1 200 ") && head.ends_with("\r\n\r\n"),
        "{head}"
    );
    let told = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    assert!(told.unwrap().parse::<usize>().unwrap().abs_diff(length) < 100, "{head}");
    wire.write("GET /user/x/echo HTTP/1.1\nHost: a\nContent-Length: 4\n\nmore")
        .await;
    assert!(wire.read_until("more").await.starts_with("HTTP/1.1 200 "));
}

async fn a_connection_is_kept_for_more_requests(server: &Server) {
    let _target = server.with_target().await;
    let mut wire = Wire::to(&server.url).await;
    for number in 0..5 {
        let text = format!("POST /user/x/echo HTTP/1.1\nHost: a\nContent-Length: 6\n\ntext-{number}");
        wire.write(&text).await;
        assert!(
            wire.read_until(&format!("text-{number}"))
                .await
                .starts_with("HTTP/1.1 200 ")
        );
    }
    wire.write("GET /none HTTP/1.1\nHost: a\n\n").await;
    assert!(wire.read_until("</html>").await.starts_with("HTTP/1.1 404 "));
    wire.write("POST /user/x/echo HTTP/1.1\nHost: a\nConnection: close\nContent-Length: 4\n\nlast")
        .await;
    assert!(wire.read_to_end().await.ends_with("\r\n\r\nlast"));
}

async fn who_asks_before_sending_a_body_is_told_to_go_on(server: &Server) {
    let _target = server.with_target().await;
    let mut wire = Wire::to(&server.url).await;
    wire.write("POST /user/x/echo HTTP/1.1\nHost: a\nExpect: 100-continue\nContent-Length: 4\n\n")
        .await;
    let first = wire.read_until("\r\n\r\n").await;
    assert!(first.starts_with("HTTP/1.1 100 Continue\r\n"), "{first}");
    wire.write("data").await;
    let then = wire.read_until("data").await;
    assert!(
        then.contains("HTTP/1.1 200 ") || first.contains("HTTP/1.1 200 "),
        "{first}{then}"
    );
}

async fn an_answer_arrives_piece_by_piece(server: &Server) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    server.route("/user/x", listener.local_addr().unwrap()).await;
    let mut caller = Wire::to(&server.url).await;
    caller.write("GET /user/x HTTP/1.1\nHost: a\n\n").await;
    let mut target = caller.is_forwarded_to(&listener).await;
    // The head may wait for the first piece: so the real one has it.
    target
        .write("HTTP/1.1 200 OK\nContent-Type: text/event-stream\nTransfer-Encoding: chunked\n\n3\none\n")
        .await;
    let head = caller.read_until("one").await.to_lowercase();
    assert!(head.contains("content-type: text/event-stream"), "{head}");
    for piece in ["two", "six"] {
        target.write(&format!("3\n{piece}\n")).await;
        assert!(caller.read_until(piece).await.contains(piece));
    }
    target.write("0\n\n").await;
    caller.read_until("0\r\n\r\n").await;
}

async fn a_caller_of_http_1_0_is_answered(server: &Server) {
    let _target = server.with_target().await;
    let mut wire = Wire::to(&server.url).await;
    wire.write("GET /user/x HTTP/1.0\nHost: old\n\n").await;
    let answer = wire.read_to_end().await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains(" 200 ") && !head.to_lowercase().contains("transfer-encoding"),
        "{head}"
    );
    let told: serde_json::Value = body.parse().unwrap();
    assert_eq!(told["headers"]["host"], json!(["old"]));
}

async fn the_proxy_tells_its_own_health(server: &Server) {
    let healthy = server.get("/_chp_healthz").await;
    assert_eq!((healthy.status, healthy.json()), (200, json!({ "status": "OK" })));
}
