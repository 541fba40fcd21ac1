//! The rows as they are stored.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Application, KeyName, KeyRecord, Lane, Look, Scopes, Status, Template, limits, shard_of};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::keys::{self, Key};
use crate::{Error, Row};

/// A row's attributes.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// A new row's version.
pub(crate) const FIRST_VERSION: u64 = 1;

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Application,
    Template,
    Key,
    KeyName,
    Idempotency,
}

/// What every row carries.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Head {
    pk: String,
    sk: String,
    kind: Kind,
    /// Counts the writes of this row, from [`FIRST_VERSION`].
    pub(crate) version: u64,
    /// Who wrote it last: [`Look::by`].
    pub(crate) by: String,
    updated_at: Timestamp,
}

impl Head {
    pub(crate) fn new(key: &Key, kind: Kind, version: u64, look: &Look) -> Head {
        Head {
            pk: key.pk.clone(),
            sk: key.sk.to_owned(),
            kind,
            version,
            by: look.by.clone(),
            updated_at: look.now,
        }
    }
}

/// Whether anybody must come back to an application.
pub(crate) enum Standing {
    /// Somebody must by `at`.
    Due {
        at: Timestamp,
        since: Timestamp,
        attempt: u32,
    },
    /// Nobody: it has ended.
    Past,
}

/// An application's row. Its value's own attributes stand beside the others; `state` and `status` are strings at the
/// top, because indexes carry them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ApplicationItem {
    #[serde(flatten)]
    pub(crate) head: Head,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_part: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_since: Option<Timestamp>,
    #[serde(default)]
    attempt: u32,
    list_part: String,
    pub(crate) list_key: String,
    day_part: String,
    day_key: String,
    status: Status,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    forget_at: Option<i64>,
    #[serde(flatten)]
    application: Application,
}

impl ApplicationItem {
    pub(crate) fn new(application: &Application, standing: Standing, version: u64, look: &Look) -> ApplicationItem {
        let key = Key::application(&application.id);
        let position = keys::newest_first(application.created_at, application.id.as_str());
        let past = matches!(standing, Standing::Past);
        let day_part = if past {
            keys::day_part_past(keys::day(application.created_at))
        } else {
            keys::day_part_live(shard_of(&application.id))
        };
        let mut item = ApplicationItem {
            head: Head::new(&key, Kind::Application, version, look),
            due_part: None,
            due_key: None,
            due_since: None,
            attempt: 0,
            list_part: keys::list_part(&application.template, past),
            list_key: position.clone(),
            day_part,
            day_key: position,
            status: application.status(),
            forget_at: past.then(|| forget_at(look.now, limits::REMEMBER)),
            application: application.clone(),
        };
        if let Standing::Due { at, since, attempt } = standing {
            let lane = Lane::Applications(application.cell.clone());
            item.due_part = Some(keys::due_part(&lane, shard_of(&application.id)));
            item.due_key = Some(keys::due_key(at, &key.pk));
            item.due_since = Some(keys::whole_millis(since));
            item.attempt = attempt;
        }
        item
    }

    /// Whether the row counts as absent at `now`.
    pub(crate) fn is_forgotten(&self, now: Timestamp) -> bool {
        self.forget_at.is_some_and(|second| second <= now.as_second())
    }

    pub(crate) fn into_row(self) -> Row<Application> {
        let due_at = self.due_key.as_deref().and_then(keys::split_due_key).map(|(at, _)| at);
        Row {
            value: self.application,
            version: self.head.version,
            due_at,
            due_since: self.due_since,
            attempt: self.attempt,
        }
    }
}

/// A template's row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TemplateItem {
    #[serde(flatten)]
    pub(crate) head: Head,
    list_part: String,
    pub(crate) list_key: String,
    #[serde(flatten)]
    pub(crate) template: Template,
}

impl TemplateItem {
    /// `created` is when the template was first written, which is its place in the list.
    pub(crate) fn new(template: Template, created: Timestamp, version: u64, look: &Look) -> TemplateItem {
        TemplateItem {
            head: Head::new(&Key::template(&template.name), Kind::Template, version, look),
            list_part: keys::TEMPLATES.to_owned(),
            list_key: keys::newest_first(created, template.name.as_str()),
            template,
        }
    }
}

/// An API key's row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyItem {
    #[serde(flatten)]
    head: Head,
    pub(crate) name: KeyName,
    scopes: Scopes,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_at: Option<Timestamp>,
}

impl KeyItem {
    pub(crate) fn new(sha256: &str, key: &KeyRecord, look: &Look) -> KeyItem {
        KeyItem {
            head: Head::new(&Key::api_key(sha256), Kind::Key, FIRST_VERSION, look),
            name: key.name.clone(),
            scopes: key.scopes.clone(),
            expires_at: key.expires_at,
        }
    }

    pub(crate) fn into_record(self) -> KeyRecord {
        KeyRecord {
            name: self.name,
            scopes: self.scopes,
            expires_at: self.expires_at,
        }
    }
}

/// The row that holds a key's name.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyNameItem {
    #[serde(flatten)]
    head: Head,
    pub(crate) sha256: String,
}

impl KeyNameItem {
    pub(crate) fn new(name: &KeyName, sha256: &str, look: &Look) -> KeyNameItem {
        KeyNameItem {
            head: Head::new(&Key::key_name(name), Kind::KeyName, FIRST_VERSION, look),
            sha256: sha256.to_owned(),
        }
    }
}

/// The row of an `Idempotency-Key`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BindingItem {
    #[serde(flatten)]
    pub(crate) head: Head,
    pub(crate) body_sha256: String,
    pub(crate) made: String,
    forget_at: i64,
}

impl BindingItem {
    pub(crate) fn is_forgotten(&self, now: Timestamp) -> bool {
        self.forget_at <= now.as_second()
    }

    pub(crate) fn new(key: &Key, body_sha256: &str, made: &str, look: &Look) -> BindingItem {
        BindingItem {
            head: Head::new(key, Kind::Idempotency, FIRST_VERSION, look),
            body_sha256: body_sha256.to_owned(),
            made: made.to_owned(),
            forget_at: forget_at(look.now, limits::IDEMPOTENCY),
        }
    }
}

fn forget_at(now: Timestamp, after: std::time::Duration) -> i64 {
    let end = SignedDuration::try_from(after)
        .ok()
        .and_then(|span| now.checked_add(span).ok());
    keys::forget_second(end.unwrap_or(Timestamp::MAX))
}

/// A row's attributes, ready to be written.
pub(crate) fn encode(row: &impl Serialize) -> Result<Item, Error> {
    serde_dynamo::to_item(row).map_err(|error| Error::corrupt("encode", &error.to_string()))
}

/// What the attributes of a row mean.
pub(crate) fn decode<T: DeserializeOwned>(item: Item) -> Result<T, Error> {
    serde_dynamo::from_item(item).map_err(|error| Error::corrupt("decode", &error.to_string()))
}

#[cfg(test)]
mod tests;
