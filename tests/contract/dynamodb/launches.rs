//! Launches, with and without an `Idempotency-Key`.

use std::collections::HashSet;
use std::time::Duration;

use domain::limits;
use jiff::SignedDuration;
use net::{Scope, within};
use store::{Binding, Bound, Error, Launched};

use crate::support::*;

checks! {
    ap03_a_launch_is_one_request_and_writes_one_row
    ap03_an_id_that_another_launch_has_is_a_conflict
    ap15_a_keyed_launch_is_one_transaction_and_the_key_then_leads_to_it
    ap15_a_key_binds_one_caller_on_one_route
    ap15_an_expired_binding_is_replaced_and_one_that_still_counts_is_not
    ap15_sixty_four_launches_with_one_key_make_one_application
}

fn binding(caller: &str, key: &str) -> Binding {
    Binding {
        caller: caller.to_owned(),
        route: "launch".to_owned(),
        key: key.to_owned(),
        body_sha256: "b0d1".to_owned(),
    }
}

async fn ap03_a_launch_is_one_request_and_writes_one_row(table: &Table) {
    let scope = Scope::lasting(Duration::from_secs(10));
    let row = within(scope.clone(), table.launched(&launch(1, now()))).await;
    assert_eq!(scope.counts().store, 1);
    assert_eq!(
        (row.version, row.due_at, row.due_since, row.attempt),
        (1, Some(now()), Some(now()), 0)
    );
    assert_eq!(table.kinds().await, [("application".to_owned(), 1)].into());
}

async fn ap03_an_id_that_another_launch_has_is_a_conflict(table: &Table) {
    let row = table.launched(&launch(1, now())).await;
    let other = look(now(), "other");
    for binding in [None, Some(binding("open", "k"))] {
        let again = table
            .store
            .launch(&launch(1, after(1)), now(), &other, binding.as_ref(), &[])
            .await;
        assert!(matches!(again, Err(Error::Conflict(_))), "{again:?}");
    }
    assert_eq!(table.store.application(&id(1), now()).await.unwrap(), Some(row));
    assert_eq!(table.store.binding(&binding("open", "k"), now()).await.unwrap(), None);
}

async fn ap15_a_keyed_launch_is_one_transaction_and_the_key_then_leads_to_it(table: &Table) {
    let binding = binding("key:a", "k-1");
    let scope = Scope::lasting(Duration::from_secs(10));
    let first = look(now(), "first");
    let launching = async {
        table
            .store
            .launch(&launch(1, now()), now(), &first, Some(&binding), &[])
            .await
    };
    let row = written(within(scope.clone(), launching).await.unwrap());
    assert_eq!(scope.counts().store, 1);
    assert_eq!(table.store.application(&id(1), now()).await.unwrap(), Some(row));

    let bound = Bound {
        body_sha256: "b0d1".to_owned(),
        made: id(1).as_str().to_owned(),
    };
    let second = look(after(1), "second");
    let scope = Scope::lasting(Duration::from_secs(10));
    let launching = async {
        table
            .store
            .launch(&launch(2, after(1)), now(), &second, Some(&binding), &[])
            .await
    };
    let again = within(scope.clone(), launching).await.unwrap();
    assert_eq!((again, scope.counts().store), (Launched::Bound(bound.clone()), 1));
    assert_eq!(table.store.application(&id(2), now()).await.unwrap(), None);
    assert_eq!(table.store.binding(&binding, now()).await.unwrap(), Some(bound));
}

async fn ap15_a_key_binds_one_caller_on_one_route(table: &Table) {
    let other_route = Binding {
        route: "launc".to_owned(),
        key: "hk".to_owned(),
        ..binding("open", "")
    };
    for (number, binding) in [
        binding("open", "k"),
        binding("key:a", "k"),
        binding("open", "k2"),
        other_route,
    ]
    .iter()
    .enumerate()
    {
        let look = look(now(), &format!("l/{number}"));
        let launched = table
            .store
            .launch(&launch(number as u16, now()), now(), &look, Some(binding), &[])
            .await;
        written(launched.unwrap());
    }
    assert_eq!(table.kinds().await["application"], 4);
    assert_eq!(table.store.binding(&binding("key:b", "k"), now()).await.unwrap(), None);
}

async fn ap15_an_expired_binding_is_replaced_and_one_that_still_counts_is_not(table: &Table) {
    let binding = binding("open", "k");
    let end = now() + SignedDuration::try_from(limits::IDEMPOTENCY).unwrap();
    let last = end - SignedDuration::from_millis(1);
    let mut made = Vec::new();
    for (number, at) in [now(), last, end].into_iter().enumerate() {
        let look = look(at, &format!("l/{number}"));
        let launched = table
            .store
            .launch(&launch(number as u16, at), at, &look, Some(&binding), &[])
            .await;
        made.push(match launched.unwrap() {
            Launched::Written(row) => row.value.id,
            Launched::Bound(bound) => domain::ApplicationId::parse(&bound.made).unwrap(),
            Launched::Full(counter) => panic!("{counter} is full"),
        });
    }
    assert_eq!(made, [id(0), id(0), id(2)]);
    let bound = table.store.binding(&binding, end).await.unwrap().unwrap();
    assert_eq!(bound.made, id(2).as_str());
    let later = end + SignedDuration::try_from(limits::IDEMPOTENCY).unwrap();
    assert_eq!(table.store.binding(&binding, later).await.unwrap(), None);
}

async fn ap15_sixty_four_launches_with_one_key_make_one_application(table: &Table) {
    let binding = binding("open", "k");
    let launches = (0..64).map(|number| {
        let (table, binding) = (table, &binding);
        async move {
            let look = look(now(), &format!("launcher/{number}"));
            table
                .store
                .launch(&launch(number, now()), now(), &look, Some(binding), &[])
                .await
                .unwrap()
        }
    });
    let launched = futures::future::join_all(launches).await;
    let made: Vec<&str> = launched
        .iter()
        .map(|launched| match launched {
            Launched::Written(row) => row.value.id.as_str(),
            Launched::Bound(bound) => &bound.made,
            Launched::Full(counter) => panic!("{counter} is full"),
        })
        .collect();
    assert_eq!(made.iter().collect::<HashSet<_>>().len(), 1);
    let written = |launched: &&Launched| matches!(launched, Launched::Written(_));
    assert_eq!(launched.iter().filter(written).count(), 1);
    assert_eq!(
        table.kinds().await,
        [("application".to_owned(), 1), ("idempotency".to_owned(), 1)].into()
    );
}
