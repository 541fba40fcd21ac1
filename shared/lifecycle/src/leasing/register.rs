//! Clusters come to be known, and go.

use std::collections::BTreeMap;

use cluster_client::{ClusterAccess, Error as ClusterError};
use domain::{
    Cluster, ClusterName, ClusterPoolName, ClusterState, EndingWhy, Epoch, LabelKey, LabelValue, Look, ProviderName,
};
use store::{Claim, Row, WriteError};

use crate::Error;
use crate::advance::{due_at_once, step_of};
use crate::leasing::steps::due_as_before;
use crate::leasing::{ClusterRow, Leasing, TRIES};

/// What an operator says of a cluster.
#[derive(Clone)]
pub struct Registration {
    /// What people will call it.
    pub name: ClusterName,
    /// The pool that it shall be in.
    pub pool: ClusterPoolName,
    /// Who provides it.
    pub cloud_provider: ProviderName,
    /// What callers may choose it by.
    pub labels: BTreeMap<LabelKey, LabelValue>,
    /// How it is reached, with the rights to do everything there.
    pub kubeconfig: String,
    /// Random, and never used twice.
    pub nonce: [u8; 12],
    /// Whether what was in it is known to be gone, and it stands anew under its identity: whoever held it has lost it,
    /// and it is taken in again.
    pub anew: bool,
}

/// What became of a registration.
pub enum Registered {
    /// It is known, and is taken in or was before.
    Known(Box<ClusterRow>),
    /// It cannot be leased, in a sentence.
    Refused(String),
    /// It does not answer at the moment, in a sentence.
    Unreachable(String),
}

/// What became of a cluster that shall go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    /// It is gone, or goes once it is given back: what it has become.
    Going(Box<Cluster>),
    /// Somebody holds it.
    Held,
}

impl Leasing {
    /// Registers a cluster, or changes what is known of one: its kubeconfig must lead to a cluster that answers, to the
    /// same one as before if there was one, and to none of the installation's own. What has begun goes on in the look.
    ///
    /// # Errors
    /// [`Error::Overtaken`] when others moved it at every try; [`Error::Store`].
    pub async fn register(&self, asked: &Registration, look: &Look) -> Result<Registered, Error> {
        let access = match ClusterAccess::read(&asked.kubeconfig) {
            Ok(access) => access,
            Err(error) => return Ok(Registered::Refused(error.to_string())),
        };
        let credential_ends_at = access.ends_at();
        if let Some(end) = credential_ends_at.filter(|end| *end <= look.now) {
            let why = format!("the cluster cannot be used by this kubeconfig: its credential ended at {end}");
            return Ok(Registered::Refused(why));
        }
        let reached = async { self.connect(&access)?.identity().await };
        let identity = match reached.await {
            Ok(identity) => identity,
            Err(error) => {
                net::note("a cluster that is registered", &error);
                let why = format!("the cluster cannot be used by this kubeconfig: {}", error.sentence());
                let is_outage = matches!(error, ClusterError::Unreachable(_) | ClusterError::OutOfTime);
                return Ok(if is_outage {
                    Registered::Unreachable(why)
                } else {
                    Registered::Refused(why)
                });
            }
        };
        let Some(homes) = &self.rules().homes else {
            let unknown = "the installation does not know the identity of each of its own clusters, and cannot tell them \
                           from those to lease; its operator gives each cell its 'identity', the uid of kube-system";
            return Ok(Registered::Refused(unknown.to_owned()));
        };
        if homes.contains(&identity.uid) {
            let own = "this is a cluster in which the installation itself keeps what it launches; it cannot be leased";
            return Ok(Registered::Refused(own.to_owned()));
        }
        for number in 0..TRIES {
            let look_of_try = step_of(look, format!("register-{number}"));
            let old = self.store().cluster(&asked.name).await?;
            let known = old.as_ref().and_then(|row| row.value.identity.as_ref());
            if known.is_some_and(|known| known.uid != identity.uid) {
                let other = "another cluster has this name; delete it first, or give this one another name";
                return Ok(Registered::Refused(other.to_owned()));
            }
            let claim = self.store().identity_claim(&identity.uid).await?;
            if let Some(other) = self.other_name(&claim, &asked.name, &identity.uid).await? {
                return Ok(Registered::Refused(format!(
                    "this cluster is registered already, as '{other}'; delete that one first"
                )));
            }
            let next = match &old {
                None => Cluster {
                    name: asked.name.clone(),
                    pool: asked.pool.clone(),
                    cloud_provider: asked.cloud_provider.clone(),
                    labels: asked.labels.clone(),
                    server: access.server.clone(),
                    registered_at: look.now,
                    credential_ends_at,
                    identity: Some(identity.clone()),
                    intake: 0,
                    // Above every epoch of an earlier cluster of this name: what was bound to that is never this one.
                    epoch: Epoch(u64::try_from(look.now.as_millisecond()).unwrap_or_default()),
                    approved: Vec::new(),
                    leaving: false,
                    state: ClusterState::Intake,
                    trouble: None,
                },
                Some(row) => Cluster {
                    pool: asked.pool.clone(),
                    cloud_provider: asked.cloud_provider.clone(),
                    labels: asked.labels.clone(),
                    server: access.server.clone(),
                    credential_ends_at,
                    leaving: false,
                    ..if asked.anew {
                        row.value.to_take_in()
                    } else {
                        row.value.clone()
                    }
                },
            };
            // The seal first: a cluster without one is of no use, and a seal without its cluster does no harm.
            let seal = self.store().seal(&asked.name).await?;
            let sealed = self.sealed(&next, &asked.kubeconfig, asked.nonce);
            match self
                .store()
                .put_seal(seal.as_ref(), &asked.name, sealed, &look_of_try)
                .await
            {
                Ok(_) => {}
                Err(WriteError::Overtaken) => continue,
                Err(WriteError::Store(error)) => return Err(error.into()),
            }
            let begins = asked.anew || old.is_none();
            let due = match &old {
                _ if begins => Some(due_at_once(look)),
                None => None,
                Some(row) => due_as_before(row),
            };
            let put = match &old {
                None => {
                    self.store()
                        .register_cluster(claim.as_ref(), &next, due, &look_of_try)
                        .await
                }
                Some(old) => self.store().put_cluster(Some(old), &next, due, &look_of_try).await,
            };
            match put {
                Ok(row) if begins => {
                    if let Some(old) = &old {
                        self.forget_baseline(&old.value, &row.value).await;
                    }
                    return Ok(Registered::Known(Box::new(self.worked(row, look).await)));
                }
                Ok(row) => return Ok(Registered::Known(Box::new(row))),
                Err(WriteError::Overtaken) => {}
                Err(WriteError::Store(error)) => return Err(error.into()),
            }
        }
        Err(Error::Overtaken)
    }

