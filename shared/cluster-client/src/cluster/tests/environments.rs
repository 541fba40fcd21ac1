//! What is asked of a cluster for an environment and its deployments: how much, in which order, and no more.

use domain::{DeploymentName, Environment, Generation, NamespaceName};

use super::script::{absent, bodies, exists, lines, no, scripted};
use super::*;
use crate::environments::sample::{environment, keys};
use crate::{
    Applied, DeploymentLogs, DeploymentMade, DeploymentPatch, EnvironmentRemoval, EnvironmentRules, Given, LogAsk,
    NewDeployment, PodTemplate, Replicas, Sleep,
};

const NAMESPACES: &str = "/api/v1/namespaces";
const SECRETS: &str = "/api/v1/namespaces/org1-env1/secrets";
const POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/org1-env1/networkpolicies";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/org1-env1/deployments";

/// An object of the environment, of this birth, that was made to follow this generation.
fn own(born: u64, generation: u64) -> Value {
    json!({"metadata": {
        "name": "x", "namespace": "org1-env1", "uid": "u1", "resourceVersion": "5",
        "annotations": {"layby.dev/generation": generation.to_string()},
        "labels": {
            "layby.dev/installation": "prod", "layby.dev/environment": "org1.env1", "layby.dev/born": born.to_string(),
        },
    }})
}

fn known() -> Environment {
    environment().applied("u1".to_owned())
}

fn isolated() -> EnvironmentRules {
    EnvironmentRules {
        isolated_but_from: Some(vec![NamespaceName::parse("edge").unwrap()]),
        ..Default::default()
    }
}

async fn apply(answers: Vec<(u16, Value)>, environment: &Environment) -> (Result<Applied, Error>, Vec<String>) {
    let (cluster, script) = scripted(answers, None);
    let applied = cluster.apply_environment(environment, &keys(), &isolated()).await;
    (applied, lines(&script))
}

fn done() -> Applied {
    Applied::Done {
        namespace_uid: "u1".to_owned(),
    }
}

#[tokio::test]
async fn a_new_environment_costs_three_requests_and_its_policy_comes_last() {
    let (applied, asked) = apply(vec![(201, own(7, 9)); 3], &environment()).await;
    assert_eq!(applied.unwrap(), done());
    let posts = [NAMESPACES, SECRETS, POLICIES].map(|path| format!("POST {path}?"));
    assert_eq!(asked, posts);
}

#[tokio::test]
async fn what_was_asked_since_is_written_over_what_is_there() {
    let answers = vec![(200, own(7, 8)); 6];
    let (cluster, script) = scripted(answers, None);
    assert_eq!(
        cluster.apply_environment(&known(), &keys(), &isolated()).await.unwrap(),
        done()
    );
    let read = [
        format!("{NAMESPACES}/org1-env1"),
        format!("{SECRETS}/routing"),
        format!("{POLICIES}/isolation"),
    ];
    let asked = lines(&script);
    let read = read.map(|path| format!("GET {path}"));
    assert_eq!([&asked[0], &asked[2], &asked[4]], [&read[0], &read[1], &read[2]]);
    assert!(asked[1].starts_with("PUT "), "{asked:?}");
    for (at, body) in bodies(&script).iter().enumerate().filter(|(at, _)| at % 2 == 1) {
        assert_eq!(body["metadata"]["resourceVersion"], "5", "{at}");
        assert_eq!(body["metadata"]["annotations"]["layby.dev/generation"], "9", "{at}");
    }
}

#[tokio::test]
async fn what_isolated_it_goes_when_the_rules_do_not_ask_for_it_any_more() {
    let (cluster, script) = scripted(vec![(200, own(7, 8)); 6], None);
    let open = EnvironmentRules::default();
    assert_eq!(
        cluster.apply_environment(&known(), &keys(), &open).await.unwrap(),
        done()
    );
    let asked = lines(&script);
    assert_eq!(asked[4], format!("GET {POLICIES}/isolation"));
    assert!(asked[5].starts_with(&format!("DELETE {POLICIES}/")), "{asked:?}");
}

#[tokio::test]
async fn what_a_crash_left_is_found_and_finished() {
    let namespace = serde_json::to_value(crate::environments::sample::namespace()).unwrap();
    let mut found = own(7, 9);
    found["metadata"]["labels"] = namespace["metadata"]["labels"].clone();
    found["metadata"]["annotations"] = namespace["metadata"]["annotations"].clone();
    let answers = vec![exists(), (200, found), (201, own(7, 9)), (201, own(7, 9))];
    let (applied, asked) = apply(answers, &environment()).await;
    assert_eq!(applied.unwrap(), done());
    assert_eq!(asked[1], format!("GET {NAMESPACES}/org1-env1"));
    assert_eq!(asked.len(), 4, "what is as asked is not written: {asked:?}");
}

