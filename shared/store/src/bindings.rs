//! What an `Idempotency-Key` is bound to.

use domain::Look;
use jiff::Timestamp;

use crate::items::{BindingItem, decode, encode};
use crate::keys::Key;
use crate::request::Condition;
use crate::{Error, Store};

/// An `Idempotency-Key` as a request brought it. It binds with the write that makes the thing.
#[derive(Clone)]
pub struct Binding {
    /// Who called: [`domain::Caller::word`].
    pub caller: String,
    /// What was called: the endpoint, never the path as written.
    pub route: String,
    /// The key itself. Only its digest is stored.
    pub key: String,
    /// SHA-256 of the body: the same key with another body is another request.
    pub body_sha256: String,
}

impl Binding {
    /// What tells it from every other: of whom, where and which key.
    pub fn digest(&self) -> String {
        crate::keys::digest(&[&self.caller, &self.route, &self.key])
    }

    pub(crate) fn row(&self) -> Key {
        Key::binding(&self.caller, &self.route, &self.key)
    }
}

/// What an `Idempotency-Key` is already bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// SHA-256 of the body that it came with.
    pub body_sha256: String,
    /// The id of what was made.
    pub made: String,
}

impl From<BindingItem> for Bound {
    fn from(item: BindingItem) -> Bound {
        Bound {
            body_sha256: item.body_sha256,
            made: item.made,
        }
    }
}

impl Store {
    /// AP15 Binds a key to what was made for it in a write of its own, where it is bound to nothing yet, or to `before`.
    /// One that is bound to anything else stays as it is.
    ///
    /// # Errors
    /// As for every write.
    pub async fn bind(&self, asked: &Binding, made: &str, before: Option<&str>, look: &Look) -> Result<(), Error> {
        let item = BindingItem::new(&asked.row(), &asked.body_sha256, made, look);
        let condition = Condition::absent_or_bound_to(look.now.as_second(), before);
        self.put(&encode(&item)?, &condition).await.map(drop)
    }

    /// AP15 What a key is bound to at `now`.
    ///
    /// # Errors
    /// As for every read.
    pub async fn binding(&self, asked: &Binding, now: Timestamp) -> Result<Option<Bound>, Error> {
        let item = self.get(&asked.row()).await?;
        let item = item.map(decode::<BindingItem>).transpose()?;
        Ok(item.filter(|item| !item.is_forgotten(now)).map(Bound::from))
    }

    /// What a key is bound to at `now`, where there is one.
    pub(crate) async fn bound(&self, asked: Option<&Binding>, now: Timestamp) -> Result<Option<Bound>, Error> {
        match asked {
            Some(asked) => self.binding(asked, now).await,
            None => Ok(None),
        }
    }
}
