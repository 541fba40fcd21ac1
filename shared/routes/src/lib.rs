//! One cell's route proxy, by the REST API of configurable-http-proxy 5: `POST`, `DELETE` and `GET` of
//! `/api/routes/user/<id>` with `Authorization: token …`, and the whole table by one `GET` of `/api/routes`.
//!
//! Several installations may share a proxy, so every route says whose it is: the proxy keeps and gives back what was
//! posted beside the target. A proxy that was started again has lost its routes; a route of the installation itself, the
//! *marker*, tells.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod table;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use domain::{Activity, ApplicationId, InstallationId};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use table::{RouteSeen, RouteTable};

/// A path that no application's route has: those are below `user/`.
const NO_ROUTE: &str = "layby/health";
/// Where the marker leads: nobody listens on the discard port of the proxy's own host.
const MARKER_TARGET: &str = "http://127.0.0.1:9";

/// The secret that the proxy was started with (`CONFIGPROXY_AUTH_TOKEN`). Its text appears in no output.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The token with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Token(text.into())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why the proxy did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No answer, or one that says to come again (429, 5xx). What was asked may have been done.
    #[error("the route proxy cannot be reached")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Too little time is left before the deadline to begin. Nothing was sent.
    #[error("too little time is left to ask the route proxy")]
    OutOfTime,
    /// The proxy says no: the token is wrong (403), or this is no such proxy.
    #[error("the route proxy refused with {status}")]
    Refused {
        /// The status of its answer.
        status: u16,
    },
    /// The proxy answered with something that such a proxy never says. Nothing may be concluded from it, least of all
    /// that there are no routes.
    #[error("the route proxy's answer makes no sense: {0}")]
    Nonsense(&'static str),
    /// The address or the token cannot be used as configured.
    #[error("the route proxy cannot be used as configured: {0}")]
    BadSettings(&'static str),
}

/// An answer that says to come again.
#[derive(Debug, thiserror::Error)]
#[error("it answered {0}")]
struct Busy(u16);

/// One cell's route proxy. Cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct Routes {
    client: net::Client,
    proxy: Arc<Proxy>,
}

struct Proxy {
    api: String,
    token: HeaderValue,
    installation: InstallationId,
}

#[derive(Serialize)]
struct NewRoute<'a> {
    target: &'a str,
    /// Whose the route is.
    layby: &'a str,
}

/// A route as the proxy shows it; `target` is not asked for.
#[derive(Deserialize)]
struct Route {
    last_activity: Timestamp,
}

impl Routes {
    /// A client of the proxy whose API is at `api_url`, for the routes of `installation`; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::BadSettings`] when the address is no http or https URL, or no header can carry the token.
    pub fn connect(net: &net::Net, api_url: Uri, token: Token, installation: &InstallationId) -> Result<Routes, Error> {
        let whole = matches!(api_url.scheme_str(), Some("http" | "https"))
            && api_url.host().is_some_and(|host| !host.is_empty());
        if !whole || api_url.query().is_some() {
            return Err(Error::BadSettings(
                "its API's address is not an http or https URL without a query",
            ));
        }
        let mut header = HeaderValue::try_from(format!("token {}", token.0))
            .map_err(|_| Error::BadSettings("its token has characters that no header can carry"))?;
        header.set_sensitive(true);
        Ok(Routes {
            client: net.client(net::Peer::Proxy),
            proxy: Arc::new(Proxy {
                api: format!("{}/api/routes", api_url.to_string().trim_end_matches('/')),
                token: header,
                installation: installation.clone(),
            }),
        })
    }

