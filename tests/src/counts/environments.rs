//! What environments and their deployments take.

use std::time::Duration;

use domain::Scope;
use http::Method;
use local::Options;
use serde_json::{Value, json};

use super::{KEY_STORE_MAX, Measure, Requests};
use crate::App;
use crate::cases::settings::pod_template;

const ENVIRONMENT: &str = "/environments/acme:shop";
const DEPLOYMENTS: &str = "/environments/acme:shop/deployments";
const WEB: &str = "/environments/acme:shop/deployments/web";
/// Requests to DynamoDB for a change: the row, the transaction, and that the namespace follows.
const CHANGE_STORE: u64 = 3;
/// Requests to Kubernetes for a namespace that follows a change: it and its secret are read and written, and looked for are a
/// policy of earlier rules and deployments to put to sleep or wake.
const FOLLOW_CLUSTER: u64 = 6;
/// Those for one that is made: it and its secret; and the cluster's identity, once a process.
const MAKE_CLUSTER: u64 = 3;
/// Requests to DynamoDB for a deployment that is made or changed: the row, who has its host names, and the row once more.
const DEPLOY_STORE: u64 = 3;
/// Requests to Kubernetes for a deployment that is made: the namespace, another one of its component, it, and once more.
const DEPLOY_CLUSTER: u64 = 4;

/// An environment and a deployment in it, from beginning to end.
pub async fn of_environments() -> Vec<Measure> {
    let app = App::start(Options::embedded()).await;
    let key = app.ready().keys[Scope::Envs.as_str()].clone();
    let mut measures = Vec::new();
    let requests = |store, cluster| Requests::new(store, cluster, 0);
    for (operation, method, path, body, status, most) in [
        (
            "create of an environment",
            Method::POST,
            "/environments",
            json!({"environmentName": "acme:shop", "hostNames": ["shop.example", "www.shop.example"]}),
            201,
            requests(KEY_STORE_MAX + CHANGE_STORE, MAKE_CLUSTER),
        ),
        (
            "read of an environment",
            Method::GET,
            ENVIRONMENT,
            Value::Null,
            200,
            requests(1, 0),
        ),
        (
            "patch of an environment's host names",
            Method::PATCH,
            ENVIRONMENT,
            json!({"hostNames": ["shop.example", "new.shop.example"]}),
            200,
            requests(CHANGE_STORE, FOLLOW_CLUSTER),
        ),
        (
            "patch of an environment's end",
            Method::PATCH,
            ENVIRONMENT,
            json!({"ttl": 3_600}),
            200,
            requests(CHANGE_STORE, 0),
        ),
        (
            "create of a deployment",
            Method::POST,
            DEPLOYMENTS,
            json!({"deploymentName": "web", "publicHosts": "shop.example", "pts": pod_template()}),
            201,
            requests(DEPLOY_STORE, DEPLOY_CLUSTER),
        ),
        (
            "read of a deployment",
            Method::GET,
            WEB,
            Value::Null,
            200,
            requests(1, 1),
        ),
        (
            "patch of a deployment",
            Method::PATCH,
            WEB,
            json!({"replicas": 2}),
            200,
            requests(DEPLOY_STORE, 2),
        ),
        (
            "delete of a deployment",
            Method::DELETE,
            WEB,
            Value::Null,
            204,
            requests(1, 2),
        ),
        (
            "delete of an environment",
            Method::DELETE,
            ENVIRONMENT,
            Value::Null,
            204,
            requests(CHANGE_STORE, 2),
        ),
    ] {
        // No read is brought on, and no deployment changed by its controller, while it is counted.
        app.advance(Duration::from_secs(5)).await;
        app.ask(method, path).key(&key).json(&body).await.expect(status);
        measures.push(Measure {
            operation: operation.to_owned(),
            took: Requests::of_last(&app),
            most,
        });
    }
    app.stop().await;
    measures
}
