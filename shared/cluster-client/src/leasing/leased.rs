//! One cluster that can be leased: one step a call.

use std::time::Duration;

use domain::{Epoch, Identity, InstallationId};
use http::{Method, Request};
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::{Namespace, Node, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};
use serde::Deserialize;
use serde_json::json;

use crate::error::{self, Error};
use crate::leasing::ClusterAccess;
use crate::objects::{Created, Kind, Objects};
use crate::transport::Transport;
use crate::{INSTALLATION_LABEL, Token};

/// The namespace that no cluster can lose: whose uid is its identity, and in which accounts are made.
pub(super) const SYSTEM: &str = "kube-system";
/// The label of what belongs to a holder or a cleaner.
const HAND_LABEL: &str = "layby.dev/lease";
/// The label with the epoch that such a thing was made for.
const EPOCH_LABEL: &str = "layby.dev/epoch";
/// The shortest that Kubernetes lets a token last.
const TOKEN_LEAST: Duration = Duration::from_secs(10 * 60);

/// Whose account something is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hand {
    /// Whoever leased the cluster.
    Holder,
    /// Whoever cleans it.
    Cleaner,
}

impl Hand {
    fn word(self) -> &'static str {
        match self {
            Hand::Holder => "holder",
            Hand::Cleaner => "cleaner",
        }
    }
}

/// A cluster that can be leased. Cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct LeasedCluster {
    pub(super) client: kube::Client,
    objects: Objects,
    installation: InstallationId,
}

impl LeasedCluster {
    /// A client of the cluster; nothing is sent yet. It belongs to the tokio runtime it is made in. Where the cluster is,
    /// somebody else wrote down: addresses that are not of the public internet are connected to only within `reach`.
    ///
    /// # Errors
    /// [`Error::Rejected`] when address, trust or token cannot be used, or outside a runtime.
    pub fn connect(
        net: &net::Net,
        access: &ClusterAccess,
        reach: &net::Reach,
        installation: &InstallationId,
    ) -> Result<Self, Error> {
        if tokio::runtime::Handle::try_current().is_err() {
            return Err(Error::rejected("there is no tokio runtime for the cluster's client"));
        }
        let client = net.client_guarded(net::Peer::Leased, &access.trust, reach);
        let client = client.map_err(|error| Error::Rejected(error.into()))?;
        let server = access
            .server
            .parse()
            .map_err(|_| Error::rejected("the server is no URL"))?;
        let transport = Transport::new(client, server, access.token_source())?;
        let client = kube::Client::new(transport, "default");
        Ok(Self {
            objects: Objects::new(client.clone()),
            client,
            installation: installation.clone(),
        })
    }

    /// Which cluster it is, and of which version.
    ///
    /// # Errors
    /// Those of a read; [`Error::Rejected`] when it has no `kube-system`.
    pub async fn identity(&self) -> Result<Identity, Error> {
        let namespace: Option<Namespace> = self.objects.get(None, SYSTEM).await?;
        let uid = namespace.and_then(|namespace| namespace.metadata.uid);
        let uid = uid.ok_or_else(|| Error::rejected("the cluster has no kube-system"))?;
        let version = self.client.apiserver_version().await?;
        Ok(Identity {
            uid,
            version: version.git_version,
        })
    }

    /// What is wrong with its nodes, in a sentence, if anything is.
    ///
    /// # Errors
    /// Those of a read.
    pub async fn unwell(&self) -> Result<Option<String>, Error> {
        let unready = |node: Node| {
            let conditions = node.status.as_ref().and_then(|status| status.conditions.as_ref());
            let ready = conditions
                .into_iter()
                .flatten()
                .any(|one| one.type_ == "Ready" && one.status == "True");
            Some((node.name_any(), ready))
        };
        let nodes = self.objects.list::<Node, Node, _>(None, None, unready).await?;
        let unready: Vec<&str> = nodes
            .iter()
            .filter(|(_, ready)| !ready)
            .map(|(name, _)| name.as_str())
            .collect();
        Ok(match unready.as_slice() {
            _ if nodes.is_empty() => Some("it has no nodes".to_owned()),
            [] => None,
            [name] => Some(format!("its node {name} is not ready")),
            [name, others @ ..] => Some(format!("its node {name} and {} others are not ready", others.len())),
        })
    }

    /// Makes the account of a hand for an epoch, and binds it to a cluster role. What is there already is left.
    ///
    /// # Errors
    /// [`Error::Refused`] also for a role that does not exist; those of a create.
    pub async fn admit(&self, hand: Hand, epoch: Epoch, role: &str) -> Result<(), Error> {
        let account = ServiceAccount {
            metadata: self.meta(hand, epoch, Some(SYSTEM)),
            automount_service_account_token: Some(false),
            ..Default::default()
        };
        let name = self.name(hand, epoch);
        let binding = ClusterRoleBinding {
            metadata: self.meta(hand, epoch, None),
            role_ref: RoleRef {
                api_group: "rbac.authorization.k8s.io".to_owned(),
                kind: "ClusterRole".to_owned(),
                name: role.to_owned(),
            },
            subjects: Some(vec![Subject {
                kind: "ServiceAccount".to_owned(),
                name,
                namespace: Some(SYSTEM.to_owned()),
                ..Default::default()
            }]),
        };
        let (Created::Made(_) | Created::AlreadyThere) = self.objects.create(&account).await?;
        let (Created::Made(_) | Created::AlreadyThere) = self.objects.create(&binding).await?;
        Ok(())
    }

