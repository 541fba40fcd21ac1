//! Pod security admission: the levels `baseline` and `restricted`, with the sentences of the real server
//! (`k8s.io/pod-security-admission`, checks in the order in which it reports them).

mod baseline;
mod restricted;

use serde_json::Value;

use super::json::{items, text};

/// One rule: the sentence of a pod that breaks it.
type Check = fn(&Value) -> Option<String>;

/// Which pods of a namespace are let in, from one of its labels `pod-security.kubernetes.io/{enforce,warn}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Level {
    Privileged,
    Baseline,
    Restricted,
}

/// How a pod breaks the level that the label of `mode` on its namespace asks for: `level:version` and the sentences.
pub(super) fn violation(namespace: &Value, mode: &str, pod: &Value) -> Option<String> {
    let label = |name: &str| namespace["metadata"]["labels"][name].as_str().unwrap_or("").to_owned();
    let name = label(&format!("pod-security.kubernetes.io/{mode}"));
    let level = match name.as_str() {
        "" | "privileged" => Level::Privileged,
        "baseline" => Level::Baseline,
        // What cannot be read is the strictest level.
        _ => Level::Restricted,
    };
    let version =
        Some(label(&format!("pod-security.kubernetes.io/{mode}-version"))).filter(|version| !version.is_empty());
    let shown = if level == Level::Restricted {
        "restricted"
    } else {
        name.as_str()
    };
    let sentences = check(level, pod);
    let quoted = format!("{shown}:{}", version.as_deref().unwrap_or("latest"));
    (!sentences.is_empty()).then(|| format!("PodSecurity {quoted:?}: {}", sentences.join(", ")))
}

fn check(level: Level, pod: &Value) -> Vec<String> {
    let always = [
        baseline::host_namespaces,
        baseline::host_ports,
        baseline::privileged,
        baseline::proc_mount,
        baseline::selinux,
        baseline::sysctls,
    ];
    let (first, second): (&[Check], &[Check]) = match level {
        Level::Privileged => (&[], &[]),
        Level::Baseline => (
            &always,
            &[baseline::capabilities, baseline::host_path, baseline::seccomp],
        ),
        Level::Restricted => (
            &always,
            &[
                restricted::escalation,
                restricted::capabilities,
                restricted::volumes,
                restricted::non_root,
                restricted::user,
                restricted::seccomp,
            ],
        ),
    };
    first.iter().chain(second).filter_map(|check| check(pod)).collect()
}

/// `container "a"` or `containers "a", "b"`, of those that a test finds.
fn containers(pod: &Value, test: impl Fn(&Value) -> bool) -> Option<String> {
    let named = items(pod, "/spec/initContainers")
        .iter()
        .chain(items(pod, "/spec/containers"));
    let names: Vec<String> = named
        .filter(|one| test(one))
        .map(|one| format!("{:?}", text(one, "/name")))
        .collect();
    match names.as_slice() {
        [] => None,
        [one] => Some(format!("container {one}")),
        many => Some(format!("containers {}", many.join(", "))),
    }
}

fn quoted(mut values: Vec<String>) -> String {
    values.sort();
    values.dedup();
    values
        .iter()
        .map(|value| format!("{value:?}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn each<T>(pod: &Value, of: impl Fn(&Value) -> Vec<T>) -> Vec<T> {
    items(pod, "/spec/initContainers")
        .iter()
        .chain(items(pod, "/spec/containers"))
        .flat_map(of)
        .collect()
}

fn added(container: &Value, allowed: &[&str]) -> Vec<String> {
    let added = items(container, "/securityContext/capabilities/add")
        .iter()
        .filter_map(Value::as_str);
    added
        .filter(|name| !allowed.contains(name))
        .map(str::to_owned)
        .collect()
}

fn seccomp_type(context: &Value) -> &str {
    text(context, "/securityContext/seccompProfile/type")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn namespace(level: &str) -> Value {
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}})
    }

    #[test]
    fn a_plain_pod_breaks_restricted_in_the_words_of_the_real_server() {
        let pod = json!({"spec": {"containers": [{"name": "nginx"}]}});
        assert_eq!(
            violation(&namespace("restricted"), "enforce", &pod).unwrap(),
            "PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"nginx\" must set \
             securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container \"nginx\" must set \
             securityContext.capabilities.drop=[\"ALL\"]), runAsNonRoot != true (pod or container \"nginx\" must set \
             securityContext.runAsNonRoot=true), seccompProfile (pod or container \"nginx\" must set \
             securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")"
        );
        assert_eq!(violation(&namespace("baseline"), "enforce", &pod), None);
        assert_eq!(violation(&namespace("privileged"), "enforce", &pod), None);
    }

    #[test]
    fn a_locked_down_pod_passes_restricted() {
        let pod = json!({"spec": {
            "securityContext": {"runAsNonRoot": true, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{"name": "c", "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}],
            "volumes": [{"name": "v", "emptyDir": {}}],
        }});
        assert_eq!(violation(&namespace("restricted"), "enforce", &pod), None);
    }

    #[test]
    fn baseline_refuses_the_host_and_privilege() {
        let pod = json!({"spec": {
            "hostNetwork": true,
            "containers": [
                {"name": "a", "securityContext": {"privileged": true, "capabilities": {"add": ["NET_ADMIN"]}}},
                {"name": "b", "securityContext": {"privileged": true}}],
            "volumes": [{"name": "v", "hostPath": {"path": "/"}}],
        }});
        assert_eq!(
            violation(&namespace("baseline"), "enforce", &pod).unwrap(),
            "PodSecurity \"baseline:latest\": host namespaces (hostNetwork=true), privileged (containers \"a\", \"b\" must \
             not set securityContext.privileged=true), non-default capabilities (container \"a\" must not include \
             \"NET_ADMIN\" in securityContext.capabilities.add), hostPath volumes (volume \"v\")"
        );
    }
}
