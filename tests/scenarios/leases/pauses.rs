//! Somebody who is held up in the middle of a call, for so long that the cluster is another's when it goes on.

use std::sync::Arc;

use bytes::Bytes;
use domain::{ClusterPool, ClusterPoolName, ClusterStep, next_for_cluster};
use http::{Method, Request};
use lifecycle::{Acquired, Granted, LeaseAsk, Registered};
use net::{Faults, Peer};
use serde_json::json;
use tests::{App, Gate, Lessor};

use super::ground::{Ground, HOUR, word};

const NAME: &str = "leased-1";
/// Looks until a cluster is to be cleaned.
const LOOKS_MAX: usize = 40;

/// A lease whose holder left things, which is over, up to the moment when they are to be cleaned away.
async fn to_be_cleaned(ground: &Ground<'_>) {
    let granted = ground.granted(&ground.ask("first", HOUR)).await;
    things(ground, &granted).await;
    ground.advance(60).await;
    ground.release(&granted).await;
    for _ in 0..LOOKS_MAX {
        ground.advance(5).await;
        if next_for_cluster(&ground.cluster(NAME).await, ground.app.now()) == ClusterStep::Return {
            return;
        }
        ground.reap().await;
    }
    panic!("it is never to be cleaned: {:?}", ground.cluster(NAME).await);
}

/// Makes things of the same names as every other holder does.
async fn things(ground: &Ground<'_>, granted: &Granted) {
    let holder = ground.client(&granted.kubeconfig);
    for (path, name) in [
        ("/api/v1/namespaces", "mine"),
        ("/api/v1/namespaces/mine/configmaps", "inside"),
        ("/api/v1/namespaces/default/configmaps", "beside"),
    ] {
        holder.post(path, &json!({"metadata": {"name": name}})).await;
    }
}

/// The cluster is brought back without whoever is held, and leased to somebody else, who makes things of the same
/// names. The new lease, and all that is in the cluster.
async fn leased_anew(ground: &Ground<'_>) -> (Granted, Vec<String>) {
    // Whoever is held has the row until somebody else may take it over.
    ground.advance(60).await;
    ground.until(NAME, "free").await;
    let granted = ground.granted(&ground.ask("next", HOUR)).await;
    things(ground, &granted).await;
    (granted, ground.everything(NAME).await)
}

/// Whoever has the cluster now has all of it, and it can be given back as ever.
async fn undisturbed(ground: &Ground<'_>, granted: &Granted, then: &[String], bare: &[String]) {
    assert_eq!(
        ground.everything(NAME).await,
        then,
        "the next holder's cluster was touched"
    );
    ground.works(granted).await;
    assert_eq!(ground.cluster(NAME).await.epoch, granted.cluster.epoch);
    ground.advance(60).await;
    ground.release(granted).await;
    ground.until(NAME, "free").await;
    assert_eq!(ground.everything(NAME).await, bare);
}

/// A cleaner is held at a call until the cluster is another's.
async fn a_cleaner(method: Method, end: &'static str) {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let bare = ground.everything(NAME).await;
        to_be_cleaned(&ground).await;
        let (gate, faults) = Gate::at(Peer::Leased, method, end);
        let slow = Lessor::held_by(app, faults);
        let ((), (next, then)) = gate.amid(ground.reap_by(&slow), leased_anew(&ground)).await;
        undisturbed(&ground, &next, &then, &bare).await;
    })
    .await;
}

#[tokio::test]
async fn a_cleaner_who_goes_on_too_late_deletes_nothing_and_is_nobody_any_more() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let bare = ground.everything(NAME).await;
        to_be_cleaned(&ground).await;
        let (gate, faults) = Gate::at(Peer::Leased, Method::DELETE, "/namespaces/mine");
        let slow = Lessor::held_by(app, faults);
        let ((), (next, then)) = gate.amid(ground.reap_by(&slow), leased_anew(&ground)).await;
        let token = gate.authorization().strip_prefix("Bearer ").unwrap().to_owned();
        let refused = ground.client_by(NAME, &token).get("/api/v1/namespaces").await;
        assert_eq!(refused.0, 401, "the cleaner's account is still good: {}", refused.1);
        undisturbed(&ground, &next, &then, &bare).await;
    })
    .await;
}

#[tokio::test]
async fn a_cleaner_whose_account_comes_too_late_takes_it_away_again() {
    a_cleaner(Method::POST, "/kube-system/serviceaccounts").await;
}

#[tokio::test]
async fn a_cleaner_whose_binding_comes_too_late_takes_it_away_again() {
    a_cleaner(Method::POST, "/clusterrolebindings").await;
}

#[tokio::test]
async fn a_cleaner_whose_token_comes_too_late_gets_none() {
    a_cleaner(Method::POST, "/token").await;
}

/// Somebody who gives out a cluster is held at a call until the cluster is another's.
async fn a_granter(gate: (Arc<Gate>, Faults)) {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let bare = ground.everything(NAME).await;
        let (gate, faults) = gate;
        let slow = Lessor::held_by(app, faults);
        let (ask, look) = (ground.ask("slow", HOUR), slow.look(app, "slow"));
        let (given, (next, then)) = gate
            .amid(slow.in_a_look(slow.leasing.acquire(&ask, &look)), leased_anew(&ground))
            .await;
        let given = given.unwrap();
        assert!(
            matches!(given, Acquired::None { .. } | Acquired::Over | Acquired::Unsaid),
            "{}",
            word(&given)
        );
        undisturbed(&ground, &next, &then, &bare).await;
    })
    .await;
}

