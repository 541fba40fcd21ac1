//! Guarded fetches: whom they reach, how much they read and how long they take.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request};
use net::{Error, Fetch, FetchRules, Net, Peer, Reach, Rule, Scope, Settings, Trust, within};

use crate::server::{Act, Server};
use crate::{ms, net, request, settings};

const LARGEST: usize = 1000;

fn rules(exempt: &[&str], span: Duration) -> FetchRules {
    FetchRules {
        span,
        largest_body: LARGEST,
        exempt_hosts: exempt.iter().map(|host| (*host).to_owned()).collect::<BTreeSet<_>>(),
        pins: BTreeMap::new(),
        extra_ca_pem: None,
    }
}

fn fetch(exempt: &[&str], span: Duration) -> Fetch {
    net(ms(3000)).fetch(rules(exempt, span)).unwrap()
}

/// A fetch for which every name has the addresses that `names` says, the nth time it is asked, and how often it was.
fn resolving(
    rules: FetchRules,
    names: impl Fn(usize) -> Vec<IpAddr> + Send + Sync + 'static,
) -> (Fetch, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let net = Net::new(Settings {
        names: Some(Arc::new(move |_| names(counted.fetch_add(1, Ordering::SeqCst)))),
        ..settings(ms(3000))
    });
    (net.unwrap().fetch(rules).unwrap(), asked)
}

/// The URL of `server` with another name for its host.
fn at(server: &Server, host: &str) -> String {
    server.url.replace("127.0.0.1", host)
}

#[tokio::test]
async fn an_inward_host_is_refused_by_name_of_the_rule_before_anything_is_sent() {
    let server = Server::start(|_| Act::Answer(200, "inside")).await;
    let fetch = fetch(&["somebody.else"], ms(3000));
    // The system's resolver takes a number for an address; what it resolves to is checked.
    for host in [
        "127.0.0.1",
        "localhost",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "[::1]",
    ] {
        let outcome = fetch.send(request(Method::GET, &at(&server, host))).await;
        let Err(Error::Guarded(rule)) = outcome else {
            panic!("{host}: {outcome:?}")
        };
        assert_eq!(rule, Rule::InwardAddress("loopback"), "{host}");
    }
    assert_eq!(server.connections(), 0);
    let outcome = fetch
        .send(request(Method::GET, "http://169.254.169.254/latest/meta-data"))
        .await;
    let said = outcome.unwrap_err().to_string();
    assert_eq!(
        said,
        "the address is refused: its host has a link-local or metadata address, which is not of the public internet"
    );
}

#[tokio::test]
async fn a_guarded_client_judges_names_and_addresses_by_its_reach_and_follows_no_redirect() {
    let server = Server::start(|_| Act::Header(302, "location", "http://169.254.169.254/")).await;
    let guarded = |loopback| {
        let reach = Reach {
            networks: vec!["127.0.0.0/8".parse().unwrap()],
            loopback,
        };
        let net = net(ms(3000));
        net.client_guarded(Peer::Cluster, &Trust::default(), &reach).unwrap()
    };
    for host in ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"] {
        let outcome = guarded(false).send(request(Method::GET, &at(&server, host))).await;
        let Err(Error::Guarded(rule)) = outcome else {
            panic!("{host}: {outcome:?}")
        };
        assert_eq!(rule, Rule::InwardAddress("loopback"), "{host}");
    }
    assert_eq!(server.connections(), 0);
    for host in ["127.0.0.1", "localhost"] {
        let answer = guarded(true)
            .send(request(Method::GET, &at(&server, host)))
            .await
            .unwrap();
        assert_eq!(answer.status().as_u16(), 302);
    }
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn hosts_that_the_operator_wrote_down_may_be_inside() {
    let server = Server::start(|_| Act::Answer(200, "inside")).await;
    for host in ["127.0.0.1", "localhost"] {
        let fetch = fetch(&[host], ms(3000));
        let scope = Scope::lasting(ms(3000));
        let answer = within(
            scope.clone(),
            fetch.send(request(Method::GET, &at(&server, &host.to_uppercase()))),
        );
        assert_eq!(answer.await.unwrap().body(), "inside");
        assert_eq!(scope.counts().outside, 1);
    }
}

