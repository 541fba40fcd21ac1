use super::*;
use crate::fixture::{at, launched, running, starting};

fn template() -> Template {
    serde_json::from_value(serde_json::json!({"name": "t", "image-source": "i"})).unwrap()
}

fn of(size: u32) -> Pool {
    Pool::new(template().name, size)
}

/// `application` as a spare of its own, made at `created`.
fn spare(number: u8, application: Application, created: i64) -> Application {
    Application {
        id: ApplicationId::from_bytes([number; 16]),
        spare: true,
        created_at: at(created),
        ..application
    }
}

fn failed(number: u8, created: i64, when: i64) -> Application {
    spare(number, launched(), created).entombed(Outcome::Failed, Reason::PodGone, at(when))
}

fn ends(refill: &Refill) -> Vec<u8> {
    let first = |id: &ApplicationId| u8::from_str_radix(&id.as_str()[..2], 16).unwrap();
    refill.end.iter().map(first).collect()
}

fn trouble(when: i64, times: u32) -> Option<PoolTrouble> {
    Some(PoolTrouble {
        at: at(when),
        times,
        reason: Reason::PodGone,
    })
}

#[test]
fn what_is_missing_is_made_up_to_a_bound() {
    let made = |size, spares: &[Application]| of(size).refill(Some(&template()), spares, at(9)).make;
    assert_eq!(made(3, &[]), 3);
    assert_eq!(made(3, &[spare(1, running(), 0), spare(2, launched(), 0)]), 1);
    assert_eq!(made(POOL_MAX, &[]), POOL_REFILL_MAX);
    assert_eq!(made(u32::MAX, &[]), POOL_REFILL_MAX);
    assert_eq!(made(1, &[running()]), 1, "what is somebody's is no spare");
}

#[test]
fn of_too_many_go_first_those_that_are_not_ready_the_youngest_then_the_oldest_that_are() {
    let spares = [
        spare(1, running(), 1),
        spare(2, running(), 5),
        spare(3, starting(), 6),
        spare(4, launched(), 7),
    ];
    let end = |size| ends(&of(size).refill(Some(&template()), &spares, at(9)));
    assert_eq!(end(4), [0u8; 0]);
    assert_eq!(end(3), [4]);
    assert_eq!(end(2), [3, 4]);
    assert_eq!(end(1), [1, 3, 4]);
    assert_eq!(end(0), [2, 1, 3, 4]);
}

#[test]
fn a_template_that_changed_replaces_all_spares() {
    let mut changed = template();
    changed.workload.port = 99;
    let refill = of(2).refill(Some(&changed), &[spare(1, running(), 0), spare(2, running(), 0)], at(9));
    assert_eq!((ends(&refill), refill.make), (vec![1, 2], 2));
}

#[test]
fn a_pool_without_a_template_or_a_size_ends_its_spares_and_is_over_when_none_is_left() {
    let spares = [spare(1, running(), 0)];
    for (pool, template) in [(of(2), None), (of(0), Some(template()))] {
        let refill = pool.refill(template.as_ref(), &spares, at(9));
        assert_eq!((ends(&refill), refill.make, refill.is_over), (vec![1], 0, false));
        let ending = [spares[0].entombed(Outcome::Deleted, Reason::SpareNotNeeded, at(9))];
        let refill = pool.refill(template.as_ref(), &ending, at(10));
        assert!(!refill.is_over && !refill.is_needed(&pool), "its spare is still ending");
        assert!(pool.refill(template.as_ref(), &[], at(11)).is_over);
    }
}

#[test]
fn spares_that_keep_failing_are_made_one_at_a_time_and_less_and_less_often() {
    let mut pool = of(5);
    let refill = pool.refill(Some(&template()), &[failed(1, 0, 100), failed(2, 0, 90)], at(100));
    assert_eq!((refill.make, refill.trouble.clone()), (0, trouble(100, 1)));
    assert!(refill.is_needed(&pool), "it is written down");
    pool = pool.taken_for(&refill, at(100));
    assert!(!pool.replaces_at_once());

    let gone: [Application; 0] = [];
    assert_eq!(pool.refill(Some(&template()), &gone, at(159)).make, 0);
    assert_eq!(pool.refill(Some(&template()), &gone, at(160)).make, 1);
    let trying = [spare(3, starting(), 160)];
    assert_eq!(pool.refill(Some(&template()), &trying, at(300)).make, 0);
    let again = pool
        .refill(Some(&template()), &[failed(3, 160, 460)], at(460))
        .trouble
        .unwrap();
    assert_eq!((again.times, again.next_try()), (2, at(460 + 120)));
    let long = trouble(0, 99).unwrap();
    assert_eq!(long.next_try(), at(15 * 60));
}

#[test]
fn one_that_is_ready_and_younger_than_the_failure_ends_the_trouble() {
    let mut pool = of(3);
    pool.trouble = trouble(100, 4);
    let refill = |spares: &[Application]| pool.refill(Some(&template()), spares, at(9_999));
    assert_eq!(
        refill(&[spare(1, running(), 50)]).trouble,
        trouble(100, 4),
        "it is older"
    );
    let over = refill(&[spare(1, running(), 150)]);
    assert_eq!((over.trouble, over.make), (None, 2));
}

#[test]
fn a_template_that_was_written_since_ends_the_trouble() {
    let mut pool = of(2);
    pool.trouble = trouble(100, 4);
    let mended = Template {
        time_modified: Some(at(101)),
        ..template()
    };
    let refill = pool.refill(Some(&mended), &[failed(1, 90, 130)], at(131));
    assert_eq!((refill.trouble, refill.make), (None, 2), "what failed was begun before");
}

#[test]
fn whoever_refills_has_the_pool_to_itself_for_a_while() {
    let pool = of(1);
    let refill = pool.refill(Some(&template()), &[], at(0));
    let taken = pool.taken_for(&refill, at(0));
    assert!(!pool.is_being_refilled(at(0)));
    assert!(taken.is_being_refilled(at(29)) && !taken.is_being_refilled(at(30)));
    let text = serde_json::to_string(&taken).unwrap();
    assert_eq!(serde_json::from_str::<Pool>(&text).unwrap(), taken);
}
