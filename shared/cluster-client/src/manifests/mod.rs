//! What an application is made of, as values. See the README for the table of them.

mod namespace;
mod network_policy;
mod pod;
pub(crate) mod preload;
mod resources;

use std::collections::BTreeMap;

use domain::{Application, InstallationId, Workload};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::owner::Owner;

pub(crate) use namespace::{namespace, service_account};
pub(crate) use network_policy::{NAMESPACE_NAME, network_policy};
pub(crate) use pod::{CONTAINER, POD, pod};

/// Where the pods of the cell's route proxy are: the only ones that may connect to an application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyPlace {
    /// Their namespace.
    pub namespace: String,
    /// Labels that all of them have. None at all means every pod of the namespace.
    pub labels: BTreeMap<String, String>,
}

/// What every manifest is made from.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) owner: Owner<'a>,
    pub(crate) template: &'a str,
    pub(crate) run: &'a Workload,
    pub(crate) proxy: &'a ProxyPlace,
}

impl<'a> Plan<'a> {
    /// The plan of `application`, unless it has ended and says no longer what runs.
    pub(crate) fn of(
        application: &'a Application,
        installation: &'a InstallationId,
        proxy: &'a ProxyPlace,
    ) -> Option<Self> {
        Some(Plan {
            owner: Owner::application(installation, &application.id),
            template: application.template.as_str(),
            run: application.run.as_ref()?,
            proxy,
        })
    }

    /// Name and labels of an object in the application's namespace.
    fn metadata(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.owner.id.to_string()),
            labels: Some(self.owner.labels()),
            ..Default::default()
        }
    }
}

pub(crate) fn text_map<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    entries.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

#[cfg(test)]
pub(crate) mod sample {
    use domain::{ApplicationId, Cell, CellName, Template};
    use serde_json::{Value, json};

    use super::*;

    /// An application launched from a template that says `more` than its name and image.
    pub(crate) fn application(more: Value) -> Application {
        let mut template = json!({"name": "t", "image-source": "img:1"});
        template
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let template: Template = serde_json::from_value(template).unwrap();
        let cell = Cell {
            name: CellName::parse("home").unwrap(),
            public_host: "apps.example".to_owned(),
        };
        let id = ApplicationId::from_bytes([0xab; 16]);
        Application::launch(
            id,
            &template,
            &cell,
            None,
            None,
            "2026-11-21T10:00:00Z".parse().unwrap(),
        )
    }

    pub(crate) fn installation() -> InstallationId {
        InstallationId::parse("prod").unwrap()
    }

    pub(crate) fn proxy() -> ProxyPlace {
        ProxyPlace {
            namespace: "layby".to_owned(),
            labels: text_map([("name", "proxy-server")]),
        }
    }

    /// The JSON of what `make` makes for such an application.
    pub(crate) fn made<T: serde::Serialize>(more: Value, make: impl Fn(&Plan<'_>) -> T) -> Value {
        let (application, installation, proxy) = (application(more), installation(), proxy());
        let plan = Plan::of(&application, &installation, &proxy).unwrap();
        serde_json::to_value(make(&plan)).unwrap()
    }
}
