//! The verbs that objects are handled with.

use std::fmt::Debug;

use bytes::Bytes;
use domain::limits::{CLUSTER_PAGE, CLUSTER_PAGES_MAX};
use http::Request;
use http_body_util::BodyExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::api::{DeleteParams, ListParams, LogParams, PostParams, Preconditions};
use kube::client::Body;
use kube::core::Status;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{self, Error};
use crate::transport::{Cut, KeepLast};

/// How much smaller a page is asked for that was too large.
pub(crate) const PARTS: u32 = 4;

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

/// What a cluster has of a container's log.
pub(crate) enum Log {
    /// Its end, and whether there was more before it than was kept.
    End { bytes: Bytes, is_cut: bool },
    /// Nothing: the container has not run, or not before.
    NotYet,
    /// Nothing: the pod is not there.
    NoPod,
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
        self.get_as::<K, K>(namespace, name).await
    }

    /// The object of kind `K`, read as a `T`, if there is one.
    pub(crate) async fn get_as<K: Kind, T: DeserializeOwned>(
        &self,
        namespace: Option<&str>,
        name: &str,
    ) -> Result<Option<T>, Error> {
        let request = kube::core::Request::new(K::url_path(&(), namespace))
            .get(name, &Default::default())
            .map_err(kube::Error::BuildRequest)?;
        match self.0.request_text(request).await {
            Ok(text) => decode(&text).map(Some),
            Err(error) if error::is_absent(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The objects of kind `K` that `labels` selects, in one namespace or in every one: each is read as an `I`, which
    /// should be small, and what `keep` makes of it is given.
    ///
    /// A list whose pages the server no longer remembers is begun again, once.
    ///
    /// # Errors
    /// Those of a read, for the whole list: never is a part of it given. [`Error::Rejected`] also when it has more than
    /// [`CLUSTER_PAGES_MAX`] pages of [`CLUSTER_PAGE`].
    pub(crate) async fn list<K: Kind, I: DeserializeOwned, T>(
        &self,
        namespace: Option<&str>,
        labels: Option<String>,
        keep: impl Fn(I) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        let mut params = ListParams {
            label_selector: labels,
            limit: Some(CLUSTER_PAGE),
            ..Default::default()
        };
        let mut kept = Vec::new();
        let mut begun_again = false;
        for _ in 0..CLUSTER_PAGES_MAX {
            match self.page_text::<K>(namespace, &mut params).await {
                Ok(text) => {
                    let page: Page<I> = decode(&text)?;
                    kept.extend(page.items.into_iter().filter_map(&keep));
                    params.continue_token = page.metadata.next.filter(|token| !token.is_empty());
                    if params.continue_token.is_none() {
                        return Ok(kept);
                    }
                }
                Err(error) if error::is_expired(&error) && !begun_again => {
                    begun_again = true;
                    kept.clear();
                    params.continue_token = None;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(Error::rejected("a list of the cluster has too many pages"))
    }

    /// The next page of a list. Objects may be as large as somebody likes: a page that is too large is asked for in smaller
    /// parts.
    async fn page_text<K: Kind>(
        &self,
        namespace: Option<&str>,
        params: &mut ListParams,
    ) -> Result<String, kube::Error> {
        loop {
            let request = kube::core::Request::new(K::url_path(&(), namespace))
                .list(params)
                .map_err(kube::Error::BuildRequest)?;
            let limit = params.limit.unwrap_or(CLUSTER_PAGE);
            match self.0.request_text(request).await {
                Err(error) if limit > 1 && error::is_too_large(&error) => params.limit = Some((limit / PARTS).max(1)),
                answer => return answer,
            }
        }
    }

    /// A container's log, of which the last `most` bytes are kept.
    ///
    /// # Errors
    /// Those of a read.
    pub(crate) async fn log(&self, namespace: &str, pod: &str, params: &LogParams, most: usize) -> Result<Log, Error> {
        let request = kube::core::Request::new(Pod::url_path(&(), Some(namespace)))
            .logs(pod, params)
            .map_err(kube::Error::BuildRequest)?;
        let mut request = request.map(Body::from);
        request.extensions_mut().insert(KeepLast(most));
        let (head, body) = self.0.send(request).await?.into_parts();
        let bytes = body.collect().await?.to_bytes();
        match head.status.as_u16() {
            // 204 is what the API server itself says of a pod that no node has yet.
            200 | 204 => {
                let is_cut = head.extensions.get::<Cut>().is_some();
                Ok(Log::End { bytes, is_cut })
            }
            400 => Ok(Log::NotYet),
            404 => Ok(Log::NoPod),
            code => {
                let status: Status = serde_json::from_slice(&bytes).unwrap_or_default();
                Err(kube::Error::Api(status.with_code(code).boxed()).into())
            }
        }
    }

    /// One page of a list as the server gives it, of at most `limit` objects, from where `from` says; nothing when the
    /// server remembers no more what `from` continues.
    ///
    /// # Errors
    /// Those of a read.
    pub(crate) async fn page<K: Kind>(
        &self,
        namespace: &str,
        labels: String,
        limit: u32,
        from: Option<&str>,
    ) -> Result<Option<Value>, Error> {
        let mut params = ListParams {
            label_selector: Some(labels),
            limit: Some(limit),
            continue_token: from.map(str::to_owned),
            ..Default::default()
        };
        match self.page_text::<K>(Some(namespace), &mut params).await {
            Ok(text) => decode(&text).map(Some),
            Err(error) if from.is_some() && error::is_forgotten(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes `object`, unless there is one of its name.
    pub(crate) async fn create<K: Kind>(&self, object: &K) -> Result<Created<K>, Error> {
        self.create_as(object).await
    }

    /// As [`Objects::create`], and reads what was made as a `T`.
    pub(crate) async fn create_as<K: Kind, T: DeserializeOwned>(&self, object: &K) -> Result<Created<T>, Error> {
        let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
        let namespace = object.meta().namespace.as_deref();
        let request = kube::core::Request::new(K::url_path(&(), namespace))
            .create(&PostParams::default(), body)
            .map_err(kube::Error::BuildRequest)?;
        match self.0.request_text(request).await {
            Ok(text) => decode(&text).map(Created::Made),
            Err(error) if error::is_already_there(&error) => Ok(Created::AlreadyThere),
            Err(error) => Err(Error::of_write(error)),
        }
    }

    /// Writes `object` in the place of the one of its name, if that is still the one of its uid and resource version;
    /// nothing when it is not, or is gone.
    pub(crate) async fn replace<K: Kind, T: DeserializeOwned>(&self, object: &K) -> Result<Option<T>, Error> {
        let body = serde_json::to_vec(object).map_err(kube::Error::SerdeError)?;
        let meta = object.meta();
        let name = meta.name.as_deref().unwrap_or_default();
        let request = kube::core::Request::new(K::url_path(&(), meta.namespace.as_deref()))
            .replace(name, &PostParams::default(), body)
            .map_err(kube::Error::BuildRequest)?;
        match self.0.request_text(request).await {
            Ok(text) => decode(&text).map(Some),
            Err(error) if error::is_conflict(&error) || error::is_absent(&error) => Ok(None),
            Err(error) => Err(Error::of_write(error)),
        }
    }

    /// Begins to delete the object, if it is still the one with this uid; `false` when there is none of its name.
    ///
    /// # Errors
    /// [`Error::Unreachable`] also when another object has taken its name meanwhile: it is to be looked at again.
    pub(crate) async fn delete<K: Kind>(&self, name: &str, uid: &str) -> Result<bool, Error> {
        self.delete_at(K::url_path(&(), None), name, uid).await
    }

    /// As [`Objects::delete`], of an object in a namespace.
    pub(crate) async fn delete_in<K: Kind>(&self, namespace: &str, name: &str, uid: &str) -> Result<bool, Error> {
        self.delete_at(K::url_path(&(), Some(namespace)), name, uid).await
    }

    async fn delete_at(&self, path: String, name: &str, uid: &str) -> Result<bool, Error> {
        let only_this = DeleteParams::background().preconditions(Preconditions {
            uid: Some(uid.to_owned()),
            resource_version: None,
        });
        let request = kube::core::Request::new(path)
            .delete(name, &only_this)
            .map_err(kube::Error::BuildRequest)?;
        match self.0.request_text(request).await {
            Ok(_) => Ok(true),
            Err(error) if error::is_absent(&error) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// One page of a list.
#[derive(Deserialize)]
struct Page<I> {
    metadata: PageMeta,
    items: Vec<I>,
}

#[derive(Deserialize)]
struct PageMeta {
    #[serde(rename = "continue")]
    next: Option<String>,
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Rejected(error.into()))
}
