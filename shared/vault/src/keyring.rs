//! The keys of an installation, and what is done with them.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::{digest, hkdf, hmac};

use crate::same;

/// The most keys a keyring can hold.
pub const LARGEST_KEYRING: usize = 8;

const KEY_BYTES: usize = 32;
const KEY_ID_BYTES: usize = 4;
const VERSION: u8 = 1;
/// Version, key id and nonce, which precede the ciphertext.
const HEADER_BYTES: usize = 1 + KEY_ID_BYTES + NONCE_LEN;
/// Keeps subkeys of this scheme apart from any other use of the same key.
const SALT: &[u8] = b"layby vault 1";

/// Base64 as `openssl rand -base64 32` prints it, with or without the padding.
const KEY_TEXT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The keys of an installation: the first seals and makes tokens, all of them open and recognise.
///
/// Rotation: put the new key in front, keep the old ones until nothing sealed with them is left. `Debug` shows key ids
/// only; the keys themselves are not kept, only what subkeys are derived from.
#[derive(Clone)]
pub struct Keyring {
    first: Key,
    others: Vec<Key>,
}

#[derive(Clone)]
struct Key {
    id: [u8; KEY_ID_BYTES],
    root: hkdf::Prk,
}

/// Why texts are no keyring. It names the place of a key, never the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// There must be at least one key.
    #[error("a keyring needs at least one key")]
    Empty,
    /// There may be at most [`LARGEST_KEYRING`] keys.
    #[error("a keyring holds at most {LARGEST_KEYRING} keys")]
    TooMany,
    /// The key at this place, counted from 1, is not 32 bytes in base64.
    #[error("key {0} of the keyring is not 32 bytes in base64")]
    Malformed(usize),
    /// The key at this place, counted from 1, has been there before.
    #[error("key {0} of the keyring is there twice")]
    Duplicate(usize),
}

/// The text was not sealed by this keyring for this purpose and binding, or was changed. Which of these is not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the sealed text cannot be opened")]
pub struct Unsealable;

/// A sealed text that was opened.
pub struct Opened {
    /// What was sealed.
    pub text: Vec<u8>,
    /// The same, sealed with the first key, where another one of the ring had sealed it. Whoever opens the same sealed
    /// text gets the same.
    pub resealed: Option<String>,
}

/// What a subkey is for; two uses never share one.
#[derive(Clone, Copy)]
enum Use {
    Seal,
    Token,
    /// Nonces of what is sealed again.
    Nonce,
}

impl Keyring {
    /// A keyring of `keys`, the one to seal with first: each 32 bytes in standard base64, 1 to 8 of them, all different.
    ///
    /// # Errors
    /// What is wrong with which key.
    pub fn from_base64(keys: &[impl AsRef<str>]) -> Result<Keyring, KeyringError> {
        if keys.len() > LARGEST_KEYRING {
            return Err(KeyringError::TooMany);
        }
        let mut seen: Vec<Vec<u8>> = Vec::new();
        for (text, place) in keys.iter().zip(1..) {
            let bytes = KEY_TEXT
                .decode(text.as_ref().trim())
                .map_err(|_| KeyringError::Malformed(place))?;
            if bytes.len() != KEY_BYTES {
                return Err(KeyringError::Malformed(place));
            }
            if seen.iter().any(|other| same(other, &bytes)) {
                return Err(KeyringError::Duplicate(place));
            }
            seen.push(bytes);
        }
        let mut keys = seen.iter().map(|bytes| Key::new(bytes));
        let first = keys.next().ok_or(KeyringError::Empty)?;
        Ok(Keyring {
            first,
            others: keys.collect(),
        })
    }

    /// The keys of both, these before the `older`: as a keyring is after its rotation.
    pub fn before(&self, older: &Keyring) -> Keyring {
        let older = std::iter::once(&older.first).chain(&older.others);
        Keyring {
            first: self.first.clone(),
            others: self.others.iter().chain(older).cloned().collect(),
        }
    }

