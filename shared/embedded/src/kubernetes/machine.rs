//! The machine: requests in, answers out, and time that only its caller moves.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use http::{Method, Request, Response, header};
use jiff::Timestamp;
use serde_json::Value;

use super::access::Signer;
use super::discovery;
use super::events::Recorder;
use super::ids::{self, Ids};
use super::json::{put, stamp, text};
use super::nodes::{Amounts, NodeShape};
use super::objects::{Key, Objects};
use super::registry::{CLUSTER_ROLES, EVENTS, KINDS, NODES, PODS, Service};
use super::request::Call;
use super::runs::Run;
use super::services::Addresses;
use super::status::Refusal;
use super::timers::{Timer, TimerId, Timers};
use super::watch::Watch;

/// Things done in one call of [`Machine::tick`]; what is left is due at once in the next.
const TICK_MAX: usize = 100_000;

/// What a machine starts from.
#[derive(Clone)]
pub struct Config {
    /// Decides the uid of `kube-system`, by which a cluster is known.
    pub cluster: String,
    /// Domain time at the start. With `cluster` it decides all other uids, and revisions count from it, so that a later
    /// start never repeats those of an earlier one.
    pub started: Timestamp,
    /// Bearer token of the one user, an administrator.
    pub token: String,
    /// The nodes, all Ready.
    pub nodes: Vec<NodeShape>,
    /// Where in 127.64.0.0/10 the addresses of pods begin, so that machines of one host keep out of each other's way.
    pub first_address: u32,
    /// The most seconds that a token of an account lives, however long it is asked for
    /// (`--service-account-max-token-expiration`).
    pub longest_token: Option<u32>,
}

/// What a request leads to.
#[derive(Debug)]
pub enum Outcome {
    /// The whole answer.
    Answer(Response<Bytes>),
    /// 200 with a stream of events, which [`Machine::follow`] gives.
    Watch(Box<Watch>),
}

/// A Kubernetes API server with its controllers, scheduler and kubelets, as a value.
pub struct Machine {
    pub(super) now: Timestamp,
    pub(super) objects: Objects,
    pub(super) ids: Ids,
    pub(super) timers: Timers,
    /// Those of services.
    pub(super) addresses: Addresses,
    /// Pods by uid.
    pub(super) runs: BTreeMap<String, Run>,
    /// Uids of the pods that no node has been looked for yet, oldest first.
    pub(super) waiting: Vec<String>,
    /// Uids of the pods that no node had room for, oldest first. They wait until something about nodes changes.
    pub(super) unschedulable: Vec<String>,
    pub(super) scheduling: bool,
    /// What the pods of each node use.
    pub(super) used: BTreeMap<String, Amounts>,
    pub(super) next_address: u32,
    /// Uids of the pods whose port may have to be opened or closed.
    pub(super) listener_changes: BTreeSet<String>,
    pub(super) recorder: Recorder,
    /// Objects whose owners may be gone.
    pub(super) unowned: BTreeSet<Key>,
    /// Namespaces that are deleted, and when they may go.
    pub(super) ending: BTreeMap<String, Timestamp>,
    pub(super) emptying: BTreeSet<String>,
    /// Namespaces of which something is gone that their quotas still count.
    pub(super) uncounted: BTreeSet<String>,
    /// Whether controllers are about to look.
    pub(super) controlling: bool,
    /// When each controller's object is looked at again in any case.
    pub(super) alarms: BTreeMap<Key, TimerId>,
    /// The nodes whose kubelets are simulated. Others are left to whoever made them.
    pub(super) simulated: BTreeSet<String>,
    /// Digest of the administrator's token.
    pub(super) token: [u8; 32],
    /// Signs the tokens of accounts, by a key that only whoever knows the administrator's token could know.
    pub(super) signer: Signer,
    pub(super) longest_token: Option<u32>,
}

impl Machine {
    /// A fresh cluster.
    #[must_use]
    pub fn new(config: Config) -> Machine {
        let revision = u64::try_from(config.started.as_millisecond()).unwrap_or(0);
        let mut machine = Machine {
            now: config.started,
            objects: Objects::new(revision),
            ids: Ids::new(format!("{}/{}", config.cluster, config.started)),
            timers: Timers::default(),
            addresses: Addresses::default(),
            runs: BTreeMap::new(),
            waiting: Vec::new(),
            unschedulable: Vec::new(),
            scheduling: false,
            used: BTreeMap::new(),
            next_address: config.first_address,
            listener_changes: BTreeSet::new(),
            recorder: Recorder::default(),
            unowned: BTreeSet::new(),
            ending: BTreeMap::new(),
            emptying: BTreeSet::new(),
            uncounted: BTreeSet::new(),
            controlling: false,
            alarms: BTreeMap::new(),
            simulated: config.nodes.iter().map(|shape| shape.name.clone()).collect(),
            token: ids::hash(&config.token),
            signer: Signer::new(&ids::hash(&format!("accounts of {}: {}", config.cluster, config.token))),
            longest_token: config.longest_token,
        };
        machine.make_initial_namespaces(&ids::uid_of(&config.cluster));
        machine.make_initial_roles();
        for shape in &config.nodes {
            let mut node = shape.object(config.started);
            put(&mut node, "/kind", "Node");
            put(&mut node, "/apiVersion", "v1");
            put(&mut node, "/metadata/uid", machine.ids.uid());
            put(&mut node, "/metadata/creationTimestamp", stamp(config.started));
            machine.objects.write(Key::new(NODES, "", &shape.name), node);
        }
        machine
    }

