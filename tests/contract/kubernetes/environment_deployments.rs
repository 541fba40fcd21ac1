//! What runs in an environment, by layby's own client.

use cluster_client::{
    Cluster, DeploymentLogs, DeploymentMade, DeploymentPatch, DeploymentSeen, Error, Given, LogAsk, NewDeployment,
    PodTemplate, Replicas, Sleep,
};
use domain::{DeploymentName, Environment, EnvironmentChange, Generation};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::deployments::is_rolled_out;
use crate::environments::{environment, made, removed};
use crate::layby::cluster;
use crate::server::{Server, eventually};

checks! {
    a_deployment_is_made_listed_changed_and_deleted_with_its_pods
    a_name_and_a_component_are_taken_once
    a_change_of_what_has_changed_is_not_written
    what_the_cluster_does_not_take_is_told_in_its_words
    deployments_sleep_and_wake
    what_is_not_marked_as_the_environments_is_not_its
    a_pod_that_has_not_started_is_told_in_the_place_of_its_log
}

fn name(text: &str) -> DeploymentName {
    DeploymentName::parse(text).unwrap()
}

fn count(replicas: i64) -> Replicas {
    Replicas::read(replicas).unwrap()
}

/// A template of this component.
fn template(component: &str, image: &str) -> Value {
    json!({
        "metadata": {"labels": {"component": component}, "annotations": {"publicPaths": "8080:/"}},
        "spec": {"containers": [{"name": "c", "image": image, "ports": [{"containerPort": 8080}]}]},
    })
}

/// Earlier than whatever is asked of an environment.
const AWAKE: Sleep = Sleep {
    asleep: false,
    asked: Generation(0),
};

fn slept(environment: &Environment, asleep: bool) -> Environment {
    environment.changed(&EnvironmentChange {
        asleep: Some(asleep),
        ..EnvironmentChange::default()
    })
}

fn new(text: &str, template: Value) -> NewDeployment {
    let variables = json!([{"name": "GREETING", "value": "hello"}]);
    NewDeployment {
        name: name(text),
        template: PodTemplate::read(&template, false).unwrap(),
        given: Given::read(Some("api.example.org".to_owned()), None, Some(&variables)).unwrap(),
        replicas: count(2),
        sleep: AWAKE,
        made_by: format!("request-{text}"),
    }
}

async fn make(cluster: &Cluster, environment: &Environment, new: &NewDeployment) -> Value {
    match cluster.make_deployment(environment, new).await.unwrap() {
        DeploymentMade::Made(seen) => seen.into_answer(),
        _ => panic!("it was not there"),
    }
}

async fn seen(cluster: &Cluster, environment: &Environment, text: &str) -> DeploymentSeen {
    cluster
        .deployment(environment, &name(text))
        .await
        .unwrap()
        .expect("it is there")
}

async fn changed(cluster: &Cluster, environment: &Environment, patch: &DeploymentPatch) -> Value {
    eventually("nobody writes meanwhile", async || {
        let seen = seen(cluster, environment, "web").await;
        let change = seen.patched(patch, Sleep::of(environment), Timestamp::now()).unwrap();
        cluster.change_deployment(&change).await.unwrap()
    })
    .await
    .into_answer()
}

async fn rolled_out(cluster: &Cluster, environment: &Environment, pods: u64) -> Value {
    eventually("it is rolled out", async || {
        let web = seen(cluster, environment, "web").await.into_answer();
        (is_rolled_out(&web) && web["status"]["readyReplicas"].as_u64().unwrap_or(0) == pods).then_some(web)
    })
    .await
}

async fn pods(server: &Server, environment: &Environment) -> Vec<String> {
    let path = format!("/api/v1/namespaces/{}/pods", environment.name.namespace());
    server.get(&path).await.names().into_iter().map(str::to_owned).collect()
}

