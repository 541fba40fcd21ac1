//! What kube sends its requests through: the cluster's address, its token, and the shared client.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{AUTHORIZATION, USER_AGENT};
use http::uri::{Parts, PathAndQuery};
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use kube::client::Body;

use crate::TokenSource;
use crate::error::{Error, Source};

/// The most bytes of a request's body, which is what kube-apiserver reads of one. A deployment's template and variables
/// are each within a body of ours ([`domain::limits::BODY_MAX`]).
const REQUEST_MAX: usize = 3 * 1024 * 1024;
/// Names layby in audit logs and as the manager of fields.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("layby/", env!("CARGO_PKG_VERSION")));

/// Among a request's extensions: of its answer's body only so many bytes are kept, the last ones.
#[derive(Clone, Copy)]
pub(crate) struct KeepLast(pub(crate) usize);

/// Among the extensions of such an answer: bytes before the last ones were left out.
#[derive(Clone, Copy)]
pub(crate) struct Cut;

/// The service under kube's client.
#[derive(Clone)]
pub(crate) struct Transport {
    client: net::Client,
    target: Arc<Target>,
}

struct Target {
    base: Uri,
    token: TokenSource,
}

impl Transport {
    /// # Errors
    /// [`Error::Rejected`] when `base` is not a whole http or https URL, or no header can carry the token.
    pub(crate) fn new(client: net::Client, base: Uri, token: TokenSource) -> Result<Self, Error> {
        if !matches!(base.scheme_str(), Some("http" | "https")) || base.host().is_none_or(str::is_empty) {
            return Err(Error::rejected(
                "the address of the cluster's API is not an http or https URL",
            ));
        }
        if let TokenSource::Static(token) = &token {
            token.header().map_err(|error| Error::Rejected(error.into()))?;
        }
        Ok(Transport {
            client,
            target: Arc::new(Target { base, token }),
        })
    }
}

impl tower::Service<Request<Body>> for Transport {
    type Response = Response<Full<Bytes>>;
    type Error = Source;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Source>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Source>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let Transport { client, target } = self.clone();
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            head.uri = below(&target.base, &head.uri)?;
            head.headers.entry(USER_AGENT).or_insert(AGENT);
            if let Some(token) = target.token.header().await? {
                head.headers.insert(AUTHORIZATION, token);
            }
            let body = Limited::new(body, REQUEST_MAX).collect().await?.to_bytes();
            let keep = head.extensions.remove();
            let request = Request::from_parts(head, body);
            let answer = match keep {
                None => client.send(request).await?,
                Some(KeepLast(most)) => {
                    let mut kept = client.send_keeping(request, most).await?;
                    if kept.is_cut {
                        kept.answer.extensions_mut().insert(Cut);
                    }
                    kept.answer
                }
            };
            Ok(answer.map(Full::new))
        })
    }
}

/// `relative` below `base`, which has a path of its own when the cluster stands behind a gateway.
fn below(base: &Uri, relative: &Uri) -> Result<Uri, http::Error> {
    let path = relative.path_and_query().map_or("/", PathAndQuery::as_str);
    let mut parts = Parts::default();
    parts.scheme = base.scheme().cloned();
    parts.authority = base.authority().cloned();
    parts.path_and_query = Some(format!("{}{path}", base.path().trim_end_matches('/')).try_into()?);
    Ok(Uri::from_parts(parts)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_below_the_clusters_address_and_keep_their_query() {
        for (base, whole) in [
            ("https://10.0.0.1:6443", "https://10.0.0.1:6443/api/v1/namespaces?a=b"),
            ("https://k8s.example/", "https://k8s.example/api/v1/namespaces?a=b"),
            (
                "http://gateway/k8s/c-1/",
                "http://gateway/k8s/c-1/api/v1/namespaces?a=b",
            ),
        ] {
            let relative = Uri::from_static("/api/v1/namespaces?a=b");
            assert_eq!(below(&base.parse().unwrap(), &relative).unwrap().to_string(), whole);
        }
    }

    #[test]
    fn an_address_without_scheme_or_host_is_refused() {
        let net = net::Net::new(net::Settings::default()).unwrap();
        for bad in ["/api", "k8s.example:443", "ftp://k8s.example"] {
            let made = Transport::new(net.client(net::Peer::Cluster), bad.parse().unwrap(), TokenSource::None);
            assert!(matches!(made, Err(Error::Rejected(_))), "{bad}");
        }
    }
}
