//! Clusters that can be leased: their rows, what their pools' lists say of them, and the transactions by which one is
//! taken.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Cluster, ClusterName, ClusterPoolName, Epoch, Lane, Lease, Look, Offer, Ticket, limits};
use futures::FutureExt;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::items::{BindingItem, Kind, decode, encode};
use crate::keys::{self, Key};
use crate::request::{Condition, Outcome};
use crate::rows::{Next, Prepared, ValueItem, value_row};
use crate::schema::FREE;
use crate::transact::{Write, token_of};
use crate::{Binding, Bound, Error, NextDue, Page, Row, Store, WriteError};

/// Pages of a pool's list: at a quarter of a kilobyte an offer, forty thousand clusters.
const OFFER_PAGES_MAX: usize = 10;

/// The row of an offer. It stands beside the others of its pool and, while the cluster is free, in the `free` index.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct OfferRow {
    offer: Offer,
}

/// Where a lease's token leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeasePointer {
    /// The cluster that it was given.
    pub cluster: ClusterName,
    /// The epoch by which it has it.
    pub epoch: Epoch,
}

/// On whose behalf a cluster is taken.
#[derive(Clone, Copy, Default)]
pub struct TakenFor<'a> {
    /// The place of somebody who waits: the ticket as it was read, in the line of this pool.
    pub place: Option<(&'a ClusterPoolName, &'a Row<Ticket>)>,
    /// The `Idempotency-Key` of whoever asks, if they sent one.
    pub binding: Option<&'a Binding>,
    /// What that key is bound to already, where it came to nothing.
    pub bound_to: Option<&'a str>,
}

/// What became of a cluster that was to be taken.
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is what is asked for; it is moved once"
)]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterTaken {
    /// It is taken.
    Taken(Row<Cluster>),
    /// The `Idempotency-Key` is bound already; nothing was written.
    Bound(Bound),
}

impl Store {
    /// AP11 This cluster, strongly consistent.
    ///
    /// # Errors
    /// As for every read.
    pub async fn cluster(&self, name: &ClusterName) -> Result<Option<Row<Cluster>>, Error> {
        value_row(self.get(&Key::cluster(name)).await?)
    }

    /// AP16 Clusters, the newest first: at most `limit` of them, from the position `after`.
    ///
    /// # Errors
    /// [`Error::Rejected`] when `after` is no position; otherwise as for every read.
    pub async fn clusters(&self, limit: usize, after: Option<&str>) -> Result<Page<Row<Cluster>>, Error> {
        let proposed = self.propose_one(keys::CLUSTERS, limit, after).await?;
        let key = |name: &str| ClusterName::parse(name).ok().map(|name| Key::cluster(&name));
        self.listed(proposed, key).await
    }

    /// AP10 Free clusters of a pool, as the index proposes them: at most `most`, those that come after `from` (eight
    /// hexadecimal digits) first, so that many who ask at once do not begin with the same.
    ///
    /// # Errors
    /// As for every read.
    pub async fn free_offers(&self, pool: &ClusterPoolName, from: &str, most: usize) -> Result<Vec<Offer>, Error> {
        let mut offers = self.pick_offers(pool, (from, keys::LIST_END), most).await?;
        if offers.len() < most {
            let before = self
                .pick_offers(pool, (keys::LIST_START, from), most - offers.len())
                .await?;
            offers.extend(before);
        }
        Ok(offers)
    }

    async fn pick_offers(
        &self,
        pool: &ClusterPoolName,
        within: (&str, &str),
        most: usize,
    ) -> Result<Vec<Offer>, Error> {
        let items = self.within(&FREE, &keys::free_part(pool), within, most).await?;
        let items = items.into_iter().map(decode::<OfferRow>);
        items.map(|row| row.map(|row| row.offer)).collect()
    }

    /// AP10 What a pool's list says of its clusters, strongly consistent: only after this may it be said that none is
    /// free.
    ///
    /// # Errors
    /// [`Error::Corrupt`] for a pool of more clusters than can be read; otherwise as for every read.
    pub async fn offers(&self, pool: &ClusterPoolName) -> Result<Vec<Offer>, Error> {
        let pk = Key::cluster_pool(pool).pk;
        let rows = self.prefixed::<OfferRow>(&pk, keys::MEMBER, OFFER_PAGES_MAX).await?;
        Ok(rows.into_iter().map(|row| row.value.offer).collect())
    }

