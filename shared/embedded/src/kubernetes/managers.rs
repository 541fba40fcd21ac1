//! `metadata.managedFields`: which manager wants which field, kept by writes of every kind and decided by server-side
//! apply (apimachinery's `pkg/util/managedfields`).

mod entry;
mod last_applied;

use entry::{Entry, Id};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::fields::{Changes, Set, compare, fields_of, merge, without};
use super::json::{cut, put, stamp};
use super::registry::Kind;
use super::schema::{Place, empty};
use super::status::Refusal;

/// Entries of updates; the oldest beyond it are merged.
const UPDATES_MAX: usize = 10;
/// Whom the merged entries belong to.
const ANCIENT: &str = "ancient-changes";
/// Who wrote what was there before the first apply, where nobody is known.
const BEFORE_APPLY: &str = "before-first-apply";

/// Who writes, and through which subresource (empty for none).
#[derive(Clone, Debug)]
pub(super) struct Writer<'a> {
    pub(super) kind: &'static Kind,
    pub(super) manager: &'a str,
    pub(super) subresource: &'a str,
    pub(super) at: Timestamp,
}

#[derive(Clone, Debug, Default)]
struct Managers(Vec<Entry>);

impl Writer<'_> {
    /// Records what an update changes: from `old` (nothing, for a new object) to `new`, whose own `managedFields` count
    /// if they can be read, and are emptied by `[]` and `[{}]`.
    pub(super) fn record(&self, old: Option<&Value>, new: &mut Value) {
        let given = cut(new, "/metadata/managedFields").filter(|_| self.subresource.is_empty());
        let known =
            |object: Option<&Value>| object.and_then(|object| Managers::read(&object["metadata"]["managedFields"]));
        let mut managers = match given {
            Some(given) if is_reset(&given) => Managers::default(),
            Some(given) => match Managers::read(&given).filter(|managers| !managers.0.is_empty()) {
                Some(managers) => managers,
                None => known(old).unwrap_or_default(),
            },
            None => known(old).unwrap_or_default(),
        };
        // An object that has no managers gets none by updates.
        if old.is_none() || !managers.0.is_empty() {
            match old {
                Some(old) => self.update(&mut managers, old, new),
                None => self.update(&mut managers, &empty(self.kind), new),
            }
        }
        managers.write(new);
    }

    fn update(&self, managers: &mut Managers, old: &Value, new: &Value) {
        let mut changes = compare(Place::whole(self.kind.kind), old, new);
        self.filter(&mut changes);
        let Changes {
            removed,
            modified,
            added,
        } = changes;
        let mut own = modified.union(added);
        for entry in &mut managers.0 {
            entry.fields = entry.fields.difference(&own).difference(&removed);
        }
        managers.0.retain(|entry| !entry.fields.is_empty());
        own.strip();
        if !own.is_empty() {
            let entry = managers.entry(self.id(false), self.kind);
            entry.fields = std::mem::take(&mut entry.fields).union(own);
            entry.time = self.time();
        }
        managers.cap(self.kind);
    }

    /// What becomes of `old` (nothing, where it is to be made) when this writer wants `config`.
    pub(super) fn apply(&self, old: Option<&Value>, config: &Value, force: bool) -> Result<Value, Refusal> {
        let place = Place::whole(self.kind.kind);
        let mut live = old.cloned().unwrap_or_else(|| empty(self.kind));
        let managed = cut(&mut live, "/metadata/managedFields").unwrap_or_default();
        let mut managers = Managers::read(&managed).unwrap_or_default();
        if managers.0.is_empty() {
            let before = Writer {
                manager: BEFORE_APPLY,
                ..self.clone()
            };
            before.update(&mut managers, &empty(self.kind), &live);
        }
        let id = self.id(true);
        let mut wanted = fields_of(place, config);
        self.keep(&mut wanted);
        let entry = managers.entry(id.clone(), self.kind);
        let wanted_before = std::mem::replace(&mut entry.fields, wanted);
        let merged = merge(place, &live, config);
        let mut new = managers.prune(place, merged, &wanted_before);
        let mut changes = compare(place, &live, &new);
        self.filter(&mut changes);
        let free = match self.manager {
            last_applied::KUBECTL => last_applied::own(place, &live),
            _ => Set::default(),
        };
        managers.give_way(&id, &changes, &free, force)?;
        let entry = managers.entry(id, self.kind);
        entry.fields.strip();
        if live != new {
            entry.time = self.time();
        }
        managers.0.retain(|entry| !entry.fields.is_empty());
        if self.manager == last_applied::KUBECTL {
            last_applied::renew(&mut new, config);
        }
        managers.write(&mut new);
        Ok(new)
    }

    /// A status is written through its subresource alone, and nothing else through it.
    fn wants(&self, name: &str) -> bool {
        match self.subresource {
            "status" => name == "status",
            _ => name != "status" || !self.kind.has_status(),
        }
    }

    fn keep(&self, fields: &mut Set) {
        fields.retain(|name| self.wants(name));
    }

    fn filter(&self, changes: &mut Changes) {
        changes.retain(|name| self.wants(name));
    }

    fn id(&self, applied: bool) -> Id {
        let name = if self.manager.is_empty() {
            "unknown"
        } else {
            self.manager
        };
        Id {
            manager: name.to_owned(),
            applied,
            api_version: if applied {
                String::new()
            } else {
                self.kind.api_version()
            },
            subresource: self.subresource.to_owned(),
        }
    }

    fn time(&self) -> String {
        stamp(self.at).as_str().unwrap_or_default().to_owned()
    }
}

