//! The proxy that a check runs against: one of its own, so that all its routes are the check's.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use contract::{eventually, in_time};
use http::header::AUTHORIZATION;
use http::{Method, Request};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::ask::{Answer, ask, send, whole};
use crate::target::Target;

/// Longer than times are told apart by.
const TICK: Duration = Duration::from_millis(20);
/// What an answer leaves to be recorded is recorded by then; only what shall not be recorded is waited for so long.
const SETTLED: Duration = Duration::from_millis(400);
const TOKEN: &str = "0123456789abcdef";

/// A running proxy without routes.
pub(crate) struct Server {
    /// Where people reach it, `http://127.0.0.1:<port>`.
    pub(crate) url: String,
    /// Its API, below which `/api/routes` is.
    pub(crate) api: String,
    /// The token of its API.
    pub(crate) token: String,
    process: Mutex<Process>,
}

enum Process {
    Embedded(Option<embedded::proxy::Proxy>),
    #[cfg(feature = "real")]
    Real(real::Proxy),
}

impl Server {
    /// Asks the API with its token.
    pub(crate) async fn manage(&self, method: Method, path: &str, body: &str) -> Answer {
        self.manage_as(&format!("token {}", self.token), method, path, body)
            .await
    }

    /// Asks the API with these credentials.
    pub(crate) async fn manage_as(&self, credentials: &str, method: Method, path: &str, body: &str) -> Answer {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.api));
        let request = request.header(AUTHORIZATION, credentials).body(whole(body.to_owned()));
        send(request.unwrap()).await
    }

    /// Registers a route with this much posted.
    pub(crate) async fn post(&self, path: &str, posted: &Value) {
        let answer = self
            .manage(Method::POST, &format!("/api/routes{path}"), &posted.to_string())
            .await;
        assert_eq!((answer.status, answer.text()), (201, ""), "{path} {posted}");
    }

    /// Registers a route.
    pub(crate) async fn route(&self, path: &str, target: SocketAddr) {
        self.post(path, &json!({ "target": format!("http://{target}") })).await;
    }

    /// Starts a target and routes `/user/x` to it.
    pub(crate) async fn with_target(&self) -> Target {
        let target = Target::start().await;
        self.route("/user/x", target.address).await;
        target
    }

    /// All routes.
    pub(crate) async fn routes(&self) -> BTreeMap<String, Value> {
        let answer = self.manage(Method::GET, "/api/routes", "").await;
        assert_eq!(answer.status, 200);
        serde_json::from_value(answer.json()).unwrap()
    }

    /// When the route at `path` was last used.
    pub(crate) async fn used(&self, path: &str) -> Timestamp {
        let answer = self.manage(Method::GET, &format!("/api/routes{path}"), "").await;
        assert_eq!(answer.status, 200, "{path}");
        answer.json()["last_activity"].as_str().unwrap().parse().unwrap()
    }

    /// Asks at the public port.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        ask(Method::GET, &self.at(path)).await
    }

    /// The URL of a path at the public port.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// The URL of a websocket at the public port.
    pub(crate) fn socket(&self, path: &str) -> String {
        self.at(path).replacen("http", "ws", 1)
    }

    /// Checks that `deed` counts as use of `/user/x`.
    pub(crate) async fn counts<T>(&self, what: &str, deed: impl AsyncFnOnce() -> T) -> T {
        let before = self.used("/user/x").await;
        sleep(TICK).await;
        let done = deed().await;
        let seen = async || (self.used("/user/x").await > before).then_some(());
        eventually(&format!("{what} counts as use"), seen).await;
        // What else it leaves to be recorded shall not be taken for the next deed's.
        sleep(TICK).await;
        done
    }

    /// Checks that `deed` does not count as use of `/user/x`.
    pub(crate) async fn does_not_count<T>(&self, what: &str, deed: impl AsyncFnOnce() -> T) -> T {
        let before = self.used("/user/x").await;
        sleep(TICK).await;
        let done = deed().await;
        sleep(SETTLED).await;
        assert_eq!(self.used("/user/x").await, before, "{what} counts as use");
        done
    }

    /// Kills it and starts it again at the same addresses.
    pub(crate) async fn restart(&self) {
        match &mut *self.process.lock().await {
            Process::Embedded(proxy) => {
                let old = proxy.take().unwrap();
                let addresses = (
                    old.public_address(),
                    self.api.strip_prefix("http://").unwrap().parse().unwrap(),
                );
                old.stop().await;
                *proxy = Some(embedded(addresses).await);
            }
            #[cfg(feature = "real")]
            Process::Real(proxy) => {
                proxy.process().restart().unwrap();
                proxy.ready().await.unwrap();
            }
        }
    }
}

async fn embedded((listen, api_listen): (SocketAddr, SocketAddr)) -> embedded::proxy::Proxy {
    let settings = embedded::proxy::Settings {
        clock: Arc::new(Timestamp::now),
        token: TOKEN.to_owned(),
        listen,
        api_listen,
    };
    embedded::proxy::Proxy::start(settings).await.unwrap()
}

/// Runs a check against an embedded proxy.
pub(crate) fn on_embedded(check: impl AsyncFnOnce(&Server)) {
    in_time(async {
        let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let proxy = embedded((anywhere, anywhere)).await;
        let server = Server {
            url: format!("http://{}", proxy.public_address()),
            api: proxy.api_url(),
            token: TOKEN.to_owned(),
            process: Mutex::new(Process::Embedded(Some(proxy))),
        };
        check(&server).await;
    });
}

/// Runs a check against a real proxy.
#[cfg(feature = "real")]
pub(crate) fn on_real(check: impl AsyncFnOnce(&Server)) {
    in_time(async {
        let proxy = real::Proxy::start().await.unwrap_or_else(|error| panic!("{error}"));
        let server = Server {
            url: proxy.url().to_owned(),
            api: proxy.api().to_owned(),
            token: proxy.token().to_owned(),
            process: Mutex::new(Process::Real(proxy)),
        };
        check(&server).await;
    });
}
