//! Quotas: places in counters, taken with a launch and given back with its end.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Application, Counted, Counter, Limit, limits};
use futures::{StreamExt, stream};
use net::{Fault, Faults};
use serde_json::{Value, json};
use store::{Binding, Error, Launched, Row, Store};
use tokio::time::Instant;

use crate::support::*;

checks! {
    ap03_a_launch_takes_a_place_under_each_limit_in_its_own_transaction
    w5_a_launch_over_its_limit_writes_nothing
    w5_two_hundred_launches_at_once_fill_a_quota_of_two_hundred_on_a_busy_table
    w5_of_more_launches_than_a_quota_has_places_exactly_as_many_are_let_in
    w5_a_busy_table_lets_in_exactly_as_many_too
    w5_the_last_place_is_found_in_whichever_shard_it_is
    w5_places_that_others_always_take_first_are_busy_and_never_a_full_quota
    w5_a_place_is_given_back_once_however_often_the_end_is_said
    w5_what_a_record_counts_no_more_is_given_back_with_it
    ap15_a_key_that_launched_before_leads_to_it_also_when_the_quota_is_full
    a_launch_of_many_shards_is_spread_over_them
}

fn limit(most: u32) -> Limit {
    let counter = Counter::Template(name("t"));
    Limit { counter, most }
}

fn all(most: u32) -> Limit {
    let counter = Counter::All;
    Limit { counter, most }
}

async fn launch_within(store: &Store, number: u16, limits: &[Limit]) -> Result<Launched, Error> {
    let look = look(now(), &format!("launch/{number}"));
    store.launch(&launch(number, now()), now(), &look, None, limits).await
}

async fn launched_within(table: &Table, number: u16, limits: &[Limit]) -> Row<Application> {
    written(launch_within(&table.store, number, limits).await.unwrap())
}

/// What each shard of each counter counts.
async fn counted(table: &Table) -> HashMap<String, i64> {
    let scan = table.raw.scan().table_name(&table.name).consistent_read(true);
    let rows = scan
        .filter_expression("kind = :quota")
        .expression_attribute_values(":quota", AttributeValue::S("quota".to_owned()));
    let rows = rows.send().await.unwrap().items.unwrap();
    rows.into_iter()
        .map(|row| {
            let key = row["pk"].as_s().unwrap().clone();
            (key, row["n"].as_n().unwrap().parse().unwrap())
        })
        .collect()
}

/// A row in the protocol's own form.
fn as_sent(row: &HashMap<String, AttributeValue>) -> Value {
    row.iter()
        .map(|(name, value)| (name.clone(), value_sent(value)))
        .collect()
}

fn value_sent(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({"S": text}),
        AttributeValue::N(digits) => json!({"N": digits}),
        AttributeValue::L(list) => json!({"L": list.iter().map(value_sent).collect::<Vec<_>>()}),
        AttributeValue::M(map) => json!({"M": as_sent(map)}),
        other => panic!("{other:?}"),
    }
}

async fn sum(table: &Table) -> i64 {
    counted(table).await.values().sum()
}

/// Launches that are under way together.
const AT_ONCE: usize = 64;

/// All of these, so many at once.
async fn at_once<T>(launches: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    stream::iter(launches).buffer_unordered(AT_ONCE).collect().await
}

/// How long a transaction holds what it writes, in life.
const HELD: Duration = Duration::from_millis(10);

/// What life does to many transactions at once: those that meet another's rows are refused, and now and then one finds
/// a table that is too busy.
#[expect(clippy::disallowed_methods, reason = "how long rows are held is mechanical time")]
fn busy() -> Faults {
    let held: Mutex<HashMap<String, Instant>> = Mutex::default();
    let seen = AtomicUsize::new(0);
    Arc::new(move |_, request| {
        if !is(request, "TransactWriteItems") {
            return Fault::Pass;
        }
        let mut held = held.lock().unwrap();
        let sent: Value = serde_json::from_slice(request.body()).unwrap();
        let counters = sent["TransactItems"].as_array().unwrap().iter();
        let counters: Vec<String> = counters
            .map(|part| part["Update"]["Key"]["pk"]["S"].to_string())
            .collect();
        let now = Instant::now();
        let code = match seen.fetch_add(1, Ordering::SeqCst) % 20 {
            7 => "ThrottlingError",
            13 => "ProvisionedThroughputExceeded",
            _ if counters[1..]
                .iter()
                .any(|key| held.get(key).is_some_and(|until| now < *until)) =>
            {
                "TransactionConflict"
            }
            _ => {
                held.extend(counters.into_iter().map(|key| (key, now + HELD)));
                return Fault::Pass;
            }
        };
        let reasons = json!([{"Code": "None"}, {"Code": code}]);
        refusal(
            400,
            "TransactionCanceledException",
            json!({"CancellationReasons": reasons}),
        )
    })
}

