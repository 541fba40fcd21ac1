//! What is due.

use domain::{ApplicationId, Counts, Due, Lane, Living, State, Subject, limits, shard_of};
use jiff::SignedDuration;
use store::NextDue;

use crate::support::*;

checks! {
    ap06_what_is_due_comes_in_order_page_after_page_and_nothing_else_does
    ap06_the_index_proposes_a_row_as_it_stands
    ap06_a_position_at_or_past_the_end_is_an_empty_page
    a_taken_row_is_not_due_until_its_taker_must_have_died
    ap06_what_waits_under_the_brake_says_so
    ap06_preloads_are_due_beside_applications_and_what_is_unknown_is_skipped
    ap07_the_living_are_counted_without_spares_endings_and_preloads
    ap07_what_runs_and_is_due_first_in_any_shard_is_among_what_ends_next
    ap08_all_that_lives_in_a_shard_is_listed_whenever_it_is_due
    ap08_what_runs_and_is_sick_says_so_and_is_due_when_it_was
}

/// Ids of one shard.
fn sharing(number: u16) -> ApplicationId {
    id(16 * number)
}

async fn ap06_what_is_due_comes_in_order_page_after_page_and_nothing_else_does(table: &Table) {
    let rows = 2 * limits::DUE_PAGE as u16 + 30;
    for number in (0..rows).rev() {
        let due = launch(16 * number, now() + SignedDuration::from_millis(i64::from(number)));
        table.launched(&due).await;
    }
    table.launched(&launch(1, now())).await;
    let last_due = now() + SignedDuration::from_millis(i64::from(rows) - 11);

    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = table.store.due(&lane(), 0, last_due, after.as_deref()).await.unwrap();
        pages.push(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let sizes: Vec<usize> = pages.iter().map(Vec::len).collect();
    assert_eq!(sizes, [limits::DUE_PAGE, limits::DUE_PAGE, 20]);
    let subjects: Vec<_> = pages.concat().into_iter().map(|due| due.subject).collect();
    let expected = (0..rows - 10).map(sharing).map(Subject::Application);
    assert_eq!(subjects, expected.collect::<Vec<_>>());
    let other = table.store.due(&lane(), 1, last_due, None).await.unwrap();
    assert_eq!(other.items.len(), 1);
}

async fn ap06_the_index_proposes_a_row_as_it_stands(table: &Table) {
    let row = table.launched(&launch(3, now())).await;
    let due = NextDue {
        at: after(5),
        attempt: 1,
    };
    table
        .store
        .record(&row, &starting(&row.value), due, &look(after(1), "r"))
        .await
        .unwrap();
    let shard = shard_of(&id(3));
    assert_eq!(table.store.due(&lane(), shard, after(4), None).await.unwrap().items, []);
    let page = table.store.due(&lane(), shard, after(5), None).await.unwrap();
    let expected = Due {
        subject: Subject::Application(id(3)),
        state: "starting".to_owned(),
        version: 2,
        held: false,
        due_at: after(5),
        due_since: now(),
    };
    assert_eq!((page.items, page.next), (vec![expected], None));
}

async fn ap06_a_position_at_or_past_the_end_is_an_empty_page(table: &Table) {
    table.launched(&launch(0, now())).await;
    let position = format!("{:013}#APP#{}", after(60).as_millisecond(), id(0));
    let page = table.store.due(&lane(), 0, now(), Some(&position)).await.unwrap();
    assert_eq!((page.items.len(), page.next), (0, None));
}

async fn a_taken_row_is_not_due_until_its_taker_must_have_died(table: &Table) {
    let row = table.launched(&launch(0, now())).await;
    table.store.take(&row, after(30), &look(now(), "t")).await.unwrap();
    assert_eq!(table.store.due(&lane(), 0, after(29), None).await.unwrap().items, []);
    assert_eq!(
        table.store.due(&lane(), 0, after(30), None).await.unwrap().items.len(),
        1
    );
}

async fn ap06_what_waits_under_the_brake_says_so(table: &Table) {
    let row = table.launched(&running(&launch(1, now()))).await;
    let due = NextDue {
        at: after(5),
        attempt: 0,
    };
    let held = row.value.held(after(1));
    table
        .store
        .record(&row, &held, due, &look(after(1), "hold"))
        .await
        .unwrap();
    let page = table.store.due(&lane(), 1, after(5), None).await.unwrap();
    assert!(page.items[0].held);
}

async fn ap06_preloads_are_due_beside_applications_and_what_is_unknown_is_skipped(table: &Table) {
    table.launched(&launch(0, now())).await;
    let rows = ["TPL#t|PRELOAD#home", "LATER#kind", "TPL#t"].map(str::to_owned);
    table.due_rows(&rows, "loading").await;
    let page = table.store.due(&lane(), 0, after(60), None).await.unwrap();
    let subjects: Vec<_> = page.items.into_iter().map(|due| due.subject).collect();
    let preload = Subject::Preload(name("t"), cell());
    assert_eq!(subjects, [Subject::Application(id(0)), preload]);
    let living = table.store.living(&lane(), 0, None).await.unwrap();
    assert_eq!(living.items.len(), 1);
}

async fn ap07_the_living_are_counted_without_spares_endings_and_preloads(table: &Table) {
    for number in 0..40 {
        table.launched(&launch(number, now())).await;
    }
    for number in 40..43 {
        table.launched(&running(&launch(number, now())).held(now())).await;
    }
    table.launched(&spare(50)).await;
    table.launched(&ending(&launch(51, now()), now()).held(now())).await;
    table.ended(&launch(52, now())).await;
    table.due_rows(&["TPL#t|PRELOAD#home".to_owned()], "loading").await;
    let counts = table.store.count_living(&lane()).await.unwrap();
    assert_eq!(counts, Counts { living: 43, held: 3 });
    assert_eq!(table.store.count_live(&name("t")).await.unwrap(), 44);
    let elsewhere = Lane::Applications(domain::CellName::parse("away").unwrap());
    assert_eq!(table.store.count_living(&elsewhere).await.unwrap(), Counts::default());
}

async fn ap07_what_runs_and_is_due_first_in_any_shard_is_among_what_ends_next(table: &Table) {
    assert_eq!(table.store.next_to_end(&lane(), now()).await.unwrap(), []);
    for number in 0..40 {
        let seconds = i64::from(number % 20) + 5;
        table.launched(&launch(number, after(seconds - 5))).await;
        table.launched(&running(&launch(100 + number, after(seconds)))).await;
    }
    table.launched(&spare(90)).await;
    let next = table.store.next_to_end(&lane(), now()).await.unwrap();
    assert!(next.len() <= 32, "two a shard");
    assert!(
        next.iter()
            .all(|one| matches!(one.state, State::Running { .. }) && !one.spare)
    );
    assert_eq!(next.iter().map(|one| one.created_at).min(), Some(after(5)));
}

async fn ap08_all_that_lives_in_a_shard_is_listed_whenever_it_is_due(table: &Table) {
    let rows: Vec<String> = (0..1_005).map(|number| format!("APP#{}", sharing(number))).collect();
    table.due_rows(&rows, "running").await;
    let first = table.store.living(&lane(), 0, None).await.unwrap();
    let rest = table.store.living(&lane(), 0, first.next.as_deref()).await.unwrap();
    assert_eq!((first.items.len(), rest.items.len(), rest.next), (1_000, 5, None));
    let expected = Living {
        id: sharing(0),
        state: "running".to_owned(),
        version: 1,
        due_at: now(),
        spare: false,
        troubled: false,
    };
    assert_eq!(first.items[0], expected);
}

async fn ap08_what_runs_and_is_sick_says_so_and_is_due_when_it_was(table: &Table) {
    let row = table.launched(&running(&launch(0, now())).recovered(now())).await;
    let is_troubled = async || table.store.living(&lane(), 0, None).await.unwrap().items[0].troubled;
    assert!(!is_troubled().await);
    let sick = row.value.troubled(domain::Reason::PodGone, after(1));
    let sick = table.store.amend(&row, &sick, &look(after(1), "sick")).await.unwrap();
    assert!(is_troubled().await);
    assert_eq!(
        (sick.due_at, sick.due_since, sick.attempt),
        (row.due_at, row.due_since, row.attempt)
    );
    let well = sick.value.recovered(after(2));
    let well = table.store.amend(&sick, &well, &look(after(2), "well")).await.unwrap();
    assert!(!is_troubled().await);
    let late = table.store.amend(&sick, &sick.value, &look(after(3), "late")).await;
    assert!(matches!(late, Err(store::WriteError::Overtaken)));
    assert_eq!(well.version, row.version + 2);
}
