//! Makes the table where there is none: for the local adapter and for tests. A deployment's template makes its own.

use std::time::Duration;

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType, TableDescription, TableStatus, TimeToLiveSpecification, TimeToLiveStatus,
};
use futures::FutureExt;

use crate::error::Cause;
use crate::schema::{Index, TABLE};
use crate::{Error, Store};

/// How often a new table is looked at before it is given up, and how long each time: one minute together.
const LOOKS: usize = 120;
const LOOK_AGAIN: Duration = Duration::from_millis(500);

impl Store {
    /// Creates the table, its indexes and its time to live where they are absent, and waits, at most a minute, until
    /// it can be used. A table that is there is left as it is.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the table does not become usable in time, otherwise as for every request.
    pub async fn ensure_table(&self) -> Result<(), Error> {
        if self.describe().await?.is_none() {
            self.create().await?;
        }
        for _ in 0..LOOKS {
            let usable = self.describe().await?.is_some_and(|table| is_usable(&table));
            if usable {
                return self.ensure_time_to_live().await;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Err(Error::Unavailable(Cause::boxed(
            "TableStatus",
            "the table is not usable yet",
        )))
    }

    async fn describe(&self) -> Result<Option<TableDescription>, Error> {
        match self
            .client
            .describe_table()
            .table_name(&*self.table)
            .send()
            .boxed()
            .await
        {
            Ok(answer) => Ok(answer.table),
            Err(error) if error.code() == Some("ResourceNotFoundException") => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    async fn create(&self) -> Result<(), Error> {
        let mut request = self
            .client
            .create_table()
            .table_name(&*self.table)
            .billing_mode(BillingMode::PayPerRequest)
            .set_key_schema(Some(key_schema(TABLE.partition_key, TABLE.sort_key)?))
            .attribute_definitions(string(TABLE.partition_key)?)
            .attribute_definitions(string(TABLE.sort_key)?);
        for index in TABLE.indexes {
            request = request
                .attribute_definitions(string(index.partition_key)?)
                .attribute_definitions(string(index.sort_key)?)
                .global_secondary_indexes(secondary(index)?);
        }
        match request.send().boxed().await {
            Ok(_) => Ok(()),
            // Another process was first.
            Err(error) if error.code() == Some("ResourceInUseException") => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    async fn ensure_time_to_live(&self) -> Result<(), Error> {
        let answer = self
            .client
            .describe_time_to_live()
            .table_name(&*self.table)
            .send()
            .boxed()
            .await?;
        let status = answer
            .time_to_live_description
            .and_then(|described| described.time_to_live_status);
        if matches!(status, Some(TimeToLiveStatus::Enabled | TimeToLiveStatus::Enabling)) {
            return Ok(());
        }
        let wanted = TimeToLiveSpecification::builder()
            .attribute_name(TABLE.time_to_live)
            .enabled(true)
            .build()
            .map_err(Error::unbuilt)?;
        let request = self.client.update_time_to_live().table_name(&*self.table);
        request.time_to_live_specification(wanted).send().boxed().await?;
        Ok(())
    }
}

fn is_usable(table: &TableDescription) -> bool {
    use aws_sdk_dynamodb::types::IndexStatus;
    let indexes = table.global_secondary_indexes();
    table.table_status() == Some(&TableStatus::Active)
        && indexes
            .iter()
            .all(|index| index.index_status() == Some(&IndexStatus::Active))
}

fn key_schema(partition: &str, sort: &str) -> Result<Vec<KeySchemaElement>, Error> {
    [(partition, KeyType::Hash), (sort, KeyType::Range)]
        .into_iter()
        .map(|(name, kind)| KeySchemaElement::builder().attribute_name(name).key_type(kind).build())
        .collect::<Result<_, _>>()
        .map_err(Error::unbuilt)
}

fn string(name: &str) -> Result<AttributeDefinition, Error> {
    let definition = AttributeDefinition::builder().attribute_name(name);
    definition
        .attribute_type(ScalarAttributeType::S)
        .build()
        .map_err(Error::unbuilt)
}

fn secondary(index: &Index) -> Result<GlobalSecondaryIndex, Error> {
    let projected = index.projected.iter().map(|name| (*name).to_owned()).collect();
    let projection = Projection::builder()
        .projection_type(ProjectionType::Include)
        .set_non_key_attributes(Some(projected));
    GlobalSecondaryIndex::builder()
        .index_name(index.name)
        .set_key_schema(Some(key_schema(index.partition_key, index.sort_key)?))
        .projection(projection.build())
        .build()
        .map_err(Error::unbuilt)
}
