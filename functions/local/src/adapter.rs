//! The running adapter.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use domain::limits::DUE_SHARDS;
use domain::{Cell, KeyId, KeyName, KeyRecord, Look, Scope};
use embedded::issuer::{Issuer, Subject};
use gateway::{Clock, Config, DeployState, Edge, Entropy, Incoming, Mounted, Opening, Route, Router, key_sha256};
use http::Response;
use jiff::{SignedDuration, Timestamp};
use net::Net;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::leasable::homes;
use crate::parts::Parts;
use crate::ready::DemoOrganisation;
use crate::{Error, Identity, Options, Ready, server};

/// The organisation to try environments with, and who administers it.
const DEMO_ORGANISATION: &str = "demo";
const DEMO_ADMINISTRATOR: &str = "ann@demo.example";
/// For whom the embedded issuer's tokens are.
const DEMO_AUDIENCE: &str = "layby";
const DEMO_TOKEN_LASTS: SignedDuration = SignedDuration::from_hours(24);
/// How long one run of the reaper may take.
const RUN_MAX: Duration = Duration::from_secs(120);

/// The running adapter. Dropping it leaves its tasks to the runtime; [`Adapter::stop`] ends them.
pub struct Adapter {
    shared: Arc<Shared>,
    address: SocketAddr,
    kubeconfig: PathBuf,
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
    _temporary: Option<TempDir>,
    _lock: Option<File>,
}

/// What requests and the schedule share.
pub(crate) struct Shared {
    pub(crate) router: Router,
    config: Config,
    pub(crate) edge: Arc<Edge>,
    reaper: Mounted,
    running: Mutex<()>,
    parts: Parts,
    clock: Clock,
    ahead_ms: Arc<AtomicI64>,
    wound: Option<PathBuf>,
    identity: Identity,
    reaped: Arc<dyn Fn(&Value) + Send + Sync>,
}

/// What [`Adapter::advance`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advanced {
    /// The clock shows this time now, and the embedded parts have got there.
    To(Timestamp),
    /// Some part is real, and real time cannot be wound.
    Refused,
}

impl Adapter {
    /// Starts the parts that are not given, the API and the schedule.
    ///
    /// # Errors
    /// [`Error`] with what to do.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let entropy = Entropy::system();
        let lock = options.data.as_deref().map(lock).transpose()?;
        let mut identity = match &options.data {
            Some(folder) => Identity::kept_in(folder, &entropy)?,
            None => Identity::make(&entropy)?,
        };
        if options.data.is_none() && options.real.kubeconfig.is_some() {
            // What is made in a cluster outlives this process: the next one must know it again.
            identity.installation = "local".to_owned();
        }
        let wound = options.data.as_ref().map(|folder| folder.join("wound.json"));
        let ahead_ms = Arc::new(AtomicI64::new(wound.as_deref().map_or(0, ahead_kept_in)));
        let clock = Clock::wound(Arc::clone(&ahead_ms));
        let domain_time = clock.clone();
        let parts = Parts::start(&options, &identity, Arc::new(move || domain_time.now())).await?;
        let (kubeconfig, temporary) = kubeconfig_file(&options, &parts)?;

        let net = Net::new(options.net.clone()).map_err(|error| Error::Sentence(error.to_string()))?;
        let mut config = configuration(&options, &identity, &parts)?;
        let open = |config: &Config| {
            Edge::open(Opening {
                config: config.clone(),
                net: net.clone(),
                clock: clock.clone(),
                entropy: entropy.clone(),
                log: Arc::clone(&options.log),
            })
        };
        // The embedded clusters are on this machine.
        config.leases.reach.loopback = true;
        config.leases.homes = homes(&open(&config).await?).await?;
        let edge = open(&config).await?;
        let rooms: Vec<&Route> = fallback::ROOMS.concat();
        let router = Router::mount(&edge, &rooms, &api::FALLBACK)?;
        let reaper = (reaper::REAPER.mount)(&edge, reaper::REAPER.endpoint)?;
        let (running, reaped) = (Mutex::new(()), options.reaped);
        let shared = Arc::new(Shared {
            router,
            config,
            edge,
            reaper,
            running,
            parts,
            clock,
            ahead_ms,
            wound,
            identity,
            reaped,
        });

