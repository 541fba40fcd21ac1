//! Pools: how many spares a template is to have.

use domain::{Look, Pool, Template, TemplateName, limits};

use crate::error::Cause;
use crate::items::{Kind, TemplateItem, decode};
use crate::keys::{self, Key};
use crate::request::{Condition, Outcome};
use crate::rows::{Next, ValueItem, sort_key, value_row};
use crate::{Error, Page, Row, Store, WriteError};

/// How often a pool that somebody else writes at the same time is read and written again.
const TRIES: usize = 4;

impl Store {
    /// AP2 A template and its pool, strongly consistent, by one request. It asks for the two rows alone: what else
    /// stands beside them may be large.
    ///
    /// # Errors
    /// As for every read.
    pub async fn template_and_pool(&self, name: &TemplateName) -> Result<(Option<Template>, Option<Row<Pool>>), Error> {
        let (template, pool) = (Key::template(name), Key::pool(name));
        let (mut found, mut pooled) = (None, None);
        for item in self.batch_get(&[template, pool.clone()]).await? {
            if sort_key(&item).is_some_and(|sk| sk == pool.sk) {
                pooled = value_row(Some(item))?;
            } else {
                found = Some(decode::<TemplateItem>(item)?.template);
            }
        }
        Ok((found, pooled))
    }

    /// The pool of a template, strongly consistent.
    ///
    /// # Errors
    /// As for every read.
    pub async fn pool(&self, template: &TemplateName) -> Result<Option<Row<Pool>>, Error> {
        value_row(self.get(&Key::pool(template)).await?)
    }

    /// AP16 Pools, by their templates' names: at most [`limits::LIST_MAX`] of them, from the position `after`.
    ///
    /// # Errors
    /// [`Error::Rejected`] when `after` is no position; otherwise as for every read.
    pub async fn pools(&self, after: Option<&str>) -> Result<Page<Row<Pool>>, Error> {
        let proposed = self.propose_one(keys::POOLS, limits::LIST_MAX, after).await?;
        let keys: Result<Vec<Key>, Error> = proposed.keys.iter().map(|key| pool_key(key)).collect();
        let items = self.batch_get(&keys?).await?.into_iter().map(decode::<ValueItem<Pool>>);
        let mut items = items.collect::<Result<Vec<_>, _>>()?;
        items.sort_by(|one, other| one.list_key.cmp(&other.list_key));
        Ok(Page {
            items: items.into_iter().map(ValueItem::into_row).collect(),
            next: proposed.next,
        })
    }

    /// Writes how many spares a template is to have. What was known of failures is forgotten.
    ///
    /// # Errors
    /// [`Error::Conflict`] when others wrote the same pool each time it was tried; otherwise as for every write.
    pub async fn put_pool(&self, template: &TemplateName, size: u32, look: &Look) -> Result<Row<Pool>, Error> {
        let next = Pool::new(template.clone(), size);
        for _ in 0..TRIES {
            let old = self.pool(template).await?;
            match self.write_pool(old.as_ref(), &next, look).await {
                Ok(row) => return Ok(row),
                Err(WriteError::Overtaken) => {}
                Err(WriteError::Store(error)) => return Err(error),
            }
        }
        Err(Error::Conflict(Cause::boxed(
            "put",
            "the pool was written by others at the same time",
        )))
    }

    /// Takes a pool as it was read, to refill it: of many who want to, one succeeds in writing `taken` over it.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] for the others.
    pub async fn take_pool(&self, row: &Row<Pool>, taken: &Pool, look: &Look) -> Result<Row<Pool>, WriteError> {
        self.write_pool(Some(row), taken, look).await
    }

    /// Deletes a pool as it was read. One that is gone is no failure.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when somebody else has written it since.
    pub async fn delete_pool(&self, row: &Row<Pool>) -> Result<(), WriteError> {
        let condition = Condition::same(row.version, &row.by);
        match self.delete(&Key::pool(&row.value.template), &condition).await? {
            Outcome::Done | Outcome::Refused(None) => Ok(()),
            Outcome::Refused(Some(_)) => Err(WriteError::Overtaken),
        }
    }

    async fn write_pool(&self, old: Option<&Row<Pool>>, next: &Pool, look: &Look) -> Result<Row<Pool>, WriteError> {
        let next = Next::new(Key::pool(&next.template), Kind::Pool, next)
            .listed(keys::POOLS, keys::by_name(next.template.as_str()));
        self.put_value(old, next, look).await
    }
}

fn pool_key(list_key: &str) -> Result<Key, Error> {
    let name = keys::split_position(list_key).and_then(|(_, name)| TemplateName::parse(name).ok());
    name.map(|name| Key::pool(&name))
        .ok_or_else(|| Error::corrupt("list", "a key without a template's name"))
}
