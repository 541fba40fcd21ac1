//! Whose an object is, by its labels.

use std::collections::BTreeMap;

use domain::{ApplicationId, InstallationId, shard_of};
use kube::Resource;

/// The label with the id of the installation that made an object.
pub const INSTALLATION_LABEL: &str = "layby.dev/installation";
/// The label with the id of the application that an object belongs to.
pub const APPLICATION_LABEL: &str = "layby.dev/application";
/// The label with the shard of the application that an object belongs to, in two digits: what lists are read by.
pub const SHARD_LABEL: &str = "layby.dev/shard";
/// The label of what belongs to a preload rather than to an application, with the preload's id.
pub const PRELOAD_LABEL: &str = "layby.dev/preload";
/// The annotation of a namespace with the name of the template in full: it may be longer than a label's value.
pub const TEMPLATE_ANNOTATION: &str = "layby.dev/template";

/// The label by which everybody knows what layby made, and its value.
pub(crate) fn managed_by() -> (&'static str, &'static str) {
    ("app.kubernetes.io/managed-by", "layby")
}

/// The owner of everything that one application, or one preload, is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) installation: &'a InstallationId,
    /// [`APPLICATION_LABEL`] or [`PRELOAD_LABEL`].
    pub(crate) label: &'static str,
    /// The value of that label, and the name of the namespace.
    pub(crate) id: &'a ApplicationId,
}

impl<'a> Owner<'a> {
    pub(crate) fn application(installation: &'a InstallationId, id: &'a ApplicationId) -> Self {
        let label = APPLICATION_LABEL;
        Owner {
            installation,
            label,
            id,
        }
    }

    pub(crate) fn preload(installation: &'a InstallationId, id: &'a ApplicationId) -> Self {
        let label = PRELOAD_LABEL;
        Owner {
            installation,
            label,
            id,
        }
    }

    /// The labels of every object that is the owner's.
    pub(crate) fn labels(self) -> BTreeMap<String, String> {
        let (managed, by) = managed_by();
        [
            (INSTALLATION_LABEL, self.installation.to_string()),
            (self.label, self.id.to_string()),
            (SHARD_LABEL, shard_value(shard_of(self.id))),
            (managed, by.to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// Whether `object` is the owner's. One of another installation is not, whatever its name.
    pub(crate) fn owns(self, object: &impl Resource) -> bool {
        let label = |key| object.meta().labels.as_ref()?.get(key).map(String::as_str);
        label(INSTALLATION_LABEL) == Some(self.installation.as_str()) && label(self.label) == Some(self.id.as_str())
    }
}

/// What [`SHARD_LABEL`] says of a shard.
pub(crate) fn shard_value(shard: u16) -> String {
    format!("{shard:02}")
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Namespace;

    use super::*;

    #[test]
    fn the_shard_is_the_ids_in_two_digits() {
        let (installation, application) = (InstallationId::parse("a").unwrap(), ApplicationId::from_bytes([3; 16]));
        let owner = Owner::application(&installation, &application);
        assert_eq!(owner.labels()[SHARD_LABEL], "03");
    }

    #[test]
    fn only_both_labels_together_make_an_object_the_owners() {
        let (installation, other) = (InstallationId::parse("a").unwrap(), InstallationId::parse("b").unwrap());
        let application = ApplicationId::from_bytes([1; 16]);
        let owner = Owner::application(&installation, &application);
        let mut namespace = Namespace::default();
        assert!(!owner.owns(&namespace));
        namespace.metadata.labels = Some(owner.labels());
        assert!(owner.owns(&namespace));
        let stranger = Owner {
            installation: &other,
            ..owner
        };
        assert!(!stranger.owns(&namespace));
        let neighbour = Owner {
            id: &ApplicationId::from_bytes([2; 16]),
            ..owner
        };
        assert!(!neighbour.owns(&namespace));
        assert!(!Owner::preload(&installation, &application).owns(&namespace));
    }
}
