//! One cell's cluster: one step a call.

use std::sync::Arc;

use domain::{Application, ApplicationId, InstallationId, PodSeen};
use http::Uri;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use tokio::sync::OnceCell;

use crate::error::Error;
use crate::manifests::{self, POD, Plan};
use crate::objects::{Created, Kind, Objects};
use crate::owner::Owner;
use crate::pod_state::pod_state;
use crate::transport::Transport;
use crate::{ProxyPlace, TokenSource};

/// The namespace whose uid is a cluster's identity.
const IDENTITY_NAMESPACE: &str = "kube-system";

/// What a [`Cluster`] is made with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The address of the cluster's API: http or https, a path of its own allowed.
    pub api_url: Uri,
    /// Whom to trust there, and who to be.
    pub trust: net::Trust,
    /// Where the bearer token comes from.
    pub token: TokenSource,
    /// The recorded uid of `kube-system`: [`Cluster::warm`] refuses a cluster of another. Without one, any is taken.
    pub identity: Option<String>,
    /// The installation whose objects these are. Those of others are never touched.
    pub installation: InstallationId,
    /// Where the pods of the cell's route proxy are.
    pub proxy: ProxyPlace,
}

/// One cell's cluster. Cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    objects: Objects,
    identity: Option<String>,
    verified: OnceCell<()>,
    installation: InstallationId,
    proxy: ProxyPlace,
}

/// What [`Cluster::make_objects`] made, or found made before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The uid of the application's namespace.
    pub namespace_uid: String,
}

/// What became of a namespace that is to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It is not there any more.
    Gone,
    /// It is being deleted.
    Going,
    /// The one of its name is somebody else's; it was left alone.
    NotOurs,
}

/// Whether a namespace is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is there and nobody is deleting it.
    There,
    /// It is being deleted.
    Going,
    /// It is not there.
    Gone,
    /// The one of its name is somebody else's.
    NotOurs,
}

