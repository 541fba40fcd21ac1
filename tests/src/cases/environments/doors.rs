//! Who may, and what is not there.

use api::{
    Code, DEPLOYMENT_CREATE, DEPLOYMENT_DELETE, DEPLOYMENT_LIST, DEPLOYMENT_LOGS, DEPLOYMENT_PATCH, DEPLOYMENT_READ,
    ENVIRONMENT_DELETE, ENVIRONMENT_LIST, ENVIRONMENT_PATCH, ENVIRONMENT_READ, ENVIRONMENT_ROTATE, ENVIRONMENT_STATUS,
};
use futures::FutureExt;
use serde_json::json;

use super::{deployment, environment, key, token, unknown_token, unmade};
use crate::App;
use crate::cases::{ACME, Case, Here, Setting, fresh};

/// What every endpoint about one environment answers to whoever may not, and about what there is not.
macro_rules! doors_of {
    ($endpoint:expr, $method:ident, $tail:literal, $body:expr) => {
        [
            Case::unauthorised(&$endpoint, |_, door| {
                async {
                    door.$method(concat!("/environments/acme:none", $tail))
                        .json(&$body)
                        .await
                }
                .boxed()
            }),
            Case::unauthorised(&$endpoint, |_, door| {
                let ask = door
                    .$method(concat!("/environments/acme:none", $tail))
                    .key("no.good.token");
                async move { ask.json(&$body).await }.boxed()
            }),
            Case::refusal(&$endpoint, Code::Unauthorized, |_, door| {
                let ask = door.$method(concat!("/environments/others:none", $tail)).key(ACME);
                async move { ask.json(&$body).await }.boxed()
            }),
            Case::refusal(&$endpoint, Code::AuthorityUnreachable, |_, door| {
                let ask = door
                    .$method(concat!("/environments/demo:none", $tail))
                    .key(&unknown_token());
                async move { ask.json(&$body).await }.boxed()
            })
            .with(Setting::IssuerDown),
            Case::refusal(&$endpoint, Code::MalformedRequest, |app, door| {
                let ask = door.$method(concat!("/environments/none", $tail)).key(key(app));
                async move { ask.json(&$body).await }.boxed()
            }),
            Case::refusal(&$endpoint, Code::DoesNotExist, |app, door| {
                let ask = door.$method(concat!("/environments/acme:none", $tail)).key(key(app));
                async move { ask.json(&$body).await }.boxed()
            }),
        ]
    };
}

/// An environment of the demo organisation; its path.
async fn demo_environment(app: &App) -> String {
    let name = format!("demo:{}", fresh("env"));
    let asked = json!({"environmentName": name});
    app.post("/environments").key(key(app)).json(&asked).await.expect(201);
    format!("/environments/{name}")
}

/// A deployment without pods in an environment of the demo organisation; its path.
async fn demo_deployment(app: &App) -> String {
    let path = format!("{}/deployments", demo_environment(app).await);
    let mut asked = deployment();
    asked["replicas"] = json!(0);
    app.post(&path).key(key(app)).json(&asked).await.expect(201);
    format!("{path}/web")
}

/// What whoever shows an access token is answered.
macro_rules! person_of {
    ($endpoint:expr, $status:literal, $method:ident, $make:ident, $tail:literal, $body:expr) => {
        Case::success(&$endpoint, $status, |app, door| {
            async {
                let path = format!("{}{}", $make(app).await, $tail);
                door.$method(&path).key(&token(app)).json(&$body).await
            }
            .boxed()
        })
    };
}

pub(super) fn people() -> Vec<Case> {
    vec![
        person_of!(ENVIRONMENT_READ, 200, get, demo_environment, "", json!({})),
        person_of!(ENVIRONMENT_PATCH, 200, patch, demo_environment, "", json!({})),
        person_of!(ENVIRONMENT_DELETE, 204, delete, demo_environment, "", json!({})),
        person_of!(ENVIRONMENT_ROTATE, 200, post, demo_environment, "/keys", json!({})),
        person_of!(
            DEPLOYMENT_CREATE,
            201,
            post,
            demo_environment,
            "/deployments",
            deployment()
        ),
        person_of!(DEPLOYMENT_LIST, 200, get, demo_environment, "/deployments", json!({})),
        person_of!(DEPLOYMENT_READ, 200, get, demo_deployment, "", json!({})),
        person_of!(DEPLOYMENT_PATCH, 200, patch, demo_deployment, "", json!({})),
        person_of!(DEPLOYMENT_DELETE, 204, delete, demo_deployment, "", json!({})),
        person_of!(DEPLOYMENT_LOGS, 200, get, demo_deployment, "/logs", json!({})),
        Case::success(&ENVIRONMENT_LIST, 200, |app, door| {
            async { door.get("/environments?limit=1").key(&token(app)).await }.boxed()
        }),
    ]
}

/// What every endpoint about deployments answers where the namespace is not made yet, or the cluster out of reach.
macro_rules! cluster_of {
    ($endpoint:expr, $method:ident, $tail:literal, $body:expr) => {
        [
            Case::refusal(&$endpoint, Code::Conflict, |app, door| {
                async {
                    let path = format!("{}/deployments{}", unmade(app).await, $tail);
                    door.$method(&path).key(key(app)).json(&$body).await
                }
                .boxed()
            })
            .only(Here::Outage),
            Case::refusal(&$endpoint, Code::BadKubeRequest, |app, door| {
                async {
                    let path = format!("{}/deployments{}", environment(app).await, $tail);
                    door.$method(&path).key(key(app)).json(&$body).await
                }
                .boxed()
            })
            .with(Setting::ClusterDown),
        ]
    };
}

pub(super) fn doors() -> Vec<Case> {
    let mut cases = vec![Case::success(&ENVIRONMENT_STATUS, 200, |_, door| {
        async { door.get("/environments/status").await }.boxed()
    })];
    cases.extend(doors_of!(ENVIRONMENT_READ, get, "", json!({})));
    cases.extend(doors_of!(ENVIRONMENT_PATCH, patch, "", json!({})));
    cases.extend(doors_of!(ENVIRONMENT_DELETE, delete, "", json!({})));
    cases.extend(doors_of!(ENVIRONMENT_ROTATE, post, "/keys", json!({})));
    cases.extend(doors_of!(DEPLOYMENT_CREATE, post, "/deployments", deployment()));
    cases.extend(doors_of!(DEPLOYMENT_LIST, get, "/deployments", json!({})));
    cases.extend(doors_of!(DEPLOYMENT_READ, get, "/deployments/web", json!({})));
    cases.extend(doors_of!(DEPLOYMENT_PATCH, patch, "/deployments/web", json!({})));
    cases.extend(doors_of!(DEPLOYMENT_DELETE, delete, "/deployments/web", json!({})));
    cases.extend(doors_of!(DEPLOYMENT_LOGS, get, "/deployments/web/logs", json!({})));
    cases.extend(cluster_of!(DEPLOYMENT_CREATE, post, "", deployment()));
    cases.extend(cluster_of!(DEPLOYMENT_LIST, get, "", json!({})));
    cases.extend(cluster_of!(DEPLOYMENT_READ, get, "/web", json!({})));
    cases.extend(cluster_of!(DEPLOYMENT_PATCH, patch, "/web", json!({})));
    cases.extend(cluster_of!(DEPLOYMENT_DELETE, delete, "/web", json!({})));
    cases.extend(cluster_of!(DEPLOYMENT_LOGS, get, "/web/logs", json!({})));
    cases
}
