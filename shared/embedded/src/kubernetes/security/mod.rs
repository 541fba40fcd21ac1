//! Pod security admission: the levels `baseline` and `restricted`, with the sentences of the real server
//! (`k8s.io/pod-security-admission`, checks in the order in which it reports them).

mod baseline;
mod restricted;

use std::collections::BTreeMap;

use serde_json::Value;

use super::json::{items, members, text};
use super::status::{Cause, Refusal};

const LABEL: &str = "pod-security.kubernetes.io/";
const LATEST: &str = "latest";
/// The first minor version with the rules that are checked here.
const OLDEST: u32 = 35;
/// Pods that a stricter level is tried on.
const TRIED_MAX: usize = 3_000;

/// One rule: the sentence of a pod that breaks it, as `reason (details)`.
type Check = fn(&Value) -> Option<String>;

/// How strict a namespace is, from its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Privileged,
    Baseline,
    Restricted,
}

impl Level {
    const ALL: [(&str, Level); 3] = [
        ("privileged", Level::Privileged),
        ("baseline", Level::Baseline),
        ("restricted", Level::Restricted),
    ];

    fn read(name: &str) -> Option<Level> {
        Level::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, level)| *level)
    }

    fn name(self) -> &'static str {
        Level::ALL
            .iter()
            .find(|(_, level)| *level == self)
            .map_or("", |(name, _)| name)
    }

    fn checks(self) -> impl Iterator<Item = &'static Check> {
        let (first, second): (&[Check], &[Check]) = match self {
            Level::Privileged => (&[], &[]),
            Level::Baseline => (BASELINE, &[]),
            Level::Restricted => (ALWAYS, RESTRICTED),
        };
        first.iter().chain(second)
    }
}

/// What of `baseline` no rule of `restricted` takes the place of. All three lists are in the real server's order.
const ALWAYS: &[Check] = &[
    baseline::app_armor,
    baseline::host_namespaces,
    baseline::host_ports,
    baseline::host_probes,
    baseline::privileged,
    baseline::selinux,
    baseline::sysctls,
    baseline::host_process,
];
const BASELINE: &[Check] = &[
    baseline::app_armor,
    baseline::capabilities,
    baseline::host_namespaces,
    baseline::host_path,
    baseline::host_ports,
    baseline::host_probes,
    baseline::privileged,
    baseline::proc_mount_unless_apart,
    baseline::selinux,
    baseline::seccomp,
    baseline::sysctls,
    baseline::host_process,
];
const RESTRICTED: &[Check] = &[
    restricted::escalation,
    restricted::capabilities,
    baseline::proc_mount,
    restricted::volumes,
    restricted::non_root,
    restricted::user,
    restricted::seccomp,
];

/// A level and the version of its rules, which is shown and changes nothing here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Policy {
    level: Level,
    version: String,
}

impl Policy {
    /// What the labels of a namespace say for a mode, `enforce` or `warn`.
    fn of(namespace: &Value, mode: &str) -> Policy {
        let label = |name: &str| namespace["metadata"]["labels"][format!("{LABEL}{name}")].as_str();
        let enforced = label("enforce").and_then(Level::read);
        let version = |mode: &str| label(&format!("{mode}-version"));
        let (level, version) = match (mode, label(mode)) {
            ("enforce", Some(name)) => (Level::read(name).unwrap_or(Level::Restricted), version(mode)),
            (_, Some(name)) => (Level::read(name).unwrap_or(Level::Privileged), version(mode)),
            // What is enforced is warned of too, unless the namespace says otherwise.
            ("warn", None) => (
                enforced.unwrap_or(Level::Privileged),
                version(mode).or(version("enforce")),
            ),
            (_, None) => (Level::Privileged, version(mode)),
        };
        let version = version.unwrap_or(LATEST).to_owned();
        Policy { level, version }
    }