    /// Does what a request asks at the instant `now`, after everything that was due before it.
    pub fn handle(&mut self, now: Timestamp, request: Request<Bytes>) -> Outcome {
        self.tick(now);
        let outcome = self.answer(&request);
        self.control_soon();
        outcome.unwrap_or_else(|refusal| Outcome::Answer(refusal.response()))
    }

    /// Does everything that is due at `now`, each thing at its own time. Time never runs backwards.
    pub fn tick(&mut self, now: Timestamp) {
        for _ in 0..TICK_MAX {
            let Some((at, timer)) = self.timers.pop(now) else { break };
            self.now = self.now.max(at);
            match timer {
                Timer::Schedule => self.schedule(),
                Timer::Step(uid) => self.step(&uid),
                Timer::Deadline(uid) => self.pass_deadline(&uid),
                Timer::Ended(uid) => self.end_pod(&uid),
                Timer::Namespace(name) => self.empty_namespace(&name),
                Timer::Furnish(name) => self.restore(&name),
                Timer::Count(namespace) => self.count(&namespace),
                Timer::Collect => self.collect(),
                Timer::Control => self.control(),
                Timer::Stir(key) => self.stir(&key),
                Timer::Bereaved(node) => self.bury_pods(&node),
            }
            self.control_soon();
        }
        self.now = self.now.max(now);
        self.sweep_events();
    }

    /// When [`Machine::tick`] has something to do next; `None` while everything rests.
    #[must_use]
    pub fn next_tick(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// The revision of the last change: moves whenever watches have something to read.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.objects.revision()
    }

    fn answer(&mut self, request: &Request<Bytes>) -> Result<Outcome, Refusal> {
        let path = request.uri().path();
        let user = self.user_of(request)?;
        self.authorize(&user, request)?;
        if let Some(answer) = discovery::open(path, request.method()) {
            return Ok(Outcome::Answer(answer));
        }
        if let Some(found) = discovery::groups(request) {
            let allowed = *request.method() == Method::GET;
            let found = Some(found).filter(|_| allowed);
            return found.map(Outcome::Answer).ok_or_else(Refusal::method_not_allowed);
        }
        let call = Call::read(request, user)?;
        let mut outcome = self.perform(&call)?;
        if let Outcome::Answer(answer) = &mut outcome {
            for warning in call.warnings() {
                answer.headers_mut().append(header::WARNING, warning);
            }
        }
        Ok(outcome)
    }

    fn perform(&mut self, call: &Call<'_>) -> Result<Outcome, Refusal> {
        match (call.method.clone(), call.subresource.as_str(), call.name.is_empty()) {
            (Method::PUT, "finalize", false) => self.finalize_namespace(call).map(Outcome::Answer),
            (_, "finalize", _) => Err(Refusal::method_not_allowed()),
            (Method::GET, "log", false) => self.logs(call).map(Outcome::Answer),
            (Method::POST, "eviction", false) => self.evict_pod(call).map(Outcome::Answer),
            (Method::POST, "token", false) => self.request_token(call).map(Outcome::Answer),
            (Method::POST, "binding", false) => self.bind_pod(call).map(Outcome::Answer),
            (_, "log" | "eviction" | "token" | "binding", _) => Err(Refusal::method_not_allowed()),
            (_, "scale", false) => self.scale(call).map(Outcome::Answer),
            (Method::POST, _, true) if KINDS[call.id].service == Service::Review => {
                self.review(call).map(Outcome::Answer)
            }
            _ if KINDS[call.id].service == Service::Review => Err(Refusal::method_not_allowed()),
            (Method::GET, _, false) => self.get(call).map(Outcome::Answer),
            (Method::GET, _, true) if call.query.flag("watch") => {
                self.watch(call).map(|watch| Outcome::Watch(Box::new(watch)))
            }
            (Method::GET, _, true) => self.list(call).map(Outcome::Answer),
            (Method::POST, "", true) => self.create(call).map(Outcome::Answer),
            (Method::PUT, _, false) => self.replace(call).map(Outcome::Answer),
            (Method::PATCH, _, false) => self.patch(call).map(Outcome::Answer),
            (Method::DELETE, "", false) => self.delete(call).map(Outcome::Answer),
            (Method::DELETE, "", true) => self.delete_collection(call).map(Outcome::Answer),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    /// Removes an object, and all that hangs on its being there.
    pub(super) fn remove(&mut self, key: &Key) -> Option<std::sync::Arc<Value>> {
        let gone = self.objects.remove(key)?;
        self.exchange_address(key.id, Some(&gone), None);
        match key.id {
            PODS => self.forget_pod(text(&gone, "/metadata/uid")),
            EVENTS => self.forget_event(key),
            CLUSTER_ROLES => self.gather_rules(),
            NODES => self.forget_node(&key.name),
            _ => {}
        }
        self.restore_soon(key);
        self.settle_owners(&gone);
        self.empty_soon(&key.namespace);
        self.count_soon(&key.namespace);
        Some(gone)
    }
}
