//! Short ways to say what is in a table.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use domain::{
    Application, ApplicationId, Cell, CellName, Ended, EndingStep, Lane, Look, Outcome, Reason, State, Template,
    TemplateName,
};
use jiff::{SignedDuration, Timestamp};
use net::{Fault, Faults};
use serde_json::{Value, json};
use store::{Launched, Row};

pub use crate::server::Table;

/// A row that has nothing but its name and its place in shard 0 of the due index.
pub fn due_item(row: &str, second: i64, state: &str) -> HashMap<String, AttributeValue> {
    let (pk, sk) = row.split_once('|').unwrap_or((row, "X"));
    let kind = if row.starts_with("APP#") {
        "application"
    } else {
        "other"
    };
    let texts = [
        ("pk", pk.to_owned()),
        ("sk", sk.to_owned()),
        ("kind", kind.to_owned()),
        ("state", state.to_owned()),
        ("due_since", now().to_string()),
        ("due_part", format!("DUE#{}#00", lane())),
        ("due_key", format!("{:013}#{row}", after(second).as_millisecond())),
    ];
    let texts = texts.map(|(name, text)| (name.to_owned(), AttributeValue::S(text)));
    let version = ("version".to_owned(), AttributeValue::N("1".to_owned()));
    texts.into_iter().chain([version]).collect()
}

/// The instant at which most tests begin.
pub fn now() -> Timestamp {
    "2026-11-21T10:00:00Z".parse().unwrap()
}

pub fn after(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

pub fn look(now: Timestamp, by: &str) -> Look {
    Look { now, by: by.to_owned() }
}

pub fn name(text: &str) -> TemplateName {
    TemplateName::parse(text).unwrap()
}

pub fn template(name: &str) -> Template {
    serde_json::from_value(json!({
        "name": name, "image-name": name, "image-source": "repo/image:1", "command": ["serve", "<port>"],
        "limits": {"cpu": "1", "memory": "512Mi"}, "env": {"A": "b"}, "run-as-user": "image",
        "tolerations": [{"key": "k", "operator": "Exists"}],
    }))
    .unwrap()
}

/// The id with this number. Numbers that differ by a multiple of 16 share their shard.
pub fn id(number: u16) -> ApplicationId {
    let [high, low] = number.to_be_bytes();
    ApplicationId::from_bytes([high, low, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1])
}

pub fn cell() -> CellName {
    CellName::parse("home").unwrap()
}

pub fn lane() -> Lane {
    Lane::Applications(cell())
}

/// A launch of the template `t` at `created`.
pub fn launch(number: u16, created: Timestamp) -> Application {
    launch_of("t", number, created)
}

pub fn launch_of(template_name: &str, number: u16, created: Timestamp) -> Application {
    let cell = Cell {
        name: cell(),
        public_host: "apps.example".to_owned(),
    };
    Application::launch(id(number), &template(template_name), &cell, None, None, created)
}

/// A spare of the template `t`, ready since [`now`].
pub fn spare(number: u16) -> Application {
    Application {
        spare: true,
        ..running(&launch(number, now()))
    }
}

/// The same application, waiting for its pod.
pub fn starting(application: &Application) -> Application {
    Application {
        state: State::Starting {
            namespace_uid: "uid-1".to_owned(),
        },
        waiting: Some(Reason::NotListening { port: 8888 }),
        ..application.clone()
    }
}

/// The same application, answering.
pub fn running(application: &Application) -> Application {
    Application {
        state: State::Running {
            namespace_uid: "uid-1".to_owned(),
            deployed_at: application.created_at,
        },
        location: Some("apps.example/user/x".to_owned()),
        ..application.clone()
    }
}

/// The same application with its tombstone.
pub fn ending(application: &Application, at: Timestamp) -> Application {
    Application {
        state: State::Ending {
            namespace_uid: Some("uid-1".to_owned()),
            ended: ended(at),
            step: EndingStep::Gone,
        },
        run: None,
        ..application.clone()
    }
}

/// The same application, ended.
pub fn gone(application: &Application, at: Timestamp) -> Application {
    Application {
        state: State::Ended { ended: ended(at) },
        run: None,
        waiting: None,
        ..application.clone()
    }
}

fn ended(at: Timestamp) -> Ended {
    Ended {
        outcome: Outcome::Deleted,
        reason: Reason::DeadlinePassed { last: None },
        at,
    }
}

pub fn written(launched: Launched) -> Row<Application> {
    match launched {
        Launched::Written(row) => row,
        Launched::Bound(bound) => panic!("already bound to {}", bound.made),
        Launched::Full(counter) => panic!("{counter} is full"),
    }
}

/// Whether `request` is of this operation.
pub fn is(request: &http::Request<Bytes>, operation: &str) -> bool {
    let target = request.headers().get("x-amz-target").unwrap().to_str().unwrap();
    target.ends_with(&format!(".{operation}"))
}

/// Applies `fault` to the first `times` attempts of `operation`; counts them all.
pub fn first(operation: &'static str, times: usize, fault: impl Fn() -> Fault + Send + Sync + 'static) -> Injected {
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = seen.clone();
    let faults: Faults = Arc::new(move |_, request| {
        if is(request, operation) && counted.fetch_add(1, Ordering::SeqCst) < times {
            fault()
        } else {
            Fault::Pass
        }
    });
    Injected { faults, seen }
}

/// Faults on one operation, and how often that was attempted.
pub struct Injected {
    pub faults: Faults,
    seen: Arc<AtomicUsize>,
}

impl Injected {
    pub fn attempts(&self) -> usize {
        self.seen.load(Ordering::SeqCst)
    }
}

/// An error as DynamoDB answers it.
pub fn refusal(status: u16, code: &str, more: Value) -> Fault {
    let mut body = json!({"__type": format!("com.amazonaws.dynamodb.v20120810#{code}"), "message": "no"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    answer(status, &body)
}

pub fn answer(status: u16, body: &Value) -> Fault {
    let answer = http::Response::builder()
        .status(status)
        .header("content-type", "application/x-amz-json-1.0");
    Fault::Answer(answer.body(Bytes::from(body.to_string())).unwrap())
}
