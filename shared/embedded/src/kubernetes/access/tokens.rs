//! Tokens of service accounts: asked for by TokenRequest, and held against what they are bound to whenever one is shown.

use bytes::Bytes;
use http::{Response, StatusCode};
use jiff::SignedDuration;
use k8s_openapi::api::authentication::v1::TokenRequest;
use serde_json::{Value, json};

use super::super::json::{default, int, items, put, stamp, text};
use super::super::machine::Machine;
use super::super::objects::Key;
use super::super::registry::{KINDS, KindId, NODES, PODS, SECRETS, SERVICE_ACCOUNTS};
use super::super::request::Call;
use super::super::status::{Cause, Refusal, json_response};
use super::User;

/// Who signs tokens, and for whom they are unless somebody else is named.
const ISSUER: &str = "https://kubernetes.default.svc";
const GROUP: &str = "authentication.k8s.io";
/// Seconds that a token lives: least, most, and where none are asked for.
const SECONDS_MIN: i64 = 600;
const SECONDS_MAX: i64 = 1 << 32;
const SECONDS: i64 = 3_600;
/// Seconds that the clocks of others may be wrong by: a token is good for so long after its end.
const LEEWAY: i64 = 60;
/// What a token may be bound to.
const BINDABLE: [(&str, KindId); 3] = [("Pod", PODS), ("Secret", SECRETS), ("Node", NODES)];

impl Machine {
    /// The `token` subresource of an account.
    pub(in super::super) fn request_token(&mut self, call: &Call<'_>) -> Result<Response<Bytes>, Refusal> {
        let mut request = call.json()?;
        if !request.is_object() {
            return Err(Refusal::bad_request("the body is not a TokenRequest"));
        }
        default(&mut request, "/apiVersion", format!("{GROUP}/v1"));
        default(&mut request, "/kind", "TokenRequest");
        let request: TokenRequest =
            serde_json::from_value(request).map_err(|error| Refusal::bad_request(error.to_string()))?;
        let mut request = serde_json::to_value(request).map_err(|error| Refusal::internal(error.to_string()))?;
        for (field, own) in [("name", &call.name), ("namespace", &call.namespace)] {
            let given = text(&request, &format!("/metadata/{field}"));
            if !given.is_empty() && given != own.as_str() {
                let detail = format!("must match the service account {field} if specified");
                let cause = Cause::invalid(format!("metadata.{field}"), given, &detail);
                return Err(Refusal::invalid(GROUP, "TokenRequest", &call.name, &[cause]));
            }
            put(&mut request, &format!("/metadata/{field}"), own.as_str());
        }
        let account = self.existing(call)?;
        let (uid, asked) = (text(&account, "/metadata/uid"), text(&request, "/metadata/uid"));
        if !asked.is_empty() && asked != uid {
            let why =
                format!("the UID in the token request ({asked}) does not match the UID of the service account ({uid})");
            return Err(conflict(GROUP, "TokenRequest", &call.name, &why));
        }
        put(&mut request, "/metadata/uid", uid);
        put(&mut request, "/metadata/creationTimestamp", stamp(self.now));
        if items(&request, "/spec/audiences").is_empty() {
            put(&mut request, "/spec/audiences", json!([ISSUER]));
        }
        default(&mut request, "/spec/expirationSeconds", SECONDS);
        default(&mut request, "/spec/boundObjectRef", Value::Null);
        let seconds = int(&request, "/spec/expirationSeconds").unwrap_or(SECONDS);
        let wrong = match seconds {
            ..SECONDS_MIN => Some("may not specify a duration less than 10 minutes"),
            SECONDS_MIN..=SECONDS_MAX => None,
            _ => Some("may not specify a duration larger than 2^32 seconds"),
        };
        if let Some(detail) = wrong {
            let cause = Cause::invalid("spec.expirationSeconds", seconds, detail);
            return Err(Refusal::invalid(GROUP, "TokenRequest", "", &[cause]));
        }
        let longest = self.longest_token.map_or(SECONDS_MAX, i64::from);
        if seconds > longest {
            call.warn(format!(
                "requested expiration of {seconds} seconds shortened to {longest} seconds"
            ));
            put(&mut request, "/spec/expirationSeconds", longest);
        }
        let seconds = seconds.min(longest);
        let mut bound = json!({
            "namespace": call.namespace,
            "serviceaccount": {"name": call.name, "uid": uid},
        });
        self.bind_token(call, &request["spec"]["boundObjectRef"], &mut bound)?;
        let now = self.now.as_second();
        let claims = json!({
            "iss": ISSUER,
            "sub": super::account_username(&call.namespace, &call.name),
            "aud": request["spec"]["audiences"],
            "iat": now, "nbf": now, "exp": now.saturating_add(seconds),
            "jti": self.ids.uid(),
            "kubernetes.io": bound,
        });
        let until = self
            .now
            .saturating_add(SignedDuration::from_secs(seconds))
            .unwrap_or(self.now);
        let token = self.signer.sign(&claims);
        put(
            &mut request,
            "/status",
            json!({"token": token, "expirationTimestamp": stamp(until)}),
        );
        Ok(json_response(StatusCode::CREATED, &request))
    }

