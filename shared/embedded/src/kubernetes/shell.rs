//! The machine on a socket: serves its API, moves it along in domain time, and runs the web servers of its pods.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;

use super::listeners::Listener;
use super::machine::{Config, Machine, Outcome};
use super::nodes::NodeShape;
use super::status::Refusal;
use super::streams::{self, Body};
use crate::serve::{self, Connection};
use crate::tls::Tls;
use crate::{Clock, web};

/// Largest request body, which is what etcd takes.
const BODY_MAX: usize = 3 << 20;
/// Time for the body of a request to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections at a time, watches included.
const CONNECTIONS_MAX: usize = 4_096;
/// How often the clock is looked at while something is due later: it may be wound.
const POLL: Duration = Duration::from_millis(100);
/// Rounds of one tick: opening a port makes a pod Ready, which may have made something else due.
const ROUNDS_MAX: usize = 64;
/// Labels, by the part after the slash, that name what a pod's page shows.
const APPLICATION_LABEL: &str = "application";
const TEMPLATE_LABEL: &str = "template";

/// What an embedded Kubernetes starts from.
#[derive(Clone)]
pub struct Settings {
    /// Domain time.
    pub clock: Clock,
    /// The cluster's identity: the same one gives `kube-system` the same uid.
    pub identity: String,
    /// Bearer token of the administrator.
    pub token: String,
    /// Where to serve; port 0 picks one.
    pub listen: SocketAddr,
    /// The simulated nodes.
    pub nodes: Vec<NodeShape>,
    /// Whether it serves https, with a certificate by an authority of its own that is made when it starts. kubectl sends
    /// a token by https alone.
    pub https: bool,
    /// The most seconds that a token of an account lives, however long it is asked for: any number by default.
    pub longest_token: Option<u32>,
}

impl Settings {
    /// Two large nodes, on a loopback port that is picked.
    #[must_use]
    pub fn new(clock: Clock, identity: impl Into<String>, token: impl Into<String>) -> Settings {
        let nodes = ["embedded-1", "embedded-2"].map(NodeShape::large).into();
        let listen = SocketAddr::from(([127, 0, 0, 1], 0));
        Settings {
            clock,
            identity: identity.into(),
            token: token.into(),
            listen,
            nodes,
            https: false,
            longest_token: None,
        }
    }
}

/// A running embedded Kubernetes. Dropping it ends everything at once.
pub struct Kubernetes {
    shared: Arc<Shared>,
    token: String,
    /// What vouches for it, in PEM, where it serves https.
    ca_pem: Option<String>,
    server: serve::Server,
    ticker: Ticker,
}

/// The task that moves the machine along; it ends with the handle.
struct Ticker(JoinHandle<()>);

impl Drop for Ticker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) struct Shared {
    clock: Clock,
    machine: Mutex<Machine>,
    /// The web servers of pods, by the pods' uids. Held while they are started and stopped.
    servers: tokio::sync::Mutex<BTreeMap<String, web::Server>>,
    /// The machine's revision, for watches.
    pub(super) revision: watch::Sender<u64>,
    /// Something may be due now.
    wake: Notify,
}

impl Kubernetes {
    /// Starts a cluster and serves it.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn start(settings: Settings) -> io::Result<Kubernetes> {
        let listener = TcpListener::bind(settings.listen).await?;
        let port = listener.local_addr()?.port();
        let tls = settings.https.then(|| Tls::make(settings.listen.ip())).transpose()?;
        let (ca_pem, acceptor) = tls.map(|tls| (tls.ca_pem, tls.acceptor)).unzip();
        let machine = Machine::new(Config {
            cluster: settings.identity,
            started: (settings.clock)(),
            token: settings.token.clone(),
            nodes: settings.nodes,
            first_address: first_address(port),
            longest_token: settings.longest_token,
        });
        let shared = Arc::new(Shared {
            clock: settings.clock,
            revision: watch::channel(machine.revision()).0,
            machine: Mutex::new(machine),
            servers: tokio::sync::Mutex::default(),
            wake: Notify::new(),
        });
        let serving = Arc::clone(&shared);
        let handler = move |request, connection| {
            let shared = Arc::clone(&serving);
            async move { shared.serve(request, connection).await }
        };
        let server = serve::Server::start(listener, acceptor, CONNECTIONS_MAX, handler)?;
        let ticking = Arc::clone(&shared);
        let ticker = Ticker(tokio::spawn(async move { ticking.run().await }));
        Ok(Kubernetes {
            shared,
            token: settings.token,
            ca_pem,
            server,
            ticker,
        })
    }

    /// Address of the API, as `http://127.0.0.1:port`, or by https.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.ca_pem.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.server.address())
    }

    /// The administrator's bearer token.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A kubeconfig of the administrator, in JSON (which is YAML too).
    #[must_use]
    pub fn kubeconfig(&self) -> String {
        let name = "embedded";
        let mut cluster = json!({"server": self.url()});
        if let Some(pem) = &self.ca_pem {
            cluster["certificate-authority-data"] = STANDARD.encode(pem).into();
        }
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": cluster}],
            "users": [{"name": name, "user": {"token": self.token}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        });
        format!("{config:#}\n")
    }

    /// Brings everything to the clock's present: returns once all that is due has happened, pods' ports included.
    pub async fn tick(&self) {
        self.shared.tick().await;
    }

    /// Looks into the machine, or changes it behind its API's back; what follows from that happens soon after.
    pub fn with_machine<T>(&self, look: impl FnOnce(&mut Machine) -> T) -> T {
        let result = look(&mut self.shared.machine());
        self.shared.publish();
        result
    }

    /// Stops serving, ends watches and pods' web servers, and frees their ports.
    pub async fn stop(self) {
        drop(self.ticker);
        let running = std::mem::take(&mut *self.shared.servers.lock().await);
        for server in running.into_values() {
            server.stop().await;
        }
        self.server.stop().await;
    }
}

