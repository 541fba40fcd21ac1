use serde_json::{Value, json};

use super::*;
use crate::environments::sample::{environment, installation};

fn new(template: Value, given: Given) -> NewDeployment {
    NewDeployment {
        name: DeploymentName::parse("web").unwrap(),
        template: PodTemplate::read(&template, false).unwrap(),
        given,
        replicas: Replicas::read(2).unwrap(),
        sleep: awake(7),
        made_by: "r1".to_owned(),
    }
}

fn awake(asked: u64) -> Sleep {
    Sleep {
        asleep: false,
        asked: Generation(asked),
    }
}

fn asleep(asked: u64) -> Sleep {
    Sleep {
        asleep: true,
        ..awake(asked)
    }
}

/// A template of this component, whose container has these variables.
fn template(component: &str, env: Value) -> Value {
    let labels = json!({"component": component, "app": "shop"});
    json!({
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "c", "image": "i:1", "env": env}]},
    })
}

fn given(hosts: Option<&str>, env: Value) -> Given {
    Given::read(hosts.map(str::to_owned), None, Some(&env)).unwrap()
}

fn made(new: &NewDeployment) -> Deployment {
    let (environment, installation) = (environment(), installation());
    let tenant = Tenant {
        installation: &installation,
        name: &environment.name,
        born: environment.born,
    };
    let mut deployment = new.manifest(&tenant, "u1");
    // As the cluster shows it.
    deployment.metadata.resource_version = Some("5".to_owned());
    deployment.metadata.uid = Some("d1".to_owned());
    deployment
}

/// One with two replicas, a host, and the variable `A` both in its template and given.
fn sample() -> Deployment {
    let env = json!([{"name": "A", "value": "template"}, {"name": "T", "value": "t"}]);
    let given = given(Some("a.example"), json!([{"name": "A", "value": "given"}]));
    made(&new(template("shop", env), given))
}

fn patch(deployment: &Deployment, patch: &DeploymentPatch) -> Deployment {
    let now = "2026-11-22T10:00:00.123Z".parse().unwrap();
    patched(deployment, patch, awake(7), now).unwrap()
}

fn json_of(deployment: &Deployment) -> Value {
    serde_json::to_value(deployment).unwrap()
}

fn env(deployment: &Deployment) -> Value {
    json_of(deployment)["spec"]["template"]["spec"]["containers"][0]["env"].clone()
}

fn replicas(deployment: &Deployment) -> Option<i32> {
    deployment.spec.as_ref().unwrap().replicas
}

#[test]
fn a_deployment_says_whose_it_is_and_keeps_what_was_given() {
    let deployment = json_of(&sample());
    let labels = json!({"component": "shop", "app": "shop", "routable": "true", "runtime": "shipyard"});
    let mut own = labels.clone();
    own.as_object_mut().unwrap().extend(
        json!({
            "layby.dev/installation": "prod", "layby.dev/environment": "org1.env1", "layby.dev/born": "7",
            "app.kubernetes.io/managed-by": "layby",
        })
        .as_object()
        .unwrap()
        .clone(),
    );
    assert_eq!(
        (&deployment["kind"], &deployment["apiVersion"]),
        (&json!("Deployment"), &json!("apps/v1"))
    );
    assert_eq!(
        (&deployment["metadata"]["name"], &deployment["metadata"]["labels"]),
        (&json!("web"), &own)
    );
    assert_eq!(
        deployment["metadata"]["annotations"],
        json!({
            "layby.dev/made-by": "r1", "layby.dev/sleep-asked": "7",
            "layby.dev/given": r#"{"publicHosts":"a.example","envVars":[{"name":"A","value":"given"}]}"#,
        })
    );
    assert_eq!(deployment["metadata"]["ownerReferences"][0]["uid"], "u1");
    assert_eq!(
        deployment["spec"],
        json!({
            "replicas": 2, "revisionHistoryLimit": 5, "selector": {"matchLabels": {"component": "shop"}},
            "template": {
                "metadata": {"labels": labels, "annotations": {"publicHosts": "a.example"}},
                "spec": {
                    "automountServiceAccountToken": false,
                    "containers": [{"name": "c", "image": "i:1",
                        "env": [{"name": "A", "value": "given"}, {"name": "T", "value": "t"}]}],
                },
            },
        })
    );
}

#[test]
fn one_without_a_component_is_its_own() {
    let deployment = made(&new(template("", json!([])), Given::default()));
    assert_eq!(component(&deployment), Some("web"));
    let labels = &json_of(&deployment)["spec"]["template"]["metadata"]["labels"];
    assert_eq!(labels["component"], "web");
}

#[test]
fn a_patch_changes_only_what_it_names() {
    let before = sample();
    let three = DeploymentPatch {
        replicas: Some(Replicas::read(3).unwrap()),
        ..Default::default()
    };
    let mut expected = before.clone();
    expected.spec.as_mut().unwrap().replicas = Some(3);
    assert_eq!(patch(&before, &three), expected);

    let variables = DeploymentPatch {
        given: given(None, json!([{"name": "B", "value": "new"}])),
        ..Default::default()
    };
    let after = patch(&before, &variables);
    assert_eq!(
        env(&after),
        json!([{"name": "A", "value": "given"}, {"name": "T", "value": "t"}, {"name": "B", "value": "new"}])
    );
    assert_eq!((replicas(&after), hosts_of(&after)), (Some(2), vec!["a.example"]));

    let hosts = DeploymentPatch {
        given: given(Some(""), json!([])),
        ..Default::default()
    };
    let after = patch(&before, &hosts);
    assert_eq!((hosts_of(&after), env(&after)), (vec![], env(&before)));
}

