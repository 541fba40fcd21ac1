//! Deployments: their ReplicaSets and pods, counts, conditions, scaling and deletion.

use http::Method;
use serde_json::{Value, json};

use crate::looks::{condition, text};
use crate::server::{Server, eventually};
use crate::wire::JSON_PATCH;

checks! {
    a_new_deployment_is_filled_in
    a_deployment_makes_a_replicaset_that_makes_pods
    a_deleted_pod_is_replaced
    a_pod_is_available_once_it_was_ready_for_long_enough
    a_selector_matches_its_template_and_never_changes
    a_wrong_deployment_is_refused_by_field
    a_deployment_is_scaled_by_its_spec_and_by_its_scale
    a_deployment_deleted_in_the_background_takes_all_with_it
    a_deployment_deleted_in_the_foreground_goes_last
    an_orphaned_replicaset_is_adopted_again
    a_status_changes_nothing_of_the_spec
}

/// A deployment of pods that run this image.
pub(crate) fn deployment(name: &str, replicas: u32, image: &str) -> Value {
    let labels = json!({ "app": name });
    json!({
        "metadata": { "name": name },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [{ "name": "c", "image": image }] } },
        },
    })
}

/// Whether everything that a deployment asks for is there and available, as `kubectl rollout status` reads it.
pub(crate) fn is_rolled_out(deployment: &Value) -> bool {
    let (spec, status) = (&deployment["spec"], &deployment["status"]);
    let count = |name: &str| status[name].as_u64().unwrap_or(0);
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    status["observedGeneration"].as_i64() >= deployment["metadata"]["generation"].as_i64()
        && ["updatedReplicas", "replicas", "availableReplicas"]
            .iter()
            .all(|name| count(name) == wanted)
}

/// Makes a deployment and waits until its pods are available.
pub(crate) async fn roll_out(server: &Server, deployment: Value) -> Value {
    let name = text(&deployment["metadata"]["name"]).to_owned();
    server.post("deployments", deployment).await.done();
    server
        .until(&format!("deployments/{name}"), "rolled out", is_rolled_out)
        .await
}

async fn a_new_deployment_is_filled_in(server: &Server) {
    let mut wanted = deployment("web", 0, "web");
    wanted["spec"].as_object_mut().unwrap().remove("replicas");
    let made = server.post("deployments", wanted).await.done();
    assert_eq!(made["metadata"]["generation"], 1);
    assert_eq!(made["status"], json!({}));
    let spec = &made["spec"];
    assert_eq!(spec["replicas"], 1);
    assert_eq!(spec["revisionHistoryLimit"], 10);
    assert_eq!(spec["progressDeadlineSeconds"], 600);
    let rolling = json!({ "maxSurge": "25%", "maxUnavailable": "25%" });
    assert_eq!(
        spec["strategy"],
        json!({ "type": "RollingUpdate", "rollingUpdate": rolling })
    );
    assert_eq!(
        spec["template"]["spec"],
        json!({
            "containers": [{
                "name": "c", "image": "web", "imagePullPolicy": "Always", "resources": {},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File",
            }],
            "dnsPolicy": "ClusterFirst", "restartPolicy": "Always", "schedulerName": "default-scheduler",
            "securityContext": {}, "terminationGracePeriodSeconds": 30,
        })
    );
}

