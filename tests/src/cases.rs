//! What each endpoint is asked, and what it must answer.

mod applications;
mod clusters;
mod environments;
mod keys;
pub mod leases;
mod others;
mod pools;
mod preload;
pub mod settings;
mod templates;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::{Code, Endpoint};
use domain::{Access, KeyAsk, KeyId, KeyName, Look, OrganisationName, Scope};
use futures::future::BoxFuture;
use net::Peer;
use serde_json::{Value, json};
use store::KeyCreated;

use crate::{Answer, App, Http, Launched};

/// The template that most cases use; it runs.
pub const NOTEBOOK: &str = "notebook";
/// A template that runs, and that has a pool.
pub const POOLED: &str = "pooled";
/// A template that runs, and whose applications are counted.
pub const COUNTED: &str = "counted";
/// A template whose image cannot be pulled.
pub const BROKEN: &str = "broken";
/// A key with the scope `admin` that stands in the table; the installation's own stands in its configuration.
pub const ADMIN: &str = "a-second-admins-key";
/// A key for the environments of the organisation `acme` alone, which stands in the table.
pub const ACME: &str = "a-key-of-acme";
/// An id that no application has.
pub const UNKNOWN_ID: &str = "00000000000000000000000000000000";
/// More than a row rests between two looks at it.
pub const REST: Duration = Duration::from_secs(2);

/// What the name of a pod comes after, which differs from one answer to the next, in the logs of a deployment.
const POD_HEADER: &str = "Logs for pod: ";
/// Digits of the number that makes a word [`fresh`].
const FRESH_DIGITS: usize = 20;
/// Fields whose values differ from one answer to the next.
const VOLATILE: [&str; 32] = [
    "createdAt",
    "metadata",
    "privateSecret",
    "publicSecret",
    "at",
    "cluster_name",
    "epoch",
    "expected_at",
    "expires-at",
    "expires_at",
    "expires_in",
    "expiresAt",
    "kubeconfig",
    "lastTransitionTime",
    "lastUpdateTime",
    "server",
    "since",
    "ticket",
    "uuid",
    "created_at",
    "id",
    "key",
    "last_used_at",
    "running",
    "start-time",
    "token",
    "location",
    "instance",
    "timestamp",
    "time-created",
    "time-modified",
    "reason",
];

/// One question to one endpoint.
pub struct Case {
    /// Who is asked.
    pub endpoint: &'static Endpoint,
    /// What must come back.
    pub expected: Expected,
    /// What is out of the ordinary meanwhile.
    pub setting: Setting,
    /// How it is asked.
    pub play: Play,
    /// What it takes that only an installation in this process has, if anything.
    pub here: Option<Here>,
}

/// What only an installation in this process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Here {
    /// A clock that can be wound further than anybody waits.
    Clock,
    /// Parts that can be put out of reach of its endpoints.
    Outage,
}

/// What must come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// What was asked for, with this status.
    Success(u16),
    /// This problem.
    Refusal(Code),
    /// The refusal of a caller without the right key.
    Unauthorised,
}

/// What is out of the ordinary for the endpoint that is asked, and for nobody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// Nothing.
    Usual,
    /// Launches need a key.
    KeyedLaunches,
    /// No cell is configured.
    NoCells,
    /// The first answer to everything that is made in the cluster is lost.
    LosingCluster,
    /// The cluster refuses pods.
    RefusingCluster,
    /// The installation may have no application at all, and its cell one spare.
    NoRoom,
    /// Others write every row first.
    Overtaking,
    /// Templates come from an external registry.
    Registry,
    /// Templates come from an external registry, which is out of reach.
    RegistryDown,
    /// Clusters that are leased are out of reach.
    LeasedDown,
    /// Another key of the keyring is the newest, and not the one that everything was sealed with.
    RotatedKeys,
    /// A host name that another environment has is answered with the older service's status.
    OldHostStatus,
    /// A deployment is served under host names of its environment alone.
    OwnHosts,
    /// Apigee is told the keys of environments, and is out of reach.
    ApigeeDown,
    /// The issuer of access tokens is out of reach.
    IssuerDown,
    /// Where pod templates come from, nobody answers.
    OriginDown,
    /// Environments are reached from themselves alone.
    Isolated,
    /// Pod templates of one host come through the operator's own router.
    Router,
    /// The cluster is out of reach.
    ClusterDown,
}

/// How an endpoint is asked. What it takes to ask it is done through the installation itself.
#[derive(Clone, Copy)]
pub enum Play {
    /// Over HTTP, through the given client.
    Http(for<'a> fn(&'a App, &'a Http) -> BoxFuture<'a, Answer>),
    /// By the schedule, with the event that this gives.
    Run(for<'a> fn(&'a App) -> BoxFuture<'a, &'static str>),
}

impl Case {
    fn success(
        endpoint: &'static Endpoint,
        status: u16,
        play: for<'a> fn(&'a App, &'a Http) -> BoxFuture<'a, Answer>,
    ) -> Self {
        Self::new(endpoint, Expected::Success(status), Play::Http(play))
    }

    fn refusal(
        endpoint: &'static Endpoint,
        code: Code,
        play: for<'a> fn(&'a App, &'a Http) -> BoxFuture<'a, Answer>,
    ) -> Self {
        Self::new(endpoint, Expected::Refusal(code), Play::Http(play))
    }