#[test]
fn a_new_template_keeps_what_was_given_before_and_since() {
    let before = patch(
        &sample(),
        &DeploymentPatch {
            given: given(None, json!([{"name": "B", "value": "since"}])),
            ..Default::default()
        },
    );
    let mut next = template(
        "",
        json!([{"name": "A", "value": "other"}, {"name": "N", "value": "n"}]),
    );
    next["metadata"]["labels"] = json!({"tier": "front"});
    next["metadata"]["annotations"] = json!({"publicHosts": "template.example", "privateHosts": "template.internal"});
    let change = DeploymentPatch {
        template: Some(PodTemplate::read(&next, false).unwrap()),
        given: given(None, json!([{"name": "C", "value": "now"}])),
        ..Default::default()
    };
    let after = patch(&before, &change);
    let expected = json!([
        {"name": "A", "value": "given"}, {"name": "N", "value": "n"}, {"name": "B", "value": "since"},
        {"name": "C", "value": "now"},
    ]);
    assert_eq!((env(&after), replicas(&after)), (expected, Some(2)));
    assert_eq!(hosts_of(&after), ["a.example", "template.internal"]);
    let labels = &json_of(&after)["metadata"]["labels"];
    assert_eq!((&labels["tier"], &labels["app"]), (&json!("front"), &Value::Null));
    assert_eq!(
        (&labels["component"], &labels["layby.dev/born"]),
        (&json!("shop"), &json!("7"))
    );
    assert_eq!(component(&after), Some("shop"));
}

#[test]
fn another_component_is_refused() {
    let change = DeploymentPatch {
        template: Some(PodTemplate::read(&template("other", json!([])), false).unwrap()),
        ..Default::default()
    };
    let refused = patched(&sample(), &change, awake(7), Timestamp::UNIX_EPOCH)
        .err()
        .unwrap()
        .to_string();
    assert!(
        refused.contains("'component' is 'shop' and cannot become 'other'"),
        "{refused}"
    );
}

#[test]
fn a_patch_that_names_nothing_starts_the_pods_anew_and_nothing_else() {
    let before = sample();
    let after = patch(&before, &DeploymentPatch::default());
    let annotations = &json_of(&after)["spec"]["template"]["metadata"]["annotations"];
    assert_eq!(
        annotations["kubectl.kubernetes.io/restartedAt"],
        "2026-11-22T10:00:00.123Z"
    );
    assert_eq!((env(&after), replicas(&after)), (env(&before), Some(2)));
    // Once more at the same instant it is the same: a repeated request restarts once.
    assert_eq!(patch(&after, &DeploymentPatch::default()), after);
}

#[test]
fn sleep_is_remembered_through_changes_and_ended_by_waking() {
    let at_first = sample();
    assert_eq!(scaled(&at_first, awake(7)), None);
    let sleeping = scaled(&at_first, asleep(8)).unwrap();
    assert_eq!(
        (replicas(&sleeping), annotation(&sleeping, REPLICAS)),
        (Some(0), Some("2"))
    );
    assert_eq!(scaled(&sleeping, asleep(8)), None);
    let woken = scaled(&sleeping, awake(9)).unwrap();
    assert_eq!((replicas(&woken), annotation(&woken, REPLICAS)), (Some(2), None));

    let five = DeploymentPatch {
        replicas: Some(Replicas::read(5).unwrap()),
        ..Default::default()
    };
    let changed = patched(&sleeping, &five, asleep(8), Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(
        (replicas(&changed), annotation(&changed, REPLICAS)),
        (Some(0), Some("5"))
    );
    assert_eq!(replicas(&scaled(&changed, awake(9)).unwrap()), Some(5));

    let mut born_asleep = new(template("shop", json!([])), Given::default());
    born_asleep.sleep = asleep(7);
    let born_asleep = made(&born_asleep);
    assert_eq!(
        (replicas(&born_asleep), annotation(&born_asleep, REPLICAS)),
        (Some(0), Some("2"))
    );
}

#[test]
fn what_was_asked_of_its_sleep_earlier_comes_too_late() {
    let woken = scaled(&sample(), awake(9)).unwrap();
    assert_eq!(scaled(&woken, asleep(8)), None);
    let three = DeploymentPatch {
        replicas: Some(Replicas::read(3).unwrap()),
        ..Default::default()
    };
    let patched = |deployment, sleep| patched(deployment, &three, sleep, Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(replicas(&patched(&woken, asleep(8))), Some(3));
    let sleeping = scaled(&woken, asleep(10)).unwrap();
    let changed = patched(&sleeping, awake(9));
    assert_eq!((replicas(&changed), sleep_of(&changed)), (Some(0), asleep(10)));
    assert_eq!(replicas(&scaled(&changed, awake(11)).unwrap()), Some(3));
}

#[test]
fn what_is_privileged_does_not_stay_so_where_that_is_not_allowed_any_more() {
    let mut spec = template("shop", json!([]));
    spec["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
    let mut privileged = new(template("shop", json!([])), Given::default());
    privileged.template = PodTemplate::read(&spec, true).unwrap();
    let before = made(&privileged);
    let is_privileged = |deployment: &Deployment| {
        json_of(deployment)["spec"]["template"]["spec"]["containers"][0]["securityContext"]["privileged"].take()
    };
    let allowed = DeploymentPatch {
        allow_privileged: true,
        ..Default::default()
    };
    assert_eq!(is_privileged(&patch(&before, &allowed)), true);
    assert_eq!(is_privileged(&patch(&before, &DeploymentPatch::default())), false);
}

#[test]
fn replicas_are_a_count() {
    for good in [0, 1, i64::from(i32::MAX)] {
        assert!(Replicas::read(good).is_ok());
    }
    for bad in [-1, i64::from(i32::MAX) + 1] {
        assert!(Replicas::read(bad).is_err());
    }
}
