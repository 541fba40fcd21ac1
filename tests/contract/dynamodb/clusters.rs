//! Clusters that can be leased.

use std::sync::Arc;

use domain::{
    Cluster, ClusterName, ClusterPool, ClusterPoolName, ClusterState, Due, EndingWhy, Epoch, Identity, Lane, Lease,
    LeaseId, LeaseTime, Offer, ProviderName, Subject, Ticket, Wish,
};
use futures::future::join_all;
use net::Fault;
use store::{Binding, ClusterTaken, NextDue, Row, TakenFor, WriteError};

use crate::support::*;

checks! {
    ap11_a_cluster_is_registered_listed_and_deleted_with_all_that_is_its
    ap11_of_the_names_that_are_given_to_one_cluster_at_once_one_is
    ap10_the_free_of_a_pool_are_picked_and_all_of_them_are_listed
    ap10_a_cluster_that_changes_its_pool_leaves_the_old_list
    ap06_a_cluster_is_due_in_the_lane_of_leases
    ap11_a_cluster_is_taken_with_its_token_and_its_key_in_one_write
    w1_sixty_four_who_take_one_cluster_are_one
    w2_a_cluster_whose_taking_lost_its_answer_is_taken_once
    ap11_ap13_a_cluster_is_handed_to_who_waits_or_not_at_all
    ap10_the_rules_of_a_pool_are_written_listed_and_deleted_as_they_were_read
    ap12_a_sealed_kubeconfig_is_replaced_as_it_was_read
    a_baseline_of_many_thousands_comes_out_as_it_went_in
}

pub(crate) fn pool() -> ClusterPoolName {
    ClusterPoolName::parse("ci").unwrap()
}

pub(crate) fn cluster(name: &str) -> Cluster {
    Cluster {
        name: ClusterName::parse(name).unwrap(),
        pool: pool(),
        cloud_provider: ProviderName::parse("static").unwrap(),
        labels: Default::default(),
        server: "https://203.0.113.7:6443".to_owned(),
        registered_at: now(),
        credential_ends_at: None,
        identity: Some(Identity {
            uid: "u".to_owned(),
            version: "v1.35.4".to_owned(),
        }),
        intake: 1,
        epoch: Epoch(1),
        approved: Vec::new(),
        leaving: false,
        state: ClusterState::Free,
        trouble: None,
    }
}

pub(crate) fn lease(number: u8) -> Lease {
    Lease {
        id: LeaseId::from_bytes([number; 16]),
        token_sha256: format!("digest-{number}"),
        holder: "key:ci".to_owned(),
        granted_at: now(),
        expires_at: after(3_600),
    }
}

fn soon(seconds: i64) -> NextDue {
    NextDue {
        at: after(seconds),
        attempt: 0,
    }
}

pub(crate) async fn free(table: &Table, name: &str) -> Row<Cluster> {
    let look = look(now(), &format!("free/{name}"));
    table
        .store
        .put_cluster(None, &cluster(name), None, &look)
        .await
        .unwrap()
}

/// Takes a cluster for the lease of this number.
async fn take(
    table: &Table,
    row: &Row<Cluster>,
    number: u8,
    taken_for: TakenFor<'_>,
) -> Result<ClusterTaken, WriteError> {
    let (lease, look) = (lease(number), look(after(1), &format!("take/{number}")));
    let taken = row.value.taken(lease.clone(), true);
    table
        .store
        .take_cluster(row, &taken, &lease, soon(90), taken_for, &look)
        .await
}

fn key() -> Binding {
    Binding {
        caller: "key:ci".to_owned(),
        route: "lease-acquire".to_owned(),
        key: "k".to_owned(),
        body_sha256: "b".to_owned(),
    }
}

/// A caller with a key, which is bound to this already.
fn caller<'a>(binding: &'a Binding, bound_to: Option<&'a str>) -> TakenFor<'a> {
    TakenFor {
        place: None,
        binding: Some(binding),
        bound_to,
    }
}

fn row(taken: ClusterTaken) -> Row<Cluster> {
    match taken {
        ClusterTaken::Taken(row) => row,
        ClusterTaken::Bound(bound) => panic!("already bound to {}", bound.made),
    }
}

fn names(offers: &[Offer]) -> Vec<&str> {
    let mut names: Vec<&str> = offers.iter().map(|offer| offer.name.as_str()).collect();
    names.sort_unstable();
    names
}

