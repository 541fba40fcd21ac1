//! Lists of applications.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Application, ApplicationId, Status, limits};
use jiff::{SignedDuration, Timestamp};
use net::Fault;
use store::{Error, NextDue, Store, Which};

use crate::support::*;

checks! {
    ap05_all_applications_come_once_and_newest_first_whatever_the_page
    ap05_applications_of_a_template_are_its_own_alone
    ap05_a_status_picks_those_that_have_it_living_ending_or_ended
    ap05_the_forgotten_are_not_listed_and_the_remembered_are_however_long_they_lived
    ap05_where_the_index_lags_the_row_says_what_the_status_is
    ap05_an_application_that_ends_while_it_is_listed_is_listed_once
    ap05_a_page_reads_no_more_of_the_past_than_it_needs
    ap05_a_position_that_is_none_is_refused
    ap05_a_page_of_the_greatest_size_is_whole
}

const DAY: i64 = 24 * 60 * 60;

/// Every page of a list, one after the other; checks that each keeps to its limit and that there is an end.
async fn walk(
    store: &Store,
    which: Which<'_>,
    status: Option<Status>,
    limit: usize,
    now: Timestamp,
) -> Vec<Application> {
    let (mut all, mut after) = (Vec::new(), None);
    for _ in 0..500 {
        let page = store
            .applications(which, status, limit, after.as_deref(), now)
            .await
            .unwrap();
        assert!(page.items.len() <= limit);
        all.extend(page.items);
        match page.next {
            Some(next) => {
                assert!(after.is_none_or(|after| after < next), "the list does not move on");
                after = Some(next);
            }
            None => return all,
        }
    }
    panic!("the list has no end");
}

fn ids(applications: &[Application]) -> Vec<ApplicationId> {
    applications.iter().map(|application| application.id.clone()).collect()
}

/// Applications `0..count`, the last the newest, `apart` seconds from one another, every third ended; two templates.
async fn fill(table: &Table, count: u16, apart: i64) -> Vec<Application> {
    let mut newest_first = Vec::new();
    for number in 0..count {
        let created = after(-i64::from(count - number) * apart);
        let application = launch_of(if number % 5 == 0 { "other" } else { "t" }, number, created);
        let row = if number % 3 == 0 {
            table.ended(&application).await
        } else {
            table.launched(&application).await
        };
        newest_first.insert(0, row.value);
    }
    newest_first
}

async fn ap05_all_applications_come_once_and_newest_first_whatever_the_page(table: &Table) {
    // Ninety applications over about nine days.
    let expected = fill(table, 90, 9_000).await;
    for limit in [1, 7, 45, 90, 1000] {
        let all = walk(&table.store, Which::All, None, limit, now()).await;
        assert_eq!(all, expected, "limit {limit}");
    }
}

async fn ap05_applications_of_a_template_are_its_own_alone(table: &Table) {
    let all = fill(table, 40, 60).await;
    for template in ["t", "other", "unheard-of"] {
        let template = name(template);
        let expected: Vec<_> = all.iter().filter(|one| one.template == template).cloned().collect();
        for limit in [1, 6, 100] {
            let listed = walk(&table.store, Which::Template(&template), None, limit, now()).await;
            assert_eq!(ids(&listed), ids(&expected), "{template}, limit {limit}");
        }
    }
}

async fn ap05_a_status_picks_those_that_have_it_living_ending_or_ended(table: &Table) {
    let mut expected = fill(table, 30, 7_200).await;
    let due = NextDue { at: now(), attempt: 0 };
    for number in [1, 4, 7] {
        let id = id(number);
        let row = table.store.application(&id, now()).await.unwrap().unwrap();
        let next = match number {
            1 => starting(&row.value),
            4 => running(&row.value),
            _ => ending(&row.value, now()),
        };
        table
            .store
            .record(&row, &next, due, &look(now(), "change"))
            .await
            .unwrap();
        *expected.iter_mut().find(|one| one.id == id).unwrap() = next;
    }
    let mut met = BTreeSet::new();
    for status in Status::ALL {
        let wanted: Vec<_> = expected.iter().filter(|one| one.status() == status).cloned().collect();
        for limit in [2, 100] {
            let listed = walk(&table.store, Which::All, Some(status), limit, now()).await;
            assert_eq!(ids(&listed), ids(&wanted), "{status:?}, limit {limit}");
        }
        let template = name("t");
        let wanted: Vec<_> = wanted.iter().filter(|one| one.template == template).cloned().collect();
        let listed = walk(&table.store, Which::Template(&template), Some(status), 100, now()).await;
        assert_eq!(ids(&listed), ids(&wanted));
        met.extend((!listed.is_empty()).then_some(status.as_str()));
    }
    assert_eq!(
        met.into_iter().collect::<Vec<_>>(),
        ["deleted", "deployed", "deploying", "pending"]
    );
}

