//! What the tests stand on: a node, a database, and installations on them.

use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use local::Options;
use real::{DynamoDb, Node, Proxy};
use serde_json::{Value, json};
use tests::parts::{self, ProxyAddress};
use tests::{App, Http, Launched};
use tokio::sync::OnceCell;
use tokio::time::sleep;

use crate::operator;

/// How often the reaper runs.
const REAP_EVERY: Duration = Duration::from_secs(1);
/// Between two looks.
const PACE: Duration = Duration::from_millis(250);
/// Looks until what goes on by itself has come about: two minutes.
const LOOKS_MAX: usize = 480;

/// What all tests share.
pub(crate) struct Ground {
    pub(crate) node: Node,
    dynamodb: DynamoDb,
    /// That of layby's account.
    pub(crate) kubeconfig: PathBuf,
}

/// The ground, made when it is asked for first.
pub(crate) async fn ground() -> &'static Ground {
    static GROUND: OnceCell<Ground> = OnceCell::const_new();
    let made = GROUND.get_or_try_init(|| async {
        let (node, dynamodb) = (Node::start().await?, DynamoDb::start().await?);
        let kubeconfig = operator::prepare(&node);
        Ok::<_, real::Error>(Ground {
            node,
            dynamodb,
            kubeconfig,
        })
    });
    made.await.unwrap_or_else(|error| panic!("{error}"))
}

/// A client of the cluster, as its administrator.
pub(crate) async fn cluster() -> Client {
    ground().await.node.kubernetes().client().await.unwrap()
}

/// An installation of its own.
pub(crate) struct Installation {
    pub(crate) app: App,
    pub(crate) proxy: ProxyAddress,
    /// The proxy, where it is the installation's own.
    _own: Option<Proxy>,
}

impl Installation {
    /// Starts one with a route proxy of its own. Installations need names of their own.
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, |_| {}).await
    }

    /// As [`Installation::start`], with what `change` makes of its options.
    pub(crate) async fn start_with(name: &str, change: impl FnOnce(&mut Options)) -> Self {
        let own = Proxy::start().await.unwrap_or_else(|error| panic!("{error}"));
        let proxy = parts::address(&own);
        let installation = Self::with_proxy_and(name, proxy, change).await;
        Self {
            _own: Some(own),
            ..installation
        }
    }

    /// Starts one with this route proxy, which must be nobody else's.
    pub(crate) async fn with_proxy(name: &str, proxy: ProxyAddress) -> Self {
        Self::with_proxy_and(name, proxy, |_| {}).await
    }

    async fn with_proxy_and(name: &str, proxy: ProxyAddress, change: impl FnOnce(&mut Options)) -> Self {
        let ground = ground().await;
        let mut options = parts::options(&ground.kubeconfig, &ground.dynamodb, proxy.clone(), name);
        options.reap_every = REAP_EVERY;
        change(&mut options);
        let app = App::start(options).await;
        Self { app, proxy, _own: None }
    }

    /// Writes a template that runs the test image with what `more` says besides.
    pub(crate) async fn template(&self, name: &str, more: Value) {
        let mut body = json!({ "image-source": real::node::IMAGE, "requests": { "memory": "16Mi" } });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.app.template_of(name, &body).await;
    }

    /// Reads the application until `is_so`.
    pub(crate) async fn read_until(&self, one: &Launched, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Value::Null;
        for _ in 0..LOOKS_MAX {
            seen = self.app.read(one).await;
            if is_so(&seen) {
                return seen;
            }
            sleep(PACE).await;
        }
        panic!("{}: never {what}: {seen}", one.path());
    }

    /// Reads the application until it answers at its location.
    pub(crate) async fn deployed(&self, one: &Launched) -> Value {
        self.read_until(one, "deployed", |seen| seen["status"] == "deployed")
            .await
    }

    /// Reads the application until its `reason` has this in it.
    pub(crate) async fn explained(&self, one: &Launched, words: &str) -> Value {
        let says = |seen: &Value| seen["reason"].as_str().is_some_and(|reason| reason.contains(words));
        self.read_until(one, words, says).await
    }

    /// Reads the application until only its record is left.
    pub(crate) async fn ended(&self, one: &Launched) -> Value {
        self.read_until(one, "ended", |seen| seen["phase"] == "ended").await
    }

    /// What the container says of itself at a path below its location.
    pub(crate) async fn page(&self, seen: &Value, path: &str) -> Value {
        let location = seen["location"].as_str().unwrap();
        Http::new(&format!("http://{location}")).get(path).await.expect(200)
    }

    /// Whether the proxy has a route for the application.
    pub(crate) async fn has_route(&self, one: &Launched) -> bool {
        let path = format!("/api/routes/user/{}", one.id);
        let (api, _, token) = &self.proxy;
        let answer = Http::new(api).get(&path).key(&format!("token {token}")).await;
        assert!([200, 404].contains(&answer.status.as_u16()), "{answer:?}");
        answer.status == 200
    }

    /// Stops the application and waits until nothing of it is left.
    pub(crate) async fn stop(&self, one: &Launched) {
        self.app.delete(&one.path()).key(&one.token).await.expect(202);
        self.ended(one).await;
        assert!(!self.has_namespace(one).await && !self.has_route(one).await);
    }

    /// Whether the cluster has the application's namespace.
    pub(crate) async fn has_namespace(&self, one: &Launched) -> bool {
        let namespaces: Api<Namespace> = Api::all(cluster().await);
        namespaces.get_opt(&one.id).await.unwrap().is_some()
    }
}
