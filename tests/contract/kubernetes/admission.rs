//! Admission: in which order a new pod is changed and refused.

use serde_json::{Value, json};

use crate::server::{Server, eventually};
use crate::wire::{get, merge, post};

checks! {
    a_pod_is_refused_by_the_first_that_refuses_it
}

async fn a_pod_is_refused_by_the_first_that_refuses_it(server: &Server) {
    let path = |rest: &str| format!("/api/v1/namespaces/{}/{rest}", server.namespace);
    let range = json!({ "metadata": { "name": "range" }, "spec": { "limits": [
        { "type": "Container", "default": { "memory": "32Mi" }, "max": { "memory": "64Mi" } },
    ] } });
    post(&server.client, &path("limitranges"), &range).await.done();
    let quota = json!({ "metadata": { "name": "none" }, "spec": { "hard": { "pods": "0" } } });
    post(&server.client, &path("resourcequotas"), &quota).await.done();
    eventually("the quota is counted", async || {
        let quota = get(&server.client, &path("resourcequotas/none")).await.done();
        (quota["status"]["used"] == json!({ "pods": "0" })).then_some(())
    })
    .await;
    let labels = json!({ "metadata": { "labels": { "pod-security.kubernetes.io/enforce": "restricted" } } });
    let namespace = format!("/api/v1/namespaces/{}", server.namespace);
    merge(&server.client, &namespace, &labels).await.done();

    let secure = json!({
        "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{ "name": "c", "image": "layby.dev/none:1", "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
        } }],
    });
    let with = |changes: &[(&str, Value)]| {
        let mut spec = secure.clone();
        for (pointer, value) in changes {
            let (parent, field) = pointer.rsplit_once('/').unwrap();
            spec.pointer_mut(parent).unwrap()[field] = value.clone();
        }
        json!({ "metadata": { "name": "p" }, "spec": spec })
    };
    let root = ("/securityContext/runAsNonRoot", Value::Null);
    let much = ("/containers/0/resources", json!({ "limits": { "memory": "1Gi" } }));
    let odd = ("/restartPolicy", json!("Perhaps"));
    let stranger = ("/serviceAccountName", json!("stranger"));
    for (pod, code, words) in [
        (
            with(&[stranger, odd.clone(), much.clone(), root.clone()]),
            403,
            "serviceaccount \"stranger\" not found",
        ),
        (
            with(&[odd, much.clone(), root.clone()]),
            422,
            "spec.restartPolicy: Unsupported value: \"Perhaps\"",
        ),
        (
            with(&[much, root.clone()]),
            403,
            "maximum memory usage per Container is 64Mi, but limit is 1Gi",
        ),
        (with(&[root]), 403, "violates PodSecurity"),
        (
            with(&[]),
            403,
            "exceeded quota: none, requested: pods=1, used: pods=0, limited: pods=0",
        ),
    ] {
        // Labels and ranges reach what the server remembers of them a moment later.
        eventually(words, async || {
            let answer = post(&server.client, &path("pods"), &pod).await;
            let message = answer.body["message"].as_str().unwrap_or_default();
            (answer.code == code && message.contains(words)).then_some(())
        })
        .await;
    }
}
