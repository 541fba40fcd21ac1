//! An environment whose deployment's pods really run: two that answer, whatever is done with them in between.

use std::time::Duration;

use domain::Scope;
use domain::limits::PORT_DEFAULT;
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{Api, ResourceExt as _};
use real::node::IMAGE;
use serde_json::{Value, json};
use tests::{App, Http, on_a_large_stack};
use tokio::time::sleep;

use crate::ground::{Installation, cluster};
use crate::policies::{End, Policies};

/// Between two looks.
const PACE: Duration = Duration::from_millis(250);
/// Looks until what goes on by itself has come about: three minutes. Kubernetes itself looks at a namespace whose pods
/// are ending after 16 s only, and layby less and less often.
const LOOKS_MAX: usize = 720;
/// The pods of the deployment.
const PODS: u64 = 2;
/// What the containers of each pod write.
const WEB_LINES: [&str; 3] = ["line 1", "line 2", "listens on port 8888"];
const BESIDE_LINES: [&str; 2] = ["stands by", "listens on port 8889"];

/// The key with the scope `envs`.
fn key(app: &App) -> &str {
    &app.ready().keys[Scope::Envs.as_str()]
}

/// A template of two containers: a page, and one that stands by it.
fn template() -> Value {
    let resources = json!({"requests": {"memory": "16Mi"}});
    let probe = |port: u16| json!({"tcpSocket": {"port": port}, "periodSeconds": 1});
    json!({
        "metadata": {"labels": {"component": "web"}},
        // Containers that do not stop by a signal are killed soon.
        "spec": {"terminationGracePeriodSeconds": 2, "containers": [
            {
                "name": "web", "image": IMAGE, "args": ["--log-lines=2"], "resources": resources,
                "ports": [{"containerPort": PORT_DEFAULT}], "readinessProbe": probe(PORT_DEFAULT),
            },
            {
                "name": "beside", "image": IMAGE, "args": ["--port=8889", "--log=stands by"], "resources": resources,
                "readinessProbe": probe(8889),
            },
        ]},
    })
}

/// An environment with one deployment, `web`.
struct Environment<'a> {
    app: &'a App,
    name: &'static str,
}

impl<'a> Environment<'a> {
    /// Makes one. The cluster is shared: each test has organisations of its own.
    async fn make(app: &'a App, name: &'static str) -> Self {
        let one = Self { app, name };
        let asked = json!({"environmentName": name});
        app.post("/environments").key(key(app)).json(&asked).await.expect(201);
        one.until("ready").await;
        let asked = json!({
            "deploymentName": "web", "publicHosts": "", "replicas": PODS, "pts": template(),
            "envVars": [{"name": "GREETING", "value": "hello"}],
        });
        let ask = app.post(&one.path("/deployments")).key(key(app));
        ask.json(&asked).await.expect(201);
        one
    }

    fn path(&self, rest: &str) -> String {
        format!("/environments/{}{rest}", self.name)
    }

    fn namespace(&self) -> String {
        self.name.replace(':', "-")
    }

    /// Changes the environment, or with `rest` what is in it.
    async fn change(&self, rest: &str, change: &Value) {
        let ask = self.app.patch(&self.path(rest)).key(key(self.app));
        ask.json(change).await.expect(200);
    }

    async fn delete(&self, rest: &str) {
        self.app.delete(&self.path(rest)).key(key(self.app)).await.expect(204);
    }

    /// Reads it until it is in this phase, or `gone`.
    async fn until(&self, phase: &str) {
        let mut seen = Value::Null;
        for _ in 0..LOOKS_MAX {
            let answer = self.app.get(&self.path("")).key(key(self.app)).await;
            if answer.status == 404 && phase == "gone" {
                return;
            }
            seen = answer.expect(200);
            if seen["phase"] == phase {
                return;
            }
            sleep(PACE).await;
        }
        panic!("{}: never {phase}: {seen}", self.name);
    }

