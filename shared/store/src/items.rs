//! The rows as they are stored.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Application, ApplicationId, KeyId, KeyRecord, Lane, Look, State, Status, Template, limits, shard_of};
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
    KeyUse,
    Idempotency,
    Pool,
    Preload,
    Environment,
    EnvironmentListed,
    Host,
    Brake,
    Sweep,
    Cluster,
    ClusterPool,
    ClusterOffer,
    ClusterClaim,
    ClusterSeal,
    ClusterInventory,
    Lease,
    Ticket,
    TicketShare,
    KeySet,
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
            sk: key.sk.to_string(),
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    list_part: Option<String>,
    pub(crate) list_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    day_part: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    day_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pick_part: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pick_key: Option<String>,
    status: Status,
    /// It runs, and says that something is wrong with it. Absent otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    troubled: Option<bool>,
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
        let mut item = ApplicationItem {
            head: Head::new(&key, Kind::Application, version, look),
            due_part: None,
            due_key: None,
            due_since: None,
            attempt: 0,
            list_part: None,
            list_key: position.clone(),
            day_part: None,
            day_key: None,
            pick_part: None,
            pick_key: None,
            status: application.status(),
            troubled: is_troubled(application).then_some(true),
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
        if application.spare {
            item.list_as_spare(past);
        } else {
            item.list_as_application(past, position);
        }
        item
    }

    fn list_as_application(&mut self, past: bool, position: String) {
        let application = &self.application;
        self.list_part = Some(keys::list_part(&application.template, past));
        self.day_part = Some(if past {
            keys::day_part_past(keys::day(application.created_at))
        } else {
            keys::day_part_live(shard_of(&application.id))
        });
        self.day_key = Some(position);
    }

    /// A spare is nobody's: it is listed only beside its like, can be picked while it is ready, and once it has ended
    /// only its row tells of it.
    fn list_as_spare(&mut self, past: bool) {
        let spare = &self.application;
        if past {
            return;
        }
        self.list_part = Some(keys::spares_part(&spare.template));
        if let (State::Running { .. }, Some(run)) = (&spare.state, &spare.run) {
            self.pick_part = Some(keys::pick_part(&spare.cell, &spare.template, run));
            self.pick_key = Some(spare.id.as_str().to_owned());
        }
    }

    pub(crate) fn id(&self) -> &ApplicationId {
        &self.application.id
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
            by: self.head.by,
        }
    }
}

fn is_troubled(application: &Application) -> bool {
    matches!(application.state, State::Running { .. }) && application.waiting.is_some()
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
    list_part: String,
    pub(crate) list_key: String,
    #[serde(flatten)]
    pub(crate) record: KeyRecord,
}

impl KeyItem {
    pub(crate) fn new(sha256: &str, record: &KeyRecord, look: &Look) -> KeyItem {
        KeyItem {
            head: Head::new(&Key::api_key(sha256), Kind::Key, FIRST_VERSION, look),
            list_part: keys::API_KEYS.to_owned(),
            list_key: keys::newest_first(record.created_at, sha256),
            record: record.clone(),
        }
    }
}

/// The row that holds a key's name.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyNameItem {
    #[serde(flatten)]
    pub(crate) head: Head,
    pub(crate) sha256: String,
    pub(crate) id: KeyId,
}

impl KeyNameItem {
    pub(crate) fn new(sha256: &str, record: &KeyRecord, look: &Look) -> KeyNameItem {
        KeyNameItem {
            head: Head::new(&Key::key_name(&record.name), Kind::KeyName, FIRST_VERSION, look),
            sha256: sha256.to_owned(),
            id: record.id.clone(),
        }
    }
}

/// The row of a key's last use.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyUseItem {
    #[serde(flatten)]
    head: Head,
    pub(crate) id: KeyId,
    /// Unix time, so that conditions can compare it.
    used_second: i64,
}

impl KeyUseItem {
    pub(crate) fn new(id: &KeyId, look: &Look) -> KeyUseItem {
        KeyUseItem {
            head: Head::new(&Key::key_use(id), Kind::KeyUse, FIRST_VERSION, look),
            id: id.clone(),
            used_second: look.now.as_second(),
        }
    }

    pub(crate) fn used_at(&self) -> Result<Timestamp, Error> {
        Timestamp::from_second(self.used_second).map_err(|error| Error::corrupt("used_second", &error.to_string()))
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
