//! layby's own client of the API, on which launches, culling and repair rest.

use std::time::Duration;

use domain::{Activity, ApplicationId, InstallationId};
use jiff::Timestamp;
use net::{Net, Settings};
use routes::{Error, Routes, Token};
use serde_json::json;

use crate::server::Server;
use crate::target::nobody;

checks! {
    a_route_is_added_found_and_removed
    routes_of_others_are_not_seen
    the_marker_tells_a_restart
    the_last_use_is_the_proxys
    a_wrong_token_is_told_apart_from_an_outage
}

fn client_with(server: &Server, token: &str, installation: &str) -> Routes {
    let net = Net::new(Settings::default()).unwrap();
    let installation = InstallationId::parse(installation).unwrap();
    Routes::connect(&net, server.api.parse().unwrap(), Token::new(token), &installation).unwrap()
}

fn client(server: &Server) -> Routes {
    client_with(server, &server.token, "prod")
}

fn id(number: u8) -> ApplicationId {
    ApplicationId::from_bytes([number; 16])
}

async fn a_route_is_added_found_and_removed(server: &Server) {
    let (client, target) = (client(server), server.with_target().await);
    let url = format!("http://{}", target.address);
    client.warm().await.unwrap();
    assert_eq!(client.find(&id(1)).await.unwrap(), None);
    client.add(&id(1), "http://10.0.0.1:1").await.unwrap();
    client.add(&id(1), &url).await.unwrap();
    let path = format!("/user/{}", id(1));
    assert_eq!(
        server.get(&format!("{path}/lab")).await.json()["uri"],
        format!("{path}/lab")
    );
    let found = client.find(&id(1)).await.unwrap().unwrap();
    assert_eq!((&found.target, found.last_activity), (&url, server.used(&path).await));
    let table = client.list().await.unwrap();
    assert_eq!(
        (table.own.into_iter().collect::<Vec<_>>(), table.marked),
        (vec![(id(1), found)], false)
    );
    client.remove(&id(1)).await.unwrap();
    client.remove(&id(1)).await.unwrap();
    assert_eq!(client.find(&id(1)).await.unwrap(), None);
    assert_eq!(client.list().await.unwrap(), routes::RouteTable::default());
}

async fn routes_of_others_are_not_seen(server: &Server) {
    let (own, other) = (client(server), client_with(server, &server.token, "other"));
    for number in 1..=5 {
        let of = if number % 2 == 1 { &own } else { &other };
        of.add(&id(number), &format!("http://10.0.0.{number}:80"))
            .await
            .unwrap();
    }
    other.mark().await.unwrap();
    server
        .post("/by/hand", &json!({ "target": "http://10.0.0.9:1", "layby": ["prod"] }))
        .await;
    let table = own.list().await.unwrap();
    assert_eq!(table.own.keys().collect::<Vec<_>>(), [&id(1), &id(3), &id(5)]);
    assert_eq!(table.own[&id(3)].target, "http://10.0.0.3:80");
    assert!(!table.marked && !own.is_marked().await.unwrap());
    assert!(other.list().await.unwrap().marked);
    assert_eq!(own.find(&id(2)).await.unwrap(), None);
}

async fn the_marker_tells_a_restart(server: &Server) {
    let client = client(server);
    assert!(!client.is_marked().await.unwrap());
    client.mark().await.unwrap();
    client.mark().await.unwrap();
    assert!(client.is_marked().await.unwrap());
    assert!(client.list().await.unwrap().marked);
    assert_eq!(server.get("/layby/prod").await.status, 503, "it leads nowhere");
    server.restart().await;
    assert!(!client.is_marked().await.unwrap());
    assert!(!client.list().await.unwrap().marked);
}

async fn the_last_use_is_the_proxys(server: &Server) {
    let (client, target) = (client(server), server.with_target().await);
    assert_eq!(client.last_use(&id(1)).await.unwrap(), Activity::NoRoute);
    let before = Timestamp::from_millisecond(Timestamp::now().as_millisecond()).unwrap();
    client.add(&id(1), &format!("http://{}", target.address)).await.unwrap();
    let Activity::LastUse(added) = client.last_use(&id(1)).await.unwrap() else {
        panic!("no use");
    };
    assert!(before <= added && added <= Timestamp::now(), "{added}");
    tokio::time::sleep(Duration::from_millis(20)).await;
    server.get(&format!("/user/{}", id(1))).await;
    contract::eventually("its use is told", async || {
        let used = client.last_use(&id(1)).await.unwrap();
        matches!(used, Activity::LastUse(used) if used > added).then_some(())
    })
    .await;
}

async fn a_wrong_token_is_told_apart_from_an_outage(server: &Server) {
    let stranger = client_with(server, "wrong", "prod");
    let refused = [
        stranger.warm().await.unwrap_err(),
        stranger.add(&id(1), "http://10.0.0.1:1").await.unwrap_err(),
        stranger.list().await.unwrap_err(),
        stranger.remove(&id(1)).await.unwrap_err(),
    ];
    for error in refused {
        assert!(matches!(error, Error::Refused { status: 403 }), "{error}");
    }
    let (net, prod) = (
        Net::new(Settings::default()).unwrap(),
        InstallationId::parse("prod").unwrap(),
    );
    let nowhere = format!("http://{}", nobody().await).parse().unwrap();
    let nowhere = Routes::connect(&net, nowhere, Token::new("t"), &prod).unwrap();
    assert!(matches!(nowhere.list().await, Err(Error::Unreachable(_))));
}
