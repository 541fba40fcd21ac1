//! Reading and writing places of JSON objects by their pointer (RFC 6901), with absence as the zero value.

use jiff::Timestamp;
use serde_json::{Map, Value};

/// The text at `pointer`, empty when there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// The whole number at `pointer`.
pub(super) fn int(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// The boolean at `pointer`.
pub(super) fn flag(object: &Value, pointer: &str) -> Option<bool> {
    object.pointer(pointer).and_then(Value::as_bool)
}

/// The elements at `pointer`, none when there is no array.
pub(super) fn items<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object
        .pointer(pointer)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The same, to be changed.
pub(super) fn items_mut<'a>(object: &'a mut Value, pointer: &str) -> impl Iterator<Item = &'a mut Value> {
    object
        .pointer_mut(pointer)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
}

/// The members of the object at `pointer`, none when there is none.
pub(super) fn members<'a>(object: &'a Value, pointer: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    object.pointer(pointer).and_then(Value::as_object).into_iter().flatten()
}

/// Puts `value` at `pointer`, making objects on the way. Pointers into arrays are not for this function.
pub(super) fn put(object: &mut Value, pointer: &str, value: impl Into<Value>) {
    *slot(object, pointer) = value.into();
}

/// Puts `value` at `pointer` where nothing is yet.
pub(super) fn default(object: &mut Value, pointer: &str, value: impl Into<Value>) {
    let slot = slot(object, pointer);
    if slot.is_null() {
        *slot = value.into();
    }
}

/// Takes away what is at `pointer`.
pub(super) fn cut(object: &mut Value, pointer: &str) -> Option<Value> {
    let (parent, name) = pointer.rsplit_once('/')?;
    object.pointer_mut(parent)?.as_object_mut()?.remove(name)
}

/// Gives the place at `pointer` of `to` what `from` has there, or nothing.
pub(super) fn keep(from: &Value, to: &mut Value, pointer: &str) {
    match from.pointer(pointer) {
        Some(value) => put(to, pointer, value.clone()),
        None => drop(cut(to, pointer)),
    }
}

fn slot<'a>(object: &'a mut Value, pointer: &str) -> &'a mut Value {
    pointer.split('/').skip(1).fold(object, |place, name| {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        // Indexing by name inserts null into an object, and the line above made it one.
        &mut place[name]
    })
}

/// An instant as `metav1.Time` writes it: whole seconds, UTC.
pub(super) fn stamp(at: Timestamp) -> Value {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into()
}
