//! Leases.

use std::time::Duration;

use api::{Code, LEASE_ACQUIRE, LEASE_LIST, LEASE_READ, LEASE_RELEASE, LEASE_RENEW, LEASE_VERIFY, REAPER};
use domain::Scope;
use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::{Case, Expected, Here, Setting, fresh};
use crate::{Answer, App, Http};

/// How many clusters there are to lease.
pub const CLUSTERS: usize = 3;
/// A token that no lease has.
pub const UNKNOWN_TOKEN: &str = "00000000-0000-4000-8000-000000000000";
/// Runs until clusters that are given back are free.
const RUNS_MAX: usize = 60;
/// Domain time between two of them.
const PACE: Duration = Duration::from_secs(20);
/// More than a place in the line is kept.
const LONG: Duration = Duration::from_secs(65);

/// What is asked of leases, and runs of the schedule that find some.
pub fn cases() -> Vec<Case> {
    let cases = [acquires(), reads(), renews(), releases(), verifies(), lists(), runs()];
    cases.into_iter().flatten().map(with_clusters).collect()
}

/// A case, of which all but those that are refused before anything is looked at begin with clusters that are free: they
/// become so while the clock is wound.
pub(super) fn with_clusters(case: Case) -> Case {
    match case.expected {
        Expected::Unauthorised => case,
        Expected::Refusal(
            Code::MalformedRequest | Code::BadIdempotencyKey | Code::BadCursor | Code::LeaseOver | Code::DoesNotExist,
        ) => case,
        _ => case.only(Here::Clock),
    }
}

/// The key with the scope `leases`.
pub fn key(app: &App) -> &str {
    &app.ready().keys[Scope::Leases.as_str()]
}

/// Sees to it that every cluster is free, and nobody waits.
pub async fn all_free(app: &App) {
    let mut last = json!([]);
    for _ in 0..RUNS_MAX {
        last = app.get("/clusters").key(app.admin()).await.expect(200);
        let clusters = last.as_array().unwrap().clone();
        let waiting = app.get("/leases").key(key(app)).await.expect(200);
        let is_free = |cluster: &Value| cluster["state"] == "free";
        if clusters.len() == CLUSTERS && clusters.iter().all(is_free) && waiting == json!([]) {
            return;
        }
        for cluster in &clusters {
            let path = format!("/clusters/{}", cluster["name"].as_str().unwrap());
            match cluster["state"].as_str().unwrap() {
                "granting" | "leased" => drop(app.post(&format!("{path}/release")).key(app.admin()).await),
                "quarantined" => {
                    let accept = json!({ "accept": true });
                    drop(app.post(&format!("{path}/clean")).key(app.admin()).json(&accept).await);
                }
                _ => {}
            }
        }
        super::clusters::all_registered(app).await;
        app.reap().await;
        app.advance(PACE).await;
    }
    panic!("the clusters do not become free: {last}");
}

/// For a while.
pub fn asked() -> Value {
    json!({ "max_time": 600 })
}

/// A lease, out of clusters that are all free.
pub async fn lease(app: &App) -> Value {
    all_free(app).await;
    app.post("/lease").key(key(app)).json(&asked()).await.expect(200)
}

/// Sees to it that no cluster is free.
pub async fn none_free(app: &App) {
    all_free(app).await;
    for _ in 0..CLUSTERS {
        app.post("/lease").key(key(app)).json(&asked()).await.expect(200);
    }
}

/// Somebody who waits for a cluster while none is free: what is sent to fetch it.
pub async fn place(app: &App) -> Value {
    let none = app.post("/lease").key(key(app)).json(&asked()).await.expect(409);
    let shown = json!({ "max_time": 600, "ticket": none["ticket"] });
    app.post("/lease").key(key(app)).json(&shown).await.expect(409);
    shown
}

fn token(lease: &Value) -> &str {
    lease["token"].as_str().unwrap()
}

