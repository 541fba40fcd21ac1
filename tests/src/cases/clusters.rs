//! Clusters that can be leased, and their pools.

use api::{
    CLUSTER_CLEAN, CLUSTER_DELETE, CLUSTER_LIST, CLUSTER_POOL_DELETE, CLUSTER_POOL_LIST, CLUSTER_POOL_PUT,
    CLUSTER_POOL_READ, CLUSTER_PUT, CLUSTER_READ, CLUSTER_RELEASE, Code,
};
use futures::FutureExt;
use http::{Method, Request};
use serde_json::{Value, json};

use super::leases::{CLUSTERS, all_free, asked, key, place, with_clusters};
use super::{ADMIN, Case, Here, Setting};
use crate::App;

/// The cluster that most cases are about.
const ONE: &str = "/clusters/local-1";
/// A pool that is written down.
const POOL: &str = "/cluster-pools/spare";

pub fn cases() -> Vec<Case> {
    let cases = [lists(), reads(), puts(), deletes(), releases(), cleans()];
    let cases = cases.into_iter().flatten().map(with_clusters);
    cases.chain(pools()).collect()
}

/// What registers a cluster of the adapter's own.
fn registration(app: &App, name: &str) -> Value {
    json!({ "kubeconfig": app.adapter().leasable(name).unwrap().kubeconfig() })
}

/// Sees to it that every cluster of the adapter's own is registered, in the default pool.
pub(super) async fn all_registered(app: &App) {
    for number in 1..=CLUSTERS {
        let name = format!("local-{number}");
        let path = format!("/clusters/{name}");
        let seen = app.get(&path).key(app.admin()).await;
        if seen.status == 404 || seen.json()["pool"] != "default" {
            app.put(&path)
                .key(app.admin())
                .json(&registration(app, &name))
                .await
                .expect(200);
        }
    }
}

/// Leases the one cluster.
async fn leased(app: &App) -> Value {
    all_free(app).await;
    let body = json!({ "max_time": 600, "cluster_regex": "^local-1$" });
    app.post("/lease").key(key(app)).json(&body).await.expect(200)
}

/// Quarantines the one cluster: an operator's own change since its intake, found when it is cleaned.
async fn quarantined(app: &App) {
    all_free(app).await;
    let cluster = app.adapter().leasable("local-1").unwrap();
    let change = json!({ "metadata": { "labels": { "changed": fastrand::u64(..).to_string() } } });
    let request = Request::builder()
        .method(Method::PATCH)
        .uri("/api/v1/namespaces/kube-public")
        .header("content-type", "application/merge-patch+json")
        .header("authorization", format!("Bearer {}", cluster.token()))
        .body(change.to_string().into())
        .unwrap();
    let now = app.now();
    cluster.with_machine(|machine| drop(machine.handle(now, request)));
    let cleaned = app.post(&format!("{ONE}/clean")).key(app.admin()).await.expect(202);
    assert_eq!(cleaned["state"], "quarantined", "{cleaned}");
}

fn lists() -> Vec<Case> {
    let list = &CLUSTER_LIST;
    vec![
        Case::success(list, 200, |app, door| {
            async {
                all_free(app).await;
                door.get("/clusters?limit=2").key(ADMIN).await
            }
            .boxed()
        }),
        Case::refusal(list, Code::MalformedRequest, |_, door| {
            async { door.get("/clusters?limit=none").key(ADMIN).await }.boxed()
        }),
        Case::refusal(list, Code::BadCursor, |_, door| {
            async { door.get("/clusters?cursor=none").key(ADMIN).await }.boxed()
        }),
        Case::unauthorised(list, |app, door| {
            async { door.get("/clusters").key(key(app)).await }.boxed()
        }),
    ]
}

fn reads() -> Vec<Case> {
    let read = &CLUSTER_READ;
    vec![
        Case::success(read, 200, |app, door| {
            async {
                quarantined(app).await;
                door.get(ONE).key(ADMIN).await
            }
            .boxed()
        }),
        Case::refusal(read, Code::MalformedRequest, |_, door| {
            async { door.get("/clusters/No_Name").key(ADMIN).await }.boxed()
        }),
        Case::refusal(read, Code::DoesNotExist, |_, door| {
            async { door.get("/clusters/unknown").key(ADMIN).await }.boxed()
        }),
        Case::unauthorised(read, |app, door| async { door.get(ONE).key(key(app)).await }.boxed()),
    ]
}

