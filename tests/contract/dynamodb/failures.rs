//! What life does and no emulator: conflicts, throttling, outages, batches that come back incomplete.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use net::{Fault, Scope, within};
use serde_json::{Value, json};
use store::{Binding, Error, Launched, Store, Which, WriteError};

use crate::support::*;

checks! {
    a_conflicting_transaction_is_tried_patiently_and_then_too_busy
    a_conflicting_transaction_is_not_waited_for_past_the_deadline
    a_failed_condition_beside_a_conflict_decides
    a_single_write_that_meets_a_transaction_is_tried_again
    throttling_is_tried_again_by_the_connection_alone
    an_outage_is_out_of_reach_and_never_an_absence
    an_error_names_no_vendor_and_leads_back_to_the_connections_own
    rows_that_a_batch_leaves_out_are_asked_for_again_a_few_times
    warming_needs_one_request_and_a_table
}

async fn keyed_launch(store: &Store) -> Result<Launched, Error> {
    let binding = Binding {
        caller: "open".to_owned(),
        route: "launch".to_owned(),
        key: "k".to_owned(),
        body_sha256: "b".to_owned(),
    };
    store
        .launch(&launch(1, now()), now(), &look(now(), "l"), Some(&binding), &[])
        .await
}

fn cancelled(codes: [&str; 2]) -> Fault {
    let reasons: Vec<Value> = codes.iter().map(|code| json!({"Code": code})).collect();
    refusal(
        400,
        "TransactionCanceledException",
        json!({"CancellationReasons": reasons}),
    )
}

async fn a_conflicting_transaction_is_tried_patiently_and_then_too_busy(table: &Table) {
    for (codes, failures) in [(["TransactionConflict", "None"], 3), (["None", "ThrottlingError"], 99)] {
        let injected = first("TransactWriteItems", failures, move || cancelled(codes));
        let launched = keyed_launch(&table.failing(injected.faults.clone())).await;
        if failures > 8 {
            assert!(matches!(launched, Err(Error::Throttled(_))), "{launched:?}");
        } else {
            assert_eq!(written(launched.unwrap()).version, 1);
        }
        assert_eq!(injected.attempts(), 9.min(failures + 1));
    }
}

async fn a_conflicting_transaction_is_not_waited_for_past_the_deadline(table: &Table) {
    let injected = first("TransactWriteItems", 99, || cancelled(["TransactionConflict", "None"]));
    let scope = Scope::lasting(Duration::from_millis(300));
    let store = table.failing(injected.faults.clone());
    let launched = within(scope.clone(), keyed_launch(&store)).await;
    assert!(matches!(launched, Err(Error::Throttled(_))), "{launched:?}");
    assert!(injected.attempts() < 9 && !scope.left().is_zero());
}

async fn a_failed_condition_beside_a_conflict_decides(table: &Table) {
    let injected = Arc::new(AtomicUsize::new(0));
    let counted = injected.clone();
    let store = table.failing(Arc::new(move |_, request| {
        counted.fetch_add(1, Ordering::SeqCst);
        let sent: Value = serde_json::from_slice(request.body()).unwrap();
        let mut bound = sent["TransactItems"][1]["Put"]["Item"].clone();
        bound["by"] = json!({"S": "another"});
        bound["made"] = json!({"S": "another's"});
        let reasons = json!([{"Code": "TransactionConflict"}, {"Code": "ConditionalCheckFailed", "Item": bound}]);
        refusal(
            400,
            "TransactionCanceledException",
            json!({"CancellationReasons": reasons}),
        )
    }));
    let launched = keyed_launch(&store).await.unwrap();
    assert!(matches!(launched, Launched::Bound(bound) if bound.made == "another's"));
    assert_eq!(injected.load(Ordering::SeqCst), 1);
}

async fn a_single_write_that_meets_a_transaction_is_tried_again(table: &Table) {
    let row = table.launched(&launch(1, now())).await;
    for (failures, passes) in [(2, true), (3, false)] {
        let conflict = || refusal(400, "TransactionConflictException", json!({}));
        let injected = first("PutItem", failures, conflict);
        let current = table.store.application(&row.value.id, now()).await.unwrap().unwrap();
        let by = format!("take/{failures}");
        let taken = table
            .failing(injected.faults.clone())
            .take(&current, after(30), &look(now(), &by))
            .await;
        assert_eq!(taken.is_ok(), passes, "{taken:?}");
        assert!(passes || matches!(taken, Err(WriteError::Store(Error::Throttled(_)))));
        assert_eq!(injected.attempts(), 3);
    }
}

