//! What whoever looks does of what is left to be done.

use std::time::Duration;

use api::{
    Code, ENVIRONMENT_CREATE, ENVIRONMENT_DELETE, ENVIRONMENT_PATCH, ENVIRONMENT_READ, ENVIRONMENT_ROTATE, REAPER,
};
use futures::FutureExt;
use serde_json::json;

use super::pending::{Left, Pending};
use super::{environment, key};
use crate::cases::{Case, Here, Setting};
use crate::{Answer, App, Http};

/// What whoever looks at an environment answers while this is left to be done.
macro_rules! look_of {
    ($endpoint:expr, $status:literal, $left:ident, |$app:ident, $door:ident, $pending:ident| $ask:expr) => {
        Case::success(&$endpoint, $status, |$app, $door| {
            async {
                let $pending = Pending::make($app, Left::$left).await;
                $ask.await
            }
            .boxed()
        })
        .only(Here::Outage)
    };
}

/// The same of all that may be left to be done, under the rules that most have and under others.
macro_rules! looks_of {
    ($endpoint:expr, $status:literal, |$app:ident, $door:ident, $pending:ident| $ask:expr) => {
        [
            look_of!($endpoint, $status, Everything, |$app, $door, $pending| $ask).with(Setting::Isolated),
            look_of!($endpoint, $status, Sleep, |$app, $door, $pending| $ask).with(Setting::Isolated),
            look_of!($endpoint, $status, Sleep, |$app, $door, $pending| $ask),
            look_of!($endpoint, $status, Earlier, |$app, $door, $pending| $ask),
        ]
    };
}

/// The answer about an environment whose time is over, to whoever finds that its namespace is gone.
macro_rules! end_of {
    ($endpoint:expr, $code:expr, |$app:ident, $door:ident, $pending:ident| $ask:expr) => {
        Case::refusal(&$endpoint, $code, |$app, $door| {
            async {
                let $pending = Pending::make($app, Left::End).await;
                $ask.await
            }
            .boxed()
        })
        .only(Here::Clock)
    };
}

async fn ask_again(app: &App, door: &Http, pending: &Pending) -> Answer {
    let ask = door.post("/environments").key(key(app));
    ask.header("idempotency-key", &pending.once).json(&pending.asked).await
}

async fn ask_rotate(app: &App, door: &Http, pending: &Pending) -> Answer {
    door.post(&format!("{}/keys", pending.path)).key(key(app)).await
}

async fn ask_patch(app: &App, door: &Http, pending: &Pending) -> Answer {
    let asleep = json!({"asleep": true, "protect": false, "hostNames": []});
    door.patch(&pending.path).key(key(app)).json(&asleep).await
}

pub(super) fn looks() -> Vec<Case> {
    let mut cases = Vec::new();
    let gone = Code::DoesNotExist;
    cases.extend(looks_of!(ENVIRONMENT_READ, 200, |app, door, pending| {
        door.get(&pending.path).key(key(app))
    }));
    cases.extend(looks_of!(ENVIRONMENT_PATCH, 200, |app, door, pending| {
        ask_patch(app, door, &pending)
    }));
    cases.extend(looks_of!(ENVIRONMENT_ROTATE, 200, |app, door, pending| {
        ask_rotate(app, door, &pending)
    }));
    cases.extend(looks_of!(ENVIRONMENT_CREATE, 201, |app, door, pending| {
        ask_again(app, door, &pending)
    }));
    cases.push(end_of!(ENVIRONMENT_READ, gone, |app, door, pending| {
        door.get(&pending.path).key(key(app))
    }));
    cases.push(end_of!(ENVIRONMENT_PATCH, gone, |app, door, pending| {
        ask_patch(app, door, &pending)
    }));
    cases.push(end_of!(ENVIRONMENT_ROTATE, gone, |app, door, pending| {
        ask_rotate(app, door, &pending)
    }));
    cases.push(end_of!(
        ENVIRONMENT_CREATE,
        Code::IdempotencyKeyEnded,
        |app, door, pending| ask_again(app, door, &pending)
    ));
    cases.push(
        Case::success(&ENVIRONMENT_DELETE, 204, |app, door| {
            async {
                let pending = Pending::make(app, Left::End).await;
                door.delete(&pending.path).key(key(app)).await
            }
            .boxed()
        })
        .only(Here::Clock),
    );
    cases.extend(runs());
    cases
}

fn runs() -> Vec<Case> {
    vec![
        Case::run(&REAPER, |app| async { run_over(app, Left::Everything).await }.boxed())
            .with(Setting::Isolated)
            .only(Here::Outage),
        Case::run(&REAPER, |app| async { run_over(app, Left::Sleep).await }.boxed())
            .with(Setting::Isolated)
            .only(Here::Outage),
        Case::run(&REAPER, |app| async { run_over(app, Left::Sleep).await }.boxed()).only(Here::Outage),
        Case::run(&REAPER, |app| async { run_over(app, Left::Earlier).await }.boxed()).only(Here::Outage),
        Case::run(&REAPER, |app| async { run_over(app, Left::End).await }.boxed()).only(Here::Clock),
        Case::run(&REAPER, |app| {
            async {
                environment(app).await;
                // Namespaces and rows are compared every half an hour.
                while app.now().as_second() / 60 % 30 != 0 {
                    app.advance(Duration::from_secs(30)).await;
                }
                "{}"
            }
            .boxed()
        })
        .only(Here::Clock),
    ]
}

async fn run_over(app: &App, left: Left) -> &'static str {
    Pending::make(app, left).await;
    "{}"
}
