//! Tests of the machine through its requests, driven by hand, and of the shell through its socket.

mod access;
mod admission;
mod api;
mod deletion;
mod guests;
mod lists;
mod nodes;
mod pods;
mod shell;
mod updates;
mod workloads;

use bytes::Bytes;
use http::{Method, Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::machine::{Config, Machine, Outcome};
use super::nodes::NodeShape;
use super::watch::Watch;

/// A cluster and its time. Ports of pods open as soon as they are wanted, unless told otherwise.
pub(super) struct Cluster {
    pub(super) machine: Machine,
    pub(super) now: Timestamp,
    pub(super) opens_ports: bool,
}

impl Cluster {
    pub(super) fn new() -> Cluster {
        Cluster::with_nodes(["embedded-1", "embedded-2"].map(NodeShape::large).into())
    }

    pub(super) fn with_nodes(nodes: Vec<NodeShape>) -> Cluster {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let (cluster, token) = ("test".to_owned(), "secret".to_owned());
        let machine = Machine::new(Config {
            cluster,
            started: now,
            token,
            nodes,
            first_address: 0,
            longest_token: None,
        });
        Cluster {
            machine,
            now,
            opens_ports: true,
        }
    }

    pub(super) fn send(&mut self, request: Request<Bytes>) -> Outcome {
        self.machine.handle(self.now, request)
    }

    pub(super) fn request(method: Method, path: &str, content_type: &str, body: &Value) -> Request<Bytes> {
        let body = if body.is_null() {
            Bytes::new()
        } else {
            Bytes::from(body.to_string())
        };
        let builder = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", "Bearer secret");
        builder.header("content-type", content_type).body(body).unwrap()
    }

    pub(super) fn raw(&mut self, method: Method, path: &str, content_type: &str, body: &Value) -> Response<Bytes> {
        match self.send(Cluster::request(method, path, content_type, body)) {
            Outcome::Answer(response) => response,
            Outcome::Watch(_) => panic!("a watch where an answer was expected"),
        }
    }

    pub(super) fn call(&mut self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let response = self.raw(method, path, "application/json", &body);
        let text = String::from_utf8(response.body().to_vec()).unwrap();
        let value = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (response.status().as_u16(), value)
    }

    pub(super) fn get(&mut self, path: &str) -> (u16, Value) {
        self.call(Method::GET, path, Value::Null)
    }

    pub(super) fn post(&mut self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::POST, path, body)
    }

    pub(super) fn put(&mut self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::PUT, path, body)
    }

    pub(super) fn delete(&mut self, path: &str, body: Value) -> (u16, Value) {
        self.call(Method::DELETE, path, body)
    }

    pub(super) fn merge(&mut self, path: &str, body: Value) -> (u16, Value) {
        let response = self.raw(Method::PATCH, path, "application/merge-patch+json", &body);
        (
            response.status().as_u16(),
            serde_json::from_slice(response.body()).unwrap(),
        )
    }

    pub(super) fn watch(&mut self, path: &str) -> Watch {
        match self.send(Cluster::request(Method::GET, path, "", &Value::Null)) {
            Outcome::Watch(watch) => *watch,
            Outcome::Answer(answer) => panic!("{answer:?}"),
        }
    }

    /// Events as (type, name, resourceVersion).
    pub(super) fn events(&self, watch: &mut Watch) -> Vec<(String, String, String)> {
        let field =
            |event: &Value, pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or("").to_owned();
        let lines = self.machine.follow(watch);
        let events = lines.iter().map(|line| serde_json::from_slice::<Value>(line).unwrap());
        events
            .map(|event| {
                let version = field(&event, "/object/metadata/resourceVersion");
                (field(&event, "/type"), field(&event, "/object/metadata/name"), version)
            })
            .collect()
    }

    /// Lets time pass, in steps of a tenth of a second.
    pub(super) fn pass(&mut self, seconds: f64) {
        let until = self.now + SignedDuration::from_secs_f64(seconds);
        while self.now < until {
            self.now += SignedDuration::from_millis(100);
            self.settle();
        }
    }

    fn settle(&mut self) {
        loop {
            self.machine.tick(self.now);
            let before = self.machine.revision();
            let wanted: Vec<String> = self.machine.listeners().map(|listener| listener.pod_uid).collect();
            for uid in wanted.iter().filter(|_| self.opens_ports) {
                self.machine.listening(self.now, uid, Ok(()));
            }
            if self.machine.revision() == before && self.machine.next_tick().is_none_or(|due| due > self.now) {
                break;
            }
        }
    }

    pub(super) fn namespace(&mut self, name: &str) -> Value {
        let (code, namespace) = self.post("/api/v1/namespaces", json!({"metadata": {"name": name}}));
        assert_eq!(code, 201, "{namespace}");
        namespace
    }

    /// Creates a pod of one container in namespace `n`, with more or other fields in its specification.
    pub(super) fn pod(&mut self, name: &str, image: &str, spec: Value) -> Value {
        let mut whole = json!({"containers": [{"name": "c", "image": image}]});
        json_patch::merge(&mut whole, &spec);
        let (code, pod) = self.post(
            "/api/v1/namespaces/n/pods",
            json!({"metadata": {"name": name}, "spec": whole}),
        );
        assert_eq!(code, 201, "{pod}");
        pod
    }

    /// The pod of this name in namespace `n`.
    pub(super) fn seen(&mut self, name: &str) -> Value {
        let (code, pod) = self.get(&format!("/api/v1/namespaces/n/pods/{name}"));
        assert_eq!(code, 200, "{pod}");
        pod
    }
}

/// Status and message of a condition.
pub(super) fn condition<'a>(pod: &'a Value, name: &str) -> (&'a str, &'a str) {
    let found = pod["status"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["type"] == name)
        .unwrap();
    (
        found["status"].as_str().unwrap(),
        found["message"].as_str().unwrap_or(""),
    )
}