async fn a_deployment_makes_a_replicaset_that_makes_pods(server: &Server) {
    let made = roll_out(server, deployment("web", 2, "web")).await;
    let sets = server.items("replicasets").await;
    let [set] = sets.as_slice() else { panic!("{sets:?}") };
    let hash = text(&set["metadata"]["labels"]["pod-template-hash"]);
    assert!((8..=10).contains(&hash.len()), "{hash}");
    let name = format!("web-{hash}");
    assert_eq!(set["metadata"]["name"], name.as_str());
    let labels = json!({ "app": "web", "pod-template-hash": hash });
    assert_eq!(set["metadata"]["labels"], labels);
    assert_eq!(set["spec"]["selector"], json!({ "matchLabels": labels }));
    assert_eq!(set["spec"]["template"]["metadata"], json!({ "labels": labels }));
    assert_eq!(set["spec"]["replicas"], 2);
    assert_eq!(
        set["metadata"]["annotations"],
        json!({
            "deployment.kubernetes.io/desired-replicas": "2", "deployment.kubernetes.io/max-replicas": "3",
            "deployment.kubernetes.io/revision": "1",
        })
    );
    let owner = |owner: &Value, version: &str, kind: &str| {
        json!([{
            "apiVersion": version, "kind": kind, "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
            "controller": true, "blockOwnerDeletion": true,
        }])
    };
    assert_eq!(
        set["metadata"]["ownerReferences"],
        owner(&made, "apps/v1", "Deployment")
    );
    assert_eq!(set["status"]["replicas"], 2);
    assert_eq!(set["status"]["fullyLabeledReplicas"], 2);
    assert_eq!(set["status"]["readyReplicas"], 2);
    assert_eq!(set["status"]["availableReplicas"], 2);
    assert_eq!(set["status"]["observedGeneration"], 1);
    let pods = server.items("pods").await;
    assert_eq!(pods.len(), 2);
    for pod in &pods {
        let suffix = text(&pod["metadata"]["name"]).strip_prefix(&format!("{name}-"));
        assert_eq!(suffix.map(str::len), Some(5));
        assert_eq!(pod["metadata"]["generateName"], format!("{name}-"));
        assert_eq!(pod["metadata"]["labels"], labels);
        assert_eq!(pod["metadata"]["ownerReferences"], owner(set, "apps/v1", "ReplicaSet"));
    }
    assert_eq!(
        made["metadata"]["annotations"],
        json!({ "deployment.kubernetes.io/revision": "1" })
    );
    let status = &made["status"];
    assert_eq!(
        (&status["readyReplicas"], &status["unavailableReplicas"]),
        (&json!(2), &Value::Null)
    );
    let available = condition(&made, "Available");
    assert_eq!(
        (text(&available["status"]), text(&available["reason"])),
        ("True", "MinimumReplicasAvailable")
    );
    assert_eq!(available["message"], "Deployment has minimum availability.");
    let progressing = condition(&made, "Progressing");
    assert_eq!(
        (text(&progressing["status"]), text(&progressing["reason"])),
        ("True", "NewReplicaSetAvailable")
    );
    assert_eq!(
        progressing["message"],
        format!("ReplicaSet \"{name}\" has successfully progressed.")
    );
}

async fn a_deleted_pod_is_replaced(server: &Server) {
    roll_out(server, deployment("web", 1, "web")).await;
    let first = text(&server.items("pods").await[0]["metadata"]["name"]).to_owned();
    server.remove(&format!("pods/{first}"), None).await;
    server.until_gone(&format!("pods/{first}")).await;
    server
        .until("deployments/web", "available again", |web| {
            web["status"]["availableReplicas"] == 1
        })
        .await;
    let pods = server.items("pods").await;
    assert_eq!(pods.len(), 1);
    assert_ne!(pods[0]["metadata"]["name"], first.as_str());
}

async fn a_pod_is_available_once_it_was_ready_for_long_enough(server: &Server) {
    let mut slow = deployment("web", 1, "web");
    slow["spec"]["minReadySeconds"] = json!(4);
    server.post("deployments", slow).await.done();
    let ready = server
        .until("deployments/web", "ready", |web| web["status"]["readyReplicas"] == 1)
        .await;
    assert_eq!(ready["status"]["availableReplicas"], Value::Null);
    assert_eq!(ready["status"]["unavailableReplicas"], 1);
    assert_eq!(condition(&ready, "Available")["reason"], "MinimumReplicasUnavailable");
    assert_eq!(
        condition(&ready, "Available")["message"],
        "Deployment does not have minimum availability."
    );
    server.until("deployments/web", "available", is_rolled_out).await;
}

async fn a_selector_matches_its_template_and_never_changes(server: &Server) {
    let mut other = deployment("web", 1, "web");
    other["spec"]["selector"] = json!({ "matchLabels": { "app": "other" } });
    let refused = server.post("deployments", other).await;
    let message = "Deployment.apps \"web\" is invalid: spec.template.metadata.labels: Invalid value: {\"app\":\"web\"}: \
                   `selector` does not match template `labels`";
    assert_eq!(refused.refusal(), (422, "Invalid", message));
    server.post("deployments", deployment("web", 1, "web")).await.done();
    let both =
        json!({ "selector": { "matchLabels": { "x": "y" } }, "template": { "metadata": { "labels": { "x": "y" } } } });
    let refused = server.merge("deployments/web", json!({ "spec": both })).await;
    let message = "Deployment.apps \"web\" is invalid: spec.selector: Invalid value: \
                   {\"matchLabels\":{\"app\":\"web\",\"x\":\"y\"}}: field is immutable";
    assert_eq!(refused.refusal(), (422, "Invalid", message));
}

