//! The scale subresource: how many pods a workload has, apart from everything else about it.

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use serde_json::{Value, json};

use super::json::{int, keep, put, text};
use super::machine::Machine;
use super::objects::Key;
use super::request::Call;
use super::selectors::Selector;
use super::status::{Cause, Refusal, json_response};

const STRATEGIC: &str = "application/strategic-merge-patch+json";

impl Machine {
    pub(super) fn scale(&mut self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let old = self.existing(call)?;
        let scale = of(&old);
        let asked = match *call.method {
            Method::GET => return Ok(json_response(StatusCode::OK, &scale)),
            Method::PUT => call.json()?,
            // There are no lists in it, so that a strategic merge is a merge.
            Method::PATCH if call.content_type == STRATEGIC => {
                let mut merged = scale.clone();
                let patch =
                    serde_json::from_slice(call.body).map_err(|error| Refusal::bad_request(error.to_string()))?;
                json_patch::merge(&mut merged, &patch);
                merged
            }
            Method::PATCH => super::patch::apply(call, &scale)?,
            _ => return Err(Refusal::method_not_allowed()),
        };
        let replicas = match &asked["spec"]["replicas"] {
            Value::Null => 0,
            replicas => replicas
                .as_i64()
                .ok_or_else(|| Refusal::bad_request("spec.replicas is no whole number"))?,
        };
        if replicas < 0 {
            let cause = Cause::invalid("spec.replicas", replicas, "must be greater than or equal to 0");
            return Err(Refusal::invalid("autoscaling", "Scale", &call.name, &[cause]));
        }
        let version = text(&asked, "/metadata/resourceVersion");
        if !version.is_empty() && version != text(&old, "/metadata/resourceVersion") {
            let why = "the object has been modified; please apply your changes to the latest version and try again";
            return Err(Refusal::conflict(call.kind(), &call.name, why));
        }
        let mut scaled = Value::clone(&old);
        if int(&old, "/spec/replicas") != Some(replicas) {
            put(&mut scaled, "/spec/replicas", replicas);
            put(
                &mut scaled,
                "/metadata/generation",
                int(&old, "/metadata/generation").unwrap_or(0) + 1,
            );
        }
        if call.query.dry_run() || scaled == *old {
            return Ok(json_response(StatusCode::OK, &of(&scaled)));
        }
        let stored = self
            .objects
            .write(Key::new(call.id, &call.namespace, &call.name), scaled);
        Ok(json_response(StatusCode::OK, &of(&stored)))
    }
}

/// The scale of a workload.
fn of(workload: &Value) -> Value {
    let mut scale = json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {}, "spec": {},
        "status": { "replicas": int(workload, "/status/replicas").unwrap_or(0) },
    });
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        keep(workload, &mut scale, &format!("/metadata/{field}"));
    }
    if let Some(replicas) = int(workload, "/spec/replicas").filter(|replicas| *replicas != 0) {
        put(&mut scale, "/spec/replicas", replicas);
    }
    if let Some(selector) = Selector::of(&workload["spec"]["selector"]) {
        put(&mut scale, "/status/selector", selector.to_string());
    }
    scale
}