async fn ap11_a_cluster_is_registered_listed_and_deleted_with_all_that_is_its(table: &Table) {
    let store = &table.store;
    assert_eq!(store.cluster(&cluster("a").name).await.unwrap(), None);
    let (one, other) = (free(table, "a").await, free(table, "b").await);
    store
        .put_seal(None, &one.value.name, "s".to_owned(), &look(now(), "s"))
        .await
        .unwrap();
    assert_eq!(store.cluster(&one.value.name).await.unwrap(), Some(one.clone()));
    assert!(store.clusters(10, None).await.unwrap().items.len() == 2);
    let page = store.clusters(1, None).await.unwrap();
    assert_eq!((page.items.len(), page.next.is_some()), (1, true));

    let renamed = look(after(1), "b/again");
    store
        .put_cluster(Some(&other), &other.value.troubled("x"), None, &renamed)
        .await
        .unwrap();
    let overtaken = store.delete_cluster(&other, &look(after(2), "delete/b")).await;
    assert!(matches!(overtaken, Err(WriteError::Overtaken)), "{overtaken:?}");
    let by = look(after(2), "delete/a");
    store.delete_cluster(&one, &by).await.unwrap();
    store.delete_cluster(&one, &by).await.unwrap();
    assert_eq!(store.cluster(&one.value.name).await.unwrap(), None);
    assert!(store.seal(&one.value.name).await.unwrap().is_none());
    assert_eq!(names(&store.offers(&pool()).await.unwrap()), ["b"]);
}

async fn ap11_of_the_names_that_are_given_to_one_cluster_at_once_one_is(table: &Table) {
    let store = &table.store;
    assert_eq!(store.identity_claim("u").await.unwrap(), None);
    let registered = join_all((0..8).map(|number| async move {
        let (next, look) = (
            cluster(&format!("c-{number}")),
            look(now(), &format!("register/{number}")),
        );
        store.register_cluster(None, &next, Some(soon(60)), &look).await
    }));
    let mut registered: Vec<_> = registered.await.into_iter().filter_map(Result::ok).collect();
    let row = registered.pop().unwrap();
    assert!(registered.is_empty(), "{registered:?}");
    let claim = store.identity_claim("u").await.unwrap().unwrap();
    assert_eq!(claim.value.cluster, row.value.name);
    assert_eq!(
        store.clusters(10, None).await.unwrap().items.as_slice(),
        std::slice::from_ref(&row)
    );
    assert_eq!(store.offers(&pool()).await.unwrap().len(), 1);

    let register = async |claim, next: &Cluster, by: &str| {
        let look = look(now(), by);
        store.register_cluster(claim, next, Some(soon(60)), &look).await
    };
    assert_eq!(register(None, &row.value, &row.by).await.unwrap(), row, "a lost answer");
    store.delete_cluster(&row, &look(after(1), "delete")).await.unwrap();
    assert_eq!(store.identity_claim("u").await.unwrap(), None);
    register(None, &cluster("d"), "d").await.unwrap();
    // One whose cluster never came, or is gone, is taken over as it was read.
    let stale = store.identity_claim("u").await.unwrap().unwrap();
    register(Some(&stale), &cluster("e"), "e").await.unwrap();
    let late = register(Some(&stale), &cluster("f"), "f").await;
    assert!(matches!(late, Err(WriteError::Overtaken)));
}

async fn ap10_the_free_of_a_pool_are_picked_and_all_of_them_are_listed(table: &Table) {
    let store = &table.store;
    for name in ["a", "b", "c", "d"] {
        free(table, name).await;
    }
    let picked = async |from: &str, most| store.free_offers(&pool(), from, most).await.unwrap();
    assert!(picked("0", 10).await.len() == 4);
    assert_eq!(
        names(&picked("88888888", 10).await),
        ["a", "b", "c", "d"],
        "from anywhere all are found"
    );
    assert_eq!(picked("88888888", 2).await.len(), 2);

    let b = store.cluster(&cluster("b").name).await.unwrap().unwrap();
    take(table, &b, 1, TakenFor::default()).await.unwrap();
    assert!(names(&picked("0", 10).await) == ["a", "c", "d"]);
    let offers = store.offers(&pool()).await.unwrap();
    let taken: Vec<&Offer> = offers.iter().filter(|offer| !offer.is_free).collect();
    assert_eq!((offers.len(), taken.len(), taken[0].state.as_str()), (4, 1, "granting"));
    assert_eq!(taken[0].expires_at, Some(after(3_600)));
}

async fn ap10_a_cluster_that_changes_its_pool_leaves_the_old_list(table: &Table) {
    let store = &table.store;
    let row = free(table, "a").await;
    let moved = Cluster {
        pool: ClusterPoolName::parse("other").unwrap(),
        ..row.value.clone()
    };
    store
        .put_cluster(Some(&row), &moved, None, &look(after(1), "move"))
        .await
        .unwrap();
    assert_eq!(store.offers(&pool()).await.unwrap(), []);
    assert_eq!(store.offers(&moved.pool).await.unwrap(), [moved.offer()]);
}

