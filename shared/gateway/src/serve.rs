//! Endpoints as Lambda functions.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use api::Endpoint;
use bytes::Bytes;
use http::Request;
use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt};
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use tokio::time::Instant;

use crate::edge::Opening;
use crate::route::{Incoming, api_deadline};
use crate::{Config, ConfigError, Edge, Route, Router};

/// Why a function could not start, or went down.
pub type Error = lambda_runtime::Error;

/// What a scheduled run leaves of its function's time for the last writes and the answer.
const SCHEDULE_MARGIN: Duration = Duration::from_secs(10);

/// How long a scheduled run may take where no time is given: as long as the template gives its function.
const SCHEDULE_MAX: Duration = Duration::from_secs(300);

/// Runs one endpoint as a Lambda function, until the environment ends.
///
/// # Errors
/// When the configuration is wrong; Lambda then reports the sentence.
pub fn serve(route: &'static Route) -> Result<(), Error> {
    serve_rooms(&[&[route]], route.endpoint)
}

/// Runs every endpoint of `rooms` as one Lambda function; `stray` answers what none of them takes.
///
/// # Errors
/// As [`serve`].
pub fn serve_rooms(rooms: &[&[&'static Route]], stray: &'static Endpoint) -> Result<(), Error> {
    runtime()?.block_on(async {
        let edge = open(stray).await.map_err(sentence)?;
        let router = Router::mount(&edge, &rooms.concat(), stray).map_err(sentence)?;
        router.warm().await;
        let router = &router;
        lambda_http::run(lambda_http::service_fn(
            move |request: lambda_http::Request| async move {
                let request_id = request.lambda_context_ref().map(|context| context.request_id.clone());
                let deadline = api_deadline(age_of(&request));
                let answer = router.answer(raw(request), request_id, deadline).await;
                Ok::<_, Error>(answer.map(text_or_binary))
            },
        ))
        .await
    })
}

/// Runs one endpoint as a scheduled Lambda function, until the environment ends. The event is handed to the handler as
/// the body.
///
/// # Errors
/// As [`serve`].
pub fn serve_schedule(route: &'static Route) -> Result<(), Error> {
    runtime()?.block_on(async {
        let edge = open(route.endpoint).await.map_err(sentence)?;
        let mounted = (route.mount)(&edge, route.endpoint).map_err(sentence)?;
        mounted.warm().await;
        let mounted = &mounted;
        lambda_runtime::run(lambda_runtime::service_fn(
            move |event: LambdaEvent<Value>| async move {
                let deadline = deadline_of(&event.context);
                let incoming =
                    Incoming::scheduled(event.payload.to_string().into(), event.context.request_id, deadline);
                let answer = mounted.answer(incoming).await;
                let report: Value = serde_json::from_slice(answer.body())?;
                if answer.status().is_success() {
                    Ok(report)
                } else {
                    Err(Error::from(report.to_string()))
                }
            },
        ))
        .await
    })
}

/// One thread: a function answers one request at a time, and starts faster without a pool.
fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Opens the edge with what the endpoint's descriptor says it may have: without a secret in it, none is read.
async fn open(endpoint: &Endpoint) -> Result<Arc<Edge>, ConfigError> {
    let mut config = Config::from_environment()?;
    if endpoint.needs.secrets.is_empty() {
        config.forget_secrets();
    }
    Edge::open(Opening::production(config)?).await
}

/// The error as a sentence and nothing else: what `main` returns is logged as `Debug` shows it.
fn sentence(error: ConfigError) -> Error {
    error.to_string().into()
}

fn raw(request: lambda_http::Request) -> Request<Bytes> {
    request.map(|body| match body {
        Body::Empty => Bytes::new(),
        Body::Text(text) => text.into(),
        Body::Binary(bytes) => bytes.into(),
        _ => Bytes::new(),
    })
}

fn text_or_binary(body: Bytes) -> Body {
    match String::from_utf8(body.to_vec()) {
        Ok(text) => Body::Text(text),
        Err(error) => Body::Binary(error.into_bytes()),
    }
}

/// How old an event may be taken to be. More than a cold start takes is a clock that differs, or an emulator that gives
/// no time.
const AGE_MAX: Duration = Duration::from_secs(10);

/// How old the event is by API Gateway's clock, which a cold start adds to; nothing where it does not say.
#[expect(clippy::disallowed_methods, reason = "how old an event is, is mechanical time")]
fn age_of(request: &lambda_http::Request) -> Duration {
    let began = match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => u64::try_from(context.time_epoch).ok(),
        _ => None,
    };
    let began = began.map(|ms| SystemTime::UNIX_EPOCH + Duration::from_millis(ms));
    let age = began.and_then(|began| SystemTime::now().duration_since(began).ok());
    age.unwrap_or_default().min(AGE_MAX)
}

/// The function's own deadline less a margin, as an instant. Lambda gives it in milliseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "deadlines are mechanical time")]
fn deadline_of(context: &lambda_runtime::Context) -> Instant {
    Instant::now() + left_until(context.deadline(), SystemTime::now()).saturating_sub(SCHEDULE_MARGIN)
}

/// How long a function has from `now` on. None runs past its deadline: one that is over already is an emulator's, which
/// gives no time. That of `cargo lambda watch` is ten minutes after the epoch.
fn left_until(deadline: SystemTime, now: SystemTime) -> Duration {
    deadline.duration_since(now).unwrap_or(SCHEDULE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_the_configuration_is_logged_as_a_sentence() {
        let why = "'perhaps' is neither 'open' nor 'keyed'".to_owned();
        let error = sentence(ConfigError::Variable {
            name: "LAYBY_LAUNCHES",
            why,
        });
        let logged = format!("Error: {error:?}");
        assert_eq!(
            logged,
            r#"Error: "LAYBY_LAUNCHES: 'perhaps' is neither 'open' nor 'keyed'""#
        );
    }

    #[test]
    fn a_deadline_that_is_over_already_was_never_given() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        let soon = now + Duration::from_secs(299);
        assert_eq!(left_until(soon, now), Duration::from_secs(299));
        let of_an_emulator = SystemTime::UNIX_EPOCH + Duration::from_secs(600);
        assert_eq!(left_until(of_an_emulator, now), SCHEDULE_MAX);
    }
}
