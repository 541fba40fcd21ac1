//! Keys of new environments, put where Apigee has them.

use std::sync::Mutex;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use gateway::{Kvm, KvmError};
use http::HeaderValue;
use serde_json::{Value, json};

use crate::edge;
use crate::origin::{Act, Asked, Origin};

const TOKEN: HeaderValue = HeaderValue::from_static("Bearer of-the-caller");
const KEY: &str = "0123456789012345678901234567890123456789abc=";

/// An Apigee whose organisations change maps entry by entry, or not.
async fn apigee(by_entry: bool) -> Origin {
    let has_map = Mutex::new(false);
    Origin::http(move |asked: &Asked| {
        let maps = "/v1/organizations/acme/environments/test/keyvaluemaps";
        let mut has_map = has_map.lock().unwrap();
        let property = json!({ "name": "features.isCpsEnabled", "value": by_entry.to_string() });
        let status = match (asked.method.as_str(), asked.uri.path().strip_prefix(maps)) {
            ("POST", Some("")) if *has_map => 409,
            ("POST", Some("")) => {
                *has_map = true;
                201
            }
            ("POST", Some("/shipyard-routing/entries/x-routing-api-key")) if by_entry => 200,
            ("POST", Some("/shipyard-routing")) if !by_entry => 200,
            ("GET", None) if asked.uri == "/v1/organizations/acme" => {
                return Act::Answer(200, json!({ "properties": { "property": [property] } }).to_string());
            }
            _ => 404,
        };
        Act::Answer(status, String::new())
    })
    .await
}

async fn kvm(url: &str) -> Kvm {
    let edge = edge(&[("APIGEE_KVM", "true"), ("AUTH_API_HOST", url)]).await;
    edge.kvm().unwrap().unwrap()
}

#[tokio::test]
async fn a_key_is_put_in_a_new_map_and_written_over_in_one_that_is_there() {
    for by_entry in [true, false] {
        let apigee = apigee(by_entry).await;
        let kvm = kvm(&apigee.url()).await;
        for _ in 0..3 {
            kvm.put_key(&TOKEN, "acme", "test", KEY).await.unwrap();
        }
        let asked = apigee.asked();
        assert_eq!(asked.len(), 1 + 3 + 3);
        assert!(
            asked
                .iter()
                .all(|one| one.header("authorization") == Some("Bearer of-the-caller"))
        );
        let entry = json!({ "name": "x-routing-api-key", "value": STANDARD.encode(KEY) });
        let map = json!({ "name": "shipyard-routing", "entry": [entry] });
        let bodies: Vec<Value> = asked
            .iter()
            .filter(|one| one.method == "POST")
            .map(|one| serde_json::from_str(&one.body).unwrap())
            .collect();
        assert_eq!((&bodies[0], &bodies[1]), (&map, &map));
        assert_eq!(bodies[2], if by_entry { entry } else { map });
    }
}

#[tokio::test]
async fn what_apigee_refuses_or_does_not_answer_is_said() {
    let refusing = Origin::http(|_| Act::Answer(403, String::new())).await;
    let error = kvm(&refusing.url()).await.put_key(&TOKEN, "acme", "test", KEY).await;
    assert_eq!(
        error.unwrap_err().to_string(),
        "Apigee answered 403 Forbidden to a new map"
    );
    let url = refusing.url();
    drop(refusing);
    let error = kvm(&url).await.put_key(&TOKEN, "acme", "test", KEY).await;
    assert!(matches!(error, Err(KvmError::Net(_))), "{error:?}");
}
