//! An external template registry, played on a loopback port.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// An external template registry. It answers until it is dropped.
pub struct Registry {
    url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

/// What the registry answers to whoever shows its key.
#[derive(Clone, Debug)]
pub enum Page {
    /// This status and body.
    Answer(u16, String),
    /// A redirect to this address.
    Redirect(String),
    /// 200 and this body, after a while.
    Slow(Duration, String),
}

struct Shared {
    key: String,
    pages: Mutex<BTreeMap<String, Page>>,
    asked: Mutex<Vec<String>>,
}

impl Registry {
    /// The key that the registry asks for.
    pub const KEY: &str = "the-key-of-the-registry";

    /// A registry that has no template yet.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared {
            key: Self::KEY.to_owned(),
            pages: Mutex::default(),
            asked: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, shared, serving }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// From now on it answers so when it is asked for the template `name`.
    pub fn answers(&self, name: &str, page: Page) {
        let path = format!("/templates/{name}");
        self.shared.pages.lock().unwrap().insert(path, page);
    }

    /// From now on it has this template.
    pub fn has(&self, name: &str, template: &Value) {
        self.answers(name, Page::Answer(200, template.to_string()));
    }

    /// The paths that it was asked for with its key, in order.
    pub fn asked(&self) -> Vec<String> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION);
    if shown.is_none_or(|shown| shown.as_bytes() != shared.key.as_bytes()) {
        return (StatusCode::FORBIDDEN, "Forbidden").into_response();
    }
    let path = request.uri().path().to_owned();
    shared.asked.lock().unwrap().push(path.clone());
    let page = shared.pages.lock().unwrap().get(&path).cloned();
    match page {
        None => (StatusCode::NOT_FOUND, r#"{"type":"doesNotExist"}"#).into_response(),
        Some(Page::Answer(status, body)) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Some(Page::Redirect(to)) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Some(Page::Slow(span, body)) => {
            tokio::time::sleep(span).await;
            body.into_response()
        }
    }
}
