//! A whole installation in this process.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use local::{Adapter, Advanced, Options, Ready};
use serde_json::{Value, json};

use crate::{Answer, Ask, Http, Outages, in_time};

/// Between two looks at an application that is on its way.
const PACE: Duration = Duration::from_secs(2);
/// Looks at an application before it is given up: over five minutes, which is all that a launch gets.
const LOOKS_MAX: usize = 200;

/// A whole installation: embedded parts on free ports, nothing kept, the reaper only when told.
pub struct App {
    adapter: Adapter,
    ready: Ready,
    http: Http,
    outages: Outages,
    log: Arc<Mutex<Vec<Value>>>,
}

/// What a launch was answered with.
#[derive(Clone, Debug)]
pub struct Launched {
    /// The template.
    pub template: String,
    /// The application's id.
    pub id: String,
    /// The token with which it can be stopped.
    pub token: String,
}

impl Launched {
    /// The path of the application.
    pub fn path(&self) -> String {
        format!("/applications/{}/{}", self.template, self.id)
    }
}

impl App {
    /// Starts an installation and gives it to `test`, for at most [`crate::TEST_MAX`] together.
    pub async fn run(test: impl AsyncFnOnce(&App)) {
        Self::run_with(&[], test).await;
    }

    /// As [`App::run`], with `LAYBY_…` variables.
    pub async fn run_with(variables: &[(&str, &str)], test: impl AsyncFnOnce(&App)) {
        let mut options = Options::embedded();
        let variables = variables.iter();
        options.variables = variables
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        in_time(async {
            let app = Self::start(options).await;
            Box::pin(test(&app)).await;
            Box::pin(app.adapter.stop()).await;
        })
        .await;
    }

    /// Starts an installation whose log lines are kept and whose parts can be put out of reach; where `options` say
    /// otherwise in `log` or `net`, this goes before them.
    pub async fn start(mut options: Options) -> Self {
        let (log, outages) = (Arc::new(Mutex::new(Vec::new())), Outages::default());
        let kept = Arc::clone(&log);
        options.log = Arc::new(move |line| kept.lock().unwrap().push(serde_json::to_value(line).unwrap()));
        options.net = outages.settings();
        // A task of its own, because it nests deeply, and the stacks of tests are small.
        let started = tokio::spawn(Adapter::start(options)).await.unwrap();
        let adapter = started.unwrap_or_else(|error| panic!("{error}"));
        let ready = adapter.ready();
        let http = Http::new(&ready.api);
        Self {
            adapter,
            ready,
            http,
            outages,
            log,
        }
    }

    /// Stops everything, and returns once its ports and files are free.
    pub async fn stop(self) {
        self.adapter.stop().await;
    }

    /// The adapter itself.
    pub fn adapter(&self) -> &Adapter {
        &self.adapter
    }

    /// Addresses and keys.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The client of the API.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// What can be put out of reach.
    pub fn outages(&self) -> &Outages {
        &self.outages
    }

    /// A key with the scope `admin`.
    pub fn admin(&self) -> &str {
        &self.ready.keys["admin"]
    }

    /// A key with the scope `apps`.
    pub fn apps(&self) -> &str {
        &self.ready.keys["apps"]
    }

    /// The log lines so far.
    pub fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap().clone()
    }

    /// Domain time.
    pub fn now(&self) -> Timestamp {
        self.adapter.clock().now()
    }

    /// A request, to be sent by awaiting it.
    pub fn ask(&self, method: Method, path: &str) -> Ask {
        self.http.ask(method, path)
    }

    /// `GET path`.
    pub fn get(&self, path: &str) -> Ask {
        self.http.get(path)
    }

    /// `POST path`.
    pub fn post(&self, path: &str) -> Ask {
        self.http.post(path)
    }

    /// `PUT path`.
    pub fn put(&self, path: &str) -> Ask {
        self.http.put(path)
    }

    /// `DELETE path`.
    pub fn delete(&self, path: &str) -> Ask {
        self.http.delete(path)
    }

    /// Winds the clock.
    pub async fn advance(&self, by: Duration) {
        assert_ne!(self.adapter.advance(by).await, Advanced::Refused);
    }

    /// Runs the reaper once, and gives its report.
    pub async fn reap(&self) -> Value {
        self.post("/_local/reap").await.expect(200)
    }

    /// Writes a template that runs `image`.
    pub async fn template(&self, name: &str, image: &str) {
        self.template_of(name, &json!({ "image-source": image })).await;
    }

    /// Writes a template with this body.
    pub async fn template_of(&self, name: &str, body: &Value) {
        let answer = self
            .put(&format!("/templates/{name}"))
            .key(self.admin())
            .json(body)
            .await;
        answer.expect(200);
    }

    /// Launches from a template.
    pub async fn launch(&self, template: &str) -> Launched {
        self.launch_of(template, &json!({})).await
    }

    /// Launches from a template with this body.
    pub async fn launch_of(&self, template: &str, body: &Value) -> Launched {
        let answer = self.post(&format!("/applications/{template}")).json(body).await;
        Self::launched(template, &answer)
    }

    /// What `answer` says was launched.
    pub fn launched(template: &str, answer: &Answer) -> Launched {
        let body = answer.expect(200);
        let word = |name: &str| {
            body[name]
                .as_str()
                .unwrap_or_else(|| panic!("no '{name}' in {body}"))
                .to_owned()
        };
        Launched {
            template: template.to_owned(),
            id: word("id"),
            token: word("token"),
        }
    }

    /// The application as it is now. Reading it brings it on, as every read does.
    pub async fn read(&self, launched: &Launched) -> Value {
        self.get(&launched.path()).await.expect(200)
    }

    /// Reads the application and winds the clock, in turns, until it has this status.
    pub async fn read_until(&self, launched: &Launched, status: &str) -> Value {
        self.read_until_is(launched, "status", status).await
    }

    /// Reads the application and winds the clock, in turns, until only its record is left.
    pub async fn read_until_ended(&self, launched: &Launched) -> Value {
        self.read_until_is(launched, "phase", "ended").await
    }

    async fn read_until_is(&self, launched: &Launched, field: &str, word: &str) -> Value {
        let mut seen = Value::Null;
        for _ in 0..LOOKS_MAX {
            seen = self.read(launched).await;
            if seen[field] == word {
                return seen;
            }
            self.advance(PACE).await;
        }
        panic!("it never became {word}: {seen}");
    }
}
