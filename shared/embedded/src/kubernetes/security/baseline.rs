//! The checks of `baseline`.

use serde_json::Value;

use super::super::json::{flag, int, items, members, text};
use super::{added, containers, each, quoted, seccomp_type};

const DEFAULT_CAPABILITIES: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];
const SAFE_SYSCTLS: &[&str] = &[
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];
const SELINUX_TYPES: &[&str] = &[
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];

pub(super) fn host_namespaces(pod: &Value) -> Option<String> {
    let set: Vec<String> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .filter(|field| flag(pod, &format!("/spec/{field}")) == Some(true))
        .map(|field| format!("{field}=true"))
        .collect();
    (!set.is_empty()).then(|| format!("host namespaces ({})", set.join(", ")))
}

pub(super) fn host_ports(pod: &Value) -> Option<String> {
    let ports = |one: &Value| -> Vec<i64> {
        items(one, "/ports")
            .iter()
            .filter_map(|port| int(port, "/hostPort"))
            .filter(|port| *port != 0)
            .collect()
    };
    let who = containers(pod, |one| !ports(one).is_empty())?;
    let mut used = each(pod, ports);
    used.sort_unstable();
    let used: Vec<String> = used.iter().map(ToString::to_string).collect();
    let verb = if who.starts_with("containers") { "use" } else { "uses" };
    let noun = if used.len() > 1 { "hostPorts" } else { "hostPort" };
    Some(format!("hostPort ({who} {verb} {noun} {})", used.join(", ")))
}

pub(super) fn privileged(pod: &Value) -> Option<String> {
    let who = containers(pod, |one| flag(one, "/securityContext/privileged") == Some(true))?;
    Some(format!(
        "privileged ({who} must not set securityContext.privileged=true)"
    ))
}

pub(super) fn proc_mount(pod: &Value) -> Option<String> {
    let who = containers(pod, |one| {
        !matches!(text(one, "/securityContext/procMount"), "" | "Default")
    })?;
    let values = each(pod, |one| vec![text(one, "/securityContext/procMount").to_owned()]);
    let values = quoted(
        values
            .into_iter()
            .filter(|value| !matches!(value.as_str(), "" | "Default"))
            .collect(),
    );
    Some(format!(
        "procMount ({who} must not set securityContext.procMount to {values})"
    ))
}

/// A pod in a user namespace of its own may see what it likes of it.
pub(super) fn proc_mount_unless_apart(pod: &Value) -> Option<String> {
    proc_mount(pod).filter(|_| flag(pod, "/spec/hostUsers") != Some(false))
}

pub(super) fn app_armor(pod: &Value) -> Option<String> {
    const ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
    let own = |one: &Value| text(one, "/securityContext/appArmorProfile/type").to_owned();
    let bad = |kind: &str| !matches!(kind, "" | "RuntimeDefault" | "Localhost");
    let whole = own(&pod["spec"]);
    let pod_sets = bad(&whole).then(|| "pod".to_owned());
    let values = std::iter::once(whole).chain(each(pod, |one| vec![own(one)]));
    let mut values: Vec<String> = values.filter(|kind| bad(kind)).collect();
    values.sort();
    values.dedup();
    let annotations: Vec<String> = members(pod, "/metadata/annotations")
        .map(|(key, value)| (key, value.as_str().unwrap_or("")))
        .filter(|(key, value)| {
            let allowed = matches!(*value, "" | "runtime/default") || value.starts_with("localhost/");
            key.starts_with(ANNOTATION) && !allowed
        })
        .map(|(key, value)| format!("{key}={value:?}"))
        .collect();
    let set_by_annotation = match annotations.len() {
        0 => None,
        1 => Some("annotation".to_owned()),
        _ => Some("annotations".to_owned()),
    };
    values.extend(annotations);
    let who: Vec<String> = pod_sets
        .into_iter()
        .chain(containers(pod, |one| bad(&own(one))))
        .chain(set_by_annotation)
        .collect();
    let noun = if values.len() == 1 { "profile" } else { "profiles" };
    let quoted: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    (!who.is_empty()).then(|| {
        let who = who.join(" and ");
        format!(
            "forbidden AppArmor {noun} ({who} must not set AppArmor profile type to {})",
            quoted.join(", ")
        )
    })
}

