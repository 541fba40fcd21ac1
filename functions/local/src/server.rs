//! The HTTP server: the rooms' endpoints, and two of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::Code;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::post;
use bytes::{Bytes, BytesMut};
use domain::limits::BODY_MAX;
use gateway::{Problem, Reply, api_deadline};
use http::{HeaderValue, Request, header};
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
        .method_not_allowed_fallback(only_post)
        .fallback(endpoint)
        .layer(map_response(signed))
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
    let answer = match bounded(body).await {
        Ok(body) => {
            let request = Request::from_parts(parts, body);
            shared.router.answer(request, None, api_deadline(Duration::ZERO)).await
        }
        Err(problem) => shared.edge.answer(Err(problem)),
    };
    answer.map(Body::from)
}

/// The body, read only as far as one byte over the limit: the edge then refuses it in its own words.
async fn bounded(mut body: Body) -> Result<Bytes, Problem> {
    let broken = |error| Problem::new(Code::MalformedRequest, "The body could not be read to its end").because(error);
    let mut read = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.map_err(broken)?.into_data() {
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

/// Winds the clock.
async fn advance(State(shared): State<Arc<Shared>>, by: Result<Query<By>, QueryRejection>) -> Response {
    let seconds = by.ok().and_then(|Query(by)| by.seconds);
    shared.edge.answer(wind(&shared, seconds).await).map(Body::from)
}

async fn wind(shared: &Shared, seconds: Option<String>) -> Result<Reply, Problem> {
    let seconds = seconds
        .and_then(|text| text.parse().ok())
        .filter(|seconds| *seconds <= ADVANCE_MAX_S)
        .ok_or_else(|| {
            let why = format!("'seconds' is a whole number, 0 to {ADVANCE_MAX_S}");
            Problem::new(Code::MalformedRequest, why)
        })?;
    match shared.advance(Duration::from_secs(seconds)).await {
        Advanced::To(now) => Reply::ok(&json!({ "now": now })),
        Advanced::Refused => Err(Problem::new(
            Code::RuleRefused,
            "The clock can be wound only while every part is embedded",
        )),
    }
}

/// Runs the reaper; the body is its event, such as `{"dry-run": true}`.
async fn reap(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    let answer = match bounded(body).await {
        Ok(event) => shared.reap(event).await,
        Err(problem) => shared.edge.answer(Err(problem)),
    };
    answer.map(Body::from)
}

/// A path of this server's own, asked with another method.
async fn only_post(State(shared): State<Arc<Shared>>) -> Response {
    let problem = Problem::new(Code::MethodNotAllowed, "This path has POST and nothing else");
    shared.edge.answer(Err(problem)).map(Body::from)
}

/// Says who answers.
async fn signed(mut answer: Response) -> Response {
    let name = HeaderValue::from_static("layby");
    answer.headers_mut().insert(header::SERVER, name);
    answer
}
