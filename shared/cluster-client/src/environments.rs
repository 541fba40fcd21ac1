//! An environment's namespace with what is always in it: one step a call.

mod hanging;
mod keys;
mod manifests;
mod tenant;

use std::collections::BTreeMap;

use domain::{Environment, EnvironmentName, Generation, NamespaceName};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::Resource;

use crate::error::Error;
use crate::lists::Item;
use crate::objects::{Created, Kind};
use crate::{Cluster, INSTALLATION_LABEL};

pub use keys::{RoutingKey, RoutingKeys};
pub(crate) use tenant::Tenant;
pub use tenant::{BORN_LABEL, ENVIRONMENT_LABEL};

use manifests::{ISOLATION, Plan};
use tenant::{GENERATION_ANNOTATION, Whose};

/// How often an object is written at most when others change it at the same moment.
pub(crate) const WRITE_TRIES: usize = 3;

/// What holds for every environment of an installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentRules {
    /// The pod security standard that its namespace enforces.
    pub enforce: PodSecurity,
    /// The one that its namespace warns by.
    pub warn: PodSecurity,
    /// Where set, only pods of the environment itself and of these namespaces may connect to its pods: those of the
    /// routers.
    pub isolated_but_from: Option<Vec<NamespaceName>>,
}

impl PodSecurity {
    /// As Kubernetes writes it.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Privileged, Self::Baseline, Self::Restricted]
            .into_iter()
            .find(|standard| standard.as_str() == text)
    }

    /// As Kubernetes writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        }
    }
}

impl Default for EnvironmentRules {
    fn default() -> Self {
        Self {
            enforce: PodSecurity::Baseline,
            warn: PodSecurity::Restricted,
            isolated_but_from: None,
        }
    }
}

/// A pod security standard of Kubernetes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodSecurity {
    /// Everything is allowed: for privileged containers, which the checks of pod templates let in or not.
    Privileged,
    /// What is known to break out of a container is forbidden.
    Baseline,
    /// What is hardened is allowed.
    Restricted,
}

/// What became of what an environment is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Applied {
    /// Its namespace, of this uid, and what is always in it are as its row says, or were when something later was asked.
    Done {
        /// The uid.
        namespace_uid: String,
    },
    /// A later environment of its name is there, or something later was asked of this one. Nothing of that was changed.
    Late,
}

/// What became of an environment's namespace that is to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvironmentRemoval {
    /// It is not there any more.
    Gone,
    /// It is being deleted.
    Going {
        /// What that waits for, as far as Kubernetes says it, in sentences for people.
        why: Option<String>,
    },
    /// The one of its name is somebody else's; it was left alone.
    NotOurs,
}

/// An environment's namespace, as a list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvironmentNamespaceSeen {
    /// The environment that it says it belongs to.
    pub environment: EnvironmentName,
    /// The generation that it says that environment was born by.
    pub born: Generation,
    /// Its uid.
    pub uid: String,
    /// When the cluster made it.
    pub created_at: Timestamp,
    /// Whether it is being deleted.
    pub going: bool,
}

impl Cluster {
    /// Makes the environment's namespace, routing secret and, where the rules ask for it, network policy, or makes them
    /// be what its row says: safe to repeat. What is there already from an earlier call is not asked for twice.
    ///
    /// An earlier environment's namespace of the same name is deleted first: [`Error::Terminating`] says so, and that one
    /// is to come again.
    ///
    /// # Errors
    /// [`Error::NotOurs`] when the namespace is somebody else's, [`Error::Terminating`], [`Error::Identity`]; those of a
    /// write.
    pub async fn apply_environment(
        &self,
        environment: &Environment,
        keys: &RoutingKeys,
        rules: &EnvironmentRules,
    ) -> Result<Applied, Error> {
        self.verify().await?;
        let plan = Plan {
            tenant: self.tenant(&environment.name, environment.born),
            environment,
            keys,
            rules,
        };
        let is_known = environment.namespace_uid.is_some();
        let namespace = self.settle(
            &plan,
            manifests::namespace(&plan),
            is_known,
            |there: &mut Namespace, wanted| {
                extend(&mut there.metadata.labels, wanted.metadata.labels);
            },
        );
        let Some(namespace) = namespace.await? else {
            return Ok(Applied::Late);
        };
        let no_uid = || Error::rejected("the cluster made a namespace without a uid");
        let namespace_uid = namespace.metadata.uid.ok_or_else(no_uid)?;
        let secret = manifests::secret(&plan, &namespace_uid);
        let secret = self.settle(&plan, secret, is_known, |there: &mut Secret, wanted| {
            there.data = wanted.data
        });
        if secret.await?.is_none() {
            return Ok(Applied::Late);
        }
        match manifests::isolation(&plan, &namespace_uid) {
            Some(policy) => {
                let policy = self.settle(&plan, policy, is_known, |there: &mut NetworkPolicy, wanted| {
                    there.spec = wanted.spec;
                });
                if policy.await?.is_none() {
                    return Ok(Applied::Late);
                }
            }
            None if is_known => self.open_up(&plan.tenant).await?,
            None => {}
        }
        Ok(Applied::Done { namespace_uid })
    }

