//! Access tokens of an issuer (OIDC).

use std::collections::BTreeSet;

use domain::limits::TOKEN_SKEW;
use domain::{Authority, Caller, Look, OrganisationName};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode};
use net::Net;
use serde_json::Value;
use store::Store;

use super::key_sets::KeySets;
use super::signatures::{self, ALGORITHMS};
use super::{Claims, Presented, TokenError, organisations, person_name};
use crate::ConfigError;
use crate::config::{IssuerConfig, OutsideConfig};

/// The issuer whose access tokens are taken.
pub(super) struct Issuer {
    config: IssuerConfig,
    keys: KeySets,
}

impl Issuer {
    pub(super) fn connect(net: &Net, config: &IssuerConfig, outside: &OutsideConfig) -> Result<Self, ConfigError> {
        signatures::install();
        Ok(Self {
            config: config.clone(),
            keys: KeySets::connect(net, config, outside)?,
        })
    }

    /// Whether the token says that it is of this issuer.
    pub(super) fn made(&self, token: &Presented<'_>) -> bool {
        token.claims.get("iss").and_then(Value::as_str) == Some(&self.config.url)
    }

    /// Who presented this token: its signature, issuer, audience, `exp` and `nbf` are checked, the last two by the
    /// look's clock.
    pub(super) async fn vouch(&self, token: &Presented<'_>, store: &Store, look: &Look) -> Result<Caller, TokenError> {
        let algorithm = token.header.alg;
        if !ALGORITHMS.contains(&algorithm) {
            return Err(TokenError::Invalid("it is signed neither with RS256 nor with ES256"));
        }
        if token.header.crit.is_some() {
            return Err(TokenError::Invalid(
                "its header has 'crit', and nothing of it is known here",
            ));
        }
        let key = self
            .keys
            .key(token.header.kid.as_deref(), algorithm, store, look)
            .await?;
        let mut validation = Validation::new(algorithm);
        // The library would read a clock of its own.
        (validation.validate_exp, validation.validate_nbf) = (false, false);
        validation.set_required_spec_claims(&["iss", "aud"]);
        validation.set_issuer(&[&self.config.url]);
        validation.set_audience(&[&self.config.audience]);
        let verified = decode::<Claims>(token.token, &key, &validation);
        let claims = verified.map_err(|error| TokenError::Invalid(why(error.kind())))?.claims;
        in_time(&claims, look.now)?;
        let name = person_name(claims.get("sub"));
        Ok(Caller::Person {
            authority: Authority::Issuer,
            name: name.ok_or(TokenError::Invalid("its 'sub' names nobody"))?.to_owned(),
            organisations: listed(&claims, &self.config.claim),
        })
    }
}

fn why(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidAudience => "it is for another audience",
        ErrorKind::InvalidIssuer => "it is of another issuer",
        ErrorKind::MissingRequiredClaim(_) => "it lacks 'iss' or 'aud'",
        _ => "its signature does not match",
    }
}

/// Whether `now` is within what the token says of itself: before `exp`, which it has to have, and not before `nbf`.
fn in_time(claims: &Claims, now: Timestamp) -> Result<(), TokenError> {
    let exp = claims.get("exp").and_then(instant);
    if exp.ok_or(TokenError::Invalid("it lacks a good 'exp'"))? <= now {
        return Err(TokenError::Invalid("it has expired"));
    }
    let Some(nbf) = claims.get("nbf") else {
        return Ok(());
    };
    let nbf = instant(nbf).ok_or(TokenError::Invalid("its 'nbf' is no time"))?;
    let skew = SignedDuration::try_from(TOKEN_SKEW).unwrap_or_default();
    if nbf.duration_since(now) > skew {
        return Err(TokenError::Invalid("it is not valid yet"));
    }
    Ok(())
}

/// A `NumericDate` (RFC 7519, 2): seconds since 1970, with a fraction where wanted.
pub(super) fn instant(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_f64()?;
    let since = SignedDuration::try_from_secs_f64(seconds).ok()?;
    Timestamp::UNIX_EPOCH.checked_add(since).ok()
}

/// The organisations that the claim lists: an array of names, or one name.
fn listed(claims: &Claims, claim: &str) -> BTreeSet<OrganisationName> {
    let value = match claim.strip_prefix('/') {
        None => claims.get(claim).cloned(),
        Some(_) => Value::Object(claims.clone()).pointer(claim).cloned(),
    };
    match value {
        Some(Value::String(name)) => organisations([name.as_str()]),
        Some(Value::Array(names)) => organisations(names.iter().filter_map(Value::as_str)),
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims(value: Value) -> Claims {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_token_is_good_before_its_end_and_from_its_beginning_on() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let second = now.as_second();
        let judged = |value: Value| in_time(&claims(value), now).map_err(|error| error.to_string());
        for good in [
            json!({"exp": second + 1}),
            json!({"exp": second as f64 + 0.5}),
            json!({"exp": second + 1, "nbf": second}),
            json!({"exp": second + 1, "nbf": second + 10}),
        ] {
            assert_eq!(judged(good.clone()), Ok(()), "{good}");
        }
        for (bad, said) in [
            (json!({}), "it lacks a good 'exp'"),
            (json!({"exp": (second + 1).to_string()}), "it lacks a good 'exp'"),
            (json!({"exp": 1e300}), "it lacks a good 'exp'"),
            (json!({"exp": null}), "it lacks a good 'exp'"),
            (json!({"exp": second}), "it has expired"),
            (json!({"exp": second - 1}), "it has expired"),
            (json!({"exp": second + 60, "nbf": second + 11}), "it is not valid yet"),
            (json!({"exp": second + 60, "nbf": "soon"}), "its 'nbf' is no time"),
        ] {
            assert_eq!(judged(bad.clone()), Err(format!("Invalid Token: {said}")), "{bad}");
        }
    }

    #[test]
    fn organisations_stand_in_an_array_or_alone_at_the_top_or_below() {
        let of = |value: Value, claim: &str| {
            let found = listed(&claims(value), claim).into_iter();
            found.map(String::from).collect::<Vec<_>>()
        };
        let below = json!({"realm_access": {"roles": ["acme", "b"]}, "https://x.example/orgs": ["c"], "one": "acme"});
        assert_eq!(of(below.clone(), "/realm_access/roles"), ["acme", "b"]);
        assert_eq!(of(below.clone(), "https://x.example/orgs"), ["c"]);
        assert_eq!(of(below.clone(), "one"), ["acme"]);
        for nothing in ["absent", "/realm_access", "/realm_access/absent", "realm_access"] {
            assert!(of(below.clone(), nothing).is_empty(), "{nothing}");
        }
        // What is no name of an organisation administers nothing.
        let odd = json!({"organisations": ["Acme", "a b", "", "*", 7, null, ["acme"], "b"]});
        assert_eq!(of(odd, "organisations"), ["b"]);
    }
}
