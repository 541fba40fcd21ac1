//! Pod templates from origins that behave, and from others that do not.

use std::time::{Duration, Instant};

use api::Code;
use domain::limits::FETCH_BYTES_MAX;
use gateway::{Asker, Fetch, FetchError, Problem};
use http::HeaderValue;
use serde_json::Value;

use crate::edge;
use crate::origin::{Act, Asked, Origin};

const OWN: &str = "api.example";
const LISTED: &str = "templates.example";
const STRANGE: &str = "strange.example";
const TOKEN: HeaderValue = HeaderValue::from_static("Bearer of-the-caller");

/// An origin that has all the names, and a fetch that is pinned to it under them.
struct Ground {
    origin: Origin,
    fetch: Fetch,
    own: String,
}

impl Ground {
    async fn new(state: &str, more: &[(&str, &str)], script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let origin = Origin::https(&[OWN, LISTED, STRANGE], script).await;
        let pins = [OWN, LISTED, STRANGE].map(|host| format!("{host}=127.0.0.1")).join(",");
        let listed = format!("{LISTED}:{}", origin.port());
        let mut variables = vec![
            ("DEPLOY_STATE", state),
            ("LAYBY_FETCH_HOSTS", &listed),
            ("LAYBY_OUTSIDE_PINS", &pins),
            ("LAYBY_OUTSIDE_CA", origin.ca_pem.as_deref().unwrap()),
        ];
        variables.extend(more);
        let fetch = edge(&variables).await.fetch().unwrap();
        let own = format!("{OWN}:{}", origin.port());
        Self { origin, fetch, own }
    }

    fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.origin.port())
    }

    async fn ask(&self, url: &str) -> Result<Value, FetchError> {
        let asker = Asker {
            host: Some(&self.own),
            authorization: Some(&TOKEN),
        };
        self.fetch.pod_template(asker, url).await
    }

    async fn refusal(&self, url: &str) -> String {
        match self.ask(url).await {
            Err(FetchError::Refused(said)) => said,
            other => panic!("{url}: {other:?}"),
        }
    }
}

/// A JSON document of so many bytes.
fn padded(bytes: usize) -> String {
    format!("{{{}}}", " ".repeat(bytes - 2))
}

fn template(_: &Asked) -> Act {
    Act::Answer(200, r#"{"spec": {"containers": []}}"#.to_owned())
}

#[tokio::test]
async fn the_own_and_listed_hosts_are_asked_with_the_callers_token_and_no_other_host_is_asked() {
    let ground = Ground::new("PROD", &[], template).await;
    for host in [OWN, LISTED, "API.example"] {
        let fetched = ground.ask(&ground.url(host, "/pts?revision=1#part")).await.unwrap();
        assert!(fetched["spec"]["containers"].is_array(), "{host}");
    }
    let asked = ground.origin.asked();
    assert_eq!(asked.len(), 3);
    for one in asked {
        assert_eq!(one.uri, "/pts?revision=1");
        assert_eq!(one.header("authorization"), Some("Bearer of-the-caller"));
        assert_eq!(one.header("content-type"), Some("application/json"));
    }
    let port = ground.origin.port();
    assert_eq!(
        ground.refusal(&ground.url(STRANGE, "/")).await,
        format!(
            "Attempting to use PTS from unauthorized host: {STRANGE}:{port}, expected: {OWN}:{port} or {LISTED}:{port}"
        )
    );
    // A host is one with its port.
    ground.refusal(&format!("https://{LISTED}/")).await;
    assert_eq!(ground.origin.asked().len(), 3);
}

#[tokio::test]
async fn to_develop_with_any_public_host_may_be_asked_but_not_with_the_token() {
    let ground = Ground::new("DEV", &[], template).await;
    ground.ask(&ground.url(STRANGE, "/")).await.unwrap();
    ground.ask(&ground.url(OWN, "/")).await.unwrap();
    let tokens: Vec<bool> = ground
        .origin
        .asked()
        .iter()
        .map(|one| one.header("authorization").is_some())
        .collect();
    assert_eq!(tokens, [false, true]);
    // Without a pin its name or number would have to be of the public internet, however it is written.
    let port = ground.origin.port();
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "localhost",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "10.0.0.1",
    ] {
        let said = ground.refusal(&format!("https://{host}:{port}/")).await;
        assert!(said.contains("which is not of the public internet"), "{host}: {said}");
    }
    assert_eq!(ground.origin.asked().len(), 2);
}

