use super::*;
use crate::fixture::{at, ending, launched, running, starting};
use crate::{ApplicationId, Cell, EndingStep};

const TARGET: &str = "http://10.0.0.1:8888";

fn ready() -> Option<PodState> {
    Some(PodState::Ready {
        target: TARGET.to_owned(),
    })
}

fn namespace() -> Option<NamespaceSeen> {
    Some(NamespaceSeen {
        uid: "u".into(),
        template: Some("t".into()),
        going: false,
    })
}

fn going() -> Option<NamespaceSeen> {
    namespace().map(|namespace| NamespaceSeen {
        going: true,
        ..namespace
    })
}

/// A row with this state's word, in a cell that has all that it should have.
fn whole(state: &str) -> Evidence {
    Evidence {
        row: Some(RowSeen {
            state: state.into(),
            troubled: false,
        }),
        namespace: namespace(),
        pod: ready(),
        route: RouteSeen::To(TARGET.into()),
    }
}

fn decide(row: &Application, evidence: &Evidence) -> Repair {
    repair(Some(row), evidence, &running().cell, at(100))
}

fn ended() -> Application {
    ending(EndingStep::Gone).finished(at(30)).unwrap()
}

fn orphan() -> Application {
    let cell = Cell {
        name: running().cell,
        public_host: "h".into(),
    };
    Application::orphan(
        ApplicationId::from_bytes([7; 16]),
        running().template,
        &cell,
        "u".into(),
        at(0),
    )
}

/// Each way in which a cell can fail to have what runs in it.
fn broken() -> Vec<Evidence> {
    let ended = PodState::Ended {
        message: "Evicted".into(),
    };
    let waiting = PodState::Waiting(Reason::Scheduling);
    let mut all: Vec<Evidence> = [None, Some(ended), Some(waiting)]
        .into_iter()
        .map(|pod| Evidence {
            pod,
            ..whole("running")
        })
        .collect();
    all.extend([None, going()].map(|namespace| Evidence {
        namespace,
        ..whole("running")
    }));
    all
}

#[test]
fn what_agrees_needs_no_further_look() {
    for state in ["running", "orphaned"] {
        let whole = whole(state);
        assert!(whole.matches(), "{state}");
        let unasked = Evidence {
            route: RouteSeen::Unknown,
            ..whole.clone()
        };
        assert!(unasked.matches(), "a proxy that cannot be asked says nothing");
        let unrouted = Evidence {
            route: RouteSeen::Missing,
            ..whole
        };
        assert!(!unrouted.matches());
    }
    assert!(broken().iter().all(|evidence| !evidence.matches()));
    assert!(Evidence::default().matches());
}

#[test]
fn what_is_on_its_way_up_or_down_is_brought_on_by_its_own_time() {
    for (state, row) in [
        ("pending", launched()),
        ("starting", starting()),
        ("ending", ending(EndingStep::Namespace)),
    ] {
        let bare = Evidence {
            namespace: None,
            pod: None,
            route: RouteSeen::Missing,
            ..whole(state)
        };
        for evidence in [bare, whole(state)] {
            assert!(evidence.matches(), "{state}");
            assert_eq!(decide(&row, &evidence), Repair::Nothing, "{state}");
        }
    }
}

#[test]
fn a_namespace_without_a_row_is_adopted() {
    let found = Evidence { row: None, ..whole("") };
    assert!(!found.matches());
    let adopt = |template: &str| Repair::Adopt {
        template: TemplateName::parse(template).unwrap(),
        namespace_uid: "u".into(),
    };
    let repaired = |evidence: &Evidence| repair(None, evidence, &running().cell, at(100));
    assert_eq!(repaired(&found), adopt("t"));
    for said in [None, Some("No template's name".to_owned())] {
        let mut unnamed = found.clone();
        unnamed.namespace.as_mut().unwrap().template = said;
        assert_eq!(repaired(&unnamed), adopt("unknown"));
    }
    let leaving = Evidence {
        namespace: going(),
        ..found
    };
    assert_eq!(repaired(&leaving), Repair::Nothing);
}

#[test]
fn a_route_that_is_all_there_is_of_it_is_judged() {
    let route = Evidence {
        route: RouteSeen::To(TARGET.into()),
        ..Evidence::default()
    };
    assert!(!route.matches());
    assert_eq!(repair(None, &route, &running().cell, at(0)), Repair::UnknownRoute);
}

#[test]
fn what_came_after_the_end_goes_at_once() {
    let late = Evidence { row: None, ..whole("") };
    let clear = |namespace, route| Repair::Clear { namespace, route };
    assert_eq!(decide(&ended(), &late), clear(true, true));
    let unrouted = Evidence {
        route: RouteSeen::Missing,
        ..late.clone()
    };
    assert_eq!(decide(&ended(), &unrouted), clear(true, false));
    let leaving = Evidence {
        namespace: going(),
        ..late
    };
    assert_eq!(decide(&ended(), &leaving), clear(false, true));
}

#[test]
fn a_list_alone_fails_nothing() {
    for evidence in broken() {
        assert_eq!(decide(&running(), &evidence), Repair::Look, "{evidence:?}");
    }
}

