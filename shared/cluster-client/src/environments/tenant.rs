//! Whose an object of an environment is, by its labels.

use std::collections::BTreeMap;

use domain::{EnvironmentName, Generation, InstallationId};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::Resource;

use crate::owner::{INSTALLATION_LABEL, managed_by};

/// The label with the environment that an object belongs to. A colon may not stand there: `org:env` is `org.env`.
pub const ENVIRONMENT_LABEL: &str = "layby.dev/environment";
/// The label with the generation that the environment was born by: it tells it from earlier ones of its name.
pub const BORN_LABEL: &str = "layby.dev/born";
/// The annotation with the generation that an object was last made to follow.
pub(crate) const GENERATION_ANNOTATION: &str = "layby.dev/generation";

/// The environment that objects are made for.
#[derive(Clone, Copy)]
pub(crate) struct Tenant<'a> {
    pub(crate) installation: &'a InstallationId,
    pub(crate) name: &'a EnvironmentName,
    pub(crate) born: Generation,
}

/// Whose an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// This environment's.
    Its,
    /// An earlier environment's of its name.
    Earlier,
    /// A later environment's of its name.
    Later,
    /// Somebody else's.
    Others,
}

impl Tenant<'_> {
    /// The labels of every object that is the environment's.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        let (managed, by) = managed_by();
        [
            (INSTALLATION_LABEL, self.installation.to_string()),
            (ENVIRONMENT_LABEL, label(self.name)),
            (BORN_LABEL, self.born.0.to_string()),
            (managed, by.to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// What selects the objects that are the environment's.
    pub(crate) fn selector(&self) -> String {
        let (name, born) = (label(self.name), self.born.0);
        format!(
            "{INSTALLATION_LABEL}={},{ENVIRONMENT_LABEL}={name},{BORN_LABEL}={born}",
            self.installation
        )
    }

    /// Name and labels of an object in the environment's namespace of this uid. The namespace owns it: should it land in
    /// a later one of the same name, Kubernetes itself removes it.
    pub(crate) fn inside(&self, namespace_uid: &str, name: &str) -> ObjectMeta {
        let namespace = self.name.namespace().to_string();
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.clone()),
            labels: Some(self.labels()),
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Namespace".to_owned(),
                name: namespace,
                uid: namespace_uid.to_owned(),
                ..Default::default()
            }]),
            ..Default::default()
        }
    }

    pub(crate) fn whose(&self, object: &impl Resource) -> Whose {
        let label_of = |key| object.meta().labels.as_ref()?.get(key).map(String::as_str);
        let is_of_its_name = label_of(INSTALLATION_LABEL) == Some(self.installation.as_str())
            && label_of(ENVIRONMENT_LABEL) == Some(label(self.name).as_str());
        let born = label_of(BORN_LABEL).and_then(|born| born.parse().ok()).map(Generation);
        match born.filter(|_| is_of_its_name) {
            None => Whose::Others,
            Some(born) if born < self.born => Whose::Earlier,
            Some(born) if born > self.born => Whose::Later,
            Some(_) => Whose::Its,
        }
    }

    pub(crate) fn owns(&self, object: &impl Resource) -> bool {
        self.whose(object) == Whose::Its
    }
}

/// What [`ENVIRONMENT_LABEL`] says of an environment.
fn label(name: &EnvironmentName) -> String {
    format!("{}.{}", name.organisation(), name.environment())
}

/// The environment of which [`ENVIRONMENT_LABEL`] says this.
pub(super) fn environment(label: &str) -> Option<EnvironmentName> {
    EnvironmentName::parse(&label.replacen('.', ":", 1)).ok()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Namespace;

    use super::*;

    #[test]
    fn an_object_is_told_by_installation_environment_and_birth() {
        let (ours, others) = (InstallationId::parse("a").unwrap(), InstallationId::parse("b").unwrap());
        let [name, twin] = ["a-b:c", "a:b-c"].map(|name| EnvironmentName::parse(name).unwrap());
        let tenant = |installation, name, born| Tenant {
            installation,
            name,
            born: Generation(born),
        };
        let own = tenant(&ours, &name, 7);
        let mut namespace = Namespace::default();
        assert_eq!(own.whose(&namespace), Whose::Others);
        namespace.metadata.labels = Some(own.labels());
        assert!(own.owns(&namespace));
        for (asker, whose) in [
            (tenant(&others, &name, 7), Whose::Others),
            (tenant(&ours, &twin, 7), Whose::Others),
            (tenant(&ours, &name, 8), Whose::Earlier),
            (tenant(&ours, &name, 6), Whose::Later),
        ] {
            assert_eq!(asker.whose(&namespace), whose);
        }
        assert_eq!(environment(&label(&twin)), Some(twin));
    }
}
