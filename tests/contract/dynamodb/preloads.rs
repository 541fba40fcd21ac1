//! Preloads.

use std::sync::Arc;

use domain::{CellName, Due, NodeImage, Preload, PreloadRun, Subject, limits, shard_of};
use futures::future::join_all;
use net::Fault;
use store::{NextDue, WriteError};

use crate::support::*;

checks! {
    ap17_the_preloads_of_a_template_are_read_by_cell_and_stand_beside_it
    ap06_a_preload_is_due_in_the_lane_of_its_cell_until_it_is_over
    w1_of_many_writers_over_one_version_of_a_preload_one_succeeds
    w2_a_preload_whose_answer_was_lost_is_written_once
    a_preload_of_the_most_nodes_fits_into_its_row
}

fn run(number: u16) -> PreloadRun {
    PreloadRun {
        id: id(number),
        workload: template("t").workload,
        started_at: now(),
    }
}

fn preload(number: u16) -> Preload {
    Preload::new(name("t"), cell(), run(number))
}

fn soon(seconds: i64, attempt: u32) -> Option<NextDue> {
    let at = after(seconds);
    Some(NextDue { at, attempt })
}

async fn ap17_the_preloads_of_a_template_are_read_by_cell_and_stand_beside_it(table: &Table) {
    let (here, away) = (cell(), CellName::parse("away").unwrap());
    assert_eq!(table.store.preload(&name("t"), &here).await.unwrap(), None);
    let by = look(now(), "a");
    table.store.put_template(&template("t"), &by).await.unwrap();
    let written = table
        .store
        .put_preload(None, &preload(3), soon(5, 0), &by)
        .await
        .unwrap();
    assert_eq!(
        (written.version, written.due_at, written.due_since),
        (1, Some(after(5)), Some(after(5)))
    );
    let other = Preload {
        cell: away.clone(),
        ..preload(4)
    };
    let other = table.store.put_preload(None, &other, soon(5, 0), &by).await.unwrap();

    assert_eq!(
        table.store.preload(&name("t"), &here).await.unwrap(),
        Some(written.clone())
    );
    let both = table.store.preloads(&name("t"), [&here, &away]).await.unwrap();
    assert!(
        both.len() == 2 && both.contains(&written) && both.contains(&other),
        "{both:?}"
    );
    assert_eq!(table.store.preloads(&name("u"), [&here, &away]).await.unwrap(), []);
    let (found, pool) = table.store.template_and_pool(&name("t")).await.unwrap();
    assert_eq!((found.map(|found| found.name), pool), (Some(name("t")), None));
}

async fn ap06_a_preload_is_due_in_the_lane_of_its_cell_until_it_is_over(table: &Table) {
    let first = table
        .store
        .put_preload(None, &preload(3), soon(5, 0), &look(now(), "a"))
        .await
        .unwrap();
    let seen = preload(3)
        .loading("u".into())
        .seen([("n".into(), NodeImage::Waiting)].into(), now());
    let taken = table
        .store
        .put_preload(Some(&first), &seen, soon(60, 1), &look(after(6), "b"))
        .await
        .unwrap();
    assert_eq!((taken.version, taken.attempt, taken.due_since), (2, 1, Some(after(5))));
    let shard = shard_of(&id(3));
    assert_eq!(
        table.store.due(&lane(), shard, after(59), None).await.unwrap().items,
        []
    );
    let due = table.store.due(&lane(), shard, after(60), None).await.unwrap().items;
    let expected = Due {
        subject: Subject::Preload(name("t"), cell()),
        state: "loading".to_owned(),
        version: 2,
        held: false,
        due_at: after(60),
        due_since: after(5),
    };
    assert_eq!(due, [expected]);

    let over = seen.given_up(None, after(61)).cleared();
    let over = table
        .store
        .put_preload(Some(&taken), &over, None, &look(after(61), "c"))
        .await
        .unwrap();
    assert_eq!((over.due_at, over.due_since), (None, None));
    assert_eq!(
        table.store.due(&lane(), shard, after(9_999), None).await.unwrap().items,
        []
    );
    assert_eq!(table.store.preload(&name("t"), &cell()).await.unwrap(), Some(over));
}

async fn w1_of_many_writers_over_one_version_of_a_preload_one_succeeds(table: &Table) {
    let looks: Vec<_> = (0..8).map(|n| look(now(), &format!("writer/{n}"))).collect();
    let next = preload(3);
    let mut old = None;
    for _ in 0..2 {
        let puts = looks
            .iter()
            .map(|look| table.store.put_preload(old.as_ref(), &next, soon(60, 1), look));
        let (written, beaten): (Vec<_>, Vec<_>) = join_all(puts).await.into_iter().partition(Result::is_ok);
        assert_eq!((written.len(), beaten.len()), (1, 7));
        assert!(
            beaten.iter().all(|one| matches!(one, Err(WriteError::Overtaken))),
            "{beaten:?}"
        );
        old = written.into_iter().next().and_then(Result::ok);
    }
}

async fn w2_a_preload_whose_answer_was_lost_is_written_once(table: &Table) {
    let losing = table.failing(Arc::new(|_, request| {
        if is(request, "PutItem") {
            Fault::LoseAnswer
        } else {
            Fault::Pass
        }
    }));
    let by = look(now(), "a");
    losing
        .put_preload(None, &preload(3), soon(5, 0), &by)
        .await
        .unwrap_err();
    let again = table
        .store
        .put_preload(None, &preload(3), soon(5, 0), &by)
        .await
        .unwrap();
    assert_eq!(again.version, 1);
}

async fn a_preload_of_the_most_nodes_fits_into_its_row(table: &Table) {
    let node = |n: usize| (format!("{n:0253}"), NodeImage::failing(&"ä".repeat(999)));
    let seen = preload(3)
        .loading("u".into())
        .seen((0..limits::PRELOAD_NODES_MAX).map(node).collect(), now());
    let written = table
        .store
        .put_preload(None, &seen, soon(5, 0), &look(now(), "a"))
        .await
        .unwrap();
    assert_eq!(written.value.nodes.len(), limits::PRELOAD_NODES_MAX);
}