impl Cluster {
    /// A client of the cluster; nothing is sent yet. It belongs to the tokio runtime it is made in.
    ///
    /// # Errors
    /// [`Error::Rejected`] when the address, the trust or the token cannot be used, or outside a runtime.
    pub fn connect(net: &net::Net, settings: Settings) -> Result<Cluster, Error> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::rejected("there is no tokio runtime for the cluster's client"));
        }
        let own_trust = settings.trust.ca_pem.is_some() || settings.trust.identity_pem.is_some();
        let client = if own_trust {
            net.client_trusting(net::Peer::Cluster, &settings.trust)
                .map_err(|error| Error::Rejected(error.into()))?
        } else {
            net.client(net::Peer::Cluster)
        };
        let transport = Transport::new(client, settings.api_url, settings.token)?;
        Ok(Cluster(Arc::new(Inner {
            objects: Objects::new(kube::Client::new(transport, "default")),
            identity: settings.identity,
            verified: OnceCell::new(),
            installation: settings.installation,
            proxy: settings.proxy,
        })))
    }

    /// Opens the connection with one cheap read, and holds the cluster against its recorded identity where there is
    /// one. It is also the health check.
    ///
    /// # Errors
    /// [`Error::Identity`] when it is another cluster; those of a read otherwise.
    pub async fn warm(&self) -> Result<(), Error> {
        match &self.0.identity {
            None => self.0.objects.version().await,
            Some(recorded) => {
                self.hold_against(recorded).await?;
                // What is known from here on costs no request later.
                let _ = self.0.verified.set(());
                Ok(())
            }
        }
    }

    /// Holds the cluster against its recorded identity, once a process, before anything is believed or written.
    pub(crate) async fn verify(&self) -> Result<(), Error> {
        let Some(recorded) = &self.0.identity else {
            return Ok(());
        };
        self.0
            .verified
            .get_or_try_init(|| self.hold_against(recorded))
            .await
            .copied()
    }

    async fn hold_against(&self, recorded: &str) -> Result<(), Error> {
        let found = self.identity().await?;
        if found == recorded {
            return Ok(());
        }
        let recorded = recorded.to_owned();
        Err(Error::Identity { recorded, found })
    }

    /// The uid of `kube-system`, which tells one cluster from every other.
    ///
    /// # Errors
    /// Those of a read; [`Error::Rejected`] when there is no such namespace.
    pub async fn identity(&self) -> Result<String, Error> {
        let namespace: Option<Namespace> = self.0.objects.get(None, IDENTITY_NAMESPACE).await?;
        namespace
            .and_then(|namespace| namespace.metadata.uid)
            .ok_or_else(|| Error::rejected("the cluster has no kube-system"))
    }

    /// Makes the application's namespace, service account, network policy and pod, in this order: the pod never runs
    /// without its isolation. What exists already and is the application's counts as made, so this is safe to repeat.
    ///
    /// # Errors
    /// [`Error::Refused`] also for an application that has ended, [`Error::NotOurs`], [`Error::Terminating`] and
    /// [`Error::Identity`].
    pub async fn make_objects(&self, application: &Application) -> Result<Made, Error> {
        self.verify().await?;
        let plan = Plan::of(application, &self.0.installation, &self.0.proxy).ok_or_else(ended)?;
        let namespace = self.ensure(&plan, &manifests::namespace(&plan)).await?;
        if namespace.metadata.deletion_timestamp.is_some() {
            return Err(Error::Terminating);
        }
        let no_uid = || Error::rejected("the cluster made a namespace without a uid");
        let namespace_uid = namespace.metadata.uid.ok_or_else(no_uid)?;
        self.ensure(&plan, &manifests::service_account(&plan)).await?;
        self.ensure(&plan, &manifests::network_policy(&plan)).await?;
        self.ensure(&plan, &manifests::pod(&plan)).await?;
        Ok(Made { namespace_uid })
    }

    /// Makes `object`, or finds the one that was made of the same plan before.
    pub(crate) async fn ensure<K: Kind>(&self, plan: &Plan<'_>, object: &K) -> Result<K, Error> {
        if let Created::Made(made) = self.0.objects.create(object).await? {
            return Ok(made);
        }
        let meta = object.meta();
        let name = meta.name.as_deref().unwrap_or_default();
        match self.0.objects.get::<K>(meta.namespace.as_deref(), name).await? {
            Some(there) if plan.owner.owns(&there) => Ok(there),
            Some(_) => Err(Error::NotOurs),
            // It went between the two requests, which nothing of ours does but with its namespace.
            None => Err(Error::Terminating),
        }
    }

    /// How the application's pod is: one read, and a second one when it is not there or on its way out, because it may
    /// go with its namespace.
    ///
    /// # Errors
    /// Those of a read; [`Error::Refused`] for an application that has ended.
    pub async fn observe_pod(&self, application: &Application) -> Result<PodSeen, Error> {
        self.verify().await?;
        let run = application.run.as_ref().ok_or_else(ended)?;
        let id = &application.id;
        let pod: Option<Pod> = self.0.objects.get(Some(id.as_str()), POD).await?;
        // One that is somebody else's must not get the application's visitors.
        let pod = pod.filter(|pod| self.owner(id).owns(pod));
        let there = |pod: &Pod| PodSeen::There(pod_state(pod, run.port));
        let seen = pod.as_ref().map_or(PodSeen::Gone, there);
        if pod.is_some_and(|pod| pod.metadata.deletion_timestamp.is_none()) {
            return Ok(seen);
        }
        let namespace: Option<Namespace> = self.0.objects.get(None, id.as_str()).await?;
        let recorded = application.namespace_uid();
        let stands = namespace.is_some_and(|namespace| {
            let meta = &namespace.metadata;
            let same = recorded.is_none_or(|uid| meta.uid.as_deref() == Some(uid));
            same && meta.deletion_timestamp.is_none() && self.owner(id).owns(&namespace)
        });
        Ok(if stands { seen } else { PodSeen::NamespaceGone })
    }

    /// Begins to delete the application's namespace with all that is in it, or says how far that is. A namespace that
    /// is the application's by its labels goes whatever its uid: a late call may have made it anew. The delete holds
    /// for the very one that was looked at. For `uid` see [`Cluster::namespace`].
    ///
    /// # Errors
    /// Those of a read, and [`Error::Identity`].
    pub async fn delete_namespace(&self, id: &ApplicationId, uid: Option<&str>) -> Result<Removal, Error> {
        self.delete_owned(self.owner(id), uid).await
    }

    pub(crate) async fn delete_owned(&self, owner: Owner<'_>, uid: Option<&str>) -> Result<Removal, Error> {
        self.verify().await?;
        let (presence, namespace) = self.look(owner, uid).await?;
        let found = namespace.and_then(|namespace| namespace.metadata.uid);
        match (presence, found) {
            (Presence::There, Some(found)) => {
                let begun = self.0.objects.delete::<Namespace>(owner.id.as_str(), &found).await?;
                Ok(if begun { Removal::Going } else { Removal::Gone })
            }
            (Presence::There, None) => Err(Error::rejected("the cluster showed a namespace without a uid")),
            (Presence::Going, _) => Ok(Removal::Going),
            (Presence::Gone, _) => Ok(Removal::Gone),
            (Presence::NotOurs, _) => Ok(Removal::NotOurs),
        }
    }

    /// Whether the application's namespace is there. `uid` is the recorded one: with it, somebody else's namespace of
    /// the same name and another uid is no longer [`Presence::NotOurs`], but says that the application's is
    /// [`Presence::Gone`].
    ///
    /// # Errors
    /// Those of a read.
    pub async fn namespace(&self, id: &ApplicationId, uid: Option<&str>) -> Result<Presence, Error> {
        self.verify().await?;
        Ok(self.look(self.owner(id), uid).await?.0)
    }

    pub(crate) async fn look(
        &self,
        owner: Owner<'_>,
        uid: Option<&str>,
    ) -> Result<(Presence, Option<Namespace>), Error> {
        let namespace: Option<Namespace> = self.0.objects.get(None, owner.id.as_str()).await?;
        let presence = namespace
            .as_ref()
            .map_or(Presence::Gone, |seen| presence(seen, owner, uid));
        Ok((presence, namespace))
    }

    pub(crate) fn objects(&self) -> &Objects {
        &self.0.objects
    }

    pub(crate) fn proxy(&self) -> &ProxyPlace {
        &self.0.proxy
    }

    pub(crate) fn installation(&self) -> &InstallationId {
        &self.0.installation
    }

    pub(crate) fn owner<'a>(&'a self, application: &'a ApplicationId) -> Owner<'a> {
        Owner::application(&self.0.installation, application)
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster")
            .field("installation", &self.0.installation)
            .finish_non_exhaustive()
    }
}

fn presence(namespace: &Namespace, owner: Owner<'_>, recorded: Option<&str>) -> Presence {
    let meta = &namespace.metadata;
    if !owner.owns(namespace) {
        let replaced = recorded.is_some() && meta.uid.as_deref() != recorded;
        return if replaced { Presence::Gone } else { Presence::NotOurs };
    }
    match meta.deletion_timestamp {
        Some(_) => Presence::Going,
        None => Presence::There,
    }
}

fn ended() -> Error {
    Error::Refused {
        message: "the application has ended; nothing of it runs any more".to_owned(),
    }
}

#[cfg(test)]
mod tests;
