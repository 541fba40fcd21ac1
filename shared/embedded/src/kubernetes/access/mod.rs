//! Who asks, and what they may do: bearer tokens, impersonation and roles, in the words of the real server
//! (`k8s.io/apiserver`'s authentication and authorization, `plugin/pkg/auth/authorizer/rbac`).

mod attributes;
mod bootstrap;
mod defaults;
mod escalation;
mod grants;
mod impersonation;
mod jwt;
mod mounts;
mod reviews;
mod rules;
mod tokens;
mod validation;

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use serde_json::{Map, Value, json};

use self::attributes::{Attributes, ResourceAttributes};
use super::ids;
use super::machine::Machine;
use super::request::Call;
use super::status::Refusal;

pub(super) use defaults::{fill, is_rbac};
pub(super) use jwt::Signer;
pub(super) use validation::{changed_role, check};

/// Whoever is in this group may do everything, whatever the roles say.
const MASTERS: &str = "system:masters";
const AUTHENTICATED: &str = "system:authenticated";

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct User {
    name: String,
    /// Empty for those that are no objects.
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// Who may do everything.
    pub(super) fn admin() -> User {
        User {
            name: "admin".to_owned(),
            groups: vec![MASTERS.to_owned(), AUTHENTICATED.to_owned()],
            ..User::default()
        }
    }

    /// The account of this name, as an object of this uid.
    fn account(namespace: &str, name: &str, uid: &str) -> User {
        let mut groups = account_groups(namespace);
        groups.push(AUTHENTICATED.to_owned());
        User {
            name: account_username(namespace, name),
            uid: uid.to_owned(),
            groups,
            extra: BTreeMap::new(),
        }
    }

    fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == MASTERS)
    }

    /// As `authentication.k8s.io` shows it.
    fn info(&self) -> Value {
        let mut info = Map::from_iter([("username".to_owned(), json!(self.name))]);
        for (field, value, absent) in [
            ("uid", json!(self.uid), self.uid.is_empty()),
            ("groups", json!(self.groups), self.groups.is_empty()),
            ("extra", json!(self.extra), self.extra.is_empty()),
        ] {
            if !absent {
                info.insert(field.to_owned(), value);
            }
        }
        info.into()
    }
}

fn account_username(namespace: &str, name: &str) -> String {
    format!("system:serviceaccount:{namespace}:{name}")
}

fn account_groups(namespace: &str) -> Vec<String> {
    vec![
        "system:serviceaccounts".to_owned(),
        format!("system:serviceaccounts:{namespace}"),
    ]
}

/// Whether something is allowed, and by which binding where one was needed.
enum Decision {
    Allowed(String),
    Denied,
}

impl Decision {
    fn is_allowed(&self) -> bool {
        matches!(self, Decision::Allowed(_))
    }
}

impl Machine {
    /// Who sends a request. Without any credential it is the administrator: kubectl never sends a token over plain HTTP,
    /// and `kubectl proxy` serves whoever reaches it on loopback in the same way. A wrong token is refused.
    pub(super) fn user_of(&self, request: &Request<Bytes>) -> Result<User, Refusal> {
        let user = match request.headers().get(header::AUTHORIZATION) {
            None => User::admin(),
            Some(value) => {
                let token = value.to_str().ok().and_then(|value| value.strip_prefix("Bearer "));
                let token = token.ok_or_else(Refusal::unauthorized)?.trim();
                // Digests are compared, so that the time taken says nothing of the token.
                match ids::hash(token) == self.token {
                    true => User::admin(),
                    false => self.account_of(token, &[]).map_err(|_| Refusal::unauthorized())?.0,
                }
            }
        };
        self.impersonated(user, request.headers())
    }

    /// Refuses a request that nothing allows its user to send.
    pub(super) fn authorize(&self, user: &User, request: &Request<Bytes>) -> Result<(), Refusal> {
        if user.is_master() {
            return Ok(());
        }
        let attributes = Attributes::of(request);
        match self.decide(user, &attributes) {
            Decision::Allowed(_) => Ok(()),
            Decision::Denied => Err(denied(user, &attributes)),
        }
    }

    /// Refuses a replacement that would create, to whoever may only replace.
    pub(super) fn may_create(&self, call: &Call<'_>) -> Result<(), Refusal> {
        let kind = call.kind();
        let attributes = Attributes::Resource(ResourceAttributes {
            verb: "create".to_owned(),
            group: kind.group.to_owned(),
            resource: kind.plural.to_owned(),
            subresource: String::new(),
            namespace: call.namespace.clone(),
            name: call.name.clone(),
        });
        let allowed = self.decide(&call.user, &attributes).is_allowed();
        allowed.then_some(()).ok_or_else(|| denied(&call.user, &attributes))
    }

    fn decide(&self, user: &User, attributes: &Attributes) -> Decision {
        if user.is_master() {
            return Decision::Allowed(String::new());
        }
        let mut grants = self.grants(user, attributes.namespace());
        match grants.find(|grant| rules::allows(grant.rule, attributes)) {
            Some(grant) => Decision::Allowed(format!("RBAC: allowed by {}", grant.source())),
            None => Decision::Denied,
        }
    }
}

/// What nothing lets a user do with a resource, which need not exist, or with a path.
fn denied(user: &User, attributes: &Attributes) -> Refusal {
    let refuse = |what: &str| {
        let message = format!("{what}: User {:?} cannot {attributes}", user.name);
        Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message)
    };
    match attributes {
        Attributes::Path { .. } => refuse("forbidden").with("", "", ""),
        Attributes::Resource(asked) => {
            let qualified = match asked.group.as_str() {
                "" => asked.resource.clone(),
                group => format!("{}.{group}", asked.resource),
            };
            let refusal = match asked.name.as_str() {
                "" => refuse(&format!("{qualified} is forbidden")),
                name => refuse(&format!("{qualified} {name:?} is forbidden")),
            };
            refusal.with(&asked.group, &asked.resource, &asked.name)
        }
    }
}
