//! Spares and pools.

use std::collections::HashSet;
use std::time::Duration;

use domain::{Application, Counter, Limit, Outcome, Reason, State, TemplateName};
use futures::future::join_all;
use net::{Fault, Scope, within};
use store::{Binding, Bound, Claimed, NextDue, Row, Which, WriteError};

use crate::support::*;

checks! {
    ap02_a_template_and_its_pool_are_read_by_one_request
    a_pool_is_written_listed_and_deleted_as_it_was_read
    of_many_who_refill_a_pool_one_takes_it
    ap04_only_spares_that_are_ready_and_run_what_the_template_says_are_picked
    ap05_a_spare_is_no_application_until_it_is_taken
    ap04_sixty_four_launches_on_ten_spares_take_ten_different_ones
    ap04_a_claim_binds_its_key_takes_its_places_and_leaves_another_spare
    w5_a_claim_over_its_quota_takes_nothing_and_without_room_in_the_cell_nothing_is_replaced
}

const LATER: NextDue = NextDue {
    at: jiff::Timestamp::UNIX_EPOCH,
    attempt: 0,
};

fn claimed(row: &Row<Application>) -> Application {
    row.value.claimed(&template("t"), None, None, after(5)).unwrap()
}

fn taken(claimed: Claimed) -> Row<Application> {
    match claimed {
        Claimed::Taken(row) => row,
        other => panic!("{other:?}"),
    }
}

fn binding() -> Binding {
    Binding {
        caller: "open".to_owned(),
        route: "launch".to_owned(),
        key: "k".to_owned(),
        body_sha256: "b".to_owned(),
    }
}

fn limit(counter: Counter, most: u32) -> Limit {
    Limit { counter, most }
}

