//! Deployments.

use api::{
    Code, DEPLOYMENT_CREATE, DEPLOYMENT_DELETE, DEPLOYMENT_LIST, DEPLOYMENT_LOGS, DEPLOYMENT_PATCH, DEPLOYMENT_READ,
};
use futures::FutureExt;
use serde_json::json;

use super::{deleting, deployed, deployment, environment, host, hosted, key};
use crate::cases::settings::{ORIGIN, ROUTED, pod_template};
use crate::cases::{Case, Here, REST, Setting, fresh};

pub(super) fn creates() -> Vec<Case> {
    let create = &DEPLOYMENT_CREATE;
    vec![
        Case::success(create, 201, |app, door| {
            async {
                let path = format!("{}/deployments", environment(app).await);
                let url = format!("http://{ROUTED}/web.json");
                let asked = json!({"deploymentName": "web", "publicHosts": host(), "ptsURL": url});
                door.post(&path).key(key(app)).json(&asked).await
            }
            .boxed()
        })
        .with(Setting::Router),
        Case::success(create, 201, |app, door| {
            async {
                let (once, path) = (fresh("key"), format!("{}/deployments", environment(app).await));
                let ask = door.post(&path).key(key(app)).header("idempotency-key", &once);
                ask.json(&deployment()).await
            }
            .boxed()
        })
        .with(Setting::LosingCluster),
        Case::success(create, 201, |app, door| {
            async {
                let path = format!("{}/deployments", environment(app).await);
                door.post(&path).key(key(app)).json(&deployment()).await
            }
            .boxed()
        }),
        Case::success(create, 201, |app, door| {
            async {
                let (once, path) = (fresh("key"), format!("{}/deployments", environment(app).await));
                let ask = || door.post(&path).key(key(app)).header("idempotency-key", &once);
                ask().json(&deployment()).await.expect(201);
                ask().json(&deployment()).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::MalformedRequest, |app, door| {
            async {
                let path = format!("{}/deployments", environment(app).await);
                let asked = json!({"deploymentName": "web", "pts": pod_template()});
                door.post(&path).key(key(app)).json(&asked).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::MalformedRequest, |app, door| {
            async {
                let path = format!("{}/deployments", environment(app).await);
                let mut asked = deployment();
                asked["pts"]["spec"]["hostNetwork"] = json!(true);
                door.post(&path).key(key(app)).json(&asked).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::MalformedRequest, |app, door| {
            async {
                let path = format!("{}/deployments", environment(app).await);
                let mut asked = deployment();
                asked["publicHosts"] = json!(host());
                door.post(&path).key(key(app)).json(&asked).await
            }
            .boxed()
        })
        .with(Setting::OwnHosts),
        Case::success(create, 201, |app, door| {
            async {
                let (path, host) = hosted(app).await;
                let mut asked = deployment();
                asked["publicHosts"] = json!(host);
                let path = format!("{path}/deployments");
                door.post(&path).key(key(app)).json(&asked).await
            }
            .boxed()
        })
        .with(Setting::OwnHosts),
        Case::refusal(create, Code::NameTaken, |app, door| {
            async {
                let path = deployed(app).await;
                let path = path.trim_end_matches("/web");
                door.post(path).key(key(app)).json(&deployment()).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::NameTaken, |app, door| {
            async {
                let path = deployed(app).await;
                let path = path.trim_end_matches("/web");
                let mut asked = deployment();
                asked["deploymentName"] = json!("another");
                door.post(path).key(key(app)).json(&asked).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::HostTaken, |app, door| {
            async {
                let ((_, host), other) = (hosted(app).await, environment(app).await);
                let mut asked = deployment();
                asked["publicHosts"] = json!(host);
                let path = format!("{other}/deployments");
                door.post(&path).key(key(app)).json(&asked).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::HostTakenOfOld, |app, door| {
            async {
                let ((_, host), other) = (hosted(app).await, environment(app).await);
                let mut asked = deployment();
                asked["pts"]["metadata"]["annotations"] = json!({"privateHosts": host});
                let path = format!("{other}/deployments");
                door.post(&path).key(key(app)).json(&asked).await
            }
            .boxed()
        })
        .with(Setting::OldHostStatus),
        Case::refusal(create, Code::OriginFailed, |app, door| {
            async {
                let path = format!("{}/deployments", environment(app).await);
                let url = format!("https://{ORIGIN}/web.json");
                let asked = json!({"deploymentName": "web", "publicHosts": "", "ptsURL": url});
                door.post(&path).key(key(app)).json(&asked).await
            }
            .boxed()
        })
        .with(Setting::OriginDown),
        Case::refusal(create, Code::BadIdempotencyKey, |app, door| {
            async {
                let path = format!("{}/deployments", environment(app).await);
                let ask = door.post(&path).key(key(app)).header("idempotency-key", "");
                ask.json(&deployment()).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::IdempotencyKeyReused, |app, door| {
            async {
                let (once, path) = (fresh("key"), format!("{}/deployments", environment(app).await));
                let ask = || door.post(&path).key(key(app)).header("idempotency-key", &once);
                ask().json(&deployment()).await.expect(201);
                let mut other = deployment();
                other["replicas"] = json!(2);
                ask().json(&other).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::IdempotencyKeyEnded, |app, door| {
            async {
                let (once, path) = (fresh("key"), format!("{}/deployments", environment(app).await));
                let ask = || door.post(&path).key(key(app)).header("idempotency-key", &once);
                ask().json(&deployment()).await.expect(201);
                app.delete(&format!("{path}/web")).key(key(app)).await.expect(204);
                ask().json(&deployment()).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::Conflict, |app, door| {
            async {
                let path = format!("{}/deployments", deleting(app).await);
                door.post(&path).key(key(app)).json(&deployment()).await
            }
            .boxed()
        })
        .only(Here::Outage),
    ]
}

pub(super) fn reads_and_ends() -> Vec<Case> {
    vec![
        Case::success(&DEPLOYMENT_LIST, 200, |app, door| {
            async {
                let path = deployed(app).await;
                door.get(path.trim_end_matches("/web")).key(key(app)).await
            }
            .boxed()
        }),
        Case::refusal(&DEPLOYMENT_LIST, Code::MalformedRequest, |app, door| {
            async {
                let path = format!("{}/deployments?limit=0", environment(app).await);
                door.get(&path).key(key(app)).await
            }
            .boxed()
        }),
        Case::refusal(&DEPLOYMENT_LIST, Code::BadCursor, |app, door| {
            async {
                let path = format!("{}/deployments?cursor=none", environment(app).await);
                door.get(&path).key(key(app)).await
            }
            .boxed()
        }),
        Case::success(&DEPLOYMENT_READ, 200, |app, door| {
            async { door.get(&deployed(app).await).key(key(app)).await }.boxed()
        }),
        Case::refusal(&DEPLOYMENT_READ, Code::DoesNotExist, |app, door| {
            async {
                let path = format!("{}/deployments/none", environment(app).await);
                door.get(&path).key(key(app)).await
            }
            .boxed()
        }),
        Case::success(&DEPLOYMENT_DELETE, 204, |app, door| {
            async { door.delete(&deployed(app).await).key(key(app)).await }.boxed()
        }),
        Case::refusal(&DEPLOYMENT_DELETE, Code::DoesNotExist, |app, door| {
            async {
                let path = format!("{}/deployments/none", environment(app).await);
                door.delete(&path).key(key(app)).await
            }
            .boxed()
        }),
        Case::success(&DEPLOYMENT_LOGS, 200, |app, door| {
            async {
                let path = deployed(app).await;
                app.advance(REST).await;
                door.get(&format!("{path}/logs?tail=5&previous=f")).key(key(app)).await
            }
            .boxed()
        }),
        Case::refusal(&DEPLOYMENT_LOGS, Code::MalformedRequest, |app, door| {
            async {
                let path = format!("{}/logs?tail=none", deployed(app).await);
                door.get(&path).key(key(app)).await
            }
            .boxed()
        }),
        Case::refusal(&DEPLOYMENT_LOGS, Code::MalformedRequest, |app, door| {
            async {
                let path = format!("{}/logs?container=none", deployed(app).await);
                door.get(&path).key(key(app)).await
            }
            .boxed()
        }),
    ]
}

pub(super) fn patches() -> Vec<Case> {
    let patch = &DEPLOYMENT_PATCH;
    vec![
        Case::success(patch, 200, |app, door| {
            async {
                let path = deployed(app).await;
                let url = json!({"ptsURL": format!("http://{ROUTED}/web.json"), "publicHosts": host()});
                door.patch(&path).key(key(app)).json(&url).await
            }
            .boxed()
        })
        .with(Setting::Router),
        Case::success(patch, 200, |app, door| {
            async {
                let path = deployed(app).await;
                door.patch(&path).key(key(app)).json(&json!({"replicas": 3})).await
            }
            .boxed()
        }),
        Case::success(patch, 200, |app, door| {
            async { door.patch(&deployed(app).await).key(key(app)).await }.boxed()
        }),
        Case::refusal(patch, Code::MalformedRequest, |app, door| {
            async {
                let mut other = pod_template();
                other["metadata"]["labels"]["component"] = json!("other");
                let path = deployed(app).await;
                door.patch(&path).key(key(app)).json(&json!({"pts": other})).await
            }
            .boxed()
        }),
        Case::refusal(patch, Code::HostTaken, |app, door| {
            async {
                let ((_, host), path) = (hosted(app).await, deployed(app).await);
                let hosts = json!({"privateHosts": host});
                door.patch(&path).key(key(app)).json(&hosts).await
            }
            .boxed()
        }),
        Case::refusal(patch, Code::HostTakenOfOld, |app, door| {
            async {
                let ((_, host), path) = (hosted(app).await, deployed(app).await);
                let hosts = json!({"privateHosts": host});
                door.patch(&path).key(key(app)).json(&hosts).await
            }
            .boxed()
        })
        .with(Setting::OldHostStatus),
        Case::refusal(patch, Code::OriginFailed, |app, door| {
            async {
                let path = deployed(app).await;
                let url = json!({"ptsURL": format!("https://{ORIGIN}/web.json")});
                door.patch(&path).key(key(app)).json(&url).await
            }
            .boxed()
        })
        .with(Setting::OriginDown),
    ]
}
