//! The binding subresource: a scheduler that is not the simulated one gives a pod its node.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::json::text;
use super::machine::Machine;
use super::request::Call;
use super::status::{Cause, Refusal, json_response, success};

impl Machine {
    pub(super) fn bind_pod(&mut self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let binding = call.json()?;
        let (kind, node) = (text(&binding, "/target/kind"), text(&binding, "/target/name"));
        if !matches!(kind, "" | "Node") {
            let cause = Cause::unsupported("target.kind", kind, &["Node", "<empty>"]);
            return Err(Refusal::unexplained(&cause));
        }
        if node.is_empty() {
            return Err(Refusal::unexplained(&Cause::required("target.name", "")));
        }
        let pod = self.existing(call)?;
        let known = text(&pod, "/spec/nodeName");
        let ending = !pod["metadata"]["deletionTimestamp"].is_null();
        let problem = match (known, ending) {
            (_, true) => Some(format!(
                "pod {} is being deleted, cannot be assigned to a host",
                call.name
            )),
            ("", _) => None,
            _ => Some(format!("pod {} is already assigned to node {known:?}", call.name)),
        };
        if let Some(why) = problem {
            return Err(Refusal::conflict_of("pods/binding", &call.name, &why));
        }
        if !call.query.dry_run() {
            self.assign(text(&pod, "/metadata/uid"), node);
        }
        Ok(json_response(
            StatusCode::CREATED,
            &success(None, Some(StatusCode::CREATED.as_u16())),
        ))
    }
}
