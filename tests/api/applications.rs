//! `/applications`.

mod activity;
mod launch;
mod list;
mod logs;
mod read;
mod stop;

use serde_json::Value;

pub use list::next;

/// What is told of an application without what happened to it, and that by itself: a word and a sentence each.
fn apart(mut told: Value) -> (Value, Vec<(String, String)>) {
    let events = told.as_object_mut().unwrap().remove("events");
    let events = events.unwrap_or_else(|| panic!("it does not say what happened to it: {told}"));
    let events = events.as_array().unwrap().iter().map(|event| {
        let text = |name: &str| event[name].as_str().unwrap().to_owned();
        (text("event"), text("sentence"))
    });
    let events = events.collect();
    (told, events)
}

fn said(events: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(word, sentence): &(&str, &str)| ((*word).to_owned(), (*sentence).to_owned());
    events.iter().map(owned).collect()
}
