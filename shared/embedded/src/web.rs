//! The little web servers of pods: what a Ready simulated pod answers.
//!
//! `GET` of anything is a page that names the application; a websocket on any path is an echo. A server is one listener
//! and one task, so that thousands run in one process (each takes a file descriptor).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, SERVER, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::serve;

/// Connections, websockets included, that one pod holds at a time.
const CONNECTIONS_MAX: usize = 256;
/// Largest websocket message that is echoed, in bytes; a larger one closes the websocket.
const MESSAGE_MAX: usize = 1 << 20;
/// Read buffer of one websocket, in bytes: small, because there may be very many.
const READ_BUFFER: usize = 4 << 10;
/// Value of the `server` header, by which a test knows who answered.
const SERVER_NAME: HeaderValue = HeaderValue::from_static("layby-embedded-pod");

/// What the page of a pod says. Any text is fine: it is escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Id of the application.
    pub application: String,
    /// Name of the pod.
    pub pod: String,
    /// Name of the template that the application was launched from.
    pub template: String,
}

/// A running web server of a pod. Dropping it closes the port and every connection, as a killed pod does.
pub struct Server {
    server: serve::Server,
}

impl Server {
    /// Listens on `address` (port 0 picks one) and serves `page`. Connections are accepted once this returns.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn start(address: SocketAddr, page: Page) -> io::Result<Server> {
        let listener = TcpListener::bind(address).await?;
        let page = Arc::new(page);
        let handler = move |request, connection| {
            let page = Arc::clone(&page);
            async move { answer(request, connection, &page) }
        };
        let server = serve::Server::start(listener, None, CONNECTIONS_MAX, handler)?;
        Ok(Server { server })
    }

    /// The address that is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Stops and returns once the port is free and every connection is closed.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

impl Page {
    fn html(&self) -> String {
        // One pass, so that a value that contains a placeholder is not filled in again.
        let mut html = String::with_capacity(TEMPLATE.len() + 256);
        let mut rest = TEMPLATE;
        while let Some((before, value, after)) = self.next_placeholder(rest) {
            html.push_str(before);
            html.push_str(&escaped(value));
            rest = after;
        }
        html.push_str(rest);
        html
    }

    fn next_placeholder<'a>(&'a self, text: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
        let values = [
            ("{application}", &self.application),
            ("{pod}", &self.pod),
            ("{template}", &self.template),
        ];
        values
            .into_iter()
            .filter_map(|(name, value)| {
                text.split_once(name)
                    .map(|(before, after)| (before, value.as_str(), after))
            })
            .min_by_key(|(before, ..)| before.len())
    }
}

const TEMPLATE: &str = include_str!("web.html");

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn answer(mut request: Request<Incoming>, connection: serve::Connection, page: &Page) -> Response<Full<Bytes>> {
    let mut response = if asks_for_websocket(&request) {
        match create_response_with_body(&request, Full::default) {
            Ok(response) => {
                tokio::spawn(echo(hyper::upgrade::on(&mut request), connection));
                response
            }
            Err(refusal) => plain(StatusCode::BAD_REQUEST, refusal.to_string()),
        }
    } else if matches!(*request.method(), Method::GET | Method::HEAD) {
        let mut response = Response::new(Full::from(page.html()));
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        response
    } else {
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "This page is only read.\n".to_owned());
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        response
    };
    response.headers_mut().insert(SERVER, SERVER_NAME);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn asks_for_websocket<B>(request: &Request<B>) -> bool {
    request
        .headers()
        .get(UPGRADE)
        .is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

fn plain(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

async fn echo(upgrade: OnUpgrade, mut connection: serve::Connection) {
    let Ok(upgraded) = upgrade.await else { return };
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    let mut socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
    let talk = async {
        // Pings are answered by the library. A message too large, a protocol error or a lost caller ends the talk.
        while let Some(Ok(message)) = socket.next().await {
            if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
                break;
            }
        }
        let _ = socket.close(None).await;
    };
    tokio::select! {
        () = talk => {}
        () = connection.stopped() => {}
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http_body_util::{BodyExt, Empty};
    use hyper_util::client::legacy::Client;
    use hyper_util::rt::TokioExecutor;
    use tokio_tungstenite::tungstenite::Message;

    use super::*;

    async fn start() -> Server {
        let page = Page {
            application: "0123<b>{pod}".to_owned(),
            pod: "web-1".to_owned(),
            template: "hello".to_owned(),
        };
        Server::start(SocketAddr::from(([127, 0, 0, 1], 0)), page)
            .await
            .unwrap()
    }

    async fn ask(method: Method, server: &Server, path: &str) -> (Response<()>, String) {
        let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
        let uri = format!("http://{}{path}", server.address());
        let request = Request::builder().method(method).uri(uri).body(Empty::new()).unwrap();
        let (head, body) = client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (
            Response::from_parts(head, ()),
            String::from_utf8(body.to_vec()).unwrap(),
        )
    }

    #[tokio::test]
    async fn any_path_answers_a_page_that_names_the_application_with_its_html_escaped() {
        let server = start().await;
        let (response, body) = ask(Method::GET, &server, "/user/x/lab?y=1").await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()[SERVER], "layby-embedded-pod");
        assert!(body.contains("0123&lt;b&gt;{pod}"), "{body}");
        assert!(
            body.contains("<dd>hello</dd>") && body.contains("<dd>web-1</dd>"),
            "{body}"
        );
        assert!(!body.contains("<b>"), "{body}");
        assert_eq!(
            ask(Method::POST, &server, "/").await.0.status(),
            StatusCode::METHOD_NOT_ALLOWED
        );
    }

    #[tokio::test]
    async fn a_websocket_on_any_path_echoes_text_and_binary_and_answers_pings() {
        let server = start().await;
        let url = format!("ws://{}/user/x/socket", server.address());
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        for sent in [Message::text("hello"), Message::binary(vec![0, 159, 146])] {
            socket.send(sent.clone()).await.unwrap();
            assert_eq!(socket.next().await.unwrap().unwrap(), sent);
        }
        socket.send(Message::Ping(Bytes::from_static(b"p"))).await.unwrap();
        assert_eq!(
            socket.next().await.unwrap().unwrap(),
            Message::Pong(Bytes::from_static(b"p"))
        );
        socket.send(Message::text("x".repeat(MESSAGE_MAX + 1))).await.unwrap();
        assert!(
            !matches!(socket.next().await, Some(Ok(Message::Text(_)))),
            "a message over the limit is not echoed"
        );
    }

    #[tokio::test]
    async fn stopping_closes_open_websockets_and_frees_the_port() {
        let server = start().await;
        let address = server.address();
        let (mut socket, _) = tokio_tungstenite::connect_async(format!("ws://{address}/"))
            .await
            .unwrap();
        server.stop().await;
        let end = tokio::time::timeout(Duration::from_secs(5), socket.next())
            .await
            .expect("closed, not left open");
        assert!(!matches!(end, Some(Ok(Message::Text(_) | Message::Binary(_)))));
        TcpListener::bind(address).await.expect("the port is free");
    }
}
