//! What runs in an environment: its deployments, one step a call.
//!
//! A deployment in an environment's namespace that is not marked as the environment's is somebody else's: it is in no
//! list, and its name is taken.

mod given;
mod logs;
mod manifest;
mod rules;
mod template;

use domain::{DeploymentName, Environment, Refusal};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use serde_json::Value;

use crate::Cluster;
use crate::environments::{Tenant, WRITE_TRIES};
use crate::error::Error;
use crate::objects::Created;

pub use given::Given;
pub use logs::{DeploymentLogs, LogAsk};
pub use manifest::{DeploymentPatch, NewDeployment, Replicas, Sleep};
pub use template::PodTemplate;

use template::COMPONENT;

/// Deployments that are scaled at a time.
const SCALE_CONCURRENCY: usize = 8;

/// A deployment of an environment, as the cluster showed it.
#[derive(Clone, PartialEq)]
pub struct DeploymentSeen {
    answer: Value,
    object: Deployment,
}

/// A deployment as it is to be. It is written over the very one that it was made of, or not at all.
#[derive(Clone, PartialEq)]
pub struct DeploymentChange(Deployment);

/// What became of a deployment that somebody asked for.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is what is asked for; it is moved once"
)]
pub enum DeploymentMade {
    /// It is there: made now, or by the same before.
    Made(DeploymentSeen),
    /// There is one of its name.
    NameTaken {
        /// Who made that, if layby did.
        made_by: Option<String>,
    },
    /// Another of the environment is this component.
    ComponentTaken {
        /// Which component.
        component: String,
        /// What the other is called.
        by: String,
    },
}

impl DeploymentSeen {
    fn read(answer: Value) -> Result<Self, Error> {
        let object = serde_json::from_value(answer.clone()).map_err(|error| Error::Rejected(error.into()))?;
        Ok(Self { answer, object })
    }

    /// The whole object, with `kind` and `apiVersion`, as the cluster gave it.
    pub fn into_answer(self) -> Value {
        self.answer
    }

    /// Who made it, as [`NewDeployment::made_by`] has it.
    pub fn made_by(&self) -> Option<&str> {
        manifest::made_by(&self.object)
    }

    /// Whether it sleeps, and what asked for that.
    pub fn sleep(&self) -> Sleep {
        manifest::sleep_of(&self.object)
    }

    /// The deployment after `patch`, which was asked for at `now`, in an environment that is asleep or not; what was asked
    /// of the deployment later than `sleep` holds.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a template of another component.
    pub fn patched(&self, patch: &DeploymentPatch, sleep: Sleep, now: Timestamp) -> Result<DeploymentChange, Refusal> {
        manifest::patched(&self.object, patch, sleep, now).map(DeploymentChange)
    }
}

impl DeploymentChange {
    /// The host names that its pods will be served under, as they were written.
    pub fn hosts(&self) -> Vec<&str> {
        manifest::hosts_of(&self.0)
    }
}

impl Cluster {
    /// Makes a deployment in the environment, which must have its namespace: four requests.
    ///
    /// Of two that are made at the same moment as the same component, each may see the other, and then neither stays.
    ///
    /// # Errors
    /// [`Error::NotOurs`] or [`Error::Terminating`] when the namespace is not, or no longer, the one that is recorded;
    /// [`Error::Refused`] with the cluster's sentence when it does not take the deployment as it is; [`Error::Identity`].
    pub async fn make_deployment(
        &self,
        environment: &Environment,
        new: &NewDeployment,
    ) -> Result<DeploymentMade, Error> {
        self.verify().await?;
        let tenant = self.tenant(&environment.name, environment.born);
        let namespace_uid = environment.namespace_uid.as_deref().ok_or(Error::Terminating)?;
        let (namespace, name) = (environment.name.namespace(), new.name.as_str());
        self.stands(&tenant, namespace_uid).await?;
        let component_taken = |by| DeploymentMade::ComponentTaken {
            component: new.component().to_owned(),
            by,
        };
        if let Some(other) = self.other_of(&tenant, new).await? {
            return Ok(component_taken(other));
        }
        let made = match self.objects().create_as(&new.manifest(&tenant, namespace_uid)).await? {
            Created::Made(made) => DeploymentSeen::read(made)?,
            Created::AlreadyThere => {
                let there = self.deployment(environment, &new.name).await?;
                let made_by = there.as_ref().and_then(DeploymentSeen::made_by).map(str::to_owned);
                return Ok(match there.filter(|there| there.made_by() == Some(&new.made_by)) {
                    Some(own) => DeploymentMade::Made(own),
                    None => DeploymentMade::NameTaken { made_by },
                });
            }
        };
        if let Some(other) = self.other_of(&tenant, new).await? {
            let uid = made.object.metadata.uid.as_deref().unwrap_or_default();
            self.objects()
                .delete_in::<Deployment>(namespace.as_str(), name, uid)
                .await?;
            return Ok(component_taken(other));
        }
        Ok(DeploymentMade::Made(made))
    }

