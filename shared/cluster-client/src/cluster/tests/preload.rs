//! A preload's objects, with each answer given.

use std::collections::BTreeMap;

use domain::{ApplicationId, CellName, NodeImage, Preload, PreloadRun, TemplateName};
use serde_json::{Value, json};

use super::script::{ID, absent, bodies, exists, lines, no, ours, scripted, terminating};
use crate::manifests::sample;
use crate::{Error, Removal};

fn preload() -> Preload {
    let run = PreloadRun {
        id: ApplicationId::parse(ID).unwrap(),
        workload: sample::application(json!({})).run.unwrap(),
        started_at: "2026-11-21T10:00:00Z".parse().unwrap(),
    };
    let (template, cell) = (TemplateName::parse("t").unwrap(), CellName::parse("home").unwrap());
    Preload::new(template, cell, run).loading("u1".to_owned())
}

fn own(uid: &str) -> Value {
    json!({"metadata": {"name": ID, "uid": uid, "labels": {
        "layby.dev/installation": "prod", "layby.dev/preload": ID}}})
}

fn pod(node: &str, labels: &Value) -> Value {
    json!({
        "metadata": {"name": node, "labels": labels},
        "spec": {"nodeName": node, "containers": [{"name": "frontend-server", "image": "img:1"}]},
        "status": {"containerStatuses": [{"name": "frontend-server", "image": "img:1", "imageID": "sha256:1",
            "ready": false, "restartCount": 0}]},
    })
}

#[tokio::test]
async fn the_namespace_its_account_and_its_policy_are_made_or_found() {
    const LINES: [&str; 3] = [
        "POST /api/v1/namespaces?",
        "POST /api/v1/namespaces/ID/serviceaccounts?",
        "POST /apis/networking.k8s.io/v1/namespaces/ID/networkpolicies?",
    ];
    let (cluster, script) = scripted(vec![(201, own("u1")); 3], None);
    assert_eq!(cluster.make_preload(&preload()).await.unwrap().namespace_uid, "u1");
    assert_eq!(lines(&script), LINES);
    let (cluster, _) = scripted(vec![[exists(), (200, own("u1"))]; 3].concat(), None);
    assert_eq!(cluster.make_preload(&preload()).await.unwrap().namespace_uid, "u1");
}

#[tokio::test]
async fn a_namespace_that_is_not_the_preloads_is_never_used() {
    // One of an application is as foreign as one of nobody.
    let (cluster, _) = scripted(vec![exists(), (200, ours("u1"))], None);
    assert!(matches!(cluster.make_preload(&preload()).await, Err(Error::NotOurs)));
    for answer in [
        (200, ours("u1")),
        (200, own("u2")),
        (200, terminating(own("u1"))),
        absent(),
    ] {
        let (cluster, script) = scripted(vec![answer], None);
        let error = cluster.observe_preload(&preload()).await.unwrap_err();
        assert!(matches!(error, Error::Terminating), "{error:?}");
        assert_eq!(lines(&script), ["GET /api/v1/namespaces/ID"]);
    }
    let (cluster, script) = scripted(vec![(200, ours("u1"))], None);
    let removal = cluster.delete_preload(&preload().current.id, Some("u1")).await.unwrap();
    assert_eq!((removal, lines(&script).len()), (Removal::NotOurs, 1));
}

#[tokio::test]
async fn only_the_preloads_own_pods_are_believed() {
    let labels = own("u1")["metadata"]["labels"].clone();
    let list = json!({"metadata": {}, "items": [pod("a", &labels), pod("b", &json!({}))]});
    let (cluster, script) = scripted(vec![(200, own("u1")), (200, list)], None);
    let seen = cluster.observe_preload(&preload()).await.unwrap();
    assert_eq!(seen, BTreeMap::from([("a".to_owned(), NodeImage::Pulled)]));
    assert!(
        lines(&script)[1].starts_with("GET /api/v1/namespaces/ID/pods?"),
        "{:?}",
        lines(&script)
    );
}

#[tokio::test]
async fn each_node_gets_a_pod_and_one_that_is_refused_is_told() {
    let nodes = || ["a", "b", "c"].map(str::to_owned);
    let answers = vec![(201, own("u1")), exists(), no(422, "Invalid")];
    let (cluster, script) = scripted(answers, None);
    let refused = cluster.make_preload_pods(&preload(), nodes()).await.unwrap();
    assert_eq!(refused.len(), 1);
    assert!(matches!(&refused["c"], NodeImage::Failed { message } if message.contains("refused its pod")));
    let made: Vec<Value> = bodies(&script)
        .iter()
        .map(|body| body["spec"]["nodeName"].clone())
        .collect();
    assert_eq!(made, nodes());
    let mut answers = vec![(201, own("u1")), no(403, "Forbidden")];
    answers.extend(vec![no(503, "Unavailable"); 9]);
    let (cluster, _) = scripted(answers, None);
    let error = cluster.make_preload_pods(&preload(), nodes()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
}
