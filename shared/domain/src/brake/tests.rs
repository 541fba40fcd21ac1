//! The brake's rulings.

use super::*;
use crate::fixture::at;

fn brake() -> Brake {
    Brake::new(CellName::parse("default").unwrap(), at(0))
}

/// `number` candidates that were judged at `seconds` for the first time.
fn fresh(number: usize, seconds: i64) -> Vec<Suspect> {
    let since = at(seconds);
    vec![Suspect { since, held: false }; number]
}

/// `number` candidates that wait since `seconds`.
fn held(number: usize, seconds: i64) -> Vec<Suspect> {
    let since = at(seconds);
    vec![Suspect { since, held: true }; number]
}

fn counts(living: u64, held: u64) -> Option<Counts> {
    Some(Counts { living, held })
}

fn allowed(ruling: &Ruling) -> usize {
    ruling.may_cull.iter().filter(|may| **may).count()
}

#[test]
fn few_or_a_small_share_are_culled_and_many_wait() {
    // Culled in the window, candidates, living, how many of them may go.
    let cases = [
        (0, 0, 0, 0),
        (0, 20, 20, 20),
        (0, 21, 21, 0),
        (0, 21, 70, 21),
        (0, 21, 69, 0),
        (0, 30, 100, 30),
        (0, 31, 100, 0),
        (20, 1, 80, 1),
        (20, 11, 80, 0),
        (10, 10, 10, 10),
        (20, 1, 3, 0),
        (0, 3_000, 10_000, 3_000),
        (0, 10_000, 10_000, 0),
    ];
    for (culled, candidates, living, may) in cases {
        let brake = Brake { culled, ..brake() };
        let ruling = brake.rule(&fresh(candidates, 60), counts(living, 0), at(60));
        assert_eq!(allowed(&ruling), may, "{culled} {candidates} {living}");
        let waiting = (candidates - may) as u64;
        assert_eq!(ruling.brake.waiting(), waiting);
        assert_eq!(ruling.brake.culled, culled + may as u64, "only what goes is counted");
        assert_eq!(ruling.brake.tripped.is_some(), waiting > 0);
    }
}

#[test]
fn what_lives_is_counted_only_where_it_matters() {
    assert!(!brake().wants_counts(20, at(1)));
    assert!(brake().wants_counts(21, at(1)));
    let culled = Brake { culled: 15, ..brake() };
    assert!(culled.wants_counts(6, at(1)));
    assert!(!culled.wants_counts(6, at(600)), "the window is over");
    let tripped = brake().rule(&fresh(50, 1), counts(50, 0), at(1)).brake;
    assert!(tripped.wants_counts(0, at(2)), "whether it still holds");
}

#[test]
fn a_window_begins_again_when_it_is_over() {
    let first = brake().rule(&fresh(20, 0), None, at(0));
    let second = first.brake.rule(&fresh(20, 599), counts(40, 0), at(599));
    assert_eq!(allowed(&second), 0, "40 of 60 within one window");
    let third = second.brake.rule(&held(20, 599), counts(40, 20), at(600));
    assert_eq!((allowed(&third), third.brake.window_started), (20, at(600)));
    assert!(third.brake.tripped.is_none());
}

#[test]
fn a_trickle_is_not_mistaken_for_a_flood_nor_a_flood_in_parts_for_a_trickle() {
    let mut brake = brake();
    let mut culled = 0;
    for part in 0..10 {
        let ruling = brake.rule(&fresh(10, part), counts(100 - culled, 0), at(part));
        culled += allowed(&ruling) as u64;
        brake = ruling.brake;
    }
    assert_eq!(culled, 30, "thirty of a hundred, however they are parted");
}

#[test]
fn two_reapers_share_one_row() {
    // Each took other applications; whoever reserves second rules over the row that the first has written.
    let first = brake().rule(&fresh(16, 1), None, at(1));
    let second = first.brake.rule(&fresh(16, 1), counts(32, 0), at(1));
    assert_eq!((allowed(&first), allowed(&second)), (16, 0));
    assert_eq!(second.brake.waiting(), 16);
}