        shared.prepare(options.api_key.as_deref()).await?;
        let (stop, stopped) = watch::channel(false);
        let (address, serving) = server::serve(options.listen, Arc::clone(&shared), stopped.clone()).await?;
        let mut tasks = vec![serving];
        if !options.reap_every.is_zero() {
            tasks.push(tokio::spawn(schedule(Arc::clone(&shared), options.reap_every, stopped)));
        }
        Ok(Self {
            shared,
            address,
            kubeconfig,
            stop,
            tasks,
            _temporary: temporary,
            _lock: lock,
        })
    }

    /// Addresses and keys.
    pub fn ready(&self) -> Ready {
        let identity = &self.shared.identity;
        let key = |scope: Scope, key: &str| (scope.as_str().to_owned(), key.to_owned());
        Ready {
            api: format!("http://{}", self.address),
            proxy: self.shared.parts.proxy_url.clone(),
            dynamodb: self.shared.parts.dynamodb_url.clone(),
            kubeconfig: self.kubeconfig.display().to_string(),
            keys: BTreeMap::from([
                key(Scope::Apps, &identity.apps_key),
                key(Scope::Envs, &identity.envs_key),
                key(Scope::Leases, &identity.leases_key),
                key(Scope::Admin, &identity.admin_key),
            ]),
            demo: self.shared.parts.issuer.as_ref().and_then(|issuer| self.demo(issuer)),
        }
    }

    /// The organisation to try environments with, unless no token can be made.
    fn demo(&self, issuer: &Issuer) -> Option<DemoOrganisation> {
        let about = Subject {
            name: DEMO_ADMINISTRATOR,
            audience: DEMO_AUDIENCE,
            organisations: &[DEMO_ORGANISATION],
        };
        let token = issuer.token(&about, self.shared.clock.now(), DEMO_TOKEN_LASTS).ok()?;
        Some(DemoOrganisation {
            organisation: DEMO_ORGANISATION.to_owned(),
            issuer: issuer.url(),
            token,
        })
    }

    /// Winds the clock; see [`Advanced`].
    pub async fn advance(&self, by: Duration) -> Advanced {
        self.shared.advance(by).await
    }

    /// Runs the reaper once over all that is due, after a run in progress, and gives its report.
    pub async fn reap(&self) -> (http::StatusCode, Value) {
        let answer = self.shared.reap(Bytes::new()).await;
        (answer.status(), json_of(&answer))
    }

    /// What the endpoints are told: with it, others can be mounted over the same parts.
    pub fn config(&self) -> Config {
        self.shared.config.clone()
    }

    /// Domain time.
    pub fn clock(&self) -> Clock {
        self.shared.clock.clone()
    }

    /// The steps over the table and the cells, for tests that look behind the API.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn lifecycle(&self) -> Result<lifecycle::Lifecycle, Error> {
        Ok(self.shared.edge.lifecycle()?)
    }

    /// The steps over environments, for tests that look behind the API.
    ///
    /// # Errors
    /// [`Error::Config`].
    pub fn environments(&self) -> Result<lifecycle::Environments, Error> {
        Ok(self.shared.edge.environments()?)
    }

    /// The embedded issuer of access tokens, where no other is configured.
    pub fn issuer(&self) -> Option<&Issuer> {
        self.shared.parts.issuer.as_ref()
    }

    /// The embedded cluster, where it is embedded.
    pub fn kubernetes(&self) -> Option<&embedded::kubernetes::Kubernetes> {
        self.shared.parts.kubernetes.as_ref()
    }

    /// The embedded cluster of this name that can be leased.
    pub fn leasable(&self, name: &str) -> Option<&embedded::kubernetes::Kubernetes> {
        self.shared.parts.leasable.named(name)
    }

    /// The embedded route proxy, where it is embedded.
    pub fn proxy(&self) -> Option<&embedded::proxy::Proxy> {
        self.shared.parts.proxy.as_ref()
    }

    /// Stops the API, the schedule and the embedded parts.
    pub async fn stop(self) {
        let _ = self.stop.send(true);
        for task in self.tasks {
            let _ = task.await;
        }
        if let Ok(shared) = Arc::try_unwrap(self.shared).map_err(drop) {
            shared.parts.stop().await;
        }
    }
}