    /// The other name under which the cluster of this identity is registered.
    async fn other_name(
        &self,
        claim: &Option<Row<Claim>>,
        name: &ClusterName,
        uid: &str,
    ) -> Result<Option<ClusterName>, Error> {
        let Some(other) = claim
            .as_ref()
            .map(|claim| &claim.value.cluster)
            .filter(|other| *other != name)
        else {
            return Ok(None);
        };
        // A claim whose cluster is gone is nobody's.
        let row = self.store().cluster(other).await?;
        let is_this = row.is_some_and(|row| super::identity(&row.value) == uid);
        Ok(is_this.then(|| other.clone()))
    }

    /// Takes a cluster out: nobody gets it any more, and once nobody holds it, nothing is known of it any more. With
    /// `force` a lease that holds it ends now; and with `force` once more one that cannot be brought back, because it does
    /// not exist any more, is forgotten.
    ///
    /// # Errors
    /// [`Error::Gone`] when there is no such cluster; [`Error::Overtaken`] when others moved it at every try.
    pub async fn remove(&self, name: &ClusterName, force: bool, look: &Look) -> Result<Removed, Error> {
        for number in 0..TRIES {
            let row = self.reread(name).await?;
            let look_of_try = step_of(look, format!("remove-{number}"));
            let leaving = Cluster {
                leaving: true,
                ..row.value.clone()
            };
            let outcome = match row.value.lease().cloned() {
                Some(_) if !force => return Ok(Removed::Held),
                Some(lease) => {
                    let ended = leaving.ended(&lease, EndingWhy::EndedByOperator, look.now);
                    let due = Some(due_at_once(look));
                    let put = self.store().put_cluster(Some(&row), &ended, due, &look_of_try);
                    put.await.map(Some)
                }
                // Asked for once more, it is not waited for: whoever asks knows that it is gone.
                None if matches!(row.value.state, ClusterState::Ending { .. })
                    && !(force && row.value.leaving && row.value.trouble.is_some()) =>
                {
                    let due = due_as_before(&row);
                    let put = self.store().put_cluster(Some(&row), &leaving, due, &look_of_try);
                    put.await.map(|_| None)
                }
                None => self.store().delete_cluster(&row, &look_of_try).await.map(|()| None),
            };
            match outcome {
                Ok(Some(row)) => return Ok(Removed::Going(Box::new(self.worked(row, look).await.value))),
                Ok(None) => return Ok(Removed::Going(Box::new(leaving))),
                Err(WriteError::Overtaken) => {}
                Err(WriteError::Store(error)) => return Err(error.into()),
            }
        }
        Err(Error::Overtaken)
    }

    /// What a row has become after this look went on with it; what fails is the reaper's.
    pub(crate) async fn worked(&self, row: ClusterRow, look: &Look) -> ClusterRow {
        let written = row.clone();
        self.work(row, look).await.unwrap_or_else(|error| {
            net::note("a cluster that can be leased", &error);
            written
        })
    }
}