async fn a_deployment_is_made_listed_changed_and_deleted_with_its_pods(server: &Server) {
    let cluster = cluster(server, None);
    let environment = made(&cluster, &environment(server)).await;
    let web = make(&cluster, &environment, &new("web", template("shop", "web:1"))).await;
    assert_eq!(
        (&web["kind"], &web["apiVersion"]),
        (&json!("Deployment"), &json!("apps/v1"))
    );
    assert_eq!(web["spec"]["revisionHistoryLimit"], 5);
    assert_eq!(web["spec"]["selector"]["matchLabels"], json!({"component": "shop"}));
    rolled_out(&cluster, &environment, 2).await;
    let first = pods(server, &environment).await;
    let path = format!("/api/v1/namespaces/{}/pods/{}", environment.name.namespace(), first[0]);
    let pod = server.get(&path).await.done();
    for (label, value) in [("component", "shop"), ("routable", "true"), ("runtime", "shipyard")] {
        assert_eq!(pod["metadata"]["labels"][label], value);
        assert_eq!(web["metadata"]["labels"][label], value);
    }
    assert_eq!(pod["metadata"]["annotations"]["publicHosts"], "api.example.org");
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["env"], json!([{"name": "GREETING", "value": "hello"}]));
    assert_eq!(
        (&container["volumeMounts"], &pod["spec"]["serviceAccountName"]),
        (&Value::Null, &json!("default"))
    );

    let list = cluster.deployments(&environment, 10, None).await.unwrap().unwrap();
    assert_eq!(
        (&list["kind"], &list["apiVersion"]),
        (&json!("DeploymentList"), &json!("apps/v1"))
    );
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["metadata"]["uid"], web["metadata"]["uid"]);

    changed(&cluster, &environment, &DeploymentPatch::default()).await;
    rolled_out(&cluster, &environment, 2).await;
    eventually("all pods were started anew", async || {
        let now = pods(server, &environment).await;
        (now.len() == 2 && !now.iter().any(|pod| first.contains(pod))).then_some(())
    })
    .await;

    let patch = DeploymentPatch {
        template: Some(PodTemplate::read(&template("shop", "web:2"), false).unwrap()),
        replicas: Some(count(1)),
        ..Default::default()
    };
    changed(&cluster, &environment, &patch).await;
    let web = rolled_out(&cluster, &environment, 1).await;
    let template = &web["spec"]["template"];
    assert_eq!(template["spec"]["containers"][0]["image"], "web:2");
    assert_eq!(template["spec"]["containers"][0]["env"][0]["value"], "hello");
    assert_eq!(template["metadata"]["annotations"]["publicHosts"], "api.example.org");

    assert!(cluster.delete_deployment(&environment, &name("web")).await.unwrap());
    assert!(cluster.deployment(&environment, &name("web")).await.unwrap().is_none());
    assert!(!cluster.delete_deployment(&environment, &name("web")).await.unwrap());
    eventually("its pods are gone", async || {
        pods(server, &environment).await.is_empty().then_some(())
    })
    .await;
    removed(&cluster, &environment).await;
}

async fn a_name_and_a_component_are_taken_once(server: &Server) {
    let cluster = cluster(server, None);
    let environment = made(&cluster, &environment(server)).await;
    let web = new("web", template("shop", "web:1"));
    let first = make(&cluster, &environment, &web).await;
    let again = make(&cluster, &environment, &web).await;
    assert_eq!(
        again["metadata"]["uid"], first["metadata"]["uid"],
        "the same asked again"
    );
    let mut another = web.clone();
    another.made_by = "another".to_owned();
    let taken = cluster.make_deployment(&environment, &another).await.unwrap();
    assert!(matches!(taken, DeploymentMade::NameTaken { .. }));
    let twin = new("twin", template("shop", "web:1"));
    match cluster.make_deployment(&environment, &twin).await.unwrap() {
        DeploymentMade::ComponentTaken { component, by } => {
            assert_eq!((component.as_str(), by.as_str()), ("shop", "web"))
        }
        _ => panic!("the component is taken"),
    }
    assert!(cluster.deployment(&environment, &twin.name).await.unwrap().is_none());
    make(&cluster, &environment, &new("other", template("", "web:1"))).await;
    removed(&cluster, &environment).await;
    let gone = cluster.make_deployment(&environment, &twin).await.err().unwrap();
    assert!(matches!(gone, Error::Terminating), "{gone:?}");
}

async fn a_change_of_what_has_changed_is_not_written(server: &Server) {
    let cluster = cluster(server, None);
    let environment = made(&cluster, &environment(server)).await;
    make(&cluster, &environment, &new("web", template("shop", "web:1"))).await;
    rolled_out(&cluster, &environment, 2).await;
    let before = seen(&cluster, &environment, "web").await;
    let three = DeploymentPatch {
        replicas: Some(count(3)),
        ..Default::default()
    };
    changed(&cluster, &environment, &three).await;
    let stale = before
        .patched(&DeploymentPatch::default(), AWAKE, Timestamp::now())
        .unwrap();
    assert!(cluster.change_deployment(&stale).await.unwrap().is_none());
    assert!(cluster.delete_deployment(&environment, &name("web")).await.unwrap());
    assert!(cluster.change_deployment(&stale).await.unwrap().is_none());
    removed(&cluster, &environment).await;
}

