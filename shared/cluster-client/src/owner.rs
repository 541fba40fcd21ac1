//! Whose an object is, by its labels.

use std::collections::BTreeMap;

use domain::{ApplicationId, InstallationId};
use kube::Resource;

/// The label with the id of the installation that made an object.
pub const INSTALLATION_LABEL: &str = "layby.dev/installation";
/// The label with the id of the application that an object belongs to.
pub const APPLICATION_LABEL: &str = "layby.dev/application";

const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// The owner of everything that one application is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) installation: &'a InstallationId,
    pub(crate) application: &'a ApplicationId,
}

impl Owner<'_> {
    /// The labels of every object that is the owner's.
    pub(crate) fn labels(self) -> BTreeMap<String, String> {
        [
            (INSTALLATION_LABEL, self.installation.as_str()),
            (APPLICATION_LABEL, self.application.as_str()),
            (MANAGED_BY, "layby"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    /// Whether `object` is the owner's. One of another installation is not, whatever its name.
    pub(crate) fn owns(self, object: &impl Resource) -> bool {
        let label = |key| object.meta().labels.as_ref()?.get(key).map(String::as_str);
        label(INSTALLATION_LABEL) == Some(self.installation.as_str())
            && label(APPLICATION_LABEL) == Some(self.application.as_str())
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Namespace;

    use super::*;

    #[test]
    fn only_both_labels_together_make_an_object_the_owners() {
        let (installation, other) = (InstallationId::parse("a").unwrap(), InstallationId::parse("b").unwrap());
        let application = ApplicationId::from_bytes([1; 16]);
        let owner = Owner {
            installation: &installation,
            application: &application,
        };
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
            application: &ApplicationId::from_bytes([2; 16]),
            ..owner
        };
        assert!(!neighbour.owns(&namespace));
    }
}
