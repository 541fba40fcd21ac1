//! The waiting room.

use domain::{LeaseId, LeaseTime, Line, Ticket, Wish};
use futures::future::join_all;
use store::WriteError;

use crate::clusters::pool;
use crate::support::*;

checks! {
    ap13_those_who_wait_are_read_in_the_lines_order
    ap13_of_many_places_that_one_caller_takes_at_once_one_is
    ap13_a_place_is_kept_and_left_as_it_was_read
}

fn ticket(number: u8, caller: &str, start: u64) -> Ticket {
    Ticket {
        id: LeaseId::from_bytes([number; 16]),
        caller: caller.to_owned(),
        wish: Wish::default(),
        time: LeaseTime::new(60).unwrap(),
        start,
        since: after(i64::from(number)),
        seen_at: after(i64::from(number)),
        granted: None,
    }
}

async fn ap13_those_who_wait_are_read_in_the_lines_order(table: &Table) {
    let store = &table.store;
    for (number, caller, start) in [(1, "a", 0), (2, "b", 12), (3, "c", 0), (4, "d", 2)] {
        let look = look(now(), &format!("join/{number}"));
        store
            .join_line(&pool(), None, &ticket(number, caller, start), &look)
            .await
            .unwrap();
    }
    let tickets = store.tickets(&pool()).await.unwrap();
    let callers: String = tickets.iter().map(|row| row.value.caller.as_str()).collect();
    assert_eq!(callers, "acdb");
    let line = Line::new(tickets.iter().rev().map(|row| row.value.clone()).collect(), after(5));
    let positions = tickets.iter().map(|row| line.position(&row.value.id).unwrap());
    assert_eq!(
        positions.collect::<Vec<_>>(),
        [1, 2, 3, 4],
        "the rules and the keys agree on the order"
    );
}

async fn ap13_of_many_places_that_one_caller_takes_at_once_one_is(table: &Table) {
    let store = &table.store;
    let mut share = None;
    for round in 0..2u8 {
        let looks: Vec<_> = (0..8)
            .map(|number| look(now(), &format!("join/{round}/{number}")))
            .collect();
        let tickets: Vec<_> = (0..8)
            .map(|number| ticket(round * 8 + number, "a", u64::from(round)))
            .collect();
        let pool = pool();
        let tries = looks
            .iter()
            .zip(&tickets)
            .map(|(look, ticket)| store.join_line(&pool, share.as_ref(), ticket, look));
        let (joined, beaten): (Vec<_>, Vec<_>) = join_all(tries).await.into_iter().partition(Result::is_ok);
        assert_eq!((joined.len(), beaten.len()), (1, 7), "{beaten:?}");
        share = store.ticket_share(&pool, "a").await.unwrap();
    }
    assert_eq!(share.unwrap().value.start, 1);
    assert_eq!(store.tickets(&pool()).await.unwrap().len(), 2);
}

async fn ap13_a_place_is_kept_and_left_as_it_was_read(table: &Table) {
    let store = &table.store;
    let first = store
        .join_line(&pool(), None, &ticket(1, "a", 0), &look(now(), "join"))
        .await
        .unwrap();
    let kept = store
        .put_ticket(
            &pool(),
            &first,
            &first.value.asked_again(after(30)),
            &look(after(30), "keep"),
        )
        .await
        .unwrap();
    assert_eq!((kept.value.seen_at, kept.version), (after(30), 2));
    let stale = store.leave_line(&pool(), &first).await;
    assert!(matches!(stale, Err(WriteError::Overtaken)), "{stale:?}");
    store.leave_line(&pool(), &kept).await.unwrap();
    store.leave_line(&pool(), &kept).await.unwrap();
    assert!(store.tickets(&pool()).await.unwrap().is_empty());
}
