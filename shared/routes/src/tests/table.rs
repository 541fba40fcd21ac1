//! The whole table and the marker, against the embedded proxy and against answers that it never gives.

use super::*;

use std::net::{Ipv4Addr, SocketAddr};

use embedded::proxy::{Proxy, Settings};

const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
const AT: &str = "2026-11-21T10:00:00Z";

async fn proxy() -> Proxy {
    let settings = Settings {
        clock: Arc::new(|| AT.parse().unwrap()),
        token: "t".to_owned(),
        listen: LOOPBACK,
        api_listen: LOOPBACK,
    };
    Proxy::start(settings).await.unwrap()
}

fn of(proxy: &Proxy, installation: &str) -> Routes {
    let net = net::Net::new(net::Settings::default()).unwrap();
    let installation = InstallationId::parse(installation).unwrap();
    Routes::connect(&net, proxy.api_url().parse().unwrap(), Token::new("t"), &installation).unwrap()
}

#[tokio::test]
async fn each_installation_sees_its_own_routes_alone() {
    let proxy = proxy().await;
    let (ours, theirs) = (of(&proxy, "prod"), of(&proxy, "staging"));
    let other = ApplicationId::from_bytes([1; 16]);
    ours.add(&id(), "http://10.0.0.9:8888").await.unwrap();
    theirs.add(&other, "http://10.0.0.8:8888").await.unwrap();
    let seen = |target: &str| RouteSeen {
        target: target.to_owned(),
        last_activity: AT.parse().unwrap(),
    };
    let table = ours.list().await.unwrap();
    assert_eq!(table.own, [(id(), seen("http://10.0.0.9:8888"))].into());
    assert_eq!(
        theirs.list().await.unwrap().own,
        [(other.clone(), seen("http://10.0.0.8:8888"))].into()
    );
    assert_eq!(
        theirs.last_use(&other).await.unwrap(),
        Activity::LastUse(AT.parse().unwrap())
    );
    ours.remove(&id()).await.unwrap();
    assert_eq!(ours.list().await.unwrap(), RouteTable::default());
    proxy.stop().await;
}

#[tokio::test]
async fn the_marker_tells_whether_the_proxy_still_has_its_routes() {
    let before = proxy().await;
    let ours = of(&before, "prod");
    assert!(!ours.is_marked().await.unwrap() && !ours.list().await.unwrap().marked);
    ours.mark().await.unwrap();
    ours.mark().await.unwrap();
    assert!(ours.is_marked().await.unwrap());
    let table = ours.list().await.unwrap();
    assert!(table.marked && table.own.is_empty());
    let theirs = of(&before, "staging");
    assert!(!theirs.is_marked().await.unwrap() && !theirs.list().await.unwrap().marked);
    before.stop().await;
    // Another one in its place has nothing of it.
    let after = proxy().await;
    assert!(!of(&after, "prod").is_marked().await.unwrap());
    after.stop().await;
}

#[tokio::test]
async fn what_says_nothing_of_whose_it_is_is_nobodys() {
    let table = concat!(
        r#"{"/user/abababababababababababababababab": {"target": "http://a:1", "last_activity": "2026-11-21T10:00:00.123Z"},"#,
        r#" "/layby/prod": {"target": "http://a:1", "last_activity": "2026-11-21T10:00:00.123Z", "layby": 7},"#,
        r#" "/user/x": {"target": "http://a:1", "last_activity": "2026-11-21T10:00:00.123Z", "layby": "prod"},"#,
        r#" "/": {"target": "http://a:1", "last_activity": "2026-11-21T10:00:00.123Z", "layby": "prod"}}"#
    );
    let (routes, asked) = answering(200, table);
    assert_eq!(routes.list().await.unwrap(), RouteTable::default());
    assert_eq!(*asked.lock().unwrap(), ["GET http://proxy.test:8001/api/routes "]);
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_no_empty_table() {
    for body in [
        "",
        "<html>",
        "[]",
        "null",
        r#"{"error": "no"}"#,
        r#"{"error": {"code": 1}}"#,
        r#"{"/user/x": {"target": "http://a:1"}}"#,
        r#"{"/user/x": {"target": "http://a:1", "last_activity": "yesterday"}}"#,
        r#"{"/user/x": {"last_activity": "2026-11-21T10:00:00Z"}}"#,
    ] {
        let (routes, _) = answering(200, body);
        assert!(matches!(routes.list().await, Err(Error::Nonsense(_))), "{body}");
        assert!(matches!(routes.is_marked().await, Err(Error::Nonsense(_))), "{body}");
    }
    let (empty, _) = answering(200, "{}");
    assert_eq!(empty.list().await.unwrap(), RouteTable::default());
    let (absent, _) = answering(404, "");
    assert!(matches!(absent.list().await, Err(Error::Refused { status: 404 })));
    assert!(!absent.is_marked().await.unwrap());
    let (busy, _) = answering(503, "{}");
    assert!(matches!(busy.list().await, Err(Error::Unreachable(_))));
    assert!(matches!(busy.is_marked().await, Err(Error::Unreachable(_))));
}

#[tokio::test]
async fn twenty_thousand_routes_are_one_answer() {
    let proxy = proxy().await;
    let ours = of(&proxy, "prod");
    let body = r#"{"target":"http://127.64.100.100:8888","layby":"prod"}"#;
    proxy.with_machine(|machine| {
        for number in 0..20_000_u32 {
            let request = Request::post(format!("/api/routes/user/{number:032x}"))
                .header(AUTHORIZATION, "token t")
                .body(Bytes::from_static(body.as_bytes()))
                .unwrap();
            let answer = machine.handle(AT.parse().unwrap(), &request);
            assert_eq!(answer.status(), StatusCode::CREATED);
        }
    });
    assert_eq!(ours.list().await.unwrap().own.len(), 20_000);
    proxy.stop().await;
}
