//! A host of pod templates, by https.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::{HeaderMap, header};
use rcgen::generate_simple_self_signed;
use tests::parts::Tls;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A host that has one pod template. It answers on this machine until it is dropped.
pub(super) struct Origin {
    authority: String,
    ca_pem: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

struct Shared {
    template: &'static str,
    asked: Mutex<Vec<Option<String>>>,
}

impl Origin {
    /// The host of this name, which has the template at `path`.
    pub(super) async fn start(name: &str, path: &str, template: &'static str) -> Self {
        let shared = Arc::new(Shared {
            template,
            asked: Mutex::default(),
        });
        let own = generate_simple_self_signed([name.to_owned()]).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = format!("{name}:{}", tcp.local_addr().unwrap().port());
        let ca_pem = own.cert.pem();
        let listener = Tls::new(tcp, &own);
        let router = Router::new().route(path, get(answer)).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            authority,
            ca_pem,
            shared,
            serving,
        }
    }

    /// Its name and port.
    pub(super) fn authority(&self) -> String {
        self.authority.clone()
    }

    /// The certificate that vouches for it.
    pub(super) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// What it was shown in `Authorization` with each request for the template, in order.
    pub(super) fn asked(&self) -> Vec<Option<String>> {
        self.shared.asked.lock().unwrap().clone()
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> &'static str {
    let shown = headers.get(header::AUTHORIZATION);
    let shown = shown.map(|value| value.to_str().unwrap().to_owned());
    shared.asked.lock().unwrap().push(shown);
    shared.template
}