    fn unauthorised(endpoint: &'static Endpoint, play: for<'a> fn(&'a App, &'a Http) -> BoxFuture<'a, Answer>) -> Self {
        Self::new(endpoint, Expected::Unauthorised, Play::Http(play))
    }

    fn run(endpoint: &'static Endpoint, play: for<'a> fn(&'a App) -> BoxFuture<'a, &'static str>) -> Self {
        Self::new(endpoint, Expected::Success(200), Play::Run(play))
    }

    fn new(endpoint: &'static Endpoint, expected: Expected, play: Play) -> Self {
        Self {
            endpoint,
            expected,
            setting: Setting::Usual,
            play,
            here: None,
        }
    }

    fn with(self, setting: Setting) -> Self {
        Self { setting, ..self }
    }

    fn only(self, here: Here) -> Self {
        Self {
            here: Some(here),
            ..self
        }
    }

    /// In words, for messages.
    pub fn name(&self) -> String {
        format!("{} {:?} {:?}", self.endpoint.id, self.expected, self.setting)
    }

    /// Holds `answer` against what must come back.
    ///
    /// # Panics
    /// When it is anything else.
    pub fn hold(&self, answer: &Answer) {
        match self.expected {
            Expected::Success(status) => {
                assert_eq!(answer.status.as_u16(), status, "{}: {}", self.name(), answer.text());
            }
            Expected::Refusal(code) => {
                assert_eq!(
                    answer.status.as_u16(),
                    code.status(),
                    "{}: {}",
                    self.name(),
                    answer.text()
                );
                answer.problem(code.status(), code.word());
                assert_eq!(answer.json()["title"], code.title(), "{}", self.name());
            }
            Expected::Unauthorised => {
                // Whoever leases, or has environments, is refused as the older services refused them.
                let status = match self.endpoint.access {
                    Access::Key(Scope::Leases) | Access::Environments => 401,
                    _ => 403,
                };
                assert_eq!(answer.status.as_u16(), status, "{}: {}", self.name(), answer.text());
                answer.problem(status, "unauthorized");
            }
        }
    }
}

/// Every case.
pub fn all() -> Vec<Case> {
    [
        applications::cases(),
        templates::cases(),
        keys::cases(),
        preload::cases(),
        pools::cases(),
        leases::cases(),
        clusters::cases(),
        environments::cases(),
        others::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Writes the templates and the keys that cases use.
pub async fn prepare(app: &App) {
    let key = |name: &str, scope, organisations| KeyAsk {
        name: KeyName::parse(name).unwrap(),
        scopes: [scope].into(),
        organisations,
        expires_at: None,
    };
    let acme = [OrganisationName::parse("acme").unwrap()].into();
    write_key(app, ADMIN, 2, key("second-admin", Scope::Admin, None)).await;
    write_key(app, ACME, 3, key("acme", Scope::Envs, Some(acme))).await;
    app.template(NOTEBOOK, "layby/notebook:1").await;
    app.template(POOLED, "layby/notebook:1").await;
    app.template(BROKEN, "layby/pull-error:1").await;
    let counted = json!({ "image-source": "layby/notebook:1", "quota": 1000 });
    app.template_of(COUNTED, &counted).await;
}

/// Writes down a key.
async fn write_key(app: &App, key: &str, id: u8, asked: KeyAsk) {
    let look = Look {
        now: app.now(),
        by: "test".to_owned(),
    };
    let record = asked.into_record(KeyId::from_bytes([id; 16]), look.now).unwrap();
    let lifecycle = app.adapter().lifecycle().unwrap();
    let sha256 = vault::sha256_hex(key.as_bytes());
    let created = lifecycle.store().create_key(&sha256, &record, &look, None).await;
    assert_eq!(created.unwrap(), KeyCreated::Written);
}

/// A word that was not used before, long enough for an `Idempotency-Key` of anybody.
fn fresh(what: &str) -> String {
    static USED: AtomicUsize = AtomicUsize::new(0);
    format!("{what}-{:0FRESH_DIGITS$}", USED.fetch_add(1, Ordering::Relaxed))
}

/// A launch of which nothing is made yet: its cluster was out of reach.
async fn pending(app: &App) -> Launched {
    app.outages().begin(Peer::Cluster);
    let launched = app.launch(NOTEBOOK).await;
    app.outages().end(Peer::Cluster);
    app.advance(REST).await;
    launched
}

/// What an answer tells, as JSON or as text, without what differs each time.
pub fn told(answer: &Answer) -> Value {
    let kind = answer.header("content-type").unwrap_or_default();
    if kind.starts_with("text/") {
        let text = answer.text();
        let lines = text.lines().map(|line| match line.starts_with(POD_HEADER) {
            true => POD_HEADER,
            false => line,
        });
        Value::String(lines.collect::<Vec<_>>().join("\n"))
    } else {
        masked(answer.json())
    }
}

/// The answer without what differs each time.
fn masked(mut answer: Value) -> Value {
    match &mut answer {
        Value::Object(fields) => {
            for (name, value) in fields {
                *value = if VOLATILE.contains(&name.as_str()) {
                    Value::Null
                } else {
                    masked(value.take())
                };
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| *item = masked(item.take())),
        Value::String(text) => *text = unnumbered(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    answer
}

/// The text without the number that makes a word of it [`fresh`].
fn unnumbered(text: &str) -> String {
    let is_fresh = text
        .as_bytes()
        .windows(FRESH_DIGITS)
        .any(|window| window.iter().all(u8::is_ascii_digit));
    if !is_fresh {
        return text.to_owned();
    }
    text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
}