async fn ap06_a_cluster_is_due_in_the_lane_of_leases(table: &Table) {
    let row = free(table, "a").await;
    let taken = take(table, &row, 1, TakenFor::default()).await.map(self::row).unwrap();
    let due = async || {
        let mut due = Vec::new();
        for shard in 0..domain::limits::DUE_SHARDS {
            due.extend(
                table
                    .store
                    .due(&Lane::Leases, shard, after(90), None)
                    .await
                    .unwrap()
                    .items,
            );
        }
        due
    };
    assert!(!due().await.is_empty());
    let expected = Due {
        subject: Subject::Cluster(row.value.name.clone()),
        state: "granting".to_owned(),
        version: taken.version,
        held: false,
        due_at: after(90),
        due_since: after(90),
    };
    assert_eq!(due().await, [expected]);
    let ended = taken.value.ended(&lease(1), EndingWhy::Released, after(2)).freed();
    table
        .store
        .put_cluster(Some(&taken), &ended, None, &look(after(3), "free"))
        .await
        .unwrap();
    assert!(due().await.is_empty());
}

async fn ap11_a_cluster_is_taken_with_its_token_and_its_key_in_one_write(table: &Table) {
    let store = &table.store;
    let (one, other) = (free(table, "a").await, free(table, "b").await);
    let binding = key();
    let taken = take(table, &one, 1, caller(&binding, None)).await.map(row).unwrap();
    assert_eq!((taken.value.epoch, taken.due_at), (Epoch(2), Some(after(90))));
    let pointer = store.lease_pointer("digest-1", after(2)).await.unwrap().unwrap();
    assert_eq!((pointer.cluster, pointer.epoch), (one.value.name.clone(), Epoch(2)));
    let pointed = store.lease_pointer("digest-1", after(40 * 24 * 3_600)).await.unwrap();
    assert_eq!(pointed, None, "it is forgotten some day");

    match take(table, &other, 2, caller(&binding, None)).await.unwrap() {
        ClusterTaken::Bound(bound) => assert_eq!((bound.made.as_str(), bound.body_sha256.as_str()), ("a#2", "b")),
        ClusterTaken::Taken(row) => panic!("taken twice for one key: {row:?}"),
    }
    assert_eq!(store.cluster(&other.value.name).await.unwrap(), Some(other.clone()));
    assert_eq!(store.lease_pointer("digest-2", after(2)).await.unwrap(), None);

    // What it was bound to has come to nothing: it may be bound to something else.
    let instead = caller(&binding, Some("a#2"));
    let taken = take(table, &other, 3, instead).await.map(row).unwrap();
    assert_eq!(store.binding(&binding, after(2)).await.unwrap().unwrap().made, "b#2");
    assert_eq!(taken.value.name.as_str(), "b");
}

async fn w1_sixty_four_who_take_one_cluster_are_one(table: &Table) {
    let one = free(table, "a").await;
    let tries = (0..64).map(|number| take(table, &one, number, TakenFor::default()));
    let (taken, beaten): (Vec<_>, Vec<_>) = join_all(tries).await.into_iter().partition(Result::is_ok);
    assert_eq!(taken.len(), 1);
    let fair = |outcome: &Result<_, WriteError>| {
        matches!(
            outcome,
            Err(WriteError::Overtaken | WriteError::Store(store::Error::Throttled(_)))
        )
    };
    assert!(beaten.iter().all(fair), "{beaten:?}");
    let now = table.store.cluster(&one.value.name).await.unwrap().unwrap();
    assert_eq!((now.value.epoch, now.version), (Epoch(2), 2));
}

async fn w2_a_cluster_whose_taking_lost_its_answer_is_taken_once(table: &Table) {
    let one = free(table, "a").await;
    let losing = table.failing(Arc::new(|_, request| {
        if is(request, "TransactWriteItems") {
            Fault::LoseAnswer
        } else {
            Fault::Pass
        }
    }));
    let (lease, look) = (lease(1), look(after(1), "take/1"));
    let taken = one.value.taken(lease.clone(), true);
    let lost = losing.take_cluster(&one, &taken, &lease, soon(90), TakenFor::default(), &look);
    lost.await.unwrap_err();
    let again = take(table, &one, 1, TakenFor::default()).await.map(row).unwrap();
    assert_eq!((again.version, again.value.epoch), (2, Epoch(2)));
}

