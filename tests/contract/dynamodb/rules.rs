//! The write rules.

use std::collections::HashMap;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::limits;
use jiff::SignedDuration;
use net::Fault;
use serde_json::{Value, json};
use store::{Binding, NextDue, WriteError};

use crate::support::*;

checks! {
    w1_every_write_counts_the_version_and_stamps_who_and_when
    w1_a_row_that_has_moved_on_is_written_by_nobody_who_read_it_before
    w1_a_row_that_is_no_more_is_not_made_again
    w2_a_write_whose_answer_was_lost_is_found_to_have_happened_once
    w2_a_keyed_launch_whose_answer_was_lost_is_not_taken_for_anothers
    w2_the_same_step_done_again_is_the_same_success
    w3_a_terminal_write_leaves_no_deadline_and_moves_the_row_to_the_past
    w4_nothing_but_a_terminal_write_and_a_binding_is_ever_forgotten
    a_transaction_of_one_table_is_not_taken_for_that_of_another
    a_row_that_cannot_be_understood_is_an_error_and_not_an_absence
}

const SOON: NextDue = NextDue {
    at: jiff::Timestamp::UNIX_EPOCH,
    attempt: 0,
};

fn text<'a>(row: &'a HashMap<String, AttributeValue>, attribute: &str) -> &'a str {
    row[attribute].as_s().unwrap()
}

async fn w1_every_write_counts_the_version_and_stamps_who_and_when(table: &Table) {
    let row = table.launched(&launch(1, now())).await;
    let taken = table
        .store
        .take(&row, after(30), &look(after(1), "taker"))
        .await
        .unwrap();
    let stored = table.application(&id(1)).await;
    assert_eq!(stored["version"].as_n().unwrap(), "2");
    assert_eq!(
        (text(&stored, "by"), text(&stored, "updated_at")),
        ("taker", "2026-11-21T10:00:01Z")
    );
    let recorded = table
        .store
        .record(&taken, &row.value, SOON, &look(after(2), "recorder"))
        .await
        .unwrap();
    table
        .store
        .finish(&recorded, &gone(&row.value, after(3)), &look(after(3), "finisher"))
        .await
        .unwrap();
    let stored = table.application(&id(1)).await;
    assert_eq!(stored["version"].as_n().unwrap(), "4");
    assert_eq!(
        (text(&stored, "by"), text(&stored, "kind")),
        ("finisher", "application")
    );
}

async fn w1_a_row_that_has_moved_on_is_written_by_nobody_who_read_it_before(table: &Table) {
    let stale = table.launched(&launch(1, now())).await;
    let current = table
        .store
        .take(&stale, after(30), &look(after(1), "taker"))
        .await
        .unwrap();
    let late = look(after(2), "late");
    let results = [
        table.store.take(&stale, after(40), &late).await,
        table.store.record(&stale, &starting(&stale.value), SOON, &late).await,
        table.store.finish(&stale, &gone(&stale.value, after(2)), &late).await,
    ];
    for result in results {
        assert!(matches!(result, Err(WriteError::Overtaken)), "{result:?}");
    }
    assert_eq!(table.store.application(&id(1), now()).await.unwrap(), Some(current));
}

async fn w1_a_row_that_is_no_more_is_not_made_again(table: &Table) {
    let row = table.launched(&launch(1, now())).await;
    let key = AttributeValue::S;
    let delete = table.raw.delete_item().table_name(&table.name);
    let delete = delete
        .key("pk", key(format!("APP#{}", id(1))))
        .key("sk", key("APP".to_owned()));
    delete.send().await.unwrap();
    let taken = table.store.take(&row, after(30), &look(now(), "t")).await;
    assert!(matches!(taken, Err(WriteError::Overtaken)), "{taken:?}");
    assert_eq!(table.store.application(&id(1), now()).await.unwrap(), None);
}

async fn w2_a_write_whose_answer_was_lost_is_found_to_have_happened_once(table: &Table) {
    let lossy = || table.failing(first("PutItem", 1, || Fault::LoseAnswer).faults);
    let (look1, application) = (look(now(), "launch"), launch(1, now()));
    let row = written(lossy().launch(&application, now(), &look1, None, &[]).await.unwrap());
    assert_eq!(row.version, 1);
    let row = lossy().take(&row, after(30), &look(after(1), "take")).await.unwrap();
    assert_eq!(row.version, 2);
    let due = NextDue {
        at: after(60),
        attempt: 0,
    };
    let row = lossy()
        .record(&row, &starting(&application), due, &look(after(2), "record"))
        .await
        .unwrap();
    assert_eq!(row.version, 3);
    let row = lossy()
        .finish(&row, &gone(&application, after(3)), &look(after(3), "finish"))
        .await
        .unwrap();
    assert_eq!(row.version, 4);
    assert_eq!(table.store.application(&id(1), after(3)).await.unwrap(), Some(row));
}

