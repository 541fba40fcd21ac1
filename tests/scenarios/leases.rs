//! Clusters that are leased: taken in, given to one holder at a time, taken back, cleaned, or kept from everybody.

mod crashes;
mod gate;
mod ground;
mod history;
mod keys;
mod pauses;
mod together;

use std::time::Duration;

use domain::{ClusterState, EndingWhy, Quarantine, Reuse, limits};
use lifecycle::{Acquired, LeasingRules, Registered, Removed, Renewed};
use serde_json::{Value, json};
use tests::{App, lease_rules, this_machine};

use ground::{Ground, HOUR, KEY, kubeconfig_at, leasing_by, net, seconds};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_cluster_is_leased_used_given_back_and_clean_again() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let before = ground.cluster("leased-1").await;
        assert_eq!(before.word(), "free");

        let granted = ground.granted(&ground.ask("ci", HOUR)).await;
        assert_eq!(
            (granted.cluster.word(), granted.cluster.epoch.0),
            ("leased", before.epoch.0 + 1)
        );
        let verified = ground
            .leasing
            .verified(&granted.token, granted.cluster.epoch, app.now())
            .await;
        assert_eq!(
            verified.unwrap().map(|lease| lease.expires_at),
            Some(granted.lease.expires_at)
        );

        let holder = ground.client(&granted.kubeconfig);
        holder
            .post("/api/v1/namespaces", &json!({"metadata": {"name": "mine"}}))
            .await;
        holder
            .post(
                "/api/v1/namespaces/mine/configmaps",
                &json!({"metadata": {"name": "inside"}}),
            )
            .await;
        holder
            .post(
                "/api/v1/namespaces/default/configmaps",
                &json!({"metadata": {"name": "beside"}}),
            )
            .await;
        let role = json!({"metadata": {"name": "mine"}, "rules": []});
        holder
            .post("/apis/rbac.authorization.k8s.io/v1/clusterroles", &role)
            .await;

        assert!(
            ground
                .leasing
                .release(&granted.token, &ground.look("release"))
                .await
                .unwrap()
        );
        assert_eq!(
            holder.get("/api/v1/namespaces").await.0,
            401,
            "the account is gone at once"
        );
        assert!(
            !ground
                .leasing
                .release(&granted.token, &ground.look("again"))
                .await
                .unwrap()
        );
        let after = ground.until("leased-1", "free").await;
        assert_eq!(after.epoch.0, before.epoch.0 + 2);
        let left = ground.everything("leased-1").await;
        assert!(
            !left.iter().any(|name| name.contains("mine") || name.contains("beside")),
            "{left:?}"
        );
        assert!(!left.iter().any(|name| name.contains("layby-")), "{left:?}");
    })
    .await;
}

#[tokio::test]
async fn a_lease_that_expires_is_taken_away_when_nobody_can_rely_on_it() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let granted = ground.granted(&ground.ask("ci", seconds(60))).await;
        let holder = ground.client(&granted.kubeconfig);
        let is_valid = async || {
            let verified = ground
                .leasing
                .verified(&granted.token, granted.cluster.epoch, app.now())
                .await;
            verified.unwrap().is_some()
        };
        ground.advance(57).await;
        assert!(is_valid().await);
        ground.advance(1).await;
        assert!(!is_valid().await, "the reaper has not come, and nobody relies on it");
        ground.reap().await;
        assert_eq!(
            ground.cluster("leased-1").await.word(),
            "leased",
            "nor does anybody take it away yet"
        );
        ground.advance(4).await;
        ground.reap().await;
        let cluster = ground.cluster("leased-1").await;
        let ClusterState::Ending { ending } = &cluster.state else {
            panic!("{cluster:?}");
        };
        assert_eq!((ending.why, ending.revoked_at.is_some()), (EndingWhy::Expired, true));
        assert_eq!(holder.get("/api/v1/namespaces").await.0, 401);
        ground.until("leased-1", "free").await;
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_deleted_is_named_and_the_cluster_kept_from_everybody() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let granted = ground.granted(&ground.ask("ci", HOUR)).await;
        let holder = ground.client(&granted.kubeconfig);
        let stuck = json!({"metadata": {"name": "stuck", "finalizers": ["example.org/never"]}});
        holder.post("/api/v1/namespaces/default/configmaps", &stuck).await;
        let system = "/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt";
        holder.patch(system, &json!({"data": {"mine": "x"}})).await;
        ground
            .leasing
            .release(&granted.token, &ground.look("release"))
            .await
            .unwrap();
        let kept = ground.until("leased-1", "quarantined").await;
        let ClusterState::Quarantined {
            why: Quarantine::Unclean { left_over, changed, .. },
            ..
        } = &kept.state
        else {
            panic!("{kept:?}");
        };
        assert_eq!((*left_over, *changed), (1, 1));
        let list: Vec<String> = ground
            .leasing
            .store()
            .left_over(&kept.name, kept.epoch)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            list,
            [
                "left over: ConfigMap default/stuck (waits for its finalizers example.org/never)",
                "changed: ConfigMap kube-system/kube-root-ca.crt"
            ]
        );
        assert!(matches!(
            ground.acquire(&ground.ask("ci", HOUR)).await,
            Acquired::None { .. }
        ));
    })
    .await;
}

