//! DELETE and eviction: at once, after a grace, or once nothing holds the object.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::canonical::view;
use super::garbage::{Propagation, marked};
use super::json::{int, items, put, stamp, text};
use super::machine::Machine;
use super::objects::Key;
use super::options;
use super::pod_status;
use super::registry::{JOBS, NAMESPACES, PODS, Service};
use super::request::Call;
use super::status::{Cause, Refusal, json_response, success};

/// Namespaces that stay.
const IMMORTAL: [&str; 3] = ["default", "kube-public", "kube-system"];

/// Body of a DELETE (`metav1.DeleteOptions`), or the same from its query.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct DeleteOptions {
    grace_period_seconds: Option<i64>,
    preconditions: Option<Preconditions>,
    propagation_policy: Option<String>,
    orphan_dependents: Option<bool>,
    dry_run: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Preconditions {
    uid: Option<String>,
    resource_version: Option<String>,
}

impl Machine {
    pub(super) fn delete(&mut self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let kind = call.kind();
        let options = DeleteOptions::read(call)?;
        let old = self.existing(call)?;
        if !matches!(kind.service, Service::Full) {
            return Err(Refusal::not_simulated(&format!("deleting {}", kind.qualified())));
        }
        let key = Key::new(call.id, &call.namespace, &call.name);
        let (last, gone) = self.delete_one(&key, &old, &options)?;
        if gone && !kind.returns_deleted {
            let mut details = json!({"name": call.name, "kind": kind.plural, "uid": last["metadata"]["uid"]});
            if !kind.group.is_empty() {
                details["group"] = kind.group.into();
            }
            return Ok(json_response(StatusCode::OK, &success(Some(details), None)));
        }
        Ok(json_response(StatusCode::OK, &view(&last, call.shape)))
    }

    /// Deletes `old`, which is at `key`, as far as its options let it. Gives its last state, and whether it is gone.
    pub(super) fn delete_one(
        &mut self,
        key: &Key,
        old: &Arc<Value>,
        options: &DeleteOptions,
    ) -> Result<(Arc<Value>, bool), Refusal> {
        let kind = key.kind();
        if key.id == NAMESPACES && IMMORTAL.contains(&key.name.as_str()) {
            return Err(Refusal::forbidden(kind, &key.name, "this namespace may not be deleted"));
        }
        if let Some(why) = unmet(key, options, old) {
            return Err(match key.id {
                NAMESPACES => Refusal::conflict(kind, &key.name, &why),
                _ => Refusal::unmet(kind, &key.name, &why),
            });
        }
        if !options.dry_run.is_empty() {
            return Ok(self.preview(key, old, options));
        }
        self.propagate(key, options.propagation(key));
        Ok(self
            .retire(key, options.grace_period_seconds)
            .unwrap_or_else(|| (Arc::clone(old), true)))
    }

    /// What a delete would make of an object, and whether it would be gone.
    fn preview(&self, key: &Key, old: &Arc<Value>, options: &DeleteOptions) -> (Arc<Value>, bool) {
        if key.id == NAMESPACES {
            return (Arc::new(self.terminating(old)), false);
        }
        let grace = grace_of(key, old, options.grace_period_seconds);
        let marked = marked(old, options.propagation(key));
        let held = grace > 0 || !items(&marked, "/metadata/finalizers").is_empty();
        match held && text(old, "/metadata/deletionTimestamp").is_empty() {
            true => (Arc::new(self.leaving(&marked, grace)), false),
            false => (Arc::clone(old), !held),
        }
    }

    /// Deletes an object as its kind demands: at once, after its grace, or once its finalizers are done.
    ///
    /// Gives its last state, and whether it is gone.
    pub(super) fn retire(&mut self, key: &Key, grace: Option<i64>) -> Option<(Arc<Value>, bool)> {
        let old = self.objects.get(key).map(Arc::clone)?;
        let deleting = !text(&old, "/metadata/deletionTimestamp").is_empty();
        if key.id == NAMESPACES {
            let state = if deleting { old } else { self.end_namespace(key)? };
            return Some((state, false));
        }
        let grace = grace_of(key, &old, grace);
        let held = !items(&old, "/metadata/finalizers").is_empty();
        if grace == 0 && !held {
            let last = self.remove(key).unwrap_or(old);
            return Some(match key.id {
                PODS => (Arc::new(self.leaving(&last, 0)), true),
                _ => (last, true),
            });
        }
        let shorter = int(&old, "/metadata/deletionGracePeriodSeconds").is_none_or(|known| grace < known);
        if deleting && !shorter {
            return Some((old, false));
        }
        let stored = self.objects.write(key.clone(), self.leaving(&old, grace));
        if key.id == PODS && !is_over(&old) {
            let uid = text(&old, "/metadata/uid").to_owned();
            self.stop_pod(&uid, &old, grace);
        }
        Some((stored, false))
    }

    /// The object as it is while it is being deleted.
    fn leaving(&self, old: &Value, grace: i64) -> Value {
        let mut going = old.clone();
        let until = self
            .now
            .saturating_add(jiff::SignedDuration::from_secs(grace))
            .unwrap_or(self.now);
        let deleting = !text(old, "/metadata/deletionTimestamp").is_empty();
        put(&mut going, "/metadata/deletionTimestamp", stamp(until));
        put(&mut going, "/metadata/deletionGracePeriodSeconds", grace);
        if let Some(generation) = int(old, "/metadata/generation").filter(|_| !deleting) {
            put(&mut going, "/metadata/generation", generation + 1);
        }
        going
    }