async fn w2_a_keyed_launch_whose_answer_was_lost_is_not_taken_for_anothers(table: &Table) {
    let binding = Binding {
        caller: "open".to_owned(),
        route: "launch".to_owned(),
        key: "k".to_owned(),
        body_sha256: "b".to_owned(),
    };
    let lossy = table.failing(first("TransactWriteItems", 1, || Fault::LoseAnswer).faults);
    let launching = look(now(), "launch");
    let row = written(
        lossy
            .launch(&launch(1, now()), now(), &launching, Some(&binding), &[])
            .await
            .unwrap(),
    );
    assert_eq!(table.store.application(&id(1), now()).await.unwrap(), Some(row.clone()));

    // The token of a transaction is forgotten after ten minutes: then only the stamps tell.
    let forgetful = table.failing(Arc::new(|_, request| {
        let sent: Value = serde_json::from_slice(request.body()).unwrap();
        let writes = sent["TransactItems"].as_array().unwrap().iter();
        let reasons = writes.map(|write| json!({"Code": "ConditionalCheckFailed", "Item": write["Put"]["Item"]}));
        let reasons: Vec<Value> = reasons.collect();
        refusal(
            400,
            "TransactionCanceledException",
            json!({"CancellationReasons": reasons}),
        )
    }));
    let again = forgetful
        .launch(&launch(1, now()), now(), &launching, Some(&binding), &[])
        .await
        .unwrap();
    assert_eq!(written(again), row);
}

async fn w2_the_same_step_done_again_is_the_same_success(table: &Table) {
    let row = table.launched(&launch(1, now())).await;
    let taking = look(after(1), "take");
    let once = table.store.take(&row, after(30), &taking).await.unwrap();
    assert_eq!(table.store.take(&row, after(30), &taking).await.unwrap(), once);
    let later = table
        .store
        .take(&once, after(60), &look(after(2), "other"))
        .await
        .unwrap();
    let again = table.store.take(&row, after(30), &taking).await;
    assert!(matches!(again, Err(WriteError::Overtaken)), "{again:?}");
    assert_eq!(table.store.application(&id(1), now()).await.unwrap(), Some(later));
}

async fn w3_a_terminal_write_leaves_no_deadline_and_moves_the_row_to_the_past(table: &Table) {
    let row = table.launched(&launch(1, now())).await;
    let at = after(24 * 60 * 60);
    let ended = table
        .store
        .finish(&row, &gone(&row.value, at), &look(at, "end"))
        .await
        .unwrap();
    assert_eq!((ended.due_at, ended.due_since, ended.attempt), (None, None, 0));
    let stored = table.application(&id(1)).await;
    assert!(!stored.keys().any(|name| name.starts_with("due_")), "{stored:?}");
    assert_eq!(text(&stored, "list_part"), "APP#t#past");
    assert_eq!(text(&stored, "day_part"), "APP#2026-11-21#00");
    let forget = at + SignedDuration::try_from(limits::REMEMBER).unwrap();
    assert_eq!(stored["forget_at"].as_n().unwrap(), &forget.as_second().to_string());
    for shard in 0..limits::DUE_SHARDS {
        let due = table
            .store
            .due(&lane(), shard, jiff::Timestamp::MAX, None)
            .await
            .unwrap();
        assert_eq!(due.items, []);
    }
}

async fn w4_nothing_but_a_terminal_write_and_a_binding_is_ever_forgotten(table: &Table) {
    let application = launch(1, now());
    let mut row = table.launched(&application).await;
    let states = [
        starting(&application),
        running(&application),
        ending(&application, after(9)),
    ];
    for (step, next) in states.iter().enumerate() {
        row = table
            .store
            .record(&row, next, SOON, &look(after(1), &format!("r/{step}")))
            .await
            .unwrap();
        row = table
            .store
            .take(&row, after(30), &look(after(1), &format!("t/{step}")))
            .await
            .unwrap();
        assert!(
            !table.application(&id(1)).await.contains_key("forget_at"),
            "{}",
            text(&table.application(&id(1)).await, "state")
        );
    }
    table
        .store
        .put_template(&template("t"), &look(now(), "p"))
        .await
        .unwrap();
    assert!(!table.row("TPL#t", "TPL").await.unwrap().contains_key("forget_at"));
}

async fn a_transaction_of_one_table_is_not_taken_for_that_of_another(table: &Table) {
    let other = Table::new(&table.url, &format!("{}-b", table.name)).await;
    let binding = Binding {
        caller: "open".to_owned(),
        route: "launch".to_owned(),
        key: "k".to_owned(),
        body_sha256: "b".to_owned(),
    };
    for (table, created) in [(table, now()), (&other, after(1))] {
        let launch = launch(1, created);
        let launched = table
            .store
            .launch(&launch, now(), &look(now(), "same"), Some(&binding), &[])
            .await;
        assert_eq!(written(launched.unwrap()).value, launch);
    }
}

async fn a_row_that_cannot_be_understood_is_an_error_and_not_an_absence(table: &Table) {
    table.launched(&launch(1, now())).await;
    let mut stored = table.application(&id(1)).await;
    stored.insert("state".to_owned(), AttributeValue::S("unheard-of".to_owned()));
    table
        .raw
        .put_item()
        .table_name(&table.name)
        .set_item(Some(stored))
        .send()
        .await
        .unwrap();
    let read = table.store.application(&id(1), now()).await;
    assert!(matches!(read, Err(store::Error::Corrupt(_))), "{read:?}");
    let listed = table.store.applications(store::Which::All, None, 10, None, now()).await;
    assert!(matches!(listed, Err(store::Error::Corrupt(_))), "{listed:?}");
}
