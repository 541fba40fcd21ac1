//! Several processes at once, whose clocks differ by as much as they may.

use domain::limits::SKEW_MAX;
use domain::{ClusterState, LeaseTime};
use lifecycle::Granted;
use serde_json::json;
use tests::process::Fate;
use tests::{App, Lessor};

use super::ground::{Ground, seconds};

/// Clusters that two reapers share.
const MANY: usize = 4;
/// Rounds until all of them are free.
const ROUNDS_MAX: usize = 40;
/// Seconds until all of them are free.
const SECONDS_MAX: usize = 200;
/// By how much a clock may be wrong, in seconds.
const BOUND: i64 = SKEW_MAX.as_secs() as i64;

/// A reaper whose clock is behind, and one whose clock is ahead.
fn skewed(app: &App) -> [Lessor; 2] {
    [Lessor::ahead(app, -BOUND), Lessor::ahead(app, BOUND)]
}

/// Leases all clusters for so long, each by a clock of its own, and leaves something in each.
async fn leased(ground: &Ground<'_>, lessors: &[Lessor; 2], time: LeaseTime) -> Vec<Granted> {
    let mut all = Vec::new();
    for number in 0..MANY {
        let lessor = &lessors[number % 2];
        let (ask, look) = (ground.ask("ci", time), lessor.look(ground.app, "acquire"));
        let lifecycle::Acquired::Granted(granted) = lessor.leasing.acquire(&ask, &look).await.unwrap() else {
            panic!("{number} is not granted");
        };
        let holder = ground.client(&granted.kubeconfig);
        holder
            .post(
                "/api/v1/namespaces/default/configmaps",
                &json!({"metadata": {"name": "beside"}}),
            )
            .await;
        all.push(*granted);
    }
    all
}

async fn all_free(ground: &Ground<'_>) -> bool {
    for number in 1..=MANY {
        if ground.cluster(&format!("leased-{number}")).await.word() != "free" {
            return false;
        }
    }
    true
}

#[tokio::test]
async fn two_reapers_at_once_take_back_every_cluster_once() {
    App::run(async |app| {
        let ground = Ground::start(app, MANY).await;
        let bare = ground.everything("leased-1").await.len();
        let reapers = [Lessor::start(app, Fate::Lives), Lessor::start(app, Fate::Lives)];
        let mut first = Vec::new();
        for number in 1..=MANY {
            first.push(ground.cluster(&format!("leased-{number}")).await.epoch.0);
        }
        for round in 0..2 {
            leased(&ground, &reapers, seconds(70)).await;
            for _ in 0..ROUNDS_MAX {
                ground.advance(10).await;
                futures::join!(ground.reap_by(&reapers[0]), ground.reap_by(&reapers[1]));
                if all_free(&ground).await {
                    break;
                }
            }
            for number in 1..=MANY {
                let name = format!("leased-{number}");
                let cluster = ground.cluster(&name).await;
                assert_eq!(
                    (cluster.word(), cluster.epoch.0),
                    ("free", first[number - 1] + 2 * (round + 1)),
                    "{cluster:?}"
                );
                let left = ground.everything(&name).await;
                assert_eq!(left.len(), bare, "{left:?}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn nobody_relies_on_a_lease_by_any_clock_once_it_is_taken_away_by_another() {
    App::run(async |app| {
        let ground = Ground::start(app, MANY).await;
        let lessors = skewed(app);
        let granted = leased(&ground, &lessors, seconds(70)).await;
        let (mut relied_on, mut ended) = (0, 0);
        for _ in 0..SECONDS_MAX {
            ground.advance(1).await;
            futures::join!(ground.reap_by(&lessors[0]), ground.reap_by(&lessors[1]));
            for one in &granted {
                let cluster = ground.cluster(one.cluster.name.as_str()).await;
                let holds = matches!(&cluster.state, ClusterState::Leased { lease } if lease.id == one.lease.id);
                for lessor in &lessors {
                    let now = lessor.look(app, "verify").now;
                    let valid = lessor
                        .leasing
                        .verified(&one.token, one.cluster.epoch, now)
                        .await
                        .unwrap();
                    assert!(valid.is_none() || holds, "{cluster:?} at {now}");
                    // What a slow clock finds true is true by the clock that takes it away.
                    assert!(
                        valid.is_none()
                            || lessors
                                .iter()
                                .all(|other| !one.lease.is_over_at(other.look(app, "").now)),
                        "{cluster:?} at {now}"
                    );
                    relied_on += usize::from(valid.is_some());
                }
                ended += usize::from(!holds);
                if cluster.word() == "free" {
                    assert!(cluster.epoch > one.cluster.epoch);
                    let slow = lessors[0].look(app, "re-grant").now;
                    assert!(slow > one.lease.expires_at, "{slow}");
                }
            }
            if all_free(&ground).await {
                break;
            }
        }
        assert!(
            relied_on > 0 && ended > 0 && all_free(&ground).await,
            "{relied_on} {ended}"
        );
        // They are leased again, and no clock is slow enough for the old leases.
        let next = leased(
            &ground,
            &[Lessor::ahead(app, BOUND), Lessor::ahead(app, BOUND)],
            seconds(70),
        )
        .await;
        for one in granted.iter().chain(&next) {
            for lessor in &lessors {
                let now = lessor.look(app, "verify").now;
                let valid = lessor
                    .leasing
                    .verified(&one.token, one.cluster.epoch, now)
                    .await
                    .unwrap();
                assert_eq!(valid.is_some(), next.iter().any(|next| next.token == one.token));
            }
        }
    })
    .await;
}
