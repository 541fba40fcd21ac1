//! Logs: whose, how much, and what is told where there are none.

use super::script::{absent, lines, no, object, ours, scripted};
use super::*;
use crate::Logs;

/// The application's pod, on a node and ready unless `node` is absent.
fn pod(node: Option<&str>) -> (u16, Value) {
    let mut pod = ours("p1");
    pod["spec"] = json!({"containers": [{"name": "frontend-server"}], "nodeName": node});
    if node.is_none() {
        pod["status"] = json!({"phase": "Pending"});
    }
    (200, pod)
}

async fn told(answers: Vec<(u16, Value)>, previous: bool) -> Result<Logs, Error> {
    let (cluster, _) = scripted(answers, None);
    cluster.logs(&sample::application(json!({})), 7, previous).await
}

#[tokio::test]
async fn the_log_is_asked_for_once_the_pod_is_known_to_be_the_applications() {
    for (previous, word) in [(false, ""), (true, "&previous=true")] {
        let (cluster, script) = scripted(vec![pod(Some("n1")), (200, json!("line"))], None);
        let logs = cluster
            .logs(&sample::application(json!({})), 7, previous)
            .await
            .unwrap();
        let bytes = bytes::Bytes::from_static(b"\"line\"");
        assert_eq!(logs, Logs::Written { bytes, is_cut: false });
        let path = "/api/v1/namespaces/ID/pods/frontend-server";
        let log = format!("GET {path}/log?&container=frontend-server{word}&tailLines=7");
        assert_eq!(lines(&script), [format!("GET {path}"), log]);
    }
}

#[tokio::test]
async fn somebody_elses_pod_is_never_read() {
    for answer in [absent(), (200, object("p1", "staging")), (200, json!({"metadata": {}}))] {
        let (cluster, script) = scripted(vec![answer], None);
        let logs = cluster.logs(&sample::application(json!({})), 7, false).await;
        assert_eq!(logs.unwrap(), Logs::NoPod);
        assert_eq!(lines(&script).len(), 1, "its log was not asked for");
    }
}

#[tokio::test]
async fn only_the_end_of_a_long_log_is_kept() {
    let long = "x".repeat(domain::limits::LOG_BYTES_MAX) + "end";
    let Logs::Written { bytes, is_cut } = told(vec![pod(Some("n1")), (200, json!(long))], false).await.unwrap() else {
        panic!("it has a log")
    };
    assert!(is_cut && bytes.len() == domain::limits::LOG_BYTES_MAX && bytes.ends_with(b"end\""));
}

#[tokio::test]
async fn where_there_is_no_log_it_is_told_why() {
    let scheduling = || Logs::NotStarted(PodState::Waiting(Reason::Scheduling));
    let creating = Logs::NotStarted(PodState::Waiting(Reason::ContainerCreating));
    let refused = || no(400, "BadRequest");
    for (node, answer, previous, expected) in [
        (None, refused(), false, scheduling()),
        (None, refused(), true, scheduling()),
        (Some("n1"), refused(), false, creating),
        (Some("n1"), refused(), true, Logs::NoPrevious),
        (Some("n1"), absent(), false, Logs::NoPod),
    ] {
        assert_eq!(told(vec![pod(node), answer], previous).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_run_that_there_was_and_whose_log_is_gone_was_removed() {
    let (code, mut pod) = pod(Some("n1"));
    pod["status"]["containerStatuses"] = json!([
        {"name": "frontend-server", "image": "i", "imageID": "", "ready": false, "restartCount": 1},
    ]);
    let answers = vec![(code, pod), no(400, "BadRequest")];
    assert_eq!(told(answers, true).await.unwrap(), Logs::Removed);
}

#[tokio::test]
async fn an_outage_is_no_log_that_is_missing() {
    assert!(matches!(
        told(vec![no(500, "x")], false).await,
        Err(Error::Unreachable(_))
    ));
    for (code, unreachable) in [(500, true), (504, true), (401, false), (403, false)] {
        let error = told(vec![pod(Some("n1")), no(code, "x")], false).await.unwrap_err();
        assert_eq!(matches!(error, Error::Unreachable(_)), unreachable, "{error:?}");
    }
}