impl Shared {
    /// The table, the keys, and what became of applications while nobody looked.
    async fn prepare(&self, api_key: Option<&str>) -> Result<(), Error> {
        let work = async {
            let store = self.edge.store();
            store.ensure_table().await?;
            self.put_key("apps", &self.identity.apps_key, Scope::Apps).await?;
            self.put_key("envs", &self.identity.envs_key, Scope::Envs).await?;
            self.put_key("leases", &self.identity.leases_key, Scope::Leases).await?;
            self.put_key("admin", &self.identity.admin_key, Scope::Admin).await?;
            if let Some(key) = api_key {
                self.put_key("given", key, Scope::Apps).await?;
            }
            // Only where table and cluster are both this process's own is a missing namespace a lost application.
            if self.parts.dynamo.is_some() && self.parts.kubernetes.is_some() {
                self.repair().await?;
            }
            let leasable = &self.parts.leasable;
            leasable.offer(&self.edge, || self.look("register")).await
        };
        net::within(net::Scope::lasting(RUN_MAX), work).await
    }

    /// The name has the beginning of the key's hash, so that a table that outlives its adapter takes the next one's.
    async fn put_key(&self, word: &str, key: &str, scope: Scope) -> Result<(), Error> {
        let sha256 = key_sha256(key);
        let name = KeyName::parse(&format!("local-{word}-{}", &sha256[..8]))
            .map_err(|refusal| Error::Sentence(refusal.to_string()))?;
        let look = self.look("key");
        let record = KeyRecord {
            id: KeyId::parse(&sha256[..32]).map_err(|refusal| Error::Sentence(refusal.to_string()))?,
            name,
            scopes: [scope].into(),
            organisations: BTreeSet::new(),
            created_at: look.now,
            expires_at: None,
        };
        self.edge.store().create_key(&sha256, &record, &look, None).await?;
        Ok(())
    }

    /// Repairs what does not match. An embedded cluster's pods end with its process, so that everything that ran may have
    /// failed: a survey that shows nothing of it is true.
    async fn repair(&self) -> Result<(), Error> {
        let lifecycle = self.edge.lifecycle()?;
        for home in lifecycle.cells() {
            let cell = &home.cell.name;
            for shard in 0..DUE_SHARDS {
                let survey = lifecycle.survey(cell, shard, None, &self.look("survey")).await?;
                for finding in survey.findings {
                    lifecycle.mend(cell, finding, &self.look("mend")).await?;
                }
            }
        }
        Ok(())
    }

    fn look(&self, what: &str) -> Look {
        Look {
            now: self.clock.now(),
            by: format!("local/{what}/{}", self.edge.request_id()),
        }
    }

    pub(crate) async fn advance(&self, by: Duration) -> Advanced {
        if !self.parts.all_embedded() {
            return Advanced::Refused;
        }
        let by_ms = i64::try_from(by.as_millis()).unwrap_or(i64::MAX);
        let _ = self.ahead_ms.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |ahead| {
            Some(ahead.saturating_add(by_ms))
        });
        if let Some(file) = &self.wound {
            let text = self.ahead_ms.load(Ordering::SeqCst).to_string();
            // The next start would only begin at real time: not worth failing for.
            let _ = crate::identity::write_private(file, text.as_bytes());
        }
        self.parts.tick().await;
        Advanced::To(self.clock.now())
    }

    /// Runs the reaper once, with this event, after a run in progress.
    #[expect(clippy::disallowed_methods, reason = "a run's deadline is mechanical time")]
    pub(crate) async fn reap(&self, event: Bytes) -> Response<Bytes> {
        let _running = self.running.lock().await;
        let deadline = Instant::now() + RUN_MAX;
        let answer = self
            .reaper
            .answer(Incoming::scheduled(event, self.edge.request_id(), deadline))
            .await;
        let report = json_of(&answer);
        if report["due"] != json!(0) {
            (self.reaped)(&report);
        }
        answer
    }
}

