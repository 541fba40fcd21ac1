//! Installations on parts that tests share.

use local::Options;
use real::{DynamoDb, Proxy};
use tests::parts::{self, Cluster};
use tests::{App, in_time};
use tokio::sync::OnceCell;

/// Of a thread on which futures nest deeply, in bytes.
const STACK: usize = 16 << 20;

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static DYNAMODB: OnceCell<DynamoDb> = OnceCell::const_new();

/// An installation of its own on the shared cluster and database, with a proxy of its own, which is to outlive it.
pub(crate) async fn installation(name: &str) -> (App, Proxy) {
    installation_with(name, |_| {}).await
}

/// As [`installation`], started with what `change` makes of its options.
pub(crate) async fn installation_with(name: &str, change: impl FnOnce(&mut Options)) -> (App, Proxy) {
    let cluster = CLUSTER.get_or_init(Cluster::start).await;
    let dynamodb = DYNAMODB.get_or_try_init(DynamoDb::start).await;
    let dynamodb = dynamodb.unwrap_or_else(|error| panic!("{error}"));
    let proxy = Proxy::start().await.unwrap_or_else(|error| panic!("{error}"));
    let mut options = parts::options(cluster.kubeconfig(), dynamodb, parts::address(&proxy), name);
    change(&mut options);
    let app = App::start_on(options, Some(cluster.administrator())).await;
    (app, proxy)
}

/// Does `work` on a thread of its own, with room for what tests nest.
///
/// # Errors
/// When it panics, which has been told by then.
pub(crate) fn on_a_thread<F: Future<Output = ()>>(work: impl FnOnce() -> F + Send) -> std::thread::Result<()> {
    std::thread::scope(|scope| {
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(in_time(work()));
        };
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, run);
        thread.unwrap().join()
    })
}
