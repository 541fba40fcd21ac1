//! An issuer of access tokens (OIDC): a discovery document, its keys, and tokens for whoever starts it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use jiff::{SignedDuration, Timestamp};
use ring::digest::{SHA256, digest};
use ring::error::{KeyRejected, Unspecified};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use thiserror::Error;
use tokio::net::TcpListener;

use crate::serve;

/// Connections that it holds at a time.
const CONNECTIONS_MAX: usize = 64;
/// Where the discovery document is.
const DISCOVERY: &str = "/.well-known/openid-configuration";
/// Where the keys are.
const KEYS: &str = "/keys";
/// Bytes of each coordinate of a public key.
const COORDINATE: usize = 32;

/// Why an issuer cannot be started, or makes no token.
#[derive(Debug, Error)]
pub enum IssuerError {
    /// The address cannot be bound.
    #[error("the issuer of tokens cannot listen")]
    Listen(#[from] io::Error),
    /// There is no randomness, or the library refuses to sign.
    #[error("the issuer of tokens cannot sign")]
    Sign,
}

impl From<Unspecified> for IssuerError {
    fn from(_: Unspecified) -> Self {
        Self::Sign
    }
}

impl From<KeyRejected> for IssuerError {
    fn from(_: KeyRejected) -> Self {
        Self::Sign
    }
}

/// Whom a token is about.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// Whoever shows it.
    pub name: &'a str,
    /// For whom it is.
    pub audience: &'a str,
    /// The organisations that its subject administers.
    pub organisations: &'a [&'a str],
}

/// A running issuer, with a key of its own that nobody else has.
pub struct Issuer {
    server: serve::Server,
    key: Arc<EcdsaKeyPair>,
    random: SystemRandom,
    key_id: String,
}

impl Issuer {
    /// Listens on `address` (port 0 picks one).
    ///
    /// # Errors
    /// [`IssuerError`].
    #[expect(
        clippy::disallowed_methods,
        reason = "an issuer outside layby has randomness of its own"
    )]
    pub async fn start(address: SocketAddr) -> Result<Self, IssuerError> {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random)?;
        let key = Arc::new(EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random)?);
        let key_id = hex::encode(digest(&SHA256, key.public_key().as_ref()));
        let listener = TcpListener::bind(address).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let documents = Arc::new([
            (DISCOVERY, discovery(&url)),
            (KEYS, json!({"keys": [jwk(&key, &key_id)]})),
        ]);
        let handler = move |request: http::Request<hyper::body::Incoming>, _| {
            let documents = Arc::clone(&documents);
            async move {
                let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
                let path = request.uri().path();
                let document = documents.iter().find(|(at, _)| is_read && *at == path);
                answer(document.map(|(_, document)| document))
            }
        };
        Ok(Self {
            server: serve::Server::start(listener, None, CONNECTIONS_MAX, handler)?,
            key,
            random,
            key_id,
        })
    }

    /// Its name: what its tokens' `iss` says.
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// A token that is good from `now` for so long.
    ///
    /// # Errors
    /// [`IssuerError::Sign`].
    pub fn token(&self, about: &Subject<'_>, now: Timestamp, lasts: SignedDuration) -> Result<String, IssuerError> {
        let header = json!({"alg": "ES256", "typ": "JWT", "kid": self.key_id});
        let claims = json!({
            "iss": self.url(), "sub": about.name, "aud": about.audience, "organisations": about.organisations,
            "iat": now.as_second(), "nbf": now.as_second(), "exp": now.as_second() + lasts.as_secs(),
        });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.key.sign(&self.random, signed.as_bytes())?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Stops and returns once the port is free.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

fn discovery(url: &str) -> Value {
    json!({
        "issuer": url, "jwks_uri": format!("{url}{KEYS}"),
        "id_token_signing_alg_values_supported": ["ES256"],
        "response_types_supported": ["token"], "subject_types_supported": ["public"],
    })
}

/// The public key: an uncompressed point is a byte and two coordinates.
fn jwk(key: &EcdsaKeyPair, key_id: &str) -> Value {
    let point = key.public_key().as_ref();
    let (x, y) = point
        .get(1..)
        .unwrap_or_default()
        .split_at(COORDINATE.min(point.len() - 1));
    let coordinate = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({
        "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": key_id,
        "x": coordinate(x), "y": coordinate(y),
    })
}

fn answer(document: Option<&Value>) -> Response<Full<Bytes>> {
    let Some(document) = document else {
        let mut missing = Response::new(Full::from("There is nothing here.\n"));
        *missing.status_mut() = StatusCode::NOT_FOUND;
        return missing;
    };
    let mut response = Response::new(Full::from(document.to_string()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
