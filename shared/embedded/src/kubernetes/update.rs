//! PUT and PATCH: an object in the place of the stored one.

use std::num::IntErrorKind;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::Value;

use super::canonical::{self, view};
use super::create::check_place;
use super::defaults;
use super::json::{int, items, keep, put, text};
use super::machine::Machine;
use super::managers;
use super::namespaces::is_finalized;
use super::objects::Key;
use super::registry::{CLUSTER_ROLES, DEPLOYMENTS, KindId, NAMESPACES, NODES, PODS, RESOURCE_QUOTAS};
use super::request::Call;
use super::status::{Cause, Refusal, json_response};
use super::validation;
use super::writer::APPLY;

impl Machine {
    pub(super) fn replace(&mut self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let new = canonical::read(call, call.json()?)?;
        let key = Key::new(call.id, &call.namespace, &call.name);
        let creates = call.kind().creates_on_update && call.subresource.is_empty();
        if creates && self.objects.get(&key).is_none() {
            check_name(call, &new)?;
            self.may_create(call)?;
            return self.make(call, new);
        }
        self.update(call, new)
    }

    pub(super) fn patch(&mut self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        if call.content_type == APPLY {
            return self.apply(call);
        }
        let old = self.existing(call)?;
        let new = super::patch::apply(call, &old)?;
        let new = canonical::read(call, new)?;
        self.update(call, new)
    }

    /// The object that a call names.
    pub(super) fn existing(&self, call: &Call<'_>) -> Result<Arc<Value>, Refusal> {
        let key = Key::new(call.id, &call.namespace, &call.name);
        self.objects
            .get(&key)
            .map(Arc::clone)
            .ok_or_else(|| Refusal::not_found(call.kind(), &call.name))
    }

    /// Puts `new` in the place of what is stored, as far as it may change it.
    pub(super) fn update(&mut self, call: &Call<'_>, mut new: Value) -> Result<Response<Bytes>, Refusal> {
        let kind = call.kind();
        let old = self.existing(call)?;
        check_place(call, &mut new)?;
        check_identity(call, &old, &new)?;
        for field in [
            "uid",
            "creationTimestamp",
            "deletionTimestamp",
            "deletionGracePeriodSeconds",
            "generation",
            "namespace",
        ] {
            keep(&old, &mut new, &format!("/metadata/{field}"));
        }
        if call.subresource == "status" {
            keep_but_status(call.id, &old, &mut new);
        } else {
            if kind.has_status() {
                keep(&old, &mut new, "/status");
            }
            if call.id == NAMESPACES {
                keep(&old, &mut new, "/spec");
            }
            defaults::fill(call.id, &mut new);
            defaults::admit(call.id, &mut new);
            self.give_address(call.id, Some(&old), &mut new, call.query.dry_run())?;
            self.check_escalation(call, Some(&old), &new)?;
            validation::check(call.id, &new)?;
            validation::check_update(call.id, &old, &new)?;
            for warning in self.admit_change(&Key::new(call.id, &call.namespace, &call.name), &old, &new)? {
                call.warn(warning);
            }
            if kind.generation && old["spec"] != new["spec"] {
                put(
                    &mut new,
                    "/metadata/generation",
                    int(&old, "/metadata/generation").unwrap_or(0) + 1,
                );
            }
        }
        keep(&old, &mut new, "/metadata/resourceVersion");
        if call.content_type == APPLY {
            managers::keep_times(&old, &mut new);
        } else {
            self.writer(call).record(Some(&old), &mut new);
        }
        let unchanged = *old == new;
        let stored = match unchanged || call.query.dry_run() {
            true => Arc::new(new),
            false => {
                self.exchange_address(call.id, Some(&old), Some(&new));
                self.settle(Key::new(call.id, &call.namespace, &call.name), new)
            }
        };
        if call.id == PODS && call.subresource == "status" {
            self.mind_pod(&stored);
        }
        match call.id {
            NODES if !unchanged => self.mind_node(&call.name),
            CLUSTER_ROLES if !unchanged => self.gather_rules(),
            PODS | RESOURCE_QUOTAS if !unchanged => self.count_soon(&call.namespace),
            _ => {}
        }
        Ok(json_response(StatusCode::OK, &view(&stored, call.shape)))
    }