    /// Adds to the claims `bound` what a token's `boundObjectRef` names.
    fn bind_token(&self, call: &Call<'_>, reference: &Value, bound: &mut Value) -> Result<(), Refusal> {
        if reference.is_null() {
            return Ok(());
        }
        let (kind, api_version) = (text(reference, "/kind"), text(reference, "/apiVersion"));
        let found = BINDABLE
            .iter()
            .find(|(name, _)| *name == kind && matches!(api_version, "v1" | ""));
        let Some((_, id)) = found else {
            let place = match api_version.split_once('/') {
                Some(_) => api_version.to_owned(),
                None => format!("/{api_version}"),
            };
            let message = format!("cannot bind token to object of type {place}, Kind={kind}");
            return Err(Refusal::bad_request(message));
        };
        let name = text(reference, "/name");
        let object = self.bound_object(*id, &call.namespace, name);
        let object = object.ok_or_else(|| Refusal::not_found(&KINDS[*id], name))?;
        if *id == PODS && text(object, "/spec/serviceAccountName") != call.name {
            return Err(Refusal::bad_request(format!(
                "cannot bind token for serviceaccount {:?} to pod running with different serviceaccount name.",
                call.name
            )));
        }
        let (own, asked) = (text(object, "/metadata/uid"), text(reference, "/uid"));
        if !asked.is_empty() && asked != own {
            let why = format!(
                "the UID in the bound object reference ({asked}) does not match the UID in record. The object might have been \
                 deleted and then recreated"
            );
            return Err(conflict("", kind, name, &why));
        }
        bound[kind.to_ascii_lowercase()] = json!({"name": name, "uid": own});
        let node = text(object, "/spec/nodeName");
        if *id == PODS && !node.is_empty() {
            bound["node"] = json!({"name": node});
            if let Some(found) = self.bound_object(NODES, "", node) {
                bound["node"]["uid"] = found["metadata"]["uid"].clone();
            }
        }
        Ok(())
    }

    fn bound_object(&self, id: KindId, namespace: &str, name: &str) -> Option<&Value> {
        let namespace = if KINDS[id].namespaced { namespace } else { "" };
        self.objects.get(&Key::new(id, namespace, name)).map(AsRef::as_ref)
    }

    /// The account that a token speaks for, and for which of these audiences (none: this server's own) it is good.
    ///
    /// # Errors
    ///
    /// Why it is good for nobody, or no longer.
    pub(super) fn account_of(&self, token: &str, audiences: &[String]) -> Result<(User, Vec<String>), String> {
        let claims = self.signer.verify(token).ok_or("invalid bearer token")?;
        let wanted = match audiences {
            [] => vec![ISSUER.to_owned()],
            some => some.to_owned(),
        };
        let own: Vec<&str> = items(&claims, "/aud").iter().filter_map(Value::as_str).collect();
        let common: Vec<String> = own
            .iter()
            .filter(|one| wanted.iter().any(|other| other == *one))
            .map(|&one| one.to_owned())
            .collect();
        if common.is_empty() {
            return Err(format!(
                "[invalid bearer token, token audiences {} is invalid for the target audiences {}]",
                quoted(&own),
                quoted(&wanted)
            ));
        }
        let ended = int(&claims, "/exp").is_none_or(|until| self.now.as_second() > until.saturating_add(LEEWAY));
        if ended {
            return Err("[invalid bearer token, service account token has expired]".to_owned());
        }
        let bound = &claims["kubernetes.io"];
        let (namespace, name) = (text(bound, "/namespace"), text(bound, "/serviceaccount/name"));
        let parts = [("serviceaccount", SERVICE_ACCOUNTS)].into_iter();
        for (part, id) in parts.chain(BINDABLE) {
            // A pod's node is named for information alone.
            let named = &bound[part.to_ascii_lowercase()];
            if named.is_null() || (id == NODES && !bound["pod"].is_null()) {
                continue;
            }
            let object = self.bound_object(id, namespace, text(named, "/name"));
            if object.is_none_or(|object| text(object, "/metadata/uid") != text(named, "/uid")) {
                return Err("[invalid bearer token, service account token has been invalidated]".to_owned());
            }
        }
        let mut user = User::account(namespace, name, text(bound, "/serviceaccount/uid"));
        let mut tell = |key: &str, value: String| {
            if !value.is_empty() {
                user.extra
                    .insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
            }
        };
        tell("credential-id", format!("JTI={}", text(&claims, "/jti")));
        for kind in ["pod", "node"] {
            for field in ["name", "uid"] {
                tell(
                    &format!("{kind}-{field}"),
                    text(bound, &format!("/{kind}/{field}")).to_owned(),
                );
            }
        }
        Ok((user, common))
    }
}

/// A conflict about something that is no resource.
fn conflict(group: &str, kind: &str, name: &str, why: &str) -> Refusal {
    let qualified = match group {
        "" => kind.to_owned(),
        group => format!("{kind}.{group}"),
    };
    let message = format!("Operation cannot be fulfilled on {qualified} {name:?}: {why}");
    Refusal::new(StatusCode::CONFLICT, "Conflict", message).with(group, kind, name)
}

fn quoted(names: &[impl AsRef<str>]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("{:?}", name.as_ref())).collect();
    format!("[{}]", names.join(" "))
}
