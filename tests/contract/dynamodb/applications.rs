//! One application: read, take, record.

use domain::{Status, limits};
use jiff::SignedDuration;
use net::{Scope, within};
use store::{NextDue, WriteError};

use crate::support::*;

checks! {
    ap01_an_application_reads_back_as_it_was_written_in_one_request
    ap01_every_state_reads_back_as_it_was_recorded
    ap01_an_application_is_absent_from_the_second_on_at_which_it_is_forgotten
    a_take_moves_the_deadline_and_counts_as_a_try_until_something_is_recorded
    due_since_stays_while_tries_fail_and_starts_anew_after_a_success
    of_sixty_four_takers_of_a_row_one_wins
    ap08_applications_by_id_are_those_that_there_are_and_are_remembered
    ap05_the_oldest_of_a_template_come_first
    what_is_found_without_a_row_gets_one_and_what_has_one_keeps_it
    a_reported_use_moves_no_deadline
}

async fn ap01_an_application_reads_back_as_it_was_written_in_one_request(table: &Table) {
    let written = table.launched(&launch(1, now())).await;
    let scope = Scope::lasting(std::time::Duration::from_secs(10));
    let read = within(scope.clone(), table.store.application(&id(1), now()))
        .await
        .unwrap();
    assert_eq!(read, Some(written));
    assert_eq!(scope.counts().store, 1);
    assert_eq!(table.store.application(&id(2), now()).await.unwrap(), None);
}

async fn ap01_every_state_reads_back_as_it_was_recorded(table: &Table) {
    let application = launch(1, now());
    let mut row = table.launched(&application).await;
    let states = [
        starting(&application),
        running(&application),
        ending(&application, after(9)),
    ];
    for (step, next) in states.iter().enumerate() {
        let due = NextDue {
            at: after(60),
            attempt: 0,
        };
        row = table
            .store
            .record(&row, next, due, &look(after(1), &format!("s/{step}")))
            .await
            .unwrap();
        let read = table.store.application(&id(1), now()).await.unwrap().unwrap();
        assert_eq!((&read, &read.value), (&row, next));
    }
    row = table
        .store
        .finish(&row, &gone(&application, after(9)), &look(after(10), "end"))
        .await
        .unwrap();
    assert_eq!(row.value.status(), Status::Deleted);
    assert_eq!(table.store.application(&id(1), after(10)).await.unwrap(), Some(row));
}

async fn ap01_an_application_is_absent_from_the_second_on_at_which_it_is_forgotten(table: &Table) {
    let row = table.launched(&launch(1, now())).await;
    table
        .store
        .finish(&row, &gone(&row.value, now()), &look(now(), "end"))
        .await
        .unwrap();
    let end = now() + SignedDuration::try_from(limits::REMEMBER).unwrap();
    let before = end - SignedDuration::from_millis(1);
    assert!(table.store.application(&id(1), before).await.unwrap().is_some());
    assert!(table.store.application(&id(1), end).await.unwrap().is_none());
}

async fn a_take_moves_the_deadline_and_counts_as_a_try_until_something_is_recorded(table: &Table) {
    let row = table.launched(&launch(1, now())).await;
    let taken = table
        .store
        .take(&row, after(30), &look(after(5), "take"))
        .await
        .unwrap();
    assert_eq!((taken.due_at, taken.due_since), (Some(after(30)), Some(now())));
    assert_eq!((taken.version, taken.attempt, &taken.value), (2, 1, &row.value));
    assert_eq!(table.store.application(&id(1), now()).await.unwrap(), Some(taken));
}

async fn due_since_stays_while_tries_fail_and_starts_anew_after_a_success(table: &Table) {
    let row = table.launched(&launch(1, now())).await;
    let due = |seconds, attempt| NextDue {
        at: after(seconds),
        attempt,
    };
    let failed = table
        .store
        .record(&row, &row.value, due(10, 1), &look(after(1), "a"))
        .await
        .unwrap();
    assert_eq!(
        (failed.due_at, failed.due_since, failed.attempt),
        (Some(after(10)), Some(now()), 1)
    );
    let taken = table
        .store
        .take(&failed, after(70), &look(after(11), "b"))
        .await
        .unwrap();
    assert_eq!((taken.due_since, taken.attempt), (Some(now()), 2));
    let failed = table
        .store
        .record(&taken, &row.value, due(20, 2), &look(after(12), "c"))
        .await
        .unwrap();
    assert_eq!((failed.due_since, failed.attempt), (Some(now()), 2));
    let done = table
        .store
        .record(&failed, &starting(&row.value), due(30, 0), &look(after(21), "d"))
        .await
        .unwrap();
    assert_eq!((done.due_since, done.attempt), (Some(after(30)), 0));
    assert_eq!(table.store.application(&id(1), now()).await.unwrap(), Some(done));
}