#[tokio::test]
async fn what_is_no_address_by_https_is_refused() {
    let ground = Ground::new("DEV", &[], template).await;
    for (url, said) in [
        ("", "is no URL"),
        ("pts.json", "is no URL"),
        ("//templates.example/", "is no URL"),
        ("http://templates.example/", "by https, not by 'http'"),
        ("ftp://templates.example/", "by https, not by 'ftp'"),
        ("file:///etc/passwd", "has no host"),
        ("data:application/json,{}", "has no host"),
        ("https://user@templates.example/", "has a user"),
        ("https://:password@templates.example/", "has a user"),
    ] {
        let refusal = ground.refusal(url).await;
        assert!(refusal.contains(said), "{url}: {refusal}");
    }
    assert!(ground.origin.asked().is_empty());
}

#[tokio::test]
async fn each_redirect_is_judged_as_the_first_address_was() {
    let ground = Ground::new("DEV", &[], |asked| {
        let port = asked.header("host").unwrap().rsplit(':').next().unwrap().to_owned();
        let to = |to: String| Act::Redirect(302, to);
        match asked.uri.path() {
            "/relative" => Act::Redirect(307, "template?by=relative".to_owned()),
            "/elsewhere" => Act::Redirect(308, format!("https://{STRANGE}:{port}/back")),
            "/back" => Act::Redirect(301, format!("//{OWN}:{port}/template")),
            "/plain" => to(format!("http://{OWN}:{port}/template")),
            "/loopback" => to(format!("https://127.0.0.1:{port}/template")),
            "/mapped" => to(format!("https://[::ffff:127.0.0.1]:{port}/template")),
            "/metadata" => to("https://169.254.169.254/latest/meta-data".to_owned()),
            "/user" => to(format!("https://a:b@{OWN}:{port}/template")),
            "/loop" => to("/loop".to_owned()),
            "/nowhere" => to("https://".to_owned()),
            path if path.starts_with("/steps/") => {
                let left: u32 = path["/steps/".len()..].parse().unwrap();
                to(if left == 1 {
                    "/template".to_owned()
                } else {
                    format!("/steps/{}", left - 1)
                })
            }
            _ => template(asked),
        }
    })
    .await;
    ground.ask(&ground.url(OWN, "/relative")).await.unwrap();
    ground.ask(&ground.url(OWN, "/steps/3")).await.unwrap();
    let before = ground.origin.asked().len();
    ground.ask(&ground.url(OWN, "/elsewhere")).await.unwrap();
    let tokens: Vec<(String, bool)> = ground.origin.asked()[before..]
        .iter()
        .map(|one| (one.uri.path().to_owned(), one.header("authorization").is_some()))
        .collect();
    let expected = [("/elsewhere", true), ("/back", false), ("/template", true)];
    assert_eq!(tokens, expected.map(|(path, token)| (path.to_owned(), token)));
    for (path, said) in [
        ("/steps/4", "behind more than 3 redirects"),
        ("/loop", "behind more than 3 redirects"),
        ("/plain", "by https, not by 'http'"),
        ("/loopback", "loopback address"),
        ("/mapped", "loopback address"),
        ("/metadata", "link-local or metadata address"),
        ("/user", "has a user"),
    ] {
        let refusal = ground.refusal(&ground.url(OWN, path)).await;
        assert!(refusal.contains(said), "{path}: {refusal}");
    }
    let looped = ground.origin.asked().iter().filter(|one| one.uri == "/loop").count();
    assert_eq!(looped, 4);
    let nowhere = ground.ask(&ground.url(OWN, "/nowhere")).await;
    assert!(matches!(nowhere, Err(FetchError::Failed { .. })), "{nowhere:?}");
}

#[tokio::test]
async fn in_production_a_redirect_leaves_the_allowed_hosts_no_more_than_the_first_address() {
    let ground = Ground::new("PROD", &[], |asked| {
        let port = asked.header("host").unwrap().rsplit(':').next().unwrap().to_owned();
        Act::Redirect(302, format!("https://{STRANGE}:{port}/"))
    })
    .await;
    let said = ground.refusal(&ground.url(LISTED, "/")).await;
    assert!(said.contains("unauthorized host: strange.example"), "{said}");
    assert_eq!(ground.origin.asked().len(), 1);
}