/// Claims one of the spares that are ready, the first that nobody else takes.
async fn claim_any(table: &Table, number: u16) -> Option<Row<Application>> {
    let (cell, template, from) = (cell(), template("t"), id(number));
    let ready = table.store.ready_spares(&cell, &template, &from, after(5)).await;
    for row in ready.unwrap() {
        let look = look(after(5), &format!("claim/{number}/{}", row.value.id));
        let claimed = claimed(&row);
        let tried = table.store.claim(&row, &claimed, LATER, &look, None, &[], None);
        match tried.await {
            Ok(claimed) => return Some(taken(claimed)),
            Err(WriteError::Overtaken) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    None
}

async fn ap02_a_template_and_its_pool_are_read_by_one_request(table: &Table) {
    let read = async || table.store.template_and_pool(&name("t")).await.unwrap();
    assert_eq!(read().await, (None, None));
    table
        .store
        .put_template(&template("t"), &look(now(), "t"))
        .await
        .unwrap();
    let pool = table.store.put_pool(&name("t"), 3, &look(now(), "p")).await.unwrap();
    let scope = Scope::lasting(Duration::from_secs(10));
    let (found, pooled) = within(scope.clone(), read()).await;
    assert_eq!((found.unwrap().name, pooled), (name("t"), Some(pool)));
    assert_eq!(scope.counts().store, 1);
}

async fn a_pool_is_written_listed_and_deleted_as_it_was_read(table: &Table) {
    let store = &table.store;
    for (number, template) in ["c", "a", "b"].iter().enumerate() {
        let look = look(now(), &format!("p/{number}"));
        store.put_pool(&name(template), 1, &look).await.unwrap();
    }
    let first = store.pool(&name("a")).await.unwrap().unwrap();
    let second = store.put_pool(&name("a"), 7, &look(after(1), "again")).await.unwrap();
    assert_eq!((second.version, second.value.size), (2, 7));
    let pools = store.pools(None).await.unwrap().items;
    let names: Vec<TemplateName> = pools.into_iter().map(|row| row.value.template).collect();
    assert_eq!(names, [name("a"), name("b"), name("c")]);

    assert!(matches!(store.delete_pool(&first).await, Err(WriteError::Overtaken)));
    store.delete_pool(&second).await.unwrap();
    store.delete_pool(&second).await.unwrap();
    assert_eq!(store.pool(&name("a")).await.unwrap(), None);
}

async fn of_many_who_refill_a_pool_one_takes_it(table: &Table) {
    let row = table.store.put_pool(&name("t"), 1, &look(now(), "p")).await.unwrap();
    let looks: Vec<_> = (0..16).map(|n| look(after(1), &format!("refill/{n}"))).collect();
    let takes = looks.iter().map(|look| table.store.take_pool(&row, &row.value, look));
    let taken = join_all(takes).await;
    assert_eq!(taken.iter().filter(|taken| taken.is_ok()).count(), 1);
    let overtaken = |taken: &&Result<_, _>| matches!(taken, Err(WriteError::Overtaken));
    assert_eq!(taken.iter().filter(overtaken).count(), 15);
}

async fn ap04_only_spares_that_are_ready_and_run_what_the_template_says_are_picked(table: &Table) {
    let other_image = {
        let mut other = spare(4);
        other.run.as_mut().unwrap().port = 80;
        other
    };
    let starting = Application {
        spare: true,
        ..starting(&launch(3, now()))
    };
    for spare in [spare(1), spare(2), starting, other_image] {
        table.launched(&spare).await;
    }
    table.launched(&running(&launch(5, now()))).await;
    let picked = async |from: u16| -> Vec<_> {
        let (cell, template, from) = (cell(), template("t"), id(from));
        let ready = table.store.ready_spares(&cell, &template, &from, now()).await;
        ready.unwrap().into_iter().map(|row| row.value.id).collect()
    };
    assert_eq!(picked(0).await, [id(1), id(2)]);
    assert_eq!(picked(2).await, [id(2), id(1)]);
    let all = table.store.spares(&name("t"), now()).await.unwrap();
    assert_eq!(all.len(), 4);

    let row = table.store.application(&id(1), now()).await.unwrap().unwrap();
    let tombstone = row.value.entombed(Outcome::Deleted, Reason::SpareNotNeeded, after(1));
    let ending = table
        .store
        .record(&row, &tombstone, LATER, &look(after(1), "end"))
        .await
        .unwrap();
    assert_eq!(picked(0).await, [id(2)]);
    assert_eq!(table.store.spares(&name("t"), now()).await.unwrap().len(), 4);
    let ended = tombstone.finished(after(2)).unwrap();
    table
        .store
        .finish(&ending, &ended, &look(after(2), "finish"))
        .await
        .unwrap();
    assert_eq!(table.store.spares(&name("t"), now()).await.unwrap().len(), 3);
}

async fn ap05_a_spare_is_no_application_until_it_is_taken(table: &Table) {
    let row = table.launched(&spare(1)).await;
    table.ended(&spare(2)).await;
    let t = name("t");
    let listed = async |which: Which<'_>| {
        let page = table.store.applications(which, None, 10, None, after(60)).await;
        page.unwrap().items.len()
    };
    assert_eq!((listed(Which::All).await, listed(Which::Template(&t)).await), (0, 0));
    assert_eq!(table.store.count_live(&t).await.unwrap(), 0);
    let look = look(after(5), "claim");
    let wanted = claimed(&row);
    let claim = table.store.claim(&row, &wanted, LATER, &look, None, &[], None);
    let row = taken(claim.await.unwrap());
    assert_eq!(
        (row.version, row.value.spare, row.value.created_at),
        (2, false, after(5))
    );
    assert_eq!((listed(Which::All).await, listed(Which::Template(&t)).await), (1, 1));
    assert_eq!(table.store.count_live(&t).await.unwrap(), 1);
    assert_eq!(table.store.spares(&t, now()).await.unwrap(), []);
}

async fn ap04_sixty_four_launches_on_ten_spares_take_ten_different_ones(table: &Table) {
    for number in 0..10 {
        table.launched(&spare(1_000 * number)).await;
    }
    let claims = (0..64).map(|number| claim_any(table, 157 * number));
    let taken: Vec<_> = join_all(claims).await.into_iter().flatten().collect();
    let different: HashSet<_> = taken.iter().map(|row| row.value.id.clone()).collect();
    assert_eq!((taken.len(), different.len()), (10, 10));
    assert!(taken.iter().all(|row| row.version == 2));
}

async fn ap04_a_claim_binds_its_key_takes_its_places_and_leaves_another_spare(table: &Table) {
    let (tpl, in_cell) = (Counter::Template(name("t")), Counter::Cell(cell()));
    let limits = [limit(tpl, 5), limit(in_cell, 5)];
    let spare_look = look(now(), "spare");
    let first_spare = spare(1);
    let made = table.store.launch(&first_spare, now(), &spare_look, None, &limits[1..]);
    let row = written(made.await.unwrap());
    let (next, claiming) = (spare(2), look(after(5), "claim"));
    let claim = |limits, lossy: bool| {
        let faults = first("TransactWriteItems", usize::from(lossy), || Fault::LoseAnswer).faults;
        let (table, row, next, claiming) = (table, &row, &next, &claiming);
        async move {
            let store = table.failing(faults);
            let replacement = Some((next, after(9)));
            let (key, wanted) = (binding(), claimed(row));
            let claim = store.claim(row, &wanted, LATER, claiming, Some(&key), limits, replacement);
            claim.await.unwrap()
        }
    };
    let once = taken(claim(&limits, true).await);
    let places: Vec<String> = once.value.counted.iter().map(ToString::to_string).collect();
    assert_eq!(places, ["cell:home#00", "tpl:t#00"]);
    assert_eq!(taken(claim(&limits, false).await), once, "the same claim again");
    let replacement = table.store.application(&id(2), now()).await.unwrap().unwrap();
    assert_eq!(replacement.due_at, Some(after(9)));
    assert_eq!(replacement.value.counted[0].to_string(), "cell:home#00");
    let counted = table.row("QUOTA#cell:home#00", "QUOTA").await.unwrap();
    assert_eq!(counted["n"].as_n().unwrap(), "2");
    let bound = table.store.binding(&binding(), after(6)).await.unwrap();
    assert_eq!(bound.unwrap().made, id(1).as_str());

    // The same key for another spare leads to what it made.
    let other = look(after(7), "other");
    let (key, ready) = (binding(), replacement);
    let ready_claimed = Application {
        spare: false,
        ..ready.value.clone()
    };
    let again = table
        .store
        .claim(&ready, &ready_claimed, LATER, &other, Some(&key), &[], None);
    let expected = Bound {
        body_sha256: "b".to_owned(),
        made: id(1).as_str().to_owned(),
    };
    assert_eq!(again.await.unwrap(), Claimed::Bound(expected));
}

async fn w5_a_claim_over_its_quota_takes_nothing_and_without_room_in_the_cell_nothing_is_replaced(table: &Table) {
    let row = table.launched(&spare(1)).await;
    let (tpl, in_cell) = (Counter::Template(name("t")), Counter::Cell(cell()));
    let look = look(after(5), "claim");
    let next = spare(2);
    let claim = async |limits: [Limit; 2]| {
        let replacement = Some((&next, after(9)));
        let claimed = claimed(&row);
        let claim = table
            .store
            .claim(&row, &claimed, LATER, &look, None, &limits, replacement);
        claim.await.unwrap()
    };
    let full = claim([limit(tpl.clone(), 0), limit(in_cell.clone(), 5)]).await;
    assert_eq!(full, Claimed::Full(tpl.clone()));
    assert_eq!(table.store.application(&id(1), now()).await.unwrap(), Some(row.clone()));
    let other = crate::support::look(now(), "other");
    let one = [limit(in_cell.clone(), 1)];
    let ninth = launch(9, now());
    let filled = table.store.launch(&ninth, now(), &other, None, &one);
    written(filled.await.unwrap());
    let claimed = taken(claim([limit(tpl, 1), limit(in_cell, 1)]).await);
    assert!(matches!(claimed.value.state, State::Running { .. }));
    assert_eq!(table.store.application(&id(2), now()).await.unwrap(), None);
}