async fn throttling_is_tried_again_by_the_connection_alone(table: &Table) {
    let injected = first("GetItem", 99, || refusal(400, "ThrottlingException", json!({})));
    let read = table.failing(injected.faults.clone()).template(&name("t")).await;
    assert!(matches!(read, Err(Error::Throttled(_))), "{read:?}");
    assert_eq!(injected.attempts(), net::ATTEMPTS);
}

async fn an_outage_is_out_of_reach_and_never_an_absence(table: &Table) {
    let unavailable = || refusal(500, "InternalServerError", json!({}));
    let faults: [Box<dyn Fn() -> Fault + Send + Sync>; 2] = [Box::new(|| Fault::Refuse), Box::new(unavailable)];
    for fault in faults {
        let out = table.failing(Arc::new(move |_, _| fault()));
        let (all, look) = (Which::All, look(now(), "a"));
        assert!(matches!(out.warm().await, Err(Error::Unavailable(_))));
        assert!(matches!(out.template(&name("t")).await, Err(Error::Unavailable(_))));
        assert!(matches!(
            out.application(&id(1), now()).await,
            Err(Error::Unavailable(_))
        ));
        assert!(matches!(
            out.due(&lane(), 0, now(), None).await,
            Err(Error::Unavailable(_))
        ));
        assert!(matches!(
            out.applications(all, None, 1, None, now()).await,
            Err(Error::Unavailable(_))
        ));
        assert!(matches!(
            out.put_template(&template("t"), &look).await,
            Err(Error::Unavailable(_))
        ));
        assert!(matches!(keyed_launch(&out).await, Err(Error::Unavailable(_))));
    }
}

async fn an_error_names_no_vendor_and_leads_back_to_the_connections_own(table: &Table) {
    let error = table.failing(Arc::new(|_, _| Fault::Refuse)).warm().await.unwrap_err();
    assert_eq!(error.to_string(), "the table is out of reach");
    assert!(matches!(net::Error::find(&error), Some(net::Error::Unreachable(_))));
    let denied = first("GetItem", 1, || refusal(400, "AccessDeniedException", json!({})));
    let error = table.failing(denied.faults.clone()).warm().await.unwrap_err();
    assert!(matches!(error, Error::Rejected(_)), "{error:?}");
    assert_eq!(denied.attempts(), 1);
}

async fn rows_that_a_batch_leaves_out_are_asked_for_again_a_few_times(table: &Table) {
    for number in 0..150 {
        table.launched(&launch(number, after(-i64::from(number)))).await;
    }
    for (failures, passes) in [(2, true), (99, false)] {
        let seen = Arc::new(AtomicUsize::new(0));
        let (counted, called) = (seen.clone(), table.name.clone());
        let store = table.failing(Arc::new(move |_, request| {
            if !is(request, "BatchGetItem") || counted.fetch_add(1, Ordering::SeqCst) >= failures {
                return Fault::Pass;
            }
            let asked: Value = serde_json::from_slice(request.body()).unwrap();
            answer(
                200,
                &json!({"Responses": {&called: []}, "UnprocessedKeys": asked["RequestItems"]}),
            )
        }));
        let page = store.applications(Which::All, None, 150, None, now()).await;
        match page {
            Ok(page) => assert_eq!((page.items.len(), passes), (150, true)),
            Err(error) => assert!(matches!(error, Error::Throttled(_)) && !passes, "{error:?}"),
        }
        assert!(seen.load(Ordering::SeqCst) <= 10, "{seen:?}");
    }
}

async fn warming_needs_one_request_and_a_table(table: &Table) {
    let injected = first("GetItem", 0, || Fault::Pass);
    table.failing(injected.faults.clone()).warm().await.unwrap();
    assert_eq!(injected.attempts(), 1);
    table.raw.delete_table().table_name(&table.name).send().await.unwrap();
    assert!(matches!(table.store.warm().await, Err(Error::Rejected(_))));
}
