//! A server on a loopback port that answers by a script and remembers what it was asked.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// What the server does with one request.
pub enum Act {
    Answer(u16, &'static str),
    Header(u16, &'static str, &'static str),
    AnswerAfter(Duration, u16, &'static str),
    /// A body of so many bytes, its length announced or not.
    Long(usize, bool),
    Hang,
    Break,
}

type Seen = Arc<Mutex<Vec<Request<Bytes>>>>;

pub struct Server {
    pub url: String,
    seen: Seen,
    accepted: Arc<AtomicUsize>,
}

impl Server {
    /// A server that does `script(n)` with its nth request, counted from 0.
    pub async fn start(script: impl Fn(usize) -> Act + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/path?secret=1", listener.local_addr().unwrap());
        let seen = Seen::default();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (script, remembered, connections) = (Arc::new(script), seen.clone(), accepted.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (script, seen) = (script.clone(), remembered.clone());
                let service = service_fn(move |request| act(script.clone(), seen.clone(), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Server { url, seen, accepted }
    }

    pub fn requests(&self) -> usize {
        self.seen.lock().unwrap().len()
    }

    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    pub fn bodies(&self) -> Vec<Bytes> {
        self.seen
            .lock()
            .unwrap()
            .iter()
            .map(|request| request.body().clone())
            .collect()
    }
}

async fn act(
    script: Arc<impl Fn(usize) -> Act>,
    seen: Seen,
    request: Request<Incoming>,
) -> io::Result<Response<BoxBody<Bytes, std::convert::Infallible>>> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let number = {
        let mut seen = seen.lock().unwrap();
        seen.push(Request::from_parts(head, body));
        seen.len() - 1
    };
    let whole = |status, bytes: Bytes| {
        Response::builder()
            .status(status)
            .body(Full::new(bytes).boxed())
            .unwrap()
    };
    Ok(match script(number) {
        Act::Answer(status, body) => whole(status, Bytes::from_static(body.as_bytes())),
        Act::Header(status, name, value) => {
            let mut answer = whole(status, Bytes::new());
            answer.headers_mut().insert(name, value.parse().unwrap());
            answer
        }
        Act::AnswerAfter(span, status, body) => {
            tokio::time::sleep(span).await;
            whole(status, Bytes::from_static(body.as_bytes()))
        }
        Act::Long(length, true) => whole(200, Bytes::from(vec![b'x'; length])),
        // A mapped body does not know its length, so hyper sends it in chunks.
        Act::Long(length, false) => Response::new(
            Full::new(Bytes::from(vec![b'x'; length]))
                .map_frame(|frame| frame)
                .boxed(),
        ),
        Act::Hang => std::future::pending().await,
        Act::Break => return Err(io::Error::other("the connection breaks here")),
    })
}