#[tokio::test]
async fn who_comes_late_writes_nothing() {
    for later in [own(7, 10), own(8, 1)] {
        let (applied, asked) = apply(vec![(200, later.clone())], &known()).await;
        assert_eq!((applied.unwrap(), asked.len()), (Applied::Late, 1));
        let (applied, asked) = apply(vec![exists(), (200, later)], &environment()).await;
        assert_eq!((applied.unwrap(), asked.len()), (Applied::Late, 2));
    }
}

#[tokio::test]
async fn somebody_elses_namespace_is_never_written() {
    let mut foreign = own(7, 1);
    foreign["metadata"]["labels"]["layby.dev/installation"] = json!("staging");
    let (applied, asked) = apply(vec![exists(), (200, foreign.clone())], &environment()).await;
    assert!(matches!(applied, Err(Error::NotOurs)) && asked.len() == 2);
    let (cluster, script) = scripted(vec![(200, foreign)], None);
    let removal = cluster
        .remove_environment(&environment().name, Generation(7), Some("u1"))
        .await
        .unwrap();
    assert_eq!((removal, lines(&script).len()), (EnvironmentRemoval::NotOurs, 1));
}

#[tokio::test]
async fn an_earlier_namespace_is_deleted_by_its_uid_before_anything_is_made() {
    let (cluster, script) = scripted(vec![exists(), (200, own(6, 6)), (200, json!({}))], None);
    let refused = cluster.apply_environment(&environment(), &keys(), &isolated()).await;
    assert!(matches!(refused, Err(Error::Terminating)), "{refused:?}");
    assert_eq!(bodies(&script)[2]["preconditions"]["uid"], "u1");
}

#[tokio::test]
async fn a_race_that_is_lost_again_and_again_is_come_back_to() {
    let lost = || [(200, own(7, 8)), no(409, "Conflict")];
    let mut answers = lost().to_vec();
    for _ in 1..3 {
        answers.push(exists());
        answers.extend(lost());
    }
    let (applied, _) = apply(answers, &known()).await;
    assert!(matches!(applied, Err(Error::Unreachable(_))), "{applied:?}");
}

fn web() -> NewDeployment {
    let template = json!({"metadata": {"labels": {"component": "shop"}}, "spec": {"containers": [{"name": "c"}]}});
    NewDeployment {
        name: DeploymentName::parse("web").unwrap(),
        template: PodTemplate::read(&template, false).unwrap(),
        given: Given::default(),
        replicas: Replicas::DEFAULT,
        sleep: Sleep::of(&environment()),
        made_by: "r1".to_owned(),
    }
}

/// A deployment of the environment.
fn deployment(name: &str) -> Value {
    let mut deployment = own(7, 9);
    deployment["metadata"]["name"] = json!(name);
    deployment["metadata"]["annotations"] = json!({"layby.dev/made-by": "r1"});
    deployment["kind"] = json!("Deployment");
    deployment["apiVersion"] = json!("apps/v1");
    deployment["spec"] = json!({
        "replicas": 1, "selector": {"matchLabels": {"component": "shop"}},
        "template": {"metadata": {"labels": {"component": "shop"}}, "spec": {"containers": [{"name": "c"}]}},
    });
    deployment
}