    fn broken_by(&self, pod: &Value) -> Vec<String> {
        self.level.checks().filter_map(|check| check(pod)).collect()
    }

    fn shown(&self) -> String {
        format!("{}:{}", self.level.name(), self.version)
    }
}

/// How a pod, or an object with a pod's specification, breaks what its namespace asks for in a mode, `enforce` or `warn`.
pub(super) fn violation(namespace: &Value, mode: &str, pod: &Value) -> Option<String> {
    let policy = Policy::of(namespace, mode);
    let sentences = policy.broken_by(pod);
    (!sentences.is_empty()).then(|| format!("PodSecurity {:?}: {}", policy.shown(), sentences.join(", ")))
}

/// Refuses labels of a namespace that name no level or version. Older versions of the rules are not simulated.
pub(super) fn check_labels(namespace: &Value) -> Result<(), Refusal> {
    let mut causes = Vec::new();
    for (label, value) in members(namespace, "/metadata/labels") {
        let Some(mode) = label.strip_prefix(LABEL) else {
            continue;
        };
        let value = value.as_str().unwrap_or("");
        let mut wrong = |detail: &str| causes.push(Cause::invalid(format!("metadata.labels[{label}]"), value, detail));
        match mode {
            "enforce" | "audit" | "warn" if Level::read(value).is_none() => {
                wrong("must be one of privileged, baseline, restricted");
            }
            "enforce-version" | "audit-version" | "warn-version" if value != LATEST => {
                match value.strip_prefix("v1.").and_then(|minor| minor.parse::<u32>().ok()) {
                    None => wrong("must be \"latest\" or \"v1.x\""),
                    Some(minor) if minor < OLDEST => {
                        return Err(Refusal::not_simulated(&format!("pod security of version {value}")));
                    }
                    Some(_) => {}
                }
            }
            _ => {}
        }
    }
    match causes.is_empty() {
        true => Ok(()),
        false => Err(Refusal::invalid(
            "",
            "Namespace",
            text(namespace, "/metadata/name"),
            &causes,
        )),
    }
}

/// Which of the pods that are there break what a namespace asks for anew, in the warnings of the real server.
pub(super) fn tightened<'a>(old: &Value, new: &Value, pods: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let (before, after) = (Policy::of(old, "enforce"), Policy::of(new, "enforce"));
    if after.level == Level::Privileged || (before.version == after.version && after.level <= before.level) {
        return Vec::new();
    }
    let mut found = BTreeMap::<String, Vec<&str>>::new();
    for pod in pods.take(TRIED_MAX) {
        let sentences = after.broken_by(pod);
        let reasons: Vec<&str> = sentences
            .iter()
            .filter_map(|sentence| sentence.split(" (").next())
            .collect();
        if !reasons.is_empty() {
            found
                .entry(reasons.join(", "))
                .or_default()
                .push(text(pod, "/metadata/name"));
        }
    }
    if found.is_empty() {
        return Vec::new();
    }
    let mut warnings: Vec<String> = found
        .into_iter()
        .map(|(reasons, names)| {
            let others = match names.len() - 1 {
                0 => String::new(),
                1 => " (and 1 other pod)".to_owned(),
                more => format!(" (and {more} other pods)"),
            };
            format!("{}{others}: {reasons}", names.iter().min().unwrap_or(&""))
        })
        .collect();
    warnings.sort();
    let name = text(new, "/metadata/name");
    let head = format!(
        "existing pods in namespace {name:?} violate the new PodSecurity enforce level {:?}",
        after.shown()
    );
    warnings.insert(0, head);
    warnings
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
            "PodSecurity \"baseline:latest\": non-default capabilities (container \"a\" must not include \"NET_ADMIN\" in \
             securityContext.capabilities.add), host namespaces (hostNetwork=true), hostPath volumes (volume \"v\"), \
             privileged (containers \"a\", \"b\" must not set securityContext.privileged=true)"
        );
    }
}
