//! Passing requests on to their targets: HTTP with streamed bodies, websockets as tunnels.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::activity::{Activity, Watched};
use super::path::{self, Asked};
use super::{Shared, headers, pages};
use crate::serve::Connection;

/// How long a target may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a target may take until the head of its answer; the real proxy waits for ever.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(600);
/// Idle connections kept to one target.
const IDLE_MAX: usize = 8;
/// Bytes that a tunnel moves at a time.
const CHUNK: usize = 16 << 10;
/// The real proxy's own health check, on the public port.
const HEALTH_PATH: &str = "/_chp_healthz";

/// A client of the targets.
pub(super) type Targets = Client<HttpConnector, Watched>;
/// The body of an answer: the target's, streamed, or a page of the proxy's own.
pub(super) type Body = UnsyncBoxBody<Bytes, hyper::Error>;

/// A client of the targets, with bounds.
pub(super) fn targets() -> Targets {
    let mut connector = HttpConnector::new();
    connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .pool_max_idle_per_host(IDLE_MAX)
        .build(connector)
}

/// Answers one request on the public port.
pub(super) async fn pass(shared: Arc<Shared>, mut request: Request<Incoming>, caller: Connection) -> Response<Body> {
    if request.uri() == HEALTH_PATH {
        return healthy();
    }
    let websocket = headers::asks_for_websocket(&request);
    let asked = path::read(request.uri());
    let shown = asked.as_ref().map(|asked| asked.routed.clone()).unwrap_or_default();
    let refuse = |status| if websocket { bare(status) } else { page(status, &shown) };
    let Some(asked) = asked else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let route = shared.with_machine(|machine, _| {
        machine
            .route(&asked.routed)
            .map(|found| (found.prefix.to_owned(), found.target.to_owned()))
    });
    let Some((prefix, target)) = route else {
        return refuse(StatusCode::NOT_FOUND);
    };
    let Some(uri) = at_target(&target, &asked) else {
        return refuse(StatusCode::INTERNAL_SERVER_ERROR);
    };
    let activity = Activity::new(Arc::clone(&shared), prefix);

    let upgrade = websocket.then(|| hyper::upgrade::on(&mut request));
    let (mut head, body) = request.into_parts();
    headers::for_target(&mut head.headers, caller.remote.ip(), websocket);
    head.uri = uri;
    head.version = Version::HTTP_11;
    head.extensions.clear();
    let request = Request::from_parts(head, Watched::request(body, activity.clone()));
    let answer = match tokio::time::timeout(ANSWER_TIMEOUT, shared.targets.request(request)).await {
        Ok(Ok(answer)) => answer,
        // Nobody there, a connection that broke, or no answer in time: all of them the target's fault.
        Ok(Err(_)) | Err(_) => return refuse(StatusCode::SERVICE_UNAVAILABLE),
    };
    match (answer.status(), upgrade) {
        (StatusCode::SWITCHING_PROTOCOLS, Some(upgrade)) => switch(answer, upgrade, caller, activity),
        (StatusCode::SWITCHING_PROTOCOLS, None) => refuse(StatusCode::SERVICE_UNAVAILABLE),
        (status, upgrade) => {
            // As the real one has it: only what succeeded is use, not even a redirect is, nor a refused handshake.
            let counts = upgrade.is_none() && status.as_u16() < 300;
            let (mut head, body) = answer.into_parts();
            headers::drop_hop_by_hop(&mut head.headers);
            head.version = Version::HTTP_11;
            Response::from_parts(head, Watched::answer(body, counts.then_some(activity)).boxed_unsync())
        }
    }
}

/// Where a request goes: the target's own path in front, the request's whole path behind, both queries.
fn at_target(target: &str, asked: &Asked) -> Option<Uri> {
    let target = target
        .parse::<Uri>()
        .ok()
        .filter(|target| target.scheme() == Some(&Scheme::HTTP))?;
    let base = target.path().strip_suffix('/').unwrap_or(target.path());
    let queries: Vec<&str> = [target.query(), asked.query.as_deref()]
        .into_iter()
        .flatten()
        .filter(|q| !q.is_empty())
        .collect();
    let mark = if queries.is_empty() { "" } else { "?" };
    let path = PathAndQuery::try_from(format!("{base}{}{mark}{}", asked.path, queries.join("&"))).ok()?;
    Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(target.authority()?.clone())
        .path_and_query(path)
        .build()
        .ok()
}

/// Hands the target's agreement back as it is and tunnels once both sides have switched.
fn switch(
    mut answer: Response<Incoming>,
    upgrade: OnUpgrade,
    mut caller: Connection,
    activity: Activity,
) -> Response<Body> {
    let theirs = hyper::upgrade::on(&mut answer);
    tokio::spawn(async move {
        let Ok((caller_side, target_side)) = tokio::try_join!(upgrade, theirs) else {
            return;
        };
        let (from_caller, to_caller) = tokio::io::split(TokioIo::new(caller_side));
        let (from_target, to_target) = tokio::io::split(TokioIo::new(target_side));
        // Only what the caller sends is use: the real proxy does not see the other direction. A websocket that only
        // listens shows itself by its pongs, where the target pings.
        let up = pump(from_caller, to_target, || activity.touch());
        let down = pump(from_target, to_caller, || ());
        tokio::select! {
            _ = async { tokio::try_join!(up, down) } => {}
            () = caller.stopped() => {}
        }
    });
    answer.map(|_| empty())
}

async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, seen: impl Fn()) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let length = from.read(&mut chunk).await?;
        if length == 0 {
            return to.shutdown().await;
        }
        seen();
        to.write_all(&chunk[..length]).await?;
        to.flush().await?;
    }
}

fn empty() -> Body {
    Empty::new().map_err(|never: Infallible| match never {}).boxed_unsync()
}

fn bare(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(empty());
    *response.status_mut() = status;
    response
}

fn page(status: StatusCode, path: &str) -> Response<Body> {
    pages::failure(status, path).map(whole)
}

fn healthy() -> Response<Body> {
    let mut response = Response::new(whole(Bytes::from_static(br#"{"status":"OK"}"#)));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn whole(body: Bytes) -> Body {
    Full::new(body)
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_keeps_its_path_behind_the_targets_own() {
        let at = |target, asked: &str| {
            let asked = path::read(&asked.parse().unwrap()).unwrap();
            at_target(target, &asked).map(|uri| uri.to_string())
        };
        assert_eq!(at("http://a:1", "/user/x?q=1").unwrap(), "http://a:1/user/x?q=1");
        assert_eq!(at("http://a:1/", "/").unwrap(), "http://a:1/");
        assert_eq!(at("http://a:1/base/", "/user//x/").unwrap(), "http://a:1/base/user//x/");
        assert_eq!(
            at("http://a:1/base?k=v", "/x?q=1").unwrap(),
            "http://a:1/base/x?k=v&q=1"
        );
        assert_eq!(at("nonsense", "/x"), None);
        assert_eq!(at("https://a", "/x"), None);
        assert_eq!(at("/a", "/x"), None);
    }
}
