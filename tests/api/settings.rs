//! What is out of the ordinary in a case, brought about.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use gateway::{Config, Launches};
use http::{Method, Request, Response};
use net::{Fault, Faults, Peer};
use serde_json::{Value, json};

use crate::cases::Setting;

/// `config` as the setting has it.
pub fn config(setting: Setting, mut config: Config) -> Config {
    match setting {
        Setting::KeyedLaunches => config.launches = Launches::Keyed,
        Setting::NoCells => config.cells.clear(),
        Setting::Usual | Setting::LosingCluster | Setting::RefusingCluster | Setting::Overtaking => {}
    }
    config
}

/// The faults that the setting has.
pub fn faults(setting: Setting) -> Faults {
    match setting {
        Setting::Usual | Setting::KeyedLaunches | Setting::NoCells => Arc::new(|_, _| Fault::Pass),
        Setting::LosingCluster => losing(),
        Setting::RefusingCluster => Arc::new(|peer, request| {
            let is_pod = request.uri().path().ends_with("/pods");
            if (peer, request.method()) == (Peer::Cluster, &Method::POST) && is_pod {
                Fault::Answer(status(422, "Invalid", "the pod is not wanted here"))
            } else {
                Fault::Pass
            }
        }),
        Setting::Overtaking => Arc::new(|peer, request| match (peer, action(request)) {
            (Peer::Store, "PutItem" | "DeleteItem" | "UpdateItem") => Fault::Answer(overtaken(request)),
            _ => Fault::Pass,
        }),
    }
}

/// The first answer to each creation is lost: the object is there, and its maker does not know.
fn losing() -> Faults {
    let seen = Mutex::new(HashSet::new());
    Arc::new(move |peer, request| {
        let creates = (peer, request.method()) == (Peer::Cluster, &Method::POST);
        if creates && seen.lock().unwrap().insert(request.uri().path().to_owned()) {
            Fault::LoseAnswer
        } else {
            Fault::Pass
        }
    })
}

/// DynamoDB's answer to a write whose condition does not hold, with a row of somebody else's where one is there.
fn overtaken(request: &Request<Bytes>) -> Response<Bytes> {
    let asked: Value = serde_json::from_slice(request.body()).unwrap();
    let mut row = asked["Item"].clone();
    let mut answer = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
    });
    if row.is_null() {
        row = json!({ "pk": asked["Key"]["pk"], "sk": asked["Key"]["sk"] });
    } else {
        row["by"] = json!({ "S": "somebody else" });
    }
    answer["Item"] = row;
    reply(400, &answer)
}

/// A failure as Kubernetes words it.
pub fn status(code: u16, reason: &str, message: &str) -> Response<Bytes> {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    reply(code, &body)
}

/// `body` as an answer.
pub fn reply(status: u16, body: &Value) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_string()))
        .unwrap()
}

/// The action that a request to DynamoDB names, such as `GetItem`; empty for every other request.
pub fn action(request: &Request<Bytes>) -> &str {
    let target = request
        .headers()
        .get("x-amz-target")
        .and_then(|value| value.to_str().ok());
    target.and_then(|target| target.rsplit('.').next()).unwrap_or_default()
}