#[tokio::test]
async fn those_who_wait_are_served_in_turn_and_nobody_passes_them() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let granted = ground.granted(&ground.ask("first", HOUR)).await;
        let epoch = granted.cluster.epoch.0;
        let mut waiting = ground.ask("second", HOUR);
        waiting.waits = true;
        let Acquired::None {
            ticket,
            position,
            expected_at,
            waits,
            ..
        } = ground.acquire(&waiting).await
        else {
            panic!("it was leased");
        };
        assert_eq!(
            (position, waits, expected_at),
            (1, true, Some(granted.lease.expires_at))
        );
        waiting.ticket = Some(ticket.clone());

        // Who neither waits nor shows a ticket joins no line, and is told of a place all the same.
        let passing = ground.acquire(&ground.ask("third", HOUR)).await;
        assert!(matches!(
            passing,
            Acquired::None {
                position: 2,
                waits: false,
                ..
            }
        ));

        ground
            .leasing
            .release(&granted.token, &ground.look("release"))
            .await
            .unwrap();
        for _ in 0..12 {
            ground.advance(10).await;
            ground.reap().await;
            assert!(matches!(
                ground.acquire(&ground.ask("third", HOUR)).await,
                Acquired::None { .. }
            ));
            if ground.cluster("leased-1").await.word() == "granting" {
                break;
            }
            assert!(matches!(ground.acquire(&waiting).await, Acquired::None { .. }));
        }
        let granted = ground.granted(&waiting).await;
        assert_eq!(granted.lease.holder, "second");
        assert_eq!(granted.cluster.epoch.0, epoch + 1, "it was never free");
        ground
            .leasing
            .release(&granted.token, &ground.look("release-2"))
            .await
            .unwrap();
        ground.until("leased-1", "free").await;
        assert_eq!(ground.granted(&ground.ask("third", HOUR)).await.lease.holder, "third");
    })
    .await;
}

#[tokio::test]
async fn a_grant_that_nobody_fetches_goes_on_to_the_next() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let granted = ground.granted(&ground.ask("first", HOUR)).await;
        let mut asks = ["second", "third"].map(|caller| ground.ask(caller, HOUR));
        for ask in &mut asks {
            ask.waits = true;
            ground.none(ask).await;
        }
        ground
            .leasing
            .release(&granted.token, &ground.look("release"))
            .await
            .unwrap();
        // The third asks again and again, the second never does.
        let mut given = None;
        for _ in 0..12 {
            ground.advance(10).await;
            ground.reap().await;
            if let Acquired::Granted(granted) = ground.acquire(&asks[1]).await {
                given = Some(granted);
                break;
            }
        }
        assert_eq!(given.unwrap().lease.holder, "third");
    })
    .await;
}