#[tokio::test]
async fn what_is_too_long_or_no_json_is_refused_and_an_origin_that_fails_is_another_matter() {
    let ground = Ground::new("PROD", &[], |asked| match asked.uri.path() {
        "/endless" => Act::Endless,
        "/largest" => Act::Answer(200, padded(FETCH_BYTES_MAX)),
        "/larger" => Act::Answer(200, padded(FETCH_BYTES_MAX + 1)),
        "/page" => Act::Answer(200, "<html>".to_owned()),
        "/two" => Act::Answer(200, "{} {}".to_owned()),
        "/deep" => Act::Answer(200, "[".repeat(100_000)),
        "/nothing" => Act::Answer(200, String::new()),
        "/404" => Act::Answer(404, "{}".to_owned()),
        "/503" => Act::Answer(503, "{}".to_owned()),
        "/204" => Act::Answer(204, String::new()),
        _ => Act::Redirect(304, "/".to_owned()),
    })
    .await;
    ground.ask(&ground.url(OWN, "/largest")).await.unwrap();
    for path in ["/endless", "/larger"] {
        let said = ground.refusal(&ground.url(OWN, path)).await;
        assert!(said.contains("has more than 1048576 bytes"), "{path}: {said}");
    }
    for path in ["/page", "/two", "/deep", "/nothing"] {
        let said = ground.refusal(&ground.url(OWN, path)).await;
        assert!(
            said.starts_with("Error decoding PTS JSON Body: line 1, column"),
            "{path}: {said}"
        );
    }
    for status in ["404", "503", "204", "304"] {
        let failed = ground.ask(&ground.url(OWN, &format!("/{status}"))).await.unwrap_err();
        assert!(matches!(failed, FetchError::Failed { .. }), "{status}: {failed:?}");
        assert_eq!(failed.to_string(), format!("Expected 200 from ptsURL got: {status}"));
    }
}

#[tokio::test]
async fn whoever_is_slow_has_five_seconds_over_all_redirects() {
    let ground = Ground::new("PROD", &[], |asked| match asked.uri.path() {
        "/slow" => Act::After(Duration::from_millis(500), String::from("{}")),
        "/drip" => Act::Redirect(302, "/hang".to_owned()),
        _ => Act::Hang,
    })
    .await;
    #[expect(clippy::disallowed_methods, reason = "how long a fetch takes is what is tested")]
    let begun = Instant::now();
    let (url, slow) = (ground.url(OWN, "/drip"), ground.url(OWN, "/slow"));
    let (hung, came) = futures::join!(ground.ask(&url), ground.ask(&slow));
    let took = begun.elapsed();
    assert_eq!(came.unwrap(), serde_json::json!({}));
    let failed = hung.unwrap_err();
    assert!(failed.to_string().contains("did not answer in time"), "{failed}");
    assert!(took >= Duration::from_millis(4900), "{took:?}");
    let problem = Problem::from(failed);
    assert_eq!((problem.code(), problem.code().status()), (Code::OriginFailed, 502));
}

#[tokio::test]
async fn the_router_stands_in_for_its_host_and_is_reached_by_no_other_name() {
    let router = Origin::http(|asked| match asked.uri.path() {
        "/moved" => Act::Redirect(302, "/pts".to_owned()),
        _ => template(asked),
    })
    .await;
    let internal = format!("127.0.0.1:{}", router.port());
    let more = [
        ("SHIPYARD_HOST", "shipyard.example"),
        ("INTERNAL_ROUTER_HOST", internal.as_str()),
        ("SHIPYARD_PRIVATE_SECRET", "secret"),
    ];
    for state in ["PROD", "DEV"] {
        let ground = Ground::new(state, &more, template).await;
        let before = router.asked().len();
        for url in [
            "https://shipyard.example/pts?a=b",
            "http://Shipyard.example/pts?a=b",
            "https://shipyard.example/moved",
        ] {
            ground.ask(url).await.unwrap();
        }
        let asked = router.asked().split_off(before);
        assert_eq!(asked.len(), 4);
        for one in asked {
            assert_eq!(one.header("host"), Some("shipyard.example"));
            assert_eq!(one.header("x-routing-api-key"), Some("c2VjcmV0"));
            assert_eq!(one.header("authorization"), Some("Bearer of-the-caller"));
        }
        // Its own address is as inward as any other.
        for scheme in ["http", "https"] {
            ground.refusal(&format!("{scheme}://{internal}/pts")).await;
        }
        let own = Asker {
            host: Some(&internal),
            authorization: None,
        };
        let outcome = ground.fetch.pod_template(own, &format!("https://{internal}/pts")).await;
        assert!(matches!(outcome, Err(FetchError::Refused(_))), "{outcome:?}");
    }
}

#[test]
fn a_refusal_is_the_callers_matter() {
    let problem = Problem::from(FetchError::Refused("no".to_owned()));
    assert_eq!((problem.code(), problem.code().status()), (Code::MalformedRequest, 400));
}
