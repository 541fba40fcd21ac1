//! Resource quotas: what a namespace may hold.

use serde_json::{Value, json};

use crate::server::{Server, eventually};
use crate::wire::{Answer, becomes, delete, get, merge, post};

checks! {
    a_quota_shows_what_there_is_and_follows_what_goes
    a_quota_refuses_what_exceeds_it
    a_quota_of_compute_wants_every_container_to_say_what_it_uses
    a_pod_that_has_ended_counts_as_an_object_alone
    a_quota_counts_objects_of_any_kind
    a_quota_follows_its_specification
    a_quota_with_scopes_counts_what_is_in_them
    a_quota_that_makes_no_sense_is_invalid
}

pub(crate) fn path(server: &Server, rest: &str) -> String {
    format!("/api/v1/namespaces/{}/{rest}", server.namespace)
}

/// Makes a quota and waits until its usage is known, without which nothing is counted.
pub(crate) async fn quota(server: &Server, name: &str, spec: Value) -> Value {
    let made = json!({ "metadata": { "name": name }, "spec": spec });
    post(&server.client, &path(server, "resourcequotas"), &made)
        .await
        .done();
    eventually("the quota is counted", async || {
        let quota = get(&server.client, &path(server, &format!("resourcequotas/{name}")))
            .await
            .done();
        (quota["status"]["hard"] == quota["spec"]["hard"]).then_some(quota)
    })
    .await
}

/// Waits until a quota says that this is used.
pub(crate) async fn used(server: &Server, name: &str, expected: Value) {
    let what = format!("{expected} is used");
    eventually(&what, async || {
        let quota = get(&server.client, &path(server, &format!("resourcequotas/{name}")))
            .await
            .done();
        (quota["status"]["used"] == expected).then_some(())
    })
    .await;
}

/// A pod that no node takes, with a container for each of these resources.
pub(crate) fn pod(name: &str, resources: &[Value]) -> Value {
    let containers: Vec<Value> = resources
        .iter()
        .enumerate()
        .map(|(index, resources)| json!({ "name": format!("c{index}"), "image": "layby.dev/none:1", "resources": resources }))
        .collect();
    json!({ "metadata": { "name": name }, "spec": {
        "nodeSelector": { "layby.dev/none": "none" }, "containers": containers,
    } })
}

pub(crate) async fn create(server: &Server, pod: &Value) -> Answer {
    post(&server.client, &path(server, "pods"), pod).await
}

/// Creates a pod for which there is room, once that is seen: what admits it may know an older count than the quota
/// says, and refuses by that.
pub(crate) async fn admitted(server: &Server, pod: &Value) -> Value {
    becomes(201, async || create(server, pod).await).await.body
}

async fn a_quota_shows_what_there_is_and_follows_what_goes(server: &Server) {
    let compute =
        json!({ "requests": { "cpu": "250m", "memory": "64Mi" }, "limits": { "cpu": "1", "memory": "0.125Gi" } });
    admitted(server, &pod("before", &[compute.clone(), compute.clone()])).await;
    let hard = json!({
        "pods": "5", "requests.cpu": "2", "limits.cpu": "10", "memory": "1Gi", "limits.memory": "1Gi",
        "configmaps": "10", "secrets": "3", "services": "2", "resourcequotas": "4",
    });
    let quota = quota(server, "everything", json!({ "hard": hard })).await;
    assert_eq!(quota["status"]["hard"], hard);
    let usage = |pods: &str, cpu: &str, limit: &str, memory: &str, most: &str, maps: &str| {
        json!({
            "pods": pods, "requests.cpu": cpu, "limits.cpu": limit, "memory": memory, "limits.memory": most,
            "configmaps": maps, "secrets": "0", "services": "0", "resourcequotas": "1",
        })
    };
    used(server, "everything", usage("1", "500m", "2", "128Mi", "256Mi", "1")).await;
    admitted(server, &pod("after", &[compute])).await;
    let map = json!({ "metadata": { "name": "map" } });
    becomes(201, async || {
        post(&server.client, &path(server, "configmaps"), &map).await
    })
    .await;
    // What is let in is counted by then.
    let now = get(&server.client, &path(server, "resourcequotas/everything"))
        .await
        .done();
    assert_eq!(now["status"]["used"], usage("2", "750m", "3", "192Mi", "384Mi", "2"));
    delete(&server.client, &path(server, "pods/before")).await.done();
    delete(&server.client, &path(server, "configmaps/map")).await.done();
    used(server, "everything", usage("1", "250m", "1", "64Mi", "128Mi", "1")).await;
}