#[tokio::test]
async fn a_lease_is_renewed_up_to_what_its_pool_allows_in_all() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let granted = ground.granted(&ground.ask("ci", HOUR)).await;
        ground.advance(1_800).await;
        let renewed = ground
            .leasing
            .renew(&granted.token, HOUR, &ground.look("renew"))
            .await
            .unwrap();
        let Renewed::Renewed(longer) = renewed else {
            panic!("it is not renewed");
        };
        let lengthened = longer.lease.expires_at.duration_since(granted.lease.expires_at);
        assert!((1_800..1_830).contains(&lengthened.as_secs()), "{lengthened}");
        assert!(!longer.shortened);
        ground.advance(3_000).await;
        ground.reap().await;
        let held = ground.leasing.held(&granted.token, app.now()).await.unwrap().unwrap();
        let fresh = ground.leasing.kubeconfig_again(&held.row, app.now()).await.unwrap();
        for kubeconfig in [&longer.kubeconfig, &fresh.unwrap().kubeconfig] {
            assert_eq!(ground.client(kubeconfig).get("/api/v1/namespaces").await.0, 200);
        }
        ground.advance(3_000).await;
        let late = ground
            .leasing
            .renew(&granted.token, HOUR, &ground.look("late"))
            .await
            .unwrap();
        assert!(matches!(late, Renewed::Over));
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_is_unwell_is_passed_over_and_free_again_when_it_is_well() {
    App::run(async |app| {
        let ground = Ground::start(app, 2).await;
        let first = ground.ask("ci", HOUR);
        ground.cordon_ready("leased-1", false);
        ground.cordon_ready("leased-2", false);
        assert!(!matches!(ground.acquire(&first).await, Acquired::Granted(_)));
        for name in ["leased-1", "leased-2"] {
            let why = ground.cluster(name).await.state;
            assert!(
                matches!(
                    why,
                    ClusterState::Quarantined {
                        why: Quarantine::Unhealthy { .. },
                        ..
                    }
                ),
                "{why:?}"
            );
        }
        ground.cordon_ready("leased-2", true);
        ground.until("leased-2", "free").await;
        assert_eq!(ground.cluster("leased-1").await.word(), "quarantined");
        let granted = ground.granted(&first).await;
        assert_eq!(granted.cluster.name.as_str(), "leased-2");
    })
    .await;
}

