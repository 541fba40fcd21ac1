//! What a pass of the sweep over all shards costs where everything is as it should be.

use domain::{PodState, limits, shard_of};
use futures::{StreamExt, stream};
use jiff::SignedDuration;
use lifecycle::HomeCell;
use local::Options;

use super::{IDLE_STORE, Measure, PROBE, Requests, WRITERS, applications, write_row};
use crate::App;
use crate::scenario::meddling;

/// Looks at pods that are about to be ready.
const LOOKS_MAX: usize = 100;

/// One run of the reaper in which all shards are due, over `living` applications that run, each with its namespace, its
/// pod and its route.
pub async fn of_a_pass(living: u64) -> Measure {
    let app = App::start(Options::embedded()).await;
    app.reap().await;
    make(&app, living).await;
    meddling::set_sweep(&app, 0, app.now() - SignedDuration::from_hours(1)).await;
    let report = app.reap().await;
    let took = Requests::of_last(&app);
    let repairs = report["lanes"][0]["repairs"].as_object().expect("a lane has repairs");
    let done = repairs.iter().filter(|(_, number)| **number != 0);
    let done: Vec<_> = done.map(|(kind, number)| format!("{kind}: {number}")).collect();
    assert_eq!(done, [format!("swept-shards: {}", limits::DUE_SHARDS)]);
    app.stop().await;

    let shards = u64::from(limits::DUE_SHARDS);
    // Shards are not quite even, and the list of a full page asks for another.
    let pages = living * 5 / 4 / shards / u64::from(limits::CLUSTER_PAGE) + 1;
    // Of each shard what lives is read, and that it was done is written. The sweep is taken first.
    let store = IDLE_STORE + 1 + 2 * shards;
    Measure {
        operation: format!("repair pass over {living} applications"),
        took,
        most: Requests::new(store, PROBE + 2 * pages * shards, PROBE + 1),
    }
}

/// Makes the objects, the routes and the rows of `count` applications.
async fn make(app: &App, count: u64) {
    let lifecycle = app.adapter().lifecycle().expect("the adapter is configured");
    let home = lifecycle.cells().next().expect("there is a cell");
    let applications = applications(app, count);
    let made = stream::iter(&applications).map(|application| async {
        let made = Box::pin(home.cluster.make_objects(application)).await;
        made.expect("the objects are made").namespace_uid
    });
    let uids: Vec<String> = made.buffered(WRITERS).collect().await;
    route_all(app, home, count).await;
    let rows = applications.iter().zip(uids).enumerate().map(|(number, (one, uid))| {
        let location = home.cell.location(&one.id);
        let running = one.deployed(uid, location, app.now());
        let due_at = app.now() + SignedDuration::from_hours(1);
        let look = domain::Look {
            now: app.now(),
            by: format!("pass/{number}"),
        };
        write_row(lifecycle.store().clone(), running, due_at, look)
    });
    let rows: Vec<_> = rows.collect();
    stream::iter(rows)
        .buffer_unordered(WRITERS)
        .for_each(|()| async {})
        .await;
}

/// Waits until all pods are ready, and makes their routes.
async fn route_all(app: &App, home: &HomeCell, count: u64) {
    let mut routed = 0;
    for shard in 0..limits::DUE_SHARDS {
        for look in 0.. {
            assert!(look < LOOKS_MAX, "the pods of shard {shard} are not ready");
            app.advance(std::time::Duration::from_secs(1)).await;
            let pods = home.cluster.pods_of(shard).await.expect("the pods are listed");
            let ready: Vec<_> = pods
                .iter()
                .filter_map(|pod| match &pod.state {
                    PodState::Ready { target } => Some((&pod.application, target)),
                    _ => None,
                })
                .collect();
            if ready.len() < pods.len() {
                continue;
            }
            let routes = ready.iter().map(|(id, target)| home.routes.add(id, target));
            let routes: Vec<_> = routes.collect();
            stream::iter(routes)
                .buffer_unordered(WRITERS)
                .for_each(|made| async { made.expect("the route is made") })
                .await;
            assert!(ready.iter().all(|(id, _)| shard_of(id) == shard));
            routed += ready.len() as u64;
            break;
        }
    }
    assert_eq!(routed, count);
}
