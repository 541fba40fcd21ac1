//! Pod security: the levels that a namespace's labels ask for.

use serde_json::{Value, json};

use crate::server::{Server, eventually};
use crate::wire::{Answer, becomes, merge, post};

checks! {
    a_pod_that_breaks_restricted_is_refused_rule_by_rule
    a_pod_that_breaks_baseline_is_refused_rule_by_rule
    a_pod_that_keeps_the_rules_is_let_in
    a_namespace_may_warn_and_keep_records_alone
    a_namespace_takes_no_label_that_is_no_level
    a_stricter_level_warns_of_pods_that_are_there
    a_template_that_breaks_the_level_is_warned_of_and_kept
}

const RESTRICTED: &str = "allowPrivilegeEscalation != false (container \"c\" must set \
                          securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"c\" must set \
                          securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"c\" must set \
                          securityContext.runAsNonRoot=true), seccompProfile (pod or container \"c\" must set \
                          securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")";

/// Gives the check's namespace these levels, and the answer's warnings.
async fn levels(server: &Server, levels: &[(&str, &str)]) -> Vec<String> {
    let labels: serde_json::Map<String, Value> = levels
        .iter()
        .map(|(mode, level)| (format!("pod-security.kubernetes.io/{mode}"), json!(level)))
        .collect();
    let path = format!("/api/v1/namespaces/{}", server.namespace);
    let answer = merge(&server.client, &path, &json!({ "metadata": { "labels": labels } })).await;
    assert_eq!(answer.code, 200, "{answer:?}");
    answer.warnings
}

fn pods(server: &Server) -> String {
    format!("/api/v1/namespaces/{}/pods", server.namespace)
}

/// The answer to a pod, once it has this code: levels reach what the server remembers of a namespace a moment later.
async fn tried(server: &Server, code: u16, pod: &Value) -> Answer {
    let path = format!("{}?dryRun=All", pods(server));
    becomes(code, async || post(&server.client, &path, pod).await).await
}

/// A pod of one container that no node takes, with more of this in its specification.
fn pod(name: &str, spec: Value) -> Value {
    let mut pod = json!({ "metadata": { "name": name }, "spec": {
        "nodeSelector": { "layby.dev/none": "none" },
        "automountServiceAccountToken": false,
        "containers": [{ "name": "c", "image": "layby.dev/none:1" }],
    } });
    let own = pod["spec"].as_object_mut().unwrap();
    own.extend(spec.as_object().unwrap().clone());
    pod
}

