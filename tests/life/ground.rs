//! Installations on parts that tests share.

use local::Options;
use real::{DynamoDb, Proxy};
use tests::App;
use tests::parts::{self, Cluster};
use tokio::sync::OnceCell;

static CLUSTER: OnceCell<Cluster> = OnceCell::const_new();
static DYNAMODB: OnceCell<DynamoDb> = OnceCell::const_new();

/// An installation of its own on the shared cluster and database, with a proxy of its own, which is to outlive it.
pub(crate) async fn installation(name: &str) -> (App, Proxy) {
    installation_with(name, |_| {}).await
}

/// As [`installation`], started with what `change` makes of its options.
pub(crate) async fn installation_with(name: &str, change: impl FnOnce(&mut Options)) -> (App, Proxy) {
    let cluster = CLUSTER.get_or_init(Cluster::start).await;
    let dynamodb = dynamodb().await;
    let proxy = Proxy::start().await.unwrap_or_else(|error| panic!("{error}"));
    let mut options = parts::options(cluster.kubeconfig(), dynamodb, parts::address(&proxy), name);
    change(&mut options);
    let app = App::start_on(options, Some(cluster.administrator())).await;
    (app, proxy)
}

/// The shared database.
pub(crate) async fn dynamodb() -> &'static DynamoDb {
    let dynamodb = DYNAMODB.get_or_try_init(DynamoDb::start).await;
    dynamodb.unwrap_or_else(|error| panic!("{error}"))
}
