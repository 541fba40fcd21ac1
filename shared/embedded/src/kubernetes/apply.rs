//! Server-side apply: the body says what its manager wants of an object, and no more.

use bytes::Bytes;
use http::Response;
use serde_json::Value;

use super::canonical;
use super::fields;
use super::json::text;
use super::machine::Machine;
use super::request::Call;
use super::schema::Place;
use super::status::Refusal;

impl Machine {
    /// Makes what is missing, or changes what is there.
    pub(super) fn apply(&mut self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let config = read(call)?;
        let old = match self.existing(call) {
            Err(missing) if !call.subresource.is_empty() => return Err(missing),
            old => old.ok(),
        };
        let force = call.query.flag("force");
        let mut new = self.writer(call).apply(old.as_deref(), &config, force)?;
        clear(&mut new);
        super::update::check_name(call, &new)?;
        let new = canonical::read(call, new)?;
        match old {
            Some(_) => self.update(call, new),
            None => {
                self.may_create(call)?;
                check_new(call, &new)?;
                self.make(call, new)
            }
        }
    }
}

/// Reads what is to be applied.
fn read(call: &Call<'_>) -> Result<Value, Refusal> {
    let kind = call.kind();
    let unreadable = |why: &dyn std::fmt::Display| Refusal::bad_request(format!("error decoding YAML: {why}"));
    let config: Value = match serde_json::from_slice(call.body) {
        Ok(config) => config,
        Err(_) => serde_saphyr::from_slice(call.body).map_err(|error| unreadable(&error))?,
    };
    if !config.is_object() {
        return Err(unreadable(&"the body is not an object"));
    }
    let (api_version, name) = (text(&config, "/apiVersion"), text(&config, "/kind"));
    if api_version != kind.api_version() || name != kind.kind {
        let full = if api_version.contains('/') {
            api_version.to_owned()
        } else {
            format!("/{api_version}")
        };
        return Err(Refusal::bad_request(format!(
            "invalid object type: {full}, Kind={name}"
        )));
    }
    if !config["metadata"]["managedFields"].is_null() {
        return Err(Refusal::bad_request("metadata.managedFields must be nil"));
    }
    let untyped = |why: String| {
        let place = format!(
            "{}/{}",
            text(&config, "/metadata/namespace"),
            text(&config, "/metadata/name")
        );
        let full = format!("{}/{}, Kind={}", kind.group, kind.version, kind.kind);
        Refusal::internal(format!("failed to create typed patch object ({place}; {full}): {why}"))
    };
    let unknown = canonical::unknown(kind, &config).map_err(|error| untyped(error.to_string()))?;
    if let Some(path) = unknown.first() {
        return Err(untyped(format!(".{path}: field not declared in schema")));
    }
    fields::repeated(Place::whole(kind.kind), &config).map_err(untyped)?;
    Ok(config)
}

/// A uid asks for an object that is there.
fn check_new(call: &Call<'_>, object: &Value) -> Result<(), Refusal> {
    match text(object, "/metadata/uid") {
        "" => Ok(()),
        uid => {
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            Err(Refusal::conflict(call.kind(), &call.name, &why))
        }
    }
}

/// Takes out every null: it stands for what is not there.
fn clear(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(clear);
        }
        Value::Array(items) => items.iter_mut().for_each(clear),
        _ => {}
    }
}
