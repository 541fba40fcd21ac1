//! What is due.

use domain::{ApplicationId, Due, limits, shard_of};
use jiff::SignedDuration;
use store::NextDue;

use crate::support::*;

/// Ids of one shard.
fn sharing(number: u16) -> ApplicationId {
    id(16 * number)
}

#[tokio::test]
async fn ap06_what_is_due_comes_in_order_page_after_page_and_nothing_else_does() {
    bounded(async {
        let table = Table::new().await;
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
        let ids: Vec<_> = pages.concat().into_iter().map(|due| due.id).collect();
        assert_eq!(ids, (0..rows - 10).map(sharing).collect::<Vec<_>>());
        let other = table.store.due(&lane(), 1, last_due, None).await.unwrap();
        assert_eq!(other.items.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn ap06_the_index_proposes_a_row_as_it_stands() {
    bounded(async {
        let table = Table::new().await;
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
            id: id(3),
            state: "starting".to_owned(),
            version: 2,
            due_at: after(5),
            due_since: now(),
        };
        assert_eq!((page.items, page.next), (vec![expected], None));
    })
    .await;
}

#[tokio::test]
async fn ap06_a_position_at_or_past_the_end_is_an_empty_page() {
    bounded(async {
        let table = Table::new().await;
        table.launched(&launch(0, now())).await;
        let position = format!("{:013}#APP#{}", after(60).as_millisecond(), id(0));
        let page = table.store.due(&lane(), 0, now(), Some(&position)).await.unwrap();
        assert_eq!((page.items.len(), page.next), (0, None));
    })
    .await;
}

#[tokio::test]
async fn a_taken_row_is_not_due_until_its_taker_must_have_died() {
    bounded(async {
        let table = Table::new().await;
        let row = table.launched(&launch(0, now())).await;
        table.store.take(&row, after(30), &look(now(), "t")).await.unwrap();
        assert_eq!(table.store.due(&lane(), 0, after(29), None).await.unwrap().items, []);
        assert_eq!(
            table.store.due(&lane(), 0, after(30), None).await.unwrap().items.len(),
            1
        );
    })
    .await;
}