    /// The rows of a partition whose sort keys begin so, strongly consistent, in their order.
    pub(crate) async fn prefixed<T>(&self, pk: &str, prefix: &str, pages: usize) -> Result<Vec<Row<T>>, Error>
    where
        T: Clone + Serialize + serde::de::DeserializeOwned,
    {
        let (mut rows, mut from) = (Vec::new(), None);
        for _ in 0..pages {
            let request = self.client.query().table_name(&*self.table).consistent_read(true);
            let answer = request
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
                .set_exclusive_start_key(from)
                .send()
                .boxed()
                .await?;
            let items = answer.items.unwrap_or_default().into_iter().map(decode::<ValueItem<T>>);
            for item in items {
                rows.push(item?.into_row());
            }
            from = answer.last_evaluated_key;
            if from.is_none() {
                return Ok(rows);
            }
        }
        Err(Error::corrupt("query", "there is more than can be read"))
    }

    /// AP12 Where a lease's token leads, strongly consistent, by the token's digest.
    ///
    /// # Errors
    /// As for every read.
    pub async fn lease_pointer(&self, token_sha256: &str, now: Timestamp) -> Result<Option<LeasePointer>, Error> {
        let item = self.get(&Key::lease(token_sha256)).await?;
        let item = item.map(decode::<ValueItem<LeasePointer>>).transpose()?;
        Ok(item
            .filter(|item| !item.is_forgotten(now))
            .map(|item| item.into_row().value))
    }

    /// AP11, W1, W2 Writes a cluster over the row that was read, or where there is none, what its pool's list says of
    /// it, and when somebody must come back to it, if anybody must. Of many writers over one version one succeeds.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] for the others.
    pub async fn put_cluster(
        &self,
        old: Option<&Row<Cluster>>,
        next: &Cluster,
        due: Option<NextDue>,
        look: &Look,
    ) -> Result<Row<Cluster>, WriteError> {
        let prepared = Prepared::new(old, cluster_row(next, due), look);
        let is_listed_so = old.is_some_and(|old| old.value.offer() == next.offer() && old.value.pool == next.pool);
        if is_listed_so {
            return self.put_value(old, cluster_row(next, due), look).await;
        }
        let mut writes = vec![prepared.write()?];
        writes.extend(listing(old, next, look)?);
        let mut outcomes = self.transact(&writes, &cluster_token(look, next)).await?.into_iter();
        prepared.settled(outcomes.next().unwrap_or(Outcome::Done), look)
    }

    /// AP11, AP15, W5 Takes a free cluster: in one transaction it and its pool's list say that `lease` has it, the
    /// lease's token leads to it, the ticket says what it was given, and the `Idempotency-Key` is bound. Of many who
    /// take one cluster, one succeeds.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when the cluster, or the ticket, has moved on since it was read.
    pub async fn take_cluster(
        &self,
        row: &Row<Cluster>,
        taken: &Cluster,
        lease: &Lease,
        due: NextDue,
        taken_for: TakenFor<'_>,
        look: &Look,
    ) -> Result<ClusterTaken, WriteError> {
        let prepared = Prepared::new(Some(row), cluster_row(taken, Some(due)), look);
        let pointer = LeasePointer {
            cluster: taken.name.clone(),
            epoch: taken.epoch,
        };
        let forget = SignedDuration::try_from(limits::LEASE_POINTER).unwrap_or(SignedDuration::MAX);
        let forget_at = keys::forget_second(look.now.checked_add(forget).unwrap_or(Timestamp::MAX));
        let pointed = Next::new(Key::lease(&lease.token_sha256), Kind::Lease, &pointer).forgotten_at(forget_at);
        let mut writes = vec![
            prepared.write()?,
            Prepared::where_absent_or_forgotten(pointed, look).write()?,
        ];
        if let Some((pool, ticket)) = taken_for.place {
            let mut given = ticket.value.clone();
            given.granted = Some((taken.name.clone(), taken.epoch));
            writes.push(Prepared::new(Some(ticket), ticket_row(pool, &given, look), look).write()?);
        }
        let bound_at = writes.len();
        if let Some(binding) = taken_for.binding {
            let item = BindingItem::new(&binding.row(), &binding.body_sha256, &bound_as(taken), look);
            writes.push(Write::Put {
                item: encode(&item)?,
                condition: Condition::absent_or_bound_to(look.now.as_second(), taken_for.bound_to),
            });
        }
        let beside = 1..writes.len();
        writes.extend(listing(Some(row), taken, look)?);
        let mut outcomes = self.transact(&writes, &cluster_token(look, taken)).await?;
        if let (Some(_), Some(Outcome::Refused(Some(old)))) = (taken_for.binding, outcomes.get(bound_at)) {
            let old: BindingItem = decode(old.clone())?;
            if old.head.by != look.by {
                return Ok(ClusterTaken::Bound(old.into()));
            }
        }
        let is_refused = outcomes.get(beside).unwrap_or_default().iter().any(Outcome::is_refused);
        // After a lost answer every condition fails, and the cluster's row tells whose hand it was.
        let cluster = match outcomes.drain(..).next() {
            Some(Outcome::Refused(old)) => Outcome::Refused(old),
            _ if is_refused => Outcome::Refused(None),
            _ => Outcome::Done,
        };
        prepared.settled(cluster, look).map(ClusterTaken::Taken)
    }

