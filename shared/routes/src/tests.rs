//! Each answer of a proxy, given in place of the network, and the table over the embedded proxy.

mod table;

use std::sync::Mutex;

use super::*;

const ID: &str = "abababababababababababababababab";

/// A proxy that always answers this, and what it was asked: method, URL and body.
fn answering(status: u16, body: &'static str) -> (Routes, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = asked.clone();
    let faults: net::Faults = Arc::new(move |_, request: &Request<Bytes>| {
        assert_eq!(request.headers()[AUTHORIZATION], "token s3cret");
        let sent = String::from_utf8(request.body().to_vec()).unwrap();
        heard
            .lock()
            .unwrap()
            .push(format!("{} {} {sent}", request.method(), request.uri()));
        net::Fault::Answer(Response::builder().status(status).body(body.into()).unwrap())
    });
    let settings = net::Settings {
        faults: Some(faults),
        ..Default::default()
    };
    let net = net::Net::new(settings).unwrap();
    let (url, token) = (Uri::from_static("http://proxy.test:8001/"), Token::new("s3cret"));
    (Routes::connect(&net, url, token, &prod()).unwrap(), asked)
}

fn prod() -> InstallationId {
    InstallationId::parse("prod").unwrap()
}

fn id() -> ApplicationId {
    ApplicationId::parse(ID).unwrap()
}

#[tokio::test]
async fn a_route_is_added_by_its_path_with_its_target() {
    let (routes, asked) = answering(201, "");
    routes.add(&id(), "http://10.0.0.9:8888").await.unwrap();
    let sent = format!(
        "POST http://proxy.test:8001/api/routes/user/{ID} {{\"target\":\"http://10.0.0.9:8888\",\"layby\":\"prod\"}}"
    );
    assert_eq!(*asked.lock().unwrap(), [sent]);
}

#[tokio::test]
async fn a_route_that_is_not_there_counts_as_removed() {
    for status in [204, 404] {
        let (routes, asked) = answering(status, "");
        routes.remove(&id()).await.unwrap();
        assert_eq!(
            *asked.lock().unwrap(),
            [format!("DELETE http://proxy.test:8001/api/routes/user/{ID} ")]
        );
    }
}

#[tokio::test]
async fn the_last_use_is_what_the_proxy_says_and_nonsense_is_unknown() {
    let at = "2026-11-21T10:00:00.123Z";
    for (status, body, activity) in [
        (
            200,
            r#"{"target":"http://10.0.0.9:8888","last_activity":"2026-11-21T10:00:00.123Z"}"#,
            Activity::LastUse(at.parse().unwrap()),
        ),
        (200, r#"{"target":"http://10.0.0.9:8888"}"#, Activity::Unknown),
        (200, r#"{"last_activity":"yesterday"}"#, Activity::Unknown),
        (200, "<html>", Activity::Unknown),
        (200, "", Activity::Unknown),
        (404, "", Activity::NoRoute),
    ] {
        let (routes, asked) = answering(status, body);
        assert_eq!(routes.last_use(&id()).await.unwrap(), activity, "{status} {body}");
        assert_eq!(
            *asked.lock().unwrap(),
            [format!("GET http://proxy.test:8001/api/routes/user/{ID} ")]
        );
    }
}

#[tokio::test]
async fn a_route_is_found_where_it_is_this_installations() {
    let own = r#"{"target":"http://10.0.0.9:8888","layby":"prod","last_activity":"2026-11-21T10:00:00Z"}"#;
    let others = own.replace("prod", "other").leak();
    for (status, body, target) in [
        (200, own, Some("http://10.0.0.9:8888")),
        (200, others, None),
        (404, "", None),
    ] {
        let (routes, _) = answering(status, body);
        let found = routes.find(&id()).await.unwrap();
        assert_eq!(
            found.as_ref().map(|route| route.target.as_str()),
            target,
            "{status} {body}"
        );
    }
    let (nonsense, _) = answering(200, "<html>");
    assert!(matches!(nonsense.find(&id()).await, Err(Error::Nonsense(_))));
}

#[tokio::test]
async fn a_proxy_that_says_no_is_told_from_one_that_cannot_answer() {
    let (refusing, _) = answering(403, "");
    assert!(matches!(
        refusing.add(&id(), "http://a:1").await,
        Err(Error::Refused { status: 403 })
    ));
    assert!(matches!(
        refusing.remove(&id()).await,
        Err(Error::Refused { status: 403 })
    ));
    assert!(matches!(
        refusing.last_use(&id()).await,
        Err(Error::Refused { status: 403 })
    ));
    assert!(matches!(refusing.warm().await, Err(Error::Refused { status: 403 })));
    let (busy, _) = answering(500, "");
    assert!(matches!(busy.last_use(&id()).await, Err(Error::Unreachable(_))));
    assert!(matches!(busy.remove(&id()).await, Err(Error::Unreachable(_))));
}

#[tokio::test]
async fn warming_asks_for_one_route_that_is_never_there() {
    let (routes, asked) = answering(404, "");
    routes.warm().await.unwrap();
    assert_eq!(
        *asked.lock().unwrap(),
        ["GET http://proxy.test:8001/api/routes/layby/health "]
    );
}

#[tokio::test]
async fn no_route_is_written_with_too_little_time_left() {
    let (routes, asked) = answering(201, "");
    let scope = net::Scope::lasting(std::time::Duration::from_millis(500));
    let added = net::within(scope, routes.add(&id(), "http://a:1")).await;
    assert!(matches!(added, Err(Error::OutOfTime)));
    assert!(asked.lock().unwrap().is_empty());
}

#[test]
fn what_cannot_be_used_is_refused_and_the_token_shown_nowhere() {
    let net = net::Net::new(net::Settings::default()).unwrap();
    for (url, token) in [
        ("/api", "t"),
        ("ftp://proxy", "t"),
        ("http://proxy/?a=b", "t"),
        ("http://proxy", "s3cret\n"),
    ] {
        let refused = Routes::connect(&net, url.parse().unwrap(), Token::new(token), &prod()).unwrap_err();
        assert!(!format!("{refused} {refused:?}").contains("s3cret"));
        assert!(matches!(refused, Error::BadSettings(_)), "{url}");
    }
    let routes = Routes::connect(&net, Uri::from_static("http://proxy"), Token::new("s3cret"), &prod()).unwrap();
    assert!(!format!("{routes:?} {:?}", Token::new("s3cret")).contains("s3cret"));
}
