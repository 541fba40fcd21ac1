//! Environments.

use api::{
    Code, ENVIRONMENT_CREATE, ENVIRONMENT_DELETE, ENVIRONMENT_LIST, ENVIRONMENT_PATCH, ENVIRONMENT_READ,
    ENVIRONMENT_ROTATE,
};
use futures::FutureExt;
use serde_json::json;

use super::pending::taken_namespace;
use super::{ask_create, deleting, environment, host, hosted, key, named, token, unknown_token};
use crate::cases::{ACME, Case, Here, Setting, fresh};

pub(super) fn creates() -> Vec<Case> {
    let create = &ENVIRONMENT_CREATE;
    vec![
        Case::success(create, 201, |app, door| {
            async { ask_create(app, door, &json!({"environmentName": named(), "hostNames": [host()]})).await }.boxed()
        }),
        Case::success(create, 201, |app, door| {
            async {
                let name = format!("demo:{}", fresh("env"));
                let asked = json!({"environmentName": name, "ttl": 600, "protect": true, "asleep": true});
                door.post("/environments").key(&token(app)).json(&asked).await
            }
            .boxed()
        }),
        Case::success(create, 201, |app, door| {
            async {
                let (once, asked) = (fresh("key"), json!({"environmentName": named()}));
                let ask = || {
                    door.post("/environments")
                        .key(key(app))
                        .header("idempotency-key", &once)
                };
                ask().json(&asked).await.expect(201);
                ask().json(&asked).await
            }
            .boxed()
        }),
        Case::success(create, 201, |app, door| {
            async { ask_create(app, door, &json!({"environmentName": named()})).await }.boxed()
        })
        .with(Setting::LosingCluster),
        Case::success(create, 201, |app, door| {
            async { ask_create(app, door, &json!({"environmentName": named()})).await }.boxed()
        })
        .with(Setting::ClusterDown),
        Case::success(create, 201, |app, door| {
            async { ask_create(app, door, &json!({"environmentName": named()})).await }.boxed()
        })
        .with(Setting::ApigeeDown),
        Case::refusal(create, Code::MalformedRequest, |app, door| {
            async { ask_create(app, door, &json!({"environmentName": "none"})).await }.boxed()
        }),
        Case::refusal(create, Code::MalformedRequest, |app, door| {
            async {
                let asked = json!({"environmentName": "acme:none", "hostNames": ["a", "A"]});
                ask_create(app, door, &asked).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::NameTaken, |app, door| {
            async {
                let path = environment(app).await;
                let name = path.trim_start_matches("/environments/");
                ask_create(app, door, &json!({"environmentName": name})).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::NameTaken, |app, door| {
            async {
                let asked = json!({"environmentName": taken_namespace(app).await, "hostNames": [host()]});
                ask_create(app, door, &asked).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::HostTaken, |app, door| {
            async {
                let (_, host) = hosted(app).await;
                let asked = json!({"environmentName": "acme:none", "hostNames": [host.to_uppercase()]});
                ask_create(app, door, &asked).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::HostTakenOfOld, |app, door| {
            async {
                let (_, host) = hosted(app).await;
                ask_create(app, door, &json!({"environmentName": "acme:none", "hostNames": [host]})).await
            }
            .boxed()
        })
        .with(Setting::OldHostStatus),
        Case::refusal(create, Code::BadIdempotencyKey, |app, door| {
            async {
                let ask = door.post("/environments").key(key(app)).header("idempotency-key", "");
                ask.json(&json!({"environmentName": "acme:none"})).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::IdempotencyKeyReused, |app, door| {
            async {
                let once = fresh("key");
                let ask = || {
                    door.post("/environments")
                        .key(key(app))
                        .header("idempotency-key", &once)
                };
                ask().json(&json!({"environmentName": named()})).await.expect(201);
                ask().json(&json!({"environmentName": named()})).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::IdempotencyKeyEnded, |app, door| {
            async {
                let (once, name) = (fresh("key"), named());
                let asked = json!({"environmentName": name});
                let ask = || {
                    door.post("/environments")
                        .key(key(app))
                        .header("idempotency-key", &once)
                };
                ask().json(&asked).await.expect(201);
                let path = format!("/environments/{name}");
                app.delete(&path).key(key(app)).await.expect(204);
                ask().json(&asked).await
            }
            .boxed()
        }),
        Case::refusal(create, Code::Conflict, |app, door| {
            async { ask_create(app, door, &json!({"environmentName": named()})).await }.boxed()
        })
        .with(Setting::Overtaking),
        Case::refusal(create, Code::AuthorityUnreachable, |_, door| {
            async {
                let ask = door.post("/environments").key(&unknown_token());
                ask.json(&json!({"environmentName": "demo:none"})).await
            }
            .boxed()
        })
        .with(Setting::IssuerDown),
        Case::unauthorised(create, |_, door| {
            async {
                door.post("/environments")
                    .json(&json!({"environmentName": "acme:none"}))
                    .await
            }
            .boxed()
        }),
        Case::refusal(create, Code::Unauthorized, |_, door| {
            async {
                let asked = json!({"environmentName": "others:none"});
                door.post("/environments").key(ACME).json(&asked).await
            }
            .boxed()
        }),
    ]
}

pub(super) fn lists() -> Vec<Case> {
    let list = &ENVIRONMENT_LIST;
    vec![
        Case::success(list, 200, |app, door| {
            async {
                for _ in 0..2 {
                    environment(app).await;
                }
                door.get("/environments?limit=1").key(key(app)).await
            }
            .boxed()
        }),
        Case::success(list, 200, |app, door| {
            async {
                environment(app).await;
                door.get("/environments?limit=1").key(ACME).await
            }
            .boxed()
        }),
        Case::refusal(list, Code::MalformedRequest, |app, door| {
            async { door.get("/environments?limit=none").key(key(app)).await }.boxed()
        }),
        Case::refusal(list, Code::BadCursor, |app, door| {
            async { door.get("/environments?cursor=none").key(key(app)).await }.boxed()
        }),
        Case::refusal(list, Code::AuthorityUnreachable, |_, door| {
            async { door.get("/environments").key(&unknown_token()).await }.boxed()
        })
        .with(Setting::IssuerDown),
        Case::unauthorised(list, |_, door| async { door.get("/environments").await }.boxed()),
    ]
}

pub(super) fn reads_and_changes() -> Vec<Case> {
    let patch = &ENVIRONMENT_PATCH;
    vec![
        Case::success(&ENVIRONMENT_READ, 200, |app, door| {
            async { door.get(&environment(app).await).key(key(app)).await }.boxed()
        }),
        Case::success(&ENVIRONMENT_READ, 200, |app, door| {
            async {
                let path = environment(app).await.replace(':', "%3A");
                door.get(&path).key(key(app)).await
            }
            .boxed()
        }),
        Case::success(&ENVIRONMENT_READ, 200, |app, door| {
            async { door.get(&environment(app).await).key(key(app)).await }.boxed()
        })
        .with(Setting::RotatedKeys),
        Case::success(patch, 200, |app, door| {
            async {
                let (path, own) = hosted(app).await;
                let hosts = json!({"hostNames": [own, host()], "asleep": true});
                door.patch(&path).key(key(app)).json(&hosts).await
            }
            .boxed()
        }),
        Case::refusal(patch, Code::MalformedRequest, |app, door| {
            async {
                let path = environment(app).await;
                door.patch(&path).key(key(app)).json(&json!({"ttl": 0})).await
            }
            .boxed()
        }),
        Case::refusal(patch, Code::HostTaken, |app, door| {
            async {
                let ((_, host), other) = (hosted(app).await, environment(app).await);
                let hosts = json!({"hostNames": [host]});
                door.patch(&other).key(key(app)).json(&hosts).await
            }
            .boxed()
        }),
        Case::refusal(patch, Code::HostTakenOfOld, |app, door| {
            async {
                let ((_, host), other) = (hosted(app).await, environment(app).await);
                let hosts = json!({"hostNames": [host]});
                door.patch(&other).key(key(app)).json(&hosts).await
            }
            .boxed()
        })
        .with(Setting::OldHostStatus),
        Case::refusal(patch, Code::Conflict, |app, door| {
            async { door.patch(&deleting(app).await).key(key(app)).await }.boxed()
        })
        .only(Here::Outage),
        Case::refusal(patch, Code::Conflict, |app, door| {
            async {
                let path = environment(app).await;
                door.patch(&path).key(key(app)).json(&json!({"asleep": true})).await
            }
            .boxed()
        })
        .with(Setting::Overtaking),
        Case::success(&ENVIRONMENT_ROTATE, 200, |app, door| {
            async {
                let path = format!("{}/keys", environment(app).await);
                door.post(&path).key(key(app)).await
            }
            .boxed()
        }),
        Case::refusal(&ENVIRONMENT_ROTATE, Code::Conflict, |app, door| {
            async {
                let path = format!("{}/keys", deleting(app).await);
                door.post(&path).key(key(app)).await
            }
            .boxed()
        })
        .only(Here::Outage),
    ]
}

pub(super) fn ends() -> Vec<Case> {
    let delete = &ENVIRONMENT_DELETE;
    vec![
        Case::success(delete, 204, |app, door| {
            async { door.delete(&environment(app).await).key(key(app)).await }.boxed()
        }),
        Case::success(delete, 204, |app, door| {
            async { door.delete(&deleting(app).await).key(key(app)).await }.boxed()
        })
        .only(Here::Outage),
        Case::refusal(delete, Code::RuleRefused, |app, door| {
            async {
                let path = environment(app).await;
                let protect = json!({"protect": true});
                app.patch(&path).key(key(app)).json(&protect).await.expect(200);
                door.delete(&path).key(key(app)).await
            }
            .boxed()
        }),
        Case::refusal(delete, Code::Conflict, |app, door| {
            async { door.delete(&environment(app).await).key(key(app)).await }.boxed()
        })
        .with(Setting::Overtaking),
    ]
}
