//! The few kinds of request that everything here is made of.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure, Select};
use backon::{BackoffBuilder, ExponentialBuilder, Retryable};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use net::Scope;

use crate::error::Cause;
use crate::items::Item;
use crate::keys::Key;
use crate::schema::TABLE;
use crate::{Error, Store};

/// How often a write that meets somebody else's is tried again.
const CONTENTION_RETRIES: usize = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// The most rows that one request may read; DynamoDB's own limit.
const BATCH_MAX: usize = 100;
/// Batches read at once.
const BATCH_CONCURRENCY: usize = 4;
/// How often the rows that a batch left out are asked for again.
const BATCH_RETRIES: usize = 4;
/// The most pages of one partition that are counted: DynamoDB counts several thousand entries a page.
const COUNT_PAGES_MAX: usize = 64;

const VERSION: (&str, &str) = ("#version", "version");
const BY: (&str, &str) = ("#by", "by");

/// What must be true of the stored row for a write to happen.
#[derive(Clone)]
pub(crate) struct Condition {
    pub(crate) expression: &'static str,
    names: &'static [(&'static str, &'static str)],
    values: Vec<(&'static str, AttributeValue)>,
}

impl Condition {
    /// There is no such row.
    pub(crate) fn absent() -> Condition {
        Condition {
            expression: "attribute_not_exists(pk)",
            names: &[],
            values: Vec::new(),
        }
    }

    /// There is no such row, or none that still counts in this second (Unix time).
    pub(crate) fn absent_or_forgotten(second: i64) -> Condition {
        Condition {
            expression: "attribute_not_exists(pk) OR forget_at <= :now",
            names: &[],
            values: vec![(":now", AttributeValue::N(second.to_string()))],
        }
    }

    /// There is no such row, or none that still counts in this second (Unix time), or one that is bound to this.
    pub(crate) fn absent_or_bound_to(second: i64, made: Option<&str>) -> Condition {
        let Some(made) = made else {
            return Condition::absent_or_forgotten(second);
        };
        Condition {
            expression: "attribute_not_exists(pk) OR forget_at <= :now OR made = :made",
            names: &[],
            values: vec![
                (":now", AttributeValue::N(second.to_string())),
                (":made", AttributeValue::S(made.to_owned())),
            ],
        }
    }

    /// There is no such row, or one whose last use was in this second (Unix time) or before.
    pub(crate) fn absent_or_unused_since(second: i64) -> Condition {
        Condition {
            expression: "attribute_not_exists(pk) OR used_second <= :then",
            names: &[],
            values: vec![(":then", AttributeValue::N(second.to_string()))],
        }
    }

    /// Whether there is such a row or not.
    pub(crate) fn any() -> Condition {
        Condition {
            expression: "attribute_exists(pk) OR attribute_not_exists(pk)",
            names: &[],
            values: Vec::new(),
        }
    }

    /// The row has the version that was read.
    pub(crate) fn version(read: u64) -> Condition {
        Condition {
            expression: "#version = :version",
            names: &[VERSION],
            values: vec![(":version", AttributeValue::N(read.to_string()))],
        }
    }

    /// The row is the very one that was read: versions begin again when a row is deleted and made anew, stamps do not.
    pub(crate) fn same(read: u64, by: &str) -> Condition {
        Condition {
            expression: "#version = :version AND #by = :by",
            names: &[VERSION, BY],
            values: vec![
                (":version", AttributeValue::N(read.to_string())),
                (":by", AttributeValue::S(by.to_owned())),
            ],
        }
    }

    pub(crate) fn names(&self) -> Option<HashMap<String, String>> {
        let owned = |(short, name): &(&str, &str)| ((*short).to_owned(), (*name).to_owned());
        (!self.names.is_empty()).then(|| self.names.iter().map(owned).collect())
    }

    pub(crate) fn values(&self) -> Option<HashMap<String, AttributeValue>> {
        let owned = |(short, value): &(&str, AttributeValue)| ((*short).to_owned(), value.clone());
        (!self.values.is_empty()).then(|| self.values.iter().map(owned).collect())
    }
}

/// What became of a conditional write.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// It happened, or nothing stood in its way.
    Done,
    /// Its condition did not hold for this row, or because there is none. Nothing was written.
    Refused(Option<Item>),
}

impl Outcome {
    pub(crate) fn is_refused(&self) -> bool {
        matches!(self, Outcome::Refused(_))
    }
}

impl Store {
    /// One row, strongly consistent.
    pub(crate) async fn get(&self, key: &Key) -> Result<Option<Item>, Error> {
        let request = self.client.get_item().table_name(&*self.table).consistent_read(true);
        let answer = request.set_key(Some(attributes(key))).send().boxed().await?;
        Ok(answer.item)
    }

