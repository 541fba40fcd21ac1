//! The proxy over real sockets, in front of the web server of a pod and of a small server made to watch it.

mod requests;
mod websockets;

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicI64, Ordering};

use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::*;
use crate::web;

const ID: &str = "0123456789abcdef0123456789abcdef";
const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

struct Stage {
    proxy: Proxy,
    clock: Arc<AtomicI64>,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    text: String,
}

async fn stage() -> Stage {
    let clock = Arc::new(AtomicI64::new(1_800_000_000));
    let reading = Arc::clone(&clock);
    let proxy = Proxy::start(Settings {
        clock: Arc::new(move || Timestamp::from_second(reading.load(Ordering::SeqCst)).unwrap()),
        token: "t".to_owned(),
        listen: LOOPBACK,
        api_listen: LOOPBACK,
    });
    Stage {
        proxy: proxy.await.unwrap(),
        clock,
    }
}

impl Stage {
    fn wind(&self, seconds: i64) {
        self.clock.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Seconds since the start at which `prefix` was last used.
    fn used(&self, prefix: &str) -> i64 {
        self.proxy
            .with_machine(|machine| machine.last_activity(prefix))
            .unwrap()
            .as_second()
            - 1_800_000_000
    }

    async fn api(&self, method: &str, path: &str, body: Value) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.proxy.api_url()));
        send(
            request
                .header(AUTHORIZATION, "token t")
                .body(Full::new(Bytes::from(body.to_string())))
                .unwrap(),
        )
        .await
    }

    async fn route(&self, path: &str, target: SocketAddr) {
        let target = json!({"target": format!("http://{target}")});
        assert_eq!(
            self.api("POST", &format!("/api/routes{path}"), target).await.status,
            201
        );
    }

    async fn ask(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.proxy.public_address()));
        send(request.body(Full::new(body.into())).unwrap()).await
    }

    fn socket_url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.proxy.public_address())
    }
}

async fn send(request: Request<Full<Bytes>>) -> Answer {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let (head, body) = client.request(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        text: String::from_utf8(body.to_vec()).unwrap(),
    }
}

/// A target that says what it got: path, forwarded headers and the length of the body, read whole. `/fail` is a 404.
async fn mirror() -> serve::Server {
    let listener = TcpListener::bind(LOOPBACK).await.unwrap();
    let answer = |request: Request<Incoming>, _| async {
        let (head, body) = request.into_parts();
        let length = body.collect().await.unwrap().to_bytes().len();
        let headers: Value = head
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
            .collect();
        let text =
            json!({"method": head.method.as_str(), "uri": head.uri.to_string(), "headers": headers, "length": length});
        let mut response = Response::new(Full::new(Bytes::from(text.to_string())));
        if head.uri.path().ends_with("/fail") {
            *response.status_mut() = StatusCode::NOT_FOUND;
        }
        response
    };
    serve::Server::start(listener, None, 16, answer).unwrap()
}

async fn pod() -> web::Server {
    let page = web::Page {
        application: ID.to_owned(),
        pod: "p".to_owned(),
        template: "t".to_owned(),
    };
    web::Server::start(LOOPBACK, page).await.unwrap()
}

async fn dead_address() -> SocketAddr {
    TcpListener::bind(LOOPBACK).await.unwrap().local_addr().unwrap()
}
