//! What is due.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Due, Lane, limits};
use futures::FutureExt;
use jiff::Timestamp;
use serde::Deserialize;

use crate::items::decode;
use crate::schema::DUE;
use crate::{Error, Page, Store, keys};

/// A due row as the index has it.
#[derive(Deserialize)]
struct DueEntry {
    pk: String,
    due_key: String,
    state: String,
    version: u64,
    due_since: Timestamp,
}

impl Store {
    /// AP6 What is due in one shard of a lane at `now`, what was due first first: at most
    /// [`domain::limits::DUE_PAGE`], from the position `after`. The index is eventually consistent: it proposes, and
    /// [`Store::take`] decides.
    ///
    /// # Errors
    /// As for every read.
    pub async fn due(&self, lane: &Lane, shard: u16, now: Timestamp, after: Option<&str>) -> Result<Page<Due>, Error> {
        let from = after.map_or_else(|| keys::LIST_START.to_owned(), keys::due_after);
        let until = keys::due_until(now);
        if from > until {
            return Ok(Page {
                items: Vec::new(),
                next: None,
            });
        }
        let request = self.client.query().table_name(&*self.table).index_name(DUE.name);
        let answer = request
            .key_condition_expression("due_part = :part AND due_key BETWEEN :from AND :until")
            .expression_attribute_values(":part", AttributeValue::S(keys::due_part(lane, shard)))
            .expression_attribute_values(":from", AttributeValue::S(from))
            .expression_attribute_values(":until", AttributeValue::S(until))
            .limit(limits::DUE_PAGE as i32)
            .send()
            .boxed()
            .await?;
        let more = answer.last_evaluated_key.is_some();
        let entries = answer.items.unwrap_or_default().into_iter().map(decode::<DueEntry>);
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        let next = entries.last().filter(|_| more).map(|last| last.due_key.clone());
        let items = entries.into_iter().map(due).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }
}

fn due(entry: DueEntry) -> Result<Due, Error> {
    let unreadable = || Error::corrupt("due", "a key without an instant or an id");
    let (due_at, _) = keys::split_due_key(&entry.due_key).ok_or_else(unreadable)?;
    Ok(Due {
        id: keys::application_id(&entry.pk).ok_or_else(unreadable)?,
        state: entry.state,
        version: entry.version,
        due_at,
        due_since: entry.due_since,
    })
}
