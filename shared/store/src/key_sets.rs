//! The keys that issuers sign access tokens with, as they were fetched last: with them an issuer that is out of reach
//! keeps nobody out.

use domain::{Look, limits};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::items::Kind;
use crate::keys::{self, Key};
use crate::rows::{Next, value_row};
use crate::{Error, Row, Store, WriteError};

/// The keys of one issuer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySet {
    /// A JWK Set (RFC 7517), in JSON.
    pub jwks: String,
    /// When it was fetched.
    pub fetched_at: Timestamp,
}

impl Store {
    /// AP18 The keys of `issuer` as they were fetched last, strongly consistent. How old they may be is for the reader to
    /// say: they are there until the database has deleted them.
    ///
    /// # Errors
    /// As for every read.
    pub async fn key_set(&self, issuer: &str) -> Result<Option<Row<KeySet>>, Error> {
        value_row(self.get(&Key::key_set(issuer)).await?)
    }

    /// W1, W2 Writes the keys of `issuer` over those that were read, or where there are none.
    ///
    /// # Errors
    /// [`WriteError::Overtaken`] when somebody else has written them since.
    pub async fn put_key_set(
        &self,
        old: Option<&Row<KeySet>>,
        issuer: &str,
        next: &KeySet,
        look: &Look,
    ) -> Result<Row<KeySet>, WriteError> {
        let kept = SignedDuration::try_from(limits::KEY_SET_KEPT).unwrap_or(SignedDuration::MAX);
        let forget_at = keys::forget_second(next.fetched_at.checked_add(kept).unwrap_or(Timestamp::MAX));
        let next = Next::new(Key::key_set(issuer), Kind::KeySet, next).forgotten_at(forget_at);
        self.put_value(old, next, look).await
    }
}
