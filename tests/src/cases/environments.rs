//! Environments and their deployments.

mod deployments;
mod doors;
mod looks;
mod pending;
mod whole;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::Scope;
use net::Peer;
use serde_json::{Value, json};

use super::settings::{ISSUER, pod_template};
use super::{Case, fresh};
use crate::{Answer, App, Http};

/// What is asked of environments and deployments.
pub fn cases() -> Vec<Case> {
    let cases = [
        doors::doors(),
        doors::people(),
        looks::looks(),
        whole::creates(),
        whole::lists(),
        whole::reads_and_changes(),
        whole::ends(),
        deployments::creates(),
        deployments::reads_and_ends(),
        deployments::patches(),
    ];
    cases.into_iter().flatten().collect()
}

/// The key with the scope `envs`.
fn key(app: &App) -> &str {
    &app.ready().keys[Scope::Envs.as_str()]
}

/// An access token of somebody who administers the demo organisation.
fn token(app: &App) -> String {
    app.ready().demo.clone().unwrap().token
}

/// A token of the issuer that nobody reaches, so that nobody can say whether it is good.
fn unknown_token() -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(json!({"alg": "ES256", "kid": "unknown"}));
    let claims = part(json!({"iss": ISSUER, "aud": "layby", "sub": "ann", "exp": 4_102_444_800_u64}));
    format!("{header}.{claims}.{}", part(json!("signature")))
}

/// A name for an environment of `acme`.
fn named() -> String {
    format!("acme:{}", fresh("env"))
}

fn host() -> String {
    format!("{}.example", fresh("host"))
}

/// An environment with a host name of its own: its path, and the host name.
async fn hosted(app: &App) -> (String, String) {
    let (name, host) = (named(), host());
    let asked = json!({"environmentName": name, "hostNames": [host]});
    app.post("/environments").key(key(app)).json(&asked).await.expect(201);
    (format!("/environments/{name}"), host)
}

async fn environment(app: &App) -> String {
    hosted(app).await.0
}

/// An environment whose namespace is not made yet: the cluster was out of reach.
async fn unmade(app: &App) -> String {
    app.outages().begin(Peer::Cluster);
    let path = environment(app).await;
    app.outages().end(Peer::Cluster);
    path
}

/// An environment that is being deleted, which a finalizer of somebody else's holds up.
async fn deleting(app: &App) -> String {
    let path = environment(app).await;
    app.outages().begin(Peer::Cluster);
    app.delete(&path).key(key(app)).await.expect(204);
    app.outages().end(Peer::Cluster);
    path
}

fn deployment() -> Value {
    json!({"deploymentName": "web", "publicHosts": "", "pts": pod_template()})
}

/// A deployment in an environment of its own; its path.
async fn deployed(app: &App) -> String {
    let path = format!("{}/deployments", environment(app).await);
    app.post(&path).key(key(app)).json(&deployment()).await.expect(201);
    format!("{path}/web")
}

async fn ask_create(app: &App, door: &Http, body: &Value) -> Answer {
    door.post("/environments").key(key(app)).json(body).await
}