#[tokio::test]
async fn a_granter_whose_account_comes_too_late_takes_it_away_again() {
    a_granter(Gate::at(Peer::Leased, Method::POST, "/kube-system/serviceaccounts")).await;
}

#[tokio::test]
async fn a_granter_whose_binding_comes_too_late_takes_it_away_again() {
    a_granter(Gate::at(Peer::Leased, Method::POST, "/clusterrolebindings")).await;
}

#[tokio::test]
async fn a_granter_who_records_too_late_gives_nothing() {
    a_granter(Gate::where_(|peer, request| {
        peer == Peer::Store && String::from_utf8_lossy(request.body()).contains(r#""leased""#)
    }))
    .await;
}

/// Somebody who gives a cluster back is held at a call until the cluster is another's.
async fn a_releaser(gate: (Arc<Gate>, Faults), is_told: bool) {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let bare = ground.everything(NAME).await;
        let (gate, faults) = gate;
        let granted = ground.granted(&ground.ask("first", super::ground::seconds(70))).await;
        ground.advance(60).await;
        let slow = Lessor::held_by(app, faults);
        let look = slow.look(app, "slow");
        let (released, (next, then)) = gate
            .amid(
                slow.in_a_look(slow.leasing.release(&granted.token, &look)),
                leased_anew(&ground),
            )
            .await;
        assert_eq!(released.unwrap(), is_told);
        undisturbed(&ground, &next, &then, &bare).await;
    })
    .await;
}

#[tokio::test]
async fn a_releaser_who_records_too_late_ends_nobody_elses_lease() {
    let gate = Gate::where_(|peer, request| {
        peer == Peer::Store && String::from_utf8_lossy(request.body()).contains(r#""ending""#)
    });
    a_releaser(gate, false).await;
}

#[tokio::test]
async fn a_releaser_who_revokes_too_late_takes_away_nobody_elses_account() {
    a_releaser(Gate::where_(is_delete_of_a_binding), true).await;
}

fn is_delete_of_a_binding(peer: Peer, request: &Request<Bytes>) -> bool {
    peer == Peer::Leased && request.method() == Method::DELETE && request.uri().path().contains("clusterrolebindings")
}

/// A cluster is put into another pool while somebody who found it in this one is held at a call for it.
async fn a_taker(gate: (Arc<Gate>, Faults)) {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let (gate, faults) = gate;
        let slow = Lessor::held_by(app, faults);
        let (ask, look) = (ground.ask("slow", HOUR), slow.look(app, "slow"));
        let moved = async {
            ground
                .leasing
                .pools()
                .write(&ClusterPool::new(others()), &ground.look("pool"))
                .await
                .unwrap();
            let registered = ground.register_in(others(), NAME).await;
            assert!(matches!(registered, Registered::Known(_)));
        };
        let (taken, ()) = gate
            .amid(slow.in_a_look(slow.leasing.acquire(&ask, &look)), moved)
            .await;
        let taken = taken.unwrap();
        assert!(
            matches!(taken, Acquired::None { .. } | Acquired::Raced),
            "{}",
            word(&taken)
        );
        assert_eq!(ground.cluster(NAME).await.word(), "free");
        let ask = LeaseAsk {
            pool: ClusterPool::new(others()),
            ..ground.ask("others", HOUR)
        };
        ground.works(&ground.granted(&ask).await).await;
    })
    .await;
}

fn others() -> ClusterPoolName {
    ClusterPoolName::parse("others").unwrap()
}

#[tokio::test]
async fn a_cluster_that_changes_its_pool_before_it_is_read_is_not_taken() {
    a_taker(Gate::where_(|peer, request| {
        let body = String::from_utf8_lossy(request.body());
        peer == Peer::Store && body.contains("ConsistentRead") && body.contains(r#""CLUSTER#leased-1""#)
    }))
    .await;
}

#[tokio::test]
async fn a_cluster_that_changes_its_pool_before_it_is_written_is_not_taken() {
    a_taker(Gate::where_(|peer, request| {
        peer == Peer::Store && String::from_utf8_lossy(request.body()).contains(r#""granting""#)
    }))
    .await;
}

#[tokio::test]
async fn whoever_takes_a_cluster_in_too_late_changes_nothing_of_what_counts() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let name = ground.cluster(NAME).await.name;
        let (gate, faults) = Gate::where_(|peer, request| {
            peer == Peer::Store && String::from_utf8_lossy(request.body()).contains("BASE#")
        });
        let slow = Lessor::held_by(app, faults);
        let look = slow.look(app, "slow");
        let meanwhile = async {
            let administrator = ground.client(&ground.kubeconfig(NAME));
            let late = json!({"metadata": {"name": "late"}});
            administrator.post("/api/v1/namespaces/default/configmaps", &late).await;
            ground.advance(60).await;
            ground.until(NAME, "free").await
        };
        let taken_in = slow.in_a_look(slow.leasing.clean_again(&name, true, &look));
        let (_, counts) = gate.amid(taken_in, meanwhile).await;
        assert_eq!(ground.cluster(NAME).await.intake, counts.intake);
        let before = ground.everything(NAME).await;
        assert!(before.iter().any(|one| one.contains("late")), "{before:?}");
        let granted = ground.granted(&ground.ask("next", HOUR)).await;
        things(&ground, &granted).await;
        ground.advance(60).await;
        ground.release(&granted).await;
        ground.until(NAME, "free").await;
        assert_eq!(ground.everything(NAME).await, before);
    })
    .await;
}