impl Managers {
    /// Reads `managedFields`; `None` when there are none or when one of them cannot be read.
    fn read(managed: &Value) -> Option<Managers> {
        managed
            .as_array()?
            .iter()
            .map(Entry::read)
            .collect::<Option<_>>()
            .map(Managers)
    }

    /// Puts the managers into an object, in the order that the real server has.
    fn write(mut self, object: &mut Value) {
        let order = |one: &Entry| {
            let id = &one.id;
            (
                !id.applied,
                one.time.clone(),
                id.manager.clone(),
                one.api_version.clone(),
                id.subresource.clone(),
            )
        };
        self.0.sort_by_cached_key(order);
        match self.0.is_empty() {
            true => drop(cut(object, "/metadata/managedFields")),
            false => put(
                object,
                "/metadata/managedFields",
                self.0.iter().map(Entry::write).collect::<Value>(),
            ),
        }
    }

    /// The entry of that id, made if it is not there.
    fn entry(&mut self, id: Id, kind: &Kind) -> &mut Entry {
        let at = match self.0.iter().position(|entry| entry.id == id) {
            Some(at) => at,
            None => {
                let (api_version, time, fields) = (kind.api_version(), String::new(), Set::default());
                self.0.push(Entry {
                    id,
                    api_version,
                    time,
                    fields,
                });
                self.0.len() - 1
            }
        };
        &mut self.0[at]
    }

    /// Takes out of `merged` what the applier wanted before, and what now neither it nor anybody else wants.
    fn prune(&self, place: Place, merged: Value, wanted_before: &Set) -> Value {
        if wanted_before.is_empty() {
            return merged;
        }
        let before = wanted_before.with_parents();
        let pruned = without(place, &merged, &before);
        let there = fields_of(place, &merged).with_parents();
        let wanted = self
            .0
            .iter()
            .fold(Set::default(), |all, entry| all.union(entry.fields.clone()))
            .with_parents();
        let kept = fields_of(place, &pruned).with_parents().union(wanted);
        let pruned = without(place, &merged, &there.difference(&kept));
        let kept = fields_of(place, &pruned).with_parents();
        without(place, &merged, &there.difference(&kept).intersection(&before))
    }

