//! The roles that every cluster has from the start, as far as somebody but its own parts uses them.
//!
//! `bootstrap.json` has them as Kubernetes 1.35 does (`bootstrappolicy/testdata`), without those of controllers, nodes and
//! components that are not simulated.

use serde_json::Value;

use super::super::json::{put, stamp, text};
use super::super::machine::Machine;
use super::super::objects::Key;
use super::super::registry::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, KINDS};

const OBJECTS: &str = include_str!("bootstrap.json");

impl Machine {
    /// Makes them.
    pub(in super::super) fn make_initial_roles(&mut self) {
        // A test below reads the file; nothing of it comes from outside.
        let objects: Vec<Value> = serde_json::from_str(OBJECTS).unwrap_or_default();
        for mut object in objects {
            let kinds = [CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS].into_iter();
            let Some(id) = kinds.into_iter().find(|id| KINDS[*id].kind == text(&object, "/kind")) else {
                continue;
            };
            put(&mut object, "/metadata/uid", self.ids.uid());
            put(&mut object, "/metadata/creationTimestamp", stamp(self.now));
            let key = Key::new(id, "", text(&object, "/metadata/name"));
            self.objects.write(key, object);
        }
        self.gather_rules();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_roles_and_bindings_that_their_schemas_take() {
        let objects: Vec<Value> = serde_json::from_str(OBJECTS).unwrap();
        for object in &objects {
            let kinds = [CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS];
            let kind = kinds
                .into_iter()
                .find(|id| KINDS[*id].kind == text(object, "/kind"))
                .unwrap();
            let canonical = (KINDS[kind].canonical)(object).unwrap();
            assert_eq!(canonical["metadata"], object["metadata"]);
            assert_eq!(canonical["rules"], object["rules"]);
        }
        assert_eq!(objects.len(), 15);
    }
}