async fn ap03_a_launch_takes_a_place_under_each_limit_in_its_own_transaction(table: &Table) {
    let row = launched_within(table, 1, &[limit(1), all(5)]).await;
    let places: Vec<String> = row.value.counted.iter().map(ToString::to_string).collect();
    assert_eq!(places, ["tpl:t#00", "all#00"]);
    let expected = [("QUOTA#tpl:t#00".to_owned(), 1), ("QUOTA#all#00".to_owned(), 1)];
    assert_eq!(counted(table).await, expected.into());
    let stored = table.row("QUOTA#all#00", "QUOTA").await.unwrap();
    assert_eq!(stored["by"].as_s().unwrap(), "launch/1");
    assert_eq!(table.store.application(&id(1), now()).await.unwrap(), Some(row));
}

async fn w5_a_launch_over_its_limit_writes_nothing(table: &Table) {
    assert_eq!(
        launch_within(&table.store, 1, &[all(9), limit(0)]).await.unwrap(),
        Launched::Full(Counter::Template(name("t")))
    );
    assert_eq!(table.kinds().await, HashMap::new());
    launched_within(table, 1, &[all(9), limit(1)]).await;
    let full = launch_within(&table.store, 2, &[all(9), limit(1)]).await.unwrap();
    assert_eq!(full, Launched::Full(Counter::Template(name("t"))));
    assert_eq!(table.store.application(&id(2), now()).await.unwrap(), None);
    assert_eq!(sum(table).await, 2);
}

async fn w5_two_hundred_launches_at_once_fill_a_quota_of_two_hundred_on_a_busy_table(table: &Table) {
    let store = table.failing(busy());
    let limits = [limit(200), all(1_000)];
    let launches = (0..200).map(|number| launch_within(&store, number, &limits));
    for launched in at_once(launches).await {
        written(launched.unwrap());
    }
    let full = launch_within(&table.store, 200, &limits).await.unwrap();
    assert_eq!(full, Launched::Full(Counter::Template(name("t"))));
    assert_eq!((sum(table).await, table.kinds().await["application"]), (400, 200));
}

async fn w5_of_more_launches_than_a_quota_has_places_exactly_as_many_are_let_in(table: &Table) {
    let limits = [limit(200)];
    let launches = (0..260).map(|number| launch_within(&table.store, number, &limits));
    let launched: Vec<Launched> = at_once(launches).await.into_iter().map(Result::unwrap).collect();
    let full = launched.iter().filter(|one| matches!(one, Launched::Full(_))).count();
    assert_eq!((full, table.kinds().await["application"]), (60, 200));
    for (shard, count) in counted(table).await {
        let shard: u16 = shard.rsplit_once('#').unwrap().1.parse().unwrap();
        assert_eq!(count, i64::from(limits[0].share(shard)));
    }
}

async fn w5_a_busy_table_lets_in_exactly_as_many_too(table: &Table) {
    let store = table.failing(busy());
    let limits = [limit(200), all(1_000)];
    let launches = (0..260).map(|number| launch_within(&store, number, &limits));
    let launched: Vec<Launched> = at_once(launches).await.into_iter().map(Result::unwrap).collect();
    let full = launched.iter().filter(|one| matches!(one, Launched::Full(_))).count();
    assert_eq!((full, table.kinds().await["application"]), (60, 200));
    assert_eq!(sum(table).await, 400);
}

async fn w5_the_last_place_is_found_in_whichever_shard_it_is(table: &Table) {
    let limits = [limit(200)];
    for number in 0..200 {
        launched_within(table, number, &limits).await;
    }
    for number in [3, 77, 150, 199] {
        let row = table.store.application(&id(number), now()).await.unwrap().unwrap();
        let freed = row.value.counted[0].clone();
        let look = look(after(1), &format!("finish/{number}"));
        let ended = gone(&row.value, after(1));
        table.store.finish(&row, &ended, &look).await.unwrap();
        let next = launched_within(table, 300 + number, &limits).await;
        assert_eq!(next.value.counted, [freed]);
    }
}