    /// Others lose what changes; without `force`, losing a field that is wanted and not `free` is a conflict.
    fn give_way(&mut self, applier: &Id, changes: &Changes, free: &Set, force: bool) -> Result<(), Refusal> {
        let changed = changes.modified.clone().union(changes.added.clone());
        let others = || self.0.iter().filter(|entry| entry.id != *applier);
        let conflicts: Vec<(&Entry, Vec<String>)> = others()
            .map(|entry| (entry, entry.fields.intersection(&changed).difference(free).shown()))
            .filter(|(_, paths)| !paths.is_empty())
            .collect();
        if !force && !conflicts.is_empty() {
            return Err(conflict(conflicts));
        }
        for entry in self.0.iter_mut().filter(|entry| entry.id != *applier) {
            entry.fields = entry.fields.difference(&changed).difference(&changes.removed);
        }
        Ok(())
    }

    /// Merges the oldest entries of updates while there are too many.
    fn cap(&mut self, kind: &Kind) {
        let updates = |managers: &Managers| managers.0.iter().filter(|entry| !entry.id.applied).count();
        if updates(self) <= UPDATES_MAX {
            return;
        }
        let mut oldest: Vec<(String, Id)> = self
            .0
            .iter()
            .filter(|entry| !entry.id.applied)
            .map(|entry| (entry.time.clone(), entry.id.clone()))
            .collect();
        oldest.sort();
        let bucket = Id {
            manager: ANCIENT.to_owned(),
            applied: false,
            api_version: kind.api_version(),
            subresource: String::new(),
        };
        let mut merged: Vec<Entry> = Vec::new();
        for (_, id) in oldest {
            // One more entry is the bucket itself.
            if !merged.is_empty() && updates(self) < UPDATES_MAX {
                break;
            }
            if let Some(at) = self.0.iter().position(|entry| entry.id == id) {
                merged.push(self.0.remove(at));
            }
        }
        let entry = self.entry(bucket, kind);
        for one in merged {
            entry.fields = std::mem::take(&mut entry.fields).union(one.fields);
            entry.time = one.time;
        }
    }
}

fn conflict(mut conflicts: Vec<(&Entry, Vec<String>)>) -> Refusal {
    conflicts.sort_by_key(|(entry, _)| &entry.id);
    let pairs = || {
        conflicts
            .iter()
            .flat_map(|(entry, paths)| paths.iter().map(|path| (entry.shown(), path)))
    };
    let causes: Vec<Value> = pairs()
        .map(|(manager, path)| {
            json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": path})
        })
        .collect();
    let message = match pairs().collect::<Vec<_>>().as_slice() {
        [(manager, path)] => format!("Apply failed with 1 conflict: conflict with {manager}: {path}"),
        many => {
            let all = |(entry, paths): &(&Entry, Vec<String>)| {
                let paths: String = paths.iter().map(|path| format!("\n- {path}")).collect();
                format!("conflicts with {}:{paths}", entry.shown())
            };
            let lines: Vec<String> = conflicts.iter().map(all).collect();
            format!("Apply failed with {} conflicts: {}", many.len(), lines.join("\n"))
        }
    };
    Refusal::apply_conflict(message, causes)
}

/// Gives `new` the times of `old`, where the times at which managers wrote are all that differs.
pub(super) fn keep_times(old: &Value, new: &mut Value) {
    if same_but_times(old, new) {
        super::json::keep(old, new, "/metadata/managedFields");
    }
}

fn same_but_times(old: &Value, new: &Value) -> bool {
    let timeless = |object: &Value| {
        let managers = Managers::read(&object["metadata"]["managedFields"]).unwrap_or_default();
        managers
            .0
            .into_iter()
            .map(|entry| (entry.id, entry.api_version, entry.fields))
            .collect::<Vec<_>>()
    };
    let rest = |object: &Value| {
        let mut object = object.clone();
        cut(&mut object, "/metadata/managedFields");
        object
    };
    timeless(old) == timeless(new) && rest(old) == rest(new)
}

/// Whether `managedFields` are given to empty them: `[]` or `[{}]`.
fn is_reset(given: &Value) -> bool {
    match given.as_array().map(Vec::as_slice) {
        Some([]) => true,
        Some([one]) => one.as_object().is_some_and(Map::is_empty),
        _ => false,
    }
}