#[tokio::test]
async fn another_cluster_under_the_same_address_is_not_touched() {
    App::run(async |app| {
        let mut ground = Ground::start(app, 1).await;
        let granted = ground.granted(&ground.ask("ci", HOUR)).await;
        ground.replace("leased-1", "impostor").await;
        let impostor = ground.everything("leased-1").await;
        ground
            .leasing
            .release(&granted.token, &ground.look("release"))
            .await
            .unwrap();
        let kept = ground.until("leased-1", "quarantined").await;
        let ClusterState::Quarantined {
            why: Quarantine::AnotherCluster { .. },
            ..
        } = kept.state
        else {
            panic!("{kept:?}");
        };
        assert_eq!(ground.everything("leased-1").await, impostor);
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_another_one_answered_for_is_rid_of_its_last_holder_once_it_answers_itself() {
    App::run(async |app| {
        let ground = Ground::start(app, 2).await;
        let granted = ground.granted(&ground.ask_that_begins_with("leased-1").await).await;
        assert_eq!(granted.cluster.name.as_str(), "leased-1");
        ground.lead_to("leased-1", &ground.kubeconfig("leased-2")).await;
        ground.release(&granted).await;
        ground.until("leased-1", "quarantined").await;
        let holder = ground.client(&granted.kubeconfig);
        assert_eq!(holder.get("/api/v1/namespaces").await.0, 200);
        ground.lead_to("leased-1", &ground.kubeconfig("leased-1")).await;
        for _ in 0..2 {
            ground.advance(limits::HEALTH_AGAIN.as_secs()).await;
            ground.reap().await;
        }
        assert_eq!(holder.get("/api/v1/namespaces").await.0, 401);
        let ClusterState::Quarantined { why, .. } = ground.cluster("leased-1").await.state else {
            panic!("an operator has not looked at it");
        };
        assert!(matches!(why, Quarantine::NotCleaned { .. }), "{why:?}");
    })
    .await;
}

#[tokio::test]
async fn a_cluster_of_the_installations_own_is_neither_registered_nor_cleaned() {
    App::run(async |app| {
        let mut ground = Ground::start(app, 0).await;
        for (name, word) in [("leased-1", "quarantined"), ("leased-2", "cleaning")] {
            ground.add(name, |_| {}).await;
            let own = ground.cluster(name).await.identity.unwrap().uid;
            let rules = LeasingRules {
                // A cell's own, or the cells are not all known.
                homes: (word == "quarantined").then(|| [own].into()),
                ..lease_rules(this_machine())
            };
            let leasing = leasing_by(app, net(), &[KEY], rules);
            let kubeconfig = ground.kubeconfig(name);
            let registered = ground.register_by(&leasing, "home", &kubeconfig, "home").await;
            assert!(matches!(registered, Registered::Refused(_)), "{name} is registered");

            let granted = ground.granted(&ground.ask("ci", HOUR)).await;
            let holder = ground.client(&granted.kubeconfig);
            let mine = json!({"metadata": {"name": "mine"}});
            holder.post("/api/v1/namespaces", &mine).await;
            let released = leasing.release(&granted.token, &ground.look("release")).await;
            assert!(released.unwrap());
            for _ in 0..3 {
                ground.advance(30).await;
                let row = leasing.store().cluster(&granted.cluster.name).await.unwrap().unwrap();
                leasing.advance(row, &ground.look("advance")).await.unwrap();
            }
            let cluster = ground.cluster(name).await;
            assert_eq!(cluster.word(), word, "{cluster:?}");
            let left = ground.everything(name).await;
            assert!(left.iter().any(|thing| thing.contains("mine")), "{left:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn without_cleaning_a_cluster_is_compared_and_kept_from_everybody_when_it_is_not_as_it_was() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let rules = LeasingRules {
            cleans: false,
            ..lease_rules(this_machine())
        };
        let leasing = leasing_by(app, net(), &[KEY], rules);
        let untouched = ground.granted(&ground.ask("ci", HOUR)).await;
        assert!(
            leasing
                .release(&untouched.token, &ground.look("release"))
                .await
                .unwrap()
        );
        ground.until("leased-1", "free").await;

        let granted = ground.granted(&ground.ask("ci", HOUR)).await;
        let beside = json!({"metadata": {"name": "beside"}});
        let holder = ground.client(&granted.kubeconfig);
        holder.post("/api/v1/namespaces/default/configmaps", &beside).await;
        let look = ground.look("release");
        assert!(leasing.release(&granted.token, &look).await.unwrap());
        let name = granted.cluster.name;
        for _ in 0..10 {
            ground.advance(30).await;
            let row = leasing.store().cluster(&name).await.unwrap().unwrap();
            leasing.advance(row, &ground.look("advance")).await.unwrap();
        }
        let kept = ground.cluster("leased-1").await;
        assert_eq!(kept.word(), "quarantined", "{kept:?}");
        let list: Option<Vec<String>> = leasing.store().left_over(&name, kept.epoch).await.unwrap();
        assert_eq!(list.unwrap(), ["left over: ConfigMap default/beside"]);
    })
    .await;
}

#[tokio::test]
async fn a_change_that_its_pool_tolerates_keeps_nobody_from_a_cluster_and_a_holder_has_its_pools_role() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        ground
            .rules(|pool| {
                pool.tolerate_changes = true;
                pool.role = "view".to_owned();
            })
            .await;
        let mut ask = ground.ask("ci", HOUR);
        ask.pool.role = "view".to_owned();
        let granted = ground.granted(&ask).await;
        let holder = ground.client(&granted.kubeconfig);
        assert_eq!(holder.get("/api/v1/namespaces/default/configmaps").await.0, 200);
        assert_eq!(holder.get("/api/v1/namespaces/default/secrets").await.0, 403);
        let system = "/api/v1/namespaces/kube-system/configmaps/kube-root-ca.crt";
        let operator = ground.client(&ground.kubeconfig("leased-1"));
        operator.patch(system, &json!({"data": {"mine": "x"}})).await;
        ground.release(&granted).await;
        ground.until("leased-1", "free").await;
    })
    .await;
}

#[tokio::test]
async fn a_cluster_of_another_name_or_that_is_not_there_is_no_cluster_to_lease() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let twice = ground.refused("another-name", &ground.kubeconfig("leased-1")).await;
        assert!(twice.contains("registered already, as 'leased-1'"), "{twice}");
        let gone = ground.refused("gone", &kubeconfig_at("https://127.0.0.1:1", "t")).await;
        assert!(gone.contains("cannot be"), "{gone}");
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_is_used_once_is_retired_and_one_that_leaves_is_forgotten() {
    App::run(async |app| {
        let ground = Ground::start(app, 2).await;
        ground.rules(|pool| pool.reuse = Reuse::Once).await;
        let granted = ground.granted(&ground.ask("ci", HOUR)).await;
        let name = granted.cluster.name.clone();
        let remove = async |force| {
            ground
                .leasing
                .remove(&name, force, &ground.look("remove"))
                .await
                .unwrap()
        };
        assert_eq!(remove(false).await, Removed::Held);
        ground
            .leasing
            .release(&granted.token, &ground.look("release"))
            .await
            .unwrap();
        assert_eq!(ground.until(name.as_str(), "retired").await.name, name);
        assert!(matches!(remove(false).await, Removed::Going(_)));
        assert!(ground.leasing.store().cluster(&name).await.unwrap().is_none());

        let granted = ground.granted(&ground.ask("ci", HOUR)).await;
        let name = granted.cluster.name.clone();
        let remove = async |force| {
            ground
                .leasing
                .remove(&name, force, &ground.look("remove"))
                .await
                .unwrap()
        };
        assert!(matches!(remove(true).await, Removed::Going(_)));
        let holder = ground.client(&granted.kubeconfig);
        assert_eq!(holder.get("/api/v1/namespaces").await.0, 401);
        for _ in 0..4 {
            ground.advance(30).await;
            ground.reap().await;
        }
        assert!(ground.leasing.store().cluster(&name).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_does_not_exist_any_more_is_forgotten_when_it_is_deleted_once_more() {
    App::run(async |app| {
        let mut ground = Ground::start(app, 1).await;
        let granted = ground.granted(&ground.ask("ci", HOUR)).await;
        let name = granted.cluster.name.clone();
        ground.destroy("leased-1").await;
        for round in 0..2 {
            let look = ground.look("remove");
            let removed = ground.leasing.remove(&name, true, &look).await.unwrap();
            let Removed::Going(cluster) = removed else {
                panic!("somebody holds it");
            };
            assert!(cluster.leaving);
            let is_there = ground.leasing.store().cluster(&name).await.unwrap().is_some();
            assert_eq!(is_there, round == 0, "{cluster:?}");
        }
        ground.add("leased-1", |_| {}).await;
        ground.granted(&ground.ask("ci", HOUR)).await;
    })
    .await;
}

#[tokio::test]
async fn a_cluster_that_is_registered_while_it_leaves_stays() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        let granted = ground.granted(&ground.ask("ci", HOUR)).await;
        let look = ground.look("remove");
        ground.leasing.remove(&granted.cluster.name, true, &look).await.unwrap();
        assert!(ground.cluster("leased-1").await.leaving);
        let kubeconfig = ground.kubeconfig("leased-1");
        let again = ground.register("leased-1", &kubeconfig, "again").await;
        assert!(matches!(again, Registered::Known(row) if !row.value.leaving));
        ground.until("leased-1", "free").await;
    })
    .await;
}

#[tokio::test]
async fn a_cluster_left_alone_is_as_it_was_at_its_intake() {
    App::run(async |app| {
        let ground = Ground::start(app, 1).await;
        app.advance(10 * MINUTE).await;
        let granted = ground.granted(&ground.ask("ci", HOUR)).await;
        ground
            .leasing
            .release(&granted.token, &ground.look("release"))
            .await
            .unwrap();
        ground.until("leased-1", "free").await;
        let again = ground
            .register("leased-1", &ground.kubeconfig("leased-1"), "again")
            .await;
        let Registered::Known(row) = again else {
            panic!("it is known");
        };
        assert_eq!(row.value.word(), "free");
        let listed: Value = serde_json::to_value(&row.value).unwrap();
        assert_eq!(listed["name"], "leased-1");
    })
    .await;
}
