//! What no pod template may say: what the pod security standard `baseline` forbids, and what is layby's own.
//!
//! The standard is that of Kubernetes 1.35 (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>), but
//! for two things: no capability may be added at all, and privileged containers are the reader's to judge. A namespace
//! that enforces it would refuse the rest too, but only when the pods are made, where nobody looks.

use std::fmt::Display;

use domain::Refusal;
use k8s_openapi::api::core::v1::{
    AppArmorProfile, Container, LifecycleHandler, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, SELinuxOptions,
    SeccompProfile, SecurityContext, Volume, WindowsSecurityContextOptions,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::text;

/// The prefix of labels and annotations that are layby's own.
const OWN_PREFIX: &str = "layby.dev/";
/// The annotation of older clusters for a container's AppArmor profile.
const APP_ARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";
/// How long a pod may take to go, in seconds: an environment that ends waits for its pods.
const GRACE_MAX_S: i64 = 600;
/// The one service account that pods may have. It has no rights.
const ACCOUNT: &str = "default";
/// Kernel parameters that concern nobody but the pod.
const SAFE_SYSCTLS: [&str; 12] = [
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
/// SELinux types that confine a container.
const SELINUX_TYPES: [&str; 5] = [
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];
const CONFINED: [&str; 2] = ["RuntimeDefault", "Localhost"];

/// Holds a template against the rules.
///
/// # Errors
/// [`Refusal::Malformed`] with the path of the first thing that no template may say.
pub(super) fn check(template: &PodTemplateSpec) -> Result<(), Refusal> {
    if let Some(metadata) = &template.metadata {
        check_metadata(metadata)?;
    }
    let Some(spec) = template.spec.as_ref().filter(|spec| !spec.containers.is_empty()) else {
        return no("spec.containers", "there is none, and a pod has at least one");
    };
    check_pod(spec)?;
    if let Some(context) = &spec.security_context {
        check_pod_context(context)?;
    }
    for (at, volume) in spec.volumes.iter().flatten().enumerate() {
        check_volume(&format!("spec.volumes[{at}]"), volume)?;
    }
    let groups = [
        ("containers", Some(&spec.containers)),
        ("initContainers", spec.init_containers.as_ref()),
    ];
    for (group, containers) in groups {
        for (at, container) in containers.into_iter().flatten().enumerate() {
            check_container(&format!("spec.{group}[{at}]"), container)?;
        }
    }
    Ok(())
}

fn check_metadata(metadata: &ObjectMeta) -> Result<(), Refusal> {
    for (kind, entries) in [("labels", &metadata.labels), ("annotations", &metadata.annotations)] {
        let mut keys = entries.iter().flatten().map(|(key, _)| key);
        if let Some(key) = keys.find(|key| key.starts_with(OWN_PREFIX)) {
            return no(format_args!("metadata.{kind}[{key}]"), "what begins so is layby's own");
        }
    }
    if metadata
        .finalizers
        .as_ref()
        .is_some_and(|finalizers| !finalizers.is_empty())
    {
        return no("metadata.finalizers", "its pods could not be deleted");
    }
    let confined = |value: &str| matches!(value, "" | "runtime/default") || value.starts_with("localhost/");
    let mut annotations = metadata.annotations.iter().flatten();
    match annotations.find(|(key, value)| key.starts_with(APP_ARMOR_ANNOTATION) && !confined(value)) {
        Some((key, _)) => no(
            format_args!("metadata.annotations[{key}]"),
            "no container may go without AppArmor",
        ),
        None => Ok(()),
    }
}

fn check_pod(spec: &PodSpec) -> Result<(), Refusal> {
    let shared = [
        ("hostNetwork", spec.host_network),
        ("hostPID", spec.host_pid),
        ("hostIPC", spec.host_ipc),
    ];
    if let Some((field, _)) = shared.into_iter().find(|(_, is_shared)| *is_shared == Some(true)) {
        return no(
            format_args!("spec.{field}"),
            "a pod may not share its node's namespaces",
        );
    }
    if spec.node_name.as_ref().is_some_and(|name| !name.is_empty()) {
        return no(
            "spec.nodeName",
            "a pod's node is the scheduler's to choose; 'nodeSelector' narrows that",
        );
    }
    let accounts = [
        ("serviceAccountName", &spec.service_account_name),
        ("serviceAccount", &spec.service_account),
    ];
    let is_other = |account: &Option<String>| {
        account
            .as_ref()
            .is_some_and(|name| !matches!(name.as_str(), "" | ACCOUNT))
    };
    if let Some((field, _)) = accounts.into_iter().find(|(_, account)| is_other(account)) {
        return no(format_args!("spec.{field}"), "pods have the service account 'default'");
    }
    if spec
        .termination_grace_period_seconds
        .is_some_and(|seconds| seconds > GRACE_MAX_S)
    {
        return no(
            "spec.terminationGracePeriodSeconds",
            format_args!("a pod goes within {GRACE_MAX_S} s, so that its environment can end"),
        );
    }
    if spec.automount_service_account_token == Some(true) {
        return no(
            "spec.automountServiceAccountToken",
            "a pod gets no token of a service account",
        );
    }
    if spec
        .ephemeral_containers
        .as_ref()
        .is_some_and(|containers| !containers.is_empty())
    {
        return no(
            "spec.ephemeralContainers",
            "such are added to pods that run, and no template has them",
        );
    }
    Ok(())
}

fn check_pod_context(context: &PodSecurityContext) -> Result<(), Refusal> {
    let mut sysctls = context.sysctls.iter().flatten().enumerate();
    if let Some((at, sysctl)) = sysctls.find(|(_, sysctl)| !SAFE_SYSCTLS.contains(&sysctl.name.as_str())) {
        return no(
            format_args!("spec.securityContext.sysctls[{at}]"),
            format_args!(
                "'{}' is not among the kernel parameters that are safe to set",
                sysctl.name
            ),
        );
    }
    check_confinement(
        "spec.securityContext",
        Confinement {
            selinux: context.se_linux_options.as_ref(),
            seccomp: context.seccomp_profile.as_ref(),
            app_armor: context.app_armor_profile.as_ref(),
            windows: context.windows_options.as_ref(),
        },
    )
}

fn check_volume(path: &str, volume: &Volume) -> Result<(), Refusal> {
    if volume.host_path.is_some() {
        return no(format_args!("{path}.hostPath"), "a pod may not see its node's files");
    }
    let sources = volume
        .projected
        .iter()
        .flat_map(|projected| projected.sources.iter().flatten());
    match sources
        .enumerate()
        .find(|(_, source)| source.service_account_token.is_some())
    {
        Some((at, _)) => no(
            format_args!("{path}.projected.sources[{at}].serviceAccountToken"),
            "a pod gets no token of a service account",
        ),
        None => Ok(()),
    }
}

fn check_container(path: &str, container: &Container) -> Result<(), Refusal> {
    let mut ports = container.ports.iter().flatten().enumerate();
    if let Some((at, _)) = ports.find(|(_, port)| port.host_port.is_some_and(|port| port != 0)) {
        return no(
            format_args!("{path}.ports[{at}].hostPort"),
            "a pod may not take a port of its node",
        );
    }
    let probes = [
        ("livenessProbe", &container.liveness_probe),
        ("readinessProbe", &container.readiness_probe),
        ("startupProbe", &container.startup_probe),
    ];
    for (field, probe) in probes {
        if probe.as_ref().is_some_and(probes_elsewhere) {
            return no(
                format_args!("{path}.{field}"),
                "a probe has no 'host': it asks the pod itself",
            );
        }
    }
    if let Some(lifecycle) = &container.lifecycle {
        for (field, hook) in [("postStart", &lifecycle.post_start), ("preStop", &lifecycle.pre_stop)] {
            if hook.as_ref().is_some_and(calls_elsewhere) {
                return no(
                    format_args!("{path}.lifecycle.{field}"),
                    "a hook has no 'host': it calls the pod itself",
                );
            }
        }
    }
    match &container.security_context {
        Some(context) => check_context(&format!("{path}.securityContext"), context),
        None => Ok(()),
    }
}

fn check_context(path: &str, context: &SecurityContext) -> Result<(), Refusal> {
    let added = context
        .capabilities
        .as_ref()
        .and_then(|capabilities| capabilities.add.as_ref());
    if added.is_some_and(|added| !added.is_empty()) {
        return no(format_args!("{path}.capabilities.add"), "no capability may be added");
    }
    if context
        .proc_mount
        .as_ref()
        .is_some_and(|mount| !matches!(mount.as_str(), "" | "Default"))
    {
        return no(format_args!("{path}.procMount"), "only 'Default' is allowed");
    }
    check_confinement(
        path,
        Confinement {
            selinux: context.se_linux_options.as_ref(),
            seccomp: context.seccomp_profile.as_ref(),
            app_armor: context.app_armor_profile.as_ref(),
            windows: context.windows_options.as_ref(),
        },
    )
}

/// What pods and containers alike are confined by.
struct Confinement<'a> {
    selinux: Option<&'a SELinuxOptions>,
    seccomp: Option<&'a SeccompProfile>,
    app_armor: Option<&'a AppArmorProfile>,
    windows: Option<&'a WindowsSecurityContextOptions>,
}

fn check_confinement(path: &str, confinement: Confinement<'_>) -> Result<(), Refusal> {
    let is_set = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
    if let Some(options) = confinement.selinux {
        let kind = options.type_.as_deref().unwrap_or_default();
        if !SELINUX_TYPES.contains(&kind) || is_set(&options.user) || is_set(&options.role) {
            return no(
                format_args!("{path}.seLinuxOptions"),
                "only the types of containers are allowed, and neither user nor role",
            );
        }
    }
    if confinement
        .seccomp
        .is_some_and(|profile| !CONFINED.contains(&profile.type_.as_str()))
    {
        return no(
            format_args!("{path}.seccompProfile.type"),
            "only 'RuntimeDefault' and 'Localhost' are allowed",
        );
    }
    if confinement
        .app_armor
        .is_some_and(|profile| !CONFINED.contains(&profile.type_.as_str()))
    {
        return no(
            format_args!("{path}.appArmorProfile.type"),
            "only 'RuntimeDefault' and 'Localhost' are allowed",
        );
    }
    if confinement
        .windows
        .is_some_and(|options| options.host_process == Some(true))
    {
        return no(
            format_args!("{path}.windowsOptions.hostProcess"),
            "a container may not be a process of its node",
        );
    }
    Ok(())
}

fn probes_elsewhere(probe: &Probe) -> bool {
    let http = probe.http_get.as_ref().and_then(|get| get.host.as_ref());
    let tcp = probe.tcp_socket.as_ref().and_then(|socket| socket.host.as_ref());
    http.into_iter().chain(tcp).any(|host| !host.is_empty())
}

fn calls_elsewhere(hook: &LifecycleHandler) -> bool {
    let http = hook.http_get.as_ref().and_then(|get| get.host.as_ref());
    let tcp = hook.tcp_socket.as_ref().and_then(|socket| socket.host.as_ref());
    http.into_iter().chain(tcp).any(|host| !host.is_empty())
}

fn no(path: impl Display, why: impl Display) -> Result<(), Refusal> {
    let sentence = format!("the pod template is refused: {path}: {why}");
    Err(Refusal::Malformed(text::head(&sentence)))
}
