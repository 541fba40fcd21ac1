//! Access, as far as time or the lack of a credential decides it; the rest is in the contract suite.

use bytes::Bytes;
use http::{Method, Request};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::Cluster;
use crate::kubernetes::Outcome;

const ACCOUNT: &str = "/api/v1/namespaces/n/serviceaccounts/default";

/// The code of a GET with a token.
fn code(cluster: &mut Cluster, token: &str, path: &str) -> u16 {
    let mut request = Cluster::request(Method::GET, path, "", &Value::Null);
    let value = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", value);
    match cluster.send(request) {
        Outcome::Answer(answer) => answer.status().as_u16(),
        Outcome::Watch(_) => panic!("a watch"),
    }
}

fn token(cluster: &mut Cluster) -> String {
    let path = format!("{ACCOUNT}/token");
    let (status, request) = cluster.post(&path, json!({"spec": {"expirationSeconds": 600}}));
    assert_eq!(status, 201, "{request}");
    request["status"]["token"].as_str().unwrap().to_owned()
}

#[test]
fn a_token_is_good_until_a_minute_after_its_end() {
    let mut cluster = Cluster::new();
    cluster.namespace("n");
    let token = token(&mut cluster);
    cluster.now += SignedDuration::from_secs(660);
    assert_eq!(code(&mut cluster, &token, "/version"), 200);
    cluster.now += SignedDuration::from_secs(1);
    assert_eq!(code(&mut cluster, &token, "/version"), 401);
}

#[test]
fn a_token_ends_with_its_account_at_once() {
    let mut cluster = Cluster::new();
    cluster.namespace("n");
    let token = token(&mut cluster);
    assert_eq!(code(&mut cluster, &token, ACCOUNT), 403);
    assert_eq!(cluster.delete(ACCOUNT, Value::Null).0, 200);
    assert_eq!(code(&mut cluster, &token, ACCOUNT), 401);
}

#[test]
fn whoever_comes_without_a_credential_may_take_another_place() {
    let mut cluster = Cluster::new();
    let request = |headers: &[(&str, &str)]| {
        let request = headers
            .iter()
            .fold(Request::get("/api/v1/nodes"), |request, (name, value)| {
                request.header(*name, *value)
            });
        request.body(Bytes::new()).unwrap()
    };
    for (headers, expected) in [
        (&[][..], 200),
        (&[("impersonate-user", "ann")], 403),
        (
            &[("impersonate-user", "ann"), ("impersonate-group", "system:masters")],
            200,
        ),
        (&[("impersonate-group", "system:masters")], 400),
    ] {
        let Outcome::Answer(answer) = cluster.send(request(headers)) else {
            panic!("a watch")
        };
        assert_eq!(answer.status().as_u16(), expected, "{headers:?}");
    }
}
