//! One endpoint by itself over an installation's parts, as its Lambda function has it.

use std::sync::Arc;

use api::{Endpoint, Trigger};
use bytes::Bytes;
use gateway::{Config, ConfigError, Edge, Entropy, Incoming, Mounted, Opening, Route, Router};
use net::{Faults, Net, Scope, Settings};
use tests::{Answer, App, Http};

use std::time::Duration;

/// How long one scheduled run may take. A run begins nothing in its lanes in its last forty seconds.
const RUN_MAX: Duration = Duration::from_secs(60);

/// One endpoint by itself.
pub struct Own {
    /// Asks it over HTTP, if that is what calls it.
    pub http: Http,
    router: Arc<Router>,
    scheduled: Option<Mounted>,
    edge: Arc<Edge>,
}

impl Own {
    /// Opens `endpoint` with `config` and `faults` of its own.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn open(app: &App, endpoint: &'static Endpoint, config: Config, faults: Faults) -> Self {
        let opened = Self::try_open(app, endpoint, config, faults).await;
        opened.unwrap_or_else(|error| panic!("{error}"))
    }

    /// As [`Own::open`].
    pub async fn try_open(
        app: &App,
        endpoint: &'static Endpoint,
        config: Config,
        faults: Faults,
    ) -> Result<Self, ConfigError> {
        let settings = Settings {
            faults: Some(faults),
            ..Settings::default()
        };
        let opening = Opening {
            config,
            net: Net::new(settings).unwrap(),
            clock: app.adapter().clock(),
            entropy: Entropy::system(),
            log: Arc::new(|_| {}),
        };
        let edge = Edge::open(opening).await.unwrap();
        let all: Vec<&Route> = fallback::ROOMS.concat();
        let routes: Vec<&Route> = match endpoint.trigger {
            Trigger::Default => all,
            Trigger::Http { .. } | Trigger::Schedule { .. } => all
                .into_iter()
                .filter(|route| route.endpoint.id == endpoint.id)
                .collect(),
        };
        let router = Arc::new(Router::mount(&edge, &routes, endpoint)?);
        let scheduled = match endpoint.trigger {
            Trigger::Schedule { .. } => Some((reaper::REAPER.mount)(&edge, endpoint)?),
            Trigger::Http { .. } | Trigger::Default => None,
        };
        Ok(Self {
            http: Http::of_router(Arc::clone(&router)),
            router,
            scheduled,
            edge,
        })
    }

    /// Opens its connections, as a function does before its first event.
    pub async fn warm(&self) {
        let (scheduled, router) = (self.scheduled.clone(), Arc::clone(&self.router));
        let warming = tokio::spawn(async move {
            match scheduled {
                Some(mounted) => mounted.warm().await,
                None => router.warm().await,
            }
        });
        warming.await.unwrap();
    }

    /// Runs it with `event`, if a schedule is what calls it.
    pub async fn run(&self, event: &str) -> Answer {
        let mounted = self.scheduled.clone().expect("a schedule calls it");
        let deadline = Scope::lasting(RUN_MAX).deadline();
        let event = Bytes::copy_from_slice(event.as_bytes());
        let incoming = Incoming::scheduled(event, self.edge.request_id(), deadline);
        let id = mounted.endpoint().id;
        let answer = tokio::spawn(async move { mounted.answer(incoming).await }).await;
        Answer::new(id, answer.unwrap())
    }
}

/// The installation's configuration, without its secrets.
pub fn without_secrets(config: Config) -> Config {
    let installation = config.installation.as_str().to_owned();
    let bare = Config::read(|name| (name == "LAYBY_INSTALLATION").then(|| installation.clone())).unwrap();
    Config {
        secrets: bare.secrets,
        ..config
    }
}