fn locked_down() -> Value {
    json!({
        "securityContext": { "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } },
        "containers": [{ "name": "c", "image": "layby.dev/none:1", "securityContext": {
            "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] },
        } }],
    })
}

async fn a_pod_that_breaks_restricted_is_refused_rule_by_rule(server: &Server) {
    levels(server, &[("enforce", "restricted")]).await;
    let answer = tried(server, 403, &pod("plain", json!({}))).await;
    let expected = format!("pods \"plain\" is forbidden: violates PodSecurity \"restricted:latest\": {RESTRICTED}");
    assert_eq!(answer.refusal(), (403, "Forbidden", expected.as_str()));
    assert_eq!(answer.body["details"], json!({ "name": "plain", "kind": "pods" }));
    let mut root = locked_down();
    root["securityContext"] =
        json!({ "runAsUser": 0, "runAsNonRoot": false, "seccompProfile": { "type": "Unconfined" } });
    root["volumes"] = json!([{ "name": "v", "hostPath": { "path": "/" } }]);
    root["containers"][0]["securityContext"]["capabilities"] =
        json!({ "drop": ["ALL"], "add": ["NET_ADMIN", "CHOWN"] });
    let answer = tried(server, 403, &pod("root", root)).await;
    assert_eq!(
        answer.refusal().2,
        "pods \"root\" is forbidden: violates PodSecurity \"restricted:latest\": unrestricted capabilities (container \"c\" must \
         not include \"CHOWN\", \"NET_ADMIN\" in securityContext.capabilities.add), restricted volume types (volume \"v\" uses \
         restricted volume type \"hostPath\"), runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false), \
         runAsUser=0 (pod must not set runAsUser=0), seccompProfile (pod must not set securityContext.seccompProfile.type to \
         \"Unconfined\")"
    );
}

async fn a_pod_that_breaks_baseline_is_refused_rule_by_rule(server: &Server) {
    levels(server, &[("enforce", "baseline")]).await;
    assert_eq!(
        post(&server.client, &pods(server), &pod("plain", json!({}))).await.code,
        201
    );
    let container =
        |name: &str, context: Value| json!({ "name": name, "image": "layby.dev/none:1", "securityContext": context });
    let spec = json!({
        "hostPID": true,
        "securityContext": { "sysctls": [{ "name": "kernel.msgmax", "value": "1" }] },
        "volumes": [{ "name": "v", "hostPath": { "path": "/" } }, { "name": "w", "hostPath": { "path": "/" } }],
        "containers": [
            container("a", json!({ "privileged": true, "seccompProfile": { "type": "Unconfined" } })),
            container("b", json!({ "capabilities": { "add": ["SYS_ADMIN"] }, "appArmorProfile": { "type": "Unconfined" } })),
        ],
    });
    let answer = tried(server, 403, &pod("host", spec)).await;
    assert_eq!(
        answer.refusal().2,
        "pods \"host\" is forbidden: violates PodSecurity \"baseline:latest\": forbidden AppArmor profile (container \"b\" must \
         not set AppArmor profile type to \"Unconfined\"), non-default capabilities (container \"b\" must not include \
         \"SYS_ADMIN\" in securityContext.capabilities.add), host namespaces (hostPID=true), hostPath volumes (volumes \"v\", \
         \"w\"), privileged (container \"a\" must not set securityContext.privileged=true), seccompProfile (container \"a\" must \
         not set securityContext.seccompProfile.type to \"Unconfined\"), forbidden sysctls (kernel.msgmax)"
    );
}

async fn a_pod_that_keeps_the_rules_is_let_in(server: &Server) {
    levels(
        server,
        &[
            ("enforce", "restricted"),
            ("warn", "restricted"),
            ("audit", "restricted"),
        ],
    )
    .await;
    let answer = post(&server.client, &pods(server), &pod("locked", locked_down())).await;
    assert_eq!((answer.code, answer.warnings.len()), (201, 0), "{answer:?}");
    levels(server, &[("enforce", "privileged"), ("warn", "privileged")]).await;
    let answer = tried(server, 201, &pod("plain", json!({}))).await;
    assert_eq!(answer.warnings.len(), 0, "{answer:?}");
}

async fn a_namespace_may_warn_and_keep_records_alone(server: &Server) {
    levels(server, &[("audit", "restricted")]).await;
    let answer = post(&server.client, &pods(server), &pod("recorded", json!({}))).await;
    assert_eq!((answer.code, answer.warnings.len()), (201, 0), "{answer:?}");
    levels(server, &[("warn", "restricted"), ("warn-version", "v1.35")]).await;
    let expected = format!("would violate PodSecurity \"restricted:v1.35\": {RESTRICTED}");
    eventually("the pod is warned of", async || {
        let answer = tried(server, 201, &pod("warned", json!({}))).await;
        (answer.warnings == [expected.as_str()]).then_some(())
    })
    .await;
}

async fn a_namespace_takes_no_label_that_is_no_level(server: &Server) {
    let path = format!("/api/v1/namespaces/{}", server.namespace);
    let label = |name: &str, value: &str| {
        let mut labels = json!({});
        labels[format!("pod-security.kubernetes.io/{name}")] = value.into();
        json!({ "metadata": { "labels": labels } })
    };
    let answer = merge(&server.client, &path, &label("enforce", "strict")).await;
    let expected = format!(
        "Namespace \"{}\" is invalid: metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one \
         of privileged, baseline, restricted",
        server.namespace
    );
    assert_eq!(answer.refusal(), (422, "Invalid", expected.as_str()));
    let mut fresh = label("warn-version", "1.35");
    fresh["metadata"]["name"] = format!("{}-fresh", server.namespace).into();
    let answer = post(&server.client, "/api/v1/namespaces", &fresh).await;
    assert_eq!(
        (answer.refusal().0, &answer.body["details"]["causes"][0]["message"]),
        (422, &json!("Invalid value: \"1.35\": must be \"latest\" or \"v1.x\""))
    );
}

async fn a_stricter_level_warns_of_pods_that_are_there(server: &Server) {
    for name in ["two", "one"] {
        post(&server.client, &pods(server), &pod(name, json!({}))).await.done();
    }
    let mut host = pod("host", json!({}));
    host["spec"]["hostPID"] = true.into();
    post(&server.client, &pods(server), &host).await.done();
    assert_eq!(levels(server, &[("warn", "restricted")]).await, [""; 0]);
    let warnings = levels(server, &[("enforce", "restricted")]).await;
    let rules = "allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile";
    assert_eq!(
        warnings,
        [
            format!(
                "existing pods in namespace \"{}\" violate the new PodSecurity enforce level \"restricted:latest\"",
                server.namespace
            ),
            format!("host: host namespaces, {rules}"),
            format!("one (and 1 other pod): {rules}"),
        ]
    );
    assert_eq!(levels(server, &[("enforce", "baseline")]).await, [""; 0]);
}

async fn a_template_that_breaks_the_level_is_warned_of_and_kept(server: &Server) {
    levels(server, &[("enforce", "baseline"), ("warn", "restricted")]).await;
    let template = pod("", json!({ "restartPolicy": "Always" }));
    let deployment = json!({ "metadata": { "name": "web" }, "spec": {
        "replicas": 0,
        "selector": { "matchLabels": { "app": "web" } },
        "template": { "metadata": { "labels": { "app": "web" } }, "spec": template["spec"] },
    } });
    let path = format!("/apis/apps/v1/namespaces/{}/deployments", server.namespace);
    let expected = format!("would violate PodSecurity \"restricted:latest\": {RESTRICTED}");
    let tried = format!("{path}?dryRun=All");
    eventually("the template is warned of", async || {
        let answer = post(&server.client, &tried, &deployment).await;
        (answer.code == 201 && answer.warnings == [expected.as_str()]).then_some(())
    })
    .await;
    post(&server.client, &path, &deployment).await.done();
}
