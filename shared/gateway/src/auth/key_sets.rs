//! The keys that an issuer signs with: fetched from it, kept in the table, and remembered.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use domain::Look;
use domain::limits::{AUTHORITY_SPAN, KEY_SET_AGAIN, KEY_SET_BYTES_MAX, KEY_SET_FRESH, KEY_SET_KEPT, KEY_SET_KEYS_MAX};
use http::{Request, StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use net::{Fetch, Net};
use serde::Deserialize;
use serde_json::Value;
use store::{KeySet, Store};
use thiserror::Error;

use super::TokenError;
use crate::ConfigError;
use crate::config::{IssuerConfig, OutsideConfig};

/// Where an issuer describes itself (OpenID Connect Discovery 1.0, 4).
const DISCOVERY: &str = "/.well-known/openid-configuration";

/// The keys of one issuer, as far as they are known.
pub(super) struct KeySets {
    issuer: String,
    jwks_url: Option<Uri>,
    fetch: Fetch,
    known: Mutex<Arc<Known>>,
    /// Whoever holds it is the one who asks for newer keys; the others wait for what comes of it.
    asked: tokio::sync::Mutex<Asked>,
}

/// Keys, and how old they are.
struct Known {
    keys: Vec<Jwk>,
    fetched_at: Timestamp,
}

/// When the issuer was asked last, as far as this process knows, and whether for nothing.
#[derive(Default)]
struct Asked {
    at: Option<Timestamp>,
    in_vain: bool,
}

/// Why no keys came.
#[derive(Debug, Error)]
enum NoKeys {
    #[error(transparent)]
    Net(#[from] net::Error),
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("its answer is not as expected")]
    Unreadable(#[from] serde_json::Error),
    #[error("{0}")]
    Wrong(&'static str),
}

impl KeySets {
    pub(super) fn connect(net: &Net, config: &IssuerConfig, outside: &OutsideConfig) -> Result<Self, ConfigError> {
        let client = |why: String| ConfigError::Client(format!("issuer of access tokens: {why}"));
        let url: Uri = config.url.parse().map_err(|_| client("its URL is none".into()))?;
        // Where the operator said that they are, they may be inside; where the issuer says so, they may not.
        let rules = outside.rules(
            AUTHORITY_SPAN,
            KEY_SET_BYTES_MAX,
            [&url].into_iter().chain(&config.jwks_url),
        );
        Ok(Self {
            issuer: config.url.clone(),
            jwks_url: config.jwks_url.clone(),
            fetch: net.fetch(rules).map_err(|error| client(error.to_string()))?,
            known: Mutex::new(Arc::new(Known {
                keys: Vec::new(),
                fetched_at: Timestamp::UNIX_EPOCH,
            })),
            asked: tokio::sync::Mutex::default(),
        })
    }

    /// The key of this id, or the only one, that verifies signatures of `algorithm`.
    ///
    /// # Errors
    /// [`TokenError::Invalid`] when the issuer has none, [`TokenError::Unreachable`] when that cannot be found out.
    pub(super) async fn key(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        store: &Store,
        look: &Look,
    ) -> Result<DecodingKey, TokenError> {
        let found = |most: std::time::Duration| {
            let known = self.known();
            let is_young = is_within(known.fetched_at, look.now, most);
            is_young.then(|| known.key(id, algorithm)).flatten()
        };
        if let Some(key) = found(KEY_SET_FRESH) {
            return Ok(key);
        }
        let mut asked = self.asked.lock().await;
        // Somebody else may have asked meanwhile.
        if found(KEY_SET_FRESH).is_none() {
            self.renew(&mut asked, || found(KEY_SET_FRESH).is_some(), store, look)
                .await?;
        }
        found(KEY_SET_KEPT).ok_or(match asked.in_vain {
            true => TokenError::Unreachable(None),
            false => TokenError::Invalid("its issuer has no such key"),
        })
    }

    /// Takes newer keys out of the table, and where those do not do, from the issuer: at most once in
    /// [`KEY_SET_AGAIN`], whatever is asked for. That the issuer is out of reach is noted and no error.
    async fn renew(
        &self,
        asked: &mut Asked,
        is_enough: impl Fn() -> bool,
        store: &Store,
        look: &Look,
    ) -> Result<(), TokenError> {
        let recently = |at: Timestamp| is_within(at, look.now, KEY_SET_AGAIN);
        if asked.at.is_some_and(recently) {
            return Ok(());
        }
        let row = store.key_set(&self.issuer).await?;
        if let Some(row) = &row {
            if row.value.fetched_at > self.known().fetched_at {
                match keys_of(row.value.jwks.as_bytes()) {
                    Ok(keys) => self.know(keys, row.value.fetched_at),
                    Err(error) => net::note("reading an issuer's keys out of the table", &error),
                }
            }
            if is_enough() {
                return Ok(());
            }
            // Another process has just asked.
            if recently(row.value.fetched_at) {
                *asked = Asked {
                    at: Some(row.value.fetched_at),
                    in_vain: false,
                };
                return Ok(());
            }
        }
        let fetched = self.fetched().await;
        *asked = Asked {
            at: Some(look.now),
            in_vain: fetched.is_err(),
        };
        match fetched {
            Err(error) => net::note("fetching an issuer's keys", &error),
            Ok(keys) => {
                let set = JwkSet { keys };
                match serde_json::to_string(&set) {
                    Err(error) => net::note("writing an issuer's keys", &error),
                    Ok(jwks) => {
                        let fetched_at = look.now;
                        let next = KeySet { jwks, fetched_at };
                        // Whoever was quicker has as new ones.
                        if let Err(error) = store.put_key_set(row.as_ref(), &self.issuer, &next, look).await {
                            net::note("keeping an issuer's keys", &error);
                        }
                    }
                }
                self.know(set.keys, look.now);
            }
        }
        Ok(())
    }

    async fn fetched(&self) -> Result<Vec<Jwk>, NoKeys> {
        #[derive(Deserialize)]
        struct Discovery {
            issuer: String,
            jwks_uri: String,
        }
        let scope = net::Scope::current().unwrap_or_else(|| net::Scope::lasting(AUTHORITY_SPAN));
        let fetching = async {
            let url = match &self.jwks_url {
                Some(url) => url.to_string(),
                None => {
                    let described = format!("{}{DISCOVERY}", self.issuer.trim_end_matches('/'));
                    let said: Discovery = serde_json::from_slice(&self.get(&described).await?)?;
                    if said.issuer != self.issuer {
                        return Err(NoKeys::Wrong("its discovery document is of another issuer"));
                    }
                    if !said.jwks_uri.starts_with("https://") && self.issuer.starts_with("https://") {
                        return Err(NoKeys::Wrong("its discovery document names keys that are not at https"));
                    }
                    said.jwks_uri
                }
            };
            keys_of(&self.get(&url).await?)
        };
        net::within(scope.at_most(AUTHORITY_SPAN), fetching).await
    }

    async fn get(&self, url: &str) -> Result<Bytes, NoKeys> {
        let request = Request::get(url)
            .header(http::header::ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|_| NoKeys::Wrong("an address is no URL"))?;
        let answer = self.fetch.send(request).await?;
        match answer.status() {
            StatusCode::OK => Ok(answer.into_body()),
            status => Err(NoKeys::Status(status)),
        }
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn know(&self, keys: Vec<Jwk>, fetched_at: Timestamp) {
        let known = Arc::new(Known { keys, fetched_at });
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

impl Known {
    fn key(&self, id: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
        let mut fitting = self.keys.iter().filter(|key| fits(key, algorithm));
        let key = match id {
            Some(id) => fitting.find(|key| key.common.key_id.as_deref() == Some(id))?,
            // Without an id only the one key can be meant that there is.
            None => fitting.next().filter(|_| fitting.next().is_none())?,
        };
        DecodingKey::from_jwk(key).ok()
    }
}

/// Whether the key is of the type of `algorithm`, and says nothing that keeps it from verifying.
fn fits(key: &Jwk, algorithm: Algorithm) -> bool {
    let own_algorithm = match (&key.algorithm, algorithm) {
        (AlgorithmParameters::RSA(_), Algorithm::RS256) => KeyAlgorithm::RS256,
        (AlgorithmParameters::EllipticCurve(key), Algorithm::ES256) if key.curve == EllipticCurve::P256 => {
            KeyAlgorithm::ES256
        }
        _ => return false,
    };
    let common = &key.common;
    let may_verify = |operations: &Vec<_>| operations.contains(&KeyOperations::Verify);
    common.key_algorithm.is_none_or(|named| named == own_algorithm)
        && common.key_operations.as_ref().is_none_or(may_verify)
        && matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
}

/// The keys of a JWK Set that can be used here. Others are left out; a set without any is none.
fn keys_of(text: &[u8]) -> Result<Vec<Jwk>, NoKeys> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(text)?;
    let keys = set.keys.into_iter().take(KEY_SET_KEYS_MAX);
    let keys = keys.filter_map(|key| serde_json::from_value::<Jwk>(key).ok());
    let is_usable = |key: &Jwk| {
        super::signatures::ALGORITHMS
            .iter()
            .any(|algorithm| fits(key, *algorithm))
    };
    let keys: Vec<Jwk> = keys.filter(is_usable).collect();
    if keys.is_empty() {
        return Err(NoKeys::Wrong("none of its keys can be used"));
    }
    Ok(keys)
}

/// Whether `at` and `now` are less than `most` apart. Clocks differ, and the local adapter's is wound.
fn is_within(at: Timestamp, now: Timestamp, most: std::time::Duration) -> bool {
    now.duration_since(at).abs() < SignedDuration::try_from(most).unwrap_or(SignedDuration::MAX)
}
