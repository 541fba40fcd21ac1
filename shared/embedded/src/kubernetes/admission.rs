//! Admission of what is created, in the order that the real server has its plugins in.

use serde_json::Value;

use super::defaults;
use super::json::{items, text};
use super::limits;
use super::machine::Machine;
use super::objects::Key;
use super::registry::{KINDS, KindId, LIMIT_RANGES, NAMESPACES, PERSISTENT_VOLUME_CLAIMS, PODS};
use super::security;
use super::status::Refusal;

impl Machine {
    /// Gives a new object what the rules of its namespace add to it.
    pub(super) fn prepare(&mut self, id: KindId, namespace: &str, object: &mut Value) -> Result<(), Refusal> {
        if id != PODS {
            return Ok(());
        }
        for (_, range) in self.objects.list(LIMIT_RANGES, namespace) {
            limits::give(range, object);
        }
        self.use_account(namespace, object)
    }

    /// Refuses a new object that its namespace does not let in, or lets it in with warnings.
    pub(super) fn admit(&self, id: KindId, namespace: Option<&Value>, object: &Value) -> Result<Vec<String>, Refusal> {
        defaults::check_simulated(id, object)?;
        if id == NAMESPACES {
            security::check_labels(object)?;
        }
        match namespace {
            Some(namespace) => {
                self.check_limits(id, text(namespace, "/metadata/name"), object)?;
                secure(id, namespace, object)
            }
            None => Ok(Vec::new()),
        }
    }

    fn check_limits(&self, id: KindId, namespace: &str, object: &Value) -> Result<(), Refusal> {
        if !matches!(id, PODS | PERSISTENT_VOLUME_CLAIMS) {
            return Ok(());
        }
        let ranges = self.objects.list(LIMIT_RANGES, namespace);
        match ranges.into_iter().find_map(|(_, range)| limits::check(range, object)) {
            Some(why) => Err(Refusal::forbidden(&KINDS[id], text(object, "/metadata/name"), &why)),
            None => Ok(()),
        }
    }

    /// The same of a change.
    pub(super) fn admit_change(&self, key: &Key, old: &Value, new: &Value) -> Result<Vec<String>, Refusal> {
        defaults::check_simulated(key.id, new)?;
        if key.id == NAMESPACES {
            if old["metadata"]["labels"] == new["metadata"]["labels"] {
                return Ok(Vec::new());
            }
            security::check_labels(new)?;
            let pods = self.objects.list(PODS, &key.name).map(|(_, pod)| pod.as_ref());
            return Ok(security::tightened(old, new, pods));
        }
        if key.id == PODS && images(old) == images(new) {
            return Ok(Vec::new());
        }
        match self.objects.get(&Key::new(NAMESPACES, "", &key.namespace)) {
            Some(namespace) => secure(key.id, namespace, new),
            None => Ok(Vec::new()),
        }
    }
}

/// Pod security: of a pod what is enforced and what is warned of, of what has a template of pods the latter.
fn secure(id: KindId, namespace: &Value, object: &Value) -> Result<Vec<String>, Refusal> {
    let pod = match id {
        PODS => object,
        _ if object["spec"]["template"]["spec"].is_object() => &object["spec"]["template"],
        _ => return Ok(Vec::new()),
    };
    if let Some(broken) = security::violation(namespace, "enforce", pod).filter(|_| id == PODS) {
        let (kind, name) = (&KINDS[id], text(object, "/metadata/name"));
        return Err(Refusal::forbidden(kind, name, &format!("violates {broken}")));
    }
    let warning = security::violation(namespace, "warn", pod);
    Ok(warning
        .map(|broken| format!("would violate {broken}"))
        .into_iter()
        .collect())
}

fn images(pod: &Value) -> Vec<&str> {
    let of = |part: &str| items(pod, part).iter().map(|container| text(container, "/image"));
    of("/spec/initContainers").chain(of("/spec/containers")).collect()
}
