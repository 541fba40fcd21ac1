//! What is due, what will be, and how much of it there is.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Application, ApplicationId, Counts, Due, Lane, Living, Subject, limits};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use serde::Deserialize;

use crate::items::decode;
use crate::request::count;
use crate::schema::DUE;
use crate::{Error, Page, Store, keys};

/// Entries of the due index a page, when all that lives is asked for.
const LIVING_PAGE: usize = 1000;
/// Queries under way at once over the shards of a lane.
const CONCURRENCY: usize = 16;
/// Entries of a shard among which the first that may end is looked for.
const FIRST: usize = 20;
/// How many of them are read.
const FIRST_A_SHARD: usize = 2;

/// Applications without a tombstone, but for spares.
const COUNTS_AS_LIVING: &str = "#kind = :application AND #state <> :ending AND attribute_not_exists(#spare)";
/// Those of them that wait under the brake.
const COUNTS_AS_HELD: &str =
    "#kind = :application AND #state <> :ending AND attribute_not_exists(#spare) AND attribute_exists(held_since)";

/// A due row as the index has it.
#[derive(Deserialize)]
struct DueEntry {
    due_key: String,
    state: String,
    version: u64,
    due_since: Timestamp,
    #[serde(default)]
    held_since: Option<Timestamp>,
    #[serde(default)]
    spare: bool,
    #[serde(default)]
    troubled: bool,
}

impl DueEntry {
    /// The application that it is of, where that is somebody's and runs or is ending.
    fn may_end(self) -> Option<ApplicationId> {
        let may = !self.spare && matches!(self.state.as_str(), "running" | "ending");
        let (_, name) = keys::split_due_key(&self.due_key).filter(|_| may)?;
        match keys::subject(name)? {
            Subject::Application(id) => Some(id),
            Subject::Preload(..) | Subject::Environment(_) | Subject::Cluster(_) => None,
        }
    }
}

impl Store {
    /// AP6 What is due in one shard of a lane at `now`, what was due first first: at most
    /// [`domain::limits::DUE_PAGE`], from the position `after`. The index is eventually consistent: it proposes, and
    /// [`Store::take`] decides.
    ///
    /// # Errors
    /// As for every read.
    pub async fn due(&self, lane: &Lane, shard: u16, now: Timestamp, after: Option<&str>) -> Result<Page<Due>, Error> {
        let page = self
            .due_entries(lane, shard, (after, &keys::due_until(now)), limits::DUE_PAGE)
            .await?;
        Ok(page.of(|entry, due_at, subject| {
            Some(Due {
                subject,
                state: entry.state,
                version: entry.version,
                held: entry.held_since.is_some(),
                due_at,
                due_since: entry.due_since,
            })
        }))
    }

    /// AP8 The applications in one shard of a lane that somebody must come back to, whenever that is: at most a
    /// thousand, from the position `after`. What moves while pages are read may be in two of them or in none.
    ///
    /// # Errors
    /// As for every read.
    pub async fn living(&self, lane: &Lane, shard: u16, after: Option<&str>) -> Result<Page<Living>, Error> {
        let page = self
            .due_entries(lane, shard, (after, keys::LIST_END), LIVING_PAGE)
            .await?;
        Ok(page.of(|entry, due_at, subject| match subject {
            Subject::Application(id) => Some(Living {
                id,
                state: entry.state,
                version: entry.version,
                due_at,
                spare: entry.spare,
                troubled: entry.troubled,
            }),
            Subject::Preload(..) | Subject::Environment(_) | Subject::Cluster(_) => None,
        }))
    }

    /// AP7 How many applications of a lane live, and how many of those wait under the brake, by the index.
    ///
    /// # Errors
    /// As for every read.
    pub async fn count_living(&self, lane: &Lane) -> Result<Counts, Error> {
        let (living, held) = futures::try_join!(
            self.count_where(lane, COUNTS_AS_LIVING),
            self.count_where(lane, COUNTS_AS_HELD)
        )?;
        Ok(Counts { living, held })
    }