pub(super) fn host_probes(pod: &Value) -> Option<String> {
    let hosts = |one: &Value| -> Vec<String> {
        let handlers = [
            "livenessProbe",
            "readinessProbe",
            "startupProbe",
            "lifecycle/postStart",
            "lifecycle/preStop",
        ];
        let found = handlers.iter().flat_map(|handler| {
            let host = |kind: &str| text(one, &format!("/{handler}/{kind}/host")).to_owned();
            [host("httpGet"), host("tcpSocket")]
        });
        found.filter(|host| !host.is_empty()).collect()
    };
    let who = containers(pod, |one| !hosts(one).is_empty())?;
    let used = quoted(each(pod, hosts));
    let verb = if who.starts_with("containers") { "use" } else { "uses" };
    let noun = if used.contains(", ") { "hosts" } else { "host" };
    Some(format!(
        "probe or lifecycle host ({who} {verb} probe or lifecycle {noun} {used})"
    ))
}

pub(super) fn host_process(pod: &Value) -> Option<String> {
    let set = |one: &Value| flag(one, "/securityContext/windowsOptions/hostProcess") == Some(true);
    let pod_sets = set(&pod["spec"]).then(|| "pod".to_owned());
    let who: Vec<String> = pod_sets.into_iter().chain(containers(pod, set)).collect();
    (!who.is_empty()).then(|| {
        let who = who.join(" and ");
        format!("hostProcess ({who} must not set securityContext.windowsOptions.hostProcess=true)")
    })
}

pub(super) fn selinux(pod: &Value) -> Option<String> {
    let forbidden = |one: &Value| {
        !SELINUX_TYPES.contains(&text(one, "/seLinuxOptions/type"))
            || !text(one, "/seLinuxOptions/user").is_empty()
            || !text(one, "/seLinuxOptions/role").is_empty()
    };
    let pod_sets = forbidden(&pod["spec"]["securityContext"]).then(|| "pod".to_owned());
    let who: Vec<String> = pod_sets
        .into_iter()
        .chain(containers(pod, |one| forbidden(&one["securityContext"])))
        .collect();
    (!who.is_empty()).then(|| {
        format!(
            "seLinuxOptions ({} set forbidden securityContext.seLinuxOptions)",
            who.join(" and ")
        )
    })
}

pub(super) fn sysctls(pod: &Value) -> Option<String> {
    let set = items(pod, "/spec/securityContext/sysctls")
        .iter()
        .map(|one| text(one, "/name"));
    let forbidden: Vec<&str> = set.filter(|name| !SAFE_SYSCTLS.contains(name)).collect();
    (!forbidden.is_empty()).then(|| format!("forbidden sysctls ({})", forbidden.join(", ")))
}

pub(super) fn capabilities(pod: &Value) -> Option<String> {
    let who = containers(pod, |one| !added(one, DEFAULT_CAPABILITIES).is_empty())?;
    let names = quoted(each(pod, |one| added(one, DEFAULT_CAPABILITIES)));
    Some(format!(
        "non-default capabilities ({who} must not include {names} in securityContext.capabilities.add)"
    ))
}

pub(super) fn host_path(pod: &Value) -> Option<String> {
    let names: Vec<String> = items(pod, "/spec/volumes")
        .iter()
        .filter(|volume| !volume["hostPath"].is_null())
        .map(|volume| format!("{:?}", text(volume, "/name")))
        .collect();
    let noun = if names.len() > 1 { "volumes" } else { "volume" };
    (!names.is_empty()).then(|| format!("hostPath volumes ({noun} {})", names.join(", ")))
}

pub(super) fn seccomp(pod: &Value) -> Option<String> {
    let pod_sets = (seccomp_type(&pod["spec"]) == "Unconfined").then(|| "pod".to_owned());
    let who: Vec<String> = pod_sets
        .into_iter()
        .chain(containers(pod, |one| seccomp_type(one) == "Unconfined"))
        .collect();
    (!who.is_empty()).then(|| {
        let who = who.join(" and ");
        format!("seccompProfile ({who} must not set securityContext.seccompProfile.type to \"Unconfined\")")
    })
}
