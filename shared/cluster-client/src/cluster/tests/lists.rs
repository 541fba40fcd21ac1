//! Lists: page by page, reduced, and never with what is not ours.

use std::sync::Arc;

use domain::limits::{CLUSTER_PAGE, CLUSTER_PAGES_MAX};
use domain::{NodeSeen, TaintSeen, shard_of};

use super::*;
use crate::{ApplicationPodSeen, NamespaceSeen};

const SELECTED: &str = "labelSelector=layby.dev%2Finstallation%3Dprod%2Clayby.dev%2Fshard%3D11&limit=250";

fn page(items: Vec<Value>, next: &str) -> (u16, Value) {
    let body = json!({"kind": "List", "metadata": {"resourceVersion": "7", "continue": next}, "items": items});
    (200, body)
}

fn labelled(name: &str, more: Value) -> Value {
    let mut labels = json!({"layby.dev/installation": "prod", "layby.dev/shard": "11", "layby.dev/application": ID});
    for (key, value) in more.as_object().unwrap() {
        labels[key] = value.clone();
    }
    json!({"metadata": {"name": name, "uid": format!("uid-{name}"), "namespace": ID, "labels": labels,
        "creationTimestamp": "2026-11-21T10:00:00Z"}})
}

fn names(seen: &[NamespaceSeen]) -> Vec<&str> {
    seen.iter().map(|one| one.name.as_str()).collect()
}

#[tokio::test]
async fn namespaces_are_read_page_by_page() {
    let mut going = terminating(labelled("b", json!({"layby.dev/preload": "p"})));
    going["metadata"]["labels"]
        .as_object_mut()
        .unwrap()
        .remove("layby.dev/application");
    let mut first = labelled("a", json!({}));
    first["metadata"]["annotations"] = json!({"layby.dev/template": "t"});
    let (cluster, script) = scripted(vec![page(vec![first], "more=="), page(vec![going], "")], None);
    let seen = cluster.namespaces_of(11).await.unwrap();
    let one = NamespaceSeen {
        name: "a".to_owned(),
        uid: "uid-a".to_owned(),
        application: Some(ApplicationId::parse(ID).unwrap()),
        template: Some("t".to_owned()),
        preload: None,
        created_at: "2026-11-21T10:00:00Z".parse().unwrap(),
        going: false,
    };
    let other = NamespaceSeen {
        name: "b".to_owned(),
        uid: "uid-b".to_owned(),
        application: None,
        template: None,
        preload: Some("p".to_owned()),
        going: true,
        ..one.clone()
    };
    assert_eq!(seen, [one, other]);
    let line = format!("GET /api/v1/namespaces?&{SELECTED}");
    assert_eq!(lines(&script), [line.clone(), format!("{line}&continue=more%3D%3D")]);
}

#[tokio::test]
async fn what_is_not_ours_is_in_no_list_whatever_the_server_sends() {
    let strangers = || {
        vec![
            labelled("a", json!({"layby.dev/installation": "staging"})),
            labelled("b", json!({"layby.dev/shard": "12"})),
            json!({"metadata": {"name": "c", "uid": "u", "creationTimestamp": "2026-11-21T10:00:00Z"}}),
        ]
    };
    let (cluster, _) = scripted(vec![page(strangers(), ""), page(strangers(), "")], None);
    assert_eq!(cluster.namespaces_of(11).await.unwrap(), []);
    assert_eq!(cluster.pods_of(11).await.unwrap(), []);
}

#[tokio::test]
async fn a_pod_is_listed_as_it_is_observed_with_the_port_that_it_declares() {
    let mut pod = labelled("frontend-server", json!({}));
    pod["spec"] = json!({"containers": [
        {"name": "sidecar", "ports": [{"containerPort": 1}]},
        {"name": "frontend-server", "ports": [{"containerPort": 9000}]},
    ]});
    pod["status"] = json!({"podIP": "10.0.0.9", "conditions": [{"type": "Ready", "status": "True"}]});
    let other = labelled("debugger", json!({}));
    let unknown = labelled("frontend-server", json!({"layby.dev/application": "x"}));
    let (cluster, script) = scripted(vec![page(vec![pod, other, unknown], "")], None);
    let seen = ApplicationPodSeen {
        application: ApplicationId::parse(ID).unwrap(),
        namespace: ID.to_owned(),
        uid: "uid-frontend-server".to_owned(),
        state: PodState::Ready {
            target: "http://10.0.0.9:9000".to_owned(),
        },
    };
    assert_eq!(cluster.pods_of(11).await.unwrap(), [seen]);
    assert_eq!(lines(&script), [format!("GET /api/v1/pods?&{SELECTED}")]);
}

#[tokio::test]
async fn nodes_tell_what_decides_whether_a_pod_may_be_there() {
    let made = "2026-11-21T10:00:00Z";
    let node = |name: &str, spec: Value, ready: &str| {
        json!({"metadata": {"name": name, "uid": "u", "labels": {"pool": "a"}, "creationTimestamp": made}, "spec": spec,
            "status": {"conditions": [{"type": "DiskPressure", "status": "True"}, {"type": "Ready", "status": ready}]}})
    };
    let taints = json!([{"key": "gpu", "effect": "NoSchedule"}, {"key": "k", "value": "v", "effect": "NoExecute"}]);
    let items = vec![
        node("one", json!({"unschedulable": true, "taints": taints}), "Unknown"),
        node("two", json!({}), "True"),
    ];
    let (cluster, script) = scripted(vec![page(items, "")], None);
    let taint = |key: &str, value: &str, effect: &str| TaintSeen {
        key: key.to_owned(),
        value: value.to_owned(),
        effect: effect.to_owned(),
    };
    let one = NodeSeen {
        name: "one".to_owned(),
        unschedulable: true,
        labels: [("pool".to_owned(), "a".to_owned())].into(),
        taints: vec![taint("gpu", "", "NoSchedule"), taint("k", "v", "NoExecute")],
        ready: false,
    };
    let two = NodeSeen {
        name: "two".to_owned(),
        unschedulable: false,
        taints: Vec::new(),
        ready: true,
        ..one.clone()
    };
    assert_eq!(cluster.nodes().await.unwrap(), [one, two]);
    assert_eq!(lines(&script), ["GET /api/v1/nodes?&limit=250"]);
}

