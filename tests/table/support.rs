//! A table of its own for each test, and short ways to say what is in it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use bytes::Bytes;
use domain::{
    Application, ApplicationId, Cell, CellName, Ended, EndingStep, Lane, Look, Outcome, Reason, State, Template,
    TemplateName,
};
use embedded::dynamo::Dynamo;
use jiff::{SignedDuration, Timestamp};
use net::{Fault, Faults, Net, Peer, Settings};
use serde_json::{Value, json};
use store::{Launched, Row, Store};

/// The longest that a test may take.
const TEST_MAX: Duration = Duration::from_secs(10 * 60);
pub const NAME: &str = "layby";

/// Does `work` within the bound that every test has.
pub async fn bounded<F: Future>(work: F) -> F::Output {
    tokio::time::timeout(TEST_MAX, work)
        .await
        .expect("the test takes too long")
}

/// An empty table, gone with the value.
pub struct Table {
    pub store: Store,
    pub raw: Client,
    dynamo: Dynamo,
}

impl Table {
    pub async fn new() -> Table {
        let dynamo = Dynamo::start(None).await.unwrap();
        let (sdk, net) = (sdk(dynamo.url()), Net::new(Settings::default()).unwrap());
        let store = Store::connect(&sdk, &net, NAME);
        store.ensure_table().await.unwrap();
        let config = aws_sdk_dynamodb::config::Builder::from(&sdk).http_client(net.aws(Peer::Store));
        Table {
            store,
            raw: Client::from_conf(config.build()),
            dynamo,
        }
    }

    /// The same table through a connection on which `faults` happen.
    pub fn failing(&self, faults: Faults) -> Store {
        let settings = Settings {
            faults: Some(faults),
            ..Settings::default()
        };
        Store::connect(&sdk(self.dynamo.url()), &Net::new(settings).unwrap(), NAME)
    }

    /// A row as it is stored.
    pub async fn row(&self, pk: &str, sk: &str) -> Option<HashMap<String, AttributeValue>> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let request = self
            .raw
            .get_item()
            .table_name(NAME)
            .key("pk", text(pk))
            .key("sk", text(sk));
        request.consistent_read(true).send().await.unwrap().item
    }

    /// An application's row as it is stored.
    pub async fn application(&self, id: &ApplicationId) -> HashMap<String, AttributeValue> {
        self.row(&format!("APP#{id}"), "APP").await.unwrap()
    }

    /// How many rows there are of each kind.
    pub async fn kinds(&self) -> HashMap<String, usize> {
        let mut kinds = HashMap::new();
        for item in self.raw.scan().table_name(NAME).send().await.unwrap().items.unwrap() {
            *kinds.entry(item["kind"].as_s().unwrap().clone()).or_default() += 1;
        }
        kinds
    }

    /// Puts rows of these names into shard 0 of the due index, each due a second after the one before, from [`now`].
    pub async fn due_rows(&self, names: &[String], state: &str) {
        let put = |(row, second): (&String, i64)| {
            let put = PutRequest::builder().set_item(Some(due_item(row, second, state)));
            WriteRequest::builder().put_request(put.build().unwrap()).build()
        };
        let puts: Vec<WriteRequest> = names.iter().zip(0..).map(put).collect();
        for batch in puts.chunks(25) {
            let write = self.raw.batch_write_item().request_items(NAME, batch.to_vec());
            write.send().await.unwrap();
        }
    }

    /// Launches `application`, due at once.
    pub async fn launched(&self, application: &Application) -> Row<Application> {
        let look = look(application.created_at, &format!("launch/{}", application.id));
        let launched = self
            .store
            .launch(application, application.created_at, &look, None, &[])
            .await;
        written(launched.unwrap())
    }

    /// Launches `application` and ends it a minute later.
    pub async fn ended(&self, application: &Application) -> Row<Application> {
        let row = self.launched(application).await;
        let at = application.created_at + SignedDuration::from_mins(1);
        let look = look(at, &format!("finish/{}", application.id));
        self.store.finish(&row, &gone(&row.value, at), &look).await.unwrap()
    }
}

/// A row that has nothing but its name and its place in shard 0 of the due index.
fn due_item(row: &str, second: i64, state: &str) -> HashMap<String, AttributeValue> {
    let (pk, sk) = row.split_once('|').unwrap_or((row, "X"));
    let kind = if row.starts_with("APP#") {
        "application"
    } else {
        "other"
    };
    let texts = [
        ("pk", pk.to_owned()),
        ("sk", sk.to_owned()),
        ("kind", kind.to_owned()),
        ("state", state.to_owned()),
        ("due_since", now().to_string()),
        ("due_part", format!("DUE#{}#00", lane())),
        ("due_key", format!("{:013}#{row}", after(second).as_millisecond())),
    ];
    let texts = texts.map(|(name, text)| (name.to_owned(), AttributeValue::S(text)));
    let version = ("version".to_owned(), AttributeValue::N("1".to_owned()));
    texts.into_iter().chain([version]).collect()
}