async fn a_quota_refuses_what_exceeds_it(server: &Server) {
    quota(
        server,
        "small",
        json!({ "hard": { "pods": "2", "requests.memory": "1Gi" } }),
    )
    .await;
    let of = |name: &str, memory: &str| pod(name, &[json!({ "requests": { "memory": memory } })]);
    admitted(server, &of("one", "700Mi")).await;
    let answer = create(server, &of("two", "512Mi")).await;
    assert_eq!(
        answer.body,
        json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": "pods \"two\" is forbidden: exceeded quota: small, requested: requests.memory=512Mi, used: \
                        requests.memory=700Mi, limited: requests.memory=1Gi",
            "reason": "Forbidden", "details": { "name": "two", "kind": "pods" }, "code": 403,
        })
    );
    let tried = post(&server.client, &path(server, "pods?dryRun=All"), &of("tried", "100Mi")).await;
    assert_eq!(tried.code, 201);
    admitted(server, &of("two", "300Mi")).await;
    let answer = create(server, &of("three", "100Mi")).await;
    assert_eq!(
        answer.refusal().2,
        "pods \"three\" is forbidden: exceeded quota: small, requested: pods=1,requests.memory=100Mi, used: \
         pods=2,requests.memory=1000Mi, limited: pods=2,requests.memory=1Gi"
    );
    delete(&server.client, &path(server, "pods/one")).await.done();
    admitted(server, &of("three", "100Mi")).await;
}

async fn a_quota_of_compute_wants_every_container_to_say_what_it_uses(server: &Server) {
    quota(
        server,
        "strict",
        json!({ "hard": { "requests.cpu": "2", "limits.memory": "1Gi", "pods": "9" } }),
    )
    .await;
    let says = json!({ "limits": { "cpu": "1", "memory": "64Mi" } });
    let answer = create(
        server,
        &pod(
            "silent",
            &[json!({}), says.clone(), json!({ "requests": { "cpu": "1" } })],
        ),
    )
    .await;
    assert_eq!(
        answer.refusal(),
        (
            403,
            "Forbidden",
            "pods \"silent\" is forbidden: failed quota: strict: must specify limits.memory for: c0,c2; requests.cpu for: c0"
        )
    );
    admitted(server, &pod("spoken", &[says])).await;
    used(
        server,
        "strict",
        json!({ "requests.cpu": "1", "limits.memory": "64Mi", "pods": "1" }),
    )
    .await;
}

async fn a_pod_that_has_ended_counts_as_an_object_alone(server: &Server) {
    quota(
        server,
        "ended",
        json!({ "hard": { "pods": "1", "requests.cpu": "1", "count/pods": "5" } }),
    )
    .await;
    let of = |name: &str| pod(name, &[json!({ "requests": { "cpu": "1" } })]);
    admitted(server, &of("one")).await;
    assert_eq!(create(server, &of("two")).await.code, 403);
    let failed = json!({ "status": { "phase": "Failed" } });
    merge(&server.client, &path(server, "pods/one/status"), &failed)
        .await
        .done();
    used(
        server,
        "ended",
        json!({ "pods": "0", "requests.cpu": "0", "count/pods": "1" }),
    )
    .await;
    admitted(server, &of("two")).await;
    used(
        server,
        "ended",
        json!({ "pods": "1", "requests.cpu": "1", "count/pods": "2" }),
    )
    .await;
}

async fn a_quota_counts_objects_of_any_kind(server: &Server) {
    let hard = json!({ "count/leases.coordination.k8s.io": "1", "count/secrets": "1", "count/roles.rbac.authorization.k8s.io": "0" });
    quota(server, "counts", json!({ "hard": hard })).await;
    let named = |name: &str| json!({ "metadata": { "name": name } });
    let leases = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", server.namespace);
    let counted = |leases: &str, secrets: &str| {
        json!({
            "count/leases.coordination.k8s.io": leases, "count/secrets": secrets,
            "count/roles.rbac.authorization.k8s.io": "0",
        })
    };
    post(&server.client, &leases, &named("one")).await.done();
    // A recount that was under way does not know of it yet.
    used(server, "counts", counted("1", "0")).await;
    let answer = post(&server.client, &leases, &named("two")).await;
    assert_eq!(
        answer.refusal().2,
        "leases.coordination.k8s.io \"two\" is forbidden: exceeded quota: counts, requested: \
         count/leases.coordination.k8s.io=1, used: count/leases.coordination.k8s.io=1, limited: \
         count/leases.coordination.k8s.io=1"
    );
    let roles = format!(
        "/apis/rbac.authorization.k8s.io/v1/namespaces/{}/roles",
        server.namespace
    );
    assert_eq!(post(&server.client, &roles, &named("role")).await.refusal().0, 403);
    becomes(201, async || {
        post(&server.client, &path(server, "secrets"), &named("one")).await
    })
    .await;
    used(server, "counts", counted("1", "1")).await;
    assert_eq!(
        post(&server.client, &path(server, "secrets"), &named("two")).await.code,
        403
    );
    delete(&server.client, &format!("{leases}/one")).await.done();
    becomes(201, async || post(&server.client, &leases, &named("two")).await).await;
}

