//! Environments, and who has which host name.

use std::collections::{BTreeMap, BTreeSet};

use domain::{Environment, Generation, HostName, Lane, Look, NamespaceName, OrganisationName, limits};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::items::{BindingItem, Item, Kind, decode};
use crate::keys::{self, Key};
use crate::launches::bind;
use crate::request::{Condition, Outcome};
use crate::rows::{Next, Prepared, ValueItem, value_row};
use crate::transact::{Write, token_of};
use crate::{Binding, Bound, Error, NextDue, Page, Row, Store, WriteError};

/// Whose a host name is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct HostClaim {
    namespace: NamespaceName,
    born: Generation,
}

/// A row beside an environment's own, by which a second list has it.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Listed {}

/// Whose environments a list is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Organisations {
    /// Everybody's.
    All,
    /// Those of these organisations.
    Some(BTreeSet<OrganisationName>),
}

/// What became of an environment that was to be written.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is what is asked for; it is moved once"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvironmentWritten {
    /// It is written.
    Written(Row<Environment>),
    /// Another environment has this host name; nothing was written.
    HostTaken(HostName),
    /// The `Idempotency-Key` is bound already; nothing was written.
    Bound(Bound),
}

impl Store {
    /// AP9 The environment whose namespace is called so, strongly consistent. One that has ended is there as such,
    /// until it is forgotten.
    ///
    /// # Errors
    /// As for every read.
    pub async fn environment(&self, namespace: &NamespaceName) -> Result<Option<Row<Environment>>, Error> {
        value_row(self.get(&Key::environment(namespace)).await?)
    }

    /// AP9 The environments whose namespaces are called so, strongly consistent, in any order: those that there are.
    ///
    /// # Errors
    /// As for every read.
    pub async fn environments_in(&self, namespaces: &[NamespaceName]) -> Result<Vec<Row<Environment>>, Error> {
        let keys: Vec<Key> = namespaces.iter().map(Key::environment).collect();
        let items = self.batch_get(&keys).await?;
        items
            .into_iter()
            .filter_map(|item| value_row(Some(item)).transpose())
            .collect()
    }

    /// AP16 Environments that have not ended, the newest first: at most `limit` of them, from the position `after`.
    ///
    /// # Errors
    /// [`Error::Rejected`] when `after` is no position; otherwise as for every read.
    pub async fn environments(
        &self,
        of: &Organisations,
        limit: usize,
        after: Option<&str>,
    ) -> Result<Page<Row<Environment>>, Error> {
        let proposed = match of {
            Organisations::All => self.propose_one(keys::ENVIRONMENTS, limit, after).await?,
            Organisations::Some(organisations) => {
                let parts = organisations.iter().map(keys::environments_part);
                self.propose_all(parts, limit, after).await?
            }
        };
        let key = |name: &str| NamespaceName::parse(name).ok().map(|name| Key::environment(&name));
        let mut page: Page<Row<Environment>> = self.listed(proposed, key).await?;
        // The index may tell of an environment whose namespace is another organisation's by now.
        let is_theirs = |one: &Environment| match of {
            Organisations::All => true,
            Organisations::Some(organisations) => organisations.contains(one.name.organisation()),
        };
        page.items.retain(|row| !row.value.has_ended() && is_theirs(&row.value));
        Ok(page)
    }

    /// AP9 Which environments have these host names, by the names of their namespaces.
    ///
    /// # Errors
    /// As for every read.
    pub async fn host_owners(&self, hosts: &[HostName]) -> Result<BTreeMap<HostName, NamespaceName>, Error> {
        let keys: Vec<Key> = hosts.iter().map(Key::host).collect();
        let owner = |item: Item| {
            let host = host_of(&item)?;
            let claim: ValueItem<HostClaim> = decode(item)?;
            Ok((host, claim.into_row().value.namespace))
        };
        self.batch_get(&keys).await?.into_iter().map(owner).collect()
    }

