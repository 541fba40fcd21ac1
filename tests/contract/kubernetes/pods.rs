//! Pods: given to nodes, running, Ready, and ended.

use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use serde_json::json;

use crate::server::{Server, eventually};

checks! {
    a_pod_is_given_a_node_and_becomes_ready
}

async fn a_pod_is_given_a_node_and_becomes_ready(server: &Server) {
    let pod = json!({ "metadata": { "name": "web" }, "spec": { "containers": [{ "name": "web", "image": "web" }] } });
    let pod = serde_json::from_value(pod).unwrap();
    let pods = server.api::<Pod>();
    let made: Pod = pods.create(&PostParams::default(), &pod).await.unwrap();
    assert_eq!(made.status.unwrap().phase.as_deref(), Some("Pending"));
    eventually("the pod is Ready", async || {
        let pod = pods.get("web").await.unwrap();
        let status = pod.status.unwrap();
        let conditions = status.conditions.unwrap_or_default();
        let is_ready = conditions
            .iter()
            .any(|one| one.type_ == "Ready" && one.status == "True");
        let runs = status.phase.as_deref() == Some("Running") && status.pod_ip.is_some();
        (is_ready && runs && pod.spec.unwrap().node_name.is_some()).then_some(())
    })
    .await;
}
