//! Who may call.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{KeyName, Refusal};

/// What an API key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Applications and templates: everything the older deploy service asked its key for.
    Apps,
    /// Environments and their deployments, of all organisations or of those that the key lists.
    Envs,
    /// Leases of whole clusters.
    Leases,
    /// Everything, and what only an operator may do.
    Admin,
}

impl Scope {
    /// Each scope that exists.
    pub const ALL: [Scope; 4] = [Scope::Apps, Scope::Envs, Scope::Leases, Scope::Admin];

    /// As written in a key's list of scopes.
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Apps => "apps",
            Scope::Envs => "envs",
            Scope::Leases => "leases",
            Scope::Admin => "admin",
        }
    }
}

/// The scopes of one key.
pub type Scopes = BTreeSet<Scope>;

/// Who called, after authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Caller {
    /// No credential, or one that nobody knows.
    Nobody,
    /// The first admin key, which the configuration has instead of the table.
    ConfiguredAdmin,
    /// The key for leases whose hash, or which itself, is in the configuration.
    ConfiguredLeases,
    /// A known API key.
    Key {
        /// Its name.
        name: KeyName,
        /// Its scopes.
        scopes: Scopes,
    },
}

impl Caller {
    /// A word that names the caller in records, cursors and idempotency rows. Two callers never share one.
    pub fn word(&self) -> String {
        match self {
            Caller::Nobody => "open".to_owned(),
            Caller::ConfiguredAdmin => "configured-admin".to_owned(),
            Caller::ConfiguredLeases => "configured-leases".to_owned(),
            Caller::Key { name, .. } => format!("key:{name}"),
        }
    }

    /// Whether the caller's key has `scope`; `admin` includes all.
    pub fn has(&self, scope: Scope) -> bool {
        match self {
            Caller::Nobody => false,
            Caller::ConfiguredAdmin => true,
            Caller::ConfiguredLeases => scope == Scope::Leases,
            Caller::Key { scopes, .. } => scopes.contains(&scope) || scopes.contains(&Scope::Admin),
        }
    }
}

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody.
    Open,
    /// Anybody, unless the installation's configuration says that a launch needs this scope.
    OpenUnlessClosed(Scope),
    /// Any key that is good.
    AnyKey,
    /// A key with this scope.
    Key(Scope),
    /// A key with this scope, or the token that one launch was answered with. The handler checks the token, because
    /// only it knows which launch is meant.
    KeyOrLaunchToken(Scope),
    /// Nobody over HTTP: it runs on a schedule.
    Schedule,
}

/// Whether `caller` may call an endpoint of this `access`. `launches_closed` is the installation's switch for
/// [`Access::OpenUnlessClosed`]. [`Access::KeyOrLaunchToken`] is only half decided here: `Ok(false)` says that the
/// launch's token is still to be checked.
///
/// # Errors
/// [`Refusal::Forbidden`].
pub fn may_call(caller: &Caller, access: Access, launches_closed: bool) -> Result<bool, Refusal> {
    let wanted = match access {
        Access::Open => return Ok(true),
        Access::OpenUnlessClosed(_) if !launches_closed => return Ok(true),
        Access::AnyKey => match caller {
            Caller::Key { .. } | Caller::ConfiguredAdmin | Caller::ConfiguredLeases => return Ok(true),
            Caller::Nobody => return Err(forbidden("an API key")),
        },
        Access::KeyOrLaunchToken(scope) => return Ok(caller.has(scope)),
        Access::Schedule => return Err(forbidden("the schedule")),
        Access::OpenUnlessClosed(scope) | Access::Key(scope) => scope,
    };
    if caller.has(wanted) {
        Ok(true)
    } else {
        Err(forbidden(&format!("an API key with the scope '{}'", wanted.as_str())))
    }
}

fn forbidden(needed: &str) -> Refusal {
    Refusal::Forbidden(format!("this needs {needed} in the Authorization header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scopes: &[Scope]) -> Caller {
        Caller::Key {
            name: KeyName::parse("k").unwrap(),
            scopes: scopes.iter().copied().collect(),
        }
    }

    #[test]
    fn admin_includes_every_scope_and_others_only_their_own() {
        assert_eq!(
            may_call(&key(&[Scope::Admin]), Access::Key(Scope::Apps), false),
            Ok(true)
        );
        assert_eq!(
            may_call(&key(&[Scope::Apps]), Access::Key(Scope::Apps), false),
            Ok(true)
        );
        assert!(may_call(&key(&[Scope::Apps]), Access::Key(Scope::Admin), false).is_err());
        assert!(may_call(&Caller::Nobody, Access::Key(Scope::Apps), false).is_err());
        assert!(may_call(&key(&[]), Access::AnyKey, false).is_ok());
        assert!(may_call(&Caller::Nobody, Access::AnyKey, false).is_err());
    }

    #[test]
    fn launches_are_open_until_the_switch_closes_them() {
        let launch = Access::OpenUnlessClosed(Scope::Apps);
        assert_eq!(may_call(&Caller::Nobody, launch, false), Ok(true));
        assert!(may_call(&Caller::Nobody, launch, true).is_err());
        assert_eq!(may_call(&key(&[Scope::Apps]), launch, true), Ok(true));
    }

    #[test]
    fn a_launch_token_is_left_to_whoever_knows_the_launch() {
        let stop = Access::KeyOrLaunchToken(Scope::Apps);
        assert_eq!(may_call(&Caller::Nobody, stop, false), Ok(false));
        assert_eq!(may_call(&key(&[Scope::Apps]), stop, false), Ok(true));
    }
}
