//! The HTTP server: the rooms' endpoints, and two of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::post;
use bytes::{Bytes, BytesMut};
use domain::limits::BODY_MAX;
use gateway::api_deadline;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Error;
use crate::adapter::{Advanced, Shared};

/// How long requests under way may take to end when the adapter stops.
const STOP_MAX: Duration = Duration::from_secs(2);
/// The most that the clock is wound at once: a year.
const ADVANCE_MAX_S: u64 = 365 * 24 * 60 * 60;

/// Serves until `stopped` says so.
pub(crate) async fn serve(
    address: SocketAddr,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(SocketAddr, JoinHandle<()>), Error> {
    let listen = |source| Error::Listen {
        address,
        flag: "--listen",
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let app = axum::Router::new()
        .route("/_local/advance", post(advance))
        .route("/_local/reap", post(reap))
        .fallback(endpoint)
        .with_state(shared);
    let mut asked = stopped.clone();
    let served = axum::serve(listener, app).with_graceful_shutdown(async move {
        let _ = asked.changed().await;
    });
    let task = tokio::spawn(async move {
        let stopping = async {
            let _ = stopped.changed().await;
            tokio::time::sleep(STOP_MAX).await;
        };
        tokio::select! {
            _ = served.into_future() => {}
            () = stopping => {}
        }
    });
    Ok((address, task))
}

/// Everything that the rooms have.
async fn endpoint(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let body = match bounded(body).await {
        Ok(body) => body,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    let mut answer = shared
        .router
        .answer(Request::from_parts(parts, body), None, api_deadline(Duration::ZERO))
        .await
        .map(Body::from);
    answer
        .headers_mut()
        .insert(header::SERVER, HeaderValue::from_static("layby"));
    answer
}

/// The body, read only as far as one byte over the limit: the edge then refuses it in its own words.
async fn bounded(mut body: Body) -> Result<Bytes, axum::Error> {
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            read.extend_from_slice(&data);
        }
        if read.len() > BODY_MAX {
            read.truncate(BODY_MAX + 1);
            break;
        }
    }
    Ok(read.freeze())
}

#[derive(Deserialize)]
struct By {
    seconds: Option<String>,
}

async fn advance(State(shared): State<Arc<Shared>>, Query(By { seconds }): Query<By>) -> Response {
    let seconds = seconds
        .and_then(|text| text.parse().ok())
        .filter(|seconds| *seconds <= ADVANCE_MAX_S);
    let Some(seconds) = seconds else {
        let why = format!("'seconds' is a whole number, 0 to {ADVANCE_MAX_S}");
        return (
            StatusCode::BAD_REQUEST,
            Json(json!({ "type": "malformedRequest", "error": why })),
        )
            .into_response();
    };
    match shared.advance(Duration::from_secs(seconds)).await {
        Advanced::To(now) => Json(json!({ "now": now })).into_response(),
        Advanced::Refused => {
            let why = "the clock can be wound only while every part is embedded";
            (
                StatusCode::CONFLICT,
                Json(json!({ "type": "notEmbedded", "error": why })),
            )
                .into_response()
        }
    }
}

/// Runs the reaper; the body is its event, such as `{"dry-run": true}`.
async fn reap(State(shared): State<Arc<Shared>>, event: Bytes) -> Response {
    let (status, report) = shared.reap(event).await;
    (status, Json(report)).into_response()
}
