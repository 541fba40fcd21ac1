//! Rollouts of Deployments: from one ReplicaSet to another, at which pace, back again, paused, stalled.

use serde_json::{Value, json};

use crate::deployments::{deployment, is_rolled_out, roll_out};
use crate::looks::{condition, text};
use crate::server::{Server, eventually};

checks! {
    a_changed_template_moves_the_pods_to_a_new_replicaset
    a_rollout_adds_at_most_the_surge_while_all_must_stay_available
    a_rollout_removes_at_most_what_may_be_unavailable_without_surge
    a_template_that_was_there_before_is_gone_back_to
    a_rollout_that_stalls_has_exceeded_its_deadline
    a_paused_deployment_scales_and_does_not_roll_out
    recreation_ends_all_old_pods_first
    old_replicasets_are_kept_up_to_the_limit
    annotations_of_a_deployment_are_those_of_its_replicaset
}

fn image(image: &str) -> Value {
    json!({ "spec": { "template": { "spec": { "containers": [{ "name": "c", "image": image }] } } } })
}

fn revision(object: &Value) -> &str {
    text(&object["metadata"]["annotations"]["deployment.kubernetes.io/revision"])
}

/// The ReplicaSet whose pods run this image.
async fn set_of(server: &Server, image: &str) -> Value {
    let sets = server.items("replicasets").await;
    let mut found = sets
        .into_iter()
        .filter(|set| set["spec"]["template"]["spec"]["containers"][0]["image"] == image);
    let set = found.next().unwrap_or_else(|| panic!("no ReplicaSet of {image}"));
    assert!(found.next().is_none(), "two ReplicaSets of {image}");
    set
}

async fn a_changed_template_moves_the_pods_to_a_new_replicaset(server: &Server) {
    roll_out(server, deployment("web", 3, "web:1")).await;
    let changed = server.merge("deployments/web", image("web:2")).await.done();
    assert_eq!(changed["metadata"]["generation"], 2);
    let seen = server.until("deployments/web", "rolled out", is_rolled_out).await;
    assert_eq!(revision(&seen), "2");
    let (old, new) = (set_of(server, "web:1").await, set_of(server, "web:2").await);
    assert_eq!((&old["spec"]["replicas"], revision(&old)), (&json!(0), "1"));
    assert_eq!((&new["spec"]["replicas"], revision(&new)), (&json!(3), "2"));
    let progressing = condition(&seen, "Progressing");
    assert_eq!(progressing["reason"], "NewReplicaSetAvailable");
    let name = text(&new["metadata"]["name"]);
    assert_eq!(
        progressing["message"],
        format!("ReplicaSet \"{name}\" has successfully progressed.")
    );
    eventually("only new pods are left", async || {
        let pods = server.items("pods").await;
        let all_new = pods
            .iter()
            .all(|pod| pod["metadata"]["ownerReferences"][0]["name"] == name);
        (pods.len() == 3 && all_new).then_some(())
    })
    .await;
}

/// Rolls out pods that never become Ready over three that are, and gives the deployment once nothing moves any more.
async fn stall(server: &Server, surge: Value, unavailable: Value, updated: u64, all: u64) -> Value {
    let mut web = deployment("web", 3, "web");
    web["spec"]["strategy"] = json!({ "rollingUpdate": { "maxSurge": surge, "maxUnavailable": unavailable } });
    roll_out(server, web).await;
    server.merge("deployments/web", image("never-ready")).await.done();
    let is_stalled = |web: &Value| web["status"]["updatedReplicas"] == updated && web["status"]["replicas"] == all;
    let seen = server.until("deployments/web", "stalled", is_stalled).await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert!(is_stalled(&server.get("deployments/web").await.done()));
    seen
}

async fn a_rollout_adds_at_most_the_surge_while_all_must_stay_available(server: &Server) {
    let seen = stall(server, json!("34%"), json!(0), 2, 5).await;
    assert_eq!(
        (
            &seen["status"]["availableReplicas"],
            &seen["status"]["unavailableReplicas"]
        ),
        (&json!(3), &json!(2))
    );
}

async fn a_rollout_removes_at_most_what_may_be_unavailable_without_surge(server: &Server) {
    stall(server, json!(0), json!(1), 1, 3).await;
    let seen = server
        .until("deployments/web", "one short", |web| {
            web["status"]["unavailableReplicas"] == 1
        })
        .await;
    assert_eq!(seen["status"]["availableReplicas"], 2);
    let (old, new) = (set_of(server, "web").await, set_of(server, "never-ready").await);
    assert_eq!(
        (&old["spec"]["replicas"], &new["spec"]["replicas"]),
        (&json!(2), &json!(1))
    );
    assert_eq!(condition(&seen, "Available")["status"], "True");
}

async fn a_template_that_was_there_before_is_gone_back_to(server: &Server) {
    roll_out(server, deployment("web", 1, "web:1")).await;
    let first = set_of(server, "web:1").await;
    server.merge("deployments/web", image("web:2")).await.done();
    server
        .until("deployments/web", "at the second", |web| {
            is_rolled_out(web) && revision(web) == "2"
        })
        .await;
    server.merge("deployments/web", image("web:1")).await.done();
    server
        .until("deployments/web", "back", |web| {
            is_rolled_out(web) && revision(web) == "3"
        })
        .await;
    let back = set_of(server, "web:1").await;
    assert_eq!(back["metadata"]["uid"], first["metadata"]["uid"]);
    assert_eq!(revision(&back), "3");
    assert_eq!(
        back["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"],
        "1"
    );
    assert_eq!(set_of(server, "web:2").await["spec"]["replicas"], 0);
}

