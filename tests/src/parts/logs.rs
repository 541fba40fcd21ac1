//! What a kubelet answers the API server that asks for a container's log.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::Listener;
use http::Method;
use rcgen::generate_simple_self_signed;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::server::TlsStream;

use crate::Http;

/// Answers with the logs of the embedded Kubernetes at `url`, for as long as the runtime lives, and gives the port.
pub(super) async fn serve(url: &str) -> u16 {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let listener = Tls {
        tcp,
        acceptor: acceptor(),
    };
    let router = Router::new()
        .route("/containerLogs/{namespace}/{pod}/{container}", get(log))
        .with_state(Http::new(url));
    tokio::spawn(async move { axum::serve(listener, router).await });
    port
}

async fn log(
    State(lives): State<Http>,
    Path((namespace, pod, container)): Path<(String, String, String)>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let path = format!("/api/v1/namespaces/{namespace}/pods/{pod}/log?container={container}&{query}");
    let answer = lives.ask(Method::GET, &path).await;
    if answer.status.is_success() {
        return (answer.status, answer.body).into_response();
    }
    // A kubelet says why in plain words.
    let why = answer.json()["message"].as_str().unwrap_or_default().to_owned();
    (answer.status, why).into_response()
}

/// The API server does not ask whose certificate a kubelet has, unless it is told to.
fn acceptor() -> TlsAcceptor {
    let own = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.cert.der().clone()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Connections over TLS, one after the other.
struct Tls {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl Listener for Tls {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.tcp).await;
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}
