//! Cursors of lists: where a page ended, sealed, so that a client can bring it back but neither read nor make one.

use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::Keyring;

/// How long a cursor can be used.
pub const LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// The longest cursor that is looked at, in characters: it travels in a URL.
pub const LONGEST: usize = 4096;

const PURPOSE: &str = "cursor";

/// What a cursor is good for: a page of the same list for the same caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding<'a> {
    /// Who asked.
    pub caller: &'a str,
    /// The route's method and path, its parameters filled in.
    pub route: &'a str,
    /// Whatever else selects rows, in one canonical spelling.
    pub filter: &'a str,
}

/// A position that cannot be made a cursor.
#[derive(Debug, thiserror::Error)]
pub enum BadPosition {
    /// It has no JSON form.
    #[error("the position in the list has no JSON form")]
    Unserializable(#[source] serde_json::Error),
    /// It would make a cursor longer than [`LONGEST`].
    #[error("the position in the list is too long for a cursor")]
    TooLong,
}

/// Why a cursor is not accepted. Its holder has to begin the list anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCursor {
    /// It was not made here, or for another caller, route or filter, or for positions of another form.
    #[error("the cursor is not one of this list")]
    Forged,
    /// It is older than [`LIFETIME`].
    #[error("the cursor is too old")]
    Stale,
}

#[derive(Serialize, Deserialize)]
struct Page<T> {
    at: Timestamp,
    position: T,
}

/// Seals `position` as a cursor made `now`. `nonce` must be random and never used twice.
///
/// # Errors
/// [`BadPosition`] when `position` does not fit.
pub fn seal(
    keyring: &Keyring,
    binding: &Binding<'_>,
    position: &impl Serialize,
    now: Timestamp,
    nonce: [u8; 12],
) -> Result<String, BadPosition> {
    let page = serde_json::to_vec(&Page { at: now, position }).map_err(BadPosition::Unserializable)?;
    let sealed = keyring.seal(PURPOSE, &binding.parts(), &page, nonce);
    if sealed.len() > LONGEST {
        Err(BadPosition::TooLong)
    } else {
        Ok(sealed)
    }
}

/// The position in a cursor that was made for the same `binding`, at most [`LIFETIME`] before `now`.
///
/// # Errors
/// [`BadCursor`] for every other text.
pub fn open<T: DeserializeOwned>(
    keyring: &Keyring,
    binding: &Binding<'_>,
    sealed: &str,
    now: Timestamp,
) -> Result<T, BadCursor> {
    if sealed.len() > LONGEST {
        return Err(BadCursor::Forged);
    }
    let page = keyring
        .open(PURPOSE, &binding.parts(), sealed)
        .map_err(|_| BadCursor::Forged)?;
    let Page { at, position } = serde_json::from_slice(&page).map_err(|_| BadCursor::Forged)?;
    if now.duration_since(at) > LIFETIME {
        Err(BadCursor::Stale)
    } else {
        Ok(position)
    }
}

impl<'a> Binding<'a> {
    fn parts(&self) -> [&'a str; 3] {
        [self.caller, self.route, self.filter]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; 12] = [9; 12];
    const BINDING: Binding<'static> = Binding {
        caller: "key:ci",
        route: "GET /applications/{template}",
        filter: "template=r&status=deployed",
    };

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Position {
        key: String,
        shard: u8,
    }

    fn keyring() -> Keyring {
        Keyring::from_base64(&["AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="]).unwrap()
    }

    fn position() -> Position {
        Position {
            key: "APP#0123".to_owned(),
            shard: 3,
        }
    }

    fn made() -> Timestamp {
        "2026-11-03T10:00:00Z".parse().unwrap()
    }

    fn opened(binding: &Binding<'_>, sealed: &str, after: SignedDuration) -> Result<Position, BadCursor> {
        open(&keyring(), binding, sealed, made() + after)
    }

    #[test]
    fn a_cursor_gives_back_its_position_for_a_day() {
        let sealed = seal(&keyring(), &BINDING, &position(), made(), NONCE).unwrap();
        assert!(!sealed.contains("APP"));
        assert_eq!(opened(&BINDING, &sealed, SignedDuration::ZERO), Ok(position()));
        assert_eq!(opened(&BINDING, &sealed, LIFETIME), Ok(position()));
        assert_eq!(
            opened(&BINDING, &sealed, LIFETIME + SignedDuration::from_nanos(1)),
            Err(BadCursor::Stale)
        );
        // Another host's clock may be a little ahead of the one that reads.
        assert_eq!(opened(&BINDING, &sealed, SignedDuration::from_secs(-2)), Ok(position()));
    }

    #[test]
    fn a_cursor_serves_only_the_caller_route_and_filter_it_was_made_for() {
        let sealed = seal(&keyring(), &BINDING, &position(), made(), NONCE).unwrap();
        let others = [
            Binding {
                caller: "key:other",
                ..BINDING
            },
            Binding {
                route: "GET /applications/",
                ..BINDING
            },
            Binding { filter: "", ..BINDING },
            Binding {
                caller: BINDING.route,
                route: BINDING.caller,
                ..BINDING
            },
        ];
        for other in others {
            assert_eq!(
                opened(&other, &sealed, SignedDuration::ZERO),
                Err(BadCursor::Forged),
                "{other:?}"
            );
        }
    }

    #[test]
    fn a_forged_cursor_is_refused() {
        let keyring = keyring();
        let bound = ["key:ci", BINDING.route, BINDING.filter];
        let page = br#"{"at":"2026-11-03T10:00:00Z","position":{"key":"APP#0123","shard":3}}"#;
        let other_purpose = keyring.seal("kubeconfig", &bound, page, NONCE);
        let other_form = seal(&keyring, &BINDING, &"APP#0123", made(), NONCE).unwrap();
        let no_page = keyring.seal(PURPOSE, &bound, b"APP#0123", NONCE);
        let long = "A".repeat(LONGEST + 1);
        for forged in ["", "APP#0123", &other_purpose, &other_form, &no_page, &long] {
            assert_eq!(
                opened(&BINDING, forged, SignedDuration::ZERO),
                Err(BadCursor::Forged),
                "{forged}"
            );
        }
        let own = keyring.seal(PURPOSE, &bound, page, NONCE);
        assert_eq!(opened(&BINDING, &own, SignedDuration::ZERO), Ok(position()));
    }

    #[test]
    fn a_position_that_does_not_fit_is_refused_when_sealed() {
        let sealed = seal(&keyring(), &BINDING, &"x".repeat(LONGEST), made(), NONCE);
        assert!(matches!(sealed, Err(BadPosition::TooLong)));
    }
}
