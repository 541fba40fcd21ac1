//! Lists: an index proposes, the rows decide.

use std::iter::successors;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Application, ApplicationId, Status, TemplateName, limits};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::error::Cause;
use crate::items::{ApplicationItem, decode};
use crate::keys::{self, Key};
use crate::merge::{Merge, Proposed, Read, Source};
use crate::schema::{DAY, LIST};
use crate::{Error, Page, Store};

/// Queries under way at once for one page.
const QUERY_CONCURRENCY: usize = 16;
/// Queries after which a page is given as it is. The past has a partition a day, so a whole walk needs about seventy.
const QUERIES_MAX: usize = 128;
/// Index entries that one query looks at when a status is asked for, few of which may have it.
const FILTERED_MAX: usize = 1000;
/// How much longer than its greatest age an application may take to end, for the days that lists look back to: an
/// ending waits while its cluster is out of reach.
const ENDING_MAX_DAYS: u64 = 7;
const DAY_SECONDS: u64 = 24 * 60 * 60;
/// How many days back an application that is still remembered can have been created.
const DAYS_BACK: u64 =
    limits::REMEMBER.as_secs() / DAY_SECONDS + limits::MILLIS_MAX / 1000 / DAY_SECONDS + ENDING_MAX_DAYS;

/// Which applications a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which<'a> {
    /// All.
    All,
    /// Those of one template.
    Template(&'a TemplateName),
}

impl Store {
    /// AP5 Applications, the newest first: at most `limit` (up to [`domain::limits::LIST_MAX`]), from the position
    /// `after`, of one status if given. The ended are among them until they are forgotten.
    ///
    /// # Errors
    /// [`Error::Rejected`] when `after` is no position; otherwise as for every read.
    pub async fn applications(
        &self,
        which: Which<'_>,
        status: Option<Status>,
        limit: usize,
        after: Option<&str>,
        now: Timestamp,
    ) -> Result<Page<Application>, Error> {
        let from = position(after)?;
        // Only an ended application is among the past, and it failed or was deleted.
        let past = matches!(status, None | Some(Status::Failed | Status::Deleted));
        let merge = match which {
            Which::Template(template) => of_template(template, from, past, limit),
            Which::All => of_all(from, past, limit, now),
        };
        let proposed = self.propose(merge, status).await?;
        let ids: Vec<ApplicationId> = proposed
            .keys
            .iter()
            .map(|key| identified(key))
            .collect::<Result<_, _>>()?;
        let keys: Vec<Key> = ids.iter().map(Key::application).collect();
        let rows = self.batch_get(&keys).await?.into_iter().map(decode::<ApplicationItem>);
        let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
        rows.sort_by(|one, other| one.list_key.cmp(&other.list_key));
        let remembered = rows.into_iter().filter(|row| !row.is_forgotten(now));
        let items = remembered.map(|row| row.into_row().value);
        Ok(Page {
            items: items
                .filter(|value| status.is_none_or(|status| value.status() == status))
                .collect(),
            next: proposed.next,
        })
    }

    /// The sort keys that the `list` index proposes for one page of `part`, from the position `after`.
    pub(crate) async fn propose_one(&self, part: &str, limit: usize, after: Option<&str>) -> Result<Proposed, Error> {
        self.propose_all([part.to_owned()], limit, after).await
    }

    /// As [`Store::propose_one`], of several partitions together.
    pub(crate) async fn propose_all(
        &self,
        parts: impl IntoIterator<Item = String>,
        limit: usize,
        after: Option<&str>,
    ) -> Result<Proposed, Error> {
        let from = position(after)?;
        let sources = parts.into_iter().map(|part| Source::new(&LIST, part, from));
        self.propose(Merge::new(sources.collect(), Vec::new(), page(limit)), None)
            .await
    }

