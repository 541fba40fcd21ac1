//! What the API server fills in when an object is written (`pkg/apis/core/v1/defaults.go` and the admission plugins).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::access;
use super::json::{cut, default, int, items, items_mut, members, put, text};
use super::limits;
use super::network;
use super::quantity::milli;
use super::registry::{
    KINDS, KindId, LIMIT_RANGES, NAMESPACES, NETWORK_POLICIES, PERSISTENT_VOLUME_CLAIMS, PODS, REPLICA_SETS,
    RESOURCE_QUOTAS, SECRETS, SERVICES,
};
use super::services;
use super::status::Refusal;
use super::workloads;

/// Fields of a pod's specification that would change what the simulated node does, and that it does not know.
const POD_UNSIMULATED: &[&str] = &[
    "affinity",
    "ephemeralContainers",
    "hostNetwork",
    "initContainers",
    "overhead",
    "priorityClassName",
    "readinessGates",
    "resourceClaims",
    "runtimeClassName",
    "schedulingGates",
    "topologySpreadConstraints",
];
/// The same for containers.
const CONTAINER_UNSIMULATED: &[&str] = &["lifecycle", "restartPolicy", "volumeDevices"];
/// Kinds of volumes that a simulated node mounts.
const VOLUMES: &[&str] = &[
    "configMap",
    "downwardAPI",
    "emptyDir",
    "hostPath",
    "projected",
    "secret",
];

/// Fills in what a new or replaced object leaves out.
pub(super) fn fill(id: KindId, object: &mut Value) {
    match id {
        PODS => pod(object),
        SECRETS => secret(object),
        SERVICES => services::fill(object),
        NAMESPACES => {
            let name = text(object, "/metadata/name").to_owned();
            default(object, "/metadata/labels", json!({}));
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name.into();
        }
        LIMIT_RANGES => limits::fill(object),
        _ if access::is_rbac(&KINDS[id]) => access::fill(object),
        NETWORK_POLICIES => network::fill(object),
        _ => workloads::fill(id, object),
    }
}

/// The status that a new object starts with.
pub(super) fn first_status(id: KindId, object: &mut Value) {
    match id {
        PODS => put(
            object,
            "/status",
            json!({"phase": "Pending", "qosClass": quality(object)}),
        ),
        NAMESPACES => {
            let mut finalizers = items(object, "/spec/finalizers").to_vec();
            if finalizers.iter().all(|one| one != "kubernetes") {
                finalizers.push("kubernetes".into());
            }
            put(object, "/spec", json!({ "finalizers": finalizers }));
            put(object, "/status", json!({"phase": "Active"}));
        }
        SERVICES => put(object, "/status", json!({"loadBalancer": {}})),
        REPLICA_SETS => put(object, "/status", json!({"replicas": 0})),
        PERSISTENT_VOLUME_CLAIMS => put(object, "/status", json!({"phase": "Pending"})),
        _ if KINDS[id].has_status() => put(object, "/status", json!({})),
        _ => {}
    }
}

/// Refuses what would be stored but not acted on.
pub(super) fn check_simulated(id: KindId, object: &Value) -> Result<(), Refusal> {
    if id == RESOURCE_QUOTAS {
        limits::check_simulated(object)?;
    }
    if id == SERVICES && matches!(text(object, "/spec/type"), "NodePort" | "LoadBalancer") {
        return Err(Refusal::not_simulated(&format!(
            "a service of type {}",
            text(object, "/spec/type")
        )));
    }
    if id != PODS {
        return workloads::check_simulated(id, object);
    }
    let idle = |value: &Value| {
        value.is_null() || *value == false || *value == "" || value.as_array().is_some_and(Vec::is_empty)
    };
    let unsimulated = |field: &str| Err(Refusal::not_simulated(&format!("a pod with {field}")));
    if let Some(field) = POD_UNSIMULATED.iter().find(|field| !idle(&object["spec"][**field])) {
        return unsimulated(&format!("spec.{field}"));
    }
    if !matches!(text(object, "/spec/schedulerName"), "" | "default-scheduler") {
        return unsimulated("another scheduler");
    }
    for container in items(object, "/spec/containers") {
        if let Some(field) = CONTAINER_UNSIMULATED.iter().find(|field| !idle(&container[**field])) {
            return unsimulated(&format!("spec.containers[].{field}"));
        }
        if items(container, "/ports")
            .iter()
            .any(|port| int(port, "/hostPort").unwrap_or(0) != 0)
        {
            return unsimulated("a host port");
        }
    }
    for volume in items(object, "/spec/volumes") {
        let source = members(volume, "")
            .map(|(name, _)| name.as_str())
            .find(|name| *name != "name");
        if let Some(source) = source.filter(|source| !VOLUMES.contains(source)) {
            return unsimulated(&format!("a volume of kind {source}"));
        }
    }
    Ok(())
}