fn sdk(url: &str) -> SdkConfig {
    let credentials = Credentials::new("key", "secret", None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .endpoint_url(url)
        .build()
}

/// The instant at which most tests begin.
pub fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

pub fn after(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

pub fn look(now: Timestamp, by: &str) -> Look {
    Look { now, by: by.to_owned() }
}

pub fn name(text: &str) -> TemplateName {
    TemplateName::parse(text).unwrap()
}

pub fn template(name: &str) -> Template {
    serde_json::from_value(json!({
        "name": name, "image-name": name, "image-source": "repo/image:1", "command": ["serve", "<port>"],
        "limits": {"cpu": "1", "memory": "512Mi"}, "env": {"A": "b"}, "run-as-user": "image",
        "tolerations": [{"key": "k", "operator": "Exists"}],
    }))
    .unwrap()
}

/// The id with this number. Numbers that differ by a multiple of 16 share their shard.
pub fn id(number: u16) -> ApplicationId {
    let [high, low] = number.to_be_bytes();
    ApplicationId::from_bytes([high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
}

pub fn cell() -> CellName {
    CellName::parse("home").unwrap()
}

pub fn lane() -> Lane {
    Lane::Applications(cell())
}

/// A launch of the template `t` at `created`.
pub fn launch(number: u16, created: Timestamp) -> Application {
    launch_of("t", number, created)
}

pub fn launch_of(template_name: &str, number: u16, created: Timestamp) -> Application {
    let cell = Cell {
        name: cell(),
        public_host: "apps.example".to_owned(),
    };
    Application::launch(id(number), &template(template_name), &cell, None, None, created)
}

/// A spare of the template `t`, ready since [`now`].
pub fn spare(number: u16) -> Application {
    Application {
        spare: true,
        ..running(&launch(number, now()))
    }
}

/// The same application, waiting for its pod.
pub fn starting(application: &Application) -> Application {
    Application {
        state: State::Starting {
            namespace_uid: "uid-1".to_owned(),
        },
        waiting: Some(Reason::NotListening { port: 8888 }),
        ..application.clone()
    }
}

/// The same application, answering.
pub fn running(application: &Application) -> Application {
    Application {
        state: State::Running {
            namespace_uid: "uid-1".to_owned(),
            deployed_at: application.created_at,
        },
        location: Some("apps.example/user/x".to_owned()),
        ..application.clone()
    }
}

/// The same application with its tombstone.
pub fn ending(application: &Application, at: Timestamp) -> Application {
    Application {
        state: State::Ending {
            namespace_uid: Some("uid-1".to_owned()),
            ended: ended(at),
            step: EndingStep::Gone,
        },
        run: None,
        ..application.clone()
    }
}

/// The same application, ended.
pub fn gone(application: &Application, at: Timestamp) -> Application {
    Application {
        state: State::Ended { ended: ended(at) },
        run: None,
        waiting: None,
        ..application.clone()
    }
}

fn ended(at: Timestamp) -> Ended {
    Ended {
        outcome: Outcome::Deleted,
        reason: Reason::DeadlinePassed { last: None },
        at,
    }
}

pub fn written(launched: Launched) -> Row<Application> {
    match launched {
        Launched::Written(row) => row,
        Launched::Bound(bound) => panic!("already bound to {}", bound.made),
        Launched::Full(counter) => panic!("{counter} is full"),
    }
}

/// Whether `request` is of this operation.
pub fn is(request: &http::Request<Bytes>, operation: &str) -> bool {
    let target = request.headers().get("x-amz-target").unwrap().to_str().unwrap();
    target.ends_with(&format!(".{operation}"))
}

/// Applies `fault` to the first `times` attempts of `operation`; counts them all.
pub fn first(operation: &'static str, times: usize, fault: impl Fn() -> Fault + Send + Sync + 'static) -> Injected {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let faults: Faults = Arc::new(move |_, request| {
        if is(request, operation) && counted.fetch_add(1, Ordering::SeqCst) < times {
            fault()
        } else {
            Fault::Pass
        }
    });
    Injected { faults, seen }
}

/// Faults on one operation, and how often that was attempted.
pub struct Injected {
    pub faults: Faults,
    seen: Arc<AtomicUsize>,
}

impl Injected {
    pub fn attempts(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

/// An error as DynamoDB answers it.
pub fn refusal(status: u16, code: &str, more: Value) -> Fault {
    let mut body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "no"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer(status, &body)
}

pub fn answer(status: u16, body: &Value) -> Fault {
    let answer = http::Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0");
    Fault::Answer(answer.body(Bytes::from(body.to_string())).unwrap())
}
