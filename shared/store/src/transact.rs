//! Transactions: all of their writes happen, or none.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};
use backon::Retryable;
use domain::{Counted, Look};
use futures::FutureExt;

use crate::error::CONDITION_FAILED;
use crate::items::Item;
use crate::keys::{self, Key};
use crate::request::{Condition, Outcome, attributes, in_time, pauses};
use crate::{Error, Store};

/// How often a transaction that meets somebody else's is tried again. The pauses double, and each is longer by up to
/// once more at random: 200 launches at once that share four shards of a counter all find their turn.
const CONFLICT_RETRIES: usize = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(40);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The most characters of a transaction's token; DynamoDB's own limit is 36.
const TOKEN_LENGTH: usize = 32;

/// One write of a transaction.
pub(crate) enum Write {
    /// A row is written whole.
    Put {
        /// The row.
        item: Item,
        /// When.
        condition: Condition,
    },
    /// A row is removed.
    Delete {
        /// Which.
        key: Key,
        /// When.
        condition: Condition,
    },
    /// A shard of a counter is raised or lowered by one.
    Count(Count),
}

/// A change of a shard of a counter.
pub(crate) struct Count {
    place: Counted,
    /// Raised while it counts less than this; lowered where there is none.
    share: Option<u32>,
    look: Look,
}

impl Count {
    /// One more, while the shard counts less than its `share`.
    pub(crate) fn take(place: &Counted, share: u32, look: &Look) -> Write {
        Write::Count(Count {
            place: place.clone(),
            share: Some(share),
            look: look.clone(),
        })
    }

    /// One fewer. It has no condition: it stands in a transaction with a write that happens once.
    pub(crate) fn give_back(place: &Counted, look: &Look) -> Write {
        Write::Count(Count {
            place: place.clone(),
            share: None,
            look: look.clone(),
        })
    }

    fn change(&self) -> &'static str {
        if self.share.is_some() { "1" } else { "-1" }
    }

    fn update(&self, table: &str) -> Result<Update, Error> {
        let names = [
            ("#n", "n"),
            ("#kind", "kind"),
            ("#version", "version"),
            ("#by", "by"),
            ("#at", "updated_at"),
        ];
        let mut values = HashMap::from([
            (":change".to_owned(), AttributeValue::N(self.change().to_owned())),
            (":one".to_owned(), AttributeValue::N("1".to_owned())),
            (":kind".to_owned(), AttributeValue::S("quota".to_owned())),
            (":by".to_owned(), AttributeValue::S(self.look.by.clone())),
            (":now".to_owned(), AttributeValue::S(self.look.now.to_string())),
        ]);
        if let Some(share) = self.share {
            values.insert(":share".to_owned(), AttributeValue::N(share.to_string()));
        }
        let owned = |(short, name): (&str, &str)| (short.to_owned(), name.to_owned());
        Update::builder()
            .table_name(table)
            .set_key(Some(attributes(&Key::counter(&self.place))))
            .update_expression("SET #kind = :kind, #by = :by, #at = :now ADD #n :change, #version :one")
            .set_condition_expression(self.share.map(|_| "attribute_not_exists(#n) OR #n < :share".to_owned()))
            .set_expression_attribute_names(Some(names.into_iter().map(owned).collect()))
            .set_expression_attribute_values(Some(values))
            .build()
            .map_err(Error::unbuilt)
    }
}

impl Store {
    /// Writes all or nothing. The outcomes are in the order of `writes`; where one is [`Outcome::Refused`], nothing
    /// was written. `token` is the same for the same transaction and no other: sent again it does nothing again.
    pub(crate) async fn transact(&self, writes: &[Write], token: &str) -> Result<Vec<Outcome>, Error> {
        // Tokens are the account's: another table of the same one must not take this transaction for its own.
        let token = token_of(&[&self.table, token]);
        (|| self.transact_once(writes, &token))
            .retry(
                pauses(CONFLICT_RETRIES)
                    .with_min_delay(FIRST_PAUSE)
                    .with_max_delay(LONGEST_PAUSE),
            )
            .when(Error::is_contended)
            .adjust(|_, pause| pause.filter(in_time))
            .await
    }

    async fn transact_once(&self, writes: &[Write], token: &str) -> Result<Vec<Outcome>, Error> {
        let items: Result<Vec<_>, Error> = writes.iter().map(|write| self.transacted(write)).collect();
        let sent = self
            .client
            .transact_write_items()
            .set_transact_items(Some(items?))
            .client_request_token(token)
            .send()
            .boxed()
            .await;
        match sent {
            Ok(_) => Ok(writes.iter().map(|_| Outcome::Done).collect()),
            Err(error) => cancelled(error),
        }
    }

    fn transacted(&self, write: &Write) -> Result<TransactWriteItem, Error> {
        let item = TransactWriteItem::builder();
        let item = match write {
            Write::Put { item: row, condition } => {
                let put = Put::builder()
                    .table_name(&*self.table)
                    .set_item(Some(row.clone()))
                    .condition_expression(condition.expression)
                    .set_expression_attribute_names(condition.names())
                    .set_expression_attribute_values(condition.values())
                    .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
                item.put(put.build().map_err(Error::unbuilt)?)
            }
            Write::Delete { key, condition } => {
                let delete = Delete::builder()
                    .table_name(&*self.table)
                    .set_key(Some(attributes(key)))
                    .condition_expression(condition.expression)
                    .set_expression_attribute_names(condition.names())
                    .set_expression_attribute_values(condition.values())
                    .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
                item.delete(delete.build().map_err(Error::unbuilt)?)
            }
            Write::Count(count) => item.update(count.update(&self.table)?),
        };
        Ok(item.build())
    }
}

fn cancelled(error: SdkError<TransactWriteItemsError>) -> Result<Vec<Outcome>, Error> {
    let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
        return Err(error.into());
    };
    let reasons = cancelled.cancellation_reasons();
    if !reasons.iter().any(|reason| reason.code() == Some(CONDITION_FAILED)) {
        return Err(Error::cancelled(reasons));
    }
    let outcome = |reason: &CancellationReason| match reason.code() {
        Some(CONDITION_FAILED) => Outcome::Refused(reason.item().cloned()),
        _ => Outcome::Done,
    };
    Ok(reasons.iter().map(outcome).collect())
}

/// The token of the transaction by which `by` writes the row `pk`.
pub(crate) fn token(by: &str, pk: &str) -> String {
    token_of(&[by, pk])
}

/// The token of the transaction that `parts` tell from every other.
pub(crate) fn token_of(parts: &[&str]) -> String {
    let mut token = keys::digest(parts);
    token.truncate(TOKEN_LENGTH);
    token
}