    /// AP9, AP15, W1, W2 Writes an environment over the row that was read, or where there is none: in one transaction
    /// its row, its place in the lists, its claims to host names as far as they differ, and the `Idempotency-Key`. When
    /// it has ended, its host names are free. Of many who claim a host name, one gets it.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when the row has moved on since it was read.
    pub async fn put_environment(
        &self,
        old: Option<&Row<Environment>>,
        next: &Environment,
        due: Option<NextDue>,
        binding: Option<&Binding>,
        look: &Look,
    ) -> Result<EnvironmentWritten, WriteError> {
        let prepared = Prepared::new(old, environment_row(next, due), look);
        let before = old.map(|row| &row.value).filter(|old| !old.has_ended());
        let claimed = claims(before, next);
        let mut writes = vec![prepared.write()?];
        for host in &claimed {
            writes.push(claim(host, next, look)?);
        }
        writes.extend(bind(binding, &made_as(next), look)?);
        writes.extend(given_up(before, next).map(release));
        writes.extend(listing(before, next, look)?);
        if let [_] = writes.as_slice() {
            let row = self.put_value(old, environment_row(next, due), look).await?;
            return Ok(EnvironmentWritten::Written(row));
        }
        let namespace = next.name.namespace();
        let token = token_of(&[&look.by, namespace.as_str(), &next.generation.0.to_string()]);
        let mut outcomes = self.transact(&writes, &token).await?.into_iter();
        let row = outcomes.next().unwrap_or(Outcome::Done);
        let rest: Vec<Outcome> = outcomes.collect();
        if !row.is_refused() {
            if let (Some(_), Some(Outcome::Refused(Some(old)))) = (binding, rest.get(claimed.len())) {
                return Ok(EnvironmentWritten::Bound(decode::<BindingItem>(old.clone())?.into()));
            }
            if let Some((host, _)) = claimed.iter().zip(&rest).find(|(_, outcome)| outcome.is_refused()) {
                return Ok(EnvironmentWritten::HostTaken((*host).clone()));
            }
        }
        prepared.settled(row, look).map(EnvironmentWritten::Written)
    }
}

/// What an `Idempotency-Key` is bound to by which this environment was made.
pub fn made_as(environment: &Environment) -> String {
    format!("{}#{}", environment.name.namespace(), environment.born.0)
}

/// The host names that `next` has and `before` does not.
fn claims<'a>(before: Option<&Environment>, next: &'a Environment) -> Vec<&'a HostName> {
    let is_new = |host: &&HostName| !next.has_ended() && !before.is_some_and(|before| before.hosts.has(host));
    next.hosts.iter().filter(is_new).collect()
}

/// The host names that `before` has and `next` does not.
fn given_up<'a>(before: Option<&'a Environment>, next: &'a Environment) -> impl Iterator<Item = &'a HostName> {
    let had = before.into_iter().flat_map(|before| before.hosts.iter());
    had.filter(|host| next.has_ended() || !next.hosts.has(host))
}

/// What makes the list of all environments have it, or not any more.
fn listing(before: Option<&Environment>, next: &Environment, look: &Look) -> Result<Option<Write>, Error> {
    let key = Key::environment_listed(&next.name.namespace());
    match (before.is_some(), next.has_ended()) {
        (false, false) => {
            let listed = Next::new(key, Kind::EnvironmentListed, &Listed {});
            Prepared::beside(listed.listed(keys::ENVIRONMENTS, list_key(next)), look)
                .write()
                .map(Some)
        }
        (true, true) => Ok(Some(Write::Delete {
            key,
            condition: Condition::any(),
        })),
        _ => Ok(None),
    }
}

fn environment_row(environment: &Environment, due: Option<NextDue>) -> Next<'_, Environment> {
    let namespace = environment.name.namespace();
    let lane = Lane::Environments(environment.cell.clone());
    let part = keys::due_part(&lane, keys::shard_in(&lane, namespace.as_str()));
    let row = Next::new(Key::environment(&namespace), Kind::Environment, environment).due(part, due);
    match environment.ended_at() {
        None => row.listed(
            keys::environments_part(environment.name.organisation()),
            list_key(environment),
        ),
        Some(ended_at) => row.forgotten_at(keys::forget_second(remembered_until(ended_at))),
    }
}

fn remembered_until(ended_at: Timestamp) -> Timestamp {
    let remembered = SignedDuration::try_from(limits::ENVIRONMENT_REMEMBER).unwrap_or(SignedDuration::MAX);
    ended_at.checked_add(remembered).unwrap_or(Timestamp::MAX)
}

fn list_key(environment: &Environment) -> String {
    keys::newest_first(environment.created_at, environment.name.namespace().as_str())
}

fn claim(host: &HostName, environment: &Environment, look: &Look) -> Result<Write, Error> {
    let claim = HostClaim {
        namespace: environment.name.namespace(),
        born: environment.born,
    };
    Prepared::new(None, Next::new(Key::host(host), Kind::Host, &claim), look).write()
}

/// Without a condition: claims change with the row of their environment alone, which stands in the same transaction.
fn release(host: &HostName) -> Write {
    Write::Delete {
        key: Key::host(host),
        condition: Condition::any(),
    }
}

/// The host name whose row this is.
fn host_of(item: &Item) -> Result<HostName, Error> {
    let key = item.get("pk").and_then(|key| key.as_s().ok());
    let host = key.and_then(|key| HostName::parse(key.strip_prefix("HOST#")?).ok());
    host.ok_or_else(|| Error::corrupt("host", "a row without a host name"))
}