async fn ap05_the_forgotten_are_not_listed_and_the_remembered_are_however_long_they_lived(table: &Table) {
    // It lived as long as one may, and ended one second after it was due.
    let row = table.launched(&launch(1, now())).await;
    let end = now() + SignedDuration::from_millis(limits::MILLIS_MAX as i64) + SignedDuration::from_secs(1);
    table
        .store
        .finish(&row, &gone(&row.value, end), &look(end, "end"))
        .await
        .unwrap();
    let forgotten = end + SignedDuration::try_from(limits::REMEMBER).unwrap();
    let last = forgotten - SignedDuration::from_secs(1);
    let template = name("t");
    for which in [Which::All, Which::Template(&template)] {
        assert_eq!(walk(&table.store, which, None, 10, last).await.len(), 1);
        assert_eq!(walk(&table.store, which, None, 10, forgotten).await.len(), 0);
    }
}

/// Stores `row` as a second row with the same index keys: what a lagging index would still say of the first.
async fn lag(table: &Table, row: &mut HashMap<String, AttributeValue>) {
    row.insert("sk".to_owned(), AttributeValue::S("LAGGING".to_owned()));
    let put = table.raw.put_item().table_name(&table.name);
    put.set_item(Some(row.clone())).send().await.unwrap();
}

async fn ap05_where_the_index_lags_the_row_says_what_the_status_is(table: &Table) {
    table.launched(&launch(1, now())).await;
    let mut stored = table.application(&id(1)).await;
    stored.insert("status".to_owned(), AttributeValue::S("deployed".to_owned()));
    lag(table, &mut stored).await;
    let template = name("t");
    for which in [Which::All, Which::Template(&template)] {
        let deployed = walk(&table.store, which, Some(Status::Deployed), 10, now()).await;
        assert_eq!(deployed, []);
        let pending = walk(&table.store, which, Some(Status::Pending), 10, now()).await;
        assert_eq!(ids(&pending), [id(1)]);
    }
}

async fn ap05_an_application_that_ends_while_it_is_listed_is_listed_once(table: &Table) {
    let rows = fill(table, 4, 60).await;
    let row = table.store.application(&id(1), now()).await.unwrap().unwrap();
    // The index of a real table lags: for a moment it has the row in both places.
    let mut stored = table.application(&id(1)).await;
    table
        .store
        .finish(&row, &gone(&row.value, now()), &look(now(), "end"))
        .await
        .unwrap();
    lag(table, &mut stored).await;
    for limit in [1, 10] {
        let listed = walk(&table.store, Which::All, None, limit, now()).await;
        assert_eq!(ids(&listed), ids(&rows), "limit {limit}");
    }
}

async fn ap05_a_page_reads_no_more_of_the_past_than_it_needs(table: &Table) {
    fill(table, 60, 3_600).await;
    let queries = Arc::new(AtomicUsize::new(0));
    let counted = queries.clone();
    let store = table.failing(Arc::new(move |_, request| {
        counted.fetch_add(usize::from(is(request, "Query")), Ordering::SeqCst);
        Fault::Pass
    }));
    let shards = usize::from(limits::DUE_SHARDS);
    let asked = async |status, limit| {
        queries.store(0, Ordering::SeqCst);
        store
            .applications(Which::All, status, limit, None, now())
            .await
            .unwrap();
        queries.load(Ordering::SeqCst)
    };
    assert_eq!(asked(None, 5).await, shards + 1);
    assert_eq!(asked(Some(Status::Deployed), 1000).await, shards);
    let all = asked(None, 1000).await;
    assert!((shards + 30..=shards + 50).contains(&all), "{all}");
}

async fn ap05_a_position_that_is_none_is_refused(table: &Table) {
    for position in ["", "x", "0000000000000", "-000000000001#a"] {
        let page = table
            .store
            .applications(Which::All, None, 10, Some(position), now())
            .await;
        assert!(matches!(page, Err(Error::Rejected(_))), "{position}: {page:?}");
        let page = table.store.templates(10, Some(position)).await;
        assert!(matches!(page, Err(Error::Rejected(_))), "{position}: {page:?}");
    }
}

async fn ap05_a_page_of_the_greatest_size_is_whole(table: &Table) {
    let count = limits::LIST_MAX as u16 + 5;
    for number in 0..count {
        table.launched(&launch(number, after(-DAY - i64::from(number)))).await;
    }
    let page = table
        .store
        .applications(Which::All, None, limits::LIST_MAX, None, now())
        .await
        .unwrap();
    assert_eq!(
        ids(&page.items),
        (0..limits::LIST_MAX as u16).map(id).collect::<Vec<_>>()
    );
    let rest = table
        .store
        .applications(Which::All, None, limits::LIST_MAX, page.next.as_deref(), now())
        .await;
    assert_eq!(rest.unwrap().items.len(), 5);
}
