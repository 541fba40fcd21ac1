//! Each answer of a cluster that a step must understand, given in place of the network.

use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider, future};
use domain::{PodState, Reason};
use serde_json::{Value, json};

use super::*;
use crate::manifests::sample;
use crate::{EksToken, Token};

use script::{ID, absent, bodies, exists, lines, no, object, ours, scripted, settings, terminating};

mod environments;
mod lists;
mod logs;
mod preload;
mod script;

const CREATES: [&str; 4] = [
    "POST /api/v1/namespaces?",
    "POST /api/v1/namespaces/ID/serviceaccounts?",
    "POST /apis/networking.k8s.io/v1/namespaces/ID/networkpolicies?",
    "POST /api/v1/namespaces/ID/pods?",
];

#[tokio::test]
async fn the_four_objects_are_made_in_order_and_the_pod_last() {
    let (cluster, script) = scripted(vec![(201, ours("u1")); 4], None);
    let made = cluster.make_objects(&sample::application(json!({}))).await.unwrap();
    assert_eq!(made.namespace_uid, "u1");
    assert_eq!(lines(&script), CREATES);
    let kinds: Vec<Value> = bodies(&script).iter().map(|body| body["kind"].clone()).collect();
    assert_eq!(kinds, ["Namespace", "ServiceAccount", "NetworkPolicy", "Pod"]);
}

#[tokio::test]
async fn made_again_everything_is_found_and_the_uid_is_the_first_ones() {
    let answers = vec![[exists(), (200, ours("u1"))]; 4].concat();
    let (cluster, script) = scripted(answers, None);
    let made = cluster.make_objects(&sample::application(json!({}))).await.unwrap();
    assert_eq!(made.namespace_uid, "u1");
    assert_eq!(lines(&script)[1], "GET /api/v1/namespaces/ID");
    assert_eq!(lines(&script)[7], "GET /api/v1/namespaces/ID/pods/frontend-server");
}

#[tokio::test]
async fn a_namespace_of_somebody_else_is_never_adopted() {
    for foreign in [
        object("u1", "staging"),
        json!({"metadata": {"name": ID, "uid": "u1"}}),
        terminating(object("u1", "staging")),
    ] {
        let (cluster, script) = scripted(vec![exists(), (200, foreign)], None);
        let error = cluster.make_objects(&sample::application(json!({}))).await.unwrap_err();
        assert!(matches!(error, Error::NotOurs), "{error:?}");
        assert_eq!(lines(&script).len(), 2);
    }
}

#[tokio::test]
async fn nothing_is_made_in_a_namespace_that_goes() {
    let mut lost = absent();
    lost.1["details"] = json!({"name": ID, "kind": "namespaces"});
    for answers in [
        vec![exists(), (200, terminating(ours("u1")))],
        vec![exists(), absent()],
        vec![(201, ours("u1")), lost],
    ] {
        let asked = answers.len();
        let (cluster, script) = scripted(answers, None);
        let error = cluster.make_objects(&sample::application(json!({}))).await.unwrap_err();
        assert!(matches!(error, Error::Terminating), "{error:?}");
        assert_eq!(lines(&script).len(), asked);
    }
}

