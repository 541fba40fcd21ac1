//! What bindings give to whom, and cluster roles that gather the rules of others.

use serde_json::{Value, json};

use super::super::json::{items, put, text};
use super::super::machine::Machine;
use super::super::objects::Key;
use super::super::registry::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, ROLE_BINDINGS, ROLES};
use super::super::selectors::Selector;
use super::{User, account_username};

/// A rule that a binding gives to a subject.
pub(super) struct Grant<'a> {
    pub(super) rule: &'a Value,
    binding: &'a Value,
    subject: &'a Value,
}

impl Grant<'_> {
    /// The binding, in the words of a review's reason.
    pub(super) fn source(&self) -> String {
        let namespace = text(self.binding, "/metadata/namespace");
        let (kind, place) = match namespace {
            "" => ("ClusterRoleBinding", String::new()),
            namespace => ("RoleBinding", format!("/{namespace}")),
        };
        let subject = match text(self.subject, "/kind") {
            "ServiceAccount" => {
                let own = Some(text(self.subject, "/namespace")).filter(|own| !own.is_empty());
                format!("{}/{}", text(self.subject, "/name"), own.unwrap_or(namespace))
            }
            _ => text(self.subject, "/name").to_owned(),
        };
        format!(
            "{kind} {:?} of {} {:?} to {} {subject:?}",
            format!("{}{place}", text(self.binding, "/metadata/name")),
            text(self.binding, "/roleRef/kind"),
            text(self.binding, "/roleRef/name"),
            text(self.subject, "/kind"),
        )
    }
}

impl Machine {
    /// The rules that count for a user: those of cluster role bindings, and those of a namespace's (empty for none).
    pub(super) fn grants<'a>(&'a self, user: &'a User, namespace: &'a str) -> impl Iterator<Item = Grant<'a>> {
        let everywhere = self.objects.list(CLUSTER_ROLE_BINDINGS, "").map(|found| (found, ""));
        let here = (!namespace.is_empty()).then(|| self.objects.list(ROLE_BINDINGS, namespace));
        let here = here.into_iter().flatten().map(move |found| (found, namespace));
        everywhere.chain(here).flat_map(move |((_, binding), place)| {
            let subject = items(binding, "/subjects")
                .iter()
                .find(|subject| is(user, subject, place));
            let rules = subject.and_then(|_| self.rules_of(&binding["roleRef"], place));
            let rules = rules.unwrap_or_default().iter();
            rules
                .zip(std::iter::repeat(subject))
                .filter_map(move |(rule, subject)| {
                    let subject = subject?;
                    Some(Grant { rule, binding, subject })
                })
        })
    }

    /// The rules of the role that a binding in `namespace` (empty for none) refers to; `None` when there is no such role.
    pub(super) fn rules_of(&self, reference: &Value, namespace: &str) -> Option<&[Value]> {
        let name = text(reference, "/name");
        let key = match text(reference, "/kind") {
            "ClusterRole" => Key::new(CLUSTER_ROLES, "", name),
            _ => Key::new(ROLES, namespace, name),
        };
        Some(items(self.objects.get(&key)?, "/rules"))
    }

    /// Gives the cluster roles that gather others the rules of those, until nothing changes any more.
    pub(in super::super) fn gather_rules(&mut self) {
        let gathering: Vec<Key> = self
            .objects
            .list(CLUSTER_ROLES, "")
            .filter(|(_, role)| !items(role, "/aggregationRule/clusterRoleSelectors").is_empty())
            .map(|(key, _)| key.clone())
            .collect();
        // One that gathers may be gathered itself: as many rounds as there are links in the longest chain.
        for _ in 0..gathering.len() {
            let changed: Vec<(Key, Value)> = gathering.iter().filter_map(|key| self.gathered(key)).collect();
            if changed.is_empty() {
                break;
            }
            for (key, role) in changed {
                self.objects.write(key, role);
            }
        }
    }

    /// What a role that gathers should be, where it is not.
    fn gathered(&self, key: &Key) -> Option<(Key, Value)> {
        let role = self.objects.get(key)?;
        let selectors: Vec<Selector> = items(role, "/aggregationRule/clusterRoleSelectors")
            .iter()
            .map(Selector::of_labels)
            .collect();
        let mut rules: Vec<&Value> = Vec::new();
        for (other, part) in self.objects.list(CLUSTER_ROLES, "") {
            if other != key && selectors.iter().any(|selector| selector.selects(part)) {
                let new: Vec<&Value> = items(part, "/rules")
                    .iter()
                    .filter(|rule| !rules.contains(rule))
                    .collect();
                rules.extend(new);
            }
        }
        let rules = json!(rules);
        if items(role, "/rules") == rules.as_array().map_or(&[][..], Vec::as_slice) {
            return None;
        }
        let mut changed = Value::clone(role);
        put(&mut changed, "/rules", rules);
        Some((key.clone(), changed))
    }
}

/// Whether a subject of a binding in `namespace` (empty for none) is this user.
fn is(user: &User, subject: &Value, namespace: &str) -> bool {
    let name = text(subject, "/name");
    match text(subject, "/kind") {
        "User" => user.name == name,
        "Group" => user.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let own = Some(text(subject, "/namespace")).filter(|own| !own.is_empty());
            let namespace = own.unwrap_or(namespace);
            !namespace.is_empty() && user.name == account_username(namespace, name)
        }
        _ => false,
    }
}