    /// Routes `/user/<id>` to `target`, `http://<ip>:<port>`. A route of the same path is replaced, so this is safe to
    /// repeat.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn add(&self, id: &ApplicationId, target: &str) -> Result<(), Error> {
        self.put(&path(id), target).await
    }

    /// Puts the marker, once every route that the proxy has lost is back. It leads nowhere. Safe to repeat.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn mark(&self) -> Result<(), Error> {
        self.put(&self.marker(), MARKER_TARGET).await
    }

    /// Whether the marker is there: without it the proxy has lost its routes, or never had any of this installation.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn is_marked(&self) -> Result<bool, Error> {
        let answer = self.ask(Method::GET, &self.marker(), Bytes::new()).await?;
        match answer.status() {
            StatusCode::OK => table::is_marked(answer.body(), &self.proxy.installation),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(refusal(&answer)),
        }
    }

    /// The routes of this installation's applications, and the marker. Those of others, or made by hand, are not seen.
    ///
    /// The proxy tells the whole table in one answer, of which `net` reads 16 MiB: at 150 bytes a route that is
    /// 100,000 routes of all installations together.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::Nonsense`] for an answer that is no table or too long. Never is a part of it given.
    pub async fn list(&self) -> Result<RouteTable, Error> {
        let answer = self.ask(Method::GET, "", Bytes::new()).await?;
        match answer.status() {
            StatusCode::OK => table::read(answer.body(), &self.proxy.installation),
            _ => Err(refusal(&answer)),
        }
    }

    async fn put(&self, path: &str, target: &str) -> Result<(), Error> {
        let layby = self.proxy.installation.as_str();
        let body = serde_json::to_vec(&NewRoute { target, layby }).map_err(|error| Error::Unreachable(error.into()))?;
        let answer = self.ask(Method::POST, path, body.into()).await?;
        if answer.status().is_success() {
            Ok(())
        } else {
            Err(refusal(&answer))
        }
    }

    fn marker(&self) -> String {
        format!("layby/{}", self.proxy.installation)
    }

    /// Removes the route of `/user/<id>`. One that is not there counts as removed.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn remove(&self, id: &ApplicationId) -> Result<(), Error> {
        let answer = self.ask(Method::DELETE, &path(id), Bytes::new()).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(()),
            status if status.is_success() => Ok(()),
            _ => Err(refusal(&answer)),
        }
    }

    /// The route of `/user/<id>`, if there is one and it is this installation's.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn find(&self, id: &ApplicationId) -> Result<Option<RouteSeen>, Error> {
        let answer = self.ask(Method::GET, &path(id), Bytes::new()).await?;
        match answer.status() {
            StatusCode::OK => table::one(answer.body(), &self.proxy.installation),
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(refusal(&answer)),
        }
    }

    /// When the proxy last saw traffic of `/user/<id>`. A new route's last use is its registration. An answer that
    /// makes no sense is [`Activity::Unknown`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn last_use(&self, id: &ApplicationId) -> Result<Activity, Error> {
        let answer = self.ask(Method::GET, &path(id), Bytes::new()).await?;
        match answer.status() {
            StatusCode::OK => Ok(serde_json::from_slice(answer.body())
                .map_or(Activity::Unknown, |route: Route| Activity::LastUse(route.last_activity))),
            StatusCode::NOT_FOUND => Ok(Activity::NoRoute),
            _ => Err(refusal(&answer)),
        }
    }

    /// Opens the connection by asking for a route that does not exist. It is also the health check, of the token too.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn warm(&self) -> Result<(), Error> {
        let answer = self.ask(Method::GET, NO_ROUTE, Bytes::new()).await?;
        match answer.status() {
            StatusCode::OK | StatusCode::NOT_FOUND => Ok(()),
            _ => Err(refusal(&answer)),
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Bytes>, Error> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/{path}", self.proxy.api).trim_end_matches('/'))
            .header(AUTHORIZATION, &self.proxy.token);
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let request = request
            .body(body)
            .map_err(|_| Error::BadSettings("its API's address makes no URL"))?;
        self.client.send(request).await.map_err(|error| match error {
            net::Error::OutOfTime => Error::OutOfTime,
            net::Error::TooLarge => Error::Nonsense("it is too long"),
            error => Error::Unreachable(error.into()),
        })
    }
}

impl fmt::Debug for Routes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routes").finish_non_exhaustive()
    }
}

fn path(id: &ApplicationId) -> String {
    format!("user/{id}")
}

fn refusal(answer: &Response<Bytes>) -> Error {
    match answer.status().as_u16() {
        status @ (408 | 429 | 500..) => Error::Unreachable(Busy(status).into()),
        status => Error::Refused { status },
    }
}

#[cfg(test)]
mod tests;