#[test]
fn those_that_wait_elsewhere_count_too() {
    let tripped = brake().rule(&fresh(50, 1), counts(50, 0), at(1)).brake;
    let ruling = tripped.rule(&held(3, 1), counts(50, 50), at(301));
    assert_eq!((allowed(&ruling), ruling.brake.waiting()), (0, 50));
    let tripped = ruling.brake.tripped.unwrap();
    assert_eq!((tripped.since, tripped.live), (at(1), 50), "since when stays");
}

#[test]
fn it_lets_go_when_those_that_waited_are_used_again() {
    let tripped = brake().rule(&fresh(50, 1), counts(50, 0), at(1)).brake;
    let ruling = tripped.rule(&[], counts(50, 15), at(301));
    assert!(ruling.brake.tripped.is_none() && ruling.may_cull.is_empty());
}

#[test]
fn a_confirmation_allows_what_was_judged_before_it_and_no_more_than_it_says() {
    let tripped = brake().rule(&fresh(50, 1), counts(50, 0), at(1)).brake;
    let confirmed = tripped.confirmed(at(100), 25);
    let suspects: Vec<Suspect> = [fresh(10, 101), held(35, 50), held(5, 1)].concat();
    let ruling = confirmed.rule(&suspects, counts(60, 40), at(101));
    assert!(ruling.may_cull[..10].iter().all(|may| !may), "judged after it");
    assert!(
        ruling.may_cull[45..].iter().all(|may| *may),
        "the longest judged go first"
    );
    assert_eq!((allowed(&ruling), ruling.brake.waiting()), (25, 25));
    assert_eq!(
        (ruling.brake.confirmed.as_ref(), ruling.brake.culled),
        (None, 0),
        "it is used up"
    );
    let again = ruling.brake.rule(&held(10, 50), counts(35, 25), at(102));
    assert_eq!(allowed(&again), 0);
}

#[test]
fn everything_confirmed_lets_go_of_the_brake_and_leaves_room_for_what_is_ordinary() {
    let tripped = brake().rule(&fresh(50, 1), counts(60, 0), at(1)).brake;
    let ruling = tripped.confirmed(at(2), 500).rule(&held(50, 1), counts(60, 50), at(3));
    assert_eq!((allowed(&ruling), &ruling.brake.tripped), (50, &None));
    let next = ruling.brake.rule(&fresh(2, 4), counts(10, 0), at(4));
    assert_eq!(allowed(&next), 2, "what was confirmed does not count against it");
    assert!(
        next.brake.confirmed.is_none(),
        "and the rest of the word ends with the need for it"
    );
}

#[test]
fn things_without_a_row_are_ruled_on_the_same_row_and_remembered_while_they_wait() {
    let (brake, may) = brake().rule_strays(12, None, at(1));
    assert_eq!((may, brake.culled), (12, 12));
    let (brake, may) = brake.rule_strays(12, counts(30, 0), at(2));
    assert_eq!((may, brake.waiting()), (0, 12));
    let ruling = brake.rule(&fresh(3, 3), counts(30, 0), at(3));
    assert_eq!(
        (allowed(&ruling), ruling.brake.waiting()),
        (0, 15),
        "they count beside others"
    );
    let (brake, may) = ruling.brake.confirmed(at(2), 100).rule_strays(10, counts(30, 3), at(4));
    assert_eq!((may, brake.strays.as_ref()), (10, None), "judged first before the word");
    let forgotten = Brake {
        strays: Some(Strays {
            number: 99,
            since: at(0),
            asked_at: at(0),
        }),
        ..brake
    };
    let ruling = forgotten.rule(&[], counts(30, 0), at(3_600));
    assert_eq!((ruling.brake.tripped, ruling.brake.strays), (None, None));
}

#[test]
fn it_survives_being_stored() {
    let (strays, _) = brake().rule_strays(90, counts(90, 0), at(1));
    let brake = strays.confirmed(at(1), 5);
    let text = serde_json::to_string(&brake).unwrap();
    assert_eq!(serde_json::from_str::<Brake>(&text).unwrap(), brake);
}
