//! What the adapter is started with.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use gateway::LogSink;
use serde_json::Value;

/// What the adapter is started with.
pub struct Options {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// Where the embedded route proxy listens.
    pub proxy_listen: SocketAddr,
    /// Where everything is kept over restarts, if anywhere.
    pub data: Option<PathBuf>,
    /// Whether each application answers at a host of its own, `<id>.localhost`, where the route proxy is embedded.
    pub host_per_application: bool,
    /// Real parts instead of embedded ones.
    pub real: RealParts,
    /// How many embedded clusters can be leased.
    pub clusters: usize,
    /// `LAYBY_…` variables that go before the adapter's own.
    pub variables: BTreeMap<String, String>,
    /// Keys of the keyring behind the installation's own, 32 bytes in base64 each: what they sealed is opened too.
    pub older_keys: Vec<String>,
    /// An API key with the scope `apps`, beside the ones that are made.
    pub api_key: Option<String>,
    /// How often the reaper runs by itself; zero is never.
    pub reap_every: Duration,
    /// The connector's settings: time-outs, and faults in tests.
    pub net: net::Settings,
    /// Where log lines go.
    pub log: LogSink,
    /// What is called with the report of each run of the reaper that found something.
    pub reaped: Arc<dyn Fn(&Value) + Send + Sync>,
}

impl Options {
    /// Everything embedded, on free ports, kept nowhere, silent, with nothing to lease, reaping only when told to.
    pub fn embedded() -> Self {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        Self {
            listen: any,
            proxy_listen: any,
            data: None,
            host_per_application: false,
            real: RealParts::default(),
            clusters: 0,
            variables: BTreeMap::new(),
            older_keys: Vec::new(),
            api_key: None,
            reap_every: Duration::ZERO,
            net: net::Settings::default(),
            log: Arc::new(|_| {}),
            reaped: Arc::new(|_| {}),
        }
    }
}

/// Real parts instead of embedded ones.
#[derive(Clone, Default)]
pub struct RealParts {
    /// The kubeconfig of a cluster.
    pub kubeconfig: Option<PathBuf>,
    /// The URL of DynamoDB.
    pub dynamodb_url: Option<String>,
    /// The URL of a route proxy's API, the host at which people reach the proxy, and its token.
    pub proxy: Option<(String, String, String)>,
    /// The URL of a template registry, from which launches then take their templates.
    pub registry_url: Option<String>,
    /// The key of a template registry.
    pub registry_key: Option<String>,
}