fn puts() -> Vec<Case> {
    let put = &CLUSTER_PUT;
    vec![
        Case::success(put, 200, |app, door| {
            async {
                all_free(app).await;
                door.put(ONE).key(ADMIN).json(&registration(app, "local-1")).await
            }
            .boxed()
        }),
        Case::success(put, 200, |app, door| {
            async {
                all_free(app).await;
                app.put(POOL).key(app.admin()).json(&json!({})).await.expect(200);
                let mut moved = registration(app, "local-1");
                moved["pool"] = json!("spare");
                door.put(ONE).key(ADMIN).json(&moved).await
            }
            .boxed()
        }),
        Case::success(put, 200, |app, door| {
            async {
                all_free(app).await;
                app.delete(ONE).key(app.admin()).await.expect(200);
                for _ in 1..CLUSTERS {
                    app.post("/lease").key(key(app)).json(&asked()).await.expect(200);
                }
                place(app).await;
                door.put(ONE).key(ADMIN).json(&registration(app, "local-1")).await
            }
            .boxed()
        })
        .with(Setting::RotatedKeys),
        Case::refusal(put, Code::MalformedRequest, |_, door| {
            async { door.put(ONE).key(ADMIN).json(&json!({ "kubeconfig": "x" })).await }.boxed()
        }),
        Case::refusal(put, Code::BadKubeRequest, |_, door| {
            let dead = json!({
                "current-context": "x", "contexts": [{ "name": "x", "context": { "cluster": "x", "user": "x" } }],
                "clusters": [{ "name": "x", "cluster": { "server": "https://127.0.0.1:1" } }],
                "users": [{ "name": "x", "user": { "token": "t" } }],
            });
            let dead = json!({ "kubeconfig": dead.to_string() });
            async move { door.put("/clusters/dead").key(ADMIN).json(&dead).await }.boxed()
        }),
        Case::refusal(put, Code::Conflict, |app, door| {
            async {
                all_free(app).await;
                door.put(ONE).key(ADMIN).json(&registration(app, "local-1")).await
            }
            .boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(put, |app, door| {
            async { door.put(ONE).key(key(app)).json(&json!({})).await }.boxed()
        }),
    ]
}

fn deletes() -> Vec<Case> {
    let delete = &CLUSTER_DELETE;
    vec![
        Case::success(delete, 200, |app, door| {
            async {
                all_free(app).await;
                door.delete(ONE).key(ADMIN).await
            }
            .boxed()
        }),
        Case::success(delete, 200, |app, door| {
            async {
                leased(app).await;
                door.delete("/clusters/local-1?force=true").key(ADMIN).await
            }
            .boxed()
        })
        .with(Setting::RotatedKeys),
        Case::refusal(delete, Code::MalformedRequest, |_, door| {
            async { door.delete("/clusters/local-1?force=perhaps").key(ADMIN).await }.boxed()
        }),
        Case::refusal(delete, Code::DoesNotExist, |_, door| {
            async { door.delete("/clusters/unknown").key(ADMIN).await }.boxed()
        }),
        Case::refusal(delete, Code::InUse, |app, door| {
            async {
                leased(app).await;
                door.delete(ONE).key(ADMIN).await
            }
            .boxed()
        }),
        Case::refusal(delete, Code::Conflict, |app, door| {
            async {
                all_free(app).await;
                door.delete(ONE).key(ADMIN).await
            }
            .boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(delete, |app, door| {
            async { door.delete(ONE).key(key(app)).await }.boxed()
        }),
    ]
}

fn releases() -> Vec<Case> {
    let release = &CLUSTER_RELEASE;
    vec![
        Case::success(release, 202, |app, door| {
            async {
                leased(app).await;
                door.post("/clusters/local-1/release").key(ADMIN).await
            }
            .boxed()
        })
        .with(Setting::RotatedKeys),
        Case::refusal(release, Code::MalformedRequest, |_, door| {
            async { door.post("/clusters/No_Name/release").key(ADMIN).await }.boxed()
        }),
        Case::refusal(release, Code::DoesNotExist, |_, door| {
            async { door.post("/clusters/unknown/release").key(ADMIN).await }.boxed()
        }),
        Case::refusal(release, Code::NoLease, |app, door| {
            async {
                all_free(app).await;
                door.post("/clusters/local-1/release").key(ADMIN).await
            }
            .boxed()
        }),
        Case::refusal(release, Code::Conflict, |app, door| {
            async {
                leased(app).await;
                door.post("/clusters/local-1/release").key(ADMIN).await
            }
            .boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(release, |app, door| {
            async { door.post("/clusters/local-1/release").key(key(app)).await }.boxed()
        }),
    ]
}

fn cleans() -> Vec<Case> {
    let clean = &CLUSTER_CLEAN;
    vec![
        Case::success(clean, 202, |app, door| {
            async {
                all_free(app).await;
                door.post("/clusters/local-1/clean").key(ADMIN).await
            }
            .boxed()
        })
        .with(Setting::RotatedKeys),
        Case::success(clean, 202, |app, door| {
            async {
                quarantined(app).await;
                for _ in 1..CLUSTERS {
                    app.post("/lease").key(key(app)).json(&asked()).await.expect(200);
                }
                place(app).await;
                let accept = json!({ "accept": true });
                door.post("/clusters/local-1/clean").key(ADMIN).json(&accept).await
            }
            .boxed()
        }),
        Case::refusal(clean, Code::MalformedRequest, |_, door| {
            async {
                door.post("/clusters/local-1/clean")
                    .key(ADMIN)
                    .json(&json!({ "accept": 1 }))
                    .await
            }
            .boxed()
        }),
        Case::refusal(clean, Code::DoesNotExist, |_, door| {
            async { door.post("/clusters/unknown/clean").key(ADMIN).await }.boxed()
        }),
        Case::refusal(clean, Code::InUse, |app, door| {
            async {
                leased(app).await;
                door.post("/clusters/local-1/clean").key(ADMIN).await
            }
            .boxed()
        }),
        Case::refusal(clean, Code::Conflict, |app, door| {
            async {
                all_free(app).await;
                door.post("/clusters/local-1/clean").key(ADMIN).await
            }
            .boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(clean, |app, door| {
            async { door.post("/clusters/local-1/clean").key(key(app)).await }.boxed()
        }),
    ]
}

fn pools() -> Vec<Case> {
    vec![
        Case::success(&CLUSTER_POOL_LIST, 200, |app, door| {
            async {
                for pool in [POOL, "/cluster-pools/another"] {
                    app.put(pool).key(app.admin()).json(&json!({})).await.expect(200);
                }
                door.get("/cluster-pools?limit=1").key(ADMIN).await
            }
            .boxed()
        }),
        Case::refusal(&CLUSTER_POOL_LIST, Code::MalformedRequest, |_, door| {
            async { door.get("/cluster-pools?limit=none").key(ADMIN).await }.boxed()
        }),
        Case::refusal(&CLUSTER_POOL_LIST, Code::BadCursor, |_, door| {
            async { door.get("/cluster-pools?cursor=none").key(ADMIN).await }.boxed()
        }),
        Case::unauthorised(&CLUSTER_POOL_LIST, |app, door| {
            async { door.get("/cluster-pools").key(key(app)).await }.boxed()
        }),
        Case::success(&CLUSTER_POOL_READ, 200, |_, door| {
            async { door.get("/cluster-pools/default").key(ADMIN).await }.boxed()
        }),
        Case::refusal(&CLUSTER_POOL_READ, Code::MalformedRequest, |_, door| {
            async { door.get("/cluster-pools/No_Name").key(ADMIN).await }.boxed()
        }),
        Case::refusal(&CLUSTER_POOL_READ, Code::DoesNotExist, |_, door| {
            async { door.get("/cluster-pools/unknown").key(ADMIN).await }.boxed()
        }),
        Case::unauthorised(&CLUSTER_POOL_READ, |app, door| {
            async { door.get("/cluster-pools/default").key(key(app)).await }.boxed()
        }),
        Case::success(&CLUSTER_POOL_PUT, 200, |_, door| {
            let rules = json!({ "max-time": 3600, "reuse": "once" });
            async move { door.put(POOL).key(ADMIN).json(&rules).await }.boxed()
        }),
        Case::refusal(&CLUSTER_POOL_PUT, Code::MalformedRequest, |_, door| {
            async { door.put(POOL).key(ADMIN).json(&json!({ "reuse": "twice" })).await }.boxed()
        }),
        Case::refusal(&CLUSTER_POOL_PUT, Code::RuleRefused, |_, door| {
            let rules = json!({ "max-time": 3600, "max-total": 60 });
            async move { door.put(POOL).key(ADMIN).json(&rules).await }.boxed()
        }),
        Case::refusal(&CLUSTER_POOL_PUT, Code::Conflict, |_, door| {
            async { door.put(POOL).key(ADMIN).json(&json!({})).await }.boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(&CLUSTER_POOL_PUT, |app, door| {
            async { door.put(POOL).key(key(app)).json(&json!({})).await }.boxed()
        }),
        Case::success(&CLUSTER_POOL_DELETE, 200, |app, door| {
            async {
                app.put(POOL).key(app.admin()).json(&json!({})).await.expect(200);
                door.delete(POOL).key(ADMIN).await
            }
            .boxed()
        }),
        Case::refusal(&CLUSTER_POOL_DELETE, Code::MalformedRequest, |_, door| {
            async { door.delete("/cluster-pools/No_Name").key(ADMIN).await }.boxed()
        }),
        Case::refusal(&CLUSTER_POOL_DELETE, Code::DoesNotExist, |_, door| {
            async { door.delete("/cluster-pools/unknown").key(ADMIN).await }.boxed()
        }),
        Case::refusal(&CLUSTER_POOL_DELETE, Code::InUse, |app, door| {
            async {
                all_free(app).await;
                app.put("/cluster-pools/default")
                    .key(app.admin())
                    .json(&json!({}))
                    .await
                    .expect(200);
                door.delete("/cluster-pools/default").key(ADMIN).await
            }
            .boxed()
        })
        .only(Here::Clock),
        Case::refusal(&CLUSTER_POOL_DELETE, Code::Conflict, |app, door| {
            async {
                app.put(POOL).key(app.admin()).json(&json!({})).await.expect(200);
                door.delete(POOL).key(ADMIN).await
            }
            .boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(&CLUSTER_POOL_DELETE, |app, door| {
            async { door.delete(POOL).key(key(app)).await }.boxed()
        }),
    ]
}