    /// AP7 Applications of a lane that run or are ending, of each shard the two that are due first: among them is what
    /// ends next, as far as the index tells. Only the first few entries of each shard are looked at.
    ///
    /// # Errors
    /// As for every read.
    pub async fn next_to_end(&self, lane: &Lane, now: Timestamp) -> Result<Vec<Application>, Error> {
        // Collected first: a stream that holds the closure cannot be shown to be `Send` for every lifetime.
        let firsts: Vec<_> = (0..limits::DUE_SHARDS)
            .map(|shard| self.due_entries(lane, shard, (None, keys::LIST_END), FIRST))
            .collect();
        let firsts: Vec<Entries> = stream::iter(firsts).buffer_unordered(CONCURRENCY).try_collect().await?;
        let ids: Vec<ApplicationId> = firsts
            .into_iter()
            .flat_map(|page| {
                page.entries
                    .into_iter()
                    .filter_map(DueEntry::may_end)
                    .take(FIRST_A_SHARD)
            })
            .collect();
        let rows = self.applications_by_id(&ids, now).await?;
        Ok(rows.into_values().map(|row| row.value).collect())
    }

    /// One page of a shard of the due index, from after a position to a key.
    async fn due_entries(
        &self,
        lane: &Lane,
        shard: u16,
        (after, until): (Option<&str>, &str),
        most: usize,
    ) -> Result<Entries, Error> {
        let from = after.map_or_else(|| keys::LIST_START.to_owned(), keys::due_after);
        if from.as_str() > until {
            return Ok(Entries::default());
        }
        let request = self.client.query().table_name(&*self.table).index_name(DUE.name);
        let answer = request
            .key_condition_expression("due_part = :part AND due_key BETWEEN :from AND :until")
            .expression_attribute_values(":part", AttributeValue::S(keys::due_part(lane, shard)))
            .expression_attribute_values(":from", AttributeValue::S(from))
            .expression_attribute_values(":until", AttributeValue::S(until.to_owned()))
            .limit(most as i32)
            .send()
            .boxed()
            .await?;
        let more = answer.last_evaluated_key.is_some();
        let entries = answer.items.unwrap_or_default().into_iter().map(decode::<DueEntry>);
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let next = entries.last().filter(|_| more).map(|last| last.due_key.clone());
        Ok(Entries { entries, next })
    }

    async fn count_where(&self, lane: &Lane, filter: &'static str) -> Result<u64, Error> {
        let counts: Vec<_> = (0..limits::DUE_SHARDS)
            .map(|shard| self.count_shard(keys::due_part(lane, shard), filter))
            .collect();
        let counts = stream::iter(counts).buffer_unordered(CONCURRENCY);
        counts.try_fold(0, |sum, count| async move { Ok(sum + count) }).await
    }

    async fn count_shard(&self, part: String, filter: &'static str) -> Result<u64, Error> {
        let request = self.client.query().table_name(&*self.table).index_name(DUE.name);
        let asked = request
            .key_condition_expression("due_part = :part")
            .filter_expression(filter)
            .expression_attribute_names("#kind", "kind")
            .expression_attribute_names("#state", "state")
            .expression_attribute_names("#spare", "spare")
            .expression_attribute_values(":part", AttributeValue::S(part))
            .expression_attribute_values(":application", AttributeValue::S("application".to_owned()))
            .expression_attribute_values(":ending", AttributeValue::S("ending".to_owned()));
        count(asked).await
    }
}

/// One page of the due index.
#[derive(Default)]
struct Entries {
    entries: Vec<DueEntry>,
    next: Option<String>,
}

impl Entries {
    /// What is made of each entry whose key can be read. One that is of no kind known here is a newer version's, and
    /// stands in nobody's way.
    fn of<T>(self, made: impl Fn(DueEntry, Timestamp, Subject) -> Option<T>) -> Page<T> {
        let readable = |entry: DueEntry| {
            let named = keys::split_due_key(&entry.due_key).and_then(|(at, row)| Some((at, keys::subject(row)?)));
            if named.is_none() {
                net::note("reading what is due", &Error::corrupt("due", &entry.due_key));
            }
            let (due_at, subject) = named?;
            made(entry, due_at, subject)
        };
        Page {
            items: self.entries.into_iter().filter_map(readable).collect(),
            next: self.next,
        }
    }
}
