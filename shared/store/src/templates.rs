//! Templates: read, list, write, delete.

use domain::{Look, Template, TemplateName};

use crate::error::Cause;
use crate::items::{FIRST_VERSION, Head, TemplateItem, decode, encode};
use crate::keys::{self, Key};
use crate::request::{Condition, Outcome};
use crate::{Error, Page, Store};

/// How often a template that somebody else writes at the same time is read and written again.
const TRIES: usize = 4;

impl Store {
    /// AP2 This template, strongly consistent.
    ///
    /// # Errors
    /// As for every read.
    pub async fn template(&self, name: &TemplateName) -> Result<Option<Template>, Error> {
        Ok(self.template_item(name).await?.map(|item| item.template))
    }

    async fn template_item(&self, name: &TemplateName) -> Result<Option<TemplateItem>, Error> {
        self.get(&Key::template(name)).await?.map(decode).transpose()
    }

    /// AP16 Templates, the newest (by when they were first written) first: at most `limit` of them, from the position
    /// `after`.
    ///
    /// # Errors
    /// [`Error::Rejected`] when `after` is no position; otherwise as for every read.
    pub async fn templates(&self, limit: usize, after: Option<&str>) -> Result<Page<Template>, Error> {
        let proposed = self.propose_one(keys::TEMPLATES, limit, after).await?;
        let wanted: Result<Vec<TemplateName>, Error> = proposed.keys.iter().map(|key| named(key)).collect();
        let keys: Vec<Key> = wanted?.iter().map(Key::template).collect();
        let rows = self.batch_get(&keys).await?;
        let mut items = rows
            .into_iter()
            .map(decode::<TemplateItem>)
            .collect::<Result<Vec<_>, _>>()?;
        items.sort_by(|one, other| one.list_key.cmp(&other.list_key));
        Ok(Page {
            items: items.into_iter().map(|item| item.template).collect(),
            next: proposed.next,
        })
    }

    /// Writes a template, over the one of its name where there is one. When that was first written stays; when it was
    /// last written becomes now, in the answer too.
    ///
    /// # Errors
    /// [`Error::Conflict`] when others wrote the same template each time it was tried; otherwise as for every write.
    pub async fn put_template(&self, template: &Template, look: &Look) -> Result<Template, Error> {
        for _ in 0..TRIES {
            let before = self.template_item(&template.name).await?;
            let created = before
                .as_ref()
                .and_then(|item| item.template.time_created)
                .unwrap_or(look.now);
            let next = Template {
                time_created: Some(created),
                time_modified: Some(look.now.max(created)),
                ..template.clone()
            };
            let (version, condition) = match &before {
                None => (FIRST_VERSION, Condition::absent()),
                Some(item) => {
                    let Head { version, by, .. } = &item.head;
                    (version + 1, Condition::same(*version, by))
                }
            };
            let item = encode(&TemplateItem::new(next.clone(), created, version, look))?;
            match self.put(&item, &condition).await? {
                Outcome::Done => return Ok(next),
                Outcome::Refused(Some(old)) => {
                    let old: TemplateItem = decode(old)?;
                    if old.head.by == look.by && old.head.version == version {
                        return Ok(old.template);
                    }
                }
                Outcome::Refused(None) => {}
            }
        }
        Err(lost("put"))
    }

    /// Deletes a template. `false`: there was none.
    ///
    /// # Errors
    /// [`Error::Conflict`] when others wrote the same template each time it was tried; otherwise as for every write.
    pub async fn delete_template(&self, name: &TemplateName) -> Result<bool, Error> {
        for _ in 0..TRIES {
            let Some(item) = self.template_item(name).await? else {
                return Ok(false);
            };
            let condition = Condition::same(item.head.version, &item.head.by);
            match self.delete(&Key::template(name), &condition).await? {
                // Gone by this hand, also when its answer was lost, or by another's since it was read.
                Outcome::Done | Outcome::Refused(None) => return Ok(true),
                Outcome::Refused(Some(_)) => {}
            }
        }
        Err(lost("delete"))
    }
}

fn lost(what: &str) -> Error {
    Error::Conflict(Cause::boxed(
        what,
        "the template was written by others at the same time",
    ))
}

fn named(key: &str) -> Result<TemplateName, Error> {
    let name = keys::split_position(key).and_then(|(_, name)| TemplateName::parse(name).ok());
    name.ok_or_else(|| Error::corrupt("list", "a key without a template's name"))
}