#[tokio::test]
async fn a_list_that_the_server_forgot_is_begun_again_once() {
    let one = |name: &str| labelled(name, json!({}));
    let answers = vec![
        page(vec![one("a")], "x"),
        no(410, "Expired"),
        page(vec![one("b")], "y"),
        page(vec![one("c")], ""),
    ];
    let (cluster, script) = scripted(answers, None);
    assert_eq!(names(&cluster.namespaces_of(11).await.unwrap()), ["b", "c"]);
    let first = format!("GET /api/v1/namespaces?&{SELECTED}");
    assert_eq!(lines(&script)[2], first);
    let answers = vec![
        page(vec![one("a")], "x"),
        no(410, "Expired"),
        page(vec![one("b")], "y"),
        no(410, "Expired"),
    ];
    let (cluster, script) = scripted(answers, None);
    assert!(matches!(cluster.namespaces_of(11).await, Err(Error::Unreachable(_))));
    assert_eq!(lines(&script).len(), 4);
}

#[tokio::test]
async fn a_list_is_whole_or_an_error() {
    let one = || labelled("a", json!({}));
    let (cluster, _) = scripted(vec![page(vec![one()], "x"), no(500, "InternalError")], None);
    assert!(matches!(cluster.namespaces_of(11).await, Err(Error::Unreachable(_))));
    let (cluster, script) = scripted(vec![page(vec![one()], "x"); CLUSTER_PAGES_MAX + 1], None);
    assert!(matches!(cluster.namespaces_of(11).await, Err(Error::Rejected(_))));
    assert_eq!(lines(&script).len(), CLUSTER_PAGES_MAX);
    let (cluster, _) = scripted(vec![(200, json!({"kind": "Status"}))], None);
    assert!(matches!(cluster.nodes().await, Err(Error::Rejected(_))));
}

#[tokio::test]
async fn nothing_is_believed_of_another_cluster() {
    let kube_system = (200, json!({"metadata": {"name": "kube-system", "uid": "c1"}}));
    let (cluster, script) = scripted(vec![kube_system; 3], Some("c0"));
    assert!(matches!(cluster.namespaces_of(1).await, Err(Error::Identity { .. })));
    assert!(matches!(cluster.pods_of(1).await, Err(Error::Identity { .. })));
    assert!(matches!(cluster.nodes().await, Err(Error::Identity { .. })));
    assert_eq!(lines(&script), ["GET /api/v1/namespaces/kube-system"; 3]);
}

#[tokio::test]
async fn lists_find_what_was_made_over_several_pages() {
    let now: jiff::Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
    let settings_of = embedded::kubernetes::Settings::new(Arc::new(move || now), "c", "s3cret");
    let kubernetes = embedded::kubernetes::Kubernetes::start(settings_of).await.unwrap();
    let net = net::Net::new(net::Settings::default()).unwrap();
    let of = |installation: &str| {
        let settings = Settings {
            api_url: kubernetes.url().parse().unwrap(),
            installation: InstallationId::parse(installation).unwrap(),
            ..settings(TokenSource::Static(Token::new("s3cret")), None)
        };
        Cluster::connect(&net, settings).unwrap()
    };
    let (ours, theirs) = (of("prod"), of("staging"));
    // One more than a page, all of one shard; two of the next; one of somebody else's.
    let id = |number: u16| ApplicationId::parse(&format!("0000{number:028x}")).unwrap();
    let all = u16::try_from(CLUSTER_PAGE).unwrap() + 1;
    let mut application = sample::application(json!({}));
    for number in 0..all {
        application.id = id(number);
        ours.make_objects(&application).await.unwrap();
    }
    application.id = ApplicationId::parse(&format!("0001{:028x}", 1)).unwrap();
    ours.make_objects(&application).await.unwrap();
    application.id = id(all);
    theirs.make_objects(&application).await.unwrap();
    assert_eq!(shard_of(&application.id), 0);
    let namespaces = ours.namespaces_of(0).await.unwrap();
    let found: Vec<_> = namespaces.iter().filter_map(|one| one.application.clone()).collect();
    assert_eq!(found, (0..all).map(id).collect::<Vec<_>>());
    assert!(namespaces.iter().all(|one| one.template.as_deref() == Some("t")));
    let pods = ours.pods_of(0).await.unwrap();
    assert_eq!(pods.len(), usize::from(all));
    assert!(pods.iter().all(|pod| pod.namespace == pod.application.as_str()));
    assert_eq!(ours.pods_of(1).await.unwrap().len(), 1);
    assert_eq!(theirs.pods_of(0).await.unwrap().len(), 1);
    let nodes = ours.nodes().await.unwrap();
    assert!(nodes.iter().all(|node| node.ready && !node.unschedulable) && nodes.len() == 2);
    kubernetes.stop().await;
}