async fn a_quota_follows_its_specification(server: &Server) {
    quota(server, "grows", json!({ "hard": { "configmaps": "1" } })).await;
    // Every namespace has one soon: the authority's.
    used(server, "grows", json!({ "configmaps": "1" })).await;
    let map = |name: &str| json!({ "metadata": { "name": name } });
    assert_eq!(
        post(&server.client, &path(server, "configmaps"), &map("one"))
            .await
            .code,
        403
    );
    let more = json!({ "spec": { "hard": { "configmaps": "2", "secrets": "0" } } });
    merge(&server.client, &path(server, "resourcequotas/grows"), &more)
        .await
        .done();
    used(server, "grows", json!({ "configmaps": "1", "secrets": "0" })).await;
    becomes(201, async || {
        post(&server.client, &path(server, "configmaps"), &map("one")).await
    })
    .await;
    assert_eq!(
        post(&server.client, &path(server, "secrets"), &map("one")).await.code,
        403
    );
    delete(&server.client, &path(server, "resourcequotas/grows"))
        .await
        .done();
    becomes(201, async || {
        post(&server.client, &path(server, "secrets"), &map("one")).await
    })
    .await;
}

async fn a_quota_with_scopes_counts_what_is_in_them(server: &Server) {
    quota(
        server,
        "best",
        json!({ "hard": { "pods": "1" }, "scopes": ["BestEffort"] }),
    )
    .await;
    quota(
        server,
        "ending",
        json!({ "hard": { "pods": "1" }, "scopes": ["Terminating", "NotBestEffort"] }),
    )
    .await;
    let modest = json!({ "requests": { "cpu": "1" } });
    admitted(server, &pod("best", &[json!({})])).await;
    admitted(server, &pod("modest", std::slice::from_ref(&modest))).await;
    let answer = create(server, &pod("better", &[json!({})])).await;
    assert!(answer.refusal().2.contains("exceeded quota: best,"), "{answer:?}");
    let mut ending = pod("ending", &[modest]);
    ending["spec"]["activeDeadlineSeconds"] = 600.into();
    admitted(server, &ending).await;
    used(server, "best", json!({ "pods": "1" })).await;
    used(server, "ending", json!({ "pods": "1" })).await;
    ending["metadata"]["name"] = "late".into();
    let answer = create(server, &ending).await;
    assert!(answer.refusal().2.contains("exceeded quota: ending,"), "{answer:?}");
}

async fn a_quota_that_makes_no_sense_is_invalid(server: &Server) {
    for (spec, field, message) in [
        (
            json!({ "hard": { "pods": "-1" } }),
            "spec.hard[pods]",
            "Invalid value: \"-1\": must be greater than or equal to 0",
        ),
        (
            json!({ "hard": { "pods": "1500m" } }),
            "spec.hard[pods]",
            "Invalid value: \"1500m\": must be an integer",
        ),
        (
            json!({ "hard": { "apples": "1" } }),
            "spec.hard[apples]",
            "Invalid value: \"apples\": must be a standard resource type or fully qualified",
        ),
        (
            json!({ "hard": { "configmaps": "1" }, "scopes": ["BestEffort"] }),
            "spec.scopes",
            "Invalid value: [\"BestEffort\"]: unsupported scope applied to resource",
        ),
        (
            json!({ "hard": { "pods": "1" }, "scopes": ["BestEffort", "NotBestEffort"] }),
            "spec.scopes",
            "Invalid value: [\"BestEffort\",\"NotBestEffort\"]: conflicting scopes",
        ),
        (
            json!({ "hard": { "pods": "1" }, "scopes": ["Sometimes"] }),
            "spec.scopes",
            "Invalid value: [\"Sometimes\"]: unsupported scope",
        ),
    ] {
        let made = json!({ "metadata": { "name": "wrong" }, "spec": spec });
        let answer = post(&server.client, &path(server, "resourcequotas"), &made).await;
        let cause = &answer.body["details"]["causes"][0];
        assert_eq!(
            (answer.code, &cause["field"], &cause["message"]),
            (422, &json!(field), &json!(message)),
            "{answer:?}"
        );
    }
}
