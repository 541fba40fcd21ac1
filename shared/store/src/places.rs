//! Places in counters: how many may be at once is decided by the conditions of the writes that take them.

use domain::{ApplicationId, Counted, Counter, Limit, Look};
use serde::Deserialize;

use crate::error::Cause;
use crate::items::decode;
use crate::keys::{self, Key};
use crate::request::Outcome;
use crate::transact::{Count, Write};
use crate::{Error, Store};

/// How often places are chosen again after others took them first.
const TRIES_MAX: u32 = 12;
/// Hexadecimal digits of a digest that pick a place: 64 bits.
const SEED_DIGITS: usize = 16;

/// A shard of a counter.
#[derive(Deserialize)]
struct CounterItem {
    pk: String,
    n: i64,
}

/// A place in each of several counters, for one application. Which shards, its id says: many launches at once are
/// spread over all that have room.
pub(crate) struct Places<'a> {
    limits: Vec<&'a Limit>,
    chosen: Vec<Counted>,
    id: &'a ApplicationId,
    tries: u32,
}

impl<'a> Places<'a> {
    /// The first choice, before anything is known of the counters; a limit of nothing is full at once.
    pub(crate) fn choose(
        limits: impl IntoIterator<Item = &'a Limit>,
        id: &'a ApplicationId,
    ) -> Result<Places<'a>, Counter> {
        let limits: Vec<&Limit> = limits.into_iter().collect();
        let mut places = Places {
            chosen: Vec::with_capacity(limits.len()),
            limits,
            id,
            tries: 0,
        };
        for limit in &places.limits {
            let place = limit.place(&[], places.seed()).ok_or_else(|| limit.counter.clone())?;
            places.chosen.push(place);
        }
        Ok(places)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.chosen.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.chosen.len()
    }

    pub(crate) fn chosen(&self) -> &[Counted] {
        &self.chosen
    }

    /// The writes that take the places, in the order of the limits.
    pub(crate) fn writes(&self, look: &Look) -> impl Iterator<Item = Write> {
        let shares = self.limits.iter().zip(&self.chosen);
        shares.map(|(limit, place)| Count::take(place, limit.share(place.shard), look))
    }

    /// Another pick for each try.
    fn seed(&self) -> u64 {
        let digest = keys::digest(&[self.id.as_str(), &self.tries.to_string()]);
        u64::from_str_radix(&digest[..SEED_DIGITS], 16).unwrap_or_default()
    }
}

impl Store {
    /// Chooses again where `taken` was refused, by what the counters now say. The answer is the first counter that has
    /// no room in any of its shards.
    pub(crate) async fn choose_again(
        &self,
        places: &mut Places<'_>,
        taken: &[Outcome],
    ) -> Result<Option<Counter>, Error> {
        if !taken.iter().any(Outcome::is_refused) {
            return Ok(None);
        }
        places.tries += 1;
        let seed = places.seed();
        for (number, outcome) in taken.iter().enumerate().take(places.len()) {
            if !outcome.is_refused() {
                continue;
            }
            let limit = places.limits[number];
            let counts = self.counts(limit).await?;
            match limit.place(&counts, seed) {
                Some(place) => places.chosen[number] = place,
                None => return Ok(Some(limit.counter.clone())),
            }
        }
        if places.tries >= TRIES_MAX {
            return Err(Error::Throttled(Cause::boxed(
                "QUOTA",
                "others took every place that was chosen",
            )));
        }
        Ok(None)
    }

    /// What each shard of a limit's counter counts, strongly consistent.
    async fn counts(&self, limit: &Limit) -> Result<Vec<u32>, Error> {
        let key = |shard| {
            Key::counter(&Counted {
                counter: limit.counter.clone(),
                shard,
            })
        };
        let keys: Vec<Key> = (0..limit.shards()).map(key).collect();
        let mut counts = vec![0; keys.len()];
        for item in self.batch_get(&keys).await? {
            let item: CounterItem = decode(item)?;
            if let Some(shard) = keys.iter().position(|key| key.pk == item.pk) {
                counts[shard] = u32::try_from(item.n.max(0)).unwrap_or(u32::MAX);
            }
        }
        Ok(counts)
    }
}

/// The places of `before` that are not among `after`.
pub(crate) fn left(before: &[Counted], after: &[Counted]) -> Vec<Counted> {
    before.iter().filter(|place| !after.contains(place)).cloned().collect()
}