#[tokio::test]
async fn a_pinned_host_is_at_the_address_that_was_written_down_and_no_other_is() {
    let server = Server::start(|_| Act::Answer(200, "inside")).await;
    let pinned = FetchRules {
        pins: BTreeMap::from([("Templates.Example".to_owned(), "127.0.0.1".parse().unwrap())]),
        ..rules(&[], ms(3000))
    };
    let (fetch, asked) = resolving(pinned, |_| vec!["127.0.0.1".parse().unwrap()]);
    let answer = fetch
        .send(request(Method::GET, &at(&server, "templates.example")))
        .await
        .unwrap();
    assert_eq!(
        (answer.body().as_ref(), asked.load(Ordering::SeqCst)),
        (&b"inside"[..], 0)
    );
    for host in ["other.example", "127.0.0.1", "templates.example.other.example"] {
        let outcome = fetch.send(request(Method::GET, &at(&server, host))).await;
        assert!(
            matches!(outcome, Err(Error::Guarded(Rule::InwardAddress("loopback")))),
            "{host}"
        );
    }
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_name_whose_addresses_change_is_judged_by_those_that_are_connected_to() {
    let server = Server::start(|_| Act::Answer(200, "inside")).await;
    let inward: IpAddr = "127.0.0.1".parse().unwrap();
    let outward: IpAddr = "8.8.8.8".parse().unwrap();
    // It passes the first time, with nothing to connect to: the next try asks again, and judges what it hears then.
    let changing = move |number| if number == 0 { Vec::new() } else { vec![inward] };
    let (fetch, asked) = resolving(rules(&[], ms(8000)), changing);
    let scope = Scope::lasting(ms(8000));
    let outcome = within(
        scope,
        fetch.send(request(Method::GET, &at(&server, "changing.example"))),
    );
    let outcome = outcome.await;
    assert!(
        matches!(outcome, Err(Error::Guarded(Rule::InwardAddress("loopback")))),
        "{outcome:?}"
    );
    assert_eq!((asked.load(Ordering::SeqCst), server.connections()), (2, 0));
    // One inward address among others is enough, in whichever form it is written.
    for hidden in ["127.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"] {
        let hidden: IpAddr = hidden.parse().unwrap();
        let (fetch, _) = resolving(rules(&[], ms(3000)), move |_| vec![outward, hidden]);
        let outcome = fetch.send(request(Method::GET, &at(&server, "several.example"))).await;
        assert!(matches!(outcome, Err(Error::Guarded(_))), "{hidden}: {outcome:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let server = Server::start(|_| Act::Header(302, "location", "/elsewhere")).await;
    let fetch = fetch(&["127.0.0.1"], ms(3000));
    let answer = fetch.send(request(Method::GET, &server.url)).await.unwrap();
    assert_eq!((answer.status().as_u16(), server.requests()), (302, 1));
}

#[tokio::test]
async fn a_body_that_is_longer_than_the_rules_allow_is_refused_whether_announced_or_not() {
    for announced in [true, false] {
        for (length, fits) in [(LARGEST, true), (LARGEST + 1, false)] {
            let server = Server::start(move |_| Act::Long(length, announced)).await;
            let outcome = fetch(&["127.0.0.1"], ms(3000))
                .send(request(Method::GET, &server.url))
                .await;
            match outcome {
                Ok(answer) => assert!(fits && answer.body().len() == LARGEST),
                Err(error) => assert!(!fits && matches!(error, Error::TooLarge), "{error:?}"),
            }
        }
    }
}

#[tokio::test]
async fn all_tries_together_take_no_longer_than_the_rules_allow() {
    let hanging = Server::start(|_| Act::Hang).await;
    let busy = Server::start(|_| Act::AnswerAfter(ms(150), 503, "")).await;
    let fetch = fetch(&["127.0.0.1"], ms(400));
    let begun = Instant::now();
    let outcome = fetch.send(request(Method::GET, &hanging.url)).await;
    assert!(matches!(outcome, Err(Error::TimedOut)), "{outcome:?}");
    let _ = fetch.send(request(Method::GET, &busy.url)).await;
    assert!(begun.elapsed() < ms(2000), "{:?}", begun.elapsed());
    assert_eq!(hanging.requests(), 1);
}

#[tokio::test]
async fn of_a_long_body_only_the_end_is_kept() {
    for (length, announced) in [(0, true), (LARGEST, true), (LARGEST + 1, true), (40 * LARGEST, false)] {
        let server = Server::start(move |_| Act::Long(length, announced)).await;
        let client = net(ms(3000)).client(Peer::Cluster);
        let request = Request::get(&server.url).body(Bytes::new()).unwrap();
        let kept = client.send_keeping(request, LARGEST).await.unwrap();
        assert_eq!(kept.answer.body().len(), length.min(LARGEST));
        assert_eq!(kept.is_cut, length > LARGEST);
    }
}
