//! One request and its answer.

use bytes::Bytes;
use http::{Method, Request};
use net::{Error, LARGEST_ANSWER, Net, Peer, Settings};
use tower::ServiceExt;

use crate::server::{Act, Server};
use crate::{ms, net, request};

#[tokio::test]
async fn a_request_arrives_whole_and_its_answer_comes_back() {
    let server = Server::start(|_| Act::Header(201, "location", "/made")).await;
    let answer = net(ms(900))
        .client(Peer::Cluster)
        .oneshot(request(Method::POST, &server.url))
        .await
        .unwrap();
    assert_eq!(answer.status(), 201);
    assert_eq!(answer.headers()["location"], "/made");
    assert_eq!(server.bodies(), ["asked"]);
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_refused_whether_announced_or_not() {
    for announced in [true, false] {
        let server = Server::start(move |_| Act::Long(LARGEST_ANSWER + 1, announced)).await;
        let outcome = net(ms(3000))
            .client(Peer::Cluster)
            .send(request(Method::GET, &server.url))
            .await;
        assert!(
            matches!(outcome, Err(Error::TooLarge)),
            "announced: {announced}, {:?}",
            outcome.map(|_| ())
        );
        assert_eq!(server.requests(), 1, "what is too large once is not asked for again");
    }
}

#[tokio::test]
async fn an_answer_of_the_largest_size_is_taken() {
    let server = Server::start(|_| Act::Long(LARGEST_ANSWER, false)).await;
    let answer = net(ms(3000))
        .client(Peer::Cluster)
        .send(request(Method::GET, &server.url))
        .await
        .unwrap();
    assert_eq!(answer.body().len(), LARGEST_ANSWER);
}

#[tokio::test]
async fn an_address_that_is_no_whole_url_is_refused() {
    let client = net(ms(900)).client(Peer::Proxy);
    for address in ["/api/routes", "127.0.0.1:8001", "ftp://127.0.0.1/x"] {
        let request = Request::get(address).body(Bytes::new()).unwrap();
        assert!(
            matches!(client.send(request).await, Err(Error::BadRequest(_))),
            "{address}"
        );
    }
}

#[tokio::test]
async fn errors_show_no_address_header_or_body() {
    let breaking = Server::start(|_| Act::Break).await;
    let hanging = Server::start(|_| Act::Hang).await;
    let client = net(ms(40)).client(Peer::Store);
    let unreachable = "http://127.0.0.1:1/path?secret=1".to_owned();
    let unresolved = "http://nowhere.invalid/path?secret=1".to_owned();
    for url in [
        unreachable,
        unresolved,
        breaking.url,
        hanging.url,
        "ftp://u:secret@h/?secret=1".to_owned(),
    ] {
        let mut request = request(Method::POST, &url);
        request.headers_mut().insert("authorization", "secret".parse().unwrap());
        let error = client.send(request).await.unwrap_err();
        let shown = format!("{error} {error:?} {error:#?}");
        assert!(!shown.contains("secret") && !shown.contains("asked"), "{shown}");
    }
    assert_eq!(format!("{client:?}"), "Client { peer: Store, .. }");
}

#[tokio::test]
async fn connections_are_shared_and_used_again() {
    let server = Server::start(|_| Act::Answer(200, "")).await;
    let shared = Net::new(Settings::default()).unwrap();
    for peer in [Peer::Store, Peer::Cluster, Peer::Store] {
        shared
            .client(peer)
            .send(request(Method::GET, &server.url))
            .await
            .unwrap();
    }
    assert_eq!(server.requests(), 3);
    assert_eq!(server.connections(), 1);
}
