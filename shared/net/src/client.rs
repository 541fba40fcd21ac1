//! A client: one attempt after another, within the scope's deadline.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::response::Parts;
use http::{Method, Request, Response, Uri};
use http_body::Body;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};

use crate::connector::Pool;
use crate::error::Source;
use crate::fault::Injected;
use crate::guard::Guard;
use crate::{DEFAULT_SPAN, Error, Fault, Peer, Rule, Scope, Settings, retry};

/// The longest body of an answer, in bytes: a longer one is [`Error::TooLarge`].
pub const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// A client of one [`Peer`]. Cloning is cheap and shares the connections.
#[derive(Clone)]
pub struct Client {
    peer: Peer,
    pool: Pool,
    guard: Option<Guard>,
    settings: Arc<Settings>,
}

/// An answer of which only the end of the body was kept.
#[derive(Debug)]
pub struct Kept {
    /// The answer, with the end of its body.
    pub answer: Response<Bytes>,
    /// Whether the beginning of the body was left out.
    pub is_cut: bool,
}

impl Client {
    /// A client over `pool`. Where there is a `guard`, the pool has it too: it judges names, and what is judged here
    /// are hosts that are addresses, which are never resolved.
    pub(crate) fn new(peer: Peer, pool: Pool, guard: Option<Guard>, settings: &Arc<Settings>) -> Client {
        Client {
            peer,
            pool,
            guard,
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
        self.send_taking(request, Take::Whole(LARGEST_ANSWER)).await
    }

    /// As [`Client::send`], but of a body of any length only the `last` bytes are kept, in memory of about twice as
    /// many. The peer's time-out bounds what is read.
    ///
    /// # Errors
    /// As [`Client::send`], but never [`Error::TooLarge`].
    pub async fn send_keeping(&self, request: Request<Bytes>, last: usize) -> Result<Kept, Error> {
        let mut answer = self.send_taking(request, Take::Last(last)).await?;
        let is_cut = answer.extensions_mut().remove::<Cut>().is_some();
        Ok(Kept { answer, is_cut })
    }

    pub(crate) async fn send_taking(&self, request: Request<Bytes>, take: Take) -> Result<Response<Bytes>, Error> {
        check_address(request.uri())?;
        if let Some(guard) = &self.guard {
            guard.check(request.uri()).map_err(Error::Guarded)?;
        }
        let scope = Scope::current().unwrap_or_else(|| Scope::lasting(DEFAULT_SPAN));
        if !self.may_begin(&request, self.left(&scope)) {
            return Err(Error::OutOfTime);
        }
        let mut pauses = retry::pauses();
        loop {
            let outcome = self.attempt(&scope, &request, take).await;
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
            Peer::Cluster | Peer::Leased | Peer::Proxy => scope.left().saturating_sub(self.settings.timeouts.store),
            Peer::Store | Peer::Platform | Peer::Outside => scope.left(),
        }
    }

    fn may_begin(&self, request: &Request<Bytes>, left: Duration) -> bool {
        let outside_write = matches!(self.peer, Peer::Cluster | Peer::Leased | Peer::Proxy)
            && !matches!(*request.method(), Method::GET | Method::HEAD);
        if outside_write {
            left >= self.timeout()
        } else {
            !left.is_zero()
        }
    }

    async fn attempt(&self, scope: &Scope, request: &Request<Bytes>, take: Take) -> Result<Response<Bytes>, Error> {
        scope.count(self.peer);
        let span = self.timeout().min(self.left(scope));
        tokio::time::timeout(span, self.exchange(request, take))
            .await
            .map_err(|_| Error::TimedOut)?
    }

    async fn exchange(&self, request: &Request<Bytes>, take: Take) -> Result<Response<Bytes>, Error> {
        let fault = self
            .settings
            .faults
            .as_ref()
            .map_or(Fault::Pass, |faults| faults(self.peer, request));
        match fault {
            Fault::Pass => self.transmit(request, take).await,
            Fault::Refuse => Err(Error::Unreachable(Injected.into())),
            Fault::LoseAnswer => {
                self.transmit(request, take).await?;
                Err(Error::Interrupted(Injected.into()))
            }
            Fault::Answer(answer) => {
                let (head, body) = answer.into_parts();
                take_body(head, Full::new(body), take).await
            }
            Fault::Delay(span) => {
                tokio::time::sleep(span).await;
                self.transmit(request, take).await
            }
            Fault::Hold(until) => {
                until.notified().await;
                self.transmit(request, take).await
            }
        }
    }

    async fn transmit(&self, request: &Request<Bytes>, take: Take) -> Result<Response<Bytes>, Error> {
        let answer = self
            .pool
            .request(request.clone().map(Full::new))
            .await
            .map_err(|error| match Rule::among(&error) {
                Some(rule) => Error::Guarded(rule),
                None if error.is_connect() => Error::Unreachable(error.into()),
                None => Error::Interrupted(error.into()),
            })?;
        let (head, body) = answer.into_parts();
        take_body(head, body, take).await
    }

    fn timeout(&self) -> Duration {
        self.settings.timeouts.of(self.peer)
    }
}

/// What is taken of an answer's body.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Take {
    /// All of it, if it has at most so many bytes.
    Whole(usize),
    /// Its last bytes, at most so many.
    Last(usize),
}

/// Stands among an answer's extensions when the beginning of its body was left out.
#[derive(Clone)]
struct Cut;

async fn take_body<B>(mut head: Parts, body: B, take: Take) -> Result<Response<Bytes>, Error>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Source>,
{
    let body = match take {
        Take::Whole(most) => whole(body, most).await?,
        Take::Last(most) => {
            let (kept, is_cut) = last(body, most).await?;
            if is_cut {
                head.extensions.insert(Cut);
            }
            kept
        }
    };
    Ok(Response::from_parts(head, body))
}

async fn whole<B>(body: B, most: usize) -> Result<Bytes, Error>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Source>,
{
    if body.size_hint().lower() > most as u64 {
        return Err(Error::TooLarge);
    }
    match Limited::new(body, most).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(Error::TooLarge),
        Err(error) => Err(Error::Interrupted(error)),
    }
}

/// The last bytes of `body`, and whether any came before them.
async fn last<B>(body: B, most: usize) -> Result<(Bytes, bool), Error>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Source>,
{
    let (mut kept, mut is_cut) = (BytesMut::new(), false);
    let mut cut_to = |kept: &mut BytesMut| {
        if kept.len() > most {
            kept.advance(kept.len() - most);
            is_cut = true;
        }
    };
    let mut body = std::pin::pin!(body);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(|error| Error::Interrupted(error.into()))?.into_data() {
            kept.extend_from_slice(&data);
            cut_to(&mut kept);
        }
    }
    Ok((kept.freeze(), is_cut))
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
