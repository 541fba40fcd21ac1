//! Writes that happen all or not at all.

use std::time::Duration;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, TransactWriteItem};
use futures::future::join_all;
use tokio::time::sleep;

use crate::raw::*;
use crate::server::Table;

checks! {
    a_transaction_writes_all
    a_transaction_that_is_refused_writes_nothing_and_says_why_for_each
    a_transaction_that_is_sent_again_does_nothing_again
    a_token_with_another_transaction_is_refused
    a_token_of_a_transaction_that_failed_may_be_tried_again
    no_transaction_writes_a_row_twice
    a_transaction_has_at_most_a_hundred_writes
    of_sixty_four_transactions_that_make_a_row_one_does
    sixty_four_transactions_count_once_each
}

/// How often a transaction that meets others is tried, and the pause between.
const TRIES: usize = 100;
const PAUSE: Duration = Duration::from_millis(100);

async fn sent(
    table: &Table,
    token: Option<&str>,
    writes: Vec<TransactWriteItem>,
) -> Result<(), TransactWriteItemsError> {
    let request = table.raw.transact_write_items().set_transact_items(Some(writes));
    let sent = request.set_client_request_token(token.map(str::to_owned)).send().await;
    sent.map(drop).map_err(|error| error.into_service_error())
}

fn reasons(refused: Result<(), TransactWriteItemsError>) -> Vec<CancellationReason> {
    match refused {
        Err(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons.expect("reasons")
        }
        other => panic!("not cancelled: {other:?}"),
    }
}

async fn a_transaction_writes_all(table: &Table) {
    table.put(with(key("c"), "n", n(7))).await;
    let writes = vec![
        table.makes(key("a")),
        table.makes(key("b")),
        table.counts(key("c")),
        table.counts(key("d")),
    ];
    sent(table, None, writes).await.unwrap();
    assert!(table.get(key("a")).await.is_some() && table.get(key("b")).await.is_some());
    assert_eq!(table.get(key("c")).await.unwrap()["n"], n(8));
    assert_eq!(table.get(key("d")).await.unwrap()["n"], n(1));
}

async fn a_transaction_that_is_refused_writes_nothing_and_says_why_for_each(table: &Table) {
    let there = with(key("b"), "by", s("another"));
    table.put(there.clone()).await;
    let writes = vec![
        table.counts(key("a")),
        table.makes(with(key("b"), "by", s("me"))),
        table.makes(key("c")),
    ];
    let reasons = reasons(sent(table, None, writes).await);
    let codes: Vec<_> = reasons.iter().map(|reason| reason.code().unwrap()).collect();
    assert_eq!(codes, ["None", "ConditionalCheckFailed", "None"]);
    assert_eq!(reasons[1].item, Some(there.clone()));
    assert!(reasons[0].item.is_none() && reasons[2].item.is_none());
    assert_eq!(table.get(key("a")).await, None);
    assert_eq!(table.get(key("b")).await, Some(there));
    assert_eq!(table.get(key("c")).await, None);
}

async fn a_transaction_that_is_sent_again_does_nothing_again(table: &Table) {
    let token = format!("again-{}", table.name);
    for _ in 0..3 {
        sent(table, Some(&token), vec![table.makes(key("a")), table.counts(key("n"))])
            .await
            .unwrap();
    }
    assert_eq!(table.get(key("n")).await.unwrap()["n"], n(1));
}

async fn a_token_with_another_transaction_is_refused(table: &Table) {
    let token = format!("other-{}", table.name);
    sent(table, Some(&token), vec![table.counts(key("a"))]).await.unwrap();
    let other = sent(table, Some(&token), vec![table.counts(key("b"))]).await;
    assert!(
        matches!(
            other,
            Err(TransactWriteItemsError::IdempotentParameterMismatchException(_))
        ),
        "{other:?}"
    );
    assert_eq!(table.get(key("b")).await, None);
}

async fn a_token_of_a_transaction_that_failed_may_be_tried_again(table: &Table) {
    let token = format!("failed-{}", table.name);
    table.put(key("a")).await;
    let codes = reasons(sent(table, Some(&token), vec![table.makes(key("a"))]).await);
    assert_eq!(codes[0].code(), Some("ConditionalCheckFailed"));
    let delete = table.raw.delete_item().table_name(&table.name).set_key(Some(key("a")));
    delete.send().await.unwrap();
    sent(table, Some(&token), vec![table.makes(key("a"))]).await.unwrap();
    assert!(table.get(key("a")).await.is_some());
}

async fn no_transaction_writes_a_row_twice(table: &Table) {
    let refused = sent(table, None, vec![table.counts(key("a")), table.counts(key("a"))])
        .await
        .unwrap_err();
    assert_eq!(refused.meta().code(), Some("ValidationException"));
    assert_eq!(table.get(key("a")).await, None);
}

async fn a_transaction_has_at_most_a_hundred_writes(table: &Table) {
    let writes = |count: usize| (0..count).map(|row| table.counts(key(&row.to_string()))).collect();
    sent(table, None, writes(100)).await.unwrap();
    let refused = sent(table, None, writes(101)).await.unwrap_err();
    assert_eq!(refused.meta().code(), Some("ValidationException"));
    assert_eq!(table.get(key("99")).await.unwrap()["n"], n(1));
}

async fn of_sixty_four_transactions_that_make_a_row_one_does(table: &Table) {
    let racers = (0..64).map(async |racer| {
        let own = with(key(&format!("own-{racer}")), "racer", n(racer));
        let writes = vec![table.makes(with(key("shared"), "racer", n(racer))), table.makes(own)];
        sent(table, None, writes).await.is_ok().then_some(racer)
    });
    let won: Vec<i32> = join_all(racers).await.into_iter().flatten().collect();
    assert_eq!(won.len(), 1, "{won:?}");
    assert_eq!(table.get(key("shared")).await.unwrap()["racer"], n(won[0]));
    for racer in 0..64 {
        let own = table.get(key(&format!("own-{racer}"))).await;
        assert_eq!(own.is_some(), racer == won[0], "nothing is left of who lost");
    }
}

async fn sixty_four_transactions_count_once_each(table: &Table) {
    let racers = (0..64).map(async |racer| {
        let token = format!("racer-{racer}-{}", table.name);
        let writes = vec![table.makes(key(&token)), table.counts(key("n"))];
        // Who meets another, or hears nothing, comes again with the same token: so a program must.
        for _ in 0..TRIES {
            if sent(table, Some(&token), writes.clone()).await.is_ok() {
                return true;
            }
            sleep(PAUSE).await;
        }
        false
    });
    assert!(join_all(racers).await.into_iter().all(|counted| counted));
    assert_eq!(table.get(key("n")).await.unwrap()["n"], n(64));
}
