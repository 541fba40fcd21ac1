//! Requests, and what comes back.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::{TryStream, TryStreamExt};
use http::{HeaderMap, Method, Request};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// What is sent has come by then, on a busy machine too.
pub(crate) const ARRIVES_MAX: Duration = Duration::from_secs(30);

/// A body that is sent.
pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

/// An answer that has come whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// Its body as text.
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Its body as JSON.
    pub(crate) fn json(&self) -> Value {
        let value = serde_json::from_slice(&self.body);
        value.unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// The header of this name as text; nothing when there is none.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// A body of known length.
pub(crate) fn whole(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).boxed_unsync()
}

/// A body without a length, sent in these pieces.
pub(crate) fn pieces<S>(pieces: S) -> Body
where
    S: TryStream<Ok = Bytes, Error = Infallible> + Send + 'static,
{
    StreamBody::new(pieces.map_ok(Frame::data)).boxed_unsync()
}

/// Sends `request` on a connection of its own.
pub(crate) async fn send(request: Request<Body>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (head, body) = client.request(request).await.unwrap().into_parts();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

/// Sends a request without more to it than this.
pub(crate) async fn ask(method: Method, url: &str) -> Answer {
    send(Request::builder().method(method).uri(url).body(whole("")).unwrap()).await
}

/// A connection that is written to and read from byte by byte.
pub(crate) struct Wire(pub(crate) TcpStream);

impl Wire {
    /// A connection to the server at `url`.
    pub(crate) async fn to(url: &str) -> Self {
        let address = url.strip_prefix("http://").unwrap();
        Self(TcpStream::connect(address).await.unwrap())
    }

    /// The connection by which a request comes to `listener`, its head read.
    pub(crate) async fn forwarded_to(listener: &TcpListener) -> Self {
        let accepted = timeout(ARRIVES_MAX, listener.accept()).await;
        let mut target = Self(accepted.expect("the request is forwarded").unwrap().0);
        target.read_until("\r\n\r\n").await;
        target
    }

    /// As [`Wire::forwarded_to`], for what was asked on this connection: an answer that comes instead is told.
    pub(crate) async fn is_forwarded_to(&mut self, listener: &TcpListener) -> Self {
        tokio::select! {
            target = Self::forwarded_to(listener) => target,
            answer = self.read_until("\r\n\r\n") => panic!("it is answered and not forwarded: {answer}"),
        }
    }

    /// Writes this, its lines ended as HTTP ends them.
    pub(crate) async fn write(&mut self, text: &str) {
        self.0.write_all(text.replace('\n', "\r\n").as_bytes()).await.unwrap();
    }

    /// Reads until what came has this in it, and gives all that came.
    pub(crate) async fn read_until(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.contains(end) {
            let mut chunk = [0; 4096];
            let length = timeout(ARRIVES_MAX, self.0.read(&mut chunk)).await;
            let length = length
                .unwrap_or_else(|_| panic!("'{end}' does not come after '{text}'"))
                .unwrap();
            assert_ne!(length, 0, "closed after '{text}'");
            text.push_str(&String::from_utf8_lossy(&chunk[..length]));
        }
        text
    }

    /// Reads to the end, which may be a broken connection, and gives all that came.
    pub(crate) async fn read_to_end(&mut self) -> String {
        let mut all = Vec::new();
        let end = timeout(ARRIVES_MAX, self.0.read_to_end(&mut all)).await;
        end.expect("the connection ends").ok();
        String::from_utf8_lossy(&all).into_owned()
    }
}
