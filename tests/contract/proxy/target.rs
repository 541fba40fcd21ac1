//! What a route leads to: a small web server that says what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{LOCATION, SERVER, SET_COOKIE};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// The largest body that it takes.
const BODY_MAX: usize = 64 << 20;
/// The one subprotocol that its websockets speak.
pub(crate) const SUBPROTOCOL: &str = "layby.check";
/// Where its redirects lead.
pub(crate) const ELSEWHERE: &str = "http://elsewhere.example/a";

/// A running target. By the last segment of a path it is asked to do this:
///
/// | path | what it does |
/// |---|---|
/// | `echo` | answers with the body that it got |
/// | `status-<n>` | answers with this status, and for a redirect with a `Location` |
/// | `refuse` | answers a websocket's handshake with 403 and a sentence |
/// | any other | as a request: tells in JSON what it got; as a websocket: see [`converse`] |
pub(crate) struct Target {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    later: Notify,
    ends: Mutex<Vec<Option<(u16, String)>>>,
}

impl Target {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::default(),
        };
        let router = Router::new().fallback(answer).with_state(Arc::clone(&target.shared));
        tokio::spawn(async { axum::serve(listener, router).await });
        target
    }

    /// Lets it send what it was asked to send later.
    pub(crate) fn later(&self) {
        self.shared.later.notify_one();
    }

    /// How its websockets ended, in order: the code and reason of the close frame, or nothing where none came.
    pub(crate) fn ends(&self) -> Vec<Option<(u16, String)>> {
        self.shared.ends.lock().unwrap().clone()
    }
}

/// An address at which nobody listens.
pub(crate) async fn nobody() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

async fn answer(
    State(shared): State<Arc<Shared>>,
    socket: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let last = head.uri.path().rsplit('/').next().unwrap_or_default();
    match (last, socket) {
        ("refuse", _) => (StatusCode::FORBIDDEN, "not you").into_response(),
        (_, Ok(socket)) => {
            let told = tell(&head, 0);
            let converse = move |socket| converse(socket, told, shared);
            socket.protocols([SUBPROTOCOL]).on_upgrade(converse)
        }
        ("echo", _) => to_bytes(body, BODY_MAX).await.unwrap().into_response(),
        (last, _) => match last.strip_prefix("status-") {
            Some(status) => {
                drop(to_bytes(body, BODY_MAX).await);
                let status = StatusCode::from_bytes(status.as_bytes()).unwrap();
                match status.is_redirection() {
                    true => (status, [(LOCATION, ELSEWHERE)]).into_response(),
                    false => status.into_response(),
                }
            }
            None => {
                let length = to_bytes(body, BODY_MAX).await.unwrap().len();
                let mut response = Response::new(Body::from(tell(&head, length).to_string()));
                let headers = response.headers_mut();
                headers.append(SERVER, "the target".parse().unwrap());
                headers.append(SET_COOKIE, "a=1; Path=/user/x".parse().unwrap());
                headers.append(SET_COOKIE, "b=2".parse().unwrap());
                response
            }
        },
    }
}

/// What a request said, and how long its body was.
fn tell(head: &http::request::Parts, length: usize) -> Value {
    let mut headers = serde_json::Map::new();
    for (name, value) in &head.headers {
        let values = headers.entry(name.as_str()).or_insert_with(|| json!([]));
        values
            .as_array_mut()
            .unwrap()
            .push(String::from_utf8_lossy(value.as_bytes()).into());
    }
    json!({ "method": head.method.as_str(), "uri": head.uri.to_string(), "headers": headers, "length": length })
}

/// Echoes text and binary, but for these: `tell` tells what the handshake said, `push-later` sends a text and
/// `ping-later` a ping once [`Target::later`] says so, `close` closes with 4001 and "enough", and `vanish` ends without a word.
async fn converse(mut socket: WebSocket, told: Value, shared: Arc<Shared>) {
    let mut end = None;
    while let Some(Ok(message)) = socket.recv().await {
        let text = message.to_text().unwrap_or_default();
        if text.ends_with("-later") {
            shared.later.notified().await;
        }
        let answer = match (&message, text) {
            (_, "tell") => Message::Text(told.to_string().into()),
            (_, "push-later") => Message::Text("pushed".into()),
            (_, "ping-later") => Message::Ping("there?".into()),
            (_, "close") => Message::Close(Some(CloseFrame {
                code: 4001,
                reason: "enough".into(),
            })),
            (_, "vanish") => break,
            (Message::Close(close), _) => {
                end = close.as_ref().map(|close| (close.code, close.reason.to_string()));
                continue;
            }
            (Message::Text(_) | Message::Binary(_), _) => message,
            // A ping is answered by the library.
            (Message::Ping(_) | Message::Pong(_), _) => continue,
        };
        if socket.send(answer).await.is_err() {
            break;
        }
    }
    shared.ends.lock().unwrap().push(end);
}