    /// Makes `wanted`, or makes what is there of its name be it by `become_it`, which need not mind annotations. Nothing
    /// when something later was asked meanwhile. What `is_known` to be there is looked at first.
    async fn settle<K: Kind + Clone + PartialEq + Resource>(
        &self,
        plan: &Plan<'_>,
        wanted: K,
        is_known: bool,
        become_it: impl Fn(&mut K, K),
    ) -> Result<Option<K>, Error> {
        let (namespace, name) = (
            wanted.meta().namespace.clone(),
            wanted.meta().name.clone().unwrap_or_default(),
        );
        for attempt in 0..WRITE_TRIES {
            if !(is_known && attempt == 0)
                && let Created::Made(made) = self.objects().create(&wanted).await?
            {
                return Ok(Some(made));
            }
            let Some(there) = self.objects().get::<K>(namespace.as_deref(), &name).await? else {
                continue;
            };
            match plan.tenant.whose(&there) {
                Whose::Others => return Err(Error::NotOurs),
                Whose::Later => return Ok(None),
                Whose::Earlier => {
                    // What is in a namespace goes with it.
                    if namespace.is_none() {
                        self.objects().delete::<K>(&name, uid_of(&there)).await?;
                    }
                    return Err(Error::Terminating);
                }
                Whose::Its if there.meta().deletion_timestamp.is_some() => return Err(Error::Terminating),
                Whose::Its => {}
            }
            if generation_of(&there) > plan.environment.generation {
                return Ok(None);
            }
            let mut next = there.clone();
            become_it(&mut next, wanted.clone());
            extend(&mut next.meta_mut().annotations, wanted.meta().annotations.clone());
            if next == there {
                return Ok(Some(there));
            }
            next.meta_mut().managed_fields = None;
            if let Some(written) = self.objects().replace(&next).await? {
                return Ok(Some(written));
            }
        }
        Err(Error::overtaken())
    }

    /// Removes the policy that isolated the environment under earlier rules.
    async fn open_up(&self, tenant: &Tenant<'_>) -> Result<(), Error> {
        let namespace = tenant.name.namespace();
        let there: Option<NetworkPolicy> = self.objects().get(Some(namespace.as_str()), ISOLATION).await?;
        if let Some(policy) = there.filter(|there| tenant.owns(there)) {
            let uid = uid_of(&policy);
            self.objects()
                .delete_in::<NetworkPolicy>(namespace.as_str(), ISOLATION, uid)
                .await?;
        }
        Ok(())
    }

    /// Begins to delete the namespace of the environment `name` that was born by `born`, or of an earlier one, with all
    /// that is in it, or says how far that is and what it waits for. The delete holds for the very one that was looked at.
    /// With the recorded `uid`, somebody else's namespace of the same name and another uid says that this one is gone.
    ///
    /// # Errors
    /// Those of a read, and [`Error::Identity`].
    pub async fn remove_environment(
        &self,
        name: &EnvironmentName,
        born: Generation,
        uid: Option<&str>,
    ) -> Result<EnvironmentRemoval, Error> {
        self.verify().await?;
        let found: Option<Namespace> = self.objects().get(None, name.namespace().as_str()).await?;
        let Some(found) = found else {
            return Ok(EnvironmentRemoval::Gone);
        };
        let is_recorded = found.metadata.uid.as_deref() == uid;
        match self.tenant(name, born).whose(&found) {
            Whose::Others if uid.is_some() && !is_recorded => return Ok(EnvironmentRemoval::Gone),
            Whose::Others => return Ok(EnvironmentRemoval::NotOurs),
            Whose::Later => return Ok(EnvironmentRemoval::Gone),
            Whose::Its | Whose::Earlier => {}
        }
        let why = hanging::why(&found);
        if found.metadata.deletion_timestamp.is_none() {
            let namespace = name.namespace();
            self.objects()
                .delete::<Namespace>(namespace.as_str(), uid_of(&found))
                .await?;
        }
        Ok(EnvironmentRemoval::Going { why })
    }

