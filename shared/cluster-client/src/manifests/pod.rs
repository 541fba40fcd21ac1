//! The pod: one container that runs what the template says.

use std::collections::BTreeMap;

use domain::{LabelKey, LabelValue, RunAs, Workload, fill_command};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, Pod, PodSpec, Probe, SeccompProfile, SecurityContext,
    TCPSocketAction, Toleration,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::namespace::ACCOUNT;
use super::{Plan, resources, text_map};

/// The pod's name, as binder-deploy-kubernetes had it.
pub(crate) const POD: &str = "frontend-server";
/// Its container's name.
pub(crate) const CONTAINER: &str = "frontend-server";

/// How long a container may take to end after it was told to, in seconds.
pub(super) const GRACE_SECONDS: i64 = 5;
/// Readiness is asked for every second, given a second, and lost after three failures.
const PROBE_SECONDS: i32 = 1;
const PROBE_FAILURES: i32 = 3;
/// The most characters of a label's value.
const LABEL_MAX: usize = 63;

pub(crate) fn pod(plan: &Plan<'_>) -> Pod {
    let run = plan.run;
    let mut metadata = plan.metadata(POD);
    let labels = metadata.labels.get_or_insert_default();
    labels.extend(text_map([("name", POD), ("id", plan.owner.id.as_str())]));
    let image_name = run.image_name.as_deref().unwrap_or(plan.template);
    labels.extend(label_value(image_name).map(|value| ("templateName".to_owned(), value)));
    Pod {
        metadata,
        spec: Some(PodSpec {
            containers: vec![container(plan)],
            restart_policy: Some("Always".to_owned()),
            // Not the older service's `Default`: a node's own resolver is often a private address, which the network
            // policy forbids, while it allows the cluster's DNS.
            dns_policy: Some("ClusterFirst".to_owned()),
            enable_service_links: Some(false),
            service_account_name: Some(ACCOUNT.to_owned()),
            automount_service_account_token: Some(false),
            termination_grace_period_seconds: Some(GRACE_SECONDS),
            node_selector: Some(run.node_selector.iter().map(label).collect())
                .filter(|selector: &BTreeMap<_, _>| !selector.is_empty()),
            tolerations: Some(run.tolerations.iter().map(toleration).collect::<Vec<_>>())
                .filter(|tolerations| !tolerations.is_empty()),
            ..Default::default()
        }),
        status: None,
    }
}

fn container(plan: &Plan<'_>) -> Container {
    let run = plan.run;
    let variable = |(name, value): (&domain::EnvName, &String)| EnvVar {
        name: name.as_str().to_owned(),
        value: Some(value.clone()),
        value_from: None,
    };
    Container {
        name: CONTAINER.to_owned(),
        image: Some(run.image.as_str().to_owned()),
        image_pull_policy: run.pull_policy.map(|policy| policy.as_str().to_owned()),
        command: Some(fill_command(&run.command, plan.owner.id, run.port)),
        env: Some(run.env.iter().map(variable).collect::<Vec<_>>()).filter(|env| !env.is_empty()),
        ports: Some(vec![ContainerPort {
            container_port: run.port.into(),
            protocol: Some("TCP".to_owned()),
            ..Default::default()
        }]),
        readiness_probe: Some(Probe {
            tcp_socket: Some(TCPSocketAction {
                host: None,
                port: IntOrString::Int(run.port.into()),
            }),
            period_seconds: Some(PROBE_SECONDS),
            timeout_seconds: Some(PROBE_SECONDS),
            failure_threshold: Some(PROBE_FAILURES),
            ..Default::default()
        }),
        resources: Some(resources::requirements(run)),
        security_context: Some(security_context(run)),
        // The end of its log stands in for the last words of a container that died without writing any.
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        ..Default::default()
    }
}

/// Without `runAsNonRoot` only where the template asks for `baseline` and leaves the user to the image, or chooses 0.
pub(super) fn security_context(run: &Workload) -> SecurityContext {
    let (user, non_root) = match (run.run_as, run.security) {
        (RunAs::User(0), _) => (Some(0), None),
        (RunAs::User(user), _) => (Some(user.into()), Some(true)),
        (RunAs::Image, domain::Security::Restricted) => (None, Some(true)),
        (RunAs::Image, domain::Security::Baseline) => (None, None),
    };
    SecurityContext {
        run_as_user: user,
        run_as_non_root: non_root,
        allow_privilege_escalation: Some(false),
        capabilities: Some(Capabilities {
            add: None,
            drop: Some(vec!["ALL".to_owned()]),
        }),
        seccomp_profile: Some(SeccompProfile {
            type_: "RuntimeDefault".to_owned(),
            localhost_profile: None,
        }),
        ..Default::default()
    }
}

fn label((key, value): (&LabelKey, &LabelValue)) -> (String, String) {
    (key.to_string(), value.to_string())
}

pub(super) fn toleration(toleration: &domain::Toleration) -> Toleration {
    Toleration {
        key: toleration.key.as_ref().map(ToString::to_string),
        operator: toleration.operator.map(|operator| operator.as_str().to_owned()),
        value: toleration.value.as_ref().map(ToString::to_string),
        effect: toleration.effect.map(|effect| effect.as_str().to_owned()),
        toleration_seconds: None,
    }
}

