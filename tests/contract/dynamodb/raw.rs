//! Short ways to say requests as they go over the wire.

use std::collections::HashMap;
use std::fmt::Debug;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update};

use crate::server::Table;

pub type Item = HashMap<String, AttributeValue>;

pub fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// An item of these attributes.
pub fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    let owned = attributes.into_iter().map(|(name, value)| (name.to_owned(), value));
    owned.collect()
}

/// The key of a row of the partition `p`.
pub fn key(sort: &str) -> Item {
    item([("pk", s("p")), ("sk", s(sort))])
}

/// The same item with one attribute more.
pub fn with(mut item: Item, name: &str, value: AttributeValue) -> Item {
    item.insert(name.to_owned(), value);
    item
}

/// The code of what was refused.
pub fn code<T: Debug, E: ProvideErrorMetadata + Debug, R: Debug>(result: Result<T, SdkError<E, R>>) -> String {
    let error = result.expect_err("refused");
    let code = error.code().unwrap_or_else(|| panic!("no code in {error:?}"));
    code.to_owned()
}

impl Table {
    pub async fn put(&self, item: Item) {
        let put = self.raw.put_item().table_name(&self.name).set_item(Some(item));
        put.send().await.unwrap();
    }

    pub async fn get(&self, key: Item) -> Option<Item> {
        let get = self.raw.get_item().table_name(&self.name).set_key(Some(key));
        get.consistent_read(true).send().await.unwrap().item
    }

    /// The code with which putting this item is refused.
    pub async fn refuses(&self, item: Item) -> String {
        let put = self.raw.put_item().table_name(&self.name).set_item(Some(item));
        code(put.send().await)
    }

    /// A put of a row that is not there yet, for a transaction.
    pub fn makes(&self, item: Item) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        TransactWriteItem::builder().put(put.build().unwrap()).build()
    }

    /// One more in the attribute `n` of a row, for a transaction.
    pub fn counts(&self, key: Item) -> TransactWriteItem {
        let update = Update::builder()
            .table_name(&self.name)
            .set_key(Some(key))
            .update_expression("ADD #n :one")
            .expression_attribute_names("#n", "n")
            .expression_attribute_values(":one", n(1));
        TransactWriteItem::builder().update(update.build().unwrap()).build()
    }
}
