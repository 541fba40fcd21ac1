//! A whole installation in this process.

use std::ops::Deref;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use local::{Adapter, Advanced, Options, Ready};
use serde_json::Value;

use crate::cases::settings::OLDER_KEY;
use crate::{Installation, Launched, Outages, in_time};

/// Between two looks at an application that is on its way.
const PACE: Duration = Duration::from_secs(2);
/// Looks at an application before it is given up: over five minutes, which is all that a launch gets.
const LOOKS_MAX: usize = 200;
/// What is waited for at most where time cannot be wound.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// A whole installation: embedded parts on free ports, nothing kept, the reaper only when told.
pub struct App {
    adapter: Adapter,
    installation: Installation,
    outages: Outages,
    log: Arc<Mutex<Vec<Value>>>,
    elsewhere: bool,
}

/// What can be seen of an installation from outside.
impl Deref for App {
    type Target = Installation;

    fn deref(&self) -> &Installation {
        &self.installation
    }
}

impl App {
    /// Starts an installation and gives it to `test`, for at most [`crate::TEST_MAX`] together.
    pub async fn run(test: impl AsyncFnOnce(&App)) {
        Self::run_with(&[], test).await;
    }

    /// As [`App::run`], with so many clusters to lease.
    pub async fn run_leasing(clusters: usize, test: impl AsyncFnOnce(&App)) {
        let mut options = Options::embedded();
        options.clusters = clusters;
        options.older_keys = vec![OLDER_KEY.to_owned()];
        Self::run_of(options, test).await;
    }

    /// As [`App::run`], with `LAYBY_…` variables.
    pub async fn run_with(variables: &[(&str, &str)], test: impl AsyncFnOnce(&App)) {
        let mut options = Options::embedded();
        let variables = variables.iter();
        options.variables = variables
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Self::run_of(options, test).await;
    }

    /// As [`App::run`], with these options.
    pub async fn run_of(options: Options, test: impl AsyncFnOnce(&App)) {
        in_time(async {
            let app = Self::start(options).await;
            Box::pin(test(&app)).await;
            Box::pin(app.adapter.stop()).await;
        })
        .await;
    }

    /// Starts an installation whose log lines are kept and whose parts can be put out of reach; where `options` say
    /// otherwise in `log` or `net`, this goes before them.
    pub async fn start(options: Options) -> Self {
        Self::start_on(options, None).await
    }

    /// As [`App::start`], on a cluster in which the installation's own account may not do all that tests do: they go by
    /// the administrator's kubeconfig.
    pub async fn start_on(mut options: Options, administrator: Option<&Path>) -> Self {
        let (log, outages) = (Arc::new(Mutex::new(Vec::new())), Outages::default());
        let kept = Arc::clone(&log);
        options.log = Arc::new(move |line| kept.lock().unwrap().push(serde_json::to_value(line).unwrap()));
        options.net = outages.settings();
        // A task of its own, because it nests deeply, and the stacks of tests are small.
        let started = tokio::spawn(Adapter::start(options)).await.unwrap();
        let adapter = started.unwrap_or_else(|error| panic!("{error}"));
        let mut ready = adapter.ready();
        if let Some(kubeconfig) = administrator {
            ready.kubeconfig = kubeconfig.display().to_string();
        }
        let installation = Installation::new(ready);
        Self {
            adapter,
            installation,
            outages,
            log,
            elsewhere: false,
        }
    }

    /// The same parts, asked by way of others that serve them at `api` and run the reaper where `reap` is posted to. Time
    /// is waited for there, and what they cannot be made to do is refused.
    #[must_use]
    pub fn served_at(self, api: &str, reap: &str) -> Self {
        let ready = Ready {
            api: api.to_owned(),
            ..self.adapter.ready()
        };
        Self {
            installation: Installation::reaping_at(ready, reap),
            elsewhere: true,
            ..self
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

    /// What can be put out of reach.
    ///
    /// # Panics
    /// When others serve, whose calls are their own.
    pub fn outages(&self) -> &Outages {
        assert!(!self.elsewhere, "nothing can be put out of others' reach");
        &self.outages
    }

    /// The log lines so far.
    pub fn log(&self) -> Vec<Value> {
        self.log.lock().unwrap().clone()
    }

    /// Domain time.
    pub fn now(&self) -> Timestamp {
        self.adapter.clock().now()
    }

    /// Winds the clock, or waits where others serve.
    ///
    /// # Panics
    /// When it is more than `WAIT_MAX` that would be waited.
    pub async fn advance(&self, by: Duration) {
        if self.elsewhere {
            assert!(by <= WAIT_MAX, "nobody waits for {by:?}");
            tokio::time::sleep(by).await;
            return;
        }
        assert_ne!(self.adapter.advance(by).await, Advanced::Refused);
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