/// What admission gives an object. No manager owns it.
pub(super) fn admit(id: KindId, object: &mut Value) {
    if id != PODS {
        return;
    }
    if text(object, "/spec/serviceAccountName").is_empty() {
        put(object, "/spec/serviceAccountName", "default");
        put(object, "/spec/serviceAccount", "default");
    }
    default(object, "/spec/priority", 0);
    default(object, "/spec/preemptionPolicy", "PreemptLowerPriority");
    tolerations(object);
}

fn pod(object: &mut Value) {
    let account = match text(object, "/spec/serviceAccountName") {
        "" => text(object, "/spec/serviceAccount"),
        name => name,
    };
    if !account.is_empty() {
        let account = account.to_owned();
        put(object, "/spec/serviceAccountName", account.as_str());
        put(object, "/spec/serviceAccount", account);
    }
    default(object, "/spec/enableServiceLinks", true);
    template(object);
}

/// Fills in what the template of a pod leaves out too.
pub(super) fn template(object: &mut Value) {
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("securityContext", json!({})),
    ] {
        default(object, &format!("/spec/{field}"), value);
    }
    for container in items_mut(object, "/spec/containers") {
        self::container(container);
    }
    for volume in items_mut(object, "/spec/volumes") {
        for source in ["secret", "configMap", "projected", "downwardAPI"] {
            if volume.get(source).is_some_and(Value::is_object) {
                default(volume, &format!("/{source}/defaultMode"), 420);
            }
        }
        if volume.as_object().is_some_and(|members| members.len() == 1) {
            volume["emptyDir"] = json!({});
        }
    }
}

/// Every pod bears a node that is not ready or unreachable for five minutes.
fn tolerations(object: &mut Value) {
    default(object, "/spec/tolerations", json!([]));
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers = |one: &Value| {
            (text(one, "/key") == key || text(one, "/key").is_empty())
                && matches!(text(one, "/effect"), "" | "NoExecute")
        };
        if !items(object, "/spec/tolerations").iter().any(covers)
            && let Some(list) = object["spec"]["tolerations"].as_array_mut()
        {
            list.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
}

fn container(container: &mut Value) {
    let policy = if floats(text(container, "/image")) {
        "Always"
    } else {
        "IfNotPresent"
    };
    for (field, value) in [
        ("imagePullPolicy", json!(policy)),
        ("terminationMessagePath", json!("/dev/termination-log")),
        ("terminationMessagePolicy", json!("File")),
        ("resources", json!({})),
    ] {
        default(container, &format!("/{field}"), value);
    }
    for port in items_mut(container, "/ports") {
        default(port, "/protocol", "TCP");
    }
    let limits: Vec<(String, Value)> = members(container, "/resources/limits")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    for (name, limit) in limits {
        default(container, "/resources/requests", json!({}));
        let request = &mut container["resources"]["requests"][&name];
        if request.is_null() {
            *request = limit;
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if container.get(probe).is_some_and(Value::is_object) {
            let settings = [
                ("timeoutSeconds", 1),
                ("periodSeconds", 10),
                ("successThreshold", 1),
                ("failureThreshold", 3),
            ];
            for (field, value) in settings {
                default(container, &format!("/{probe}/{field}"), value);
            }
        }
    }
}

/// Whether an image reference may mean something else tomorrow: `latest`, or neither tag nor digest.
fn floats(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or("");
    !image.contains('@') && last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

/// The quality of service class, which the requests and limits of all containers decide.
fn quality(pod: &Value) -> &'static str {
    let amount = |container: &Value, part: &str, name: &str| {
        let quantity = container["resources"][part][name]
            .as_str()
            .and_then(|quantity| milli(quantity).ok());
        quantity.filter(|amount| *amount != 0)
    };
    let containers = items(pod, "/spec/containers");
    let each = |test: &dyn Fn(&Value, &str) -> bool| {
        containers
            .iter()
            .all(|container| ["cpu", "memory"].iter().all(|name| test(container, name)))
    };
    if each(&|container, name| {
        amount(container, "requests", name)
            .or(amount(container, "limits", name))
            .is_none()
    }) {
        return "BestEffort";
    }
    let even = |container: &Value, name: &str| {
        let limit = amount(container, "limits", name);
        limit.is_some() && limit == amount(container, "requests", name)
    };
    if each(&even) { "Guaranteed" } else { "Burstable" }
}

fn secret(object: &mut Value) {
    default(object, "/type", "Opaque");
    let Some(Value::Object(plain)) = cut(object, "/stringData") else {
        return;
    };
    for (name, value) in plain {
        default(object, "/data", json!({}));
        object["data"][name] = STANDARD.encode(value.as_str().unwrap_or("")).into();
    }
}