/// The body of an answer; null where it is no JSON.
fn json_of(answer: &Response<Bytes>) -> Value {
    serde_json::from_slice(answer.body()).unwrap_or(Value::Null)
}

/// Takes the data folder for this process, for as long as the file is open.
fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join("lock");
    std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, error))?;
    let file = File::create(&path).map_err(|error| Error::file(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Sentence(format!(
            "{} is in use by another adapter: stop that one, or choose another folder with --data",
            folder.display()
        ))),
        Err(TryLockError::Error(error)) => Err(Error::file(&path, error)),
    }
}

/// How far ahead the clock was wound when the data folder was last used.
fn ahead_kept_in(file: &Path) -> i64 {
    let text = std::fs::read(file).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

async fn schedule(shared: Arc<Shared>, every: Duration, mut stopped: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(every) => {}
            _ = stopped.changed() => return,
        }
        tokio::select! {
            _ = shared.reap(Bytes::new()) => {}
            _ = stopped.changed() => return,
        }
    }
}

/// The functions' own variables, said for this machine; what the caller says goes before them.
fn configuration(options: &Options, identity: &Identity, parts: &Parts) -> Result<Config, Error> {
    let given = &options.variables;
    let own = std::iter::once(&identity.keyring);
    let keyring: Vec<&String> = own.chain(&options.older_keys).collect();
    let secrets = json!({
        "keyring": keyring,
        "registry_key": options.real.registry_key.as_deref().unwrap_or_default(),
        "cells": { "default": parts.cell_secrets },
    });
    let own = BTreeMap::from([
        ("LAYBY_INSTALLATION", identity.installation.clone()),
        ("LAYBY_DYNAMODB_URL", parts.dynamodb_url.clone()),
        ("LAYBY_ADMIN_KEY_SHA256", key_sha256(&identity.admin_key)),
        (
            "LAYBY_REGISTRY_URL",
            options.real.registry_url.clone().unwrap_or_default(),
        ),
        ("LAYBY_SECRETS", secrets.to_string()),
        (
            "LAYBY_OIDC_ISSUER",
            parts.issuer.as_ref().map(Issuer::url).unwrap_or_default(),
        ),
        ("LAYBY_OIDC_AUDIENCE", DEMO_AUDIENCE.to_owned()),
    ]);
    let mut config = Config::read(|name| given.get(name).or_else(|| own.get(name)).cloned())?;
    // As of old, and here alone: no function is ever told so.
    if config.environments.state == DeployState::Development {
        config.environments.ask_nobody();
    }
    if config.cells.is_empty() {
        Cell::check_public_host(&parts.cell.public_host)
            .map_err(|refusal| Error::Sentence(format!("--public-host: {refusal}")))?;
        config.cells = vec![parts.cell.clone()];
    }
    Ok(config)
}

/// An admin kubeconfig's path: the given one, or the embedded cluster's own text in a file.
fn kubeconfig_file(options: &Options, parts: &Parts) -> Result<(PathBuf, Option<TempDir>), Error> {
    let Some(text) = &parts.kubeconfig else {
        return Ok((options.real.kubeconfig.clone().unwrap_or_default(), None));
    };
    let (folder, temporary) = match &options.data {
        Some(folder) => (folder.clone(), None),
        None => {
            let made = tempfile::Builder::new().prefix("layby-").tempdir();
            let made = made.map_err(|error| Error::Sentence(format!("no temporary folder can be made: {error}")))?;
            (made.path().to_owned(), Some(made))
        }
    };
    let file = folder.join("kubeconfig");
    crate::identity::write_private(&file, text.as_bytes())?;
    Ok((file, temporary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_folder_belongs_to_one_adapter_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let held = lock(folder.path()).unwrap();
        let refused = lock(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("is in use by another adapter"), "{refused}");
        drop(held);
        assert!(lock(folder.path()).is_ok());
    }
}
