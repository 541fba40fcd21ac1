//! Applications in each state, for the tests of this crate.

use jiff::{SignedDuration, Timestamp};

use crate::{Application, ApplicationId, Cell, CellName, Ended, EndingStep, Outcome, Reason, State, Template};

/// `seconds` after the fixture's launch.
pub(crate) fn at(seconds: i64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
}

/// A launch at `at(0)`: idle after an hour, too old after six.
pub(crate) fn launched() -> Application {
    let template: Template = serde_json::from_value(serde_json::json!({"name": "t", "image-source": "i"})).unwrap();
    let cell = Cell {
        name: CellName::parse("default").unwrap(),
        public_host: "apps.example".into(),
    };
    Application::launch(ApplicationId::from_bytes([7; 16]), &template, &cell, None, None, at(0))
}

pub(crate) fn starting() -> Application {
    Application {
        state: State::Starting {
            namespace_uid: "u".into(),
        },
        ..launched()
    }
}

/// Running since `at(10)`.
pub(crate) fn running() -> Application {
    let state = State::Running {
        namespace_uid: "u".into(),
        deployed_at: at(10),
    };
    Application {
        state,
        location: Some("apps.example/user/x".into()),
        waiting: None,
        ..launched()
    }
}

pub(crate) fn ending(step: EndingStep) -> Application {
    let ended = Ended {
        outcome: Outcome::Deleted,
        reason: Reason::Stopped { by: "a test".into() },
        at: at(20),
    };
    Application {
        state: State::Ending {
            namespace_uid: Some("u".into()),
            ended,
            step,
        },
        ..running()
    }
}
