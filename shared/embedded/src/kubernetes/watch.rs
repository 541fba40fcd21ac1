//! Watches: the state, then every change, from a bounded history.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::canonical::view;
use super::json::put;
use super::machine::Machine;
use super::objects::Change;
use super::registry::{KINDS, KindId};
use super::request::{Call, Shape};
use super::selectors::Selector;
use super::status::Refusal;

/// Events given at a time.
const BATCH_MAX: usize = 256;
/// How long a watch lasts that names no time (the real server draws 30 to 60 minutes).
const USUAL_TIMEOUT: Duration = Duration::from_secs(30 * 60);

/// One caller's place in the changes.
#[derive(Debug)]
pub struct Watch {
    id: KindId,
    namespace: String,
    selector: Selector,
    shape: Shape,
    /// Objects to show before any change, the last one first.
    initial: Vec<Arc<Value>>,
    /// The state is shown whole, and its end is to be marked.
    marks_initial: bool,
    revision: u64,
    bookmarks: bool,
    timeout: Duration,
    ended: bool,
}

impl Watch {
    /// How long the stream lasts, in mechanical time.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether nothing will come any more.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.ended
    }

    /// The event that only tells how far the watch has come, where the caller asked for such.
    #[must_use]
    pub fn bookmark(&self) -> Option<Bytes> {
        (self.bookmarks && !self.ended).then(|| self.bookmark_with(json!({})))
    }

    fn bookmark_with(&self, annotations: Value) -> Bytes {
        let kind = &KINDS[self.id];
        let (name, api_version) = match self.shape {
            Shape::Whole => (kind.kind, kind.api_version()),
            Shape::Metadata => ("PartialObjectMetadata", "meta.k8s.io/v1".to_owned()),
        };
        let mut object = json!({
            "kind": name,
            "apiVersion": api_version,
            "metadata": {"resourceVersion": self.revision.to_string()},
        });
        if annotations
            .as_object()
            .is_some_and(|annotations| !annotations.is_empty())
        {
            put(&mut object, "/metadata/annotations", annotations);
        }
        line("BOOKMARK", &object)
    }

    fn concerns(&self, change: &Change) -> bool {
        change.key.id == self.id && (self.namespace.is_empty() || change.key.namespace == self.namespace)
    }

    /// What a change means to this watch: an object may come into its selection, or leave it.
    fn event(&self, change: &Change) -> Option<Bytes> {
        let selected = |object: &Option<Arc<Value>>| object.clone().filter(|object| self.selector.selects(object));
        let (name, object) = match (selected(&change.before), selected(&change.after)) {
            (None, None) => return None,
            (None, Some(after)) => ("ADDED", after),
            (Some(_), Some(after)) => ("MODIFIED", after),
            (Some(before), None) => ("DELETED", before),
        };
        let mut shown = view(&object, self.shape);
        put(&mut shown, "/metadata/resourceVersion", change.revision.to_string());
        Some(line(name, &shown))
    }
}

fn line(name: &str, object: &Value) -> Bytes {
    Bytes::from(format!("{}\n", json!({"type": name, "object": object})))
}

impl Machine {
    pub(super) fn watch(&self, call: &Call<'_>) -> Result<Watch, Refusal> {
        let selector = Selector::read(
            call.kind(),
            call.query.text("labelSelector"),
            call.query.text("fieldSelector"),
        )?;
        let asked = call.query.text("resourceVersion");
        let from = match asked {
            "" => 0,
            text => text.parse().map_err(|_| {
                let why = format!("strconv.ParseUint: parsing {text:?}: invalid syntax");
                Refusal::internal(format!("resourceVersion: Invalid value: {text:?}: {why}"))
            })?,
        };
        let bookmarks = call.query.flag("allowWatchBookmarks");
        // A caller that takes bookmarks and asks for no version is told where the state ends, whether it asks or not.
        let told = call.query.has("sendInitialEvents");
        let whole = if told {
            call.query.flag("sendInitialEvents")
        } else {
            from == 0
        };
        let marks_initial = whole && bookmarks && (told || asked.is_empty());
        let current = self.objects.list(call.id, &call.namespace).map(|(_, object)| object);
        let mut initial: Vec<Arc<Value>> = match whole {
            true => current.filter(|object| selector.selects(object)).cloned().collect(),
            false => Vec::new(),
        };
        initial.reverse();
        let timeout = call.query.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
        Ok(Watch {
            id: call.id,
            namespace: call.namespace.clone(),
            selector,
            shape: call.shape,
            initial,
            marks_initial,
            revision: if from == 0 || whole {
                self.objects.revision()
            } else {
                from
            },
            bookmarks,
            timeout: timeout
                .map_or(USUAL_TIMEOUT, Duration::from_secs)
                .min(USUAL_TIMEOUT * 2),
            ended: false,
        })
    }

    /// The next events of a watch, one line each; none when it has seen everything.
    ///
    /// A watch that asks for changes from before what is remembered gets one error (410) and ends, as on the real server.
    pub fn follow(&self, watch: &mut Watch) -> Vec<Bytes> {
        let from = watch.initial.len().saturating_sub(BATCH_MAX);
        let mut lines: Vec<Bytes> = watch
            .initial
            .split_off(from)
            .iter()
            .rev()
            .map(|object| line("ADDED", &view(object, watch.shape)))
            .collect();
        if !watch.initial.is_empty() || watch.ended {
            return lines;
        }
        if std::mem::take(&mut watch.marks_initial) {
            lines.push(watch.bookmark_with(json!({"k8s.io/initial-events-end": "true"})));
        }
        let Some(changes) = self.objects.since(watch.revision) else {
            watch.ended = true;
            let oldest = self.objects.forgotten();
            let message = format!("too old resource version: {} ({oldest})", watch.revision);
            lines.push(line("ERROR", &Refusal::expired(message).body()));
            return lines;
        };
        let mut seen = watch.revision.max(self.objects.revision());
        for change in changes {
            if lines.len() >= BATCH_MAX {
                seen = change.revision - 1;
                break;
            }
            lines.extend(
                Some(change)
                    .filter(|change| watch.concerns(change))
                    .and_then(|change| watch.event(change)),
            );
        }
        watch.revision = seen;
        lines
    }
}