    /// Seals `plaintext` with the first key (AES-256-GCM): only `open` with the same `purpose` and `bound_to` opens it.
    ///
    /// `nonce` must be random and never used twice. The result is base64url without padding of a version byte, the
    /// key's id (4 bytes), the nonce and the ciphertext.
    pub fn seal(&self, purpose: &str, bound_to: &[&str], plaintext: &[u8], nonce: [u8; NONCE_LEN]) -> String {
        let mut sealed = Vec::with_capacity(HEADER_BYTES + plaintext.len() + AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.extend(self.first.id);
        sealed.extend(nonce);
        let aad = Aad::from(encoded(&sealed, bound_to));
        let mut text = plaintext.to_vec();
        let key = self.first.sealing(purpose);
        let Ok(()) = key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut text) else {
            unreachable!("AES-GCM refuses only what is longer than 64 GiB");
        };
        sealed.extend(text);
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// Opens what any key of the ring has sealed for the same `purpose` and `bound_to`.
    ///
    /// # Errors
    /// [`Unsealable`], without saying why.
    pub fn open(&self, purpose: &str, bound_to: &[&str], sealed: &str) -> Result<Vec<u8>, Unsealable> {
        self.opened(purpose, bound_to, sealed).map(|(text, _)| text)
    }

    /// As [`Keyring::open`], and seals again with the first key what another one had sealed, so that the others need not
    /// be kept.
    ///
    /// Its nonce is derived from what was sealed: HMAC is as good as random to whoever has not the key, and the same
    /// nonce comes again only with the same text and binding.
    ///
    /// # Errors
    /// [`Unsealable`], without saying why.
    pub fn open_and_reseal(&self, purpose: &str, bound_to: &[&str], sealed: &str) -> Result<Opened, Unsealable> {
        let (text, is_by_first) = self.opened(purpose, bound_to, sealed)?;
        let resealed = (!is_by_first).then(|| {
            let nonce = self.first.nonce(purpose, &encoded(sealed.as_bytes(), bound_to));
            self.seal(purpose, bound_to, &text, nonce)
        });
        Ok(Opened { text, resealed })
    }

    /// What was sealed, and whether by the first key.
    fn opened(&self, purpose: &str, bound_to: &[&str], sealed: &str) -> Result<(Vec<u8>, bool), Unsealable> {
        let sealed = URL_SAFE_NO_PAD.decode(sealed).map_err(|_| Unsealable)?;
        let (header, ciphertext) = sealed.split_at_checked(HEADER_BYTES).ok_or(Unsealable)?;
        let (version, rest) = header.split_first().ok_or(Unsealable)?;
        let (id, nonce) = rest.split_at_checked(KEY_ID_BYTES).ok_or(Unsealable)?;
        if *version != VERSION {
            return Err(Unsealable);
        }
        // Two keys may share an id, so each that has it is tried.
        self.keys()
            .enumerate()
            .filter(|(_, key)| key.id == id)
            .find_map(|(place, key)| Some((key.open(purpose, header, bound_to, nonce, ciphertext)?, place == 0)))
            .ok_or(Unsealable)
    }

    /// The token of `id` under the first key: 43 characters of base64url (HMAC-SHA256). The same again each time, so it
    /// need not be stored; nobody without the key can tell it.
    pub fn token(&self, purpose: &str, id: &str) -> String {
        self.first.token(purpose, id)
    }

    /// The tokens of `id` under each key of the ring, the first key's first: one that was made before a rotation is among
    /// them.
    pub fn tokens(&self, purpose: &str, id: &str) -> impl Iterator<Item = String> {
        self.keys().map(move |key| key.token(purpose, id))
    }

    /// Whether `presented` is the token of `id` under any key of the ring. Takes the same time whichever it is.
    pub fn token_matches(&self, purpose: &str, id: &str, presented: &str) -> bool {
        self.keys().fold(false, |found, key| {
            found | same(key.token(purpose, id).as_bytes(), presented.as_bytes())
        })
    }

    fn keys(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl Key {
    fn new(bytes: &[u8]) -> Key {
        let mut id = [0; KEY_ID_BYTES];
        let digest = digest::digest(&digest::SHA256, bytes);
        for (to, from) in id.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Key {
            id,
            root: hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(bytes),
        }
    }

    fn subkey<K, L>(&self, used_to: Use, purpose: &str, kind: L) -> K
    where
        K: for<'a> From<hkdf::Okm<'a, L>>,
        L: hkdf::KeyType,
    {
        let label: &[u8] = match used_to {
            Use::Seal => b"seal\0",
            Use::Token => b"token\0",
            Use::Nonce => b"nonce\0",
        };
        match self.root.expand(&[label, purpose.as_bytes()], kind) {
            Ok(derived) => K::from(derived),
            Err(_) => unreachable!("HKDF refuses only keys longer than 8160 bytes"),
        }
    }

    fn sealing(&self, purpose: &str) -> LessSafeKey {
        LessSafeKey::new(self.subkey::<UnboundKey, _>(Use::Seal, purpose, &AES_256_GCM))
    }

    fn nonce(&self, purpose: &str, of: &[u8]) -> [u8; NONCE_LEN] {
        let key: hmac::Key = self.subkey(Use::Nonce, purpose, hmac::HMAC_SHA256);
        let mut nonce = [0; NONCE_LEN];
        for (to, from) in nonce.iter_mut().zip(hmac::sign(&key, of).as_ref()) {
            *to = *from;
        }
        nonce
    }

    fn token(&self, purpose: &str, id: &str) -> String {
        let key: hmac::Key = self.subkey(Use::Token, purpose, hmac::HMAC_SHA256);
        URL_SAFE_NO_PAD.encode(hmac::sign(&key, id.as_bytes()))
    }

    fn open(
        &self,
        purpose: &str,
        header: &[u8],
        bound_to: &[&str],
        nonce: &[u8],
        ciphertext: &[u8],
    ) -> Option<Vec<u8>> {
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = ciphertext.to_vec();
        let opened = self
            .sealing(purpose)
            .open_in_place(nonce, Aad::from(encoded(header, bound_to)), &mut text)
            .ok()?;
        Some(opened.to_vec())
    }
}

/// `header` and each of `bound_to` after its length, so that no two lists have the same encoding.
fn encoded(header: &[u8], bound_to: &[&str]) -> Vec<u8> {
    let mut encoded = header.to_vec();
    for part in bound_to {
        encoded.extend((part.len() as u64).to_be_bytes());
        encoded.extend(part.as_bytes());
    }
    encoded
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<String> = self.keys().map(|key| hex::encode(key.id)).collect();
        f.debug_struct("Keyring").field("keys", &ids).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