async fn ap11_ap13_a_cluster_is_handed_to_who_waits_or_not_at_all(table: &Table) {
    let store = &table.store;
    let ticket = Ticket {
        id: LeaseId::from_bytes([1; 16]),
        caller: "key:ci".to_owned(),
        wish: Wish::default(),
        time: LeaseTime::new(60).unwrap(),
        start: 0,
        since: now(),
        seen_at: now(),
        granted: None,
    };
    let waiting = store
        .join_line(&pool(), None, &ticket, &look(now(), "join"))
        .await
        .unwrap();
    let (one, other) = (free(table, "a").await, free(table, "b").await);
    let (pool, binding) = (pool(), key());
    let place = TakenFor {
        place: Some((&pool, &waiting)),
        ..TakenFor::default()
    };
    let with_a_key = TakenFor {
        binding: Some(&binding),
        ..place
    };
    take(table, &one, 1, with_a_key).await.unwrap();
    assert_eq!(store.binding(&binding, after(2)).await.unwrap().unwrap().made, "a#2");
    let tickets = store.tickets(&pool).await.unwrap();
    assert_eq!(tickets[0].value.granted, Some((one.value.name.clone(), Epoch(2))));
    // The ticket has moved on: it is given nothing else.
    let again = take(table, &other, 2, place).await;
    assert!(matches!(again, Err(WriteError::Overtaken)), "{again:?}");
    assert!(store.cluster(&other.value.name).await.unwrap().unwrap().value.is_free());
}

async fn ap10_the_rules_of_a_pool_are_written_listed_and_deleted_as_they_were_read(table: &Table) {
    let store = &table.store;
    let rules = ClusterPool::new(pool());
    let first = store.put_cluster_pool(None, &rules, &look(now(), "a")).await.unwrap();
    let unseen = store.put_cluster_pool(None, &rules, &look(now(), "b")).await;
    assert!(matches!(unseen, Err(WriteError::Overtaken)), "{unseen:?}");
    let stricter = ClusterPool {
        tolerate_changes: true,
        ..rules
    };
    let second = store
        .put_cluster_pool(Some(&first), &stricter, &look(after(1), "c"))
        .await
        .unwrap();
    assert_eq!(store.cluster_pool(&pool()).await.unwrap(), Some(second.clone()));
    assert!(store.cluster_pools(10, None).await.unwrap().items.len() == 1);
    let stale = store.delete_cluster_pool(&first).await;
    assert!(matches!(stale, Err(WriteError::Overtaken)), "{stale:?}");
    store.delete_cluster_pool(&second).await.unwrap();
    assert_eq!(store.cluster_pool(&pool()).await.unwrap(), None);
}

async fn ap12_a_sealed_kubeconfig_is_replaced_as_it_was_read(table: &Table) {
    let (store, name) = (&table.store, cluster("a").name);
    let first = store
        .put_seal(None, &name, "one".to_owned(), &look(now(), "a"))
        .await
        .unwrap();
    let second = store
        .put_seal(Some(&first), &name, "two".to_owned(), &look(now(), "b"))
        .await;
    assert_eq!(second.unwrap().value.sealed, "two");
    let stale = store
        .put_seal(Some(&first), &name, "three".to_owned(), &look(now(), "c"))
        .await;
    assert!(matches!(stale, Err(WriteError::Overtaken)));
    assert_eq!(store.seal(&name).await.unwrap().unwrap().value.sealed, "two");
}

async fn a_baseline_of_many_thousands_comes_out_as_it_went_in(table: &Table) {
    let (store, name) = (&table.store, cluster("a").name);
    // What no two of have anything in common, so that it fills several rows.
    let baseline: Vec<u128> = (1..=40_000u128)
        .map(|number| number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835))
        .collect();
    store
        .put_baseline(&name, 1, &baseline, &look(now(), "a"))
        .await
        .unwrap();
    store
        .put_baseline(&name, 1, &baseline, &look(now(), "a"))
        .await
        .unwrap();
    assert_eq!(store.baseline::<Vec<u128>>(&name, 1).await.unwrap(), baseline);
    store.baseline::<Vec<u128>>(&name, 2).await.unwrap_err();
    assert_eq!(store.left_over::<Vec<String>>(&name, Epoch(1)).await.unwrap(), None);
    let left = vec!["ConfigMap default/x".to_owned()];
    store
        .put_left_over(&name, Epoch(1), &left, &look(now(), "a"))
        .await
        .unwrap();
    assert_eq!(store.left_over(&name, Epoch(1)).await.unwrap(), Some(left));

    for _ in 0..2 {
        store.forget_baseline(&name, 1).await.unwrap();
        store.forget_left_over(&name, Epoch(1)).await.unwrap();
        store.baseline::<Vec<u128>>(&name, 1).await.unwrap_err();
        assert_eq!(store.left_over::<Vec<String>>(&name, Epoch(1)).await.unwrap(), None);
    }
}
