//! A stand-in for kubelets: nodes of a real cluster, and pods that lead the lives that embedded ones lead.
//!
//! The real scheduler gives pods to the nodes; from there an embedded Kubernetes leads their lives, with the same
//! failures by the image's name, and what it makes of each is written to the real one through the subresource `status`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use embedded::kubernetes::{Kubernetes, NodeShape, Settings};
use futures::StreamExt;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::runtime::WatchStreamExt;
use kube::runtime::utils::Backoff;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::sleep;

use super::logs;

/// Between two reports that a node is well: well within the 50 s after which it counts as lost.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Between two tries of what the API server did not take, and of watches that it ended.
const AGAIN: Duration = Duration::from_millis(300);
/// Looks at a new node until nothing keeps pods from it any more.
const LOOKS_MAX: usize = 600;
/// Between two such looks.
const PACE: Duration = Duration::from_millis(50);
/// The token of the embedded Kubernetes, which nobody else speaks to.
const TOKEN: &str = "kubelet";

/// Kubelets of a real cluster. They end when this is dropped, their nodes' web servers with them.
pub struct Kubelets {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Kubelets {
    /// Makes these nodes in the cluster that `config` leads to, with an administrator's rights, and plays their kubelets
    /// on a thread of its own. Pods are scheduled to them once this returns.
    ///
    /// # Panics
    /// When the cluster does not take them.
    pub fn start(config: Config, nodes: Vec<NodeShape>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let play = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let kubelets = Playing::start(config, nodes).await;
                ready.send(()).unwrap();
                tokio::select! {
                    () = kubelets.run() => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("kubelets".to_owned()).spawn(play);
        let thread = thread.unwrap();
        is_ready.recv().expect("the nodes are ready");
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Kubelets {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}

struct Playing {
    /// The pods as the real cluster has them.
    theirs: Api<Pod>,
    their_client: Client,
    /// The pods as they live.
    ours: Api<Pod>,
    our_client: Client,
    lives: Kubernetes,
    nodes: Api<Node>,
    names: BTreeSet<String>,
}

impl Playing {
    async fn start(config: Config, shapes: Vec<NodeShape>) -> Self {
        let names = shapes.iter().map(|shape| shape.name.clone()).collect();
        let settings = Settings {
            nodes: shapes,
            ..Settings::new(Arc::new(now), "kubelets", TOKEN)
        };
        let lives = Kubernetes::start(settings).await.unwrap();
        let mut own = Config::new(lives.url().parse().unwrap());
        own.auth_info.token = Some(TOKEN.to_owned().into());
        let (their_client, our_client) = (Client::try_from(config).unwrap(), Client::try_from(own).unwrap());
        let port = logs::serve(&lives.url()).await;
        let playing = Self {
            theirs: Api::all(their_client.clone()),
            ours: Api::all(our_client.clone()),
            nodes: Api::all(their_client.clone()),
            their_client,
            our_client,
            lives,
            names,
        };
        for shape in Api::<Node>::all(playing.our_client.clone())
            .list(&Default::default())
            .await
            .unwrap()
        {
            playing.register(shape, port).await;
        }
        playing
    }

    /// Makes a node as its kubelet does, and waits until the cluster has seen that it is well.
    async fn register(&self, shape: Node, port: u16) {
        let mut node = serde_json::to_value(shape).unwrap();
        let metadata = json!({ "name": node["metadata"]["name"], "labels": node["metadata"]["labels"] });
        node["metadata"] = metadata;
        node["status"]["daemonEndpoints"] = json!({ "kubeletEndpoint": { "Port": port } });
        // By its address alone: the name of such a host is nowhere to be looked up.
        let addresses = node["status"]["addresses"].as_array_mut().unwrap();
        addresses.retain(|address| address["type"] == "InternalIP");
        let name = node["metadata"]["name"].as_str().unwrap().to_owned();
        let node = serde_json::from_value(node).unwrap();
        self.nodes.create(&PostParams::default(), &node).await.unwrap();
        for _ in 0..LOOKS_MAX {
            let taints = self.nodes.get(&name).await.unwrap().spec.unwrap_or_default().taints;
            if taints.is_none_or(|taints| taints.is_empty()) {
                return;
            }
            sleep(PACE).await;
        }
        panic!("the cluster never took the node {name} for well");
    }

    /// Plays until it is dropped.
    async fn run(&self) {
        tokio::join!(self.lead(), self.beat());
    }

    /// Says again and again that the nodes are well.
    async fn beat(&self) {
        loop {
            for name in &self.names {
                self.say_well(name).await.ok();
            }
            sleep(HEARTBEAT).await;
        }
    }

    async fn say_well(&self, name: &str) -> kube::Result<()> {
        let mut node = serde_json::to_value(self.nodes.get(name).await?).unwrap_or_default();
        let mut conditions = node["status"]["conditions"].take();
        for condition in conditions.as_array_mut().into_iter().flatten() {
            let is_ready = condition["type"] == "Ready";
            condition["status"] = json!(if is_ready { "True" } else { "False" });
            condition["lastHeartbeatTime"] = json!(now());
        }
        let patch = json!({ "status": { "conditions": conditions } });
        let params = PatchParams::default();
        self.nodes.patch_status(name, &params, &Patch::Merge(patch)).await?;
        Ok(())
    }

    /// Leads the pods' lives.
    async fn lead(&self) {
        let bound = watcher::Config::default().fields("spec.nodeName!=");
        let theirs = watcher(self.theirs.clone(), bound).backoff(Steady);
        let ours = watcher(self.ours.clone(), watcher::Config::default()).backoff(Steady);
        let theirs = theirs.map(|event| (true, event));
        let events = futures::stream::select(theirs, ours.map(|event| (false, event)));
        let mut events = std::pin::pin!(events);
        let (mut seen, mut lived, mut reported) = (Seen::default(), Seen::default(), BTreeMap::new());
        let mut open = BTreeSet::new();
        loop {
            tokio::select! {
                event = events.next() => match event {
                    Some((true, Ok(event))) => open.extend(seen.note(event)),
                    Some((false, Ok(event))) => open.extend(lived.note(event)),
                    // The watch begins again by itself.
                    Some((_, Err(_))) | None => sleep(PACE).await,
                },
                () = sleep(AGAIN), if !open.is_empty() => {}
            }
            for uid in std::mem::take(&mut open) {
                if self.settle(&uid, &seen, &lived, &mut reported).await.is_err() {
                    open.insert(uid);
                }
            }
        }
    }

    /// Brings one pod on: takes it up, reports on it, or ends it.
    async fn settle(
        &self,
        uid: &str,
        seen: &Seen,
        lived: &Seen,
        reported: &mut BTreeMap<String, Value>,
    ) -> kube::Result<()> {
        let on_our_node = |pod: &&Pod| {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
            node.is_some_and(|node| self.names.contains(node))
        };
        let (theirs, own) = (seen.pods.get(uid).filter(on_our_node), lived.pods.get(uid));
        match (theirs, own) {
            (None, None) => drop(reported.remove(uid)),
            (None, Some(own)) => self.end(&self.our_client, own, 0).await?,
            (Some(pod), None) if pod.metadata.deletion_timestamp.is_some() => {
                self.end(&self.their_client, pod, 0).await?;
            }
            (Some(pod), None) => {
                let pod = serde_json::to_value(pod).unwrap_or_default();
                self.lives.with_machine(|machine| machine.host(now(), pod));
            }
            (Some(pod), Some(own)) => {
                self.report(uid, own, reported).await?;
                let is_ending = own.metadata.deletion_timestamp.is_some();
                if pod.metadata.deletion_timestamp.is_some() && !is_ending {
                    let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or_default();
                    self.end(&self.our_client, own, grace).await?;
                }
            }
        }
        Ok(())
    }

    /// Writes what has become of a pod to the real cluster.
    async fn report(&self, uid: &str, own: &Pod, reported: &mut BTreeMap<String, Value>) -> kube::Result<()> {
        let status = serde_json::to_value(&own.status).unwrap_or_default();
        if reported.get(uid) == Some(&status) {
            return Ok(());
        }
        let (namespace, name) = place(own);
        let pods: Api<Pod> = Api::namespaced(self.their_client.clone(), namespace);
        // With its uid: a pod that was made anew under the name is another one.
        let patch = json!({ "metadata": { "uid": uid }, "status": status });
        let written = pods
            .patch_status(name, &PatchParams::default(), &Patch::Merge(patch))
            .await;
        match written {
            Ok(_) => drop(reported.insert(uid.to_owned(), status)),
            Err(kube::Error::Api(refused)) if [404, 409].contains(&refused.code) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Deletes a very pod in one of the two clusters, within so many seconds.
    async fn end(&self, client: &Client, pod: &Pod, grace: i64) -> kube::Result<()> {
        let (namespace, name) = place(pod);
        let params = DeleteParams {
            grace_period_seconds: Some(u32::try_from(grace).unwrap_or_default()),
            preconditions: Some(Preconditions {
                uid: pod.metadata.uid.clone(),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match Api::<Pod>::namespaced(client.clone(), namespace)
            .delete(name, &params)
            .await
        {
            Err(kube::Error::Api(refused)) if [404, 409].contains(&refused.code) => Ok(()),
            ended => ended.map(drop),
        }
    }
}

/// The pods of one of the two clusters, by uid.
#[derive(Default)]
struct Seen {
    pods: BTreeMap<String, Pod>,
    /// While everything is listed anew.
    listed: BTreeMap<String, Pod>,
}

impl Seen {
    /// Takes up what happened, and says which pods it may be about.
    fn note(&mut self, event: Event<Pod>) -> Vec<String> {
        let uid = |pod: &Pod| pod.metadata.uid.clone().unwrap_or_default();
        match event {
            Event::Init => self.listed.clear(),
            Event::InitApply(pod) => drop(self.listed.insert(uid(&pod), pod)),
            Event::InitDone => {
                let listed = std::mem::take(&mut self.listed);
                let before = std::mem::replace(&mut self.pods, listed);
                return before.into_keys().chain(self.pods.keys().cloned()).collect();
            }
            Event::Apply(pod) => {
                let uid = uid(&pod);
                self.pods.insert(uid.clone(), pod);
                return vec![uid];
            }
            Event::Delete(pod) => {
                let uid = uid(&pod);
                self.pods.remove(&uid);
                return vec![uid];
            }
        }
        Vec::new()
    }
}

/// Watches that were ended begin again after the same pause each time.
struct Steady;

impl Iterator for Steady {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(AGAIN)
    }
}

impl Backoff for Steady {
    fn reset(&mut self) {}
}

fn place(pod: &Pod) -> (&str, &str) {
    (
        pod.metadata.namespace.as_deref().unwrap_or_default(),
        pod.metadata.name.as_deref().unwrap_or_default(),
    )
}

#[expect(
    clippy::disallowed_methods,
    reason = "an edge: pods of a real cluster live in real time"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
