//! The database that a check runs against, and a table in it that is the check's own.

use std::collections::HashMap;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use contract::in_time;
use domain::{Application, ApplicationId};
use embedded::dynamo::Dynamo;
use jiff::SignedDuration;
use net::{Faults, Net, Peer, Settings, Timeouts};
use store::{Row, Store};

use crate::support::{due_item, gone, look, written};

/// An empty table.
pub struct Table {
    pub store: Store,
    pub raw: Client,
    /// What it is called.
    pub name: String,
    /// Where the database is.
    pub url: String,
}

impl Table {
    /// Makes a table of this name, as the store's definition has it.
    pub async fn new(url: &str, name: &str) -> Table {
        let (sdk, net) = (sdk(url), Net::new(patient(None)).unwrap());
        let store = Store::connect(&sdk, &net, name);
        store.ensure_table().await.unwrap();
        let config = aws_sdk_dynamodb::config::Builder::from(&sdk)
            .http_client(net.aws(Peer::Store))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        Table {
            store,
            raw: Client::from_conf(config.build()),
            name: name.to_owned(),
            url: url.to_owned(),
        }
    }

    /// The same table through a connection on which `faults` happen.
    pub fn failing(&self, faults: Faults) -> Store {
        Store::connect(&sdk(&self.url), &Net::new(patient(Some(faults))).unwrap(), &self.name)
    }

    /// A row as it is stored.
    pub async fn row(&self, pk: &str, sk: &str) -> Option<HashMap<String, AttributeValue>> {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let request = self
            .raw
            .get_item()
            .table_name(&self.name)
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
        for item in self
            .raw
            .scan()
            .table_name(&self.name)
            .send()
            .await
            .unwrap()
            .items
            .unwrap()
        {
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
            let write = self.raw.batch_write_item().request_items(&self.name, batch.to_vec());
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

/// Time-outs for a busy machine: what is asked here is what a database does, and not how quickly.
fn patient(faults: Option<Faults>) -> Settings {
    let timeouts = Timeouts {
        store: Duration::from_secs(120),
        ..Timeouts::default()
    };
    Settings {
        timeouts,
        faults,
        names: None,
    }
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

/// Runs a check against an embedded database of its own.
pub(crate) fn on_embedded(check: impl AsyncFnOnce(&Table)) {
    in_time(async {
        let dynamo = Dynamo::start(None).await.unwrap();
        check(&Table::new(dynamo.url(), "layby").await).await;
    });
}

/// Runs a check against the DynamoDB Local that all of them share.
#[cfg(feature = "real")]
pub(crate) fn on_real(check: impl AsyncFnOnce(&Table)) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static REAL: tokio::sync::OnceCell<real::DynamoDb> = tokio::sync::OnceCell::const_new();
    static TABLES: AtomicUsize = AtomicUsize::new(0);
    in_time(async {
        let started = REAL.get_or_try_init(real::DynamoDb::in_memory).await;
        let real = started.unwrap_or_else(|error| panic!("{error}"));
        let name = format!("layby-{}", TABLES.fetch_add(1, Ordering::Relaxed));
        let table = Table::new(real.url(), &name).await;
        check(&table).await;
        table.raw.delete_table().table_name(&name).send().await.ok();
    });
}
