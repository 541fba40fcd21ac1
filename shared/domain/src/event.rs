//! What happened to an application, for people to read.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Reason;
use crate::limits::EVENTS_MAX;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub what: Happening,
}

/// What can happen to an application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Happening {
    /// It was asked for.
    Launched,
    /// It was started ahead, for its template's pool.
    MadeAhead,
    /// A launch took it out of its pool.
    Claimed,
    /// It waits for something.
    Waits {
        /// For what.
        reason: Reason,
    },
    /// Its route was made; it answers.
    Deployed,
    /// It runs, and something is wrong with it.
    Troubled {
        /// What.
        reason: Reason,
    },
    /// What was wrong with it is over.
    Recovered,
    /// Its route was lost, or led elsewhere, and was made again.
    RouteRemade,
    /// It was found in its cluster without a record.
    Orphaned,
    /// It would have been culled, and waits under the brake.
    Held,
    /// It was used again, or the brake was let go.
    Released,
    /// Its end was decided; its reason says why.
    Entombed,
    /// Route, namespace and pod are gone.
    Finished,
}

impl Happening {
    /// The bare word, as it is stored.
    pub fn word(&self) -> &'static str {
        match self {
            Happening::Launched => "launched",
            Happening::MadeAhead => "made-ahead",
            Happening::Claimed => "claimed",
            Happening::Waits { .. } => "waits",
            Happening::Deployed => "deployed",
            Happening::Troubled { .. } => "troubled",
            Happening::Recovered => "recovered",
            Happening::RouteRemade => "route-remade",
            Happening::Orphaned => "orphaned",
            Happening::Held => "held",
            Happening::Released => "released",
            Happening::Entombed => "entombed",
            Happening::Finished => "finished",
        }
    }

    /// What people read. `end` is why it came to its end, if it has.
    pub fn sentence(&self, end: Option<&Reason>) -> String {
        match self {
            Happening::Launched => "Launched.".into(),
            Happening::MadeAhead => "Started ahead, for its template's pool.".into(),
            Happening::Claimed => "Taken from its template's pool by a launch.".into(),
            Happening::Waits { reason } | Happening::Troubled { reason } => reason.sentence(),
            Happening::Deployed => "Its port accepts connections and its route is made.".into(),
            Happening::Recovered => "Its pod is well again.".into(),
            Happening::RouteRemade => {
                "The route proxy had lost its route, or led it elsewhere; it was made again.".into()
            }
            Happening::Orphaned => "Found in its cluster without a record.".into(),
            Happening::Held => {
                "Nobody seems to use it, nor unusually many others. None is culled until enough are used again or an operator confirms it."
                    .into()
            }
            Happening::Released => "It does not wait to be culled any more.".into(),
            Happening::Entombed => end.map_or_else(|| "Its end was decided.".into(), Reason::sentence),
            Happening::Finished => "Nothing of it is left but this record.".into(),
        }
    }

    /// Whether `other` says the same again, perhaps in other words.
    fn repeats(&self, other: &Happening) -> bool {
        let kind = |what: &Happening| match what {
            Happening::Waits { reason } | Happening::Troubled { reason } => Some(std::mem::discriminant(reason)),
            _ => None,
        };
        std::mem::discriminant(self) == std::mem::discriminant(other) && kind(self) == kind(other)
    }
}

/// Adds `event`. What repeats the last one only renews its words; of more than [`EVENTS_MAX`] the second goes, because
/// the first says how all began.
pub(crate) fn add(events: &mut Vec<Event>, event: Event) {
    match events.last_mut() {
        Some(last) if last.what.repeats(&event.what) => last.what = event.what,
        _ => events.push(event),
    }
    if events.len() > EVENTS_MAX {
        events.remove(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::at;

    fn waits(message: &str) -> Happening {
        let message = message.to_owned();
        Happening::Waits {
            reason: Reason::Unschedulable { message },
        }
    }

    fn told(all: impl IntoIterator<Item = Happening>) -> Vec<Event> {
        let mut events = Vec::new();
        for (number, what) in all.into_iter().enumerate() {
            add(
                &mut events,
                Event {
                    at: at(number as i64),
                    what,
                },
            );
        }
        events
    }

    #[test]
    fn the_same_again_keeps_its_time_and_renews_its_words() {
        let events = told([Happening::Launched, waits("0/1 nodes"), waits("0/2 nodes")]);
        assert_eq!((events.len(), events[1].at), (2, at(1)));
        assert!(events[1].what.sentence(None).contains("0/2 nodes"));
    }

    #[test]
    fn of_too_many_the_first_and_the_latest_stay() {
        let all = (0..60).map(|number| {
            if number % 2 == 0 {
                waits("x")
            } else {
                Happening::Recovered
            }
        });
        let events = told(std::iter::once(Happening::Launched).chain(all));
        assert_eq!(events.len(), EVENTS_MAX);
        assert_eq!(events[0].what, Happening::Launched);
        assert_eq!(events.last().unwrap().at, at(60));
    }

    #[test]
    fn the_stored_word_is_the_one_that_is_told() {
        for event in told([
            Happening::Launched,
            waits("x"),
            Happening::RouteRemade,
            Happening::MadeAhead,
        ]) {
            let stored = serde_json::to_value(&event).unwrap();
            assert_eq!(stored["event"], event.what.word());
            assert_eq!(serde_json::from_value::<Event>(stored).unwrap(), event);
        }
    }
}
