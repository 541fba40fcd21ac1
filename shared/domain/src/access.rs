//! Who may call.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{KeyName, OrganisationName, Refusal};

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
        /// The organisations that the scope `envs` is limited to; with none, it is good for all.
        organisations: BTreeSet<OrganisationName>,
    },
    /// Whom an authority vouches for that the operator chose: only on the paths of environments.
    Person {
        /// Who vouches.
        authority: Authority,
        /// What the authority calls the person, or the program.
        name: String,
        /// The organisations that the person administers.
        organisations: BTreeSet<OrganisationName>,
    },
    /// Whoever calls the paths of environments where nobody is asked: in the local adapter alone.
    Unasked,
}

/// Who vouches for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Authority {
    /// The issuer of access tokens (OIDC).
    Issuer,
    /// The service that says who has which role, as the older service asked it.
    Roles,
}

/// Whose environments a caller administers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Administered<'a> {
    /// Those of every organisation.
    Every,
    /// Those of these organisations, which may be none.
    These(&'a BTreeSet<OrganisationName>),
}

impl Administered<'_> {
    /// Whether `organisation` is among them.
    pub fn covers(&self, organisation: &OrganisationName) -> bool {
        match self {
            Administered::Every => true,
            Administered::These(organisations) => organisations.contains(organisation),
        }
    }
}

/// No organisation at all.
static NONE: BTreeSet<OrganisationName> = BTreeSet::new();

impl Caller {
    /// A word that names the caller in records, cursors and idempotency rows. Two callers never share one.
    pub fn word(&self) -> String {
        match self {
            Caller::Nobody => "open".to_owned(),
            Caller::ConfiguredAdmin => "configured-admin".to_owned(),
            Caller::ConfiguredLeases => "configured-leases".to_owned(),
            Caller::Key { name, .. } => format!("key:{name}"),
            Caller::Person { authority, name, .. } => match authority {
                Authority::Issuer => format!("oidc:{name}"),
                Authority::Roles => format!("user:{name}"),
            },
            Caller::Unasked => "unasked".to_owned(),
        }
    }

    /// Whether it is known who calls.
    pub fn is_known(&self) -> bool {
        !matches!(self, Caller::Nobody | Caller::Unasked)
    }

    /// Whose environments the caller administers.
    pub fn administered(&self) -> Administered<'_> {
        match self {
            Caller::Unasked => Administered::Every,
            Caller::Person { organisations, .. } => Administered::These(organisations),
            Caller::Key { organisations, .. } if self.has(Scope::Envs) => {
                if organisations.is_empty() {
                    Administered::Every
                } else {
                    Administered::These(organisations)
                }
            }
            _ if self.has(Scope::Envs) => Administered::Every,
            _ => Administered::These(&NONE),
        }
    }

    /// Whether the caller's key has `scope`; `admin` includes all.
    pub fn has(&self, scope: Scope) -> bool {
        match self {
            Caller::Nobody | Caller::Person { .. } | Caller::Unasked => false,
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
    /// Whoever may have environments: a key with the scope `envs`, an access token (OIDC), or somebody whose roles were
    /// looked up. The handler checks whether the caller administers the organisation, because only it knows which is
    /// meant.
    Environments,
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
            Caller::Nobody | Caller::Person { .. } | Caller::Unasked => return Err(forbidden("an API key")),
        },
        Access::Environments if matches!(caller, Caller::Person { .. } | Caller::Unasked) => return Ok(true),
        Access::Environments => Scope::Envs,
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
            organisations: BTreeSet::new(),
        }
    }

    fn organisation(name: &str) -> OrganisationName {
        OrganisationName::parse(name).unwrap()
    }

    fn person(authority: Authority, organisations: &[&str]) -> Caller {
        Caller::Person {
            authority,
            name: "ann@example.org".to_owned(),
            organisations: organisations.iter().map(|name| organisation(name)).collect(),
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

    #[test]
    fn environments_are_for_whoever_has_the_scope_or_is_vouched_for() {
        let may = |caller: &Caller| may_call(caller, Access::Environments, false).is_ok();
        for good in [
            key(&[Scope::Envs]),
            key(&[Scope::Admin]),
            Caller::ConfiguredAdmin,
            person(Authority::Issuer, &[]),
            person(Authority::Roles, &["acme"]),
            Caller::Unasked,
        ] {
            assert!(may(&good), "{good:?}");
        }
        for bad in [
            Caller::Nobody,
            Caller::ConfiguredLeases,
            key(&[Scope::Apps, Scope::Leases]),
        ] {
            assert!(!may(&bad), "{bad:?}");
        }
    }

    #[test]
    fn whoever_is_vouched_for_may_nothing_else() {
        for caller in [person(Authority::Issuer, &["acme"]), Caller::Unasked] {
            for scope in Scope::ALL {
                assert!(may_call(&caller, Access::Key(scope), false).is_err(), "{scope:?}");
            }
            assert!(may_call(&caller, Access::AnyKey, false).is_err());
        }
    }

    #[test]
    fn a_caller_administers_the_organisations_that_are_listed_and_a_key_without_a_list_all() {
        let acme = organisation("acme");
        let limited = |scopes: &[Scope]| Caller::Key {
            name: KeyName::parse("k").unwrap(),
            scopes: scopes.iter().copied().collect(),
            organisations: [organisation("acme")].into(),
        };
        for (caller, own, other) in [
            (Caller::Nobody, false, false),
            (Caller::ConfiguredLeases, false, false),
            (key(&[Scope::Apps]), false, false),
            (limited(&[Scope::Apps]), false, false),
            (limited(&[Scope::Envs]), true, false),
            (person(Authority::Roles, &["acme"]), true, false),
            (person(Authority::Issuer, &[]), false, false),
            (key(&[Scope::Envs]), true, true),
            (key(&[Scope::Admin]), true, true),
            (Caller::ConfiguredAdmin, true, true),
            (Caller::Unasked, true, true),
        ] {
            let administered = caller.administered();
            assert_eq!(administered.covers(&acme), own, "{caller:?}");
            assert_eq!(administered.covers(&organisation("other")), other, "{caller:?}");
        }
    }

    #[test]
    fn two_authorities_may_use_the_same_name_for_different_people() {
        let words = [Authority::Issuer, Authority::Roles].map(|authority| person(authority, &[]).word());
        assert_eq!(words, ["oidc:ann@example.org", "user:ann@example.org"]);
        assert!(person(Authority::Roles, &[]).is_known() && !Caller::Unasked.is_known());
    }
}