async fn a_rollout_that_stalls_has_exceeded_its_deadline(server: &Server) {
    let mut web = deployment("web", 1, "web");
    web["spec"]["progressDeadlineSeconds"] = json!(3);
    roll_out(server, web).await;
    server.merge("deployments/web", image("never-ready")).await.done();
    let failed = |web: &Value| condition(web, "Progressing")["reason"] == "ProgressDeadlineExceeded";
    let seen = server.until("deployments/web", "overdue", failed).await;
    let name = text(&set_of(server, "never-ready").await["metadata"]["name"]).to_owned();
    let progressing = condition(&seen, "Progressing");
    assert_eq!(progressing["status"], "False");
    assert_eq!(
        progressing["message"],
        format!("ReplicaSet \"{name}\" has timed out progressing.")
    );
    assert_eq!(condition(&seen, "Available")["status"], "True");
    server.merge("deployments/web", image("web")).await.done();
    let well = |web: &Value| is_rolled_out(web) && condition(web, "Progressing")["reason"] == "NewReplicaSetAvailable";
    server.until("deployments/web", "well again", well).await;
}

async fn a_paused_deployment_scales_and_does_not_roll_out(server: &Server) {
    roll_out(server, deployment("web", 1, "web:1")).await;
    let mut change = image("web:2");
    change["spec"]["paused"] = json!(true);
    change["spec"]["replicas"] = json!(2);
    server.merge("deployments/web", change).await.done();
    let is_scaled = |web: &Value| web["status"]["availableReplicas"] == 2 && web["status"]["observedGeneration"] == 2;
    let paused = server.until("deployments/web", "scaled", is_scaled).await;
    let progressing = condition(&paused, "Progressing");
    assert_eq!(
        (text(&progressing["status"]), text(&progressing["reason"])),
        ("Unknown", "DeploymentPaused")
    );
    assert_eq!(progressing["message"], "Deployment is paused");
    assert_eq!(paused["status"]["updatedReplicas"], Value::Null);
    assert_eq!(server.items("replicasets").await.len(), 1);
    assert_eq!(set_of(server, "web:1").await["spec"]["replicas"], 2);
    server
        .merge("deployments/web", json!({ "spec": { "paused": null } }))
        .await
        .done();
    let seen = server
        .until("deployments/web", "rolled out", |web| {
            is_rolled_out(web) && revision(web) == "2"
        })
        .await;
    assert_eq!(condition(&seen, "Progressing")["reason"], "NewReplicaSetAvailable");
}

async fn recreation_ends_all_old_pods_first(server: &Server) {
    let mut web = deployment("web", 2, "web:1");
    web["spec"]["strategy"] = json!({ "type": "Recreate" });
    let made = roll_out(server, web).await;
    assert_eq!(made["spec"]["strategy"], json!({ "type": "Recreate" }));
    server.merge("deployments/web", image("web:2")).await.done();
    eventually("rolled out", async || {
        let pods = server.items("pods").await;
        let runs = |image: &str| {
            pods.iter()
                .filter(|pod| pod["spec"]["containers"][0]["image"] == image)
                .count()
        };
        assert!(
            runs("web:1") == 0 || runs("web:2") == 0,
            "new pods came before the old ones had gone"
        );
        is_rolled_out(&server.get("deployments/web").await.done()).then_some(())
    })
    .await;
    assert_eq!(set_of(server, "web:1").await["spec"]["replicas"], 0);
    assert_eq!(set_of(server, "web:2").await["spec"]["replicas"], 2);
}

async fn old_replicasets_are_kept_up_to_the_limit(server: &Server) {
    let mut web = deployment("web", 1, "web:1");
    web["spec"]["revisionHistoryLimit"] = json!(1);
    roll_out(server, web).await;
    for number in ["2", "3"] {
        server
            .merge("deployments/web", image(&format!("web:{number}")))
            .await
            .done();
        server
            .until("deployments/web", number, |web| {
                is_rolled_out(web) && revision(web) == number
            })
            .await;
    }
    eventually("the first is gone", async || {
        (server.items("replicasets").await.len() == 2).then_some(())
    })
    .await;
    assert_eq!(set_of(server, "web:2").await["spec"]["replicas"], 0);
    assert_eq!(set_of(server, "web:3").await["spec"]["replicas"], 1);
}

async fn annotations_of_a_deployment_are_those_of_its_replicaset(server: &Server) {
    let mut web = deployment("web", 0, "web");
    web["metadata"]["annotations"] = json!({
        "kubernetes.io/change-cause": "first", "kubectl.kubernetes.io/last-applied-configuration": "{}",
    });
    roll_out(server, web).await;
    let annotations = set_of(server, "web").await["metadata"]["annotations"].clone();
    assert_eq!(annotations["kubernetes.io/change-cause"], "first");
    assert_eq!(
        annotations["kubectl.kubernetes.io/last-applied-configuration"],
        Value::Null
    );
}