#[test]
fn a_route_that_is_missing_or_leads_elsewhere_is_made_again_once_the_pod_is_ready() {
    for route in [RouteSeen::Missing, RouteSeen::To("http://10.9.9.9:80".into())] {
        let evidence = Evidence {
            route,
            ..whole("running")
        };
        let target = TARGET.to_owned();
        assert_eq!(
            decide(&running(), &evidence),
            Repair::MakeRoute { target: target.clone() }
        );
        assert_eq!(decide(&orphan(), &evidence), Repair::MakeRoute { target });
        let starting_again = Evidence {
            pod: Some(PodState::Waiting(Reason::Scheduling)),
            ..evidence
        };
        assert_eq!(decide(&running(), &starting_again), Repair::Look);
    }
}

#[test]
fn what_is_well_again_no_longer_says_otherwise() {
    let troubled = running().troubled(Reason::Scheduling, at(50));
    let mut evidence = whole("running");
    evidence.row.as_mut().unwrap().troubled = true;
    assert!(!evidence.matches());
    assert_eq!(decide(&troubled, &evidence), Repair::Recover);
    let recovered = troubled.recovered(at(60));
    assert_eq!(
        (decide(&recovered, &evidence), recovered.reason()),
        (Repair::Nothing, None)
    );
}

#[test]
fn what_is_of_another_cell_is_left_alone() {
    let elsewhere = CellName::parse("elsewhere").unwrap();
    for evidence in broken() {
        assert_eq!(repair(Some(&running()), &evidence, &elsewhere, at(0)), Repair::Nothing);
    }
}

#[test]
fn an_orphan_that_nobody_can_use_is_judged_after_its_grace_and_not_before() {
    let useless = Evidence {
        pod: None,
        route: RouteSeen::Missing,
        ..whole("orphaned")
    };
    let judged = |evidence: &Evidence, seconds| repair(Some(&orphan()), evidence, &running().cell, at(seconds));
    assert_eq!(judged(&useless, 3_599), Repair::Nothing);
    assert!(matches!(
        judged(&useless, 3_600),
        Repair::UselessOrphan(Reason::OrphanUnused { .. })
    ));
    for route in [RouteSeen::Unknown, RouteSeen::To(TARGET.into())] {
        let usable = Evidence {
            route,
            ..useless.clone()
        };
        assert_eq!(judged(&usable, 3_600), Repair::Nothing);
    }
    let gone = Evidence {
        namespace: None,
        ..useless
    };
    assert_eq!(judged(&gone, 0), Repair::Look);
}

#[test]
fn what_somebody_uses_goes_on_with_a_sick_pod_and_a_spare_does_not() {
    let spare = Application {
        spare: true,
        ..running()
    };
    let waiting = || PodSeen::There(PodState::Waiting(Reason::Scheduling));
    assert_eq!(health(&running(), waiting()), Health::Troubled(Reason::Scheduling));
    assert_eq!(health(&spare, waiting()), Health::Lost(Reason::Scheduling));
    assert_eq!(health(&orphan(), waiting()), Health::Well);
    let target = TARGET.to_owned();
    let well = PodSeen::There(PodState::Ready { target });
    assert_eq!(health(&running(), well), Health::Well);
}

#[test]
fn what_it_ran_in_is_gone_so_it_has_failed() {
    let message = "Evicted".to_owned();
    let ended = PodSeen::There(PodState::Ended {
        message: message.clone(),
    });
    for (seen, reason) in [
        (PodSeen::NamespaceGone, Reason::NamespaceGone),
        (PodSeen::Gone, Reason::PodGone),
        (ended, Reason::PodEnded { message }),
    ] {
        assert_eq!(health(&running(), seen), Health::Lost(reason));
    }
    assert_eq!(
        health(&orphan(), PodSeen::NamespaceGone),
        Health::Lost(Reason::NamespaceGone)
    );
}

#[test]
fn an_answer_that_knows_less_than_half_of_many_is_wrong() {
    let plausible = [(0, 9), (5, 10), (600, 600), (700, 600)];
    assert!(
        plausible
            .iter()
            .all(|(known, expected)| is_plausible(*known, *expected))
    );
    let wrong = [(0, 10), (4, 10), (299, 600)];
    assert!(!wrong.iter().any(|(known, expected)| is_plausible(*known, *expected)));
}

#[test]
fn the_namespace_of_a_preload_that_is_over_goes_after_a_grace() {
    let run = |byte| crate::PreloadRun {
        id: ApplicationId::from_bytes([byte; 16]),
        workload: launched().run.unwrap(),
        started_at: at(0),
    };
    let preload = Preload::new(running().template, running().cell, run(1));
    let done = Preload {
        state: PreloadState::Done { completed: true },
        ..preload.clone()
    };
    let judged = |row: Option<&Preload>, byte, now| {
        let id = ApplicationId::from_bytes([byte; 16]);
        repair_preload(row, &id, "u", at(0), at(now)) != Repair::Nothing
    };
    assert!(!judged(Some(&preload), 1, 99_999), "it is that preload's own");
    for row in [None, Some(&done)] {
        assert_eq!((judged(row, 1, 599), judged(row, 1, 600)), (false, true));
    }
    assert!(judged(Some(&preload), 2, 600), "another one has begun since");
}
