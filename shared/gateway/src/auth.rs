//! Who calls: API keys, and on the paths of environments also whom an authority vouches for.

mod key_sets;
mod keys;
mod oidc;
mod roles;
mod signatures;

use std::collections::BTreeSet;

use api::Code;
use domain::limits::{PERSON_NAME_MAX, TOKEN_BYTES_MAX};
use domain::{Access, Caller, Look, OrganisationName};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use jsonwebtoken::{Header, dangerous};
use net::Net;
use serde_json::{Map, Value};
use store::Store;
use thiserror::Error;

use crate::config::{EnvironmentConfig, OutsideConfig};
use crate::{ConfigError, Problem};

use oidc::Issuer;
use roles::Roles;

pub(crate) use keys::Keys;
pub use keys::key_sha256;

/// The claims of a token.
type Claims = Map<String, Value>;

/// What the caller presented: `Authorization: <key>`, `Bearer <key>` or `token <key>`.
pub(crate) fn credential(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?.trim();
    let bare = match value.split_once(' ') {
        Some((scheme, rest))
            if ["bearer", "token"]
                .iter()
                .any(|known| scheme.eq_ignore_ascii_case(known)) =>
        {
            rest.trim()
        }
        _ => value,
    };
    (!bare.is_empty()).then(|| bare.to_owned())
}

/// Whether an endpoint of this access ever asks who calls.
pub(crate) fn asks_who(access: Access) -> bool {
    match access {
        Access::Open | Access::Schedule => false,
        Access::OpenUnlessClosed(_)
        | Access::AnyKey
        | Access::Key(_)
        | Access::KeyOrLaunchToken(_)
        | Access::Environments => true,
    }
}

/// A token (JWT) as it was presented: nothing that it says is verified.
pub(crate) struct Presented<'a> {
    token: &'a str,
    header: Header,
    claims: Claims,
}

impl<'a> Presented<'a> {
    /// The token in `Authorization`, if it is one: by itself, or after a scheme, which the older service did not look
    /// at.
    pub(crate) fn of(headers: &'a HeaderMap) -> Option<Self> {
        let mut fields = headers.get(AUTHORIZATION)?.to_str().ok()?.split_whitespace();
        let token = match (fields.next(), fields.next(), fields.next()) {
            (Some(token), None, None) | (Some(_), Some(token), None) => token,
            _ => return None,
        };
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let decoded = dangerous::insecure_decode(token).ok()?;
        Some(Self {
            token,
            header: decoded.header,
            claims: decoded.claims,
        })
    }
}

/// Why nobody vouches for whoever presented a token.
#[derive(Debug, Error)]
pub(crate) enum TokenError {
    /// It is not good, for this reason.
    #[error("Invalid Token: {0}")]
    Invalid(&'static str),
    /// The authority cannot be asked.
    #[error("whoever vouches for callers is out of reach")]
    Unreachable(#[source] Option<net::Error>),
    /// The table failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl TokenError {
    /// The same, with what the log is told of it.
    fn noting(self, error: &(dyn std::error::Error + 'static)) -> Self {
        net::note("asking whoever vouches for callers", error);
        self
    }
}

impl From<TokenError> for Problem {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Invalid(_) => Self::new(Code::Unauthenticated, error.to_string()),
            TokenError::Unreachable(_) => Self::new(
                Code::AuthorityUnreachable,
                "Whoever vouches for this token cannot be reached or did not answer in time; try again shortly",
            )
            .because(error),
            TokenError::Store(error) => error.into(),
        }
    }
}

/// Those who vouch for callers.
pub(crate) struct Authorities {
    issuer: Option<Issuer>,
    roles: Option<Roles>,
}

impl Authorities {
    /// Those whom the configuration names. Nothing is sent.
    ///
    /// # Errors
    /// [`ConfigError::Client`] when their clients cannot be made.
    pub(crate) fn connect(net: &Net, config: &EnvironmentConfig, outside: &OutsideConfig) -> Result<Self, ConfigError> {
        let issuer = config.issuer.as_ref();
        let roles = config.roles_url.as_ref();
        Ok(Self {
            issuer: issuer.map(|issuer| Issuer::connect(net, issuer, outside)).transpose()?,
            roles: roles.map(|url| Roles::connect(net, url, outside)).transpose()?,
        })
    }

    /// Who presented this token. Its `iss` says who is to vouch for it: the issuer, whose refusal is final, or for every
    /// other token the service of roles.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub(crate) async fn vouch(&self, token: &Presented<'_>, store: &Store, look: &Look) -> Result<Caller, TokenError> {
        match (&self.issuer, &self.roles) {
            (Some(issuer), _) if issuer.made(token) => issuer.vouch(token, store, look).await,
            (_, Some(roles)) => roles.vouch(token, look.now).await,
            _ => Err(TokenError::Invalid("its issuer is not known here")),
        }
    }
}

/// The name that an authority has for somebody: of such a length, and without what would break a line of the log.
fn person_name(claim: Option<&Value>) -> Option<&str> {
    let name = claim?.as_str()?;
    let is_short = (1..=PERSON_NAME_MAX).contains(&name.chars().count());
    (is_short && !name.chars().any(char::is_control)).then_some(name)
}

/// Those of `names` that are organisations. Others cannot have environments here.
fn organisations<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<OrganisationName> {
    let names = names.into_iter();
    names.filter_map(|name| OrganisationName::parse(name).ok()).collect()
}