    pub(crate) async fn put(&self, item: &Item, condition: &Condition) -> Result<Outcome, Error> {
        (|| self.put_once(item, condition))
            .retry(pauses(CONTENTION_RETRIES))
            .when(Error::is_contended)
            .adjust(|_, pause| pause.filter(in_time))
            .await
    }

    async fn put_once(&self, item: &Item, condition: &Condition) -> Result<Outcome, Error> {
        let request = self.client.put_item().table_name(&*self.table);
        let sent = request
            .set_item(Some(item.clone()))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .boxed()
            .await;
        match sent {
            Ok(_) => Ok(Outcome::Done),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Outcome::Refused(failed.item().cloned()))
                }
                _ => Err(error.into()),
            },
        }
    }

    pub(crate) async fn delete(&self, key: &Key, condition: &Condition) -> Result<Outcome, Error> {
        (|| self.delete_once(key, condition))
            .retry(pauses(CONTENTION_RETRIES))
            .when(Error::is_contended)
            .adjust(|_, pause| pause.filter(in_time))
            .await
    }

    async fn delete_once(&self, key: &Key, condition: &Condition) -> Result<Outcome, Error> {
        let request = self.client.delete_item().table_name(&*self.table);
        let sent = request
            .set_key(Some(attributes(key)))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(condition.names())
            .set_expression_attribute_values(condition.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .boxed()
            .await;
        match sent {
            Ok(_) => Ok(Outcome::Done),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(failed)) => {
                    Ok(Outcome::Refused(failed.item().cloned()))
                }
                _ => Err(error.into()),
            },
        }
    }

    /// The rows of `keys` that there are, strongly consistent, in any order.
    pub(crate) async fn batch_get(&self, keys: &[Key]) -> Result<Vec<Item>, Error> {
        // Collected first: a stream that holds the closure cannot be shown to be `Send` for every lifetime.
        let batches: Vec<_> = keys
            .chunks(BATCH_MAX)
            .map(|batch| self.batch_get_all(batch.iter().map(attributes).collect()))
            .collect();
        let batches: Vec<Vec<Item>> = stream::iter(batches)
            .buffer_unordered(BATCH_CONCURRENCY)
            .try_collect()
            .await?;
        Ok(batches.into_iter().flatten().collect())
    }

    async fn batch_get_all(&self, mut wanted: Vec<Item>) -> Result<Vec<Item>, Error> {
        let mut found = Vec::with_capacity(wanted.len());
        let mut pauses = pauses(BATCH_RETRIES).build();
        loop {
            let asked = KeysAndAttributes::builder()
                .set_keys(Some(wanted))
                .consistent_read(true);
            let answer = self
                .client
                .batch_get_item()
                .request_items(&*self.table, asked.build().map_err(Error::unbuilt)?)
                .send()
                .boxed()
                .await?;
            found.extend(answer.responses.into_iter().flat_map(HashMap::into_values).flatten());
            let left = answer.unprocessed_keys.into_iter().flat_map(HashMap::into_values);
            wanted = left.flat_map(|left| left.keys).collect();
            if wanted.is_empty() {
                return Ok(found);
            }
            let Some(pause) = pauses.next().filter(in_time) else {
                return Err(Error::Throttled(Cause::boxed(
                    "UnprocessedKeys",
                    "rows were left out of a batch",
                )));
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// How many entries a query finds, over its first [`COUNT_PAGES_MAX`] pages.
pub(crate) async fn count(asked: QueryFluentBuilder) -> Result<u64, Error> {
    let asked = asked.select(Select::Count);
    let (mut counted, mut from) = (0, None);
    for _ in 0..COUNT_PAGES_MAX {
        let answer = asked.clone().set_exclusive_start_key(from).send().boxed().await?;
        counted += u64::try_from(answer.count).unwrap_or_default();
        from = answer.last_evaluated_key;
        if from.is_none() {
            break;
        }
    }
    Ok(counted)
}

pub(crate) fn attributes(key: &Key) -> Item {
    HashMap::from([
        (TABLE.partition_key.to_owned(), AttributeValue::S(key.pk.clone())),
        (TABLE.sort_key.to_owned(), AttributeValue::S(key.sk.to_string())),
    ])
}

/// Whether what is asked for in this scope may still be waited for that long.
pub(crate) fn in_time(pause: &Duration) -> bool {
    Scope::current().is_none_or(|scope| *pause < scope.left())
}

pub(crate) fn pauses(times: usize) -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(FIRST_PAUSE)
        .with_max_delay(LONGEST_PAUSE)
        .with_max_times(times)
        .with_jitter()
}
