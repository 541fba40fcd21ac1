//! Namespaces of environments and their rows, compared. Whoever makes a namespace may die before it is recorded, and
//! somebody may delete one behind an environment's back.

use std::collections::{BTreeMap, BTreeSet};

use cluster_client::EnvironmentNamespaceSeen;
use domain::limits::{ENVIRONMENT_REMEMBER, LIST_MAX};
use domain::{CellName, Environment, Look, NamespaceName, are_strays_credible};
use jiff::SignedDuration;
use store::{NextDue, Organisations};

use crate::Error;
use crate::advance::step_of;
use crate::environments::{EnvironmentRow, Environments};

/// Namespaces that one comparison deletes. The next one goes on.
const REMOVED_MAX: usize = 100;
/// Pages of environments that one comparison reads.
const PAGES_MAX: usize = 20;

/// What differed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strays {
    /// Namespaces that no environment has, and that are being deleted now.
    pub removed: usize,
    /// Environments that have lost their namespace, and are made again.
    pub lost: usize,
    /// Namespaces that were left alone, because there are so many that the table may be the wrong one.
    pub held: usize,
}

impl Environments {
    /// Compares the namespaces of environments in a cell with their rows. Those of environments that have ended are
    /// deleted; so are those that no row knows and that are older than any call that could still be recorded, unless
    /// [they are too many](are_strays_credible); and what has lost its namespace is made again.
    ///
    /// # Errors
    /// [`Error::Store`], [`Error::UnknownCell`]. What the cluster refuses is told and tried again by the next look.
    pub async fn compare(&self, cell: &CellName, look: &Look) -> Result<Strays, Error> {
        let home = self.0.lifecycle.home_of(cell)?;
        let seen = match home.cluster.environment_namespaces().await {
            Ok(seen) => seen,
            Err(error) => {
                net::note("looking for namespaces of environments", &error);
                return Ok(Strays::default());
            }
        };
        let names: Vec<NamespaceName> = seen.iter().map(|one| one.environment.namespace()).collect();
        let rows = self.store().environments_in(&names).await?;
        let rows: BTreeMap<NamespaceName, EnvironmentRow> =
            rows.into_iter().map(|row| (row.value.name.namespace(), row)).collect();
        let (mut left, mut unknown) = (Vec::new(), Vec::new());
        for one in seen.iter().filter(|one| !one.going) {
            match rows.get(&one.environment.namespace()).map(|row| &row.value) {
                Some(row) if is_of(row, one) && row.has_ended() => left.push(one),
                Some(row) if is_of(row, one) => {}
                _ if is_old(one, look) => unknown.push(one),
                _ => {}
            }
        }
        let held = match are_strays_credible(unknown.len(), seen.len()) {
            true => 0,
            false => std::mem::take(&mut unknown).len(),
        };
        let mut strays = Strays {
            held,
            ..Strays::default()
        };
        for one in left.into_iter().chain(unknown).take(REMOVED_MAX) {
            let removal = home
                .cluster
                .remove_environment(&one.environment, one.born, Some(&one.uid));
            match removal.await {
                Ok(_) => strays.removed += 1,
                Err(error) => net::note("removing a namespace that no environment has", &error),
            }
        }
        strays.lost = self.make_again(cell, &seen, look).await?;
        Ok(strays)
    }

    /// Has those made again that have lost their namespace, and tells how many they are. One that was made since the
    /// namespaces were listed is found to be as it should be.
    async fn make_again(
        &self,
        cell: &CellName,
        seen: &[EnvironmentNamespaceSeen],
        look: &Look,
    ) -> Result<usize, Error> {
        let there: BTreeSet<&str> = seen.iter().map(|one| one.uid.as_str()).collect();
        let (mut lost, mut after) = (0, None);
        for _ in 0..PAGES_MAX {
            let page = self
                .store()
                .environments(&Organisations::All, LIST_MAX, after.as_deref())
                .await?;
            for row in &page.items {
                let environment = &row.value;
                let uid = environment.namespace_uid.as_deref();
                let is_there = uid.is_none_or(|uid| there.contains(uid));
                if is_there || environment.cell != *cell || !environment.is_live() || environment.applied.is_none() {
                    continue;
                }
                let look = step_of(look, format_args!("lost-{}", environment.name.namespace()));
                let due = NextDue {
                    at: look.now,
                    attempt: 0,
                };
                let (_, is_ours) = self.record(row, &environment.lost(), Some(due), &look).await?;
                lost += usize::from(is_ours);
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(lost)
    }
}

fn is_old(seen: &EnvironmentNamespaceSeen, look: &Look) -> bool {
    let remembered = SignedDuration::try_from(ENVIRONMENT_REMEMBER).unwrap_or(SignedDuration::MAX);
    look.now.duration_since(seen.created_at) > remembered
}

/// Whether a row is that of the environment that a namespace says it belongs to.
fn is_of(environment: &Environment, seen: &EnvironmentNamespaceSeen) -> bool {
    environment.name == seen.environment && environment.born == seen.born
}