async fn of_sixty_four_takers_of_a_row_one_wins(table: &Table) {
    for round in 0..4 {
        let row = table.launched(&launch(round, now())).await;
        let looks: Vec<_> = (0..64).map(|taker| look(after(1), &format!("taker/{taker}"))).collect();
        let takes = looks.iter().map(|look| table.store.take(&row, after(30), look));
        let results = futures::future::join_all(takes).await;
        let won: Vec<_> = results.iter().filter_map(|result| result.as_ref().ok()).collect();
        assert_eq!(won.len(), 1);
        let overtaken = |result: &&Result<_, _>| matches!(result, Err(WriteError::Overtaken));
        assert_eq!(results.iter().filter(overtaken).count(), 63);
        assert_eq!(
            table.store.application(&id(round), now()).await.unwrap().as_ref(),
            Some(won[0])
        );
    }
}

async fn ap08_applications_by_id_are_those_that_there_are_and_are_remembered(table: &Table) {
    let living = table.launched(&launch(1, now())).await;
    let ended = table.ended(&launch(2, now())).await;
    let ids = [id(1), id(2), id(3), id(1)];
    let read = table.store.applications_by_id(&ids, after(120)).await.unwrap();
    assert_eq!(read, [(id(1), living.clone()), (id(2), ended)].into());
    let forgotten = after(60) + SignedDuration::try_from(limits::REMEMBER).unwrap();
    let read = table.store.applications_by_id(&ids, forgotten).await.unwrap();
    assert_eq!(read, [(id(1), living)].into());
}

async fn ap05_the_oldest_of_a_template_come_first(table: &Table) {
    for number in 0..5 {
        table.launched(&launch(number, after(-i64::from(number)))).await;
    }
    table.ended(&launch(9, after(-99))).await;
    let oldest = table.store.oldest_of(&name("t"), 3, now()).await;
    let ids: Vec<_> = oldest.unwrap().into_iter().map(|one| one.id).collect();
    assert_eq!(ids, [id(4), id(3), id(2)]);
}

async fn what_is_found_without_a_row_gets_one_and_what_has_one_keeps_it(table: &Table) {
    let found = launch(1, now());
    let adopted = table.store.adopt(&found, after(60), &look(now(), "a")).await.unwrap();
    assert_eq!((adopted.version, adopted.due_at), (1, Some(after(60))));
    let again = table.store.adopt(&found, after(90), &look(now(), "b")).await.unwrap();
    assert_eq!(again, adopted);
    table.ended(&launch(2, now())).await;
    let forgotten = after(60) + SignedDuration::try_from(limits::REMEMBER).unwrap();
    let look = look(forgotten, "c");
    let anew = table
        .store
        .adopt(&launch(2, forgotten), forgotten, &look)
        .await
        .unwrap();
    assert_eq!(anew.value.created_at, forgotten, "a forgotten row counts as absent");
}

async fn a_reported_use_moves_no_deadline(table: &Table) {
    let row = table.launched(&running(&launch(1, now()))).await;
    let failing = NextDue {
        at: after(90),
        attempt: 2,
    };
    let row = table
        .store
        .record(&row, &row.value.held(after(1)), failing, &look(after(1), "r"))
        .await
        .unwrap();
    let used = table
        .store
        .report_use(&row, after(30), &look(after(30), "use"))
        .await
        .unwrap();
    assert_eq!((used.value.used_at, used.value.held_since), (Some(after(30)), None));
    assert_eq!(
        (used.due_at, used.due_since, used.attempt),
        (row.due_at, row.due_since, row.attempt)
    );
    assert_eq!(table.store.application(&id(1), now()).await.unwrap(), Some(used));
    let stale = table.store.report_use(&row, after(31), &look(after(31), "late")).await;
    assert!(matches!(stale, Err(WriteError::Overtaken)), "{stale:?}");
    let ended = table.ended(&launch(2, now())).await;
    let late = table
        .store
        .report_use(&ended, after(99), &look(after(99), "late"))
        .await;
    assert!(matches!(late, Err(WriteError::Overtaken)), "{late:?}");
}
