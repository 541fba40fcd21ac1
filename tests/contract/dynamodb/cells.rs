//! What is known of a cell.

use std::time::Duration;

use domain::{Brake, Sweep};
use net::{Fault, Scope, within};
use serde_json::json;
use store::WriteError;

use crate::support::*;

checks! {
    ap07_the_rows_of_a_cell_are_read_by_one_request
    w1_a_brake_that_somebody_else_wrote_is_not_written_over
    w2_a_brake_whose_answer_was_lost_is_written_once
}

fn brake(started: i64) -> Brake {
    serde_json::from_value(json!({"cell": "home", "window_started": after(started)})).unwrap()
}

async fn ap07_the_rows_of_a_cell_are_read_by_one_request(table: &Table) {
    let scope = Scope::lasting(Duration::from_secs(10));
    let none = within(scope.clone(), table.store.cell_rows(&cell())).await.unwrap();
    assert_eq!((none.brake, none.sweep, scope.counts().store), (None, None, 1));
    let brake = table.store.put_brake(None, &brake(0), &look(now(), "b")).await.unwrap();
    let sweep = Sweep::begun(cell(), now());
    let sweep = table.store.put_sweep(None, &sweep, &look(now(), "s")).await.unwrap();
    let rows = table.store.cell_rows(&cell()).await.unwrap();
    assert_eq!((rows.brake, rows.sweep), (Some(brake), Some(sweep)));
}

async fn w1_a_brake_that_somebody_else_wrote_is_not_written_over(table: &Table) {
    let store = &table.store;
    let first = store.put_brake(None, &brake(0), &look(now(), "a")).await.unwrap();
    let absent = store.put_brake(None, &brake(1), &look(now(), "b")).await;
    assert!(matches!(absent, Err(WriteError::Overtaken)), "{absent:?}");
    let second = store
        .put_brake(Some(&first), &brake(2), &look(now(), "c"))
        .await
        .unwrap();
    let stale = store.put_brake(Some(&first), &brake(3), &look(now(), "d")).await;
    assert!(matches!(stale, Err(WriteError::Overtaken)), "{stale:?}");
    assert_eq!(store.cell_rows(&cell()).await.unwrap().brake, Some(second));
}

async fn w2_a_brake_whose_answer_was_lost_is_written_once(table: &Table) {
    let lossy = || table.failing(first("PutItem", 1, || Fault::LoseAnswer).faults);
    let row = lossy().put_brake(None, &brake(0), &look(now(), "a")).await.unwrap();
    let row = lossy()
        .put_brake(Some(&row), &brake(1), &look(now(), "b"))
        .await
        .unwrap();
    assert_eq!(row.version, 2);
    assert_eq!(table.store.cell_rows(&cell()).await.unwrap().brake, Some(row));
}
