//! POST: a new object, in the order of checks that kube-apiserver has.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::Value;

use super::canonical::{self, view};
use super::defaults;
use super::json::{cut, items, put, stamp, text};
use super::machine::Machine;
use super::objects::Key;
use super::registry::{CLUSTER_ROLES, JOBS, KindId, NAMESPACES, NODES, PODS, RESOURCE_QUOTAS, Service};
use super::request::Call;
use super::status::{Cause, Refusal, json_response};
use super::validation;
use super::workloads;
use super::writer::APPLY;

/// Longest beginning of a generated name.
const GENERATED_BASE_MAX: usize = 58;
/// Names tried before a generated one counts as taken.
const GENERATED_TRIES: usize = 8;

impl Machine {
    pub(super) fn create(&mut self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        if call.kind().namespaced && call.namespace.is_empty() {
            return Err(Refusal::method_not_allowed());
        }
        let object = canonical::read(call, call.json()?)?;
        self.make(call, object)
    }

    /// Makes an object where there is none: for POST, for PUT of kinds that may be made so, and for server-side apply.
    pub(super) fn make(&mut self, call: &Call<'_>, mut object: Value) -> Result<Response<Bytes>, Refusal> {
        let kind = call.kind();
        if !matches!(kind.service, Service::Full) {
            return Err(Refusal::not_simulated(&format!("creating {}", kind.qualified())));
        }
        check_place(call, &mut object)?;
        let asked_name = text(&object, "/metadata/name").to_owned();
        let namespace = match kind.namespaced {
            true => Some(self.check_namespace(kind, &call.namespace, &asked_name)?),
            false => None,
        };
        if !text(&object, "/metadata/resourceVersion").is_empty() {
            return Err(Refusal::internal(
                "resourceVersion should not be set on objects to be created",
            ));
        }
        let stored = self.store(call, namespace.as_deref(), object)?;
        Ok(json_response(StatusCode::CREATED, &view(&stored, call.shape)))
    }

    /// Makes an object as a controller does, which is admitted as anybody's.
    pub(super) fn make_for_controller(
        &mut self,
        id: KindId,
        namespace: &str,
        object: Value,
    ) -> Result<Arc<Value>, Refusal> {
        let call = Call::of_controller(id, namespace);
        let place = self.check_namespace(call.kind(), namespace, text(&object, "/metadata/name"))?;
        self.store(&call, Some(&place), object)
    }

    /// Names, fills in, checks, admits and stores a new object.
    fn store(&mut self, call: &Call<'_>, namespace: Option<&Value>, mut object: Value) -> Result<Arc<Value>, Refusal> {
        let name = self.name_for(call, &object)?;
        self.begin(call, &mut object, &name);
        self.prepare(call.id, &call.namespace, &mut object)?;
        self.give_address(call.id, None, &mut object, call.query.dry_run())?;
        // A node comes with what it has to give.
        if call.id != NODES {
            defaults::first_status(call.id, &mut object);
        }
        self.check_escalation(call, None, &object)?;
        validation::check(call.id, &object)?;
        for warning in self.admit(call.id, namespace, &object)? {
            call.warn(warning);
        }
        self.charge(call.id, &call.namespace, &object, !call.query.dry_run())?;
        let key = Key::new(call.id, &call.namespace, &name);
        if let Some(there) = self.objects.get(&key).map(Arc::clone) {
            // It was charged for before.
            self.count_soon(&call.namespace);
            return Err(match there["metadata"]["deletionTimestamp"].is_null() {
                true => Refusal::already_exists(call.kind(), &name),
                false => Refusal::still_exists(call.kind(), &name),
            });
        }
        Ok(match call.query.dry_run() {
            true => Arc::new(object),
            false => self.store_new(key, object),
        })
    }

    /// The name that a new object gets.
    fn name_for(&mut self, call: &Call<'_>, object: &Value) -> Result<String, Refusal> {
        let (name, base) = (text(object, "/metadata/name"), text(object, "/metadata/generateName"));
        if !name.is_empty() {
            return Ok(name.to_owned());
        }
        if base.is_empty() {
            let cause = Cause::required("metadata.name", "name or generateName is required");
            return Err(Refusal::invalid(call.kind().group, call.kind().kind, "", &[cause]));
        }
        let base: String = base.chars().take(GENERATED_BASE_MAX).collect();
        let mut name = String::new();
        for _ in 0..GENERATED_TRIES {
            name = format!("{base}{}", self.ids.suffix());
            if self.objects.get(&Key::new(call.id, &call.namespace, &name)).is_none() {
                break;
            }
        }
        Ok(name)
    }

    /// Gives a new object what the server decides.
    fn begin(&mut self, call: &Call<'_>, object: &mut Value, name: &str) {
        put(object, "/metadata/name", name);
        if call.kind().namespaced {
            put(object, "/metadata/namespace", call.namespace.as_str());
        }
        put(object, "/metadata/uid", self.ids.uid());
        put(object, "/metadata/creationTimestamp", stamp(self.now));
        cut(object, "/metadata/deletionTimestamp");
        cut(object, "/metadata/deletionGracePeriodSeconds");
        cut(object, "/metadata/selfLink");
        if call.kind().generation {
            put(object, "/metadata/generation", 1);
        }
        match call.id {
            JOBS => workloads::label_job(object),
            NODES => self.begin_node(object),
            _ => {}
        }
        defaults::fill(call.id, object);
        if call.content_type != APPLY {
            self.writer(call).record(None, object);
        }
        defaults::admit(call.id, object);
    }

    fn store_new(&mut self, key: Key, object: Value) -> Arc<Value> {
        self.exchange_address(key.id, None, Some(&object));
        let stored = self.objects.write(key.clone(), object);
        match key.id {
            NAMESPACES => self.furnish(&key.name),
            PODS => self.adopt_pod(&key, &stored),
            CLUSTER_ROLES => self.gather_rules(),
            RESOURCE_QUOTAS => self.count(&key.namespace),
            NODES => self.make_room(),
            _ => {}
        }
        if !items(&stored, "/metadata/ownerReferences").is_empty() {
            self.collect_soon([key]);
        }
        stored
    }
}

/// The namespace of an object is that of its path.
pub(super) fn check_place(call: &Call<'_>, object: &mut Value) -> Result<(), Refusal> {
    let given = text(object, "/metadata/namespace");
    if !given.is_empty() && given != call.namespace {
        let message = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::bad_request(message));
    }
    if call.kind().namespaced {
        put(object, "/metadata/namespace", call.namespace.as_str());
    }
    Ok(())
}
