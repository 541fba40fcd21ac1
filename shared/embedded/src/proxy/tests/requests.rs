//! Requests through the proxy and to its API.

use http::header::RETRY_AFTER;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

#[tokio::test]
async fn a_request_with_a_body_goes_through_whole_with_its_path_and_counts_as_use() {
    let (stage, target) = (stage().await, mirror().await);
    stage.route("/user/x", target.address()).await;
    stage.wind(60);
    let answer = stage.ask(Method::POST, "/user/x/a%20b?q=1", vec![b'x'; 3 << 20]).await;
    let seen: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(
        (answer.status, &seen["method"], &seen["uri"]),
        (200, &json!("POST"), &json!("/user/x/a%20b?q=1"))
    );
    assert_eq!(seen["length"], 3 << 20);
    assert_eq!(seen["headers"]["x-forwarded-for"], "127.0.0.1");
    assert_eq!(seen["headers"]["host"], stage.proxy.public_address().to_string());
    assert_eq!(stage.used("/user/x"), 60);
    stage.wind(60);
    assert_eq!(stage.ask(Method::GET, "/user/x", "").await.status, 200);
    assert_eq!(stage.used("/user/x"), 120);
}

#[tokio::test]
async fn an_answer_that_failed_is_passed_on_but_is_no_use() {
    let (stage, target) = (stage().await, mirror().await);
    stage.route("/user/x", target.address()).await;
    stage.wind(60);
    assert_eq!(stage.ask(Method::GET, "/user/x/fail", "").await.status, 404);
    assert_eq!(stage.used("/user/x"), 0);
    assert_eq!(stage.ask(Method::POST, "/user/x/fail", "data").await.status, 404);
    assert_eq!(stage.used("/user/x"), 60, "but sending data is");
}

#[tokio::test]
async fn a_streamed_answer_arrives_piece_by_piece_and_counts_when_it_is_whole() {
    let stage = stage().await;
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    stage.route("/user/x", listener.local_addr().unwrap()).await;
    let mut caller = TcpStream::connect(stage.proxy.public_address()).await.unwrap();
    caller
        .write_all(b"GET /user/x HTTP/1.1\r\nHost: a\r\n\r\n")
        .await
        .unwrap();
    let (mut target, _) = listener.accept().await.unwrap();
    read_until(&mut target, "\r\n\r\n").await;
    target
        .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n")
        .await
        .unwrap();
    stage.wind(60);
    read_until(&mut caller, "first").await;
    assert_eq!(stage.used("/user/x"), 0);
    target.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.unwrap();
    read_until(&mut caller, "0\r\n\r\n").await;
    assert_eq!(stage.used("/user/x"), 60);
}

#[tokio::test]
async fn a_dead_target_is_503_with_a_page_that_reloads_and_recovers() {
    let stage = stage().await;
    let address = dead_address().await;
    stage.route("/user/x", address).await;
    stage.wind(60);
    let answer = stage.ask(Method::GET, "/user/x/lab", "").await;
    assert_eq!(
        (answer.status, &answer.headers[RETRY_AFTER]),
        (503, &"1".parse().unwrap())
    );
    assert!(answer.text.contains("location.reload()"), "{}", answer.text);
    assert_eq!(stage.used("/user/x"), 0);
    let page = web::Page {
        application: ID.to_owned(),
        pod: "p".to_owned(),
        template: "t".to_owned(),
    };
    let pod = web::Server::start(address, page).await.unwrap();
    let answer = stage.ask(Method::GET, "/user/x/lab", "").await;
    assert_eq!(answer.status, 200);
    assert!(answer.text.contains(ID));
    pod.stop().await;
    assert_eq!(
        stage.ask(Method::GET, "/user/x/lab", "").await.status,
        503,
        "kept connections end with their target"
    );
}

#[tokio::test]
async fn an_unknown_path_is_404_and_a_target_that_is_no_url_500() {
    let stage = stage().await;
    assert_eq!(stage.ask(Method::GET, "/none", "").await.status, 404);
    let answer = stage.ask(Method::GET, &format!("/user/{ID}/lab"), "").await;
    assert_eq!(answer.status, 404);
    assert!(answer.text.contains("location.reload()"), "{}", answer.text);
    assert_eq!(
        stage
            .api("POST", "/api/routes/bad", json!({"target": "nonsense"}))
            .await
            .status,
        201
    );
    assert_eq!(stage.ask(Method::GET, "/bad", "").await.status, 500);
    assert_eq!(
        stage.ask(Method::GET, "/_chp_healthz", "").await.text,
        r#"{"status":"OK"}"#
    );
}

#[tokio::test]
async fn the_api_answers_over_its_own_port_only_with_the_token_and_bounded_bodies() {
    let (stage, pod) = (stage().await, pod().await);
    stage.route("/user/x", pod.address()).await;
    stage.wind(60);
    stage.route("/user/y", pod.address()).await;
    let answer = stage
        .api("GET", "/api/routes?inactive_since=2027-01-15T08:00:30Z", Value::Null)
        .await;
    let expected = json!({"/user/x": {"target": format!("http://{}", pod.address()), "last_activity": "2027-01-15T08:00:00.000Z"}});
    assert_eq!(
        (answer.status, serde_json::from_str::<Value>(&answer.text).unwrap()),
        (200, expected)
    );
    assert_eq!(
        stage
            .api("GET", "/api/routes?inactive_since=soon", Value::Null)
            .await
            .status,
        400
    );
    let large = json!({"target": "x".repeat(API_BODY_MAX)});
    assert_eq!(stage.api("POST", "/api/routes/z", large).await.status, 413);
    let stranger = Request::get(format!("{}/api/routes", stage.proxy.api_url()))
        .body(Full::default())
        .unwrap();
    assert_eq!(send(stranger).await.status, 403);
    assert_eq!(
        stage.ask(Method::GET, "/api/routes", "").await.status,
        404,
        "not on the public port"
    );
    assert_eq!(stage.api("DELETE", "/api/routes/user/x", Value::Null).await.status, 204);
    assert_eq!(stage.ask(Method::GET, "/user/x", "").await.status, 404);
}

async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.contains(end) {
        let mut chunk = [0; 4096];
        let length = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut chunk))
            .await
            .unwrap()
            .unwrap();
        assert_ne!(length, 0, "closed after {text:?}");
        text.push_str(std::str::from_utf8(&chunk[..length]).unwrap());
    }
    text
}

#[tokio::test]
async fn a_route_whose_target_is_the_discard_port_is_out_of_reach_and_keeps_what_was_posted() {
    let stage = stage().await;
    let posted = json!({"target": "http://127.0.0.1:9", "layby": "prod"});
    assert_eq!(
        stage.api("POST", "/api/routes/layby/prod", posted.clone()).await.status,
        201
    );
    let answer = stage.ask(Method::GET, "/layby/prod", "").await;
    assert_eq!(answer.status, 503);
    let shown = stage.api("GET", "/api/routes/layby/prod", Value::Null).await;
    let shown: Value = shown.text.parse().unwrap();
    assert_eq!(
        (&shown["target"], &shown["layby"]),
        (&posted["target"], &posted["layby"])
    );
    let table = stage.api("GET", "/api/routes", Value::Null).await;
    assert_eq!(table.text.parse::<Value>().unwrap(), json!({"/layby/prod": shown}));
    stage.proxy.stop().await;
}
