use serde_json::json;

use super::*;
use crate::fixture::at;

const SHORT: i64 = 10;
const LONG: i64 = 30 * 60;

fn run(image: &str, byte: u8, seconds: i64) -> PreloadRun {
    PreloadRun {
        id: ApplicationId::from_bytes([byte; 16]),
        workload: serde_json::from_value(json!({ "image-source": image })).unwrap(),
        started_at: at(seconds),
    }
}

fn cell(name: &str) -> CellName {
    CellName::parse(name).unwrap()
}

fn pending() -> Preload {
    Preload::new(TemplateName::parse("t").unwrap(), cell("home"), run("i", 1, 0))
}

fn loading() -> Preload {
    pending().loading("u".into())
}

fn nodes<const N: usize>(nodes: [(&str, NodeImage); N]) -> BTreeMap<String, NodeImage> {
    nodes.map(|(name, image)| (name.to_owned(), image)).into()
}

fn telling(preload: Preload) -> (PreloadStatus, Option<String>) {
    let told = preload_told(&[cell("home")], &[preload]).unwrap();
    (told.status, told.error)
}

#[test]
fn each_state_has_its_step() {
    assert_eq!(pending().next_step(at(SHORT)), PreloadStep::MakeNamespace);
    assert_eq!(loading().next_step(at(SHORT)), PreloadStep::Load);
    assert_eq!(loading().given_up(None, at(1)).next_step(at(SHORT)), PreloadStep::Clear);
    assert_eq!(
        loading().given_up(None, at(1)).cleared().next_step(at(SHORT)),
        PreloadStep::Nothing
    );
    assert_eq!(pending().next_step(at(LONG)), PreloadStep::Abandon);
    assert_eq!(loading().next_step(at(LONG)), PreloadStep::Load);
}

#[test]
fn it_is_completed_only_when_every_node_has_reported() {
    use NodeImage::{Pulled, Waiting};
    let one = loading().seen(nodes([("a", Pulled), ("b", Waiting)]), at(1));
    assert_eq!(one.state, loading().state);
    assert_eq!(telling(one.clone()), (PreloadStatus::Loading, None));
    // The first node's pod is gone meanwhile, and a third node has joined.
    let two = one.seen(nodes([("a", Waiting), ("b", Pulled), ("c", Waiting)]), at(2));
    assert_eq!(two.state, loading().state);
    let all = two.seen(nodes([("a", Waiting), ("b", Waiting), ("c", Pulled)]), at(3));
    let uid = Some("u".to_owned());
    let (since, completed) = (at(3), true);
    assert_eq!(
        all.state,
        PreloadState::Clearing {
            namespace_uid: uid,
            since,
            completed
        }
    );
    assert_eq!(telling(all.clone()), (PreloadStatus::Completed, None));
    assert_eq!(telling(all.cleared()), (PreloadStatus::Completed, None));
}

#[test]
fn a_node_that_leaves_is_not_waited_for() {
    let one = loading().seen(nodes([("a", NodeImage::Pulled), ("b", NodeImage::Waiting)]), at(1));
    let left = one.seen(nodes([("a", NodeImage::Pulled)]), at(2));
    assert_eq!(telling(left).0, PreloadStatus::Completed);
}

#[test]
fn a_failing_node_is_named_and_tried_until_the_time_is_over() {
    let seen = || nodes([("a", NodeImage::Pulled), ("b", NodeImage::failing("no such image"))]);
    let failing = loading().seen(seen(), at(1));
    assert_eq!(failing.state, loading().state);
    let named = "Node 'b': no such image.";
    assert_eq!(telling(failing.clone()), (PreloadStatus::Loading, Some(named.into())));
    let over = failing.seen(seen(), at(LONG)).cleared();
    assert_eq!(over.state, PreloadState::Done { completed: false });
    let given_up = format!("Given up. {named} Preload the template again to try again.");
    assert_eq!(telling(over), (PreloadStatus::Loading, Some(given_up)));
}

#[test]
fn it_is_given_up_at_once_when_there_is_nothing_left_to_wait_for() {
    let settled = loading().seen(
        nodes([("a", NodeImage::Pulled), ("b", NodeImage::failed("no room"))]),
        at(1),
    );
    assert!(matches!(settled.state, PreloadState::Clearing { completed: false, .. }));
    let waited_for = loading().seen(
        nodes([("a", NodeImage::Waiting), ("b", NodeImage::failed("no room"))]),
        at(1),
    );
    assert_eq!(waited_for.state, loading().state);
}

#[test]
fn nodes_that_never_reported_are_named_at_the_end() {
    let over = loading().seen(nodes([("a", NodeImage::Waiting)]), at(LONG));
    assert_eq!(
        telling(over).1.unwrap(),
        "Given up. Node 'a' did not report the image within 30 min. Preload the template again to try again."
    );
}

#[test]
fn only_so_many_nodes_are_named_and_served() {
    let failing = |count: usize| {
        let node = |n| (format!("n{n:04}"), NodeImage::failing("no."));
        (0..count).map(node).collect::<BTreeMap<_, _>>()
    };
    let eight = telling(loading().seen(failing(8), at(1))).1.unwrap();
    assert!(eight.ends_with("Node 'n0004': no. So it is with 3 more."), "{eight}");
    let too_many = loading().seen(failing(PRELOAD_NODES_MAX + 1), at(1));
    assert!(too_many.nodes.is_empty());
    let sentence = telling(too_many).1.unwrap();
    assert!(sentence.contains("The template may use 501 nodes"), "{sentence}");
}