    /// The namespaces of this installation's environments, all of them or an error.
    ///
    /// # Errors
    /// Those of [`Cluster::namespaces_of`].
    pub async fn environment_namespaces(&self) -> Result<Vec<EnvironmentNamespaceSeen>, Error> {
        self.verify().await?;
        let installation = self.installation().as_str();
        let keep = |item: Item| {
            let meta = item.metadata;
            let label = |key| meta.labels.get(key).map(String::as_str);
            if label(INSTALLATION_LABEL) != Some(installation) {
                return None;
            }
            let environment = tenant::environment(label(ENVIRONMENT_LABEL)?)?;
            (environment.namespace().as_str() == meta.name).then_some(EnvironmentNamespaceSeen {
                born: Generation(label(BORN_LABEL)?.parse().ok()?),
                environment,
                created_at: meta.creation_timestamp,
                going: meta.deletion_timestamp.is_some(),
                uid: meta.uid,
            })
        };
        let selector = format!("{INSTALLATION_LABEL}={installation},{ENVIRONMENT_LABEL}");
        self.objects().list::<Namespace, _, _>(None, Some(selector), keep).await
    }

    pub(crate) fn tenant<'a>(&'a self, name: &'a EnvironmentName, born: Generation) -> Tenant<'a> {
        Tenant {
            installation: self.installation(),
            name,
            born,
        }
    }
}

fn generation_of(object: &impl Resource) -> Generation {
    let annotations = object.meta().annotations.as_ref();
    let text = annotations.and_then(|annotations| annotations.get(GENERATION_ANNOTATION));
    Generation(text.and_then(|text| text.parse().ok()).unwrap_or_default())
}

fn uid_of(object: &impl Resource) -> &str {
    object.meta().uid.as_deref().unwrap_or_default()
}

fn extend(entries: &mut Option<BTreeMap<String, String>>, more: Option<BTreeMap<String, String>>) {
    entries.get_or_insert_default().extend(more.unwrap_or_default());
}

#[cfg(test)]
pub(crate) mod sample {
    use domain::{CellName, EnvironmentAsk, HostNames, InstallationId, Lifetime};

    use super::*;

    /// `org1:env1`, born by generation 7 and now at 9, with two hosts.
    pub(crate) fn environment() -> Environment {
        let ask = EnvironmentAsk {
            name: EnvironmentName::parse("org1:env1").unwrap(),
            hosts: HostNames::read(&["host1".to_owned(), "host2".to_owned()]).unwrap(),
            lifetime: Lifetime::Forever,
            protect: false,
            asleep: false,
        };
        let at = "2026-11-22T10:00:00Z".parse().unwrap();
        let mut environment = Environment::new(ask, CellName::parse("home").unwrap(), String::new(), None, at);
        (environment.born, environment.generation) = (Generation(7), Generation(9));
        environment
    }

    pub(crate) fn installation() -> InstallationId {
        InstallationId::parse("prod").unwrap()
    }

    /// Its namespace as it is sent.
    pub(crate) fn namespace() -> Namespace {
        let (environment, installation, keys) = (environment(), installation(), keys());
        manifests::namespace(&Plan {
            tenant: Tenant {
                installation: &installation,
                name: &environment.name,
                born: environment.born,
            },
            environment: &environment,
            keys: &keys,
            rules: &EnvironmentRules::default(),
        })
    }

    pub(crate) fn keys() -> RoutingKeys {
        RoutingKeys {
            public: RoutingKey::from_bytes([1; 32]),
            private: RoutingKey::from_bytes([2; 32]),
        }
    }
}