    /// The log of the deployment, asked for with this query.
    async fn logs(&self, query: &str) -> String {
        let path = self.path(&format!("/deployments/web/logs{query}"));
        let answer = self.app.get(&path).key(key(self.app)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text()
    }

    /// Its pods, as the cluster has them now.
    async fn pods(&self) -> Vec<Pod> {
        let pods: Api<Pod> = Api::namespaced(cluster().await, &self.namespace());
        pods.list(&Default::default()).await.unwrap().items
    }

    /// Its pods, once there are two, which both answer and have these variables.
    async fn answers(&self, variables: &[&str]) -> Vec<Pod> {
        let mut pages = Vec::new();
        for _ in 0..LOOKS_MAX {
            let pods = self.pods().await;
            pages = join_all(pods.iter().map(page)).await;
            let has_them = |page: &Option<Value>| {
                let environment = page.as_ref().and_then(|page| page["environment"].as_array());
                environment.is_some_and(|all| variables.iter().all(|one| all.contains(&json!(one))))
            };
            if pods.len() as u64 == PODS && pages.iter().all(has_them) {
                return pods;
            }
            sleep(PACE).await;
        }
        panic!("{}: never {PODS} pods that have {variables:?}: {pages:?}", self.name);
    }

    /// Waits until it has no pods.
    async fn without_pods(&self) {
        let mut left = Vec::new();
        for _ in 0..LOOKS_MAX {
            left = self.pods().await;
            if left.is_empty() {
                return;
            }
            sleep(PACE).await;
        }
        panic!("{}: pods that do not go: {left:?}", self.name);
    }

    /// Deletes it, and waits until nothing of it is left.
    async fn end(&self) {
        self.delete("").await;
        self.until("gone").await;
        let namespaces: Api<Namespace> = Api::all(cluster().await);
        assert_eq!(namespaces.get_opt(&self.namespace()).await.unwrap(), None);
        assert!(self.pods().await.is_empty());
    }
}

/// What a pod that is ready says of itself at its own address.
async fn page(pod: &Pod) -> Option<Value> {
    let status = pod.status.as_ref()?;
    let mut conditions = status.conditions.iter().flatten();
    if !conditions.any(|one| one.type_ == "Ready" && one.status == "True") {
        return None;
    }
    let address = status.pod_ip.as_ref()?;
    let http = Http::new(&format!("http://{address}:{PORT_DEFAULT}"));
    let page = http.get("/").tried().await.ok()?.expect(200);
    // Another one may have its address already.
    (page["pod"] == pod.name_any()).then_some(page)
}

/// What is told of logs in which each pod's container has these lines.
fn told(pods: &[Pod], lines: &[&str]) -> String {
    let of = |pod: &Pod| format!("Logs for pod: {}\n{}\n", pod.name_any(), lines.join("\n"));
    pods.iter().map(of).collect()
}

#[test]
fn pods_of_a_deployment_answer_are_read_changed_put_to_sleep_and_removed() {
    on_a_large_stack(async || {
        let installation = Installation::start("environments").await;
        let app = &installation.app;
        let shop = Environment::make(app, "node:shop").await;
        let pods = shop.answers(&["GREETING=hello"]).await;
        for pod in &pods {
            assert_eq!(page(pod).await.unwrap()["secrets"], json!([]), "nobody gets a token");
        }
        says_what_its_pods_wrote(&shop, &pods).await;

        let more = json!({"envVars": [{"name": "COLOUR", "value": "red"}]});
        shop.change("/deployments/web", &more).await;
        let variables = ["GREETING=hello", "COLOUR=red"];
        let changed = shop.answers(&variables).await;
        let is_new = |pod: &Pod| pods.iter().all(|before| before.name_any() != pod.name_any());
        assert!(changed.iter().all(is_new));

        shop.change("", &json!({"asleep": true})).await;
        shop.until("asleep").await;
        shop.without_pods().await;
        assert_eq!(shop.logs("").await, "");
        shop.change("", &json!({"asleep": false})).await;
        shop.until("ready").await;
        shop.answers(&variables).await;

        shop.delete("/deployments/web").await;
        let path = shop.path("/deployments/web");
        app.get(&path).key(key(app)).await.problem(404, "doesNotExist");
        shop.without_pods().await;
        shop.end().await;
        installation.app.stop().await;
    });
}

async fn says_what_its_pods_wrote(shop: &Environment<'_>, pods: &[Pod]) {
    assert_eq!(shop.logs("").await, told(pods, &WEB_LINES));
    assert_eq!(shop.logs("?tail=1").await, told(pods, &WEB_LINES[2..]));
    assert_eq!(shop.logs("?container=beside").await, told(pods, &BESIDE_LINES));
    let path = shop.path("/deployments/web/logs?container=none");
    let refused = shop.app.get(&path).key(key(shop.app)).await;
    let why = refused.problem(400, "malformedRequest");
    assert!(why.contains("beside, web"), "{why}");

    let stamped = shop.logs("?timestamps=true").await;
    let line = |line: &str| match line.split_once(' ') {
        Some((at, rest)) if at.parse::<Timestamp>().is_ok() => format!("{rest}\n"),
        _ if line.starts_with("Logs for pod: ") => format!("{line}\n"),
        _ => panic!("no instant: {line}"),
    };
    let plain: String = stamped.lines().map(line).collect();
    assert_eq!(plain, told(pods, &WEB_LINES));
    let before = shop.logs("?previous=true").await;
    let none = "Its container was not started again, so there is no log of a run before this one.";
    assert_eq!(before, told(pods, &[none]));
}

#[test]
fn an_isolated_environment_lets_in_its_own_pods_and_those_of_the_router() {
    on_a_large_stack(async || {
        let isolated = [
            ("ISOLATE_NAMESPACE", "true"),
            ("LAYBY_ROUTER_NAMESPACES", "kube-system"),
        ];
        let isolated = isolated.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let installation = Installation::start_with("isolated", |options| options.variables.extend(isolated)).await;
        let app = &installation.app;
        let (shop, other) = (
            Environment::make(app, "isolated:shop").await,
            Environment::make(app, "isolated:other").await,
        );
        let (own, others) = (shop.answers(&[]).await, other.answers(&[]).await);
        let policies = Policies::of(cluster().await).await;
        let (router, stranger) = (pod_in("kube-system"), pod_in("default"));
        let [one, beside, neighbour] = [&own[0], &own[1], &others[0]].map(End::Pod);
        let (router, stranger) = (End::Pod(&router), End::Pod(&stranger));
        let internet = End::Address("198.51.100.7".parse().unwrap());
        for (what, from, to) in [
            ("a pod to another of its environment", beside, one),
            ("the router to a pod", router, one),
            ("a pod to the internet", one, internet),
        ] {
            assert!(
                policies.allow(from, to, "TCP", PORT_DEFAULT),
                "{what} is not let through"
            );
        }
        for (what, from, to) in [
            ("a pod to one of another environment", one, neighbour),
            ("a pod of another environment to this one", neighbour, one),
            ("a pod elsewhere to a pod", stranger, one),
            ("the internet to a pod", internet, one),
        ] {
            assert!(!policies.allow(from, to, "TCP", PORT_DEFAULT), "{what} is let through");
        }
        // With its deployment, and pods that run.
        shop.end().await;
        other.end().await;
        installation.app.stop().await;
    });
}

/// A pod of this namespace, which is nowhere else.
fn pod_in(namespace: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {"name": "nowhere", "namespace": namespace}, "status": {"podIP": "10.250.250.250"},
    }))
    .unwrap()
}