async fn w5_places_that_others_always_take_first_are_busy_and_never_a_full_quota(table: &Table) {
    let injected = first("TransactWriteItems", usize::MAX, || {
        let reasons = json!([{"Code": "None"}, {"Code": "ConditionalCheckFailed"}]);
        refusal(
            400,
            "TransactionCanceledException",
            json!({"CancellationReasons": reasons}),
        )
    });
    let launched = launch_within(&table.failing(injected.faults.clone()), 1, &[limit(5)]).await;
    assert!(matches!(launched, Err(Error::Throttled(_))), "{launched:?}");
    assert_eq!(injected.attempts(), 12);
}

async fn w5_a_place_is_given_back_once_however_often_the_end_is_said(table: &Table) {
    let limits = [limit(3), all(9)];
    launched_within(table, 9, &limits).await;
    let row = launched_within(table, 1, &limits).await;
    let (ended, finishing) = (gone(&row.value, after(1)), look(after(1), "finish"));
    let lossy = table.failing(first("TransactWriteItems", 1, || Fault::LoseAnswer).faults);
    let once = lossy.finish(&row, &ended, &finishing).await.unwrap();
    assert_eq!(once.value.counted, []);
    assert_eq!(sum(table).await, 2);
    assert_eq!(table.store.finish(&row, &ended, &finishing).await.unwrap(), once);
    assert!(
        table
            .store
            .finish(&row, &ended, &look(after(2), "other"))
            .await
            .is_err()
    );
    assert_eq!(sum(table).await, 2);

    // The token of a transaction is forgotten after ten minutes: then only the stamps tell.
    let stored = json!({"Code": "ConditionalCheckFailed", "Item": as_sent(&table.application(&id(1)).await)});
    let forgetful = first("TransactWriteItems", 1, move || {
        let reasons = json!([stored, {"Code": "None"}, {"Code": "None"}]);
        refusal(
            400,
            "TransactionCanceledException",
            json!({"CancellationReasons": reasons}),
        )
    });
    let forgetful = table.failing(forgetful.faults);
    assert_eq!(forgetful.finish(&row, &ended, &finishing).await.unwrap(), once);
}

async fn w5_what_a_record_counts_no_more_is_given_back_with_it(table: &Table) {
    let starts = Limit {
        counter: Counter::Starts(cell()),
        most: 4,
    };
    let row = launched_within(table, 1, &[limit(3), starts]).await;
    let due = store::NextDue {
        at: after(60),
        attempt: 0,
    };
    let deployed = row.value.deployed("u".to_owned(), "h".to_owned(), after(1));
    let row = table
        .store
        .record(&row, &deployed, due, &look(after(1), "deployed"))
        .await
        .unwrap();
    let place = |counter: &str| Counted::try_from(counter.to_owned()).unwrap();
    assert_eq!(row.value.counted, [place("tpl:t#00")]);
    let expected = [("QUOTA#tpl:t#00".to_owned(), 1), ("QUOTA#starts:home#00".to_owned(), 0)];
    assert_eq!(counted(table).await, expected.into());
}

async fn ap15_a_key_that_launched_before_leads_to_it_also_when_the_quota_is_full(table: &Table) {
    let binding = Binding {
        caller: "open".to_owned(),
        route: "launch".to_owned(),
        key: "k".to_owned(),
        body_sha256: "b".to_owned(),
    };
    for (number, most) in [(1, 1), (2, 1), (3, 0)] {
        let look = look(now(), &format!("l/{number}"));
        let launched = table
            .store
            .launch(&launch(number, now()), now(), &look, Some(&binding), &[limit(most)])
            .await
            .unwrap();
        match launched {
            Launched::Written(row) => assert_eq!((number, row.value.id), (1, id(1))),
            Launched::Bound(bound) => assert_eq!(bound.made, id(1).as_str()),
            Launched::Full(counter) => panic!("{counter}"),
        }
    }
    assert_eq!(sum(table).await, 1);
}

async fn a_launch_of_many_shards_is_spread_over_them(table: &Table) {
    let limits = [all(u32::from(limits::QUOTA_SHARDS) * limits::QUOTA_SHARE)];
    for number in 0..96 {
        launched_within(table, number, &limits).await;
    }
    let counted = counted(table).await;
    assert!(
        counted.len() > 20 && counted.values().all(|count| *count < 12),
        "{counted:?}"
    );
}