async fn a_wrong_deployment_is_refused_by_field(server: &Server) {
    let with = |spec: Value| {
        let mut wrong = deployment("web", 1, "web");
        json_patch::merge(&mut wrong["spec"], &spec);
        wrong
    };
    let refused = server
        .post("deployments", with(json!({ "replicas": -1, "selector": null })))
        .await;
    assert_eq!(refused.refusal().0, 422);
    assert_eq!(refused.fields()[..2], ["spec.replicas", "spec.selector"]);
    let never = json!({ "template": { "spec": { "restartPolicy": "Never" } } });
    let refused = server.post("deployments", with(never)).await;
    let message = "Deployment.apps \"web\" is invalid: spec.template.spec.restartPolicy: Unsupported value: \"Never\": \
                   supported values: \"Always\"";
    assert_eq!(refused.refusal().2, message);
    let stuck = json!({ "strategy": { "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 0 } } });
    let refused = server.post("deployments", with(stuck)).await;
    let message = "Deployment.apps \"web\" is invalid: spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 \
                   when `maxSurge` is 0";
    assert_eq!(refused.refusal().2, message);
    let recreate = json!({ "strategy": { "type": "Recreate", "rollingUpdate": { "maxSurge": 1 } } });
    let refused = server.post("deployments", with(recreate)).await;
    assert_eq!(
        (refused.refusal().0, refused.fields()),
        (422, vec!["spec.strategy.rollingUpdate"])
    );
    let hasty = json!({ "progressDeadlineSeconds": 5, "minReadySeconds": 5 });
    let refused = server.post("deployments", with(hasty)).await;
    assert!(
        refused
            .refusal()
            .2
            .ends_with("Invalid value: 5: must be greater than minReadySeconds")
    );
    let none = json!({ "template": { "spec": { "containers": null } } });
    let refused = server.post("deployments", with(none)).await;
    assert_eq!(
        (refused.refusal().0, refused.fields()),
        (422, vec!["spec.template.spec.containers"])
    );
}

async fn a_deployment_is_scaled_by_its_spec_and_by_its_scale(server: &Server) {
    let made = roll_out(server, deployment("web", 1, "web")).await;
    let scaled = server
        .merge("deployments/web", json!({ "spec": { "replicas": 3 } }))
        .await
        .done();
    assert_eq!(scaled["metadata"]["generation"], 2);
    server.until("deployments/web", "of three pods", is_rolled_out).await;
    let scale = server.get("deployments/web/scale").await.done();
    assert_eq!(
        (text(&scale["apiVersion"]), text(&scale["kind"])),
        ("autoscaling/v1", "Scale")
    );
    assert_eq!(scale["metadata"]["uid"], made["metadata"]["uid"]);
    assert_eq!(scale["spec"], json!({ "replicas": 3 }));
    assert_eq!(scale["status"], json!({ "replicas": 3, "selector": "app=web" }));

    let scaled = server
        .merge("deployments/web/scale", json!({ "spec": { "replicas": 2 } }))
        .await
        .done();
    assert_eq!(scaled["spec"]["replicas"], 2);
    let patch = json!([{ "op": "replace", "path": "/spec/replicas", "value": 1 }]);
    let scaled = server
        .send(Method::PATCH, "deployments/web/scale", JSON_PATCH, patch)
        .await
        .done();
    assert_eq!(scaled["spec"]["replicas"], 1);
    let mut put = scaled.clone();
    put["spec"]["replicas"] = json!(0);
    put["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    let scaled = server.put("deployments/web/scale", put).await.done();
    assert_eq!(scaled["spec"], json!({}));
    let seen = server.until("deployments/web", "of no pods", is_rolled_out).await;
    assert_eq!(
        (&seen["spec"]["replicas"], &seen["metadata"]["generation"]),
        (&json!(0), &json!(5))
    );
    assert!(
        eventually("no pods", async || server
            .items("pods")
            .await
            .is_empty()
            .then_some(true))
        .await
    );

    let stale = json!({ "metadata": { "name": "web", "resourceVersion": "1" }, "spec": { "replicas": 1 } });
    let refused = server.put("deployments/web/scale", stale).await;
    let message = "Operation cannot be fulfilled on deployments.apps \"web\": the object has been modified; please apply your \
                   changes to the latest version and try again";
    assert_eq!(refused.refusal(), (409, "Conflict", message));
    let refused = server
        .merge("deployments/web/scale", json!({ "spec": { "replicas": -2 } }))
        .await;
    let message =
        "Scale.autoscaling \"web\" is invalid: spec.replicas: Invalid value: -2: must be greater than or equal to 0";
    assert_eq!(refused.refusal(), (422, "Invalid", message));
    let refused = server.get("deployments/none/scale").await;
    assert_eq!(
        refused.refusal(),
        (404, "NotFound", "deployments.apps \"none\" not found")
    );
    assert_eq!(
        server.delete("deployments/web/scale", Value::Null).await.refusal().0,
        405
    );
}

async fn a_deployment_deleted_in_the_background_takes_all_with_it(server: &Server) {
    roll_out(server, deployment("web", 1, "web")).await;
    let deleted = server.remove("deployments/web", None).await;
    assert_eq!(
        (text(&deleted["kind"]), text(&deleted["status"])),
        ("Status", "Success")
    );
    assert_eq!(deleted["details"]["group"], "apps");
    assert_eq!(server.get("deployments/web").await.code, 404);
    eventually("its ReplicaSet and pod are gone", async || {
        let left = server.items("replicasets").await.len() + server.items("pods").await.len();
        (left == 0).then_some(())
    })
    .await;
}

async fn a_deployment_deleted_in_the_foreground_goes_last(server: &Server) {
    roll_out(server, deployment("web", 1, "web")).await;
    let pod = text(&server.items("pods").await[0]["metadata"]["name"]).to_owned();
    let held = json!({ "metadata": { "finalizers": ["layby.dev/check"] } });
    server.merge(&format!("pods/{pod}"), held).await.done();
    let deleted = server.remove("deployments/web", Some("Foreground")).await;
    assert_eq!(deleted["kind"], "Deployment");
    assert_eq!(deleted["metadata"]["finalizers"], json!(["foregroundDeletion"]));
    let is_ending = |one: &Value| !one["metadata"]["deletionTimestamp"].is_null();
    server.until(&format!("pods/{pod}"), "being deleted", is_ending).await;
    let sets = server.items("replicasets").await;
    assert!(sets.len() == 1 && is_ending(&sets[0]), "{sets:?}");
    assert!(is_ending(&server.get("deployments/web").await.done()));
    server
        .merge(&format!("pods/{pod}"), json!({ "metadata": { "finalizers": null } }))
        .await
        .done();
    server.until_gone("deployments/web").await;
    assert!(server.items("replicasets").await.is_empty());
    assert!(server.items("pods").await.is_empty());
}

async fn an_orphaned_replicaset_is_adopted_again(server: &Server) {
    let first = roll_out(server, deployment("web", 1, "web")).await;
    let pod = server.items("pods").await.remove(0);
    server.remove("deployments/web", Some("Orphan")).await;
    server.until_gone("deployments/web").await;
    let set = eventually("a ReplicaSet without owner", async || {
        let set = server.items("replicasets").await.remove(0);
        set["metadata"]["ownerReferences"].is_null().then_some(set)
    })
    .await;
    let second = roll_out(server, deployment("web", 1, "web")).await;
    assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
    let sets = server.items("replicasets").await;
    assert_eq!(sets.len(), 1);
    assert_eq!(sets[0]["metadata"]["uid"], set["metadata"]["uid"]);
    assert_eq!(
        sets[0]["metadata"]["ownerReferences"][0]["uid"],
        second["metadata"]["uid"]
    );
    let pods = server.items("pods").await;
    assert_eq!((pods.len(), &pods[0]["metadata"]["uid"]), (1, &pod["metadata"]["uid"]));
}

async fn a_status_changes_nothing_of_the_spec(server: &Server) {
    let mut idle = deployment("web", 1, "web");
    idle["spec"]["paused"] = json!(true);
    server.post("deployments", idle).await.done();
    server
        .until("deployments/web", "seen", |web| {
            web["status"]["observedGeneration"] == 1
        })
        .await;
    let both =
        json!({ "metadata": { "labels": { "a": "b" } }, "spec": { "replicas": 7 }, "status": { "collisionCount": 3 } });
    let written = server.merge("deployments/web/status", both.clone()).await.done();
    assert_eq!(
        (&written["spec"]["replicas"], &written["status"]["collisionCount"]),
        (&json!(1), &json!(3))
    );
    assert_eq!(
        (&written["metadata"]["labels"], &written["metadata"]["generation"]),
        (&Value::Null, &json!(1))
    );
    let other = json!({ "metadata": { "labels": { "a": "b" } }, "status": { "collisionCount": 4 } });
    let written = server.merge("deployments/web", other).await.done();
    assert_eq!(
        (
            &written["status"]["collisionCount"],
            &written["metadata"]["labels"]["a"]
        ),
        (&json!(3), &json!("b"))
    );
}