#[test]
fn without_a_node_nothing_is_completed() {
    let none = loading().seen(BTreeMap::new(), at(1));
    assert_eq!(none.state, loading().state);
    let (status, error) = telling(none);
    assert_eq!(status, PreloadStatus::Loading);
    assert!(error.unwrap().starts_with("There is no node that the template may use"));
}

#[test]
fn trouble_is_told_while_it_lasts_and_gives_up_when_the_time_is_over() {
    let troubled = pending().troubled(PreloadTrouble::ClusterUnreachable, at(1));
    assert_eq!(troubled.state, PreloadState::Pending);
    assert_eq!(
        telling(troubled.clone()).1.unwrap(),
        "The cluster could not be reached."
    );
    assert_eq!(telling(troubled.loading("u".into())).1, None);
    let over = loading().troubled(PreloadTrouble::ClusterUnreachable, at(LONG));
    assert!(matches!(over.state, PreloadState::Clearing { completed: false, .. }));
    let ending = over.troubled(PreloadTrouble::ClusterUnusable, at(LONG + 9));
    assert!(matches!(ending.state, PreloadState::Clearing { since, .. } if since == at(LONG)));
}

#[test]
fn whoever_asks_for_the_same_joins() {
    let again = run("i", 2, 5);
    for preload in [pending(), loading()] {
        assert_eq!(preload.asked(&again), None);
    }
    let completed = loading().seen(nodes([("a", NodeImage::Pulled)]), at(3));
    let next = completed.asked(&again).unwrap();
    assert_eq!(next.next.as_ref(), Some(&again));
    assert_eq!(telling(next.clone()), (PreloadStatus::Loading, None));
    assert_eq!(next.asked(&run("i", 3, 6)), None);
    let begun = next.cleared();
    assert_eq!(
        (begun.current.clone(), begun.state.clone()),
        (again.clone(), PreloadState::Pending)
    );
    assert!(begun.nodes.is_empty() && begun.next.is_none());
    let anew = completed.cleared().asked(&again).unwrap();
    assert_eq!(anew, begun);
}

#[test]
fn another_workload_takes_the_place_once_the_former_is_removed() {
    let other = run("j", 2, 5);
    let replaced = loading().asked(&other).unwrap();
    assert_eq!(replaced.state, loading().state);
    assert_eq!(replaced.next_step(at(6)), PreloadStep::Abandon);
    let clearing = replaced.given_up(None, at(6));
    assert_eq!(clearing.namespace_uid(), Some("u"));
    assert_eq!(clearing.current.id, pending().current.id);
    let third = clearing.asked(&run("k", 3, 7)).unwrap();
    assert_eq!(third.cleared().current, run("k", 3, 7));
    assert_eq!(clearing.cleared().current, other);
}

#[test]
fn one_whose_namespace_was_taken_away_begins_again_within_its_time() {
    let again = loading().begun_again(at(9));
    assert!(matches!(again.state, PreloadState::Clearing { completed: false, .. }));
    assert_eq!(again.cleared(), pending());
}

#[test]
fn a_namespace_that_was_not_recorded_may_still_come_to_be_for_a_while() {
    assert_eq!(pending().given_up(None, at(6)).makers_done_at(), Some(at(66)));
    assert_eq!(loading().given_up(None, at(6)).makers_done_at(), None);
}

#[test]
fn over_several_cells_it_is_completed_in_all_or_in_none() {
    let (home, away) = (cell("home"), cell("away"));
    let cells = [home, away.clone()];
    assert_eq!(preload_told(&cells, &[]), None);
    let completed = loading().seen(nodes([("a", NodeImage::Pulled)]), at(3));
    let lacking = preload_told(&cells, std::slice::from_ref(&completed)).unwrap();
    assert_eq!((lacking.status, lacking.started_at), (PreloadStatus::Loading, at(0)));
    assert!(
        lacking
            .error
            .unwrap()
            .starts_with("Cell 'away': It was not asked for there yet.")
    );
    let other = Preload {
        cell: away,
        current: run("i", 2, 7),
        ..completed.clone()
    };
    let both = preload_told(&cells, &[completed.clone(), other.clone()]).unwrap();
    assert_eq!(
        (both.status, both.started_at, both.error),
        (PreloadStatus::Completed, at(7), None)
    );
    let failing = Preload {
        state: loading().state,
        nodes: nodes([("b", NodeImage::failing("no."))]),
        ..other
    };
    let one = preload_told(&cells, &[completed, failing]).unwrap();
    assert_eq!(
        (one.status, one.error.unwrap().as_str()),
        (PreloadStatus::Loading, "Cell 'away': Node 'b': no.")
    );
}

#[test]
fn every_state_survives_being_stored() {
    let refused = PreloadTrouble::Refused { message: "no".into() };
    let seen = nodes([("a", NodeImage::Waiting), ("b", NodeImage::failing(&"ä".repeat(500)))]);
    for preload in [
        pending(),
        loading().seen(seen, at(1)),
        loading().given_up(Some(refused), at(1)),
        loading().asked(&run("j", 2, 5)).unwrap(),
        loading().given_up(None, at(1)).cleared(),
    ] {
        let text = serde_json::to_string(&preload).unwrap();
        assert_eq!(serde_json::from_str::<Preload>(&text).unwrap(), preload);
    }
}