/// `text` as a label's value can say it: other characters become `-`, and it begins and ends with a letter or digit.
fn label_value(text: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let ends = |c: char| !c.is_ascii_alphanumeric();
    let mapped: String = text.chars().map(|c| if allowed(c) { c } else { '-' }).collect();
    let cut: String = mapped.trim_start_matches(ends).chars().take(LABEL_MAX).collect();
    Some(cut.trim_end_matches(ends).to_owned()).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::manifests::sample::made;

    const ID: &str = "abababababababababababababababab";

    #[test]
    fn a_bare_template_becomes_the_hardened_pod() {
        assert_eq!(
            made(json!({}), pod),
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "name": "frontend-server", "namespace": ID,
                    "labels": {
                        "layby.dev/installation": "prod", "layby.dev/application": ID, "layby.dev/shard": "11",
                        "app.kubernetes.io/managed-by": "layby",
                        "name": "frontend-server", "id": ID, "templateName": "t",
                    },
                },
                "spec": {
                    "containers": [{
                        "name": "frontend-server",
                        "image": "img:1",
                        "command": ["/home/main/start-notebook.sh", "--ip='*'", "--port=8888",
                            format!("--NotebookApp.base_url='/user/{ID}'"), "--debug"],
                        "ports": [{"containerPort": 8888, "protocol": "TCP"}],
                        "readinessProbe": {"tcpSocket": {"port": 8888}, "periodSeconds": 1, "timeoutSeconds": 1,
                            "failureThreshold": 3},
                        "resources": {"limits": {"cpu": "1", "memory": "2G"},
                            "requests": {"cpu": "10m", "memory": "450M"}},
                        "securityContext": {
                            "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                            "seccompProfile": {"type": "RuntimeDefault"},
                            "runAsNonRoot": true, "runAsUser": 1000,
                        },
                        "terminationMessagePolicy": "FallbackToLogsOnError",
                    }],
                    "automountServiceAccountToken": false,
                    "dnsPolicy": "ClusterFirst",
                    "enableServiceLinks": false,
                    "restartPolicy": "Always",
                    "serviceAccountName": "application",
                    "terminationGracePeriodSeconds": 5,
                },
            })
        );
    }

    #[test]
    fn everything_a_template_may_say_reaches_the_pod() {
        let pod = made(
            json!({
                "image-name": "repo/the image", "command": ["serve", "/user/<id>", "<port>"], "port": 80,
                "env": {"A": "1", "B": "<id>"}, "node-selector": {"pool": "users"},
                "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "user", "effect": "NoSchedule"}],
                "image-pull-policy": "IfNotPresent",
                "limits": {"memory": "1Gi"}, "requests": {"cpu": "500m"},
            }),
            pod,
        );
        assert_eq!(pod["metadata"]["labels"]["templateName"], "repo-the-image");
        let (spec, container) = (&pod["spec"], &pod["spec"]["containers"][0]);
        assert_eq!(spec["nodeSelector"], json!({"pool": "users"}));
        assert_eq!(
            spec["tolerations"],
            json!([{"key": "dedicated", "operator": "Equal", "value": "user", "effect": "NoSchedule"}])
        );
        assert_eq!(container["command"], json!(["serve", format!("/user/{ID}"), "80"]));
        assert_eq!(
            container["env"],
            json!([{"name": "A", "value": "1"}, {"name": "B", "value": "<id>"}])
        );
        assert_eq!(container["imagePullPolicy"], "IfNotPresent");
        assert_eq!(container["readinessProbe"]["tcpSocket"]["port"], 80);
        assert_eq!(container["resources"]["limits"], json!({"cpu": "1", "memory": "1Gi"}));
        assert_eq!(
            container["resources"]["requests"],
            json!({"cpu": "500m", "memory": "450M"})
        );
    }

    #[test]
    fn the_user_follows_the_template_and_root_only_where_baseline_lets_it() {
        for (security, run_as, user, non_root) in [
            ("restricted", json!(1000), json!(1000), json!(true)),
            ("restricted", json!("image"), Value::Null, json!(true)),
            ("baseline", json!("image"), Value::Null, Value::Null),
            ("baseline", json!(1234), json!(1234), json!(true)),
            ("baseline", json!(0), json!(0), Value::Null),
        ] {
            let pod = made(json!({"security": security, "run-as-user": run_as}), pod);
            let context = &pod["spec"]["containers"][0]["securityContext"];
            assert_eq!(
                (&context["runAsUser"], &context["runAsNonRoot"]),
                (&user, &non_root),
                "{security} {run_as}"
            );
            assert_eq!(context["allowPrivilegeEscalation"], false);
            assert_eq!(context["capabilities"], json!({"drop": ["ALL"]}));
            assert_eq!(context["seccompProfile"], json!({"type": "RuntimeDefault"}));
        }
    }

    #[test]
    fn a_label_value_is_always_one_that_kubernetes_takes() {
        for (text, value) in [
            ("plain", Some("plain")),
            ("a/b:c", Some("a-b-c")),
            ("--a__", Some("a")),
            ("ä", None),
            ("", None),
        ] {
            assert_eq!(label_value(text).as_deref(), value, "{text}");
        }
        let long = label_value(&format!("{}.{}", "a".repeat(62), "b".repeat(62))).unwrap();
        assert_eq!(long, "a".repeat(62));
    }
}
