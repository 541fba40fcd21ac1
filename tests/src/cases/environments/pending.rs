//! Environments of which something is left to be done, for whoever looks at them next.

use std::time::Duration;

use http::Method;
use net::Peer;
use serde_json::{Value, json};

use super::{deployment, host, key, named};
use crate::App;
use crate::cases::{REST, fresh};
use crate::scenario::invariants::cluster;

/// More than an environment lives that is to expire.
const EXPIRED: Duration = Duration::from_secs(120);

/// What is left to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// All of it: the cluster was out of reach when it was asked for.
    Everything,
    /// To fall asleep, with a deployment in it and a policy that isolates it.
    Sleep,
    /// The same, where the namespace of its name is an earlier environment's.
    Earlier,
    /// Its end: its time is over, and its namespace gone.
    End,
}

/// An environment, and how it was asked for.
pub(super) struct Pending {
    /// Its path.
    pub(super) path: String,
    /// The `Idempotency-Key` that it was asked for with.
    pub(super) once: String,
    /// The body that it was asked for with.
    pub(super) asked: Value,
}

impl Pending {
    /// Makes one.
    pub(super) async fn make(app: &App, left: Left) -> Self {
        let (name, once) = (named(), fresh("key"));
        let mut asked = json!({"environmentName": name, "hostNames": [host()]});
        if left == Left::End {
            asked["ttl"] = json!(60);
        }
        let pending = Self {
            path: format!("/environments/{name}"),
            once,
            asked,
        };
        if left == Left::Everything {
            app.outages().begin(Peer::Cluster);
        }
        let ask = app.post("/environments").key(key(app));
        let ask = ask.header("idempotency-key", &pending.once);
        ask.json(&pending.asked).await.expect(201);
        let namespace = name.replace(':', "-");
        match left {
            Left::Everything => app.outages().end(Peer::Cluster),
            Left::Sleep => {
                let deployments = format!("{}/deployments", pending.path);
                let deployed = app.post(&deployments).key(key(app)).json(&deployment());
                deployed.await.expect(201);
                isolate(app, &namespace).await;
                pending.put_to_sleep(app).await;
            }
            Left::Earlier => {
                let labels = remove(app, &namespace).await;
                let before = json!({"metadata": {"name": namespace, "labels": earlier(labels)}});
                cluster(app, Method::POST, "/api/v1/namespaces", Some(&before))
                    .await
                    .expect(201);
                pending.put_to_sleep(app).await;
            }
            Left::End => {
                remove(app, &namespace).await;
                app.advance(EXPIRED).await;
            }
        }
        app.advance(REST).await;
        pending
    }

    /// Asks for its sleep while the cluster is out of reach.
    async fn put_to_sleep(&self, app: &App) {
        app.outages().begin(Peer::Cluster);
        let asleep = json!({"asleep": true});
        app.patch(&self.path).key(key(app)).json(&asleep).await.expect(200);
        app.outages().end(Peer::Cluster);
    }
}

/// A namespace that is somebody else's, with the name that an environment's would have; the environment's name.
pub(super) async fn taken_namespace(app: &App) -> String {
    let name = named();
    let theirs = json!({"metadata": {"name": name.replace(':', "-")}});
    cluster(app, Method::POST, "/api/v1/namespaces", Some(&theirs))
        .await
        .expect(201);
    name
}

/// Makes the policy of an environment by hand, as it was made under other rules.
async fn isolate(app: &App, namespace: &str) {
    let labels = labels(app, namespace).await;
    let policy = json!({
        "metadata": {"name": "isolation", "namespace": namespace, "labels": labels},
        "spec": {"podSelector": {}, "policyTypes": ["Ingress"]},
    });
    let path = format!("/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies");
    cluster(app, Method::POST, &path, Some(&policy)).await.expect(201);
}

/// Deletes a namespace behind layby's back, and gives the labels that it had.
async fn remove(app: &App, namespace: &str) -> Value {
    let labels = labels(app, namespace).await;
    let path = format!("/api/v1/namespaces/{namespace}");
    cluster(app, Method::DELETE, &path, None).await.expect(200);
    while cluster(app, Method::GET, &path, None).await.status == 200 {
        app.advance(REST).await;
    }
    labels
}

async fn labels(app: &App, namespace: &str) -> Value {
    let path = format!("/api/v1/namespaces/{namespace}");
    let seen = cluster(app, Method::GET, &path, None).await.expect(200);
    seen["metadata"]["labels"].clone()
}

/// The labels of an environment that was born before.
fn earlier(mut labels: Value) -> Value {
    labels["layby.dev/born"] = json!("1");
    labels
}
