//! Fetches pod templates from addresses that callers write down.

use std::sync::Arc;

use api::Code;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use domain::limits::{FETCH_BYTES_MAX, FETCH_REDIRECTS_MAX, FETCH_SPAN};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use net::{Net, Scope, within};
use serde_json::Value;
use thiserror::Error;
use url::Url;

use crate::config::{
    DeployState, EnvironmentConfig, FetchConfig, OutsideConfig, RouterConfig, authority, authority_of,
};
use crate::{ConfigError, Problem};

/// Fetches pod templates. Cheap to clone.
///
/// Every address on the way, redirects included, is judged alike: by https, from a host that is allowed, at an address of
/// the public internet. The caller's token goes to the host that was asked and to listed ones, and to no other.
#[derive(Clone)]
pub struct Fetch(Arc<Inner>);

struct Inner {
    /// For addresses that callers write down.
    outside: net::Fetch,
    /// For the operator's own router, and nothing else.
    router: Option<Router>,
    config: FetchConfig,
    from_anywhere: bool,
}

/// The operator's internal router, which stands in for a host.
struct Router {
    fetch: net::Fetch,
    /// Without a slash at its end.
    url: String,
    host: HeaderValue,
    header: HeaderName,
    secret: HeaderValue,
}

/// Who asks for a pod template.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asker<'a> {
    /// The host that was asked, as the request's `Host` says it.
    pub host: Option<&'a str>,
    /// The request's `Authorization`.
    pub authorization: Option<&'a HeaderValue>,
}

/// Why there is no pod template. The text is for the caller.
#[derive(Debug, Error)]
pub enum FetchError {
    /// It is not fetched, or what was fetched is none.
    #[error("{0}")]
    Refused(String),
    /// Where it should be, nobody answers with it.
    #[error("{said}")]
    Failed {
        /// What is wrong there.
        said: String,
        /// Why no answer came, where none did.
        source: Option<net::Error>,
    },
}

/// How one address is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    through_router: bool,
    with_token: bool,
}

impl Fetch {
    /// # Errors
    /// [`ConfigError::Client`] when a client cannot be made, [`ConfigError::Secrets`] when no header can carry what the
    /// router is to be shown.
    pub(crate) fn connect(
        net: &Net,
        config: &EnvironmentConfig,
        outside: &OutsideConfig,
        router_secret: &str,
    ) -> Result<Self, ConfigError> {
        let client = |error: net::Error| ConfigError::Client(format!("pod templates: {error}"));
        let rules = outside.rules(FETCH_SPAN, FETCH_BYTES_MAX, []);
        let fetch = &config.fetch;
        let router = fetch.router.as_ref();
        let connected = |router: &RouterConfig| -> Result<Router, ConfigError> {
            let rules = outside.rules(FETCH_SPAN, FETCH_BYTES_MAX, [&router.internal]);
            let given = Some(router_secret).filter(|secret| !secret.is_empty());
            let secret = STANDARD.encode(given.or(router.secret.as_deref()).unwrap_or_default());
            let header = |text: String| {
                HeaderValue::try_from(text)
                    .map_err(|_| ConfigError::Secrets("no header can carry the router's host or secret".into()))
            };
            let mut secret = header(secret)?;
            secret.set_sensitive(true);
            Ok(Router {
                fetch: net.fetch(rules).map_err(client)?,
                url: router.internal.to_string().trim_end_matches('/').to_owned(),
                host: header(router.host.clone())?,
                header: router.header.clone(),
                secret,
            })
        };
        Ok(Self(Arc::new(Inner {
            outside: net.fetch(rules).map_err(client)?,
            router: router.map(connected).transpose()?,
            config: fetch.clone(),
            from_anywhere: config.state == DeployState::Development,
        })))
    }

