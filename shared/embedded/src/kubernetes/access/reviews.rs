//! Questions about access: who asks, what they or others may do, and whose a token is. Nothing of them is stored.

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::super::canonical;
use super::super::json::{items, members, put, stamp, text};
use super::super::machine::Machine;
use super::super::request::Call;
use super::super::status::{Cause, Refusal, json_response};
use super::attributes::{Attributes, ResourceAttributes};
use super::{Decision, User};

impl Machine {
    /// Answers a question.
    pub(in super::super) fn review(&mut self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let mut answer = canonical::read(call, call.json()?)?;
        let status = match call.kind().plural {
            "selfsubjectreviews" => {
                put(&mut answer, "/metadata/creationTimestamp", stamp(self.now));
                json!({"userInfo": call.user.info()})
            }
            "selfsubjectrulesreviews" => self.rules_for(call, &answer)?,
            "tokenreviews" => self.review_token(&answer)?,
            _ => self.review_access(call, &answer)?,
        };
        put(&mut answer, "/status", status);
        Ok(json_response(StatusCode::CREATED, &answer))
    }

    /// Whether somebody may do something: whoever asks, or the user that the review names.
    fn review_access(&self, call: &Call<'_>, review: &Value) -> Result<Value, Refusal> {
        let kind = call.kind();
        let (resource, path) = (
            &review["spec"]["resourceAttributes"],
            &review["spec"]["nonResourceAttributes"],
        );
        let own = kind.plural == "selfsubjectaccessreviews";
        let mut causes = Vec::new();
        if resource.is_null() == path.is_null() {
            let (field, detail) = match path.is_null() {
                true => (
                    "spec.resourceAttributes",
                    "exactly one of nonResourceAttributes or resourceAttributes must be specified",
                ),
                false => (
                    "spec.nonResourceAttributes",
                    "cannot be specified in combination with resourceAttributes",
                ),
            };
            causes.push(Cause::invalid(field, path.clone(), detail));
        }
        let user = User {
            name: text(review, "/spec/user").to_owned(),
            uid: text(review, "/spec/uid").to_owned(),
            groups: items(review, "/spec/groups")
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            ..User::default()
        };
        if !own && user.name.is_empty() && user.groups.is_empty() {
            let detail = "at least one of user or group must be specified";
            causes.push(Cause::invalid("spec.user", "", detail));
        }
        let local = kind.plural == "localsubjectaccessreviews";
        if local && !resource.is_null() && text(resource, "/namespace") != call.namespace {
            let field = "spec.resourceAttributes.namespace";
            causes.push(Cause::invalid(
                field,
                text(resource, "/namespace"),
                "must match metadata.namespace",
            ));
        }
        if local && !path.is_null() {
            let detail = "disallowed on this kind of request";
            causes.push(Cause::invalid("spec.nonResourceAttributes", path.clone(), detail));
        }
        if members(review, "/metadata").any(|(name, _)| !local || name != "namespace") {
            let detail = if local {
                "must be empty except for namespace"
            } else {
                "must be empty"
            };
            causes.push(Cause::invalid("metadata", review["metadata"].clone(), detail));
        }
        if !causes.is_empty() {
            return Err(Refusal::invalid(kind.group, kind.kind, "", &causes));
        }
        let field = |attributes: &Value, name: &str| attributes[name].as_str().unwrap_or("").to_owned();
        let asked = match resource.is_null() {
            true => Attributes::Path {
                verb: field(path, "verb"),
                path: field(path, "path"),
            },
            false => Attributes::Resource(ResourceAttributes {
                verb: field(resource, "verb"),
                group: field(resource, "group"),
                resource: field(resource, "resource"),
                subresource: field(resource, "subresource"),
                namespace: field(resource, "namespace"),
                name: field(resource, "name"),
            }),
        };
        let decision = self.decide(if own { &call.user } else { &user }, &asked);
        Ok(match decision {
            Decision::Allowed(reason) if reason.is_empty() => json!({"allowed": true}),
            Decision::Allowed(reason) => json!({"allowed": true, "reason": reason}),
            Decision::Denied => json!({"allowed": false}),
        })
    }

    /// What whoever asks may do in a namespace.
    fn rules_for(&self, call: &Call<'_>, review: &Value) -> Result<Value, Refusal> {
        let namespace = text(review, "/spec/namespace");
        if namespace.is_empty() {
            return Err(Refusal::bad_request("no namespace on request"));
        }
        let rules: Vec<&Value> = self.grants(&call.user, namespace).map(|grant| grant.rule).collect();
        let with = |field: &str| -> Vec<&Value> {
            let found = rules
                .iter()
                .filter(|rule| !items(rule, &format!("/{field}")).is_empty());
            found.copied().collect()
        };
        Ok(json!({
            "resourceRules": with("resources"), "nonResourceRules": with("nonResourceURLs"), "incomplete": false,
        }))
    }

    /// Whose a token is.
    fn review_token(&self, review: &Value) -> Result<Value, Refusal> {
        let token = text(review, "/spec/token");
        if token.is_empty() {
            return Err(Refusal::bad_request(
                "token is required for TokenReview in authentication",
            ));
        }
        let audiences = items(review, "/spec/audiences").iter().filter_map(Value::as_str);
        let audiences: Vec<String> = audiences.map(str::to_owned).collect();
        Ok(match self.account_of(token, &audiences) {
            Ok((user, audiences)) => json!({"authenticated": true, "user": user.info(), "audiences": audiences}),
            Err(error) => json!({"user": {}, "error": error}),
        })
    }
}
