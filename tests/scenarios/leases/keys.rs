//! An `Idempotency-Key` is answered with one lease, whatever becomes of it.

use lifecycle::Acquired;
use serde_json::json;
use store::Binding;
use tests::App;

use super::ground::{Ground, HOUR};

fn key() -> Option<Binding> {
    Some(Binding {
        caller: "ci".to_owned(),
        route: "acquire".to_owned(),
        key: "k".to_owned(),
        body_sha256: "b".to_owned(),
    })
}

#[tokio::test]
async fn a_key_whose_cluster_was_left_dirty_is_not_good_for_another() {
    App::run(async |app| {
        let ground = Ground::start(app, 2).await;
        let mut ask = ground.ask("ci", HOUR);
        ask.binding = key();
        let granted = ground.granted(&ask).await;
        let stuck = json!({"metadata": {"name": "stuck", "finalizers": ["example.org/never"]}});
        let holder = ground.client(&granted.kubeconfig);
        holder.post("/api/v1/namespaces/default/configmaps", &stuck).await;
        let look = ground.look("release");
        ground.leasing.release(&granted.token, &look).await.unwrap();
        assert!(matches!(ground.acquire(&ask).await, Acquired::Over));
        ground.until(granted.cluster.name.as_str(), "quarantined").await;
        assert!(matches!(ground.acquire(&ask).await, Acquired::Over));
    })
    .await;
}

#[tokio::test]
async fn a_key_says_nothing_of_a_cluster_that_was_registered_anew_under_its_name() {
    App::run(async |app| {
        let mut ground = Ground::start(app, 1).await;
        let mut ask = ground.ask("ci", HOUR);
        ask.binding = key();
        let first = ground.granted(&ask).await;
        let (name, look) = (first.cluster.name.clone(), ground.look("remove"));
        ground.leasing.remove(&name, true, &look).await.unwrap();
        for _ in 0..20 {
            ground.advance(20).await;
            ground.reap().await;
        }
        assert!(ground.leasing.store().cluster(&name).await.unwrap().is_none());
        ground.add("leased-1", |_| {}).await;
        let second = ground.granted(&ground.ask("another", HOUR)).await;
        assert!(second.cluster.epoch > first.cluster.epoch);
        assert!(matches!(ground.acquire(&ask).await, Acquired::Over));
        ground.works(&second).await;
    })
    .await;
}

#[tokio::test]
async fn a_key_whose_cluster_was_unwell_is_good_for_another_try_whatever_becomes_of_that_one() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        ground.cordon_ready("leased-1", false);
        let mut ask = ground.ask("ci", HOUR);
        ask.binding = key();
        for _ in 0..2 {
            assert!(matches!(ground.acquire(&ask).await, Acquired::None { .. }));
        }
        ground.cordon_ready("leased-1", true);
        ground.until("leased-1", "free").await;
        let granted = ground.granted(&ask).await;
        assert_eq!(ground.granted(&ask).await.lease.id, granted.lease.id);
    })
    .await;
}

#[tokio::test]
async fn many_who_ask_with_one_key_at_once_get_one_lease() {
    App::run(async |app| {
        let ground = Ground::start(app, 3).await;
        let asks = [(); 6].map(|()| {
            let mut ask = ground.ask("ci", HOUR);
            ask.binding = key();
            ask.waits = true;
            ask
        });
        let answers = futures::future::join_all(asks.iter().map(|ask| ground.acquire(ask))).await;
        let granted = answers.iter().filter_map(|answer| match answer {
            Acquired::Granted(granted) => Some(granted.lease.id.clone()),
            _ => None,
        });
        let mut leases: Vec<_> = granted.collect();
        leases.sort_unstable();
        leases.dedup();
        assert_eq!(leases.len(), 1, "{leases:?}");
        let again = ground.granted(&asks[0]).await;
        assert_eq!(again.lease.id, leases[0]);
        let taken = ["leased-1", "leased-2", "leased-3"].map(|name| ground.cluster(name));
        let taken = futures::future::join_all(taken).await;
        let taken = taken.iter().filter(|cluster| cluster.word() != "free");
        assert_eq!(taken.count(), 1);
    })
    .await;
}