/// Leases with this `Idempotency-Key`.
async fn bound(app: &App, door: &Http, idempotency: &str, body: &Value) -> Answer {
    door.post("/lease")
        .key(key(app))
        .header("idempotency-key", idempotency)
        .json(body)
        .await
}

fn acquires() -> Vec<Case> {
    let acquire = &LEASE_ACQUIRE;
    vec![
        Case::success(acquire, 200, |app, door| {
            async {
                all_free(app).await;
                door.post("/lease").key(key(app)).json(&asked()).await
            }
            .boxed()
        }),
        Case::success(acquire, 200, |app, door| {
            async {
                all_free(app).await;
                door.post("/lease").key(key(app)).json(&asked()).await
            }
            .boxed()
        })
        .with(Setting::RotatedKeys),
        Case::success(acquire, 200, |app, door| {
            async {
                all_free(app).await;
                let once = fresh("lease");
                bound(app, door, &once, &asked()).await.expect(200);
                bound(app, door, &once, &asked()).await
            }
            .boxed()
        }),
        Case::refusal(acquire, Code::NoneFree, |app, door| {
            async {
                none_free(app).await;
                door.post("/lease").key(key(app)).json(&asked()).await
            }
            .boxed()
        }),
        Case::refusal(acquire, Code::NoneFree, |app, door| {
            async {
                none_free(app).await;
                let shown = place(app).await;
                door.post("/lease").key(key(app)).json(&shown).await.expect(409);
                app.advance(LONG).await;
                door.post("/lease").key(key(app)).json(&shown).await
            }
            .boxed()
        }),
        Case::refusal(acquire, Code::MalformedRequest, |app, door| {
            async { door.post("/lease").key(key(app)).json(&json!({ "max_time": 0 })).await }.boxed()
        }),
        Case::refusal(acquire, Code::BadIdempotencyKey, |app, door| {
            async { bound(app, door, &"x".repeat(300), &asked()).await }.boxed()
        }),
        Case::refusal(acquire, Code::IdempotencyKeyReused, |app, door| {
            async {
                all_free(app).await;
                let once = fresh("lease");
                bound(app, door, &once, &asked()).await.expect(200);
                bound(app, door, &once, &json!({ "max_time": 601 })).await
            }
            .boxed()
        }),
        Case::refusal(acquire, Code::IdempotencyKeyEnded, |app, door| {
            async {
                all_free(app).await;
                let once = fresh("lease");
                let lease = bound(app, door, &once, &asked()).await.expect(200);
                let given_back = door.delete(&format!("/lease/{}", token(&lease))).key(key(app)).await;
                assert_eq!(given_back.status, 200);
                bound(app, door, &once, &asked()).await
            }
            .boxed()
        }),
        Case::refusal(acquire, Code::Busy, |app, door| {
            async {
                all_free(app).await;
                door.post("/lease").key(key(app)).json(&asked()).await
            }
            .boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(acquire, |app, door| {
            async { door.post("/lease").key(app.apps()).json(&asked()).await }.boxed()
        }),
    ]
}

fn reads() -> Vec<Case> {
    let read = &LEASE_READ;
    vec![
        Case::success(read, 200, |app, door| {
            async {
                let lease = lease(app).await;
                door.get(&format!("/lease/{}", token(&lease))).key(key(app)).await
            }
            .boxed()
        }),
        Case::success(read, 200, |app, door| {
            async {
                let lease = lease(app).await;
                door.get("/lease")
                    .key(key(app))
                    .header("x-lease-token", token(&lease))
                    .await
            }
            .boxed()
        })
        .with(Setting::RotatedKeys),
        Case::refusal(read, Code::MalformedRequest, |app, door| {
            async { door.get("/lease/none").key(key(app)).await }.boxed()
        }),
        Case::refusal(read, Code::LeaseOver, |app, door| {
            async { door.get(&format!("/lease/{UNKNOWN_TOKEN}")).key(key(app)).await }.boxed()
        }),
        Case::refusal(read, Code::BadKubeRequest, |app, door| {
            async {
                let lease = lease(app).await;
                door.get(&format!("/lease/{}", token(&lease))).key(key(app)).await
            }
            .boxed()
        })
        .with(Setting::LeasedDown),
        Case::unauthorised(read, |app, door| {
            async { door.get(&format!("/lease/{UNKNOWN_TOKEN}")).key(app.apps()).await }.boxed()
        }),
    ]
}

fn renews() -> Vec<Case> {
    let renew = &LEASE_RENEW;
    vec![
        Case::success(renew, 200, |app, door| {
            async {
                let lease = lease(app).await;
                let longer = json!({ "max_time": 1200 });
                door.patch(&format!("/lease/{}", token(&lease)))
                    .key(key(app))
                    .json(&longer)
                    .await
            }
            .boxed()
        }),
        Case::success(renew, 200, |app, door| {
            async {
                let lease = lease(app).await;
                let ask = door
                    .patch("/lease")
                    .key(key(app))
                    .header("x-lease-token", token(&lease));
                ask.json(&asked()).await
            }
            .boxed()
        })
        .with(Setting::RotatedKeys),
        Case::refusal(renew, Code::MalformedRequest, |app, door| {
            let never = json!({ "max_time": 1.5 });
            async move {
                door.patch(&format!("/lease/{UNKNOWN_TOKEN}"))
                    .key(key(app))
                    .json(&never)
                    .await
            }
            .boxed()
        }),
        Case::refusal(renew, Code::RuleRefused, |app, door| {
            async {
                let lease = lease(app).await;
                let rules = json!({ "max-time": 500, "max-total": 500 });
                let pool = "/cluster-pools/default";
                app.put(pool).key(app.admin()).json(&rules).await.expect(200);
                let ask = door.patch(&format!("/lease/{}", token(&lease))).key(key(app));
                let refused = ask.json(&json!({ "max_time": 500 })).await;
                app.put(pool).key(app.admin()).json(&json!({})).await.expect(200);
                refused
            }
            .boxed()
        }),
        Case::refusal(renew, Code::LeaseOver, |app, door| {
            async {
                door.patch(&format!("/lease/{UNKNOWN_TOKEN}"))
                    .key(key(app))
                    .json(&asked())
                    .await
            }
            .boxed()
        }),
        Case::refusal(renew, Code::BadKubeRequest, |app, door| {
            async {
                let lease = lease(app).await;
                door.patch(&format!("/lease/{}", token(&lease)))
                    .key(key(app))
                    .json(&asked())
                    .await
            }
            .boxed()
        })
        .with(Setting::LeasedDown),
        Case::refusal(renew, Code::Conflict, |app, door| {
            async {
                let lease = lease(app).await;
                door.patch(&format!("/lease/{}", token(&lease)))
                    .key(key(app))
                    .json(&asked())
                    .await
            }
            .boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(renew, |app, door| {
            async {
                door.patch(&format!("/lease/{UNKNOWN_TOKEN}"))
                    .key(app.apps())
                    .json(&asked())
                    .await
            }
            .boxed()
        }),
    ]
}

fn releases() -> Vec<Case> {
    let release = &LEASE_RELEASE;
    vec![
        Case::success(release, 200, |app, door| {
            async {
                let lease = lease(app).await;
                door.delete(&format!("/lease/{}", token(&lease))).key(key(app)).await
            }
            .boxed()
        }),
        Case::success(release, 200, |app, door| {
            async {
                let lease = lease(app).await;
                door.delete(&format!("/lease/google/{}", token(&lease)))
                    .key(key(app))
                    .await
            }
            .boxed()
        })
        .with(Setting::RotatedKeys),
        Case::refusal(release, Code::MalformedRequest, |app, door| {
            async { door.delete("/lease/none").key(key(app)).await }.boxed()
        }),
        Case::refusal(release, Code::NoLease, |app, door| {
            async { door.delete(&format!("/lease/{UNKNOWN_TOKEN}")).key(key(app)).await }.boxed()
        }),
        Case::refusal(release, Code::Conflict, |app, door| {
            async {
                let lease = lease(app).await;
                door.delete(&format!("/lease/{}", token(&lease))).key(key(app)).await
            }
            .boxed()
        })
        .with(Setting::Overtaking),
        Case::unauthorised(release, |app, door| {
            async { door.delete(&format!("/lease/{UNKNOWN_TOKEN}")).key(app.apps()).await }.boxed()
        }),
    ]
}

fn verifies() -> Vec<Case> {
    let verify = &LEASE_VERIFY;
    vec![
        Case::success(verify, 200, |app, door| {
            async {
                let lease = lease(app).await;
                let epoch = json!({ "epoch": lease["epoch"] });
                door.post(&format!("/lease/{}/verify", token(&lease)))
                    .json(&epoch)
                    .await
            }
            .boxed()
        }),
        Case::refusal(verify, Code::MalformedRequest, |_, door| {
            async {
                door.post(&format!("/lease/{UNKNOWN_TOKEN}/verify"))
                    .json(&json!({ "epoch": "x" }))
                    .await
            }
            .boxed()
        }),
        Case::refusal(verify, Code::LeaseOver, |_, door| {
            async {
                door.post(&format!("/lease/{UNKNOWN_TOKEN}/verify"))
                    .json(&json!({ "epoch": 1 }))
                    .await
            }
            .boxed()
        }),
    ]
}

/// Runs of the schedule that find something of clusters to do.
fn runs() -> Vec<Case> {
    fn run(play: for<'a> fn(&'a App) -> BoxFuture<'a, &'static str>) -> Case {
        Case::run(&REAPER, play)
    }
    vec![
        // A lease ends by itself, and its cluster comes back.
        run(|app| {
            async {
                all_free(app).await;
                let short = json!({ "max_time": 1 });
                app.post("/lease").key(key(app)).json(&short).await.expect(200);
                app.advance(PACE).await;
                "{}"
            }
            .boxed()
        })
        .with(Setting::RotatedKeys),
        // One that comes back is handed to whoever waits, and to the next when it is not fetched.
        run(|app| {
            async {
                none_free(app).await;
                app.post("/clusters/local-1/release").key(app.admin()).await.expect(202);
                app.advance(LONG).await;
                app.reap().await;
                place(app).await;
                app.advance(PACE).await;
                "{}"
            }
            .boxed()
        }),
        // One that leaves goes once it is back.
        run(|app| {
            async {
                none_free(app).await;
                app.delete("/clusters/local-1?force=true")
                    .key(app.admin())
                    .await
                    .expect(200);
                app.advance(LONG).await;
                app.advance(LONG).await;
                "{}"
            }
            .boxed()
        }),
    ]
}

fn lists() -> Vec<Case> {
    let list = &LEASE_LIST;
    vec![
        Case::success(list, 200, |app, door| {
            async {
                let rules = json!({});
                app.put("/cluster-pools/default")
                    .key(app.admin())
                    .json(&rules)
                    .await
                    .expect(200);
                none_free(app).await;
                place(app).await;
                door.get("/leases").key(key(app)).await
            }
            .boxed()
        }),
        Case::success(list, 200, |app, door| {
            async {
                none_free(app).await;
                door.get("/leases?limit=1").key(key(app)).await
            }
            .boxed()
        }),
        Case::refusal(list, Code::MalformedRequest, |app, door| {
            async { door.get("/leases?limit=none").key(key(app)).await }.boxed()
        }),
        Case::refusal(list, Code::BadCursor, |app, door| {
            async { door.get("/leases?cursor=none").key(key(app)).await }.boxed()
        }),
        Case::unauthorised(list, |app, door| {
            async { door.get("/leases").key(app.apps()).await }.boxed()
        }),
    ]
}