    /// The sort keys that the indexes propose for one page.
    pub(crate) async fn propose(&self, mut merge: Merge, status: Option<Status>) -> Result<Proposed, Error> {
        let mut queries = 0;
        while queries < QUERIES_MAX {
            let wanted = merge.wanted();
            if wanted.is_empty() {
                break;
            }
            queries += wanted.len();
            // Collected first: a stream that holds the closure cannot be shown to be `Send` for every lifetime.
            let reads: Vec<_> = wanted
                .iter()
                .map(|number| {
                    let (source, page) = (merge.source(*number), merge.page_of(*number));
                    async move { Ok::<_, Error>((*number, self.read(source, page, status).await?)) }
                })
                .collect();
            let reads: Vec<_> = stream::iter(reads)
                .buffer_unordered(QUERY_CONCURRENCY)
                .try_collect()
                .await?;
            for (number, read) in reads {
                merge.fill(number, read);
            }
        }
        Ok(merge.finish())
    }

    async fn read(&self, source: &Source, page: usize, status: Option<Status>) -> Result<Read, Error> {
        let sort_key = source.index.sort_key;
        let mut request = self
            .client
            .query()
            .table_name(&*self.table)
            .index_name(source.index.name)
            .key_condition_expression("#part = :part AND #key > :from")
            .expression_attribute_names("#part", source.index.partition_key)
            .expression_attribute_names("#key", sort_key)
            .expression_attribute_values(":part", AttributeValue::S(source.part.clone()))
            .expression_attribute_values(":from", AttributeValue::S(source.from.clone()))
            .limit(page as i32);
        if let Some(status) = status {
            request = request
                .filter_expression("#status = :status")
                .expression_attribute_names("#status", "status")
                .expression_attribute_values(":status", AttributeValue::S(status.as_str().to_owned()))
                .limit(FILTERED_MAX as i32);
        }
        let answer = request.send().boxed().await?;
        let key = |mut item: crate::items::Item| match item.remove(sort_key) {
            Some(AttributeValue::S(key)) => Ok(key),
            _ => Err(Error::corrupt("list", "an entry without a sort key")),
        };
        Ok(Read {
            keys: answer
                .items
                .unwrap_or_default()
                .into_iter()
                .map(key)
                .collect::<Result<_, _>>()?,
            upto: answer.last_evaluated_key.map(key).transpose()?,
        })
    }
}

fn of_template(template: &TemplateName, from: &str, past: bool, limit: usize) -> Merge {
    let source = |past| Source::new(&LIST, keys::list_part(template, past), from);
    let past = past.then(|| source(true));
    Merge::new(vec![source(false)], past.into_iter().collect(), page(limit))
}

fn of_all(from: &str, past: bool, limit: usize, now: Timestamp) -> Merge {
    let live = (0..limits::DUE_SHARDS).map(|shard| Source::new(&DAY, keys::day_part_live(shard), from));
    let today = keys::day(now);
    let newest = keys::split_position(from).map_or(today, |(at, _)| keys::day(at).min(today));
    let oldest = today - jiff::Span::new().days(DAYS_BACK as i64);
    let days = successors(Some(newest), |day| day.yesterday().ok()).take_while(|day| past && *day >= oldest);
    let days = days.map(|day| Source::new(&DAY, keys::day_part_past(day), from.max(&keys::before_day(day))));
    Merge::new(live.collect(), days.collect(), page(limit))
}

fn page(limit: usize) -> usize {
    limit.clamp(1, limits::LIST_MAX)
}

/// Where a list goes on.
fn position(after: Option<&str>) -> Result<&str, Error> {
    match after {
        None => Ok(keys::LIST_START),
        Some(after) if keys::split_position(after).is_some() => Ok(after),
        Some(_) => Err(Error::Rejected(Cause::boxed("position", "not a position in this list"))),
    }
}

pub(crate) fn identified(key: &str) -> Result<ApplicationId, Error> {
    let id = keys::split_position(key).and_then(|(_, id)| ApplicationId::parse(id).ok());
    id.ok_or_else(|| Error::corrupt("list", "a key without an application's id"))
}
