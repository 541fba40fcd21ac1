//! Nobody gives more than they have: checks of roles and bindings that are written.

use serde_json::Value;

use super::super::json::{items, keep, text};
use super::super::machine::Machine;
use super::super::request::Call;
use super::super::status::Refusal;
use super::attributes::{Attributes, ResourceAttributes};
use super::{User, rules};

impl Machine {
    /// Refuses a role or binding that gives what its writer does not have. `old` is what it replaces.
    pub(in super::super) fn check_escalation(
        &self,
        call: &Call<'_>,
        old: Option<&Value>,
        new: &Value,
    ) -> Result<(), Refusal> {
        let (kind, user) = (call.kind(), &call.user);
        if !super::is_rbac(kind) || user.is_master() || old.is_some_and(|old| only_frees(old, new)) {
            return Ok(());
        }
        let may = |verb: &str, resource: &str, name: &str| {
            let asked = ResourceAttributes {
                verb: verb.to_owned(),
                group: kind.group.to_owned(),
                resource: resource.to_owned(),
                subresource: String::new(),
                namespace: call.namespace.clone(),
                name: name.to_owned(),
            };
            self.decide(user, &Attributes::Resource(asked)).is_allowed()
        };
        let given = match &new["roleRef"] {
            Value::Null if may("escalate", kind.plural, &call.name) => return Ok(()),
            Value::Null => items(new, "/rules"),
            reference => {
                let resource = match text(reference, "/kind") {
                    "ClusterRole" => "clusterroles",
                    _ => "roles",
                };
                let name = text(reference, "/name");
                if may("bind", resource, name) {
                    return Ok(());
                }
                // The real server names the resource of the request here, not the role's.
                self.rules_of(reference, &call.namespace)
                    .ok_or_else(|| Refusal::not_found(kind, name))?
            }
        };
        self.check_held(user, &call.namespace, given)
            .map_err(|why| Refusal::forbidden(kind, text(new, "/metadata/name"), &why))
    }

    /// Says which of these rules a user does not have.
    fn check_held(&self, user: &User, namespace: &str, given: &[Value]) -> Result<(), String> {
        let missing: Vec<rules::Piece> = rules::pieces(given)
            .into_iter()
            .filter(|piece| {
                !self
                    .grants(user, namespace)
                    .any(|grant| piece.is_covered_by(grant.rule))
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let groups: Vec<String> = user.groups.iter().map(|group| format!("{group:?}")).collect();
        Err(format!(
            "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
            user.name,
            groups.join(" "),
            rules::describe(&missing).join("\n")
        ))
    }
}

/// Whether a write changes nothing but what holds an object up.
fn only_frees(old: &Value, new: &Value) -> bool {
    let mut freed = new.clone();
    for field in [
        "ownerReferences",
        "finalizers",
        "resourceVersion",
        "managedFields",
        "generation",
    ] {
        keep(old, &mut freed, &format!("/metadata/{field}"));
    }
    freed == *old
}
