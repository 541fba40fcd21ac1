//! A client: one attempt after another, within the scope's deadline.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use http_body::Body as _;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;

use crate::connector::Pool;
use crate::error::Source;
use crate::fault::Injected;
use crate::{DEFAULT_SPAN, Error, Fault, Peer, Scope, Settings, retry};

/// The longest body of an answer, in bytes: a longer one is [`Error::TooLarge`].
pub const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// A client of one [`Peer`]. Cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct Client {
    peer: Peer,
    pool: Pool,
    settings: Arc<Settings>,
}

impl Client {
    pub(crate) fn new(peer: Peer, pool: Pool, settings: &Arc<Settings>) -> Client {
        Client {
            peer,
            pool,
            settings: settings.clone(),
        }
    }

    /// Sends `request` up to [`ATTEMPTS`](crate::ATTEMPTS) times and gives the last answer, whatever its status.
    ///
    /// Each attempt has the peer's time-out, clipped to the deadline of the current [`Scope`]. A write (neither `GET`
    /// nor `HEAD`) to a cluster or a proxy begins only with its whole time-out left, because what it makes cannot
    /// depend on a row of ours: after the deadline somebody else may already be acting. Calls to either end the table's
    /// time-out before the deadline.
    ///
    /// # Errors
    /// Those of the last attempt, except that [`Error::OutOfTime`] always means that nothing was sent.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, Error> {
        check_address(request.uri())?;
        let scope = Scope::current().unwrap_or_else(|| Scope::lasting(DEFAULT_SPAN));
        if !self.may_begin(&request, self.left(&scope)) {
            return Err(Error::OutOfTime);
        }
        let mut pauses = retry::pauses();
        loop {
            let outcome = self.attempt(&scope, &request).await;
            let Some(least) = retry::least_pause(self.peer, &outcome) else {
                return outcome;
            };
            let Some(pause) = pauses.next().map(|pause| pause.max(least)) else {
                return outcome;
            };
            if !self.may_begin(&request, self.left(&scope).saturating_sub(pause)) {
                return outcome;
            }
            tokio::time::sleep(pause).await;
            if !self.may_begin(&request, self.left(&scope)) {
                return outcome;
            }
        }
    }

    /// What this peer may still use of the scope. Calls to a cluster or a proxy leave the table's time-out free: what
    /// they did must be recorded.
    fn left(&self, scope: &Scope) -> Duration {
        match self.peer {
            Peer::Cluster | Peer::Proxy => scope.left().saturating_sub(self.settings.timeouts.store),
            Peer::Store | Peer::Platform => scope.left(),
        }
    }

    fn may_begin(&self, request: &Request<Bytes>, left: Duration) -> bool {
        let outside_write = matches!(self.peer, Peer::Cluster | Peer::Proxy)
            && !matches!(*request.method(), Method::GET | Method::HEAD);
        if outside_write {
            left >= self.timeout()
        } else {
            !left.is_zero()
        }
    }

    async fn attempt(&self, scope: &Scope, request: &Request<Bytes>) -> Result<Response<Bytes>, Error> {
        scope.count(self.peer);
        let span = self.timeout().min(self.left(scope));
        tokio::time::timeout(span, self.exchange(request))
            .await
            .map_err(|_| Error::TimedOut)?
    }

    async fn exchange(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let fault = self
            .settings
            .faults
            .as_ref()
            .map_or(Fault::Pass, |faults| faults(self.peer, request));
        match fault {
            Fault::Pass => self.transmit(request).await,
            Fault::Refuse => Err(Error::Unreachable(Injected.into())),
            Fault::LoseAnswer => {
                self.transmit(request).await?;
                Err(Error::Interrupted(Injected.into()))
            }
            Fault::Answer(answer) => Ok(answer),
            Fault::Delay(span) => {
                tokio::time::sleep(span).await;
                self.transmit(request).await
            }
        }
    }

    async fn transmit(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Error> {
        let answer = self
            .pool
            .request(request.clone().map(Full::new))
            .await
            .map_err(|error| {
                if error.is_connect() {
                    Error::Unreachable(error.into())
                } else {
                    Error::Interrupted(error.into())
                }
            })?;
        let (head, body) = answer.into_parts();
        Ok(Response::from_parts(head, read(body).await?))
    }

    fn timeout(&self) -> Duration {
        self.settings.timeouts.of(self.peer)
    }
}

async fn read(body: Incoming) -> Result<Bytes, Error> {
    if body.size_hint().lower() > LARGEST_ANSWER as u64 {
        return Err(Error::TooLarge);
    }
    match Limited::new(body, LARGEST_ANSWER).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::TooLarge),
        Err(error) => Err(Error::Interrupted(error)),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the address is not a whole http or https URL")]
struct BadAddress;

fn check_address(uri: &Uri) -> Result<(), Error> {
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(()),
        _ => Err(Error::BadRequest(Source::from(BadAddress))),
    }
}

impl tower::Service<Request<Bytes>> for Client {
    type Response = Response<Bytes>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        // The scope is read when the answer is awaited, not here: kube calls its service from a task of its own.
        let client = self.clone();
        Box::pin(async move { client.send(request).await })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