    /// Deletes a cluster as it was read, with its place in its pool, its sealed kubeconfig, the claim of its identity and
    /// what was found in it. One that is gone is no failure.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when somebody else has written it since.
    pub async fn delete_cluster(&self, row: &Row<Cluster>, look: &Look) -> Result<(), WriteError> {
        let cluster = &row.value;
        let delete = |key, condition| Write::Delete { key, condition };
        let mut writes = vec![
            delete(Key::cluster(&cluster.name), Condition::same(row.version, &row.by)),
            delete(Key::member(&cluster.pool, &cluster.name), Condition::any()),
            delete(Key::seal(&cluster.name), Condition::any()),
        ];
        writes.extend(self.unclaim(cluster).await?);
        let token = token_of(&[&look.by, cluster.name.as_str(), "delete"]);
        let mut outcomes = self.transact(&writes, &token).await?.into_iter();
        match outcomes.next() {
            Some(Outcome::Refused(Some(_))) => return Err(WriteError::Overtaken),
            Some(Outcome::Refused(None)) => {}
            _ if outcomes.any(|outcome| outcome.is_refused()) => return Err(WriteError::Overtaken),
            _ => {}
        }
        // Nothing leads there any more: what cannot be deleted now is never read.
        let _ = self.forget_baseline(&cluster.name, cluster.intake).await;
        let _ = self.forget_left_over(&cluster.name, cluster.epoch).await;
        Ok(())
    }
}

/// What an `Idempotency-Key` is bound to by which this cluster was taken.
pub fn bound_as(taken: &Cluster) -> String {
    format!("{}#{}", taken.name, taken.epoch)
}

pub(crate) fn cluster_row(cluster: &Cluster, due: Option<NextDue>) -> Next<'_, Cluster> {
    let part = keys::due_part(&Lane::Leases, keys::shard_in(&Lane::Leases, cluster.name.as_str()));
    Next::new(Key::cluster(&cluster.name), Kind::Cluster, cluster)
        .due(part, due)
        .listed(
            keys::CLUSTERS,
            keys::newest_first(cluster.registered_at, cluster.name.as_str()),
        )
}

/// What makes a pool's list say what is now so of a cluster.
pub(crate) fn listing(old: Option<&Row<Cluster>>, next: &Cluster, look: &Look) -> Result<Vec<Write>, Error> {
    let offer = OfferRow { offer: next.offer() };
    let place = next
        .is_free()
        .then(|| (keys::free_part(&next.pool), keys::free_key(&next.name, next.epoch)));
    let row = Next::new(Key::member(&next.pool, &next.name), Kind::ClusterOffer, &offer).free_at(place);
    let mut writes = vec![Prepared::beside(row, look).write()?];
    if let Some(old) = old.filter(|old| old.value.pool != next.pool) {
        writes.push(Write::Delete {
            key: Key::member(&old.value.pool, &next.name),
            condition: Condition::any(),
        });
    }
    Ok(writes)
}

pub(crate) fn ticket_row<'a>(pool: &ClusterPoolName, ticket: &'a Ticket, look: &Look) -> Next<'a, Ticket> {
    let forget = SignedDuration::try_from(limits::TICKET_KEPT).unwrap_or(SignedDuration::MAX);
    let forget_at = keys::forget_second(look.now.checked_add(forget).unwrap_or(Timestamp::MAX));
    Next::new(Key::ticket(pool, ticket), Kind::Ticket, ticket).forgotten_at(forget_at)
}

/// The token of the transaction by which a look writes this epoch and state of a cluster.
pub(crate) fn cluster_token(look: &Look, next: &Cluster) -> String {
    token_of(&[&look.by, next.name.as_str(), &next.epoch.to_string(), next.word()])
}