impl Shared {
    pub(super) fn machine(&self) -> MutexGuard<'_, Machine> {
        // A panic while it was held is a defect that shows by itself; the machine is still the best there is.
        self.machine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets watches and the ticker know that the machine has moved.
    fn publish(&self) {
        let revision = self.machine().revision();
        self.revision
            .send_if_modified(|known| std::mem::replace(known, revision) != revision);
        self.wake.notify_one();
    }

    /// Ticks when something is due, as long as it lives.
    async fn run(&self) {
        loop {
            self.tick().await;
            let next = self.machine().next_tick();
            match next {
                None => self.wake.notified().await,
                Some(due) => {
                    let wait = Duration::try_from(due.duration_since((self.clock)())).unwrap_or_default();
                    let _ = tokio::time::timeout(wait.min(POLL), self.wake.notified()).await;
                }
            }
        }
    }

    async fn tick(&self) {
        let mut servers = self.servers.lock().await;
        for _ in 0..ROUNDS_MAX {
            self.machine().tick((self.clock)());
            let moved = self.reconcile(&mut servers).await;
            let due = self.machine().next_tick().is_some_and(|due| due <= (self.clock)());
            if !moved && !due {
                break;
            }
        }
        let revision = self.machine().revision();
        self.revision
            .send_if_modified(|known| std::mem::replace(known, revision) != revision);
    }

    /// Opens the ports that pods want and closes the others. Says whether anything was wanted anew.
    async fn reconcile(&self, servers: &mut BTreeMap<String, web::Server>) -> bool {
        let changes = self.machine().take_listener_changes();
        let moved = !changes.is_empty();
        for (uid, wanted) in changes {
            let Some(listener) = wanted else {
                servers.remove(&uid);
                continue;
            };
            if servers.contains_key(&uid) {
                continue;
            }
            // This never waits for an address that needs no look-up, so that nobody is stopped between taking and doing.
            let outcome = web::Server::start(listener.address, page(&listener)).await;
            let outcome = outcome.map(|server| drop(servers.insert(uid.clone(), server)));
            self.machine()
                .listening((self.clock)(), &uid, outcome.map_err(|error| error.to_string()));
        }
        moved
    }

    async fn serve(self: Arc<Self>, request: Request<Incoming>, connection: Connection) -> Response<Body> {
        let (head, body) = request.into_parts();
        let body = tokio::time::timeout(BODY_TIMEOUT, Limited::new(body, BODY_MAX).collect()).await;
        let body = match body {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
                return whole(Refusal::too_large(BODY_MAX).response());
            }
            _ => return whole(Refusal::bad_request("the body of the request did not arrive").response()),
        };
        let now = (self.clock)();
        let outcome = self.machine().handle(now, Request::from_parts(head, body));
        self.publish();
        match outcome {
            Outcome::Answer(answer) => whole(answer),
            Outcome::Watch(watch) => streams::answer(self, *watch, connection),
        }
    }
}

fn whole(answer: Response<Bytes>) -> Response<Body> {
    answer.map(|body| Full::new(body).boxed_unsync())
}

fn page(listener: &Listener) -> web::Page {
    let named = |name: &str| {
        let found = listener
            .labels
            .iter()
            .find(|(label, _)| label.rsplit('/').next() == Some(name));
        found.map(|(_, value)| value.clone())
    };
    web::Page {
        application: named(APPLICATION_LABEL).unwrap_or_else(|| listener.namespace.clone()),
        pod: listener.pod.clone(),
        template: named(TEMPLATE_LABEL).unwrap_or_default(),
    }
}

/// Spreads the clusters of one host over the addresses of pods, by the port that each has alone.
fn first_address(port: u16) -> u32 {
    const SPREAD: u16 = 40_503;
    u32::from(port.wrapping_mul(SPREAD)) << 6
}
