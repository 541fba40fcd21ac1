//! How the fields of objects are merged: what strategic merge patches and server-side apply both ask.

mod empty;
mod table;

pub(super) use empty::empty;
use table::TYPES;

/// What is done with the elements of a list, where it is not one value as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum List {
    /// One value as a whole: what is not in the table.
    Atomic,
    /// The elements are told apart by these members of theirs.
    Map(&'static [&'static str]),
    /// The elements are scalars, each at most once.
    Set,
}

/// What a strategic merge patch does with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patch {
    /// Maps are merged, lists replaced: what is not in the table.
    Plain,
    /// Elements are merged by this member of theirs.
    Key(&'static str),
    /// Scalars are added.
    Values,
    /// A map is replaced.
    Replace,
}

/// One row of the table: a field of a type.
#[derive(Debug)]
struct Field {
    name: &'static str,
    /// Type of its value, or of its elements.
    of: &'static str,
    /// Its map, or each of its elements, is one value as a whole.
    atomic: bool,
    list: List,
    patch: Patch,
}

const PLAIN: Field = Field {
    name: "",
    of: "",
    atomic: false,
    list: List::Atomic,
    patch: Patch::Plain,
};

/// A field of another type.
const fn of(name: &'static str, of: &'static str) -> Field {
    Field { name, of, ..PLAIN }
}

/// A map that is one value.
const fn atomic(name: &'static str) -> Field {
    let atomic = true;
    Field { name, atomic, ..PLAIN }
}

/// The same, for strategic merge patches too.
const fn replaced(name: &'static str) -> Field {
    let patch = Patch::Replace;
    Field { patch, ..atomic(name) }
}

/// A list by keys; strategic merge patches know the first of them alone.
const fn list(name: &'static str, of: &'static str, keys: &'static [&'static str]) -> Field {
    let patch = Patch::Key(keys[0]);
    Field {
        patch,
        ..keyed(name, of, keys)
    }
}

/// A list by keys for server-side apply alone.
const fn keyed(name: &'static str, of: &'static str, keys: &'static [&'static str]) -> Field {
    let list = List::Map(keys);
    Field {
        name,
        of,
        list,
        ..PLAIN
    }
}

/// A list by keys whose elements are each one value.
const fn wholes(name: &'static str, keys: &'static [&'static str]) -> Field {
    let atomic = true;
    Field {
        atomic,
        ..list(name, "", keys)
    }
}

/// A list by a key for strategic merge patches alone.
const fn merged(name: &'static str, key: &'static str) -> Field {
    let patch = Patch::Key(key);
    Field { name, patch, ..PLAIN }
}

/// A set of scalars for server-side apply alone.
const fn set(name: &'static str) -> Field {
    let list = List::Set;
    Field { name, list, ..PLAIN }
}

/// A set of scalars.
const fn values(name: &'static str) -> Field {
    let patch = Patch::Values;
    Field { patch, ..set(name) }
}

/// A place in objects of a kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// What there is to say of its members, or of its elements' members.
    fields: &'static [Field],
    pub(super) list: List,
    pub(super) patch: Patch,
    /// A map there is one value.
    pub(super) atomic: bool,
    /// An element there is one value, when it is a map.
    atomic_elements: bool,
}

impl Place {
    /// The whole object.
    pub(super) fn whole(kind: &str) -> Place {
        Place::new(&PLAIN, fields(kind))
    }

    /// A member of the map there.
    pub(super) fn member(self, name: &str) -> Place {
        match self.fields.iter().find(|field| field.name == name) {
            Some(field) => Place::new(field, fields(field.of)),
            None => Place::new(&PLAIN, &[]),
        }
    }

    /// An element of the list there.
    pub(super) fn element(self) -> Place {
        Place {
            atomic: self.atomic_elements,
            ..Place::new(&PLAIN, self.fields)
        }
    }

    fn new(field: &Field, fields: &'static [Field]) -> Place {
        let listed = field.list != List::Atomic;
        Place {
            fields,
            list: field.list,
            patch: field.patch,
            atomic: field.atomic && !listed,
            atomic_elements: field.atomic && listed,
        }
    }
}

fn fields(of: &str) -> &'static [Field] {
    match TYPES.binary_search_by_key(&of, |(name, _)| name) {
        Ok(at) => TYPES[at].1,
        Err(_) => &[],
    }
}

/// The value that a key of a list's element has when it is left out.
pub(super) fn key_default(key: &str) -> Option<&'static str> {
    (key == "protocol").then_some("TCP")
}

#[cfg(test)]
mod tests {
    use super::super::registry::{KINDS, Service};
    use super::*;

    #[test]
    fn the_types_are_in_order_and_there() {
        assert!(TYPES.is_sorted_by_key(|(name, _)| name));
        for field in TYPES.iter().flat_map(|(_, fields)| *fields) {
            assert!(field.of.is_empty() || !fields(field.of).is_empty(), "{}", field.of);
        }
        for kind in KINDS.iter().filter(|kind| kind.service != Service::Review) {
            assert_eq!(
                Place::whole(kind.kind).member("metadata").member("finalizers").list,
                List::Set,
                "{}",
                kind.kind
            );
        }
    }

    #[test]
    fn a_place_is_found_through_lists_and_templates() {
        let pod = Place::whole("Deployment")
            .member("spec")
            .member("template")
            .member("spec");
        let containers = pod.member("containers");
        assert_eq!(containers.patch, Patch::Key("name"));
        assert_eq!(
            containers.element().member("ports").list,
            List::Map(&["containerPort", "protocol"])
        );
        assert_eq!(containers.element().member("args").list, List::Atomic);
        assert!(pod.member("nodeSelector").atomic);
        let pulls = pod.member("imagePullSecrets");
        assert!(!pulls.atomic && pulls.element().atomic);
    }
}
