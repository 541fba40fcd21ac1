//! The route proxy: configurable-http-proxy's API, routing and notion of activity, inside the process.
//!
//! [`Machine`] is the table and the API, [`Proxy`] the two listening sockets around it. What of the real one is left out
//! stands in this crate's README.

mod activity;
mod forward;
mod headers;
mod machine;
mod pages;
mod path;
#[cfg(test)]
mod tests;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use jiff::Timestamp;
use tokio::net::TcpListener;

pub use machine::{Machine, Match};

use crate::{Clock, serve};

/// Connections on the public port at a time, tunnels included.
const PUBLIC_CONNECTIONS_MAX: usize = 8192;
/// Connections on the API's port at a time.
const API_CONNECTIONS_MAX: usize = 256;
/// Largest body that the API takes, in bytes.
const API_BODY_MAX: usize = 64 << 10;
/// How long a body may take to arrive at the API.
const API_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// How a proxy is started.
pub struct Settings {
    /// Domain time, in which `last_activity` is told.
    pub clock: Clock,
    /// What the API's callers present as `Authorization: token <token>`.
    pub token: String,
    /// Where browsers connect; port 0 picks one.
    pub listen: SocketAddr,
    /// Where the API listens; port 0 picks one.
    pub api_listen: SocketAddr,
}

/// A running route proxy. Dropping it closes both ports, every connection and every tunnel.
pub struct Proxy {
    shared: Arc<Shared>,
    public: serve::Server,
    api: serve::Server,
}

struct Shared {
    clock: Clock,
    machine: Mutex<Machine>,
    targets: forward::Targets,
}

impl Proxy {
    /// Listens on both addresses; connections are accepted once this returns.
    ///
    /// # Errors
    ///
    /// When an address cannot be bound.
    pub async fn start(settings: Settings) -> io::Result<Proxy> {
        let public = TcpListener::bind(settings.listen).await?;
        let api = TcpListener::bind(settings.api_listen).await?;
        let shared = Arc::new(Shared {
            clock: settings.clock,
            machine: Mutex::new(Machine::new(settings.token)),
            targets: forward::targets(),
        });
        let pass = {
            let shared = Arc::clone(&shared);
            move |request, caller| forward::pass(Arc::clone(&shared), request, caller)
        };
        let manage = {
            let shared = Arc::clone(&shared);
            move |request, _| manage(Arc::clone(&shared), request)
        };
        let public = serve::Server::start(public, None, PUBLIC_CONNECTIONS_MAX, pass)?;
        let api = serve::Server::start(api, None, API_CONNECTIONS_MAX, manage)?;
        Ok(Proxy { shared, public, api })
    }

    /// Where browsers connect.
    #[must_use]
    pub fn public_address(&self) -> SocketAddr {
        self.public.address()
    }

    /// URL in front of `/api/routes`.
    #[must_use]
    pub fn api_url(&self) -> String {
        format!("http://{}", self.api.address())
    }

    /// Brings the proxy to its clock's time. Nothing in it falls due by itself, so this returns at once; it is here so
    /// that whoever winds the clock treats all embedded parts alike.
    pub async fn tick(&self) {}

    /// Looks at the machine, or changes it, between two requests.
    pub fn with_machine<T>(&self, look: impl FnOnce(&mut Machine) -> T) -> T {
        self.shared.with_machine(|machine, _| look(machine))
    }

    /// Stops and returns once both ports are free.
    pub async fn stop(self) {
        tokio::join!(self.public.stop(), self.api.stop());
    }
}

impl Shared {
    fn with_machine<T>(&self, look: impl FnOnce(&mut Machine, Timestamp) -> T) -> T {
        // The time is read under the lock, so that activity is recorded in order.
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        let now = (self.clock)();
        look(&mut machine, now)
    }
}

async fn manage(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    let body = tokio::time::timeout(API_BODY_TIMEOUT, Limited::new(body, API_BODY_MAX).collect());
    let status = match body.await {
        Ok(Ok(body)) => {
            let request = Request::from_parts(head, body.to_bytes());
            return shared
                .with_machine(|machine, now| machine.handle(now, &request))
                .map(Full::new);
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => StatusCode::PAYLOAD_TOO_LARGE,
        Ok(Err(_)) => StatusCode::BAD_REQUEST,
        Err(_) => StatusCode::REQUEST_TIMEOUT,
    };
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
