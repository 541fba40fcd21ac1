//! A cluster of which every answer is given.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, Uri};
use serde_json::{Value, json};

use crate::manifests::sample;
use crate::{Cluster, Settings, Token, TokenSource};

pub(super) const ID: &str = "abababababababababababababababab";

/// What was asked for, and the answers that are left.
#[derive(Default)]
pub(super) struct Script {
    asked: Vec<(String, Value)>,
    answers: VecDeque<(u16, Value)>,
}

/// A cluster that gives these answers in order, and what it was asked.
pub(super) fn scripted(answers: Vec<(u16, Value)>, identity: Option<&str>) -> (Cluster, Arc<Mutex<Script>>) {
    let script = Arc::new(Mutex::new(Script {
        answers: answers.into(),
        ..Default::default()
    }));
    let played = script.clone();
    let faults: net::Faults = Arc::new(move |_, request: &Request<Bytes>| {
        let mut script = played.lock().unwrap();
        assert_eq!(request.headers()["authorization"], "Bearer s3cret");
        let body = serde_json::from_slice(request.body()).unwrap_or_default();
        let line = format!("{} {}", request.method(), request.uri());
        script
            .asked
            .push((line.replace("http://cluster.test/", "/").replace(ID, "ID"), body));
        let (status, body) = script.answers.pop_front().unwrap_or((501, json!({})));
        net::Fault::Answer(
            Response::builder()
                .status(status)
                .body(body.to_string().into())
                .unwrap(),
        )
    });
    let net = net::Net::new(net::Settings {
        faults: Some(faults),
        ..Default::default()
    });
    let settings = settings(TokenSource::Static(Token::new("s3cret")), identity);
    (Cluster::connect(&net.unwrap(), settings).unwrap(), script)
}

pub(super) fn settings(token: TokenSource, identity: Option<&str>) -> Settings {
    Settings {
        api_url: Uri::from_static("http://cluster.test"),
        trust: net::Trust::default(),
        token,
        identity: identity.map(str::to_owned),
        installation: sample::installation(),
        proxy: sample::proxy(),
    }
}

/// Method and path of each request, with `ID` for the application's id.
pub(super) fn lines(script: &Arc<Mutex<Script>>) -> Vec<String> {
    let script = script.lock().unwrap();
    script.asked.iter().map(|(line, _)| line.clone()).collect()
}

/// The body of each request.
pub(super) fn bodies(script: &Arc<Mutex<Script>>) -> Vec<Value> {
    let script = script.lock().unwrap();
    script.asked.iter().map(|(_, body)| body.clone()).collect()
}

pub(super) fn object(uid: &str, installation: &str) -> Value {
    json!({"metadata": {"name": ID, "uid": uid, "labels": {
        "layby.dev/installation": installation, "layby.dev/application": ID}}})
}

pub(super) fn ours(uid: &str) -> Value {
    object(uid, "prod")
}

pub(super) fn terminating(mut object: Value) -> Value {
    object["metadata"]["deletionTimestamp"] = json!("2026-11-21T10:00:00Z");
    object
}

pub(super) fn no(code: u16, reason: &str) -> (u16, Value) {
    (
        code,
        json!({"kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": "no"}),
    )
}

pub(super) fn exists() -> (u16, Value) {
    no(409, "AlreadyExists")
}

pub(super) fn absent() -> (u16, Value) {
    no(404, "NotFound")
}
