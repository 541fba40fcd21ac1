//! Limit ranges: what the containers of a namespace are given, and may ask for.

use serde_json::{Value, json};

use crate::quotas::{admitted, create, path, pod, quota, used};
use crate::server::Server;
use crate::wire::post;

checks! {
    a_limit_range_gives_containers_what_they_leave_out
    a_limit_range_refuses_too_little_and_too_much
    a_limit_range_counts_the_containers_of_a_pod_together
    a_limit_range_that_makes_no_sense_is_invalid
    a_limit_range_fills_in_before_a_quota_counts
}

async fn limit_range(server: &Server, limits: Value) -> Value {
    let made = json!({ "metadata": { "name": "range" }, "spec": { "limits": limits } });
    post(&server.client, &path(server, "limitranges"), &made).await.done()
}

async fn a_limit_range_gives_containers_what_they_leave_out(server: &Server) {
    let range = limit_range(
        server,
        json!([{
            "type": "Container",
            "default": { "memory": "128Mi" }, "defaultRequest": { "cpu": "50m" },
            "max": { "cpu": "2" }, "min": { "memory": "16Mi" },
        }]),
    )
    .await;
    // It is given defaults itself: a limit is the most, and a request is the limit, where nothing else is said.
    assert_eq!(
        range["spec"]["limits"],
        json!([{
            "type": "Container",
            "default": { "cpu": "2", "memory": "128Mi" }, "defaultRequest": { "cpu": "50m", "memory": "128Mi" },
            "max": { "cpu": "2" }, "min": { "memory": "16Mi" },
        }])
    );
    let own = json!({ "requests": { "memory": "32Mi" }, "limits": { "cpu": "1" } });
    let made = admitted(server, &pod("filled", &[json!({}), own])).await;
    assert_eq!(
        made["spec"]["containers"][0]["resources"],
        json!({ "limits": { "cpu": "2", "memory": "128Mi" }, "requests": { "cpu": "50m", "memory": "128Mi" } })
    );
    assert_eq!(
        made["spec"]["containers"][1]["resources"],
        json!({ "limits": { "cpu": "1", "memory": "128Mi" }, "requests": { "cpu": "1", "memory": "32Mi" } })
    );
    assert_eq!(
        made["metadata"]["annotations"]["kubernetes.io/limit-ranger"],
        "LimitRanger plugin set: cpu, memory request for container c0; cpu, memory limit for container c0; memory limit for \
         container c1"
    );
    assert_eq!(made["status"]["qosClass"], "Burstable");
}

async fn a_limit_range_refuses_too_little_and_too_much(server: &Server) {
    limit_range(
        server,
        json!([{
            "type": "Container", "min": { "memory": "16Mi" }, "max": { "memory": "64Mi" },
            "maxLimitRequestRatio": { "memory": "2" },
        }]),
    )
    .await;
    let of = |request: &str, limit: &str| {
        pod(
            "wrong",
            &[json!({ "requests": { "memory": request }, "limits": { "memory": limit } })],
        )
    };
    for (pod, message) in [
        (
            of("8Mi", "16Mi"),
            "minimum memory usage per Container is 16Mi, but request is 8Mi",
        ),
        (
            of("64Mi", "128Mi"),
            "maximum memory usage per Container is 64Mi, but limit is 128Mi",
        ),
        (
            of("16Mi", "64Mi"),
            "memory max limit to request ratio per Container is 2, but provided ratio is 4.000000",
        ),
    ] {
        let expected = format!("pods \"wrong\" is forbidden: {message}");
        assert_eq!(
            create(server, &pod).await.refusal(),
            (403, "Forbidden", expected.as_str())
        );
    }
    let many = pod(
        "many",
        &[
            json!({ "limits": { "memory": "8Mi" } }),
            json!({ "limits": { "memory": "1Gi" } }),
        ],
    );
    assert_eq!(
        create(server, &many).await.refusal().2,
        "pods \"many\" is forbidden: [minimum memory usage per Container is 16Mi, but request is 8Mi, maximum memory usage per \
         Container is 64Mi, but limit is 1Gi]"
    );
    admitted(server, &of("32Mi", "64Mi")).await;
}

async fn a_limit_range_counts_the_containers_of_a_pod_together(server: &Server) {
    limit_range(
        server,
        json!([{ "type": "Pod", "max": { "cpu": "1" }, "min": { "memory": "64Mi" } }]),
    )
    .await;
    let of = |cpu: &str, memory: &str| json!({ "limits": { "cpu": cpu, "memory": memory } });
    let answer = create(server, &pod("much", &[of("600m", "64Mi"), of("0.6", "64Mi")])).await;
    assert_eq!(
        answer.refusal().2,
        "pods \"much\" is forbidden: maximum cpu usage per Pod is 1, but limit is 1200m"
    );
    let answer = create(server, &pod("silent", &[json!({})])).await;
    assert_eq!(
        answer.refusal().2,
        "pods \"silent\" is forbidden: [minimum memory usage per Pod is 64Mi.  No request is specified, maximum cpu usage per \
         Pod is 1.  No limit is specified]"
    );
    admitted(server, &pod("enough", &[of("500m", "32Mi"), of("500m", "32Mi")])).await;
}

async fn a_limit_range_that_makes_no_sense_is_invalid(server: &Server) {
    for (limit, field, message) in [
        (
            json!({ "type": "Container", "min": { "cpu": "2" }, "max": { "cpu": "1" }, "default": { "cpu": "1" }, "defaultRequest": { "cpu": "1" } }),
            "spec.limits[0].min[cpu]",
            "Invalid value: \"2\": min value 2 is greater than max value 1",
        ),
        (
            json!({ "type": "Container", "default": { "cpu": "2" }, "defaultRequest": { "cpu": "1" }, "max": { "cpu": "1" } }),
            "spec.limits[0].default[cpu]",
            "Invalid value: \"1\": default value 2 is greater than max value 1",
        ),
        (
            json!({ "type": "Pod", "default": { "cpu": "1" } }),
            "spec.limits[0].default",
            "Forbidden: may not be specified when `type` is 'Pod'",
        ),
        (
            json!({ "type": "House", "max": { "cpu": "1" } }),
            "spec.limits[0].type",
            "Invalid value: \"House\": must be a standard limit type or fully qualified",
        ),
    ] {
        let made = json!({ "metadata": { "name": "wrong" }, "spec": { "limits": [limit] } });
        let answer = post(&server.client, &path(server, "limitranges"), &made).await;
        let causes = answer.body["details"]["causes"].as_array().cloned().unwrap_or_default();
        let found = causes
            .iter()
            .any(|cause| cause["field"] == field && cause["message"] == message);
        assert!(answer.code == 422 && found, "{message}: {answer:?}");
    }
}

async fn a_limit_range_fills_in_before_a_quota_counts(server: &Server) {
    limit_range(
        server,
        json!([{ "type": "Container", "default": { "memory": "100Mi", "cpu": "1" } }]),
    )
    .await;
    quota(
        server,
        "counted",
        json!({ "hard": { "limits.memory": "250Mi", "requests.cpu": "9" } }),
    )
    .await;
    admitted(server, &pod("silent", &[json!({}), json!({})])).await;
    used(
        server,
        "counted",
        json!({ "limits.memory": "200Mi", "requests.cpu": "2" }),
    )
    .await;
    let answer = create(server, &pod("more", &[json!({})])).await;
    assert!(
        answer
            .refusal()
            .2
            .contains("exceeded quota: counted, requested: limits.memory=100Mi"),
        "{answer:?}"
    );
}