    /// The eviction subresource. There are no disruption budgets, so it is a delete.
    pub(super) fn evict_pod(&mut self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let body = call.json()?;
        let old = self.existing(call)?;
        let options: DeleteOptions = match &body["deleteOptions"] {
            Value::Null => DeleteOptions::default(),
            options => {
                serde_json::from_value(options.clone()).map_err(|error| Refusal::bad_request(error.to_string()))?
            }
        };
        let key = Key::new(call.id, &call.namespace, &call.name);
        if text(&body, "/metadata/name") != call.name {
            return Err(Refusal::bad_request(
                "name in URL does not match name in Eviction object",
            ));
        }
        if let Some(why) = unmet(&key, &options, &old) {
            return Err(Refusal::unmet(call.kind(), &call.name, &why));
        }
        if options.dry_run.is_empty() && !call.query.dry_run() {
            self.mark_evicted(&key, &old);
            self.retire(&key, options.grace_period_seconds);
        }
        Ok(json_response(
            StatusCode::CREATED,
            &success(None, Some(StatusCode::CREATED.as_u16())),
        ))
    }
}

impl Machine {
    /// Says of a pod that it is about to be evicted.
    fn mark_evicted(&mut self, key: &Key, pod: &Value) {
        let why = Some(("EvictionByEvictionAPI", "Eviction API: evicting"));
        let condition = pod_status::condition(pod, self.now, "DisruptionTarget", true, why);
        let others = items(pod, "/status/conditions")
            .iter()
            .filter(|one| text(one, "/type") != "DisruptionTarget");
        let conditions: Vec<Value> = others.cloned().chain([condition]).collect();
        let mut marked = pod.clone();
        put(&mut marked, "/status/conditions", conditions);
        self.objects.write(key.clone(), marked);
    }
}

impl DeleteOptions {
    /// The options in the body of a DELETE, or without one those in its query.
    pub(super) fn read(call: &Call<'_>) -> Result<DeleteOptions, Refusal> {
        let options: DeleteOptions = match call.body.is_empty() {
            false => serde_json::from_value(call.json()?).map_err(|error| Refusal::bad_request(error.to_string()))?,
            true => {
                let (policy, orphan) = (
                    call.query.text("propagationPolicy"),
                    call.query.text("orphanDependents"),
                );
                DeleteOptions {
                    grace_period_seconds: call
                        .query
                        .number("gracePeriodSeconds")?
                        .and_then(|grace| i64::try_from(grace).ok()),
                    preconditions: None,
                    propagation_policy: Some(policy.to_owned()).filter(|policy| !policy.is_empty()),
                    orphan_dependents: (!orphan.is_empty()).then(|| call.query.flag("orphanDependents")),
                    dry_run: call.query.all("dryRun").map(str::to_owned).collect(),
                }
            }
        };
        let causes: Vec<Cause> = [options.bad_policy(), options::bad_dry_run(&options.dry_run)]
            .into_iter()
            .flatten()
            .collect();
        match causes.is_empty() {
            true => Ok(options),
            false => Err(Refusal::invalid_option("DeleteOptions", &causes)),
        }
    }

    fn bad_policy(&self) -> Option<Cause> {
        let field = "propagationPolicy";
        let policy = self.propagation_policy.as_deref()?;
        if self.orphan_dependents.is_some() {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            return Some(Cause::invalid(field, policy, detail));
        }
        let known = ["Foreground", "Background", "Orphan", "nil"];
        (!known[..3].contains(&policy)).then(|| Cause::unsupported(field, policy, &known))
    }

    fn propagation(&self, key: &Key) -> Propagation {
        match (self.propagation_policy.as_deref(), self.orphan_dependents) {
            // What a Job has made stays unless it is asked otherwise, as it always has.
            (None, None) if key.id == JOBS => Propagation::Orphan,
            (Some("Foreground"), _) => Propagation::Foreground,
            (Some("Orphan"), _) | (_, Some(true)) => Propagation::Orphan,
            _ => Propagation::Background,
        }
    }
}

/// Whether a pod has no node that would have to end it.
fn is_over(pod: &Value) -> bool {
    text(pod, "/spec/nodeName").is_empty() || matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// How long an object stays after it was deleted, in seconds. A negative wish counts as one second.
fn grace_of(key: &Key, object: &Value, wish: Option<i64>) -> i64 {
    let grace = match key.id {
        PODS if !is_over(object) => wish
            .or_else(|| int(object, "/spec/terminationGracePeriodSeconds"))
            .unwrap_or(30),
        _ => 0,
    };
    if grace < 0 { 1 } else { grace }
}

/// Which precondition of a delete does not hold. The registry of namespaces has its own words for it.
fn unmet(key: &Key, options: &DeleteOptions, old: &Value) -> Option<String> {
    let asked = options.preconditions.as_ref()?;
    let (uid, version) = (text(old, "/metadata/uid"), text(old, "/metadata/resourceVersion"));
    let namespace = key.id == NAMESPACES;
    if let Some(other) = asked.uid.as_deref().filter(|other| *other != uid) {
        return Some(match namespace {
            true => format!("Precondition failed: UID in precondition: {other}, UID in object meta: {uid}"),
            false => format!(
                "the UID in the precondition ({other}) does not match the UID in record ({uid}). The object might have been \
                 deleted and then recreated"
            ),
        });
    }
    let other = asked.resource_version.as_deref().filter(|other| *other != version)?;
    Some(match namespace {
        true => format!(
            "Precondition failed: ResourceVersion in precondition: {other}, ResourceVersion in object meta: {version}"
        ),
        false => format!(
            "the ResourceVersion in the precondition ({other}) does not match the ResourceVersion in record ({version}). The \
             object might have been modified"
        ),
    })
}