fn list(items: &[Value]) -> (u16, Value) {
    (
        200,
        json!({"kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {}, "items": items}),
    )
}

#[tokio::test]
async fn a_deployment_is_made_between_two_looks_for_another_of_its_component() {
    let answers = vec![
        (200, own(7, 9)),
        list(&[]),
        (201, deployment("web")),
        list(&[deployment("web")]),
    ];
    let (cluster, script) = scripted(answers, None);
    let made = cluster.make_deployment(&known(), &web()).await.unwrap();
    assert!(matches!(made, DeploymentMade::Made(_)));
    let asked = lines(&script);
    assert_eq!(asked[2], format!("POST {DEPLOYMENTS}?"));
    let selector = "layby.dev%2Finstallation%3Dprod%2Clayby.dev%2Fenvironment%3Dorg1.env1%2Clayby.dev%2Fborn%3D7%2Ccomponent%3Dshop";
    assert!(asked[1].contains(selector) && asked[3].contains(selector), "{asked:?}");
}

#[tokio::test]
async fn of_two_that_are_made_at_once_this_one_goes_by_its_uid() {
    let answers = vec![
        (200, own(7, 9)),
        list(&[]),
        (201, deployment("web")),
        list(&[deployment("other"), deployment("web")]),
        (200, json!({})),
    ];
    let (cluster, script) = scripted(answers, None);
    let made = cluster.make_deployment(&known(), &web()).await.unwrap();
    assert!(matches!(made, DeploymentMade::ComponentTaken { by, .. } if by == "other"));
    assert_eq!(lines(&script)[4], format!("DELETE {DEPLOYMENTS}/web?"));
    assert_eq!(bodies(&script)[4]["preconditions"]["uid"], "u1");
}

#[tokio::test]
async fn nothing_is_made_in_a_namespace_that_is_not_the_recorded_one() {
    let mut other = own(7, 9);
    other["metadata"]["uid"] = json!("u2");
    let (cluster, script) = scripted(vec![(200, other)], None);
    let refused = cluster.make_deployment(&known(), &web()).await.err().unwrap();
    assert!(
        matches!(refused, Error::NotOurs) && lines(&script).len() == 1,
        "{refused:?}"
    );
    let (cluster, _) = scripted(vec![absent()], None);
    let refused = cluster.make_deployment(&known(), &web()).await.err().unwrap();
    assert!(matches!(refused, Error::Terminating), "{refused:?}");
}

#[tokio::test]
async fn a_patch_costs_a_read_and_a_write_of_what_was_read() {
    let answers = vec![(200, deployment("web")), (200, deployment("web"))];
    let (cluster, script) = scripted(answers, None);
    let seen = cluster.deployment(&known(), &web().name).await.unwrap().unwrap();
    let now = "2026-11-22T10:00:00Z".parse().unwrap();
    let change = seen
        .patched(&DeploymentPatch::default(), Sleep::of(&environment()), now)
        .unwrap();
    let answer = cluster.change_deployment(&change).await.unwrap().unwrap().into_answer();
    assert_eq!(answer, deployment("web"), "as the cluster gave it");
    assert_eq!(
        lines(&script),
        [format!("GET {DEPLOYMENTS}/web"), format!("PUT {DEPLOYMENTS}/web?")]
    );
    let body = &bodies(&script)[1];
    assert_eq!(
        (&body["metadata"]["resourceVersion"], &body["metadata"]["uid"]),
        (&json!("5"), &json!("u1"))
    );
}

#[tokio::test]
async fn a_list_goes_on_where_the_last_one_ended_unless_that_is_forgotten() {
    let (cluster, script) = scripted(vec![list(&[]), no(410, "Expired"), no(400, "BadRequest")], None);
    let environment = known();
    let page = cluster
        .deployments(&environment, 7, Some("token"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(page["kind"], "DeploymentList");
    assert!(
        lines(&script)[0].contains("limit=7&continue=token"),
        "{:?}",
        lines(&script)
    );
    for _ in 0..2 {
        assert_eq!(cluster.deployments(&environment, 7, Some("token")).await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_logs_of_many_pods_share_what_may_be_told() {
    let pod = |number: usize| {
        json!({
            "metadata": {
                "name": format!("p{number:03}"), "namespace": "org1-env1",
                "creationTimestamp": format!("2026-11-22T10:{:02}:00Z", number % 60),
            },
            "spec": {"containers": [{"name": "c"}], "nodeName": "n"},
        })
    };
    let ask = LogAsk {
        tail: 5,
        previous: true,
        container: None,
        since_seconds: Some(30),
        timestamps: true,
    };
    let pods: Vec<Value> = (0..103).map(pod).collect();
    let mut answers = vec![(200, deployment("web")), (200, json!({"metadata": {}, "items": pods}))];
    answers.extend(vec![(200, json!("x".repeat(20_000))); 100]);
    let (cluster, script) = scripted(answers, None);
    let logs = cluster.deployment_logs(&known(), &web().name, &ask).await.unwrap();
    let Some(DeploymentLogs::Text(text)) = logs else {
        panic!("{logs:?}")
    };
    assert!(text.len() <= domain::limits::LOG_BYTES_MAX && text.len() > domain::limits::LOG_BYTES_MAX * 9 / 10);
    assert_eq!(text.matches("Logs for pod: p").count(), 100);
    assert_eq!(text.matches("[… earlier lines left out]").count(), 100);
    assert!(text.ends_with("[… 3 pods that were made earlier left out]\n"));
    let asked = lines(&script);
    assert_eq!(asked.len(), 102);
    assert!(asked[1].contains("labelSelector=component%3Dshop"), "{}", asked[1]);
    let query = "/log?&container=c&previous=true&sinceSeconds=30&tailLines=5&timestamps=true";
    assert!(asked[2].ends_with(query), "{}", asked[2]);
}
