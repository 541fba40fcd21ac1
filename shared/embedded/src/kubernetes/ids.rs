//! Everything that is random elsewhere: drawn from a seed and a counter, so that the same calls give the same names.

use ring::digest::{SHA256, digest};

/// Alphabet of generated names: no vowels, and nothing that looks like something else.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Length of the suffix that `metadata.generateName` gets.
const SUFFIX: usize = 5;

/// A source of identifiers.
#[derive(Debug)]
pub(super) struct Ids {
    seed: String,
    drawn: u64,
}

impl Ids {
    pub(super) fn new(seed: String) -> Ids {
        Ids { seed, drawn: 0 }
    }

    /// The next uid, in the form of a random (version 4) UUID.
    pub(super) fn uid(&mut self) -> String {
        let seed = self.draw();
        uid_of(&seed)
    }

    /// The next suffix of a generated name.
    pub(super) fn suffix(&mut self) -> String {
        let drawn = hash(&self.draw());
        drawn
            .iter()
            .take(SUFFIX)
            .map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()]))
            .collect()
    }

    fn draw(&mut self) -> String {
        self.drawn += 1;
        format!("{}/{}", self.seed, self.drawn)
    }
}

/// The uid that belongs to a seed.
pub(super) fn uid_of(seed: &str) -> String {
    let mut bytes = hash(seed);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let text = hex::encode(&bytes[..16]);
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}

/// A word of the alphabet of generated names that stands for a content, as ReplicaSets have it in their names.
pub(super) fn hash_word(content: &str) -> String {
    let hash = hash(content);
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    let letter = |byte: u8| char::from(ALPHABET[usize::from(byte) % ALPHABET.len()]);
    format!("{number:010}").bytes().map(letter).collect()
}

/// A digest in the form that images have.
pub(super) fn sha256(content: &str) -> String {
    format!("sha256:{}", hex::encode(hash(content)))
}

/// SHA-256 of a text.
pub(super) fn hash(content: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, content.as_bytes()).as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_version_4_uuids_and_differ_by_seed_and_by_draw() {
        let mut ids = Ids::new("a".to_owned());
        let first = ids.uid();
        assert_eq!(first.len(), 36);
        assert_eq!(&first[14..15], "4");
        assert!("89ab".contains(&first[19..20]));
        assert_ne!(first, ids.uid());
        assert_eq!(first, Ids::new("a".to_owned()).uid());
        assert_ne!(first, Ids::new("b".to_owned()).uid());
    }

    #[test]
    fn suffixes_use_the_alphabet_of_generated_names() {
        let suffix = Ids::new("a".to_owned()).suffix();
        assert_eq!(suffix.len(), SUFFIX);
        assert!(suffix.bytes().all(|byte| ALPHABET.contains(&byte)));
    }
}
