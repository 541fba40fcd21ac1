//! A server on a loopback port for tests: it answers by a script and remembers what it was asked.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What the server does with one request.
pub(crate) enum Act {
    /// Answers with this status and body.
    Answer(u16, String),
    /// Redirects there.
    Redirect(u16, String),
    /// Answers after a while.
    After(Duration, String),
    /// Sends a body without an end.
    Endless,
    /// Says nothing.
    Hang,
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

type Script = Arc<dyn Fn(&Asked) -> Act + Send + Sync>;

/// It serves until it is dropped.
pub(crate) struct Origin {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    serving: JoinHandle<()>,
    /// The certificate that vouches for it, where it is asked by https.
    pub(crate) ca_pem: Option<String>,
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Origin {
    /// A server by http.
    pub(crate) async fn http(script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(script)).await
    }

    /// A server by https, with a certificate for these names.
    pub(crate) async fn https(names: &[&str], script: impl Fn(&Asked) -> Act + Send + Sync + 'static) -> Self {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        Self::start(Some(generate_simple_self_signed(names).unwrap()), Arc::new(script)).await
    }

    async fn start(identity: Option<CertifiedKey<rcgen::KeyPair>>, script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let ca_pem = identity.as_ref().map(|identity| identity.cert.pem());
        let tls = identity.map(|identity| {
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let key = PrivateKeyDer::try_from(identity.signing_key.serialize_der()).unwrap();
            let config = ServerConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![identity.cert.der().clone()], key);
            TlsAcceptor::from(Arc::new(config.unwrap()))
        });
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let remembered = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            // Dropped with this task, and every connection with it.
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (script, asked, tls) = (Arc::clone(&script), Arc::clone(&remembered), tls.clone());
                connections.spawn(async move {
                    let service = service_fn(move |request| answer(Arc::clone(&script), Arc::clone(&asked), request));
                    let http = http1::Builder::new();
                    // Whoever breaks off has broken off.
                    match tls {
                        None => drop(http.serve_connection(TokioIo::new(stream), service).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                drop(http.serve_connection(TokioIo::new(stream), service).await);
                            }
                        }
                    }
                });
            }
        });
        Self {
            address,
            asked,
            serving,
            ca_pem,
        }
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its address, where it is asked by http.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn answer(
    script: Script,
    asked: Arc<Mutex<Vec<Asked>>>,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, hyper::Error> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let one = Asked {
        method: head.method.to_string(),
        uri: head.uri,
        headers: head.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    asked.lock().unwrap().push(one.clone());
    let whole = |status: u16, body: String| {
        let body = Full::new(Bytes::from(body)).boxed();
        Response::builder().status(status).body(body).unwrap()
    };
    Ok(match script(&one) {
        Act::Answer(status, body) => whole(status, body),
        Act::Redirect(status, to) => {
            let mut answer = whole(status, String::new());
            answer.headers_mut().insert("location", to.parse().unwrap());
            answer
        }
        Act::After(pause, body) => {
            tokio::time::sleep(pause).await;
            whole(200, body)
        }
        Act::Endless => {
            let chunk = || Ok(Frame::data(Bytes::from_static(&[b' '; 16 * 1024])));
            let endless = futures::stream::repeat_with(chunk);
            Response::new(BodyExt::boxed(StreamBody::new(endless)))
        }
        Act::Hang => std::future::pending().await,
    })
}
