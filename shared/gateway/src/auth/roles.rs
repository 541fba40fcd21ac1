//! Roles, looked up at the service that the older service asked: it has no key to verify a token with, but whoever can
//! read somebody's roles with a token of theirs has a good one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use domain::limits::{AUTHORITY_SPAN, ROLES_ANSWER_MAX, ROLES_CACHE};
use domain::{Authority, Caller};
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Request, StatusCode, Uri};
use jiff::Timestamp;
use net::{Fetch, Net};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::time::Instant;

use super::{Presented, TokenError, oidc, organisations, person_name};
use crate::ConfigError;
use crate::config::OutsideConfig;

/// The role of whoever administers an organisation.
const ADMIN: &str = "orgadmin";
/// The most tokens that are remembered. The cache is emptied when it is full.
const REMEMBERED_MAX: usize = 1024;
/// What stands as itself in a segment of a path (RFC 3986, 2.3); everything else is percent-encoded.
const SEGMENT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The service that says who has which role.
pub(super) struct Roles {
    fetch: Fetch,
    /// Without a slash at its end.
    url: String,
    remembered: Mutex<HashMap<String, Remembered>>,
}

struct Remembered {
    caller: Caller,
    asked_at: Instant,
    expires_at: Option<Timestamp>,
}

/// What it answers, as far as it is of interest.
#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    role: Option<Vec<Role>>,
}

#[derive(Deserialize)]
struct Role {
    #[serde(default)]
    name: String,
    #[serde(default)]
    organization: Option<String>,
}

impl Roles {
    pub(super) fn connect(net: &Net, url: &Uri, outside: &OutsideConfig) -> Result<Self, ConfigError> {
        let rules = outside.rules(AUTHORITY_SPAN, ROLES_ANSWER_MAX, [url]);
        let fetch = net.fetch(rules);
        Ok(Self {
            fetch: fetch.map_err(|error| ConfigError::Client(format!("service of roles: {error}")))?,
            url: url.to_string().trim_end_matches('/').to_owned(),
            remembered: Mutex::default(),
        })
    }

    /// Who presented this token, by what the service says to whoever presents it. That is remembered for
    /// [`ROLES_CACHE`] at most, and not beyond the token's own `exp`; refusals and outages are not.
    pub(super) async fn vouch(&self, token: &Presented<'_>, now: Timestamp) -> Result<Caller, TokenError> {
        let expires_at = token.claims.get("exp").and_then(oidc::instant);
        if expires_at.is_some_and(|end| end <= now) {
            return Err(TokenError::Invalid("it has expired"));
        }
        let sha256 = vault::sha256_hex(token.token.as_bytes());
        if let Some(caller) = self.remembered(&sha256, now) {
            return Ok(caller);
        }
        let name = person_name(token.claims.get("user_name"));
        // Dots alone would be another path once it is tidied up.
        let name = name.filter(|name| !matches!(*name, "." | ".."));
        let name = name.ok_or(TokenError::Invalid("its 'user_name' names nobody"))?;
        let asked_at = now_mechanical();
        let answer = self.asked(name, token.token).await?;
        let admin_of = answer.role.iter().flatten().filter(|role| role.name == ADMIN);
        let caller = Caller::Person {
            authority: Authority::Roles,
            name: name.to_owned(),
            organisations: organisations(admin_of.filter_map(|role| role.organization.as_deref())),
        };
        // One whose end makes no sense is looked up each time.
        if expires_at.is_some() || !token.claims.contains_key("exp") {
            let one = Remembered {
                caller: caller.clone(),
                asked_at,
                expires_at,
            };
            self.remember(sha256, one);
        }
        Ok(caller)
    }

    async fn asked(&self, name: &str, token: &str) -> Result<Answer, TokenError> {
        let unsendable = || TokenError::Invalid("no header can carry it");
        let mut bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| unsendable())?;
        bearer.set_sensitive(true);
        let name = utf8_percent_encode(name, &SEGMENT);
        let request = Request::get(format!("{}/v1/users/{name}/userroles", self.url))
            .header(AUTHORIZATION, bearer)
            .header(ACCEPT, "application/json")
            .body(Bytes::new())
            .map_err(|_| unsendable())?;
        let answer = match self.fetch.send(request).await {
            Ok(answer) => answer,
            Err(error) => return Err(TokenError::Unreachable(Some(error))),
        };
        match answer.status() {
            StatusCode::OK => {
                serde_json::from_slice(answer.body()).map_err(|error| TokenError::Unreachable(None).noting(&error))
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(TokenError::Unreachable(None))
            }
            _ => Err(TokenError::Invalid("the service of roles does not take it")),
        }
    }

    fn remembered(&self, sha256: &str, now: Timestamp) -> Option<Caller> {
        let remembered = self.lock();
        let one = remembered.get(sha256)?;
        let holds = one.asked_at.elapsed() < ROLES_CACHE && one.expires_at.is_none_or(|end| now < end);
        holds.then(|| one.caller.clone())
    }

    fn remember(&self, sha256: String, one: Remembered) {
        let mut remembered = self.lock();
        if remembered.len() >= REMEMBERED_MAX {
            remembered.clear();
        }
        remembered.insert(sha256, one);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Remembered>> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long roles are remembered is mechanical time"
)]
fn now_mechanical() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::SignedDuration;
    use std::time::Duration;

    fn roles() -> Roles {
        let net = Net::new(net::Settings::default()).unwrap();
        let url = Uri::from_static("https://roles.example/");
        Roles::connect(&net, &url, &OutsideConfig::default()).unwrap()
    }

    fn ann(expires_at: Option<Timestamp>) -> Remembered {
        let caller = Caller::Person {
            authority: Authority::Roles,
            name: "ann".to_owned(),
            organisations: organisations(["acme"]),
        };
        Remembered {
            caller,
            asked_at: now_mechanical(),
            expires_at,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn roles_are_remembered_for_less_than_a_minute_and_not_beyond_the_tokens_end() {
        let (roles, now) = (roles(), "2026-11-22T10:00:00Z".parse().unwrap());
        let end = now + SignedDuration::from_secs(30);
        roles.remember("ends".to_owned(), ann(Some(end)));
        roles.remember("endless".to_owned(), ann(None));
        assert!(roles.remembered("ends", end - SignedDuration::from_millis(1)).is_some());
        assert!(roles.remembered("ends", end).is_none() && roles.remembered("endless", end).is_some());
        tokio::time::advance(Duration::from_millis(59_999)).await;
        assert!(roles.remembered("endless", now).is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(roles.remembered("endless", now).is_none() && roles.remembered("ends", now).is_none());
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let roles = roles();
        for number in 0..=REMEMBERED_MAX {
            roles.remember(number.to_string(), ann(None));
        }
        assert_eq!(roles.lock().len(), 1);
    }
}
