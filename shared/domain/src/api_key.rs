//! API keys: what may be asked of a new one, how long it holds, and when its use is noted.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::limits::{KEY_ORGANISATIONS_MAX, KEY_SPAN_MAX, KEY_USE_EVERY};
use crate::{KeyId, KeyName, OrganisationName, Refusal, Scope, Scopes};

/// An API key as the table keeps it: never the key itself, only its SHA-256 is stored, as the row's key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// What tells it from a later key of the same name.
    pub id: KeyId,
    /// What people call it.
    pub name: KeyName,
    /// What it is good for.
    pub scopes: Scopes,
    /// The organisations that the scope `envs` is limited to; with none, it is good for all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub organisations: BTreeSet<OrganisationName>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it is refused, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

impl KeyRecord {
    /// Whether the key is good at `now`. It holds while `now < expires_at`.
    pub fn holds_at(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}

/// What a new key shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyAsk {
    /// What people will call it.
    pub name: KeyName,
    /// What it shall be good for.
    pub scopes: Scopes,
    /// The organisations that it shall be limited to; `None` is all.
    pub organisations: Option<BTreeSet<OrganisationName>>,
    /// From when on it shall be refused, if ever.
    pub expires_at: Option<Timestamp>,
}

impl KeyAsk {
    /// The record of the key that is made of this with the id `id` at `now`.
    ///
    /// # Errors
    /// [`Refusal::Malformed`] for a field out of its range, [`Refusal::Rule`] for organisations that limit nothing.
    pub fn into_record(self, id: KeyId, now: Timestamp) -> Result<KeyRecord, Refusal> {
        if self.scopes.is_empty() {
            let known = Scope::ALL.map(Scope::as_str).join(", ");
            return Err(Refusal::Malformed(format!(
                "'scopes' must list at least one of {known}"
            )));
        }
        if let Some(end) = self.expires_at {
            check_end(end, now)?;
        }
        if let Some(organisations) = &self.organisations {
            check_organisations(organisations, &self.scopes)?;
        }
        Ok(KeyRecord {
            id,
            name: self.name,
            scopes: self.scopes,
            organisations: self.organisations.unwrap_or_default(),
            created_at: now,
            expires_at: self.expires_at,
        })
    }
}

fn check_end(end: Timestamp, now: Timestamp) -> Result<(), Refusal> {
    if end <= now {
        return Err(Refusal::Malformed(format!(
            "'expires_at' is {end}, which is past: it is now {now}"
        )));
    }
    if end.duration_since(now) > signed(KEY_SPAN_MAX) {
        let days = KEY_SPAN_MAX.as_secs() / (24 * 60 * 60);
        return Err(Refusal::Malformed(format!(
            "'expires_at' is {end}, at most {days} days from now are allowed; leave it out for a key without an end"
        )));
    }
    Ok(())
}

fn check_organisations(organisations: &BTreeSet<OrganisationName>, scopes: &Scopes) -> Result<(), Refusal> {
    if !(1..=KEY_ORGANISATIONS_MAX).contains(&organisations.len()) {
        return Err(Refusal::Malformed(format!(
            "'organisations' has {} entries, 1 to {KEY_ORGANISATIONS_MAX} are allowed; leave it out for all organisations",
            organisations.len()
        )));
    }
    if scopes.contains(&Scope::Admin) {
        return Err(Refusal::Rule(
            "'organisations' cannot limit a key with the scope 'admin', which includes everything".to_owned(),
        ));
    }
    if !scopes.contains(&Scope::Envs) {
        return Err(Refusal::Rule(
            "'organisations' limits the scope 'envs', which 'scopes' does not list".to_owned(),
        ));
    }
    Ok(())
}

/// When the use of a key is noted again that was last noted at `noted`.
pub fn key_use_due(noted: Timestamp) -> Timestamp {
    noted.checked_add(signed(KEY_USE_EVERY)).unwrap_or(Timestamp::MAX)
}

fn signed(span: Duration) -> SignedDuration {
    SignedDuration::try_from(span).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn id() -> KeyId {
        KeyId::from_bytes([7; 16])
    }

    fn ask(scopes: &[Scope]) -> KeyAsk {
        KeyAsk {
            name: KeyName::parse("k").unwrap(),
            scopes: scopes.iter().copied().collect(),
            organisations: None,
            expires_at: None,
        }
    }

    fn limited(scopes: &[Scope], organisations: usize) -> Result<KeyRecord, Refusal> {
        let names = (0..organisations).map(|number| OrganisationName::parse(&format!("o{number}")).unwrap());
        let asked = KeyAsk {
            organisations: Some(names.collect()),
            ..ask(scopes)
        };
        asked.into_record(id(), now())
    }

    fn ending(at: Timestamp) -> Result<KeyRecord, Refusal> {
        let asked = KeyAsk {
            expires_at: Some(at),
            ..ask(&[Scope::Apps])
        };
        asked.into_record(id(), now())
    }

    #[test]
    fn a_key_has_at_least_one_scope() {
        assert!(ask(&Scope::ALL).into_record(id(), now()).is_ok());
        let refused = ask(&[]).into_record(id(), now()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "'scopes' must list at least one of apps, envs, leases, admin"
        );
    }

    #[test]
    fn an_end_lies_in_the_next_ten_years() {
        let instant = SignedDuration::from_millis(1);
        let last = now() + signed(KEY_SPAN_MAX);
        for good in [now() + instant, last] {
            assert_eq!(ending(good).unwrap().expires_at, Some(good));
        }
        for bad in [now() - instant, now(), last + instant, Timestamp::MAX] {
            assert!(matches!(ending(bad), Err(Refusal::Malformed(_))), "{bad}");
        }
    }

    #[test]
    fn organisations_limit_environments_and_nothing_else() {
        let envs = [Scope::Apps, Scope::Envs];
        assert_eq!(limited(&envs, 1).unwrap().organisations.len(), 1);
        assert!(limited(&envs, KEY_ORGANISATIONS_MAX).is_ok());
        for count in [0, KEY_ORGANISATIONS_MAX + 1] {
            assert!(matches!(limited(&envs, count), Err(Refusal::Malformed(_))), "{count}");
        }
        for scopes in [&[Scope::Apps][..], &[Scope::Envs, Scope::Admin]] {
            assert!(matches!(limited(scopes, 1), Err(Refusal::Rule(_))), "{scopes:?}");
        }
    }

    #[test]
    fn a_key_holds_until_its_end_and_not_at_it() {
        let end = now() + SignedDuration::from_hours(1);
        let record = ending(end).unwrap();
        assert!(record.holds_at(end - SignedDuration::from_millis(1)));
        assert!(!record.holds_at(end));
    }

    #[test]
    fn a_use_is_noted_every_ten_minutes() {
        assert_eq!(key_use_due(now()), now() + SignedDuration::from_mins(10));
        assert_eq!(key_use_due(Timestamp::MAX), Timestamp::MAX);
    }
}
