//! What is sent again.

use std::time::Instant;

use http::Method;
use net::{ATTEMPTS, Error, Peer};

use crate::server::{Act, Server};
use crate::{ms, net, request};

const THROTTLED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"}"#;
const FAILED: &str = r#"{"__type":"com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"}"#;

#[tokio::test]
async fn what_was_unavailable_is_asked_again_with_the_same_bytes() {
    let server = Server::start(|number| {
        if number < 2 {
            Act::Answer(503, "no")
        } else {
            Act::Answer(200, "yes")
        }
    })
    .await;
    let answer = net(ms(900))
        .client(Peer::Proxy)
        .send(request(Method::POST, &server.url))
        .await
        .unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (200, &b"yes"[..]));
    assert_eq!(server.bodies(), ["asked", "asked", "asked"]);
}

#[tokio::test]
async fn the_last_answer_is_given_as_it_is() {
    let server = Server::start(|number| Act::Answer(if number == 2 { 502 } else { 503 }, "busy")).await;
    let answer = net(ms(900))
        .client(Peer::Cluster)
        .send(request(Method::GET, &server.url))
        .await
        .unwrap();
    assert_eq!((answer.status().as_u16(), answer.body().as_ref()), (502, &b"busy"[..]));
    assert_eq!(server.requests(), ATTEMPTS);
}

#[tokio::test]
async fn a_throttled_write_is_sent_again_and_a_failed_condition_is_not() {
    for (body, sent, status) in [(THROTTLED, 2, 200), (FAILED, 1, 400)] {
        let script = move |number| {
            if number == 0 {
                Act::Answer(400, body)
            } else {
                Act::Answer(200, "{}")
            }
        };
        let server = Server::start(script).await;
        let answer = net(ms(900))
            .client(Peer::Store)
            .send(request(Method::POST, &server.url))
            .await
            .unwrap();
        assert_eq!((answer.status().as_u16(), server.requests()), (status, sent), "{body}");
    }
}

#[tokio::test]
async fn a_broken_connection_is_tried_again() {
    let server = Server::start(|number| if number == 0 { Act::Break } else { Act::Answer(200, "") }).await;
    let client = net(ms(900)).client(Peer::Cluster);
    assert_eq!(
        client
            .send(request(Method::DELETE, &server.url))
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(server.requests(), 2);

    let server = Server::start(|_| Act::Break).await;
    let outcome = client.send(request(Method::GET, &server.url)).await;
    assert!(matches!(outcome, Err(Error::Interrupted(_))));
    assert_eq!(server.requests(), ATTEMPTS);
}

#[tokio::test]
async fn silence_is_given_up_after_the_time_out_and_tried_again() {
    let server = Server::start(|number| if number == 0 { Act::Hang } else { Act::Answer(200, "") }).await;
    let client = net(ms(60)).client(Peer::Cluster);
    assert_eq!(
        client.send(request(Method::POST, &server.url)).await.unwrap().status(),
        200
    );
    assert_eq!(server.requests(), 2);

    let server = Server::start(|_| Act::Hang).await;
    let begun = Instant::now();
    let outcome = client.send(request(Method::GET, &server.url)).await;
    assert!(matches!(outcome, Err(Error::TimedOut)));
    assert_eq!(server.requests(), ATTEMPTS);
    assert!(begun.elapsed() >= ms(60 * 3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_peer_that_does_not_listen_is_unreachable() {
    let outcome = net(ms(900))
        .client(Peer::Proxy)
        .send(request(Method::GET, "http://127.0.0.1:1/"))
        .await;
    assert!(matches!(outcome, Err(Error::Unreachable(_))));
}

#[tokio::test]
async fn a_peer_that_asks_for_a_long_pause_is_left_alone() {
    let server = Server::start(|_| Act::Header(503, "retry-after", "30")).await;
    let answer = net(ms(900))
        .client(Peer::Cluster)
        .send(request(Method::GET, &server.url))
        .await
        .unwrap();
    assert_eq!((answer.status().as_u16(), server.requests()), (503, 1));
}
