//! The three verbs that an application's objects are handled with.

use std::fmt::Debug;

use http::Request;
use kube::Resource;
use kube::api::{DeleteParams, PostParams, Preconditions};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{self, Error};

/// Objects of one cluster, by kind, namespace and name.
///
/// Over kube's requests rather than its `Api`: that one writes the whole text of an object that it cannot read to the
/// log, and a pod's environment may hold secrets.
#[derive(Clone)]
pub(crate) struct Objects(kube::Client);

/// What became of a create.
pub(crate) enum Created<K> {
    /// Made.
    Made(K),
    /// There is one of this name.
    AlreadyThere,
}

/// Whose kind is known from its type.
pub(crate) trait Kind: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Debug {}
impl<K: Resource<DynamicType = ()> + Serialize + DeserializeOwned + Debug> Kind for K {}

impl Objects {
    pub(crate) fn new(client: kube::Client) -> Self {
        Objects(client)
    }

    /// Asks for the version, which every cluster tells everybody that may ask it at all.
    pub(crate) async fn version(&self) -> Result<(), Error> {
        let request = Request::get("/version")
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        self.0.request_text(request).await?;
        Ok(())
    }

    /// The object, if there is one.
    pub(crate) async fn get<K: Kind>(&self, namespace: Option<&str>, name: &str) -> Result<Option<K>, Error> {
        let request = kube::core::Request::new(K::url_path(&(), namespace))
            .get(name, &Default::default())
            .map_err(kube::Error::BuildRequest)?;
        match self.0.request_text(request).await {
            Ok(text) => decode(&text).map(Some),
            Err(error) if error::is_absent(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes `object`, unless there is one of its name.
    pub(crate) async fn create<K: Kind>(&self, object: &K) -> Result<Created<K>, Error> {
        let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
        let namespace = object.meta().namespace.as_deref();
        let request = kube::core::Request::new(K::url_path(&(), namespace))
            .create(&PostParams::default(), body)
            .map_err(kube::Error::BuildRequest)?;
        match self.0.request_text(request).await {
            Ok(text) => decode(&text).map(Created::Made),
            Err(error) if error::is_already_there(&error) => Ok(Created::AlreadyThere),
            Err(error) => Err(Error::of_create(error)),
        }
    }

    /// Begins to delete the object, if it is still the one with this uid; `false` when there is none of its name.
    ///
    /// # Errors
    /// [`Error::Unreachable`] also when another object has taken its name meanwhile: it is to be looked at again.
    pub(crate) async fn delete<K: Kind>(&self, name: &str, uid: &str) -> Result<bool, Error> {
        let only_this = DeleteParams::background().preconditions(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        });
        let request = kube::core::Request::new(K::url_path(&(), None))
            .delete(name, &only_this)
            .map_err(kube::Error::BuildRequest)?;
        match self.0.request_text(request).await {
            Ok(_) => Ok(true),
            Err(error) if error::is_absent(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn decode<K: Kind>(text: &str) -> Result<K, Error> {
    serde_json::from_str(text).map_err(|error| Error::Rejected(error.into()))
}
