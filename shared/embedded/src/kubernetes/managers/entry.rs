//! One entry of `managedFields`.

use serde_json::{Value, json};

use super::super::fields::Set;
use super::super::json::text;

/// Whose an entry is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Id {
    pub(super) manager: String,
    pub(super) applied: bool,
    /// Empty for what was applied: an applier is the same whatever the version.
    pub(super) api_version: String,
    pub(super) subresource: String,
}

/// What one manager wants.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: Id,
    pub(super) api_version: String,
    /// RFC 3339, empty where it is not known.
    pub(super) time: String,
    pub(super) fields: Set,
}

impl Entry {
    pub(super) fn read(entry: &Value) -> Option<Entry> {
        let api_version = text(entry, "/apiVersion").to_owned();
        let applied = match text(entry, "/operation") {
            "Apply" => true,
            "Update" => false,
            _ => return None,
        };
        if api_version.is_empty() || text(entry, "/fieldsType") != "FieldsV1" {
            return None;
        }
        let id = Id {
            manager: text(entry, "/manager").to_owned(),
            applied,
            api_version: if applied { String::new() } else { api_version.clone() },
            subresource: text(entry, "/subresource").to_owned(),
        };
        let (time, fields) = (text(entry, "/time").to_owned(), Set::read(&entry["fieldsV1"]));
        Some(Entry {
            id,
            api_version,
            time,
            fields,
        })
    }

    pub(super) fn write(&self) -> Value {
        let mut entry = json!({
            "manager": self.id.manager,
            "operation": if self.id.applied { "Apply" } else { "Update" },
            "apiVersion": self.api_version,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.write(),
        });
        for (name, value) in [("time", &self.time), ("subresource", &self.id.subresource)] {
            if !value.is_empty() {
                entry[name] = value.as_str().into();
            }
        }
        entry
    }

    /// The entry's owner as messages name it.
    pub(super) fn shown(&self) -> String {
        let mut shown = format!("{:?}", self.id.manager);
        if !self.id.subresource.is_empty() {
            shown = format!("{shown} with subresource {:?}", self.id.subresource);
        }
        match self.id.applied {
            true => shown,
            false => format!("{shown} using {}", self.api_version),
        }
    }
}
