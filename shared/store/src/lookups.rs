//! Several applications at once: by id, and by template.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Application, ApplicationId, TemplateName};
use futures::FutureExt;
use jiff::Timestamp;

use crate::items::{ApplicationItem, Item, decode};
use crate::keys::{self, Key};
use crate::list::identified;
use crate::request::count;
use crate::schema::LIST;
use crate::{Error, Row, Store};

impl Store {
    /// AP8 The applications that have these ids, strongly consistent; one that is forgotten at `now` counts as absent.
    ///
    /// # Errors
    /// As for every read.
    pub async fn applications_by_id(
        &self,
        ids: &[ApplicationId],
        now: Timestamp,
    ) -> Result<BTreeMap<ApplicationId, Row<Application>>, Error> {
        let ids: BTreeSet<&ApplicationId> = ids.iter().collect();
        let keys: Vec<Key> = ids.into_iter().map(Key::application).collect();
        let mut rows = BTreeMap::new();
        for item in self.batch_get(&keys).await? {
            let item: ApplicationItem = decode(item)?;
            if !item.is_forgotten(now) {
                rows.insert(item.id().clone(), item.into_row());
            }
        }
        Ok(rows)
    }

    /// AP5 The applications of a template that live or are ending, the oldest first: at most `limit`, up to
    /// [`domain::limits::LIST_MAX`].
    ///
    /// # Errors
    /// As for every read.
    pub async fn oldest_of(
        &self,
        template: &TemplateName,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<Application>, Error> {
        let most = limit.clamp(1, domain::limits::LIST_MAX);
        let ids = self.listed_ids(&keys::list_part(template, false), most, false).await?;
        let mut rows = self.applications_by_id(&ids, now).await?;
        Ok(ids
            .iter()
            .filter_map(|id| rows.remove(id))
            .map(|row| row.value)
            .collect())
    }

    /// AP7 How many applications of a template live or are ending, by the index. Spares are not among them.
    ///
    /// # Errors
    /// As for every read.
    pub async fn count_live(&self, template: &TemplateName) -> Result<u64, Error> {
        let request = self.client.query().table_name(&*self.table).index_name(LIST.name);
        let asked = request
            .key_condition_expression("list_part = :part")
            .expression_attribute_values(":part", AttributeValue::S(keys::list_part(template, false)));
        count(asked).await
    }

    /// The ids in a partition of the `list` index, the newest or the oldest first: at most `most`, of one page.
    pub(crate) async fn listed_ids(
        &self,
        part: &str,
        most: usize,
        newest_first: bool,
    ) -> Result<Vec<ApplicationId>, Error> {
        let request = self.client.query().table_name(&*self.table).index_name(LIST.name);
        let answer = request
            .key_condition_expression("list_part = :part")
            .expression_attribute_values(":part", AttributeValue::S(part.to_owned()))
            .scan_index_forward(newest_first)
            .limit(most as i32)
            .send()
            .boxed()
            .await?;
        let id = |item: Item| {
            let key = item.get(LIST.sort_key).and_then(|key| key.as_s().ok());
            identified(key.map(String::as_str).unwrap_or_default())
        };
        answer.items.unwrap_or_default().into_iter().map(id).collect()
    }
}