#[tokio::test]
async fn a_refused_pod_is_told_in_the_clusters_words() {
    let (cluster, _) = scripted(
        vec![
            (201, ours("u1")),
            (201, ours("u2")),
            (201, ours("u3")),
            no(403, "Forbidden"),
        ],
        None,
    );
    let error = cluster.make_objects(&sample::application(json!({}))).await.unwrap_err();
    assert!(
        matches!(&error, Error::Refused { message } if message == "no"),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_ended_application_is_neither_made_nor_observed() {
    let mut application = sample::application(json!({}));
    application.run = None;
    let (cluster, script) = scripted(vec![], None);
    assert!(matches!(
        cluster.make_objects(&application).await,
        Err(Error::Refused { .. })
    ));
    assert!(matches!(
        cluster.observe_pod(&application).await,
        Err(Error::Refused { .. })
    ));
    assert!(lines(&script).is_empty());
}

#[tokio::test]
async fn a_pod_is_observed_with_one_read() {
    let mut pod = ours("p1");
    pod["status"] = json!({"podIP": "10.0.0.9", "conditions": [{"type": "Ready", "status": "True"}]});
    let (cluster, script) = scripted(vec![(200, pod)], None);
    let seen = cluster.observe_pod(&sample::application(json!({}))).await.unwrap();
    let target = "http://10.0.0.9:8888".to_owned();
    assert_eq!(seen, PodSeen::There(PodState::Ready { target }));
    assert_eq!(lines(&script), ["GET /api/v1/namespaces/ID/pods/frontend-server"]);
}

#[tokio::test]
async fn a_pod_that_is_gone_or_going_is_told_from_a_namespace_that_is() {
    let mut application = sample::application(json!({}));
    application.state = domain::State::Starting {
        namespace_uid: "u1".to_owned(),
    };
    let going = (200, terminating(ours("p1")));
    let ended = PodState::Ended {
        message: "it is being deleted".to_owned(),
    };
    for (pod, namespace, seen) in [
        (absent(), (200, ours("u1")), PodSeen::Gone),
        (absent(), (200, ours("u2")), PodSeen::NamespaceGone),
        (absent(), (200, terminating(ours("u1"))), PodSeen::NamespaceGone),
        (absent(), (200, object("u1", "staging")), PodSeen::NamespaceGone),
        (absent(), absent(), PodSeen::NamespaceGone),
        ((200, object("p1", "staging")), (200, ours("u1")), PodSeen::Gone),
        (going.clone(), (200, ours("u1")), PodSeen::There(ended)),
        (going, (200, terminating(ours("u1"))), PodSeen::NamespaceGone),
    ] {
        let (cluster, script) = scripted(vec![pod, namespace.clone()], None);
        assert_eq!(cluster.observe_pod(&application).await.unwrap(), seen, "{namespace:?}");
        assert_eq!(lines(&script)[1], "GET /api/v1/namespaces/ID");
    }
}

#[tokio::test]
async fn a_namespace_is_deleted_by_the_uid_that_was_seen() {
    let id = ApplicationId::parse(ID).unwrap();
    for recorded in [None, Some("u1"), Some("u0")] {
        let (cluster, script) = scripted(vec![(200, ours("u1")), (200, json!({}))], None);
        assert_eq!(cluster.delete_namespace(&id, recorded).await.unwrap(), Removal::Going);
        assert_eq!(lines(&script)[1], "DELETE /api/v1/namespaces/ID?");
        assert_eq!(bodies(&script)[1]["preconditions"], json!({"uid": "u1"}));
    }
}

#[tokio::test]
async fn only_what_is_ours_and_still_there_is_deleted() {
    let id = ApplicationId::parse(ID).unwrap();
    for (recorded, answer, removal, presence) in [
        (None, absent(), Removal::Gone, Presence::Gone),
        (
            Some("u1"),
            (200, terminating(ours("u1"))),
            Removal::Going,
            Presence::Going,
        ),
        (
            None,
            (200, object("u1", "staging")),
            Removal::NotOurs,
            Presence::NotOurs,
        ),
        (
            Some("u1"),
            (200, object("u1", "staging")),
            Removal::NotOurs,
            Presence::NotOurs,
        ),
        (
            Some("u1"),
            (200, object("u2", "staging")),
            Removal::Gone,
            Presence::Gone,
        ),
    ] {
        let (cluster, script) = scripted(vec![answer.clone(), answer.clone()], None);
        assert_eq!(
            cluster.delete_namespace(&id, recorded).await.unwrap(),
            removal,
            "{answer:?}"
        );
        assert_eq!(cluster.namespace(&id, recorded).await.unwrap(), presence, "{answer:?}");
        assert_eq!(lines(&script), ["GET /api/v1/namespaces/ID"; 2]);
    }
}

#[tokio::test]
async fn a_delete_that_comes_too_late_says_gone_and_one_of_another_uid_asks_again() {
    let id = ApplicationId::parse(ID).unwrap();
    let (cluster, _) = scripted(vec![(200, ours("u1")), absent()], None);
    assert_eq!(cluster.delete_namespace(&id, None).await.unwrap(), Removal::Gone);
    let (cluster, _) = scripted(vec![(200, ours("u1")), no(409, "Conflict")], None);
    assert!(matches!(
        cluster.delete_namespace(&id, None).await,
        Err(Error::Unreachable(_))
    ));
}

#[tokio::test]
async fn another_cluster_than_the_recorded_one_is_refused() {
    let kube_system = || (200, json!({"metadata": {"name": "kube-system", "uid": "c1"}}));
    let (cluster, script) = scripted(vec![kube_system(), kube_system()], Some("c1"));
    cluster.warm().await.unwrap();
    assert_eq!(cluster.identity().await.unwrap(), "c1");
    assert_eq!(lines(&script), ["GET /api/v1/namespaces/kube-system"; 2]);
    let (cluster, _) = scripted(vec![kube_system()], Some("c0"));
    let error = cluster.warm().await.unwrap_err();
    assert!(matches!(&error, Error::Identity { recorded, found } if recorded == "c0" && found == "c1"));
    let (cluster, script) = scripted(vec![(200, json!({"major": "1"}))], None);
    cluster.warm().await.unwrap();
    assert_eq!(lines(&script), ["GET /version"]);
}

#[tokio::test]
async fn an_outage_is_told_from_an_answer_that_makes_no_sense() {
    let application = sample::application(json!({}));
    let (cluster, _) = scripted(vec![no(500, "InternalError")], None);
    assert!(matches!(
        cluster.observe_pod(&application).await,
        Err(Error::Unreachable(_))
    ));
    let (cluster, _) = scripted(vec![no(401, "Unauthorized")], None);
    assert!(matches!(
        cluster.observe_pod(&application).await,
        Err(Error::Rejected(_))
    ));
    let (cluster, _) = scripted(vec![(200, json!("a page of a gateway"))], None);
    assert!(matches!(
        cluster.observe_pod(&application).await,
        Err(Error::Rejected(_))
    ));
}

#[tokio::test]
async fn a_cluster_whose_token_cannot_be_made_is_out_of_reach_and_a_bad_token_is_refused() {
    #[derive(Debug)]
    struct NoCredentials;
    impl ProvideCredentials for NoCredentials {
        fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
        where
            Self: 'a,
        {
            future::ProvideCredentials::ready(Err(CredentialsError::not_loaded("none here")))
        }
    }
    let net = net::Net::new(net::Settings::default()).unwrap();
    let eks = EksToken::new("c", "eu-central-1", SharedCredentialsProvider::new(NoCredentials));
    let cluster = Cluster::connect(&net, settings(TokenSource::Eks(eks), None)).unwrap();
    assert!(matches!(cluster.warm().await, Err(Error::Unreachable(_))));
    let refused = Cluster::connect(&net, settings(TokenSource::Static(Token::new("s3cret\n")), None)).unwrap_err();
    assert!(matches!(refused, Error::Rejected(_)));
    assert!(!format!("{refused:?}").contains("s3cret"));
}

#[test]
fn outside_a_runtime_there_is_no_cluster_rather_than_a_panic() {
    let net = net::Net::new(net::Settings::default()).unwrap();
    let refused = Cluster::connect(&net, settings(TokenSource::None, None));
    assert!(matches!(refused, Err(Error::Rejected(_))));
}

#[tokio::test]
async fn no_create_begins_with_too_little_time_left() {
    let (cluster, script) = scripted(vec![(201, ours("u1")); 4], None);
    let scope = net::Scope::lasting(std::time::Duration::from_secs(1));
    let made = net::within(scope, cluster.make_objects(&sample::application(json!({})))).await;
    assert!(matches!(made, Err(Error::OutOfTime)), "{made:?}");
    assert!(lines(&script).is_empty());
}

#[tokio::test]
async fn a_pods_reason_comes_through_the_whole_way() {
    let mut pod = ours("p1");
    pod["spec"] = json!({"nodeName": "n1", "containers": [{"name": "frontend-server", "image": "img:1"}]});
    pod["status"] = json!({"containerStatuses": [{"name": "frontend-server", "image": "img:1", "imageID": "",
        "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}]});
    let (cluster, _) = scripted(vec![(200, pod)], None);
    let seen = cluster.observe_pod(&sample::application(json!({}))).await.unwrap();
    let (image, message) = ("img:1".to_owned(), "not found".to_owned());
    assert_eq!(
        seen,
        PodSeen::There(PodState::Waiting(Reason::ImageUnpullable { image, message }))
    );
}