    /// Looks whether the environment's namespace is the recorded one, before anything is made in it.
    async fn stands(&self, tenant: &Tenant<'_>, uid: &str) -> Result<(), Error> {
        let namespace: Option<Namespace> = self.objects().get(None, tenant.name.namespace().as_str()).await?;
        let Some(namespace) = namespace else {
            return Err(Error::Terminating);
        };
        if !tenant.owns(&namespace) || namespace.metadata.uid.as_deref() != Some(uid) {
            return Err(Error::NotOurs);
        }
        match namespace.metadata.deletion_timestamp {
            Some(_) => Err(Error::Terminating),
            None => Ok(()),
        }
    }

    /// The name of another deployment of the environment that is the same component, if there is one.
    async fn other_of(&self, tenant: &Tenant<'_>, new: &NewDeployment) -> Result<Option<String>, Error> {
        let selector = format!("{},{COMPONENT}={}", tenant.selector(), new.component());
        let keep = |one: Deployment| {
            let is_other = tenant.owns(&one) && manifest::component(&one) == Some(new.component());
            one.metadata.name.filter(|name| is_other && name != new.name.as_str())
        };
        let namespace = tenant.name.namespace();
        let others = self
            .objects()
            .list::<Deployment, _, _>(Some(namespace.as_str()), Some(selector), keep);
        Ok(others.await?.into_iter().next())
    }

    /// The environment's deployments as Kubernetes lists them, with `kind` and `apiVersion`: at most `limit`, and where
    /// there are more, `metadata.continue` says what to give as `from` for the next. Nothing when the cluster remembers
    /// no more what `from` continues.
    ///
    /// # Errors
    /// Those of a read, and [`Error::Identity`].
    pub async fn deployments(
        &self,
        environment: &Environment,
        limit: u32,
        from: Option<&str>,
    ) -> Result<Option<Value>, Error> {
        self.verify().await?;
        let tenant = self.tenant(&environment.name, environment.born);
        let namespace = environment.name.namespace();
        self.objects()
            .page::<Deployment>(namespace.as_str(), tenant.selector(), limit, from)
            .await
    }

    /// One of the environment's deployments, if it is there: one request.
    ///
    /// # Errors
    /// Those of a read, and [`Error::Identity`].
    pub async fn deployment(
        &self,
        environment: &Environment,
        name: &DeploymentName,
    ) -> Result<Option<DeploymentSeen>, Error> {
        self.verify().await?;
        let tenant = self.tenant(&environment.name, environment.born);
        let namespace = environment.name.namespace();
        let answer = self
            .objects()
            .get_as::<Deployment, Value>(Some(namespace.as_str()), name.as_str())
            .await?;
        let seen = answer.map(DeploymentSeen::read).transpose()?;
        Ok(seen.filter(|seen| tenant.owns(&seen.object)))
    }

    /// Writes a change over the deployment that it was made of: one request. Nothing when that has changed meanwhile, or
    /// is gone: it is to be looked at again.
    ///
    /// # Errors
    /// [`Error::Refused`] with the cluster's sentence when it does not take the change; those of a write.
    pub async fn change_deployment(&self, change: &DeploymentChange) -> Result<Option<DeploymentSeen>, Error> {
        let written: Option<Value> = self.objects().replace(&change.0).await?;
        written.map(DeploymentSeen::read).transpose()
    }

    /// Deletes one of the environment's deployments; what it owns follows in the background. `false` when it is not there.
    ///
    /// # Errors
    /// Those of a read, and [`Error::Identity`].
    pub async fn delete_deployment(&self, environment: &Environment, name: &DeploymentName) -> Result<bool, Error> {
        let Some(seen) = self.deployment(environment, name).await? else {
            return Ok(false);
        };
        let uid = seen.object.metadata.uid.as_deref().unwrap_or_default();
        let namespace = environment.name.namespace();
        self.objects()
            .delete_in::<Deployment>(namespace.as_str(), name.as_str(), uid)
            .await
    }

    /// Takes the pods of all of the environment's deployments, or gives them those that they had before, as its row says:
    /// safe to repeat. One that was asked for at the same moment may not be among them.
    ///
    /// # Errors
    /// Those of a read or a write, and [`Error::Identity`]; some may be done.
    pub async fn scale_deployments(&self, environment: &Environment) -> Result<(), Error> {
        self.verify().await?;
        for _ in 0..WRITE_TRIES {
            if self.scale_all(environment).await? {
                return Ok(());
            }
        }
        Err(Error::overtaken())
    }

    /// Whether nobody else changed one of them at the same moment.
    async fn scale_all(&self, environment: &Environment) -> Result<bool, Error> {
        let tenant = self.tenant(&environment.name, environment.born);
        let namespace = environment.name.namespace();
        let keep = |one: Deployment| manifest::scaled(&one, Sleep::of(environment)).filter(|_| tenant.owns(&one));
        let changes = self
            .objects()
            .list::<Deployment, _, _>(Some(namespace.as_str()), Some(tenant.selector()), keep)
            .await?;
        let writes: Vec<_> = changes.iter().map(|change| self.objects().replace(change)).collect();
        // All of them, before it is told that one could not be written.
        let written: Vec<Result<Option<Deployment>, Error>> =
            stream::iter(writes).buffer_unordered(SCALE_CONCURRENCY).collect().await;
        written
            .into_iter()
            .try_fold(true, |all, written| Ok(written?.is_some() && all))
    }
}