    /// Stores a changed object; one that is deleted and that nothing holds any more is removed instead.
    pub(super) fn settle(&mut self, key: Key, object: Value) -> Arc<Value> {
        let deleted = !text(&object, "/metadata/deletionTimestamp").is_empty();
        let graceful = int(&object, "/metadata/deletionGracePeriodSeconds").unwrap_or(0) > 0;
        let free = items(&object, "/metadata/finalizers").is_empty();
        let done = if key.id == NAMESPACES {
            is_finalized(&object)
        } else {
            deleted && !graceful
        };
        if key.id == NAMESPACES && done && free {
            self.ending.remove(&key.name);
        }
        let stored = self.objects.write(key.clone(), object);
        if done && free {
            self.remove(&key);
        }
        stored
    }
}

/// A status is written with the labels and annotations beside it, and without anything else. Labels that decide whose an
/// object is stay as they are too.
fn keep_but_status(id: KindId, old: &Value, new: &mut Value) {
    let is_kept = |field: &&String| !matches!(field.as_str(), "metadata" | "status");
    let members = [old, new].into_iter().filter_map(Value::as_object);
    let fields: Vec<String> = members
        .flat_map(|object| object.keys().filter(is_kept).cloned())
        .collect();
    for field in fields {
        keep(old, new, &format!("/{field}"));
    }
    match id {
        PODS => keep(old, new, "/metadata/ownerReferences"),
        DEPLOYMENTS => keep(old, new, "/metadata/labels"),
        _ => {}
    }
    let address = text(new, "/status/podIP").to_owned();
    if id == PODS && !address.is_empty() && address != text(old, "/status/podIP") {
        put(new, "/status/podIPs", serde_json::json!([{ "ip": address }]));
    }
}

/// An update names the object that its path names.
pub(super) fn check_name(call: &Call<'_>, new: &Value) -> Result<(), Refusal> {
    let (named, path) = (text(new, "/metadata/name"), &call.name);
    let message = match named {
        named if named == path => return Ok(()),
        "" => format!("the name of the object ({path} based on URL) was undeterminable: name must be provided"),
        named => format!("the name of the object ({named}) does not match the name on the URL ({path})"),
    };
    Err(Refusal::bad_request(message))
}

/// An update is of the object and of the version that its writer saw.
pub(super) fn check_identity(call: &Call<'_>, old: &Value, new: &Value) -> Result<(), Refusal> {
    check_name(call, new)?;
    let kind = call.kind();
    let (version, uid) = (text(new, "/metadata/resourceVersion"), text(new, "/metadata/uid"));
    let own_uid = text(old, "/metadata/uid");
    if version.is_empty() && !kind.unconditional && call.method == Method::PUT {
        let cause = Cause::invalid("metadata.resourceVersion", 0, "must be specified for an update");
        return Err(Refusal::invalid(kind.group, kind.kind, &call.name, &[cause]));
    }
    if !uid.is_empty() && uid != own_uid && call.method == Method::PATCH {
        let cause = Cause::invalid("metadata.uid", uid, "field is immutable");
        return Err(Refusal::invalid(kind.group, kind.kind, &call.name, &[cause]));
    }
    if !uid.is_empty() && uid != own_uid {
        let place = [kind.plural, &call.namespace, &call.name]
            .into_iter()
            .filter(|part| !part.is_empty());
        let key = format!("/registry/{}", place.collect::<Vec<_>>().join("/"));
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: \
             UID in precondition: {uid}, UID in object meta: {own_uid}"
        );
        return Err(Refusal::conflict(kind, &call.name, &why));
    }
    if let Err(error) = version.parse::<u64>()
        && *error.kind() == IntErrorKind::InvalidDigit
    {
        let message = format!("strconv.ParseUint: parsing {version:?}: invalid syntax");
        return Err(Refusal::internal(message));
    }
    if !version.is_empty() && version != text(old, "/metadata/resourceVersion") {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        return Err(Refusal::conflict(kind, &call.name, why));
    }
    Ok(())
}
