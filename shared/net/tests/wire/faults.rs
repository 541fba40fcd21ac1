//! Injected faults do what life does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Response};
use net::{ATTEMPTS, Client, Error, Fault, Net, Peer, Scope, Settings, within};

use crate::server::{Act, Server};
use crate::{ms, request, settings};

/// A client whose nth attempt, counted from 0, meets `fault(n)`.
fn client(fault: impl Fn(usize) -> Fault + Send + Sync + 'static) -> Client {
    let attempts = AtomicUsize::new(0);
    let faults: net::Faults = Arc::new(move |_, _| fault(attempts.fetch_add(1, Ordering::SeqCst)));
    Net::new(Settings {
        faults: Some(faults),
        ..settings(ms(300))
    })
    .unwrap()
    .client(Peer::Cluster)
}

#[tokio::test]
async fn a_refused_attempt_is_not_sent() {
    let server = Server::start(|_| Act::Answer(200, "")).await;
    let outcome = client(|_| Fault::Refuse).send(request(Method::POST, &server.url)).await;
    assert!(matches!(outcome, Err(Error::Unreachable(_))));
    assert_eq!(server.requests(), 0);

    let once = client(|number| if number == 0 { Fault::Refuse } else { Fault::Pass });
    assert!(once.send(request(Method::POST, &server.url)).await.is_ok());
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn what_loses_its_answer_was_carried_out() {
    let server = Server::start(|_| Act::Answer(201, "made")).await;
    let outcome = client(|_| Fault::LoseAnswer)
        .send(request(Method::POST, &server.url))
        .await;
    assert!(matches!(outcome, Err(Error::Interrupted(_))));
    assert_eq!(server.requests(), ATTEMPTS);
}

#[tokio::test]
async fn an_injected_answer_comes_in_place_of_the_peers_and_is_retried_like_it() {
    let server = Server::start(|_| Act::Answer(200, "")).await;
    let answer = |status| {
        Fault::Answer(
            Response::builder()
                .status(status)
                .body(Bytes::from("injected"))
                .unwrap(),
        )
    };
    let scope = Scope::lasting(ms(5000));
    let scripted = client(move |number| answer(if number == 0 { 429 } else { 409 }));
    let got = within(scope.clone(), scripted.send(request(Method::POST, &server.url)))
        .await
        .unwrap();
    assert_eq!((got.status().as_u16(), got.body().as_ref()), (409, &b"injected"[..]));
    assert_eq!((scope.counts().cluster, server.requests()), (2, 0));
}

#[tokio::test]
async fn a_delay_counts_against_the_time_out() {
    let server = Server::start(|_| Act::Answer(200, "")).await;
    let late = client(|number| {
        if number == 0 {
            Fault::Delay(ms(5000))
        } else {
            Fault::Delay(ms(10))
        }
    });
    assert!(late.send(request(Method::GET, &server.url)).await.is_ok());
    assert_eq!(
        server.requests(),
        1,
        "the first attempt was given up before it was sent"
    );
}

#[tokio::test]
async fn what_is_held_is_sent_once_somebody_says_so() {
    let server = Server::start(|_| Act::Answer(200, "")).await;
    let gate = Arc::new(tokio::sync::Notify::new());
    let held = Arc::clone(&gate);
    let late = client(move |_| Fault::Hold(Arc::clone(&held)));
    let opened = async {
        tokio::task::yield_now().await;
        assert_eq!(server.requests(), 0);
        gate.notify_one();
    };
    let (answer, ()) = tokio::join!(late.send(request(Method::GET, &server.url)), opened);
    assert!(answer.is_ok());
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn faults_are_told_the_peer_and_the_request() {
    let faults: net::Faults = Arc::new(|peer, request| {
        let told = format!("{peer:?} {} {}", request.method(), request.uri().path());
        Fault::Answer(Response::new(Bytes::from(told)))
    });
    let net = Net::new(Settings {
        faults: Some(faults),
        ..Settings::default()
    })
    .unwrap();
    let answer = net
        .client(Peer::Proxy)
        .send(request(Method::DELETE, "http://proxy.invalid/api/routes/x"))
        .await;
    assert_eq!(answer.unwrap().body(), "Proxy DELETE /api/routes/x");
}
