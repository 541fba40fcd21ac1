//! What a pod is given of its account: its pull secrets, and a token where it does not decline one.

use serde_json::{Value, json};

use super::super::json::{flag, items, items_mut, put, text};
use super::super::machine::Machine;
use super::super::objects::Key;
use super::super::registry::{KINDS, PODS, SERVICE_ACCOUNTS};
use super::super::status::Refusal;

const VOLUME: &str = "kube-api-access-";
const PLACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Seconds that a mounted token lives.
const SECONDS: i64 = 3_607;

impl Machine {
    /// Looks a new pod's account up, and gives the pod what comes with it.
    ///
    /// # Errors
    ///
    /// When there is no such account.
    pub(in super::super) fn use_account(&mut self, namespace: &str, pod: &mut Value) -> Result<(), Refusal> {
        let name = text(pod, "/spec/serviceAccountName");
        let Some(account) = self.objects.get(&Key::new(SERVICE_ACCOUNTS, namespace, name)) else {
            let why = format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found");
            return Err(Refusal::forbidden(&KINDS[PODS], text(pod, "/metadata/name"), &why));
        };
        let pull_secrets = items(account, "/imagePullSecrets");
        if items(pod, "/spec/imagePullSecrets").is_empty() && !pull_secrets.is_empty() {
            put(pod, "/spec/imagePullSecrets", pull_secrets.to_vec());
        }
        let wanted = flag(pod, "/spec/automountServiceAccountToken");
        if wanted
            .or(flag(account, "/automountServiceAccountToken"))
            .unwrap_or(true)
        {
            let suffix = self.ids.suffix();
            mount(pod, &format!("{VOLUME}{suffix}"));
        }
        Ok(())
    }
}

/// Mounts a token into every container that has nothing at its place.
fn mount(pod: &mut Value, fresh: &str) {
    let volumes = items(pod, "/spec/volumes").iter().map(|volume| text(volume, "/name"));
    let known = volumes
        .into_iter()
        .find(|name| name.starts_with(VOLUME))
        .map(str::to_owned);
    let name = known.as_deref().unwrap_or(fresh);
    let mut mounted = false;
    for part in ["initContainers", "containers"] {
        for container in items_mut(pod, &format!("/spec/{part}")) {
            if items(container, "/volumeMounts")
                .iter()
                .all(|mount| text(mount, "/mountPath") != PLACE)
            {
                push(
                    container,
                    "volumeMounts",
                    json!({"name": name, "readOnly": true, "mountPath": PLACE}),
                );
                mounted = true;
            }
        }
    }
    if mounted && known.is_none() {
        push(&mut pod["spec"], "volumes", volume(name));
    }
}

fn volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": SECONDS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
        ]}},
    ]}})
}

/// Adds to a list, which it makes where there is none.
fn push(object: &mut Value, field: &str, element: Value) {
    match object[field].as_array_mut() {
        Some(list) => list.push(element),
        None => object[field] = json!([element]),
    }
}
