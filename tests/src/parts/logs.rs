//! What a kubelet answers the API server that asks for a container's log.

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::Method;
use rcgen::generate_simple_self_signed;
use tokio::net::TcpListener;

use super::Tls;
use crate::Http;

/// Answers with the logs of the embedded Kubernetes at `url`, for as long as the runtime lives, and gives the port.
pub(super) async fn serve(url: &str) -> u16 {
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    // The API server does not ask whose certificate a kubelet has, unless it is told to.
    let own = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let listener = Tls::new(tcp, &own);
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
