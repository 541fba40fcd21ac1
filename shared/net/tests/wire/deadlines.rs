//! Scopes: what ends at their deadline and what they count.

use std::future::poll_fn;
use std::time::{Duration, Instant};

use http::Method;
use net::{Counts, Error, Net, Peer, Scope, within};
use tower::Service;

use crate::server::{Act, Server};
use crate::{ms, net, request, settings};

#[tokio::test]
async fn a_write_to_a_cluster_or_a_proxy_needs_its_whole_time_out_and_the_tables() {
    let server = Server::start(|_| Act::Answer(200, "")).await;
    let net = net(ms(500));
    for peer in [Peer::Cluster, Peer::Proxy] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let scope = Scope::lasting(ms(900));
            let outcome = within(
                scope.clone(),
                net.client(peer).send(request(method.clone(), &server.url)),
            )
            .await;
            assert!(matches!(outcome, Err(Error::OutOfTime)), "{peer:?} {method}");
            assert_eq!(scope.counts(), Counts::default());
        }
    }
    assert_eq!(server.requests(), 0, "nothing was sent");

    let reads = [
        (Peer::Cluster, Method::GET),
        (Peer::Proxy, Method::HEAD),
        (Peer::Store, Method::POST),
    ];
    for (peer, method) in reads {
        let sent = within(
            Scope::lasting(ms(900)),
            net.client(peer).send(request(method, &server.url)),
        )
        .await;
        assert!(sent.is_ok(), "{peer:?}");
    }
    let client = net.client(Peer::Cluster);
    let enough = within(
        Scope::lasting(ms(5000)),
        client.send(request(Method::POST, &server.url)),
    );
    assert!(enough.await.is_ok());
}

#[tokio::test]
async fn a_read_of_a_cluster_ends_the_tables_time_out_before_the_deadline() {
    let server = Server::start(|_| Act::Hang).await;
    let begun = Instant::now();
    let mut settings = settings(ms(5000));
    settings.timeouts.store = ms(1000);
    let client = Net::new(settings).unwrap().client(Peer::Cluster);
    let outcome = within(Scope::lasting(ms(1100)), client.send(request(Method::GET, &server.url))).await;
    assert!(matches!(outcome, Err(Error::TimedOut)));
    assert!(
        begun.elapsed() >= ms(100) && begun.elapsed() < ms(5000),
        "not at its own time-out: {:?}",
        begun.elapsed()
    );
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn nothing_is_sent_after_the_deadline() {
    let server = Server::start(|_| Act::Answer(200, "")).await;
    let outcome = within(Scope::lasting(Duration::ZERO), async {
        net(ms(900))
            .client(Peer::Store)
            .send(request(Method::GET, &server.url))
            .await
    });
    assert!(matches!(outcome.await, Err(Error::OutOfTime)));
    assert_eq!(server.requests(), 0);
}

#[tokio::test]
async fn a_write_that_has_no_time_for_another_attempt_gives_its_last_answer() {
    let server = Server::start(|_| Act::AnswerAfter(ms(450), 503, "busy")).await;
    let client = net(ms(500)).client(Peer::Cluster);
    let outcome = within(
        Scope::lasting(ms(1400)),
        client.send(request(Method::POST, &server.url)),
    )
    .await;
    assert_eq!(outcome.unwrap().status(), 503);
    assert_eq!(server.requests(), 1, "what is left is less than two time-outs");
}

#[tokio::test]
async fn a_pause_that_ends_after_the_deadline_is_not_begun() {
    let server = Server::start(|_| Act::Header(503, "retry-after", "1")).await;
    let client = net(ms(500)).client(Peer::Store);
    let outcome = within(Scope::lasting(ms(800)), client.send(request(Method::GET, &server.url))).await;
    assert_eq!(outcome.unwrap().status(), 503);
    assert_eq!(server.requests(), 1);
}

/// Sends `reads` requests to each peer within a scope of its own, and gives what the scope counted.
async fn counted(net: &Net, url: &str, reads: u64) -> Counts {
    let scope = Scope::lasting(ms(5000));
    let work = async {
        for _ in 0..reads {
            for peer in [Peer::Store, Peer::Cluster, Peer::Proxy] {
                net.client(peer).send(request(Method::GET, url)).await.unwrap();
                tokio::task::yield_now().await;
            }
        }
    };
    within(scope.clone(), work).await;
    scope.counts()
}

#[tokio::test]
async fn concurrent_scopes_on_shared_clients_count_their_own() {
    let server = Server::start(|_| Act::AnswerAfter(ms(1), 200, "")).await;
    let net = net(ms(900));
    let (one, two, three) = tokio::join!(
        counted(&net, &server.url, 1),
        counted(&net, &server.url, 5),
        counted(&net, &server.url, 9)
    );
    for (counts, reads) in [(one, 1), (two, 5), (three, 9)] {
        assert_eq!(
            counts,
            Counts {
                store: reads,
                cluster: reads,
                leased: 0,
                proxy: reads,
                platform: 0,
                outside: 0
            }
        );
    }
    assert_eq!(server.requests(), 45);
}

#[tokio::test]
async fn every_attempt_counts() {
    let server = Server::start(|number| Act::Answer(if number < 2 { 503 } else { 200 }, "")).await;
    let scope = Scope::lasting(ms(5000));
    let client = net(ms(900)).client(Peer::Platform);
    within(scope.clone(), client.send(request(Method::GET, &server.url)))
        .await
        .unwrap();
    assert_eq!(
        scope.counts(),
        Counts {
            platform: 3,
            ..Counts::default()
        }
    );
}

#[tokio::test]
async fn a_call_begun_elsewhere_accounts_to_the_scope_that_awaits_it() {
    let server = Server::start(|_| Act::Answer(200, "")).await;
    let mut client = net(ms(900)).client(Peer::Cluster);
    poll_fn(|context| client.poll_ready(context)).await.unwrap();
    let begun_outside = client.call(request(Method::GET, &server.url));
    let scope = Scope::lasting(ms(5000));
    within(scope.clone(), begun_outside).await.unwrap();
    assert_eq!(scope.counts().cluster, 1);
}

#[tokio::test]
async fn a_spawned_task_has_the_scope_it_is_handed_and_no_other() {
    let scope = Scope::lasting(ms(5000));
    within(scope.clone(), async {
        assert!(tokio::spawn(async { Scope::current() }).await.unwrap().is_none());
        let handed = Scope::current().unwrap();
        let inside = tokio::spawn(within(handed, async { Scope::current().unwrap().deadline() }))
            .await
            .unwrap();
        assert_eq!(inside, scope.deadline());
    })
    .await;
}
