//! One HTTP/1 server on one listener: bounded in connections, and gone with everything it opened when it is dropped.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// How long a connection may take to send the head of its next request; an idle connection is closed after it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause after a failed accept, which mostly means that file descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A running server. Dropping it closes the listener and aborts every connection.
pub(crate) struct Server {
    address: SocketAddr,
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

/// What a handler knows of the connection that its request came on. While a clone of it lives, the connection counts
/// against the server's limit, so a tunnel keeps one.
#[derive(Clone)]
pub(crate) struct Connection {
    /// Address of the caller.
    pub(crate) remote: SocketAddr,
    stop: watch::Receiver<()>,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl Connection {
    /// Resolves when the server stops.
    pub(crate) async fn stopped(&mut self) {
        // Nothing is ever sent: the only change is that the sender is gone.
        while self.stop.changed().await.is_ok() {}
    }
}

impl Server {
    /// Serves `handler` on `listener`, by https where there is something to do it with, at most `limit` connections at a
    /// time; further callers wait in the listen queue.
    pub(crate) fn start<H, F, B>(
        listener: TcpListener,
        tls: Option<TlsAcceptor>,
        limit: usize,
        handler: H,
    ) -> io::Result<Server>
    where
        H: Fn(Request<Incoming>, Connection) -> F + Clone + Send + 'static,
        F: Future<Output = Response<B>> + Send + 'static,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let address = listener.local_addr()?;
        let (stop, stopped) = watch::channel(());
        let task = tokio::spawn(accept(listener, tls, limit, handler, stopped));
        Ok(Server { address, stop, task })
    }

    /// The address that is listened on, with the port that was picked.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops and returns once the port is free and every connection is closed.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        // The task ends by itself once its receiver sees the sender gone; it cannot fail but by a panic of its own.
        let _ = self.task.await;
    }
}

async fn accept<H, F, B>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    limit: usize,
    handler: H,
    stop: watch::Receiver<()>,
) where
    H: Fn(Request<Incoming>, Connection) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let permits = Arc::new(Semaphore::new(limit));
    let mut stopped = stop.clone();
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let permit = Arc::clone(&permits).acquire_owned().await.ok()?;
            Some((permit, listener.accept().await))
        };
        tokio::select! {
            _ = stopped.changed() => break,
            Some(_) = connections.join_next() => {}
            next = next => match next {
                Some((permit, Ok((stream, remote)))) => {
                    let connection = Connection { remote, stop: stop.clone(), _permit: Arc::new(permit) };
                    connections.spawn(welcome(stream, tls.clone(), connection, handler.clone()));
                }
                Some((_, Err(_))) => tokio::time::sleep(ACCEPT_PAUSE).await,
                None => break,
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn welcome<H, F, B>(stream: TcpStream, tls: Option<TlsAcceptor>, connection: Connection, handler: H)
where
    H: Fn(Request<Incoming>, Connection) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    // Small frames of websockets must not wait for each other.
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return converse(stream, connection, handler).await;
    };
    // Whoever does not trust the server, or never says anything, concerns nobody else.
    if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, tls.accept(stream)).await {
        converse(stream, connection, handler).await;
    }
}

async fn converse<S, H, F, B>(stream: S, connection: Connection, handler: H)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    H: Fn(Request<Incoming>, Connection) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let service = service_fn(move |request| {
        let answer = handler(request, connection.clone());
        async move { Ok::<_, Infallible>(answer.await) }
    });
    // A connection that breaks concerns only its caller, who sees it break.
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades()
        .await;
}
