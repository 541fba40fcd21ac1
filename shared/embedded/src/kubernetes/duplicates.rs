//! Members that a JSON text has twice. Reading it into a value keeps the last one and says nothing.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The paths of such members (`data.a`, `spec.containers[0].name`), in the order in which they come.
pub(super) fn find(text: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    let walk = Walk {
        path: String::new(),
        found: &mut found,
    };
    // What cannot be read at all is told by whoever reads it.
    let _ = walk.deserialize(&mut serde_json::Deserializer::from_slice(text));
    found
}

/// One value on the way through the text.
struct Walk<'a> {
    path: String,
    found: &'a mut Vec<String>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = BTreeSet::new();
        while let Some(name) = map.next_key::<String>()? {
            let path = match self.path.as_str() {
                "" => name.clone(),
                parent => format!("{parent}.{name}"),
            };
            if seen.contains(&name) {
                self.found.push(path);
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            seen.insert(name);
            let found = &mut *self.found;
            map.next_value_seed(Walk { path, found })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut index = 0;
        loop {
            let path = format!("{}[{index}]", self.path);
            let found = &mut *self.found;
            if list.next_element_seed(Walk { path, found })?.is_none() {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_that_come_twice_are_found_wherever_they_stand() {
        let text = br#"{"a": 1, "b": {"c": [true, {"d": null, "d": 1.5}], "c": []}, "a": "x", "e": -1}"#;
        assert_eq!(find(text), ["b.c[1].d", "b.c", "a"]);
        assert!(find(br#"{"a": {"a": [{"a": 1}, {"a": 1}]}}"#).is_empty());
    }
}