async fn what_the_cluster_does_not_take_is_told_in_its_words(server: &Server) {
    let cluster = cluster(server, None);
    let environment = made(&cluster, &environment(server)).await;
    let mut never = template("shop", "web:1");
    never["spec"]["restartPolicy"] = json!("Never");
    let refused = cluster
        .make_deployment(&environment, &new("web", never.clone()))
        .await
        .err()
        .unwrap();
    let Error::Refused { message } = refused else {
        panic!("{refused:?}")
    };
    assert!(message.contains("spec.template.spec.restartPolicy"), "{message}");
    make(&cluster, &environment, &new("web", template("shop", "web:1"))).await;
    let patch = DeploymentPatch {
        template: Some(PodTemplate::read(&never, false).unwrap()),
        ..Default::default()
    };
    let refused = eventually("nobody writes meanwhile", async || {
        let change = seen(&cluster, &environment, "web")
            .await
            .patched(&patch, AWAKE, Timestamp::now())
            .unwrap();
        cluster.change_deployment(&change).await.err()
    })
    .await;
    assert!(matches!(refused, Error::Refused { .. }), "{refused:?}");
    removed(&cluster, &environment).await;
}

async fn deployments_sleep_and_wake(server: &Server) {
    let cluster = cluster(server, None);
    let mut environment = made(&cluster, &environment(server)).await;
    make(&cluster, &environment, &new("web", template("shop", "web:1"))).await;
    make(&cluster, &environment, &new("idle", template("idle", "web:1"))).await;
    rolled_out(&cluster, &environment, 2).await;
    environment = slept(&environment, true);
    cluster.scale_deployments(&environment).await.unwrap();
    cluster.scale_deployments(&environment).await.unwrap();
    eventually("no pod is left", async || {
        pods(server, &environment).await.is_empty().then_some(())
    })
    .await;
    let five = DeploymentPatch {
        replicas: Some(count(3)),
        ..Default::default()
    };
    assert_eq!(changed(&cluster, &environment, &five).await["spec"]["replicas"], 0);
    let sleeping = environment;
    let environment = slept(&sleeping, false);
    cluster.scale_deployments(&environment).await.unwrap();
    // What was asked before comes too late.
    cluster.scale_deployments(&sleeping).await.unwrap();
    rolled_out(&cluster, &environment, 3).await;
    assert_eq!(
        seen(&cluster, &environment, "idle").await.into_answer()["spec"]["replicas"],
        2
    );
    removed(&cluster, &environment).await;
}

async fn what_is_not_marked_as_the_environments_is_not_its(server: &Server) {
    let cluster = cluster(server, None);
    let environment = made(&cluster, &environment(server)).await;
    let path = format!("/apis/apps/v1/namespaces/{}/deployments", environment.name.namespace());
    server
        .made(&path, crate::deployments::deployment("web", 1, "web:1"))
        .await;
    assert!(cluster.deployment(&environment, &name("web")).await.unwrap().is_none());
    assert!(!cluster.delete_deployment(&environment, &name("web")).await.unwrap());
    let list = cluster.deployments(&environment, 10, None).await.unwrap().unwrap();
    assert_eq!(list["items"], json!([]));
    let taken = cluster
        .make_deployment(&environment, &new("web", template("shop", "web:1")))
        .await
        .unwrap();
    assert!(matches!(taken, DeploymentMade::NameTaken { .. }));
    removed(&cluster, &environment).await;
}

async fn a_pod_that_has_not_started_is_told_in_the_place_of_its_log(server: &Server) {
    let cluster = cluster(server, None);
    let environment = made(&cluster, &environment(server)).await;
    let mut nowhere = template("shop", "web:1");
    nowhere["spec"]["nodeSelector"] = json!({"no": "where"});
    make(&cluster, &environment, &new("web", nowhere)).await;
    eventually("its pods have no node", async || {
        let path = format!("/api/v1/namespaces/{}/pods", environment.name.namespace());
        let pods = server.get(&path).await.done();
        let pods = pods["items"].as_array().unwrap().clone();
        let all_said = pods
            .iter()
            .all(|pod| pod["status"]["conditions"][0]["reason"] == "Unschedulable");
        (pods.len() == 2 && all_said).then_some(())
    })
    .await;
    let mut ask = LogAsk {
        tail: 10,
        previous: false,
        container: None,
        since_seconds: Some(60),
        timestamps: true,
    };
    let logs = cluster.deployment_logs(&environment, &name("web"), &ask).await.unwrap();
    let Some(DeploymentLogs::Text(text)) = logs else {
        panic!("{logs:?}")
    };
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    for (pod, lines) in pods(server, &environment).await.iter().zip(lines.chunks(2)) {
        assert_eq!(lines[0], format!("Logs for pod: {pod}"));
        let told = "It has not started yet; it has no node: Unschedulable: 0/2 nodes are available";
        assert!(lines[1].starts_with(told), "{text}");
    }
    ask.container = Some("none".to_owned());
    let logs = cluster.deployment_logs(&environment, &name("web"), &ask).await.unwrap();
    let containers = vec!["c".to_owned()];
    assert_eq!(logs, Some(DeploymentLogs::NoContainer { containers }));
    assert_eq!(
        cluster
            .deployment_logs(&environment, &name("none"), &ask)
            .await
            .unwrap(),
        None
    );
    removed(&cluster, &environment).await;
}