    /// The JSON document at `url`, of at most 1 MiB, within 5 s and at most 3 redirects.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn pod_template(&self, asker: Asker<'_>, url: &str) -> Result<Value, FetchError> {
        let scope = Scope::current().unwrap_or_else(|| Scope::lasting(FETCH_SPAN));
        within(scope.at_most(FETCH_SPAN), self.follow(asker, url)).await
    }

    async fn follow(&self, asker: Asker<'_>, url: &str) -> Result<Value, FetchError> {
        let bad = |error: url::ParseError| refused(format!("The address of the pod template is no URL: {error}"));
        let mut at = Url::parse(url).map_err(bad)?;
        for _ in 0..=FETCH_REDIRECTS_MAX {
            let way = self.0.way(&at, asker)?;
            let answer = self.0.send(&at, way, asker).await?;
            match answer.status() {
                StatusCode::OK => return decoded(answer.body()),
                StatusCode::MOVED_PERMANENTLY
                | StatusCode::FOUND
                | StatusCode::SEE_OTHER
                | StatusCode::TEMPORARY_REDIRECT
                | StatusCode::PERMANENT_REDIRECT => at = redirected(&at, &answer)?,
                status => {
                    return Err(FetchError::Failed {
                        said: format!("Expected 200 from ptsURL got: {}", status.as_u16()),
                        source: None,
                    });
                }
            }
        }
        Err(refused(format!(
            "The pod template is behind more than {FETCH_REDIRECTS_MAX} redirects"
        )))
    }
}

impl Inner {
    /// Whether and how this address is fetched.
    fn way(&self, url: &Url, asker: Asker<'_>) -> Result<Way, FetchError> {
        let host = authority_of(url).ok_or_else(|| refused("The address of the pod template has no host".into()))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(refused(
                "The address of the pod template has a user, which is not allowed".into(),
            ));
        }
        let is_routed = self.config.router.as_ref().is_some_and(|router| router.host == host);
        if is_routed && matches!(url.scheme(), "http" | "https") {
            return Ok(Way {
                through_router: true,
                with_token: true,
            });
        }
        if url.scheme() != "https" {
            let scheme = url.scheme();
            return Err(refused(format!(
                "A pod template is fetched by https, not by '{scheme}', from {host}"
            )));
        }
        let own = asker.host.and_then(|host| authority(host).ok());
        let is_trusted = own.as_ref() == Some(&host) || self.config.hosts.contains(&host);
        if !is_trusted && !self.from_anywhere {
            let expected: Vec<&str> = own.iter().chain(&self.config.hosts).map(String::as_str).collect();
            return Err(refused(format!(
                "Attempting to use PTS from unauthorized host: {host}, expected: {}",
                expected.join(" or ")
            )));
        }
        Ok(Way {
            through_router: false,
            with_token: is_trusted,
        })
    }

    async fn send(&self, url: &Url, way: Way, asker: Asker<'_>) -> Result<Response<Bytes>, FetchError> {
        let router = self.router.as_ref().filter(|_| way.through_router);
        let mut request = match router {
            None => Request::get(&url[..url::Position::AfterQuery]),
            Some(router) => {
                let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
                Request::get(format!("{}{path}", router.url))
                    .header(HOST, &router.host)
                    .header(&router.header, &router.secret)
            }
        };
        request = request
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/json");
        if let Some(authorization) = asker.authorization.filter(|_| way.with_token) {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request
            .body(Bytes::new())
            .map_err(|error| refused(format!("The address of the pod template is no URL: {error}")))?;
        let fetch = router.map_or(&self.outside, |router| &router.fetch);
        let host = url.host_str().unwrap_or_default();
        fetch.send(request).await.map_err(|error| match error {
            net::Error::Guarded(rule) => refused(format!("{host} is not asked for a pod template: {rule}")),
            net::Error::TooLarge => refused(format!(
                "The pod template at {host} has more than {FETCH_BYTES_MAX} bytes"
            )),
            error => FetchError::Failed {
                said: format!("Error retrieving pod template spec: {host}: {error}"),
                source: Some(error),
            },
        })
    }
}

fn refused(said: String) -> FetchError {
    FetchError::Refused(said)
}

/// Where an answer redirects to, from `at`.
fn redirected(at: &Url, answer: &Response<Bytes>) -> Result<Url, FetchError> {
    let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let next = location.and_then(|location| at.join(location).ok());
    next.ok_or_else(|| FetchError::Failed {
        said: format!(
            "Expected 200 from ptsURL got: {} without a good Location",
            answer.status().as_u16()
        ),
        source: None,
    })
}

fn decoded(body: &[u8]) -> Result<Value, FetchError> {
    serde_json::from_slice(body).map_err(|error| {
        refused(format!(
            "Error decoding PTS JSON Body: line {}, column {}",
            error.line(),
            error.column()
        ))
    })
}

impl From<FetchError> for Problem {
    fn from(error: FetchError) -> Self {
        match error {
            FetchError::Refused(said) => Self::new(Code::MalformedRequest, said),
            FetchError::Failed { .. } => Self::new(Code::OriginFailed, error.to_string()).because(error),
        }
    }
}
