//! Secrets: sealing what rests in the table, tokens that are derived instead of stored, and sealed list cursors.
//!
//! All of it is a function of its arguments: keys, nonces and the time are handed in.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

pub mod cursor;
mod keyring;

use ring::digest;
use subtle::ConstantTimeEq;

pub use keyring::{Keyring, KeyringError, LARGEST_KEYRING, Opened, Unsealable};

/// The SHA-256 of `bytes` in 64 lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex::encode(digest::digest(&digest::SHA256, bytes))
}

/// Whether `a` and `b` are the same, in a time that tells nothing but whether their lengths are.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_the_one_of_fips_180() {
        assert_eq!(
            sha256_hex(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }

    #[test]
    fn only_equal_bytes_are_the_same() {
        assert!(same(b"", b""));
        assert!(same(b"secret", b"secret"));
        assert!(!same(b"secret", b"secreT"));
        assert!(!same(b"secret", b"secrets"));
        assert!(!same(b"secret", b""));
    }
}
