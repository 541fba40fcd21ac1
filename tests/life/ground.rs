//! Installations on parts that tests share, and environments of theirs.

use std::time::Duration;

use domain::Scope;
use http::Method;
use local::Options;
use real::{DynamoDb, Proxy};
use serde_json::{Value, json};
use tests::parts::{self, Cluster};
use tests::scenario::invariants;
use tests::{Answer, App};
use tokio::sync::OnceCell;
use tokio::time::sleep;

/// Between two looks at an environment.
const PACE: Duration = Duration::from_millis(500);
/// Looks until what goes on by itself has come about: three minutes. Kubernetes itself looks at a namespace that does
/// not go after 8 s only, and layby less and less often.
const LOOKS_MAX: usize = 360;
/// Where the API of namespaces and pods begins, and that of deployments and replica sets.
pub(crate) const CORE: &str = "api/v1";
pub(crate) const APPS: &str = "apis/apps/v1";

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

/// The key with the scope `envs`.
pub(crate) fn key(app: &App) -> &str {
    &app.ready().keys[Scope::Envs.as_str()]
}

/// A container that serves.
pub(crate) fn container() -> Value {
    json!({"name": "web", "image": "layby/web:1"})
}

/// An environment of an installation, which may have one deployment: `web`.
pub(crate) struct Environment<'a> {
    app: &'a App,
    name: &'static str,
}

impl<'a> Environment<'a> {
    /// The one of this name, `organisation:environment`, whether it is there or not. The cluster is shared: each test has
    /// organisations of its own.
    pub(crate) fn of(app: &'a App, name: &'static str) -> Self {
        Self { app, name }
    }

    pub(crate) fn path(&self) -> String {
        format!("/environments/{}", self.name)
    }

    pub(crate) fn deployments(&self) -> String {
        format!("{}/deployments", self.path())
    }

    pub(crate) fn web(&self) -> String {
        format!("{}/web", self.deployments())
    }

    pub(crate) fn namespace(&self) -> String {
        self.name.replace(':', "-")
    }

    /// Asks for it with what `more` says besides.
    pub(crate) async fn asked(&self, more: &Value) -> Answer {
        let mut asked = more.clone();
        asked["environmentName"] = json!(self.name);
        let ask = self.app.post("/environments").key(key(self.app));
        ask.json(&asked).await
    }

    /// Makes it with what `more` says besides, and reads it once its namespace is there.
    pub(crate) async fn make(&self, more: &Value) -> Value {
        let made = self.asked(more).await;
        assert_eq!(made.header("location"), Some(self.path().as_str()), "{made:?}");
        made.expect(201);
        self.until("made", |seen| seen["phase"] == "ready" || seen["phase"] == "asleep")
            .await
    }

    /// Reads it until `is_so`.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Value::Null;
        for _ in 0..LOOKS_MAX {
            seen = self.app.get(&self.path()).key(key(self.app)).await.expect(200);
            if is_so(&seen) {
                return seen;
            }
            sleep(PACE).await;
        }
        panic!("{}: never {what}: {seen}", self.name);
    }

    /// Puts it to sleep or wakes it.
    pub(crate) async fn sleeps(&self, asleep: bool) {
        let change = json!({"asleep": asleep});
        self.app
            .patch(&self.path())
            .key(key(self.app))
            .json(&change)
            .await
            .expect(200);
        let phase = if asleep { "asleep" } else { "ready" };
        self.until(phase, |seen| seen["phase"] == phase).await;
    }

    pub(crate) async fn delete(&self) {
        self.app.delete(&self.path()).key(key(self.app)).await.expect(204);
    }

    /// Runs the reaper until nothing is left of it.
    pub(crate) async fn gone(&self) {
        let mut seen = Value::Null;
        for _ in 0..LOOKS_MAX {
            self.app.reap().await;
            let answer = self.app.get(&self.path()).key(key(self.app)).await;
            if answer.status == 404 {
                self.cluster(Method::GET, CORE, "", None).await.expect(404);
                return;
            }
            seen = answer.expect(200);
            sleep(PACE).await;
        }
        panic!("{} is never gone: {seen}", self.name);
    }

    /// Makes the deployment with so many pods.
    pub(crate) async fn deploy(&self, replicas: u64, public_hosts: &str) -> Value {
        let template = json!({"metadata": {"labels": {"component": "web"}}, "spec": {"containers": [container()]}});
        let asked = json!({
            "deploymentName": "web", "publicHosts": public_hosts, "replicas": replicas, "pts": template,
        });
        let ask = self.app.post(&self.deployments()).key(key(self.app));
        let made = ask.json(&asked).await;
        assert_eq!(made.header("location"), Some(self.web().as_str()), "{made:?}");
        made.expect(201)
    }

    /// Changes the deployment.
    pub(crate) async fn change(&self, change: &Value) -> Value {
        let ask = self.app.patch(&self.web()).key(key(self.app));
        ask.json(change).await.expect(200)
    }

    /// Reads the deployment until it has so many pods, all of them ready and of its present template.
    pub(crate) async fn settled(&self, pods: u64) -> Value {
        let mut seen = Value::Null;
        for _ in 0..LOOKS_MAX {
            seen = self.app.get(&self.web()).key(key(self.app)).await.expect(200);
            let is_seen = seen["status"]["observedGeneration"] == seen["metadata"]["generation"];
            let has = |count: &&str| seen["status"][*count].as_u64().unwrap_or_default() == pods;
            if is_seen && ["replicas", "updatedReplicas", "readyReplicas"].iter().all(has) {
                return seen;
            }
            sleep(PACE).await;
        }
        panic!("{}: never {pods} pods: {seen}", self.name);
    }

    /// What the cluster answers its administrator about the namespace, or about what is in it by the path `rest`.
    pub(crate) async fn cluster(&self, method: Method, api: &str, rest: &str, body: Option<&Value>) -> Answer {
        let path = format!("/{api}/namespaces/{}{rest}", self.namespace());
        invariants::cluster(self.app, method, &path, body).await
    }

    /// What the namespace has of these, once there are so many.
    pub(crate) async fn counted(&self, api: &str, resource: &str, count: usize) -> Vec<Value> {
        let mut list = Value::Null;
        for _ in 0..LOOKS_MAX {
            list = self.cluster(Method::GET, api, resource, None).await.expect(200);
            match list["items"].as_array() {
                Some(items) if items.len() == count => return items.clone(),
                _ => sleep(PACE).await,
            }
        }
        panic!("{}{resource}: never {count}: {list}", self.namespace());
    }

    pub(crate) async fn pods(&self, count: usize) -> Vec<Value> {
        self.counted(CORE, "/pods", count).await
    }
}