    /// A token of a hand's account that lasts for so long, but for ten minutes at least, and until when it really does.
    ///
    /// # Errors
    /// [`Error::Refused`] when there is no such account; those of a create.
    pub async fn token(&self, hand: Hand, epoch: Epoch, lasting: Duration) -> Result<(Token, Timestamp), Error> {
        let seconds = lasting.max(TOKEN_LEAST).as_secs();
        let asked = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds},
        });
        let path = format!(
            "{}/{}/token",
            ServiceAccount::url_path(&(), Some(SYSTEM)),
            self.name(hand, epoch)
        );
        let request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("content-type", "application/json")
            .body(asked.to_string().into_bytes())
            .map_err(kube::Error::HttpError)?;
        let made: TokenRequest = self.client.request(request).await.map_err(Error::of_write)?;
        let status = made
            .status
            .ok_or_else(|| Error::rejected("the cluster gave no token"))?;
        Ok((Token::new(status.token), status.expiration_timestamp.0))
    }

    /// Deletes the bindings, then the accounts, of a hand for all epochs up to one, and looks for them again: `true`
    /// once none is there any more. They are known by their names, the one thing about them that no holder can change.
    ///
    /// # Errors
    /// Those of a read or a delete.
    pub async fn dismiss(&self, hand: Hand, up_to: Epoch) -> Result<bool, Error> {
        let bindings = self.of_hand::<ClusterRoleBinding>(hand, up_to, None).await?;
        for one in &bindings {
            self.remove::<ClusterRoleBinding>(None, one).await?;
        }
        let accounts = self.of_hand::<ServiceAccount>(hand, up_to, Some(SYSTEM)).await?;
        for one in &accounts {
            self.remove::<ServiceAccount>(Some(SYSTEM), one).await?;
        }
        if bindings.is_empty() && accounts.is_empty() {
            return Ok(true);
        }
        let bindings = self.of_hand::<ClusterRoleBinding>(hand, up_to, None).await?;
        let accounts = self.of_hand::<ServiceAccount>(hand, up_to, Some(SYSTEM)).await?;
        Ok(bindings.is_empty() && accounts.is_empty())
    }

    /// What was made of a kind for a hand and an epoch up to one.
    async fn of_hand<K: Kind>(&self, hand: Hand, up_to: Epoch, namespace: Option<&str>) -> Result<Vec<Own>, Error> {
        let prefix = self.name_before_epoch(hand);
        let is_meant = |name: &str| {
            let epoch = name.strip_prefix(&prefix).and_then(|epoch| epoch.parse::<u64>().ok());
            epoch.is_some_and(|epoch| epoch <= up_to.0)
        };
        let keep = |object: Named| {
            let meta = object.metadata;
            let name = meta.name.filter(|name| is_meant(name))?;
            Some(Own {
                name,
                uid: meta.uid?,
                is_held: meta.finalizers.is_some_and(|finalizers| !finalizers.is_empty()),
            })
        };
        self.objects.list::<K, Named, _>(namespace, None, keep).await
    }

    /// Deletes one of our own, and drops what a holder may have made it wait for: a binding that waits still binds.
    async fn remove<K: Kind>(&self, namespace: Option<&str>, one: &Own) -> Result<(), Error> {
        match namespace {
            Some(namespace) => self.objects.delete_in::<K>(namespace, &one.name, &one.uid).await?,
            None => self.objects.delete::<K>(&one.name, &one.uid).await?,
        };
        if !one.is_held {
            return Ok(());
        }
        let change = json!({"metadata": {"uid": one.uid, "finalizers": null}});
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(format!("{}/{}", K::url_path(&(), namespace), one.name))
            .header("content-type", "application/merge-patch+json")
            .body(change.to_string().into_bytes())
            .map_err(kube::Error::HttpError)?;
        match self.client.request_text(request).await {
            Ok(_) => Ok(()),
            Err(error) if error::is_absent(&error) || error::is_conflict(&error) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn name(&self, hand: Hand, epoch: Epoch) -> String {
        format!("{}{epoch}", self.name_before_epoch(hand))
    }

    fn name_before_epoch(&self, hand: Hand) -> String {
        format!("layby-{}-{}-", self.installation, hand.word())
    }

    fn meta(&self, hand: Hand, epoch: Epoch, namespace: Option<&str>) -> ObjectMeta {
        let labels = [
            (INSTALLATION_LABEL, self.installation.to_string()),
            (HAND_LABEL, hand.word().to_owned()),
            (EPOCH_LABEL, epoch.to_string()),
        ];
        ObjectMeta {
            name: Some(self.name(hand, epoch)),
            namespace: namespace.map(str::to_owned),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value)).into()),
            ..Default::default()
        }
    }
}

/// An account or a binding that layby made.
struct Own {
    name: String,
    uid: String,
    /// Whether it waits for anything before it goes.
    is_held: bool,
}

#[derive(Deserialize)]
struct Named {
    metadata: ObjectMeta,
}
