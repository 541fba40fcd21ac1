//! The checks that `restricted` adds to those of `baseline`.

use serde_json::Value;

use super::super::json::{flag, int, items, text};
use super::{added, containers, each, quoted, seccomp_type};

const RESTRICTED_VOLUMES: &[&str] = &[
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Whether a pod has users of its own, so that its root is nobody outside.
fn is_apart(pod: &Value) -> bool {
    flag(pod, "/spec/hostUsers") == Some(false)
}

pub(super) fn escalation(pod: &Value) -> Option<String> {
    let who = containers(pod, |one| {
        flag(one, "/securityContext/allowPrivilegeEscalation") != Some(false)
    })?;
    Some(format!(
        "allowPrivilegeEscalation != false ({who} must set securityContext.allowPrivilegeEscalation=false)"
    ))
}

pub(super) fn capabilities(pod: &Value) -> Option<String> {
    let drops_all = |one: &Value| {
        items(one, "/securityContext/capabilities/drop")
            .iter()
            .any(|name| name == "ALL")
    };
    let keepers = containers(pod, |one| !drops_all(one))
        .map(|who| format!("{who} must set securityContext.capabilities.drop=[\"ALL\"]"));
    let adders = containers(pod, |one| !added(one, &["NET_BIND_SERVICE"]).is_empty()).map(|who| {
        let names = quoted(each(pod, |one| added(one, &["NET_BIND_SERVICE"])));
        format!("{who} must not include {names} in securityContext.capabilities.add")
    });
    let found: Vec<String> = keepers.into_iter().chain(adders).collect();
    (!found.is_empty()).then(|| format!("unrestricted capabilities ({})", found.join("; ")))
}

pub(super) fn volumes(pod: &Value) -> Option<String> {
    let source = |volume: &Value| {
        let members = volume.as_object().into_iter().flatten().map(|(name, _)| name.clone());
        members
            .into_iter()
            .find(|name| name != "name" && !RESTRICTED_VOLUMES.contains(&name.as_str()))
    };
    let bad: Vec<(String, String)> = items(pod, "/spec/volumes")
        .iter()
        .filter_map(|volume| Some((format!("{:?}", text(volume, "/name")), source(volume)?)))
        .collect();
    let names: Vec<&str> = bad.iter().map(|(name, _)| name.as_str()).collect();
    let kinds = quoted(bad.iter().map(|(_, kind)| kind.clone()).collect());
    let types = if kinds.contains(',') { "types" } else { "type" };
    match names.len() {
        0 => None,
        1 => Some(format!(
            "restricted volume types (volume {} uses restricted volume {types} {kinds})",
            names[0]
        )),
        _ => Some(format!(
            "restricted volume types (volumes {} use restricted volume {types} {kinds})",
            names.join(", ")
        )),
    }
}

pub(super) fn non_root(pod: &Value) -> Option<String> {
    if is_apart(pod) {
        return None;
    }
    let of = |one: &Value| flag(one, "/securityContext/runAsNonRoot");
    let explicit = containers(pod, |one| of(one) == Some(false));
    let whole = of(&pod["spec"]);
    if explicit.is_some() || whole == Some(false) {
        let pod_sets = (whole == Some(false)).then(|| "pod".to_owned());
        let who: Vec<String> = pod_sets.into_iter().chain(explicit).collect();
        return Some(format!(
            "runAsNonRoot != true ({} must not set securityContext.runAsNonRoot=false)",
            who.join(" and ")
        ));
    }
    let who = containers(pod, |one| of(one).is_none()).filter(|_| whole.is_none())?;
    Some(format!(
        "runAsNonRoot != true (pod or {who} must set securityContext.runAsNonRoot=true)"
    ))
}

pub(super) fn user(pod: &Value) -> Option<String> {
    if is_apart(pod) {
        return None;
    }
    let root = |one: &Value| int(one, "/securityContext/runAsUser") == Some(0);
    let pod_sets = root(&pod["spec"]).then(|| "pod".to_owned());
    let who: Vec<String> = pod_sets.into_iter().chain(containers(pod, root)).collect();
    (!who.is_empty()).then(|| format!("runAsUser=0 ({} must not set runAsUser=0)", who.join(" and ")))
}

pub(super) fn seccomp(pod: &Value) -> Option<String> {
    let wrong = |kind: &str| !matches!(kind, "" | "RuntimeDefault" | "Localhost");
    let whole = seccomp_type(&pod["spec"]);
    let explicit = containers(pod, |one| wrong(seccomp_type(one)));
    if wrong(whole) || explicit.is_some() {
        let pod_sets = wrong(whole).then(|| "pod".to_owned());
        let who: Vec<String> = pod_sets.into_iter().chain(explicit).collect();
        let who = who.join(" and ");
        return Some(format!(
            "seccompProfile ({who} must not set securityContext.seccompProfile.type to \"Unconfined\")"
        ));
    }
    let who = containers(pod, |one| seccomp_type(one).is_empty()).filter(|_| whole.is_empty())?;
    let allowed = "securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\"";
    Some(format!("seccompProfile (pod or {who} must set {allowed})"))
}
