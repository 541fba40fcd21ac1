//! DELETE and eviction: at once, after a grace, or once nothing holds the object.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::canonical::view;
use super::garbage::Propagation;
use super::json::{int, items, put, stamp, text};
use super::machine::Machine;
use super::objects::Key;
use super::registry::{NAMESPACES, PODS, Service};
use super::request::Call;
use super::status::{Cause, Refusal, json_response, success};

/// Body of a DELETE (`metav1.DeleteOptions`), or the same from its query.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DeleteOptions {
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
        let options = delete_options(call)?;
        let old = self.existing(call)?;
        if !matches!(kind.service, Service::Full) {
            return Err(Refusal::not_simulated(&format!("deleting {}", kind.qualified())));
        }
        if let Some(why) = unmet(call, &options, &old) {
            return Err(Refusal::conflict(kind, &call.name, &why));
        }
        let propagation = match (options.propagation_policy.as_deref(), options.orphan_dependents) {
            (None | Some("Background"), None | Some(false)) => Propagation::Background,
            (Some("Foreground"), None) => Propagation::Foreground,
            (Some("Orphan"), None) | (None, Some(true)) => Propagation::Orphan,
            (other, _) => {
                let supported = ["Foreground", "Background", "Orphan"];
                let cause = Cause::unsupported("propagationPolicy", other.unwrap_or(""), &supported);
                return Err(Refusal::invalid("meta.k8s.io", "DeleteOptions", "", &[cause]));
            }
        };
        let (last, gone) = match options.dry_run.is_empty() {
            true => {
                let key = Key::new(call.id, &call.namespace, &call.name);
                self.propagate(&key, propagation);
                self.retire(&key, options.grace_period_seconds).unwrap_or((old, true))
            }
            false => (old, true),
        };
        if gone && !kind.returns_deleted {
            let mut details = json!({"name": call.name, "kind": kind.plural, "uid": last["metadata"]["uid"]});
            if !kind.group.is_empty() {
                details["group"] = kind.group.into();
            }
            return Ok(json_response(StatusCode::OK, &success(Some(details), None)));
        }
        Ok(json_response(StatusCode::OK, &view(&last, call.shape)))
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
        let over =
            text(&old, "/spec/nodeName").is_empty() || matches!(text(&old, "/status/phase"), "Succeeded" | "Failed");
        let grace = match key.id {
            PODS if !over => grace
                .or_else(|| int(&old, "/spec/terminationGracePeriodSeconds"))
                .unwrap_or(30),
            _ => 0,
        };
        // A negative grace counts as one second.
        let grace = if grace < 0 { 1 } else { grace };
        let held = !items(&old, "/metadata/finalizers").is_empty();
        if grace == 0 && !held {
            return Some((self.remove(key).unwrap_or(old), true));
        }
        let shorter = int(&old, "/metadata/deletionGracePeriodSeconds").is_none_or(|known| grace < known);
        if deleting && !shorter {
            return Some((old, false));
        }
        let mut going = Value::clone(&old);
        let until = self
            .now
            .saturating_add(jiff::SignedDuration::from_secs(grace))
            .unwrap_or(self.now);
        put(&mut going, "/metadata/deletionTimestamp", stamp(until));
        put(&mut going, "/metadata/deletionGracePeriodSeconds", grace);
        if let Some(generation) = int(&old, "/metadata/generation").filter(|_| !deleting) {
            put(&mut going, "/metadata/generation", generation + 1);
        }
        let stored = self.objects.write(key.clone(), going);
        if key.id == PODS && !over {
            let uid = text(&old, "/metadata/uid").to_owned();
            self.stop_pod(&uid, &old, grace);
        }
        Some((stored, false))
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
        if let Some(why) = unmet(call, &options, &old) {
            return Err(Refusal::conflict(call.kind(), &call.name, &why));
        }
        if options.dry_run.is_empty() && !call.query.dry_run()? {
            self.retire(
                &Key::new(call.id, &call.namespace, &call.name),
                options.grace_period_seconds,
            );
        }
        Ok(json_response(
            StatusCode::CREATED,
            &success(None, Some(StatusCode::CREATED.as_u16())),
        ))
    }
}

fn delete_options(call: &Call<'_>) -> Result<DeleteOptions, Refusal> {
    let options = match call.body.is_empty() {
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
                dry_run: if call.query.dry_run()? {
                    vec!["All".to_owned()]
                } else {
                    Vec::new()
                },
            }
        }
    };
    if options.dry_run.iter().any(|one| one != "All") {
        let cause = Cause::unsupported("dryRun", &options.dry_run.join(","), &["All"]);
        return Err(Refusal::invalid("meta.k8s.io", "DeleteOptions", "", &[cause]));
    }
    Ok(options)
}

/// Which precondition of a delete does not hold. The registry of namespaces has its own words for it.
fn unmet(call: &Call<'_>, options: &DeleteOptions, old: &Value) -> Option<String> {
    let asked = options.preconditions.as_ref()?;
    let (uid, version) = (text(old, "/metadata/uid"), text(old, "/metadata/resourceVersion"));
    let namespace = call.id == NAMESPACES;
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
